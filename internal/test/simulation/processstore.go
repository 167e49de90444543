package simulation

import (
	"context"
	"strings"
	"time"

	"advosync/internal/store"
)

// Store puts the process in front of next.
func (p *Process) Store(next store.Store) store.Store { return processStore{p, next} }

type processStore struct {
	p    *Process
	next store.Store
}

// do runs one call. Reads are not offered to the plan's death: a process that
// dies before a read is one that died after the effect before it.
func (s processStore) do(what, key string, write bool, call func() error) error {
	fate, ok := s.p.next(Effect{What: "store " + what, Key: key, Write: write})
	switch {
	case !ok, fate == DiesBefore:
		return ErrDead
	case fate == BreaksBefore:
		return ErrStoreDown
	}
	err := call()
	switch fate {
	case DiesAfter:
		return ErrDead
	case BreaksAfter:
		return ErrStoreDown
	}
	return err
}

func (s processStore) Acquire(ctx context.Context, keys []string, owner store.Owner, ttl time.Duration) (g []store.Lease, h []store.Lock, err error) {
	err = s.do("Acquire", strings.Join(keys, " "), true, func() (err error) { g, h, err = s.next.Acquire(ctx, keys, owner, ttl); return err })
	if err != nil {
		return nil, nil, err
	}
	return g, h, nil
}

func (s processStore) Extend(ctx context.Context, leases []store.Lease, ttl time.Duration) (lost []string, err error) {
	err = s.do("Extend", keysOf(leases), true, func() (err error) { lost, err = s.next.Extend(ctx, leases, ttl); return err })
	return lost, err
}

func (s processStore) Release(ctx context.Context, leases []store.Lease) error {
	return s.do("Release", keysOf(leases), true, func() error { return s.next.Release(ctx, leases) })
}

func (s processStore) Holder(ctx context.Context, key string) (l *store.Lock, err error) {
	err = s.do("Holder", key, false, func() (err error) { l, err = s.next.Holder(ctx, key); return err })
	return l, err
}

func (s processStore) Locks(ctx context.Context) (l []store.Lock, err error) {
	err = s.do("Locks", "", false, func() (err error) { l, err = s.next.Locks(ctx); return err })
	return l, err
}

func (s processStore) Break(ctx context.Context, observed store.Lock) (ok bool, err error) {
	err = s.do("Break", observed.Key, true, func() (err error) { ok, err = s.next.Break(ctx, observed); return err })
	return ok, err
}

func (s processStore) Load(ctx context.Context, key store.Key) (m store.Memory, err error) {
	err = s.do("Load", key.ID, false, func() (err error) { m, err = s.next.Load(ctx, key); return err })
	return m, err
}

func (s processStore) LoadMany(ctx context.Context, entity string, ids []string) (ms []store.Memory, err error) {
	err = s.do("LoadMany", entity, false, func() (err error) { ms, err = s.next.LoadMany(ctx, entity, ids); return err })
	return ms, err
}

func (s processStore) EverLinked(ctx context.Context, entity string, numbers []int64) (out []int64, err error) {
	err = s.do("EverLinked", entity, false, func() (err error) { out, err = s.next.EverLinked(ctx, entity, numbers); return err })
	return out, err
}

func (s processStore) Commit(ctx context.Context, c store.Commit) (rev int64, err error) {
	err = s.do("Commit", c.Key.ID, true, func() (err error) { rev, err = s.next.Commit(ctx, c); return err })
	return rev, err
}

func (s processStore) CommitMany(ctx context.Context, cs []store.Commit) []error {
	var errs []error
	err := s.do("CommitMany", "", true, func() error { errs = s.next.CommitMany(ctx, cs); return nil })
	if err != nil {
		errs = make([]error, len(cs))
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func (s processStore) Scan(ctx context.Context, entity string, f store.ScanFilter, fn func(string, store.Memory) error) error {
	return s.do("Scan", entity, false, func() error { return s.next.Scan(ctx, entity, f, fn) })
}

func (s processStore) Entries(ctx context.Context, f store.HistoryFilter, fn func(store.Entry) error) error {
	return s.do("Entries", f.ID, false, func() error { return s.next.Entries(ctx, f, fn) })
}

func (s processStore) Append(ctx context.Context, es ...store.Entry) error {
	return s.do("Append", "", true, func() error { return s.next.Append(ctx, es...) })
}

func (s processStore) Prune(ctx context.Context, before time.Time) (n int, err error) {
	err = s.do("Prune", "", true, func() (err error) { n, err = s.next.Prune(ctx, before); return err })
	return n, err
}

func (s processStore) Forget(ctx context.Context, key store.Key) (n int, err error) {
	err = s.do("Forget", key.ID, true, func() (err error) { n, err = s.next.Forget(ctx, key); return err })
	return n, err
}

func (s processStore) Get(ctx context.Context, key string) (v []byte, ok bool, err error) {
	err = s.do("Get", key, false, func() (err error) { v, ok, err = s.next.Get(ctx, key); return err })
	return v, ok, err
}

func (s processStore) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.do("Put", key, true, func() error { return s.next.Put(ctx, key, value, ttl) })
}

func (s processStore) PutNew(ctx context.Context, key string, value []byte) (in []byte, err error) {
	err = s.do("PutNew", key, true, func() (err error) { in, err = s.next.PutNew(ctx, key, value); return err })
	return in, err
}

func (s processStore) Delete(ctx context.Context, key string) error {
	return s.do("Delete", key, true, func() error { return s.next.Delete(ctx, key) })
}

func (s processStore) Keys(ctx context.Context, prefix string) (ks []string, err error) {
	err = s.do("Keys", prefix, false, func() (err error) { ks, err = s.next.Keys(ctx, prefix); return err })
	return ks, err
}

// Incarnation is no effect: it only names the server behind the others.
func (s processStore) Incarnation(ctx context.Context) (string, error) {
	return store.Incarnation(ctx, s.next)
}

func (s processStore) Describe() string { return s.next.Describe() }

func keysOf(leases []store.Lease) string {
	var b strings.Builder
	for _, l := range leases {
		b.WriteString(l.Key + " ")
	}
	return b.String()
}

// Close leaves the store open: it is the world's, not the process's.
func (s processStore) Close() error { return nil }
