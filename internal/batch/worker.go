package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	gosync "sync"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// ErrGivenBack says that a signal has kept a chunk from its end, and another worker has to sync
// it.
var ErrGivenBack = errors.New("given back: the worker ends")

// ErrElsewhere says that another worker is at work on the same chunk, or has died over it
// and its lock has not run out.
var ErrElsewhere = errors.New("another worker has the chunk")

// ErrOtherMapping says that a worker has another mapping than the planner: the chunk is for
// one that has the same.
var ErrOtherMapping = errors.New("the worker has another mapping than cron-run")

// Bounds of what the report of one chunk keeps, so that ten thousand of them stay small.
const (
	wholeReports = maxResults / chunkSize // of the first chunks every result is kept
	laterResults = 20                     // of those behind them the ones that need somebody
)

// Worker syncs chunks that planners have handed out, by the very executor of a pass in
// one process. It judges no guard, and knows of a pass no more than an order says. Safe
// for concurrent use.
type Worker struct {
	p        *Pass
	mappings func(entity string) (*mapping.Mapping, error)

	mu      gosync.Mutex
	engines map[string]*engines // by pass
}

// engines is what the chunks of a pass share in one process: the catalogue of what is
// unlinked, how the systems do.
type engines struct {
	systems *systems
	engine  *sync.Engine
	ctx     context.Context // counts the calls of all
	calls   *callcount.Counter

	mu   gosync.Mutex
	told result.Calls
}

// news are the calls since the last report.
func (e *engines) news() result.Calls {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := counted(e.calls)
	n := result.Calls{Espocrm: now.Espocrm - e.told.Espocrm, Advoware: now.Advoware - e.told.Advoware, Auth: now.Auth - e.told.Auth}
	e.told = now
	return n
}

// Worker makes a Worker; mappings finds the mapping of an entity.
func (p *Pass) Worker(mappings func(entity string) (*mapping.Mapping, error)) *Worker {
	return &Worker{p: p, mappings: mappings, engines: map[string]*engines{}}
}

// Work syncs one chunk and reports it. last: nobody tries it again, so it is reported
// whatever became of it. When ctx ends no further record is begun. An error says that the
// chunk could not run and is to be tried again; it is ErrGivenBack, ErrElsewhere,
// ErrOtherMapping, or a system's. Where the report was the last one of a pass whose planner has gone, the pass is ended, and
// its report returned.
func (w *Worker) Work(ctx context.Context, body []byte, last bool) (*Report, error) {
	var o order
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, fmt.Errorf("an order that cannot be read: %w", err)
	}
	u, err := LoadUnderway(ctx, w.p.deps.Store, o.Entity)
	if err != nil {
		return nil, err
	}
	if u == nil || u.Pass != o.Pass { // it was ended without this chunk
		w.p.deps.Log.Debug("a chunk of a pass that is over", "pass", o.Pass, "chunk", o.N)
		return nil, nil
	}
	if err := w.refuses(ctx, o); err != nil {
		return nil, err
	}
	// Of a chunk that is doubled one is carried out at a time, so that the first report is
	// that of who did it. What keeps its records safe is their own locks.
	lock, err := w.p.deps.Leases.Acquire(context.WithoutCancel(ctx), store.LockKey(o.Entity, fmt.Sprint("cron-run:", o.N)))
	switch {
	case errors.As(err, new(*lease.HeldError)):
		return nil, ErrElsewhere
	case err != nil:
		return nil, store.Fault("lock a chunk", err)
	}
	defer func() { _ = lock.Release() }()
	if known, err := w.p.reports(ctx, o.Pass, []int{o.N}); err != nil {
		return nil, err
	} else if known[0] != nil { // a doubled chunk
		return w.end(context.WithoutCancel(ctx), o)
	}
	rep, err := w.sync(ctx, o, last)
	if err != nil {
		return nil, err
	}
	return w.report(context.WithoutCancel(ctx), o, rep)
}

// report stores what became of a chunk, and ends the pass where it was the last one.
func (w *Worker) report(ctx context.Context, o order, rep *chunkReport) (*Report, error) {
	doc, err := json.Marshal(rep)
	if err != nil {
		return nil, err
	}
	if _, err := w.p.tallies().Report(ctx, o.Pass, o.N, doc); err != nil {
		return nil, err
	}
	return w.end(ctx, o)
}

// sync syncs the records of a chunk, unless the pass was stopped.
func (w *Worker) sync(ctx context.Context, o order, last bool) (*chunkReport, error) {
	list := make([]candidate, len(o.Items))
	for i, k := range o.Items {
		list[i] = k.candidate()
	}
	var stopped failureForm
	if is, err := load(ctx, w.p.deps.Store, stoppedPrefix+o.Pass, &stopped); err != nil {
		return nil, err
	} else if is {
		return notRun(list, nil), nil
	}
	rep, why := w.run(ctx, o, list)
	switch {
	case why == nil:
		return rep, nil
	case ctx.Err() != nil:
		return nil, ErrGivenBack
	case !last:
		return nil, why
	}
	if rep == nil {
		rep = notRun(list, why)
	}
	rep.Failure = formOf(why)
	return rep, save(ctx, w.p.deps.Store, stoppedPrefix+o.Pass, rep.Failure)
}

