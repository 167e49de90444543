package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
)

// BenchmarkCommit is one durable commit of a typical record at a time, and the
// same from sixteen workers, as a pass does it.
func BenchmarkCommit(b *testing.B) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "state.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	storetest.BenchmarkCommit(b, s)
}

// BenchmarkOpen is what every command pays before its first call.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state.db")
	for range b.N {
		s, err := sqlite.Open(b.Context(), path, sqlite.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := s.Acquire(b.Context(), []string{"k"}, storetest.Owner("bench"), time.Minute); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
