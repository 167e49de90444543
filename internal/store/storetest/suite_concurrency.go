package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"advosync/internal/fault"
	"advosync/internal/store"
)

func testConcurrency(t *testing.T, b Backend) {
	handles := []store.Store{b.open(t), b.open(t), b.open(t)}
	t.Run("one lock, many takers", func(t *testing.T) {
		var winners atomic.Int32
		together(t, 24, func(i int) error {
			keys := []string{"sync_lock:race:a", "sync_lock:race:b"}
			granted, held, err := handles[i%len(handles)].Acquire(t.Context(), keys, Owner("run"), time.Hour)
			if len(granted)+len(held) != 2 {
				return fmt.Errorf("granted %v, held %v, %w", granted, held, err)
			}
			winners.Add(int32(len(granted)))
			return err
		})
		if winners.Load() != 2 {
			t.Errorf("two locks were granted %d times", winners.Load())
		}
	})
	t.Run("no update is lost", func(t *testing.T) {
		const workers, each = 12, 10
		l := take(t, handles[0], "sync_lock:count:all", time.Hour)
		together(t, workers, func(i int) error {
			return Count(t.Context(), handles[i%len(handles)], l, fmt.Sprint(i), each)
		})
		WantCount(t, handles[0], workers*each)
	})
	t.Run("many records at once", func(t *testing.T) {
		l := take(t, handles[0], "sync_lock:many:all", time.Hour)
		together(t, 16, func(i int) error {
			for n := range 10 {
				key := store.Key{Entity: "Many", ID: fmt.Sprintf("%02d-%02d", i, n)}
				c := store.Commit{Key: key, Lease: l, Memory: &store.Memory{Pending: key.ID}}
				if _, err := handles[i%len(handles)].Commit(t.Context(), c); err != nil {
					return err
				}
				if m, err := handles[i%len(handles)].Load(t.Context(), key); err != nil || m.Pending != key.ID {
					return fmt.Errorf("our own commit is not seen: %+v, %w", m, err)
				}
			}
			return nil
		})
		if n := len(scan(t, handles[1], "Many", store.ScanFilter{})); n != 160 {
			t.Errorf("%d records, want 160", n)
		}
	})
}

func together(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := fn(i); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func countKey() store.Key { return store.Key{Entity: "Count", ID: "one"} }

// Count commits n changes to one record, against others that do the same; each
// writes a history entry of its own.
func Count(ctx context.Context, s store.Store, l store.Lease, who string, n int) error {
	for i := 0; i < n; {
		m, err := s.Load(ctx, countKey())
		if err != nil {
			return err
		}
		m.Writes = append(m.Writes, store.WriteMark{Field: who})
		_, err = s.Commit(ctx, store.Commit{
			Key: countKey(), Lease: l, Memory: &m, History: []store.Entry{entry(fmt.Sprintf("count-%s-%d", who, i), i, countKey())},
		})
		switch {
		case err == nil:
			i++
		case !errors.Is(err, store.ErrChanged):
			return err
		}
	}
	return nil
}

// WantCount checks that every change of all Counts is there.
func WantCount(t *testing.T, s store.Store, want int) {
	t.Helper()
	m := load(t, s, countKey())
	if m.Rev != int64(want) || len(m.Writes) != want {
		t.Errorf("rev %d, %d changes, want %d", m.Rev, len(m.Writes), want)
	}
	if n := len(entries(t, s, store.HistoryFilter{Entity: "Count", ID: "one"})); n != want {
		t.Errorf("%d entries, want %d", n, want)
	}
}

func testInterruption(t *testing.T, b Backend) {
	s := b.open(t)
	l := take(t, s, "sync_lock:i:i", time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := store.Key{Entity: "E", ID: "i"}
	_, loadErr := s.Load(ctx, key)
	_, commitErr := s.Commit(ctx, store.Commit{Key: key, Lease: l, Memory: &store.Memory{}})
	_, _, acquireErr := s.Acquire(ctx, []string{"sync_lock:i:j"}, Owner("run"), time.Hour)
	many := s.CommitMany(ctx, []store.Commit{{Key: key, Lease: l, Memory: &store.Memory{}}})
	for name, err := range map[string]error{
		"load": loadErr, "commit": commitErr, "acquire": acquireErr, "commit many": many[0],
		"put":     s.Put(ctx, "k", []byte("v"), 0),
		"scan":    s.Scan(ctx, "E", store.ScanFilter{}, nil),
		"entries": s.Entries(ctx, store.HistoryFilter{}, nil),
	} {
		f := fault.As(err)
		if f == nil || f.Code != fault.Interrupted || f.Owner != fault.OwnerSystem {
			t.Errorf("%s: %v, want an interruption", name, err)
		}
	}
	lost, cancelLost := context.WithCancelCause(t.Context())
	cause := &fault.Error{System: fault.Store, Code: fault.LeaseLost, Owner: fault.OwnerSystem}
	cancelLost(cause)
	if _, err := s.Load(lost, key); !fault.Is(err, fault.LeaseLost) {
		t.Errorf("the cause of the end is not told: %v", err)
	}
	if m := load(t, s, key); m.Rev != 0 {
		t.Error("an interrupted commit was written")
	}
}

func testReadOnly(t *testing.T, b Backend) {
	s := b.open(t)
	l := take(t, s, "sync_lock:r:r", time.Hour)
	key := store.Key{Entity: "E", ID: "r"}
	m := commit(t, s, l, key, store.Memory{Pending: "x"}, entry("h", 1, key))
	must(t, s.Put(t.Context(), "k", []byte("v"), 0))
	RefusesWrites(t, store.ReadOnly(s), l)
	ro := store.ReadOnly(s)
	if got := load(t, ro, key); got.Pending != m.Pending {
		t.Errorf("read through: %+v", got)
	}
	if v, _, err := ro.Get(t.Context(), "k"); string(v) != "v" || err != nil {
		t.Errorf("read through: %q, %v", v, err)
	}
	if holder, err := ro.Holder(t.Context(), l.Key); holder == nil || err != nil {
		t.Errorf("read through: %v, %v", holder, err)
	}
}

// RefusesWrites checks that every write fails with store.ErrReadOnly.
func RefusesWrites(t *testing.T, s store.Store, l store.Lease) {
	t.Helper()
	ctx, key := t.Context(), store.Key{Entity: "E", ID: "r"}
	_, _, acquire := s.Acquire(ctx, []string{"sync_lock:r:s"}, Owner("run"), time.Hour)
	_, extend := s.Extend(ctx, []store.Lease{l}, time.Hour)
	_, broken := s.Break(ctx, store.Lock{Key: l.Key, Raw: l.Token})
	_, commit := s.Commit(ctx, store.Commit{Key: key, Lease: l, Memory: &store.Memory{}})
	_, prune := s.Prune(ctx, day(20))
	_, forget := s.Forget(ctx, key)
	_, putNew := s.PutNew(ctx, "new", nil)
	for name, err := range map[string]error{
		"acquire": acquire, "extend": extend, "break": broken, "commit": commit, "prune": prune, "forget": forget, "put new": putNew,
		"release":     s.Release(ctx, []store.Lease{l}),
		"commit many": s.CommitMany(ctx, []store.Commit{{Key: key, Lease: l, Memory: &store.Memory{}}})[0],
		"append":      s.Append(ctx, entry("x", 1, key)),
		"put":         s.Put(ctx, "k", nil, 0),
		"delete":      s.Delete(ctx, "k"),
	} {
		if !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
}
