package watch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"advosync/internal/batch"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Tool syncs, under one run's name.
type Tool interface {
	// Sync syncs one named record. Whatever it finds, it deletes nothing.
	Sync(ctx context.Context, entity, id string) result.Record
	// Pass makes the guarded pass over entities whose pass locks are held.
	Pass(ctx context.Context, held map[string]*lease.Lease) (batch.Report, error)
}

// Ear takes what sources have to say. Safe for concurrent use.
type Ear interface {
	// Hear takes a hint; false: there is no room, or nobody follows hints now.
	Hear(h Hint) bool
	// Missed: hints may have been lost, so a pass has to look.
	Missed(why string)
}

// Listener is a source of hints. Run tells them until ctx ends; its error is told and
// ends nothing.
type Listener interface {
	Run(ctx context.Context, ear Ear) error
}

// Config says how to watch.
type Config struct {
	Entities []*mapping.Mapping
	// Workers is how many records are synced at the same time. Default 8.
	Workers int
	// Every is the time between two passes. Default 15m.
	Every time.Duration
}

// Deps are the parts that a Watch works with.
type Deps struct {
	// Begin makes the tool for a new run: one lasts from a pass to the next one.
	Begin     func() (Tool, error)
	Listeners []Listener
	Store     store.Store
	Leases    *lease.Manager
	Log       *slog.Logger
	// Status is told in a few words what the watch does, whenever that changes.
	Status func(text string)
	// Alive is called while the watch gets on.
	Alive func()
	// Passed is called when a pass has been counted.
	Passed func()
}

// How often things are looked at again, and how long they are left alone.
const (
	passEvery   = 15 * time.Minute
	standsBy    = 5 * time.Second  // until the lock is asked for again
	listenAgain = time.Minute      // until a source that has failed is tried again
	betweenPass = time.Minute      // between two passes that hints have caused
	whileLocked = 10 * time.Second // until a locked record is tried again
	lockedTries = 5                // after so many it is left to the pass
	pulse       = 5 * time.Second
	afterOutage = 30 * time.Second // doubled with each further outage
)

// MakesPass is the status of a watch while it makes a pass, every quarter of an hour.
const MakesPass = "makes a pass"

// Watch follows hints.
type Watch struct {
	cfg  Config
	deps Deps

	figures figures
	// lastPass is when a pass over an entity last ended, by its state.
	lastPass map[string]time.Time

	mu      sync.Mutex
	set     *settling
	working map[key]bool
	recent  []time.Time // when syncs were begun within the last minute
	follow  map[string]bool
	linked  int
	missed  string // why a pass has to look
	trouble string // a system has failed
	turned  time.Time
	passing bool
	wake    chan struct{}
}

