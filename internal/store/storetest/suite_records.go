package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"advosync/internal/store"
)

// commit stores a memory that must be accepted.
func commit(t *testing.T, s store.Store, l store.Lease, key store.Key, m store.Memory, es ...store.Entry) store.Memory {
	t.Helper()
	rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Memory: &m, History: es})
	must(t, err)
	if rev != m.Rev+1 {
		t.Fatalf("rev = %d after %d", rev, m.Rev)
	}
	m.Rev = rev
	return m
}

func load(t *testing.T, s store.Store, key store.Key) store.Memory {
	t.Helper()
	m, err := s.Load(t.Context(), key)
	must(t, err)
	return m
}

func testRecords(t *testing.T, b Backend) {
	s, other := b.open(t), b.open(t)
	key := store.Key{Entity: "Beteiligte", ID: "a:b/ü %_*?[x]"}
	l := take(t, s, key.LockKey(), time.Hour)
	if m := load(t, s, key); !reflect.DeepEqual(m, store.Memory{}) {
		t.Errorf("memory of an unknown record = %+v", m)
	}
	m := commit(t, s, l, key, store.Memory{Pending: "one"}, entry("h1", 1, key))
	if got := load(t, other, key); !reflect.DeepEqual(got, m) {
		t.Errorf("loaded %+v, want %+v", got, m)
	}
	m.Pending = "two"
	m = commit(t, s, l, key, m)
	testRefusedCommits(t, s, l, key, m)
	testRemoval(t, s, l, key, m)
	testReopen(t, b, s, l)
}

// testRefusedCommits: nothing of a refused commit is written.
func testRefusedCommits(t *testing.T, s store.Store, l store.Lease, key store.Key, m store.Memory) {
	t.Helper()
	refuse := func(name string, c store.Commit, want error) {
		t.Helper()
		c.History = []store.Entry{entry("refused", 2, key)}
		rev, err := s.Commit(t.Context(), c)
		if rev != 0 || !errors.Is(err, want) {
			t.Errorf("%s: %d, %v, want %v", name, rev, err, want)
		}
		if got := load(t, s, key); !reflect.DeepEqual(got, m) {
			t.Errorf("%s: the memory is %+v, want %+v", name, got, m)
		}
		if es := entries(t, s, store.HistoryFilter{}); slices.Contains(es, "refused") {
			t.Errorf("%s: its history was stored", name)
		}
	}
	stale := m
	stale.Rev--
	refuse("an older rev", store.Commit{Key: key, Lease: l, Memory: &stale}, store.ErrChanged)
	stale.Rev = m.Rev + 1
	refuse("a newer rev", store.Commit{Key: key, Lease: l, Memory: &stale}, store.ErrChanged)
	stale.Rev = 0
	refuse("as new", store.Commit{Key: key, Lease: l, Memory: &stale}, store.ErrChanged)
	refuse("removal of an older rev", store.Commit{Key: key, Lease: l, Rev: m.Rev - 1}, store.ErrChanged)
	refuse("removal as unknown", store.Commit{Key: key, Lease: l}, store.ErrChanged)
	gone := l
	gone.Token = "0123456789abcdef0123456789abcdef"
	refuse("another token", store.Commit{Key: key, Lease: gone, Memory: &m}, store.ErrLeaseLost)
	gone = l
	gone.Key += "x"
	refuse("another lock", store.Commit{Key: key, Lease: gone, Memory: &m}, store.ErrLeaseLost)
	refuse("no lock", store.Commit{Key: key, Memory: &m}, store.ErrLeaseLost)
	unknown := store.Key{Entity: key.Entity, ID: "unknown"}
	refuse("update of an unknown record", store.Commit{Key: unknown, Lease: l, Memory: &m}, store.ErrChanged)
	refuse("removal of an unknown record", store.Commit{Key: unknown, Lease: l, Rev: 1}, store.ErrChanged)
}

