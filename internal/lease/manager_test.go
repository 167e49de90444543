package lease_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/store/storetest"
)

const ttl = 5 * time.Minute

var errGone = errors.New("store gone")

// bubble runs a test in virtual time with a store and a manager that judges
// nobody dead.
func bubble(t *testing.T, o lease.Options, fn func(t *testing.T, s *memory.Store, m *lease.Manager)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(time.Now)
		if o.Dead == nil {
			o.Dead = func(store.Owner) bool { return false }
		}
		fn(t, s, lease.New(s, storetest.Owner("ours"), ttl, o))
	})
}

func acquire(t *testing.T, m *lease.Manager, key string) *lease.Lease {
	t.Helper()
	l, err := m.Acquire(t.Context(), key)
	if err != nil {
		t.Fatalf("acquire %s: %v", key, err)
	}
	return l
}

func release(t *testing.T, ls ...*lease.Lease) {
	t.Helper()
	for _, l := range ls {
		if err := l.Release(); err != nil {
			t.Errorf("release: %v", err)
		}
	}
}

func wantLost(t *testing.T, l *lease.Lease) {
	t.Helper()
	if err := l.Check(); !fault.Is(err, fault.LeaseLost) || !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("Check = %v, want a lost lease", err)
	}
	if cause := context.Cause(l.Context()); !fault.Is(cause, fault.LeaseLost) {
		t.Errorf("cause of the context = %v, want a lost lease", cause)
	}
}

func wantAlive(t *testing.T, l *lease.Lease) {
	t.Helper()
	if err := l.Check(); err != nil {
		t.Errorf("Check = %v, want nil", err)
	}
	if err := l.Context().Err(); err != nil {
		t.Errorf("context has ended: %v", context.Cause(l.Context()))
	}
}

func TestALeaseLivesLongerThanItsTTL(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		l := acquire(t, m, "k")
		time.Sleep(10 * ttl)
		wantAlive(t, l)
		if rest := time.Until(l.Until()); rest < ttl/3 || rest > ttl {
			t.Errorf("time for writes left = %v", rest)
		}
		release(t, l, l)
		if locks, _ := s.Locks(t.Context()); len(locks) != 0 {
			t.Errorf("locks left: %v", locks)
		}
		if err := l.Check(); !fault.Is(err, fault.LeaseLost) {
			t.Errorf("Check after Release = %v", err)
		}
	})
}

func TestAllLeasesAreRenewedTogether(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		var extends atomic.Int32
		s.FailWith(func(_ context.Context, method string) error {
			if method == "Extend" {
				extends.Add(1)
			}
			return nil
		})
		granted, held, err := m.AcquireAll(t.Context(), []string{"c", "a", "b"})
		if err != nil || len(held) != 0 {
			t.Fatal(held, err)
		}
		if granted[0].Key() != "c" || granted[1].Key() != "a" || granted[2].Key() != "b" {
			t.Error("not in the order of the keys")
		}
		time.Sleep(ttl + time.Second)
		if n := extends.Load(); n != 3 {
			t.Errorf("%d renewals in one TTL for three locks, want 3", n)
		}
		if err := m.ReleaseAll(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ttl)
		if n := extends.Load(); n != 3 {
			t.Error("still renewing after everything was freed")
		}
		release(t, acquire(t, m, "again"))
	})
}

func TestHeldBySomebodyAlive(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		other := storetest.Owner("theirs")
		if _, _, err := s.Acquire(t.Context(), []string{"k"}, other, ttl); err != nil {
			t.Fatal(err)
		}
		_, err := m.Acquire(t.Context(), "k")
		var held *lease.HeldError
		if !errors.As(err, &held) || held.Lock.Owner.Run != "theirs" {
			t.Fatalf("err = %v, want HeldError", err)
		}
		for _, part := range []string{"office@host-a", "pid 4711", "(sync)", "since 2026-03-01T07:00:00Z", "lease until"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		granted, rest, err := m.AcquireAll(t.Context(), []string{"x", "k", "y"})
		if err != nil || len(granted) != 2 || len(rest) != 1 || rest[0].Key != "k" {
			t.Errorf("AcquireAll = %v, %v, %v", granted, rest, err)
		}
		release(t, granted...)
	})
}

func TestTheDeadAreTakenOver(t *testing.T) {
	dead := func(o store.Owner) bool { return o.Run == "dead" }
	bubble(t, lease.Options{Dead: dead}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		for key, run := range map[string]string{"a": "dead", "b": "alive", "c": "dead"} {
			if _, _, err := s.Acquire(t.Context(), []string{key}, storetest.Owner(run), ttl); err != nil {
				t.Fatal(err)
			}
		}
		granted, held, err := m.AcquireAll(t.Context(), []string{"d", "c", "b", "a"})
		if err != nil || len(granted) != 3 || len(held) != 1 || held[0].Key != "b" {
			t.Fatalf("granted %d, held %v, err %v", len(granted), held, err)
		}
		for i, want := range []struct {
			key  string
			took bool
		}{{"d", false}, {"c", true}, {"a", true}} {
			g := granted[i]
			if g.Key() != want.key || (g.TookOver != nil) != want.took {
				t.Errorf("%d: %s, took over %v", i, g.Key(), g.TookOver)
			}
		}
		release(t, granted...)
	})
}