// New makes a Watch.
func New(cfg Config, deps Deps) *Watch {
	if cfg.Workers <= 0 {
		cfg.Workers = 8
	}
	if cfg.Every <= 0 {
		cfg.Every = passEvery
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Status == nil {
		deps.Status = func(string) {}
	}
	if deps.Alive == nil {
		deps.Alive = func() {}
	}
	if deps.Passed == nil {
		deps.Passed = func() {}
	}
	return &Watch{cfg: cfg, deps: deps, set: newSettling(), working: map[key]bool{}, follow: map[string]bool{}, lastPass: map[string]time.Time{}, wake: make(chan struct{}, 1)}
}

// Run watches until ctx ends; what was begun is finished then. Whatever goes wrong with
// systems and store is waited out, so the only error is that of a Tool that cannot be
// made.
func (w *Watch) Run(ctx context.Context) error {
	stop := w.beat(ctx)
	defer stop()
	held := map[string]*lease.Lease{}
	defer func() { w.release(held) }()
	for ctx.Err() == nil {
		others, err := w.acquire(ctx, held)
		if err != nil {
			w.deps.Status("waits for the store")
			w.deps.Log.Info("the lock of the pass cannot be asked for", "error", err.Error())
		}
		if len(held) == 0 {
			if len(others) > 0 {
				w.deps.Status("stands by: the pass is locked by " + lease.Holder(others[0]))
			}
			wait(ctx, standsBy)
			continue
		}
		if err := w.watch(ctx, held); err != nil {
			return err
		}
		w.release(held)
	}
	return nil
}

// watch listens, and makes passes with the stream between them, as long as locks are
// held.
func (w *Watch) watch(ctx context.Context, held map[string]*lease.Lease) error {
	listening, hush := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer hush()
	for _, l := range w.deps.Listeners {
		all.Go(func() { w.listen(listening, l) })
	}
	outages := 0
	for ctx.Err() == nil && len(held) > 0 {
		tool, err := w.deps.Begin()
		if err != nil {
			return err
		}
		began := time.Now()
		switch through := w.pass(ctx, tool, held); {
		case !through:
			outages++
		case len(held) > 0 && ctx.Err() == nil: // else a guard has halted all, or a signal has ended it
			outages = 0
			w.stream(ctx, tool, held, began.Add(w.cfg.Every))
		}
		w.settleDown(ctx, held, began, outages)
		if _, err := w.acquire(ctx, held); err != nil {
			return nil // the store will have to be waited for
		}
	}
	return nil
}

// listen has one source tell its hints until ctx ends. One that cannot is tried again,
// because what keeps it from it may pass: a port that another program has for a while.
func (w *Watch) listen(ctx context.Context, l Listener) {
	said := ""
	for {
		err := l.Run(ctx, w)
		if err == nil || ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			w.say("a source of hints is missing; it is tried again every minute, and edits are found by the others and by the passes", "error", said)
		}
		wait(ctx, listenAgain)
	}
}

// settleDown waits until the next pass may be made. Nobody is kept from trying then:
// what is not followed is not locked.
func (w *Watch) settleDown(ctx context.Context, held map[string]*lease.Lease, began time.Time, outages int) {
	w.mu.Lock()
	missed, trouble, halted := w.missed != "", outages > 0 || w.trouble != "", len(w.follow) == 0
	w.trouble = ""
	clear(w.follow)
	w.mu.Unlock()
	switch {
	case trouble:
		w.release(held)
		w.deps.Status("waits for a system that failed")
		wait(ctx, min(afterOutage<<min(max(outages-1, 0), 5), w.cfg.Every))
	case halted && ctx.Err() == nil:
		w.deps.Status("is halted by a guard: advosync status says which, and what to do")
		for until := began.Add(w.cfg.Every); ctx.Err() == nil && time.Now().Before(until) && !w.passedElsewhere(ctx, held); {
			wait(ctx, standsBy)
		}
	case missed:
		wait(ctx, time.Until(began.Add(betweenPass)))
	}
}

// passedElsewhere reports whether somebody else has made a pass, since ours, over an
// entity whose lock is not held.
func (w *Watch) passedElsewhere(ctx context.Context, held map[string]*lease.Lease) bool {
	for _, m := range w.cfg.Entities {
		if held[m.Entity()] != nil {
			continue
		}
		state, ran, err := batch.LoadState(ctx, w.deps.Store, m.Entity())
		if err == nil && ran && state.LastRun.After(w.lastPass[m.Entity()]) {
			return true
		}
	}
	return false
}

// acquire takes the pass locks that are free; others are those that somebody else has.
func (w *Watch) acquire(ctx context.Context, held map[string]*lease.Lease) (others []store.Lock, err error) {
	var keys []string
	names := map[string]string{}
	for _, m := range w.cfg.Entities {
		if l := held[m.Entity()]; l != nil && l.Check() == nil {
			continue
		}
		delete(held, m.Entity())
		k := store.LockKey(m.Entity(), "cron-run")
		keys, names[k] = append(keys, k), m.Entity()
	}
	if len(keys) == 0 {
		return nil, nil
	}
	// They outlive the signal: what was begun is finished under them.
	leases, others, err := w.deps.Leases.AcquireAll(context.WithoutCancel(ctx), keys)
	for _, l := range leases {
		held[names[l.Key()]] = l
	}
	return others, err
}

