package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"advosync/internal/store"
)

func day(n int) time.Time { return time.Date(2026, 3, n, 7, 0, 0, 123456789, time.UTC) }

func testScan(t *testing.T, b Backend) {
	s := b.open(t)
	l := take(t, s, "sync_lock:scan:all", time.Hour)
	put := func(id string, m store.Memory) { commit(t, s, l, store.Key{Entity: "E", ID: id}, m) }
	put("d", store.Memory{Open: &store.Announcement{}, CheckedAt: day(5)})
	put("b", store.Memory{Notes: []store.Note{{ID: "n"}}, CheckedAt: day(5)})
	put("B", store.Memory{Pending: "left", CheckedAt: day(5)})
	put("a", store.Memory{CheckedAt: day(1)})
	put("ä", store.Memory{CheckedAt: day(5)})
	put("c", store.Memory{})
	put("C", store.Memory{WaitsSince: day(1), CheckedAt: day(5)})
	put("h", store.Memory{Hold: &store.Hold{At: day(5), By: "anna@kanzlei", Reason: "Müller, Anruf abwarten"}, CheckedAt: day(5)})
	commit(t, s, l, store.Key{Entity: "Ex", ID: "z"}, store.Memory{Open: &store.Announcement{}})
	for _, c := range []struct {
		name   string
		filter store.ScanFilter
		want   string
	}{
		{"all", store.ScanFilter{}, "[B C a b c d h ä]"},
		{"after", store.ScanFilter{After: "b"}, "[c d h ä]"},
		{"after one that is not there", store.ScanFilter{After: "bb"}, "[c d h ä]"},
		{"after the last", store.ScanFilter{After: "ä"}, "[]"},
		{"announcement", store.ScanFilter{WithOpen: true}, "[d]"},
		{"notes", store.ScanFilter{WithNotes: true}, "[b]"},
		{"pending", store.ScanFilter{WithSuspect: true}, "[B]"},
		{"waiting", store.ScanFilter{WithWaiting: true}, "[C]"},
		{"on hold", store.ScanFilter{WithHold: true}, "[h]"},
		{"on hold or pending", store.ScanFilter{WithHold: true, WithSuspect: true}, "[B h]"},
		{"any of three", store.ScanFilter{WithOpen: true, WithNotes: true, WithSuspect: true}, "[B b d]"},
		{"any of three, after", store.ScanFilter{WithOpen: true, WithNotes: true, WithSuspect: true, After: "B"}, "[b d]"},
		{"checked before", store.ScanFilter{CheckedBefore: day(5)}, "[a c]"},
		{"checked before, a microsecond later", store.ScanFilter{CheckedBefore: day(5).Add(time.Microsecond)}, "[B C a b c d h ä]"},
		{"checked before, or by a clock that was ahead", store.ScanFilter{CheckedBefore: day(2), CheckedAfter: day(4)}, "[B C a b c d h ä]"},
		{"checked before, or after", store.ScanFilter{CheckedBefore: day(2), CheckedAfter: day(5)}, "[a c]"},
		{"checked before or announcement", store.ScanFilter{CheckedBefore: day(2), WithOpen: true, After: "a"}, "[c d]"},
	} {
		if got := fmt.Sprint(scan(t, s, "E", c.filter)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if got := scan(t, s, "none", store.ScanFilter{}); len(got) != 0 {
		t.Errorf("unknown entity: %v", got)
	}
	testScanFollowsCommits(t, s, l)
	testScanByNumber(t, s, l)
	testScanPages(t, s, l)
}

func scan(t *testing.T, s store.Store, entity string, f store.ScanFilter) []string {
	t.Helper()
	ids := []string{}
	must(t, s.Scan(t.Context(), entity, f, func(id string, m store.Memory) error {
		if m.Rev == 0 {
			t.Errorf("%s: no memory", id)
		}
		ids = append(ids, id)
		return nil
	}))
	return ids
}

// testScanFollowsCommits: what is no longer so is no longer found.
func testScanFollowsCommits(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	key := store.Key{Entity: "E", ID: "d"}
	m := load(t, s, key)
	m.Open, m.Pending, m.CheckedAt = nil, "now", day(6)
	commit(t, s, l, key, m)
	if got := scan(t, s, "E", store.ScanFilter{WithOpen: true}); len(got) != 0 {
		t.Errorf("announcement: %v", got)
	}
	waited := store.Key{Entity: "E", ID: "C"}
	still := load(t, s, waited)
	still.WaitsSince = time.Time{}
	commit(t, s, l, waited, still)
	if got := scan(t, s, "E", store.ScanFilter{WithWaiting: true}); len(got) != 0 {
		t.Errorf("waiting: %v", got)
	}
	hold := store.Key{Entity: "E", ID: "h"}
	released := load(t, s, hold)
	if h := released.Hold; h == nil || !h.At.Equal(day(5)) || h.By != "anna@kanzlei" || h.Reason != "Müller, Anruf abwarten" {
		t.Errorf("hold: %+v", h)
	}
	released.Hold = nil
	commit(t, s, l, hold, released)
	if got := scan(t, s, "E", store.ScanFilter{WithHold: true}); len(got) != 0 {
		t.Errorf("on hold: %v", got)
	}
	if got := scan(t, s, "E", store.ScanFilter{WithSuspect: true, CheckedBefore: day(2)}); !slices.Equal(got, []string{"B", "a", "c", "d"}) {
		t.Errorf("pending: %v", got)
	}
}

// testScanByNumber: who knows an Advoware record, by the base or by a create that has
// been answered.
func testScanByNumber(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	const n = 9007199254740993 // a neighbour of it is the same floating-point number
	linked := func(n int64) *store.Base { return &store.Base{AdvowareID: n} }
	key := store.Key{Entity: "N", ID: "linked"}
	m := commit(t, s, l, key, store.Memory{Base: linked(n)})
	commit(t, s, l, store.Key{Entity: "N", ID: "twin"}, store.Memory{Base: linked(n), Open: &store.Announcement{AdvowareID: 8}})
	commit(t, s, l, store.Key{Entity: "N", ID: "created"}, store.Memory{Open: &store.Announcement{Makes: true, AdvowareID: n}})
	commit(t, s, l, store.Key{Entity: "N", ID: "near"}, store.Memory{Base: linked(n - 1)})
	commit(t, s, l, store.Key{Entity: "N", ID: "note"}, store.Memory{Notes: []store.Note{{ID: "n"}}})
	commit(t, s, l, store.Key{Entity: "O", ID: "other"}, store.Memory{Base: linked(n)})
	for _, c := range []struct {
		filter store.ScanFilter
		want   string
	}{
		{store.ScanFilter{AdvowareID: n}, "[created linked twin]"},
		{store.ScanFilter{AdvowareID: n, After: "created"}, "[linked twin]"},
		{store.ScanFilter{AdvowareID: 8}, "[twin]"},
		{store.ScanFilter{AdvowareID: 5}, "[]"},
		{store.ScanFilter{AdvowareID: 8, WithNotes: true}, "[note twin]"},
		{store.ScanFilter{AdvowareID: 8, CheckedBefore: day(1)}, "[created linked near note twin]"},
	} {
		if got := fmt.Sprint(scan(t, s, "N", c.filter)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.filter, got, c.want)
		}
	}
	m.Base = linked(5)
	commit(t, s, l, key, m)
	for n, want := range map[int64]string{n: "[created twin]", 5: "[linked]"} {
		if got := fmt.Sprint(scan(t, s, "N", store.ScanFilter{AdvowareID: n})); got != want {
			t.Errorf("after a new link, %d: %s, want %s", n, got, want)
		}
	}
}

// testScanPages: more than a page, with writes and reads in between, and a
// function that stops.
func testScanPages(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	const n = 450
	var cs []store.Commit
	for i := range n {
		m := store.Memory{CheckedAt: day(1)}
		if i%2 == 0 {
			m.Pending = "even"
		}
		cs = append(cs, store.Commit{Key: store.Key{Entity: "P", ID: fmt.Sprintf("%03d", i)}, Lease: l, Memory: &m})
	}
	for _, err := range s.CommitMany(t.Context(), cs) {
		must(t, err)
	}
	for filter, want := range map[store.ScanFilter]int{
		{}: n, {WithSuspect: true}: n / 2, {CheckedBefore: day(2)}: n, {WithOpen: true, WithSuspect: true, After: "224"}: 112,
	} {
		got := scan(t, s, "P", filter)
		if len(got) != want || !slices.IsSorted(got) {
			t.Errorf("%+v: %d memories, want %d in order", filter, len(got), want)
		}
	}
	seen := 0
	must(t, s.Scan(t.Context(), "P", store.ScanFilter{WithSuspect: true}, func(id string, m store.Memory) error {
		seen++
		m.Pending = ""
		commit(t, s, l, store.Key{Entity: "P", ID: id}, m)
		return nil
	}))
	if left := scan(t, s, "P", store.ScanFilter{WithSuspect: true}); seen != n/2 || len(left) != 0 {
		t.Errorf("%d seen while changing them, %d left", seen, len(left))
	}
	stop := errors.New("stop")
	seen = 0
	err := s.Scan(t.Context(), "P", store.ScanFilter{}, func(string, store.Memory) error {
		if seen++; seen == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || seen != 3 {
		t.Errorf("stopped with %v after %d", err, seen)
	}
}