// Another process may take a dead one's lock between our look and our attempt.
func TestTakeoverLosesARace(t *testing.T) {
	dead := func(o store.Owner) bool { return o.Run == "dead" }
	bubble(t, lease.Options{Dead: dead}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		take := func(run string) {
			if _, _, err := s.Acquire(t.Context(), []string{"k"}, storetest.Owner(run), ttl); err != nil {
				t.Error(err)
			}
		}
		take("dead")
		s.FailWith(func(ctx context.Context, method string) error {
			if method != "Break" {
				return nil
			}
			s.FailWith(nil)
			seen, _ := s.Holder(ctx, "k")
			_, err := s.Break(ctx, *seen)
			take("faster")
			return err
		})
		_, err := m.Acquire(t.Context(), "k")
		var held *lease.HeldError
		if !errors.As(err, &held) || held.Lock.Owner.Run != "faster" {
			t.Errorf("err = %v, want held by the faster one", err)
		}
	})
}

func TestAForeignLockIsNeverBroken(t *testing.T) {
	now := time.Now()
	yes := func(store.Owner) bool { return true }
	if s := lease.StateOf(store.Lock{Foreign: true, Raw: "locked"}, yes, now); s != lease.OldHandler {
		t.Errorf("state = %s", s)
	}
	if s := (&lease.HeldError{Lock: store.Lock{Foreign: true}}).Error(); !strings.Contains(s, "old handler") || !strings.Contains(s, "without an end") {
		t.Error(s)
	}
}

func TestAnExpiredLockIsStale(t *testing.T) {
	no := func(store.Owner) bool { return false }
	now := time.Now()
	if s := lease.StateOf(store.Lock{Expires: now}, no, now); s != lease.Stale {
		t.Errorf("state at the expiry = %s", s)
	}
	if s := lease.StateOf(store.Lock{Expires: now.Add(time.Second)}, no, now); s != lease.Live {
		t.Errorf("state before the expiry = %s", s)
	}
}

func TestRenewalFindsTheLockTaken(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		gone, kept := acquire(t, m, "gone"), acquire(t, m, "kept")
		seen, _ := s.Holder(t.Context(), "gone")
		if ok, err := s.Break(t.Context(), *seen); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, _, err := s.Acquire(t.Context(), []string{"gone"}, storetest.Owner("theirs"), 10*ttl); err != nil {
			t.Fatal(err)
		}
		time.Sleep(ttl/3 + time.Second)
		wantLost(t, gone)
		wantAlive(t, kept)
		release(t, gone, kept)
		if lock, _ := s.Holder(t.Context(), "gone"); lock == nil || lock.Owner.Run != "theirs" {
			t.Errorf("releasing a lost lease freed somebody else's: %v", lock)
		}
	})
}

func TestStoreGoneAndBack(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		l := acquire(t, m, "k")
		s.FailWith(func(context.Context, string) error { return errGone })
		time.Sleep(ttl / 2)
		wantAlive(t, l)
		s.FailWith(nil)
		time.Sleep(ttl)
		wantAlive(t, l)
		release(t, l)
	})
}

func TestStoreGoneForGood(t *testing.T) {
	bubble(t, lease.Options{Margin: 30 * time.Second}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		start := time.Now()
		l := acquire(t, m, "k")
		s.FailWith(func(context.Context, string) error { return errGone })
		<-l.Context().Done()
		if after := time.Since(start); after != ttl-30*time.Second {
			t.Errorf("lost after %v, want the TTL less the margin", after)
		}
		wantLost(t, l)
		if err := l.Release(); !errors.Is(err, errGone) {
			t.Errorf("Release = %v, want the store's error", err)
		}
		s.FailWith(nil)
		release(t, l)
		if locks, _ := s.Locks(t.Context()); len(locks) != 0 {
			t.Errorf("a second Release did not try again: %v", locks)
		}
	})
}

// A store that does not answer, not even to the end of the call's context, must
// not keep the lease alive.
func TestStoreHangs(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		free := make(chan struct{})
		s.FailWith(func(_ context.Context, method string) error {
			if method == "Extend" {
				<-free
			}
			return nil
		})
		l := acquire(t, m, "k")
		<-l.Context().Done()
		wantLost(t, l)
		close(free)
		release(t, l)
	})
}

// While a machine sleeps, timers and the monotonic clock stand still: only the
// wall clock tells.
func TestWallClockJumpsWhileTimersStandStill(t *testing.T) {
	var skew atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(skew.Load())).Round(0) }
	bubble(t, lease.Options{Now: now}, func(t *testing.T, _ *memory.Store, m *lease.Manager) {
		l := acquire(t, m, "k")
		wantAlive(t, l)
		skew.Store(int64(time.Hour))
		wantLost(t, l)
		release(t, l)
	})
}

