package sqlite_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"advosync/internal/store"
	"advosync/internal/store/sqlite"
)

// The file of the budget is written without fsync ("needs no care for a power cut"); after one it may be zeros.
func TestBudgetAfterAPowerCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "state.db")
	d := store.Drawing{Pace: store.Pace{PerSecond: 5, Burst: 10}, Want: 1}
	s := open(t, path, sqlite.Options{})
	if _, err := s.DrawCalls(t.Context(), "espocrm", d); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	whole, err := os.ReadFile(path + "-calls")
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for _, kept := range []int{0, page, 2 * page} { // a page that has arrived is no proof of the others
		if err := os.WriteFile(path+"-calls", append(slices.Clone(whole[:kept]), make([]byte, len(whole)-kept)...), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // two processes after the start
			s := open(t, path, sqlite.Options{})
			if got, err := s.DrawCalls(t.Context(), "espocrm", d); err != nil || got.Granted != 1 {
				t.Errorf("%d bytes kept: %+v, %v", kept, got, err)
			}
			closed(t, s)
		}
	}
}
