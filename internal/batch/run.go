package batch

import (
	"context"
	"errors"
	"slices"
	gosync "sync"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/intake"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// run is one invocation over one or more entities.
type run struct {
	p       *Pass
	opts    Options
	systems *systems
	engine  *sync.Engine
	intake  *intake.Intake
	start   time.Time
	until   time.Time // no record is begun after, but for the first; zero: no bound
	// workersMost is how many records are worked on at the same time.
	workersMost int

	// ctx ends with the signal: nothing new is begun. work is the context of what
	// was begun; it outlives the signal by the grace.
	ctx  context.Context
	work context.Context
	end  func()

	mu     gosync.Mutex
	sink   Sink
	report Report
	begun  int
	fresh  int // begun of the entity at hand
	stop   Stop
	errs   []error
	warned map[string]bool
	again  []again
	others result.Calls // made by the processes that have synced chunks
}

func (p *Pass) newRun(ctx context.Context, opts Options, sink Sink) *run {
	workers := max(p.cfg.Concurrency, 1)
	if opts.Concurrency > 0 {
		workers = opts.Concurrency
	}
	s, e := p.connect(p.cfg.Engine, workers)
	return p.newRunWith(ctx, opts, sink, s, e)
}

func (p *Pass) newRunWith(ctx context.Context, opts Options, sink Sink, s *systems, e *sync.Engine) *run {
	if sink == nil {
		sink = nobody{}
	}
	r := &run{p: p, opts: opts, ctx: ctx, sink: sink, start: p.deps.Now(), warned: map[string]bool{}}
	r.workersMost = s.governor.most
	r.systems, r.engine, r.intake = s, e, intake.New(e)
	r.work, r.end = WithGrace(ctx, p.cfg.Grace)
	if opts.MaxDuration > 0 {
		r.until = r.start.Add(opts.MaxDuration)
	}
	r.report.Entities = map[string]result.Summary{}
	r.report.Document.Results = []result.Record{}
	r.report.Document.Run = result.Run{ID: p.cfg.Engine.Run, Command: p.cfg.Engine.Command, StartedAt: r.start.UTC().Truncate(time.Millisecond), DryRun: opts.DryRun}
	return r
}

// connect puts governor and breakers between an engine and both systems.
func (p *Pass) connect(cfg sync.Config, workers int) (*systems, *sync.Engine) {
	s := newSystems(p.deps.EspoCRM, p.deps.Advoware, newGovernor(workers, p.deps.Log))
	return s, sync.New(cfg, sync.Deps{EspoCRM: governedEspo{s}, Advoware: governedAdvo{s},
		Store: p.deps.Store, Leases: p.deps.Leases, Log: p.deps.Log, Now: p.deps.Now})
}

func (r *run) close() { r.end() }

func (r *run) now() time.Time { return r.p.deps.Now() }

func (r *run) workers() int { return r.workersMost }

// WithGrace is a context that outlives the end of ctx by d: what was begun is
// finished, but not for ever.
func WithGrace(ctx context.Context, d time.Duration) (context.Context, func()) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var mu gosync.Mutex
	var timer *time.Timer
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(d, cancel)
	})
	return out, func() {
		stop()
		cancel()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
	}
}

// stopped reports whether no further record is begun.
func (r *run) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stop != "":
	case r.ctx.Err() != nil:
		r.stop = StopSignal
	case r.systems.broken() != nil:
		r.stop = StopSystem
	case !r.until.IsZero() && !r.now().Before(r.until) && r.fresh >= r.workersMost: // looking alone must not use up every pass
		r.stop = StopTime
	case r.opts.Limit > 0 && r.begun >= r.opts.Limit:
		r.stop = StopLimit
	}
	return r.stop != ""
}

// freshEntity: of the entity that follows nothing is begun yet.
func (r *run) freshEntity() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = 0
}

// inTurn puts those first whose last pass is the longest ago, where time or limit may not
// last for all: else those behind would never have their turn.
func (r *run) inTurn(entities []*mapping.Mapping) []*mapping.Mapping {
	if r.until.IsZero() && r.opts.Limit <= 0 || len(entities) < 2 {
		return entities
	}
	last := map[*mapping.Mapping]time.Time{}
	for _, m := range entities {
		if s, _, err := LoadState(r.ctx, r.p.deps.Store, m.Entity()); err == nil { // what fails here fails again, and is told
			last[m] = s.LastRun
		}
	}
	turn := slices.Clone(entities)
	slices.SortStableFunc(turn, func(a, b *mapping.Mapping) int { return last[a].Compare(last[b]) })
	return turn
}

func (r *run) halt(s Stop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == "" {
		r.stop = s
	}
}