// refuses is ErrOtherMapping of a chunk that is for workers with another mapping. It says so
// to the planner, which ends the pass when nobody else takes them.
func (w *Worker) refuses(ctx context.Context, o order) error {
	m, err := w.mappings(o.Entity)
	if err == nil && m.Fingerprint() == o.Mapping {
		return nil
	}
	why := &fault.Error{System: fault.Local, Code: CodeOtherMapping, Owner: fault.OwnerSystem,
		Message: "the worker on " + workerName(w.p.deps.Leases.Owner()) + " has another mapping of " + o.Entity + " than cron-run", Hint: hintMappings}
	var told failureForm
	if is, err := load(ctx, w.p.deps.Store, refusedPrefix+o.Pass, &told); err != nil || is {
		return cmp.Or(err, ErrOtherMapping)
	}
	w.p.deps.Log.Warn(why.Message+": its chunks are left to others", "pass", o.Pass)
	return cmp.Or(save(ctx, w.p.deps.Store, refusedPrefix+o.Pass, formOf(why)), ErrOtherMapping)
}

// notRun leaves a chunk to the next pass.
func notRun(list []candidate, why *fault.Error) *chunkReport {
	rep := &chunkReport{}
	for _, c := range list {
		rep.Outcome.leaves(c)
	}
	if why != nil {
		rep.Failure = formOf(why)
	}
	return rep
}

// run is the chunk's part of a pass. The failure says that it could not run, or not to
// its end.
func (w *Worker) run(ctx context.Context, o order, list []candidate) (*chunkReport, *fault.Error) {
	m, err := w.mappings(o.Entity)
	if err != nil {
		return nil, asFault(fault.Local, err)
	}
	shared := w.enginesOf(o)
	signal := ctx
	ctx, cancel := context.WithCancel(shared.ctx)
	defer cancel()
	defer context.AfterFunc(signal, cancel)()
	r := w.p.newRunWith(ctx, Options{}, nil, shared.systems, shared.engine)
	defer r.close()
	x := &executor{run: r, m: m, espo: governedEspo{shared.systems}, creates: sync.NewCreateGuard(o.Creates)}
	err = shared.systems.joinTogether(r.work, shared.ctx, m.EspoType())
	if err == nil {
		err = x.execute(list)
	}
	var why *fault.Error
	switch broken := shared.systems.broken(); {
	case err != nil:
		why = asFault(fault.EspoCRM, err)
	case broken != nil:
		why = broken
	case ctx.Err() != nil && x.out.Waiting > 0:
		why = asFault(fault.Local, ctx.Err())
	}
	if why != nil {
		w.forget(o.Pass)
	}
	return r.chunkReport(o, x.out, shared.news()), why
}

func (r *run) chunkReport(o order, out outcome, calls result.Calls) *chunkReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	rep := &r.report
	c := &chunkReport{Worker: workerName(r.p.deps.Leases.Owner()), Calls: calls, Summary: rep.Document.Summary, Seen: rep.Seen, WrittenEspocrm: rep.WrittenEspocrm,
		WrittenAdvoware: rep.WrittenAdvoware, Warnings: rep.Warnings, Outcome: out}
	for _, a := range r.again {
		c.Again = append(c.Again, waiting{a.failed, a.failed.Error.Field})
	}
	for _, res := range rep.Document.Results {
		if o.N < wholeReports || len(c.Results) < laterResults && needsSomebody(res) {
			c.Results = append(c.Results, res)
		} else {
			c.Dropped++
		}
	}
	return c
}

func needsSomebody(res result.Record) bool {
	return slices.Contains([]result.Outcome{result.Failed, result.PermanentlyFailed, result.ConflictWaits}, res.Outcome)
}

func workerName(o store.Owner) string { return fmt.Sprintf("%s, process %d", o.Host, o.PID) }

// enginesOf are those of a pass. Two passes over one entity are not under way together.
func (w *Worker) enginesOf(o order) *engines {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.engines[o.Pass]; e != nil {
		return e
	}
	cfg := w.p.cfg.Engine
	cfg.Run, cfg.Command, cfg.Policy = o.Run, o.Command, reconcile.Policy(o.Policy)
	if len(w.engines) > 8 {
		clear(w.engines)
	}
	e := &engines{}
	e.ctx, e.calls = callcount.With(context.Background())
	e.systems, e.engine = w.p.connect(cfg, w.p.cfg.Concurrency)
	w.engines[o.Pass] = e
	return e
}

// forget has the next chunk ask the systems anew.
func (w *Worker) forget(pass string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.engines, pass)
}

// end ends a pass all of whose chunks have reported, unless its planner lives: that ends
// it itself. What goes wrong with it is left to the next planner.
func (w *Worker) end(ctx context.Context, o order) (*Report, error) {
	u, err := LoadUnderway(ctx, w.p.deps.Store, o.Entity)
	if err != nil || u == nil || u.Pass != o.Pass || !u.complete() {
		return nil, nil // it is reported
	}
	lock, err := w.p.deps.Leases.Acquire(ctx, store.LockKey(o.Entity, "cron-run"))
	if err != nil {
		if !errors.As(err, new(*lease.HeldError)) {
			w.p.deps.Log.Warn("a pass is complete and could not be ended; the next one ends it", "error", err.Error())
		}
		return nil, nil
	}
	defer func() { _ = lock.Release() }()
	if u, err = LoadUnderway(ctx, w.p.deps.Store, o.Entity); err != nil || u == nil || u.Pass != o.Pass {
		return nil, nil // somebody has ended it
	}
	rep, err := w.p.finishFor(ctx, u, lock)
	if err != nil {
		w.p.deps.Log.Warn("a pass is complete and could not be ended; the next one ends it", "error", err.Error())
		return nil, nil
	}
	return &rep, nil
}
