package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"advosync/internal/store"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
)

func TestSQLiteKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		clock := &storetest.Clock{}
		path := filepath.Join(t.TempDir(), "state", "state.db")
		return storetest.Backend{
			Open: func(t *testing.T) store.Store { return open(t, path, sqlite.Options{Now: clock.Now}) },
			Pass: clock.Pass, Unit: time.Second, ShowsExpired: true,
		}
	})
}

func open(t testing.TB, path string, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
