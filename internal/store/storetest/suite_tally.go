package storetest

import (
	"sync"
	"testing"

	"advosync/internal/store"
)

// testTallies: a part counts once, whoever reports it how often, and the first report
// stands.
func testTallies(t *testing.T, b Backend) {
	tallies := func(s store.Store) store.Tallies {
		t.Helper()
		ts, ok := store.TalliesOf(s)
		if !ok {
			t.Fatal("it keeps no tallies")
		}
		return ts
	}
	one, other := tallies(b.open(t)), tallies(store.ReadOnly(b.open(t)))
	count := func(whole string, want int) {
		t.Helper()
		got, err := other.CountReported(t.Context(), whole)
		must(t, err)
		if got != want {
			t.Errorf("%q: %d reported, want %d", whole, got, want)
		}
	}
	count("a:b", 0)
	for i, doc := range []string{"first", "second"} {
		n, err := one.Report(t.Context(), "a:b", 7, []byte(doc))
		must(t, err)
		if n != 1 {
			t.Errorf("report %d: %d are reported", i, n)
		}
	}
	_, err := one.Report(t.Context(), "a", 7, []byte("of another"))
	must(t, err)
	docs, err := other.Reported(t.Context(), "a:b", []int{3, 7})
	must(t, err)
	if len(docs) != 2 || docs[0] != nil || string(docs[1]) != "first" {
		t.Errorf("parts 3 and 7: %q", docs)
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			if _, err := one.Report(t.Context(), "a:b", i%20, []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	count("a:b", 20)
	must(t, one.DropReports(t.Context(), "a:b"))
	count("a:b", 0)
	count("a", 1)
}
