// Package lease keeps locks alive and ties contexts to them: whoever works
// under a lock holds a context that dies with it, and asks the lock right
// before each write.
//
// The rule behind every number here: we stop believing in a lock before the
// store does. An expiry is counted from before the call that set it, writes end
// a margin earlier, and both the wall clock and the monotonic clock must agree
// that there is time left (one stands still while a machine sleeps, the other
// can be set back).
package lease

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"advosync/internal/store"
)

// Options tune a Manager; the zero value is the right one outside tests.
type Options struct {
	// Margin is how long before its expiry a lease stops serving for writes.
	// Default a tenth of the TTL, at most 15s.
	Margin time.Duration
	// ReleaseTimeout bounds the freeing of locks, which does not end with the
	// caller's context. Default 5s.
	ReleaseTimeout time.Duration
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Dead reports whether a holder can be known to be dead. Default: Dead, as
	// seen by the manager's own owner.
	Dead func(store.Owner) bool
	// Log gets takeovers, failing renewals and lost locks. Default: none.
	Log *slog.Logger
}

// Manager takes locks for one owner and renews all of them together. Safe for
// concurrent use; it has a goroutine only while it holds something.
type Manager struct {
	leases store.Leases
	owner  store.Owner
	ttl    time.Duration
	o      Options

	mu       sync.Mutex
	held     map[*Lease]struct{} // everything not yet freed in the store
	owed     map[*Lease]struct{} // of held, what was to be freed while the store did not answer
	giving   bool                // a time is set at which the owed ones are given back
	ending   bool                // nothing is owed any more: the process ends
	renewing bool
	idle     chan struct{} // capacity 1: nothing is left to renew
}

// New makes a manager. ttl is the life of a lock without renewal.
func New(leases store.Leases, owner store.Owner, ttl time.Duration, o Options) *Manager {
	if o.Margin <= 0 {
		o.Margin = min(ttl/10, 15*time.Second)
	}
	if o.ReleaseTimeout <= 0 {
		o.ReleaseTimeout = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dead == nil {
		o.Dead = func(other store.Owner) bool { return Dead(other, owner) }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Manager{
		leases: leases, owner: owner, ttl: ttl, o: o,
		held: map[*Lease]struct{}{}, owed: map[*Lease]struct{}{}, idle: make(chan struct{}, 1),
	}
}

// Owner is who the locks are taken for.
func (m *Manager) Owner() store.Owner { return m.owner }

// Acquire takes one lock. Held by somebody alive: *HeldError.
func (m *Manager) Acquire(ctx context.Context, key string) (*Lease, error) {
	granted, held, err := m.AcquireAll(ctx, []string{key})
	switch {
	case err != nil:
		return nil, err
	case len(held) > 0:
		return nil, &HeldError{Lock: held[0]}
	default:
		return granted[0], nil
	}
}

// AcquireAll takes the locks that are free, or whose holder is dead, in one
// round trip (two more where somebody died). Both results are in the order of
// keys; the contexts of the leases derive from ctx. After an error nothing is
// held.
func (m *Manager) AcquireAll(ctx context.Context, keys []string) (granted []*Lease, held []store.Lock, err error) {
	granted, held, err = m.acquire(ctx, keys, nil)
	if err != nil {
		return nil, nil, err
	}
	again, dead, err := m.breakDead(ctx, held)
	if err == nil && len(again) > 0 {
		var more []*Lease
		var still []store.Lock
		more, still, err = m.acquire(ctx, again, dead)
		granted, held = append(granted, more...), append(without(held, again), still...)
	}
	if err != nil {
		return nil, nil, errors.Join(err, m.Release(granted...))
	}
	place := make(map[string]int, len(keys))
	for i, k := range keys {
		place[k] = i
	}
	slices.SortStableFunc(granted, func(a, b *Lease) int { return place[a.Key()] - place[b.Key()] })
	slices.SortStableFunc(held, func(a, b store.Lock) int { return place[a.Key] - place[b.Key] })
	return granted, held, nil
}

// acquire is one round trip. over tells whose locks the keys were.
func (m *Manager) acquire(ctx context.Context, keys []string, over map[string]store.Lock) ([]*Lease, []store.Lock, error) {
	before := m.o.Now()
	owner := m.owner
	owner.Since = before.Round(0).UTC()
	granted, held, err := m.leases.Acquire(ctx, keys, owner, m.ttl)
	if err != nil {
		return nil, nil, err
	}
	leases := make([]*Lease, len(granted))
	for i, g := range granted {
		leases[i] = m.adopt(ctx, g, before.Add(m.ttl))
		if lock, ok := over[g.Key]; ok {
			leases[i].TookOver = &lock
			m.o.Log.Info("took over the lock of a dead process", "key", g.Key, "holder", Holder(lock))
		}
	}
	return leases, held, nil
}

// breakDead frees the locks of the dead; the keys are worth another try, also
// where somebody else was faster.
func (m *Manager) breakDead(ctx context.Context, held []store.Lock) (again []string, broken map[string]store.Lock, err error) {
	broken = map[string]store.Lock{}
	for _, lock := range held {
		if StateOf(lock, m.o.Dead, m.o.Now()) != Stale {
			continue
		}
		ok, err := m.leases.Break(ctx, lock)
		if err != nil {
			return nil, nil, err
		}
		again = append(again, lock.Key)
		if ok {
			broken[lock.Key] = lock
		}
	}
	return again, broken, nil
}

func without(locks []store.Lock, keys []string) []store.Lock {
	return slices.DeleteFunc(slices.Clone(locks), func(l store.Lock) bool { return slices.Contains(keys, l.Key) })
}

// Release frees leases in one round trip, whatever became of the contexts they
// came from. A lease that is freed already, or lost, is no error; those that
// could not be freed are given back once the store answers again. Work under
// them must have ended.
func (m *Manager) Release(leases ...*Lease) error {
	err := m.release(leases)
	if err != nil {
		m.owe(leases)
	}
	return err
}

func (m *Manager) release(leases []*Lease) error {
	var handles []store.Lease
	for _, l := range leases {
		l.end(context.Canceled)
		if m.holds(l) {
			handles = append(handles, l.Handle())
		}
	}
	m.signalIdle()
	if len(handles) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.o.ReleaseTimeout)
	defer cancel()
	if err := m.leases.Release(ctx, handles); err != nil {
		return err
	}
	m.forget(leases)
	return nil
}

func (m *Manager) forget(leases []*Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range leases {
		delete(m.held, l)
		delete(m.owed, l)
	}
}

// ReleaseAll frees everything that is held, for the end of the process: what
// cannot be freed now is not tried again.
func (m *Manager) ReleaseAll() error {
	m.mu.Lock()
	all := slices.Collect(maps.Keys(m.held))
	clear(m.owed)
	m.ending = true // also for what is being given back at this moment
	m.mu.Unlock()
	return m.release(all)
}

func (m *Manager) holds(l *Lease) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.held[l]
	return ok
}