func testRemoval(t *testing.T, s store.Store, l store.Lease, key store.Key, m store.Memory) {
	t.Helper()
	rev, err := s.Commit(t.Context(), store.Commit{Key: key, Lease: l, Rev: m.Rev, History: []store.Entry{entry("removed", 3, key)}})
	if rev != 0 || err != nil {
		t.Fatalf("removal = %d, %v", rev, err)
	}
	if got := load(t, s, key); !reflect.DeepEqual(got, store.Memory{}) {
		t.Errorf("after the removal: %+v", got)
	}
	must(t, s.Scan(t.Context(), key.Entity, store.ScanFilter{}, func(id string, _ store.Memory) error {
		return fmt.Errorf("%s is still listed", id)
	}))
	_, err = s.Commit(t.Context(), store.Commit{Key: key, Lease: l, History: []store.Entry{entry("history only", 4, key)}})
	must(t, err)
	if es := entries(t, s, store.HistoryFilter{}); !slices.Equal(es, []string{"history only", "removed", "h1"}) {
		t.Errorf("history = %v", es)
	}
	m.Rev = 0
	commit(t, s, l, key, m)
}

func testReopen(t *testing.T, b Backend, s store.Store, l store.Lease) {
	t.Helper()
	keep := store.Key{Entity: "Beteiligte", ID: "keep"}
	m := commit(t, s, l, keep, store.Memory{Pending: "kept"})
	again := b.Open(t)
	must(t, again.Close())
	if got := load(t, b.open(t), keep); !reflect.DeepEqual(got, m) {
		t.Errorf("after reopening: %+v", got)
	}
}

func testCommitMany(t *testing.T, b Backend) {
	s := b.open(t)
	if errs := s.CommitMany(t.Context(), nil); len(errs) != 0 {
		t.Errorf("nothing to commit: %v", errs)
	}
	const n = 250
	ids, keys := make([]string, n), make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("id-%03d", i)
		keys[i] = store.LockKey("E", ids[i])
	}
	leases, _, err := s.Acquire(t.Context(), keys, Owner("run"), time.Hour)
	must(t, err)
	cs := make([]store.Commit, n)
	for i := range cs {
		key := store.Key{Entity: "E", ID: ids[i]}
		cs[i] = store.Commit{Key: key, Lease: leases[i], Memory: &store.Memory{Pending: ids[i]}, History: []store.Entry{entry(ids[i], i, key)}}
	}
	cs[7].Lease.Token = "0123456789abcdef0123456789abcdef"
	cs[9].Memory.Rev = 5
	for i, err := range s.CommitMany(t.Context(), cs) {
		switch i {
		case 7:
			wantErr(t, err, store.ErrLeaseLost)
		case 9:
			wantErr(t, err, store.ErrChanged)
		default:
			must(t, err)
		}
	}
	if got := len(entries(t, s, store.HistoryFilter{})); got != n-2 {
		t.Errorf("%d entries, want %d", got, n-2)
	}
	testLoadMany(t, s, ids)
}

// testLoadMany: any order, unknown ids, the same id twice.
func testLoadMany(t *testing.T, s store.Store, ids []string) {
	t.Helper()
	asked := slices.Concat([]string{"unknown"}, ids, []string{ids[3]})
	slices.Reverse(asked)
	ms, err := s.LoadMany(t.Context(), "E", asked)
	must(t, err)
	if len(ms) != len(asked) {
		t.Fatalf("%d memories for %d ids", len(ms), len(asked))
	}
	for i, id := range asked {
		want := store.Memory{Pending: id, Rev: 1}
		if id == "unknown" || id == ids[7] || id == ids[9] {
			want = store.Memory{}
		}
		if !reflect.DeepEqual(ms[i], want) {
			t.Errorf("%s: %+v", id, ms[i])
		}
	}
	none, err := s.LoadMany(t.Context(), "E", nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no ids: %v, %v", none, err)
	}
	elsewhere, err := s.LoadMany(t.Context(), "F", ids[:1])
	if err != nil || elsewhere[0].Rev != 0 {
		t.Errorf("another entity: %v, %v", elsewhere, err)
	}
}
