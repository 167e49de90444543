package batch

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"advosync/internal/fault"
)

// A governor bounds the calls in flight, to both systems together, and adapts
// each system's part to how that system does: it halves on 429, 503 and
// time-outs, gives way when answers become slow, and grows back one by one. What
// a Retry-After asks for is obeyed for the whole system.
//
// Limiters that one can take from a library judge by trends of latency, over windows of
// a second and more, and cannot be told of a 429, which is the plainest word a system
// has; hence this one.
type governor struct {
	most int
	log  *slog.Logger

	mu       sync.Mutex
	inFlight int
	queue    []*waiter // in order of arrival
	systems  map[fault.System]*flow
}

// flow is one system's part.
type flow struct {
	inFlight int
	limit    int
	credit   int       // good answers since the limit last grew
	lowered  time.Time // calls begun before it do not lower the limit again
	paused   time.Time // no call before
	wake     *time.Timer
	pace     [2]pace // reads, writes
}

// pace follows the duration of one class of calls.
type pace struct{ recent, usual time.Duration }

type waiter struct {
	system fault.System
	ready  chan struct{}
	done   bool
}

func newGovernor(most int, log *slog.Logger) *governor {
	g := &governor{most: max(most, 1), log: log, systems: map[fault.System]*flow{}}
	for _, s := range []fault.System{fault.EspoCRM, fault.Advoware} {
		g.systems[s] = &flow{limit: g.most}
	}
	return g
}

// widen lets twice as many calls be in flight, or as many as before: while a pass only
// reads the lists of both systems, each may have its share.
func (g *governor) widen(wide bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wide {
		g.most *= 2
		for _, f := range g.systems {
			f.limit *= 2
		}
		g.admit()
		return
	}
	g.most /= 2
	for _, f := range g.systems {
		f.limit = max(min(f.limit, g.most), 1)
	}
}

// acquire waits for leave to call a system.
func (g *governor) acquire(ctx context.Context, system fault.System) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	g.mu.Lock()
	w := &waiter{system: system, ready: make(chan struct{})}
	g.queue = append(g.queue, w)
	g.admit()
	g.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.done { // admitted in the same moment
		g.leave(system)
	}
	g.queue = slices.DeleteFunc(g.queue, func(o *waiter) bool { return o == w })
	return context.Cause(ctx)
}

// admit lets in who may go, in order of arrival; one whose system is at its
// limit does not hold up those of the other.
func (g *governor) admit() {
	now := time.Now()
	kept := g.queue[:0]
	for _, w := range g.queue {
		f := g.systems[w.system]
		if g.inFlight >= g.most || f.inFlight >= f.limit || g.pausing(f, now) {
			kept = append(kept, w)
			continue
		}
		g.inFlight++
		f.inFlight++
		w.done = true
		close(w.ready)
	}
	clear(g.queue[len(kept):])
	g.queue = kept
}

// pausing reports whether a system asked not to be called yet, and sees to it
// that the queue moves when that is over.
func (g *governor) pausing(f *flow, now time.Time) bool {
	left := f.paused.Sub(now)
	if left <= 0 {
		return false
	}
	if f.wake == nil {
		f.wake = time.AfterFunc(left, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			f.wake = nil
			g.admit()
		})
	}
	return true
}

func (g *governor) release(system fault.System) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leave(system)
}

func (g *governor) leave(system fault.System) {
	g.inFlight--
	g.systems[system].inFlight--
	g.admit()
}

// The bounds of what counts as slow: a multiple of the usual, and not less than
// some time above it.
const (
	slowFactor  = 4
	slowAtLeast = 100 * time.Millisecond
)

// learn adapts a system's limit to how a call went.
func (g *governor) learn(system fault.System, write bool, began time.Time, f *fault.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fl := g.systems[system]
	if f != nil && fault.Is(f, fault.RateLimited, fault.Unavailable, fault.Maintenance, fault.Timeout) {
		g.lower(system, fl, began, fl.limit/2, string(f.Code))
		if f.RetryAfter > 0 {
			fl.paused = later(fl.paused, time.Now().Add(f.RetryAfter))
		}
		return
	}
	if f != nil && f.Owner == fault.OwnerSystem {
		return
	}
	class := 0
	if write {
		class = 1
	}
	if fl.pace[class].slow(time.Since(began)) {
		g.lower(system, fl, began, fl.limit*3/4, "slow answers")
		return
	}
	if fl.credit++; fl.credit >= fl.limit && fl.limit < g.most {
		fl.limit, fl.credit = fl.limit+1, 0
		g.admit()
	}
}

// lower is done once for all calls that were in flight together.
func (g *governor) lower(system fault.System, fl *flow, began time.Time, to int, why string) {
	fl.credit = 0
	if began.Before(fl.lowered) || fl.limit == 1 {
		return
	}
	fl.limit, fl.lowered = max(to, 1), time.Now()
	g.log.Debug("fewer calls at a time", "system", string(system), "limit", fl.limit, "why", why)
}

// slow takes one duration and reports whether the recent ones are far above the
// usual. The usual follows: what stays slow becomes usual.
func (p *pace) slow(d time.Duration) bool {
	if p.usual == 0 {
		p.usual, p.recent = d, d
		return false
	}
	p.recent += (d - p.recent) / 5
	if d < p.usual {
		p.usual = d
	} else {
		p.usual += (d - p.usual) / 100
	}
	return p.recent > slowFactor*p.usual && p.recent > p.usual+slowAtLeast
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
