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

// The lock of a dead process, of a record that nobody asks for any more, is
// shown for an hour after its end, not for ever.
func TestForgottenLockIsTakenOut(t *testing.T) {
	clock := &storetest.Clock{}
	s := open(t, filepath.Join(t.TempDir(), "state.db"), sqlite.Options{Now: clock.Now})
	defer closed(t, s)
	left := func(after time.Duration) int {
		t.Helper()
		clock.Pass(after)
		if _, _, err := s.Acquire(t.Context(), []string{"sync_lock:e:other"}, storetest.Owner("next"), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		locks, err := s.Locks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(locks)
	}
	if _, _, err := s.Acquire(t.Context(), []string{"sync_lock:e:dead"}, storetest.Owner("dead"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := left(30 * time.Minute); n != 2 {
		t.Errorf("%d locks after half an hour, want 2", n)
	}
	if n := left(time.Hour); n != 1 {
		t.Errorf("%d locks after an hour and a half, want 1", n)
	}
}

// A lock of a process that died while the clock was a year ahead, of which nobody can tell
// that it is dead, is waited for no longer than as if it had been taken now.
func TestALockOfAClockThatWasAhead(t *testing.T) {
	clock := &storetest.Clock{}
	s := open(t, filepath.Join(t.TempDir(), "state.db"), sqlite.Options{Now: clock.Now})
	defer closed(t, s)
	const key, life, year = "sync_lock:e:dead", 5 * time.Minute, 365 * 24 * time.Hour
	taken := func(after time.Duration, owner string) bool {
		t.Helper()
		clock.Pass(after)
		granted, _, err := s.Acquire(t.Context(), []string{key}, storetest.Owner(owner), life)
		if err != nil {
			t.Fatal(err)
		}
		return len(granted) == 1
	}
	if !taken(year, "dead") {
		t.Fatal("not taken")
	}
	if taken(-year, "next") || taken(life-time.Second, "next") {
		t.Error("taken while its holder may live")
	}
	if !taken(time.Second, "next") {
		t.Error("not free after its life")
	}
}