// fail takes what kept an entity, or the run, from its end. A guard, a lock and an
// entity that cannot be read concern that one; a system's failure opens its
// breaker and ends the run.
func (r *run) fail(err error) {
	if !r.note(err) {
		return
	}
	var guard *GuardError
	var locked *LockedError
	var unread *unreadError
	if errors.As(err, &guard) || errors.As(err, &locked) || errors.As(err, &unread) {
		return
	}
	if f := fault.As(err); f != nil && r.systems.breakers[f.System] != nil {
		r.systems.breakers[f.System].open(f)
	}
	r.halt(StopSystem)
}

// note keeps an error for the report; false: it only says that the run was
// interrupted.
func (r *run) note(err error) bool {
	if err == nil || r.ctx.Err() != nil && (errors.Is(err, context.Canceled) || fault.Is(err, fault.Interrupted)) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := fault.As(err)
	var unread *unreadError
	known := f != nil && !errors.As(err, &unread) && slices.ContainsFunc(r.errs, func(e error) bool { // the same outage, met twice
		o := fault.As(e)
		return o != nil && o.System == f.System && o.Code == f.Code
	})
	if !known {
		r.errs = append(r.errs, err)
	}
	return true
}

// warn says a sentence once.
func (r *run) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.warned[text] {
		return
	}
	r.warned[text] = true
	r.report.Warnings = append(r.report.Warnings, text)
	r.sink.Warned(text)
}

func (r *run) tell(fn func(Sink)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(r.sink)
}

func (r *run) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := r.errs
	if r.report.Interrupted {
		errs = append([]error{&fault.Error{System: fault.Local, Code: fault.Interrupted, Owner: fault.OwnerSystem, Transient: true,
			Message: "interrupted; what was begun is finished, the rest waits for the next pass"}}, errs...)
	}
	return errors.Join(errs...)
}

// finish fills in what the whole run has, and remembers it.
func (r *run) finish(calls *callcount.Counter) Report {
	r.stopped()
	r.mu.Lock()
	rep := &r.report
	rep.Interrupted = r.ctx.Err() != nil
	rep.Ended = r.stop
	rep.sort()
	rep.Document.Run.DurationMS = r.now().Sub(r.start).Milliseconds()
	rep.Document.Calls = plus(counted(calls), r.others)
	var others []string
	if len(r.errs) > 0 {
		shown := worst(r.errs)
		rep.Document.Error = result.FromFault(r.errs[shown])
		for i, err := range r.errs {
			if form := result.FromFault(err); i != shown {
				others = append(others, form.Message+"; "+form.Hint)
			}
		}
	}
	r.mu.Unlock()
	for _, text := range others { // the document has room for one
		r.warn(text)
	}
	if err := r.err(); err != nil && rep.Document.Error == nil {
		rep.Document.Error = result.FromFault(err)
	}
	if !r.opts.DryRun {
		r.remember()
	}
	return *rep
}

// worst is the error that the document shows: a system's before a guard's before
// a lock's, as the exit codes rank them.
func worst(errs []error) int {
	best, rank := 0, -1
	for i, err := range errs {
		n := 2
		var guard *GuardError
		var locked *LockedError
		switch {
		case errors.As(err, &locked):
			n = 0
		case errors.As(err, &guard):
			n = 1
		}
		if n > rank {
			best, rank = i, n
		}
	}
	return best
}

// remember stores the run and the breakers. A store that fails here fails the
// run: `status` would show something else than what happened.
func (r *run) remember() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), r.p.cfg.Grace)
	defer cancel()
	rep := r.report
	s := rep.Document.Summary
	rec := RunRecord{ID: rep.Document.Run.ID, StartedAt: r.start.UTC(), FinishedAt: r.now().UTC(), Entities: rep.Entities, Calls: rep.Document.Calls,
		Interrupted: rep.Interrupted, Error: rep.Document.Error,
		Success: rep.Document.Error == nil && rep.Out == 0 && rep.LeftOver == 0 && len(rep.Skipped) == 0 && s.Failed+s.PermanentlyFailed+s.Conflicts == 0 && !rep.Document.StillOpen.Any()}
	open := map[fault.System]*fault.Error{}
	for name, b := range r.systems.breakers {
		if b.asked() {
			open[name] = b.failure()
		}
	}
	err := saveRun(ctx, r.p.deps.Store, rec)
	if err == nil {
		err = saveBreakers(ctx, r.p.deps.Store, rec.ID, r.now().UTC(), open)
	}
	if err != nil {
		r.mu.Lock()
		r.errs = append(r.errs, err)
		if r.report.Document.Error == nil {
			r.report.Document.Error = result.FromFault(err)
		}
		r.mu.Unlock()
	}
}