func (w *Watch) release(held map[string]*lease.Lease) {
	var all []*lease.Lease
	for entity, l := range held {
		all = append(all, l)
		delete(held, entity)
	}
	if err := w.deps.Leases.Release(all...); err != nil {
		w.deps.Log.Warn("the lock of the pass could not be freed; it is given back later, or runs out", "error", err.Error())
	}
}

// pass makes the guarded pass and says which entities may be followed; false: a system
// or the store has failed.
func (w *Watch) pass(ctx context.Context, tool Tool, held map[string]*lease.Lease) bool {
	w.mu.Lock()
	if w.missed != "" { // it looks at them all
		w.set.forget("")
		w.missed = ""
	}
	w.recent = nil
	w.mu.Unlock()
	w.deps.Status(MakesPass)
	w.turns(true)
	rep, err := tool.Pass(ctx, held)
	w.turns(false)
	w.figures.passed(rep)
	w.deps.Passed()
	if ctx.Err() != nil {
		return true
	}
	w.remember(ctx)
	halted, failed := sortOut(err)
	left := 0
	for entity := range held {
		if !halted[entity] {
			left++
		}
	}
	if failed || left == 0 && unread(err) {
		w.say("a pass could not run; it is tried again", "error", err.Error())
		return false
	}
	for entity := range halted { // an operator's cron-run can take it
		if l := held[entity]; l != nil {
			w.release(map[string]*lease.Lease{entity: l})
			delete(held, entity)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for entity := range held {
		w.follow[entity] = true
	}
	for _, m := range w.cfg.Entities {
		if !w.follow[m.Entity()] {
			w.set.forget(m.Entity())
		}
	}
	return true
}

// remember takes from the passes' states what the stream goes by.
func (w *Watch) remember(ctx context.Context) {
	linked := 0
	for _, m := range w.cfg.Entities {
		if state, ran, err := batch.LoadState(ctx, w.deps.Store, m.Entity()); err == nil && ran {
			linked += max(state.Linked, 0)
			w.lastPass[m.Entity()] = state.LastRun
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.linked = linked
}

// sortOut tells the entities that a guard has halted, and whether anything else has
// kept the pass from its end. Creates that are held back halt nothing.
func sortOut(err error) (halted map[string]bool, failed bool) {
	halted = map[string]bool{}
	for _, e := range flatten(err) {
		var guard *batch.GuardError
		var locked *batch.LockedError
		var left leftOut
		switch {
		case errors.As(e, &guard):
			halted[guard.Entity] = halted[guard.Entity] || guard.Guard != reconcile.GuardCreates && guard.Guard != reconcile.GuardMatches
		case errors.As(e, &locked):
			halted[locked.Entity] = true
		case errors.As(e, &left): // the others are none the worse for it
			halted[left.Unread()] = true
		default:
			failed = true
		}
	}
	for entity, is := range halted {
		if !is {
			delete(halted, entity)
		}
	}
	return halted, failed
}

// leftOut is the error of one entity that a system does not let read.
type leftOut interface {
	error
	Unread() string
}

func unread(err error) bool { return errors.As(err, new(leftOut)) }

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}

// beat calls Alive while the watch gets on.
func (w *Watch) beat(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			if w.getsOn() {
				w.deps.Alive()
			}
			wait(ctx, pulse)
		}
	})
	return func() { cancel(); done.Wait() }
}

// getsOn: the stream has turned within a minute, which it does every few seconds, or
// something is done whose every call has a time of its own.
func (w *Watch) getsOn() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passing || len(w.follow) == 0 || time.Since(w.turned) < time.Minute
}

func (w *Watch) turns(passing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turned, w.passing = time.Now(), passing
}

func (w *Watch) say(text string, args ...any) { w.deps.Log.Warn(text, args...) }

// wait sleeps for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
