// Package storetest holds the contract that every store has to keep, a private
// Redis server for tests, and a store in memory.
package storetest

import (
	"errors"
	"testing"
	"time"

	"advosync/internal/store"
)

// Backend is one empty store as the suite uses it.
type Backend struct {
	// Open gives one more handle on the same data. The suite closes it.
	Open func(t *testing.T) store.Store
	// Pass lets time pass on the clock by which leases and values expire.
	Pass func(d time.Duration)
	// Unit is the length of a short life: long enough for a few calls.
	Unit time.Duration
	// PutLock writes a lock as another program would, life 0: for ever. nil: no
	// other program can write locks here.
	PutLock func(t *testing.T, key, value string, life time.Duration)
	// ShowsExpired is true where a lease that has run out stays visible until
	// somebody takes it.
	ShowsExpired bool
	// Tallies is true where it is a store.Tallies.
	Tallies bool
}

// Run checks the whole contract; fresh makes an empty store for every part.
func Run(t *testing.T, fresh func(t *testing.T) Backend) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, b Backend)
	}{
		{"leases", testLeases},
		{"foreign locks", testForeignLocks},
		{"records", testRecords},
		{"commit many", testCommitMany},
		{"scan", testScan},
		{"ever linked", testEverLinked},
		{"round trip", testRoundTrip},
		{"history", testHistory},
		{"values", testValues},
		{"identity", testIdentity},
		{"concurrency", testConcurrency},
		{"interruption", testInterruption},
		{"read-only", testReadOnly},
		{"budget", testBudget},
		{"portable", testPortable},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, fresh(t)) })
	}
	if b := fresh(t); b.Tallies {
		t.Run("tallies", func(t *testing.T) { testTallies(t, b) })
	}
}

// open gives a handle that is closed at the end of the test.
func (b Backend) open(t *testing.T) store.Store {
	t.Helper()
	s := b.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("err = %v, want %v", err, want)
	}
}

// take acquires one key that must be free.
func take(t *testing.T, s store.Store, key string, ttl time.Duration) store.Lease {
	t.Helper()
	granted, held, err := s.Acquire(t.Context(), []string{key}, Owner("run"), ttl)
	must(t, err)
	if len(granted) != 1 || len(held) != 0 {
		t.Fatalf("acquire %s: granted %v, held %v", key, granted, held)
	}
	return granted[0]
}