func TestTheAcquiringContextEnds(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		stop := errors.New("signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		l, err := m.Acquire(ctx, "k")
		if err != nil {
			t.Fatal(err)
		}
		cancel(stop)
		if cause := context.Cause(l.Context()); !errors.Is(cause, stop) {
			t.Errorf("cause = %v", cause)
		}
		time.Sleep(2 * ttl)
		if err := l.Check(); err != nil {
			t.Errorf("a running record could not finish: %v", err)
		}
		release(t, l)
		if locks, _ := s.Locks(t.Context()); len(locks) != 0 {
			t.Errorf("not freed after the end of the context: %v", locks)
		}
		if _, err := m.Acquire(ctx, "k"); !fault.Is(err, fault.Interrupted) {
			t.Errorf("Acquire with an ended context = %v", err)
		}
	})
}

// When the second round trip fails, what the first one granted is freed again.
func TestAFailedTakeoverHoldsNothing(t *testing.T) {
	dead := func(o store.Owner) bool { return o.Run == "dead" }
	bubble(t, lease.Options{Dead: dead}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		if _, _, err := s.Acquire(t.Context(), []string{"b"}, storetest.Owner("dead"), ttl); err != nil {
			t.Fatal(err)
		}
		s.FailWith(func(_ context.Context, method string) error {
			if method == "Break" {
				return errGone
			}
			return nil
		})
		if _, _, err := m.AcquireAll(t.Context(), []string{"a", "b"}); !errors.Is(err, errGone) {
			t.Errorf("err = %v", err)
		}
		if lock, _ := s.Holder(t.Context(), "a"); lock != nil {
			t.Errorf("still held: %v", lock)
		}
	})
}

// TestWhatCouldNotBeFreedIsGivenBack: once the store answers again, not when the lease
// has run out there; what is somebody else's by then stays theirs.
func TestWhatCouldNotBeFreedIsGivenBack(t *testing.T) {
	bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
		granted, _, err := m.AcquireAll(t.Context(), []string{"a", "b", "working"})
		if err != nil {
			t.Fatal(err)
		}
		s.FailWith(func(context.Context, string) error { return errGone })
		if err := m.Release(granted[:2]...); !errors.Is(err, errGone) {
			t.Fatalf("Release = %v, want the store's error", err)
		}
		time.Sleep(ttl/10 + time.Second/2) // between two tries
		s.FailWith(nil)
		if locks, err := s.Locks(t.Context()); err != nil || len(locks) != 3 {
			t.Fatal(locks, err)
		}
		for _, l := range must(s.Locks(t.Context())) {
			if l.Key == "b" {
				if ok, err := s.Break(t.Context(), l); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
		}
		other := lease.New(s, storetest.Owner("theirs"), ttl, lease.Options{Dead: func(store.Owner) bool { return false }})
		theirs := acquire(t, other, "b")
		time.Sleep(2 * time.Second)
		var left []string
		for _, l := range must(s.Locks(t.Context())) {
			left = append(left, l.Key)
		}
		slices.Sort(left)
		if !slices.Equal(left, []string{"b", "working"}) {
			t.Errorf("held two seconds later: %v", left)
		}
		wantAlive(t, theirs)
		wantAlive(t, granted[2])
		release(t, theirs, granted[2])
	})
}

// TestGivingBackHasAnEnd: with the lease, and with the process, also where that ends while
// something is being given back.
func TestGivingBackHasAnEnd(t *testing.T) {
	during := func(m *lease.Manager, tried int32) {
		if tried == 12 {
			_ = m.ReleaseAll()
		}
	}
	for name, c := range map[string]struct {
		end  func(*lease.Manager)
		each func(*lease.Manager, int32)
	}{
		"the lease has run out": {end: func(*lease.Manager) { time.Sleep(ttl + 2*time.Second) }},
		"the process has ended": {end: func(m *lease.Manager) { _ = m.ReleaseAll() }},
		"the process ends":      {end: func(*lease.Manager) { time.Sleep(10 * time.Second) }, each: during},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lease.Options{}, func(t *testing.T, s *memory.Store, m *lease.Manager) {
				l := acquire(t, m, "k")
				var tried atomic.Int32
				s.FailWith(func(_ context.Context, method string) error {
					if method == "Release" {
						if n := tried.Add(1); c.each != nil {
							c.each(m, n)
						}
					}
					return errGone
				})
				if err := l.Release(); !errors.Is(err, errGone) {
					t.Fatal(err)
				}
				time.Sleep(10*time.Second + time.Second/2) // between two tries
				if n := tried.Load(); n < 5 {
					t.Errorf("tried %d times in ten seconds", n)
				}
				c.end(m)
				n := tried.Load()
				time.Sleep(time.Minute)
				if more := tried.Load() - n; more != 0 {
					t.Errorf("tried %d times more", more)
				}
			})
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
