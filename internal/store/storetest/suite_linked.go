package storetest

import (
	"fmt"
	"testing"
	"time"

	"advosync/internal/store"
)

// testEverLinked: a number that a memory has held is known for ever, whatever becomes of
// the memory; one that was refused, or only asked about, is not.
func testEverLinked(t *testing.T, b Backend) {
	s, other := b.open(t), b.open(t)
	key := store.Key{Entity: "Beteiligte", ID: "a"}
	l := take(t, s, key.LockKey(), time.Hour)
	known := func(want string, numbers ...int64) {
		t.Helper()
		got, err := other.EverLinked(t.Context(), key.Entity, numbers)
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("of %v: %v, %v, want %s", numbers, got, err, want)
		}
	}
	known("[]")
	known("[]", 1, 2)
	m := commit(t, s, l, key, store.Memory{Base: &store.Base{AdvowareID: 11}})
	m.Base, m.Open = nil, &store.Announcement{Makes: true, AdvowareID: -12}
	m = commit(t, s, l, key, m)
	m.Open, m.Link = &store.Announcement{Makes: true}, &store.Link{AdvowareID: 9007199254740993}
	m = commit(t, s, l, key, m)
	stale := m
	stale.Rev, stale.Base = m.Rev-1, &store.Base{AdvowareID: 14}
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &stale}); err == nil {
		t.Error("a stale commit was taken")
	}
	m.Link, m.Open, m.Parked = nil, nil, &store.Parked{AdvowareID: 15}
	m = commit(t, s, l, key, m)
	if _, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Rev: m.Rev}); err != nil {
		t.Fatal(err)
	}
	known("[-12 11 9007199254740993]", 0, 9007199254740993, 15, 14, 11, -12, 9007199254740992, 11)
	if got, err := other.EverLinked(t.Context(), "Akten", []int64{11}); len(got) > 0 || err != nil {
		t.Errorf("of another entity: %v, %v", got, err)
	}
	many := make([]int64, 250)
	for i := range many {
		many[i] = int64(i) - 125
	}
	known("[-12 11]", many...)
}
