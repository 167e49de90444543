package lease

import (
	"context"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// Lease is a lock that is held and renewed until Release.
type Lease struct {
	// TookOver is the dead holder's lock that was broken for this one; nil: it
	// was free.
	TookOver *store.Lock

	m      *Manager
	ctx    context.Context // dies with the lease; handed out, never used inside
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	handle  store.Lease
	expires time.Time // with its monotonic reading; handle has it without
	lapse   *time.Timer
	over    error // why it ended; nil: it lives
}

// Key is the lock's key.
func (l *Lease) Key() string { return l.handle.Key }

// Context is cancelled when the lease is lost, with a fault of code LeaseLost
// as cause, when the context it was acquired with ends, and by Release.
func (l *Lease) Context() context.Context { return l.ctx }

// Handle is the proof of ownership for store.Commit.
func (l *Lease) Handle() store.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handle
}

// Until is when writes under the lease have to be over, unless it is renewed:
// the expiry less the margin.
func (l *Lease) Until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until()
}

func (l *Lease) until() time.Time { return l.expires.Add(-l.m.o.Margin) }

// Check is to be asked right before each write: nil while the lease is ours
// for certain, else why not (a fault of code LeaseLost). It does not look at
// the context that the lease was acquired with.
func (l *Lease) Check() error {
	l.mu.Lock()
	over, late := l.over, l.late()
	l.mu.Unlock()
	if over == nil && late {
		l.lose(ranOut)
		l.mu.Lock()
		over = l.over
		l.mu.Unlock()
	}
	if over != nil && fault.As(over) == nil {
		return l.lostError("it has been released")
	}
	return over
}

const ranOut = "it could not be renewed in time"

// late reports whether the time for writes is over by either clock.
func (l *Lease) late() bool {
	now, until := l.m.o.Now(), l.until()
	return !now.Before(until) || !now.Round(0).Before(until.Round(0))
}

// Release frees the lock; a second call does nothing. It works after the
// acquiring context has ended.
func (l *Lease) Release() error { return l.m.Release(l) }

// extend gives a living lease a new end and watches it.
func (l *Lease) extend(expires time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return
	}
	l.expires, l.handle.Expires = expires, expires.Round(0)
	rest := l.until().Sub(l.m.o.Now())
	if l.lapse == nil {
		l.lapse = time.AfterFunc(rest, l.checkLapse)
		return
	}
	l.lapse.Reset(rest)
}

// checkLapse is called when the lease should have been renewed by now.
func (l *Lease) checkLapse() {
	l.mu.Lock()
	if l.over != nil {
		l.mu.Unlock()
		return
	}
	if !l.late() { // renewed a moment ago
		l.lapse.Reset(l.until().Sub(l.m.o.Now()))
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	l.lose(ranOut)
}

func (l *Lease) lose(why string) {
	if l.end(l.lostError(why)) {
		l.m.o.Log.Warn("lost a lock", "key", l.Key(), "reason", why)
		l.m.signalIdle()
	}
}

func (l *Lease) lostError(why string) error {
	return &fault.Error{
		System: fault.Store, Code: fault.LeaseLost, Owner: fault.OwnerSystem,
		Op: "keep the lock " + l.Key(), Message: "the lock was lost: " + why,
		Hint: "run the sync again; a longer sync.lock_ttl helps where the store is slow", Transient: true,
		Err: store.ErrLeaseLost,
	}
}

// end is false when it had ended before.
func (l *Lease) end(cause error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return false
	}
	l.over = cause
	l.lapse.Stop()
	l.cancel(cause)
	return true
}

func (l *Lease) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over != nil
}
