package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"advosync/internal/store"
)

// testPortable: a store tells all that it holds, without being asked for an entity, and
// drops it but for some values and the locks.
func testPortable(t *testing.T, b Backend) {
	s := b.open(t)
	p, ok := store.PortableOf(s)
	if !ok {
		t.Fatalf("%T cannot be carried over", s)
	}
	holds := func(want string) {
		t.Helper()
		h, err := p.Holdings(t.Context())
		must(t, err)
		if got := fmt.Sprint(h); got != want {
			t.Errorf("it holds %s, want %s", got, want)
		}
	}
	holds("{map[] 0}")
	l := take(t, s, "sync_lock:e:all", time.Hour)
	for i := range 450 { // more than a page
		commit(t, s, l, store.Key{Entity: "E", ID: fmt.Sprintf("%03d", i)}, store.Memory{Base: &store.Base{AdvowareID: int64(i + 1)}})
	}
	commit(t, s, l, store.Key{Entity: "Ü:b", ID: "a"}, store.Memory{Open: &store.Announcement{Makes: true}}, entry("h1", 1, store.Key{Entity: "Ü:b", ID: "a"}))
	must(t, p.AddLinked(t.Context(), "only numbers", []int64{-7, 9007199254740993}))
	must(t, s.Put(t.Context(), "keep", []byte("1"), 0))
	must(t, s.Put(t.Context(), "kept, too", []byte("1"), 0))
	must(t, s.Put(t.Context(), "lasts", []byte("2"), 0))
	must(t, s.Put(t.Context(), "expires", []byte("3"), time.Hour))
	holds("{map[E:{450 0} only numbers:{0 0} Ü:b:{1 1}] 1}")
	var ids []string
	must(t, p.Whole(t.Context(), "E", func(id string, m store.Memory) error {
		if m.Base == nil {
			t.Errorf("%s has no base", id)
		}
		ids = append(ids, id)
		return nil
	}))
	if len(ids) != 450 || !slices.IsSorted(ids) {
		t.Errorf("%d ids, sorted %v", len(ids), slices.IsSorted(ids))
	}
	numbers := linked(t, p, "E")
	if len(numbers) != 450 || numbers[0] != 1 || numbers[449] != 450 {
		t.Errorf("linked: %v", numbers)
	}
	if got := fmt.Sprint(linked(t, p, "only numbers")); got != "[-7 9007199254740993]" {
		t.Errorf("linked: %s", got)
	}
	keys, err := p.Lasting(t.Context())
	must(t, err)
	if fmt.Sprint(keys) != "[keep kept, too lasts]" {
		t.Errorf("lasting: %v", keys)
	}
	must(t, p.Clear(t.Context(), []string{"keep", "not there", "kept, too"}))
	holds("{map[] 0}")
	for _, key := range []string{"keep", "kept, too"} {
		if v, ok, err := s.Get(t.Context(), key); string(v) != "1" || !ok || err != nil {
			t.Errorf("what was to be kept: %q, %v, %v", v, ok, err)
		}
	}
	for _, key := range []string{"lasts", "expires"} {
		if _, ok, err := s.Get(t.Context(), key); ok || err != nil {
			t.Errorf("%s is still there: %v", key, err)
		}
	}
	locks, err := s.Locks(t.Context())
	must(t, err)
	if len(locks) != 1 {
		t.Errorf("%d locks, want the one that is held", len(locks))
	}
}

// linked are the numbers that EverLinked knows of, in order.
func linked(t *testing.T, p store.Portable, entity string) (all []int64) {
	t.Helper()
	must(t, p.Linked(t.Context(), entity, func(numbers []int64) error {
		all = append(all, numbers...)
		return nil
	}))
	slices.Sort(all)
	return slices.Compact(all)
}
