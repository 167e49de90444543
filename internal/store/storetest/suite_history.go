package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"advosync/internal/store"
)

func minute(n int) time.Time { return day(10).Add(time.Duration(n) * time.Minute) }

func entry(id string, at int, key store.Key) store.Entry {
	return store.Entry{ID: id, At: minute(at), Run: "run", Entity: key.Entity, RecordID: key.ID, Outcome: "planned"}
}

func entries(t *testing.T, s store.Store, f store.HistoryFilter) []string {
	t.Helper()
	ids := []string{}
	must(t, s.Entries(t.Context(), f, func(e store.Entry) error {
		ids = append(ids, e.ID)
		return nil
	}))
	return ids
}

func testHistory(t *testing.T, b Backend) {
	s := b.open(t)
	one, two := store.Key{Entity: "E", ID: "one"}, store.Key{Entity: "E", ID: "two"}
	other := store.Key{Entity: "F", ID: "one"}
	audit := entry("audit", 5, store.Key{})
	audit.Run = "unlock"
	second := entry("e2", 2, two)
	second.Run = "second"
	must(t, s.Append(t.Context(), entry("e1", 1, one), entry("e4", 4, one), second, entry("e3", 3, other)))
	must(t, s.Append(t.Context(), audit, entry("tie-b", 4, two), entry("tie-a", 4, two)))
	must(t, s.Append(t.Context()))
	for _, c := range []struct {
		filter store.HistoryFilter
		want   string
	}{
		{store.HistoryFilter{}, "[audit tie-b tie-a e4 e3 e2 e1]"},
		{store.HistoryFilter{Limit: 2}, "[audit tie-b]"},
		{store.HistoryFilter{Entity: "E"}, "[tie-b tie-a e4 e2 e1]"},
		{store.HistoryFilter{Entity: "E", ID: "one"}, "[e4 e1]"},
		{store.HistoryFilter{Entity: "E", ID: "two", Limit: 1}, "[tie-b]"},
		{store.HistoryFilter{ID: "one"}, "[e4 e3 e1]"},
		{store.HistoryFilter{ID: "one", Limit: 2}, "[e4 e3]"},
		{store.HistoryFilter{Run: "second"}, "[e2]"},
		{store.HistoryFilter{Run: "run", Entity: "F"}, "[e3]"},
		{store.HistoryFilter{Run: "second", Entity: "E", ID: "one"}, "[]"},
		{store.HistoryFilter{Run: "none"}, "[]"},
		{store.HistoryFilter{Since: minute(4)}, "[audit tie-b tie-a e4]"},
		{store.HistoryFilter{Since: minute(4).Add(time.Microsecond)}, "[audit]"},
		{store.HistoryFilter{Entity: "E", ID: "one", Since: minute(2)}, "[e4]"},
	} {
		if got := fmt.Sprint(entries(t, s, c.filter)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.filter, got, c.want)
		}
	}
	testUpsert(t, s, one)
	testForget(t, s, one)
	testPrune(t, s)
	testHistoryPages(t, s)
}

func testUpsert(t *testing.T, s store.Store, key store.Key) {
	t.Helper()
	closed := entry("e4", 4, key)
	closed.Outcome = "updated_advoware"
	l := take(t, s, key.LockKey(), time.Hour)
	commit(t, s, l, key, store.Memory{}, closed)
	must(t, s.Entries(t.Context(), store.HistoryFilter{Entity: "E", ID: "one", Limit: 1}, func(e store.Entry) error {
		if e.ID != "e4" || e.Outcome != "updated_advoware" {
			t.Errorf("%+v", e)
		}
		return nil
	}))
	if n := len(entries(t, s, store.HistoryFilter{})); n != 7 {
		t.Errorf("%d entries after a replacement, want 7", n)
	}
	// An entry that moves, such as one whose record is known only later, leaves
	// nothing behind.
	moved := entry("e3", 6, store.Key{Entity: "G", ID: "moved"})
	moved.Run = "moved"
	must(t, s.Append(t.Context(), moved))
	for _, f := range []store.HistoryFilter{{Entity: "F"}, {Entity: "F", ID: "one"}, {ID: "one", Run: "run", Since: minute(2), Entity: "F"}} {
		if got := entries(t, s, f); len(got) != 0 {
			t.Errorf("%+v: %v", f, got)
		}
	}
	for _, f := range []store.HistoryFilter{{Entity: "G", ID: "moved"}, {Run: "moved"}, {Limit: 1}} {
		if got := entries(t, s, f); !slices.Equal(got, []string{"e3"}) {
			t.Errorf("%+v: %v", f, got)
		}
	}
}

func testForget(t *testing.T, s store.Store, key store.Key) {
	t.Helper()
	n, err := s.Forget(t.Context(), key)
	if n != 2 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	if got := fmt.Sprint(entries(t, s, store.HistoryFilter{})); got != "[e3 audit tie-b tie-a e2]" {
		t.Errorf("left: %s", got)
	}
	if n, err := s.Forget(t.Context(), key); n != 0 || err != nil {
		t.Errorf("forgot again: %d, %v", n, err)
	}
}

func testPrune(t *testing.T, s store.Store) {
	t.Helper()
	n, err := s.Prune(t.Context(), minute(4))
	if n != 1 || err != nil {
		t.Errorf("pruned %d, %v", n, err)
	}
	for f, want := range map[store.HistoryFilter]string{
		{}: "[e3 audit tie-b tie-a]", {Run: "second"}: "[]", {Entity: "E", ID: "two"}: "[tie-b tie-a]",
	} {
		if got := fmt.Sprint(entries(t, s, f)); got != want {
			t.Errorf("%+v: %s, want %s", f, got, want)
		}
	}
}

// testHistoryPages: more than a page, all of one microsecond, and a function
// that uses the store and stops.
func testHistoryPages(t *testing.T, s store.Store) {
	t.Helper()
	const n = 450
	key := store.Key{Entity: "P", ID: "p"}
	es := make([]store.Entry, n)
	for i := range es {
		es[i] = entry(fmt.Sprintf("p%03d", i), 60, key)
	}
	must(t, s.Append(t.Context(), es...))
	for f, want := range map[store.HistoryFilter]int{
		{Entity: "P"}: n, {Entity: "P", Limit: 201}: 201, {Entity: "P", ID: "p"}: n, {ID: "p", Limit: 300}: 300, {Run: "run", Entity: "P"}: n,
	} {
		got := entries(t, s, f)
		if len(got) != want || got[0] != "p449" || !slices.IsSortedFunc(got, func(a, b string) int { return -compare(a, b) }) {
			t.Errorf("%+v: %d entries, want %d, newest first", f, len(got), want)
		}
	}
	stop := errors.New("stop")
	seen := 0
	err := s.Entries(t.Context(), store.HistoryFilter{}, func(store.Entry) error {
		if seen++; seen == 3 {
			return stop
		}
		return s.Append(t.Context(), entry("while reading", 0, key))
	})
	if !errors.Is(err, stop) || seen != 3 {
		t.Errorf("stopped with %v after %d", err, seen)
	}
	if n, err := s.Prune(t.Context(), minute(600)); n != 455 || err != nil {
		t.Errorf("pruned %d, %v", n, err)
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}
