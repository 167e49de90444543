package batch

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	gosync "sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// entityRun is one pass over one entity: look, guard, sync, remember. A dry run
// goes the same way and plans where the other one syncs. It plans; its executor syncs.
type entityRun struct {
	executor

	state EntityState // of the last pass
	known bool        // there was one
	// full: everything linked is compared once (no watermark, or the guard that
	// asks for it was overridden). deep: contents are compared along with row ids.
	full, deep bool
	began      time.Time    // EspoCRM's time when this pass began to look
	logRead    record.Place // up to which EspoCRM's log of changes has been read
	logNew     bool         // the list tells once more what was modified before it
	queue      *queue
	judge      *judge
	guarded    bool // the guards have let the pass go on

	facts    reconcile.PassFacts
	linked   int
	ids      []uint64 // hashes of the linked records' ids
	resting  []uint64 // of those that failed or wait for a decision
	seed     maphash.Seed
	marker   bool
	noMarker bool
	outdated map[string]bool // records that another store has synced since; under mu
	newest   []EspoWitness
	present  int
	pages    int     // of Advoware's list that were read, the empty one behind the last included
	cuts     []int64 // bounds of EspoCRM's ranges for the next pass

	// open are the records that earlier passes have left open, by the hash of their
	// ids; again is when the first of them is tried again.
	open  map[uint64]openAs
	again time.Time
	// newcomers are Advoware's records that nothing in EspoCRM is linked to.
	newcomers int
	imports   imports

	most    int // creates that are allowed
	tooMany int // creates that there would be, where that is more
	// ended is how many records the rounds before this one have told of, forgot how many of
	// those it comes to again.
	ended, forgot int

	before   []kept // left by the last pass
	unlisted unlisted

	round   int      // from 1; a planner that finds more than it holds looks again
	handed  []uint64 // hashes of the records that were handed out or made, by earlier rounds, too
	earlier []uint64 // those of earlier rounds, sorted
	created int      // by earlier rounds
	missed  int      // by the round before
	goesOn  bool     // another round follows

	first       gosync.Once
	accepted    chan struct{} // closed with EspoCRM's first answer
	usKnown     chan struct{} // closed once it is known as whom this pass has signed in
	someUnclean bool          // that answer shows records that were edited
	listError   error         // what Advoware's list has met before it
}

// entity makes the pass over one entity: one round, or, where others sync and there are
// more candidates than a round holds, as many as bring it on.
func (r *run) entity(m *mapping.Mapping) error {
	e := r.newRound(m)
	r.freshEntity()
	if !r.opts.DryRun {
		release, err := e.takePassLock()
		if err != nil {
			return err
		}
		defer release()
	}
	r.report.Entities[m.Entity()] = result.Summary{} // the run was about it, whatever becomes of it
	switch err := r.endBefore(m, e.lock); {
	case errors.Is(err, errLeft):
		return nil
	case err != nil:
		return err
	}
	err := e.makeRound()
	for err == nil && e.goesOn {
		e = e.nextRound()
		err = e.makeRound()
	}
	return err
}

func (r *run) newRound(m *mapping.Mapping) *entityRun {
	e := &entityRun{queue: newQueue(r.p.cfg.MaxCandidates), seed: maphash.MakeSeed(), accepted: make(chan struct{}), usKnown: make(chan struct{}), round: 1}
	e.run, e.m, e.espo, e.twin = r, m, governedEspo{r.systems}, map[string]string{}
	e.facts.Entity = m.Entity()
	return e
}

// makeRound looks, asks the guards, and has the candidates synced.
func (e *entityRun) makeRound() error {
	r, m := e.run, e.m
	if err := e.recall(); err != nil {
		return err
	}
	r.tell(func(s Sink) { s.Phase(m.Entity(), PhaseLook); s.Planned(m.Entity(), e.ended, false) })
	r.systems.governor.widen(true)
	defer e.dropEarly()
	err := e.look(r.ctx)
	r.systems.governor.widen(false)
	if err != nil {
		if r.ctx.Err() != nil {
			return nil // interrupted while looking; nothing was begun
		}
		return errors.Join(asErr(asFault(fault.EspoCRM, err)), e.rememberRun(false, nil))
	}
	r.engine.Born(r.ctx) // also where there is nothing to sync yet
	e.lookLost()
	r.tell(func(s Sink) { s.Phase(m.Entity(), PhaseGuard) })
	limits := r.opts.limits(r.p.cfg)
	if g := guard(e.facts, limits); g != nil {
		e.leaveAll(e.queue.take())
		return errors.Join(g, e.rememberRun(false, g))
	}
	if err := e.lacksTooMany(); err != nil {
		return errors.Join(err, e.rememberRun(false, err))
	}
	list := e.queue.take()
	if err := e.guardCreates(list); err != nil {
		e.leaveAll(list)
		return errors.Join(asErr(asFault(fault.EspoCRM, err)), e.rememberRun(false, nil))
	}
	e.guardOn(limits)
	e.out.Waiting += e.queue.missed()
	e.openAs(list)
	e.countStill(list)
	r.tell(func(s Sink) {
		s.Phase(m.Entity(), PhaseSync)
		s.Planned(m.Entity(), e.ended+len(list), true)
	})
	if r.distributes(m) && len(list) > 0 {
		return e.distribute(list)
	}
	err = errors.Join(e.execute(list), e.judge.error())
	e.importAll()
	return e.finish(err)
}

// finish ends a pass of which every candidate was come to, or given up.
func (e *entityRun) finish(err error) error {
	if e.goesOn = err == nil && e.mayGoOn(); e.goesOn {
		return e.rememberRun(true, nil)
	}
	if g := e.heldBack(); g != nil {
		e.run.note(g) // it has kept nothing else from its end
	}
	e.run.tell(func(s Sink) { s.Phase(e.m.Entity(), PhaseDone) })
	return errors.Join(err, e.rememberRun(true, err))
}

// countStill counts the linked records that both lists have shown to be as they
// were. Those that failed or wait for a decision are not among them.
func (e *entityRun) countStill(list []candidate) {
	if e.m.List() == nil {
		return // nothing was compared but what is looked at
	}
	slices.Sort(e.ids)
	slices.Sort(e.resting)
	still := e.linked - len(e.resting)
	for i, c := range list {
		if e.told(c.id) {
			list[i].why |= whyAgain
		}
		e.handed = append(e.handed, maphash.String(e.seed, c.id))
	}
	slices.Sort(e.handed)
	e.handed = slices.Compact(e.handed)
	for _, h := range e.handed {
		if _, linked := slices.BinarySearch(e.ids, h); !linked {
			continue
		}
		if _, rests := slices.BinarySearch(e.resting, h); !rests {
			still--
		}
	}
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	rep := &e.run.report
	rep.Linked += e.linked
	if e.queue.over { // some that are not in the list have news all the same
		return
	}
	rep.Still += still
	s := rep.Entities[e.m.Entity()]
	for _, sum := range []*result.Summary{&rep.Document.Summary, &s} {
		sum.Total += still
		sum.Unchanged += still
	}
	rep.Entities[e.m.Entity()] = s
}

func asErr(f *fault.Error) error {
	if f == nil {
		return nil
	}
	return f
}

// takePassLock takes sync_lock:{entity}:cron-run for the whole pass. When it is
// lost, no further record is begun.
func (e *entityRun) takePassLock() (release func(), err error) {
	if e.lock = e.run.opts.Held[e.m.Entity()]; e.lock != nil {
		return func() {}, nil
	}
	held, err := e.run.p.deps.Leases.Acquire(e.run.work, store.LockKey(e.m.Entity(), "cron-run"))
	var busy *lease.HeldError
	switch {
	case errors.As(err, &busy):
		return nil, &LockedError{Entity: e.m.Entity(), Held: busy}
	case err != nil:
		return nil, store.Fault("take the lock of the pass", err)
	}
	if held.TookOver != nil {
		e.run.warn("an earlier pass over " + e.m.Entity() + " died; its lock was taken over")
	}
	e.lock = held
	return func() {
		if err := held.Release(); err != nil {
			e.run.warn(fmt.Sprintf("the lock of the pass over %s could not be freed; it is given back later, or runs out: %v", e.m.Entity(), err))
		}
	}, nil
}

// recall reads what the last pass left, and what follows from it for this one.
func (e *entityRun) recall() error {
	state, known, err := LoadState(e.run.ctx, e.run.p.deps.Store, e.m.Entity())
	if err != nil {
		return err
	}
	if _, err := load(e.run.ctx, e.run.p.deps.Store, keptKey(e.m.Entity()), &e.before); err != nil {
		return err
	}
	e.state, e.known = state, known
	e.state.Entity = e.m.Entity()
	e.facts.MappingChanged = known && state.Mapping != "" && state.Mapping != e.m.Fingerprint()
	opts := e.run.opts
	e.full = state.Watermark == "" || state.ComparedAt.IsZero() || e.facts.MappingChanged || opts.AllowRegress
	e.deep = e.full || over(state.ComparedAt, e.run.p.cfg.RecheckAfter, e.run.now())
	return nil
}

// mindClock compares everything linked where EspoCRM's clock was ahead in the last
// pass: what has been edited since may bear an earlier stamp than that pass.
func (e *entityRun) mindClock() {
	now := e.run.systems.espo.ServerTime()
	if !now.IsZero() && moment(e.state.Watermark) > now.Add(lookBack).Unix() {
		e.full, e.deep = true, true
	}
}

// rememberRun leaves the pass's state to the next one. why is what has cut the pass
// short.
func (e *entityRun) rememberRun(ran bool, why error) error {
	r := e.run
	now, c := r.now().UTC(), e.closing()
	if r.opts.DryRun {
		r.reportOpen(c, now)
		return nil
	}
	h := halted(why, e.state.Halted, now, r.p.cfg.Engine.Run)
	if !ran {
		next := c.unplanned(now, h, why != nil)
		if why != nil { // it has looked
			r.reportOpen(c, now)
		}
		r.reportLeft(c, next)
		return e.saveState(next)
	}
	next, left := c.next(now, r.summaryOf(e.m.Entity()), h, why != nil)
	if e.goesOn {
		next.SaidOpen, next.SaidAt = e.state.SaidOpen, e.state.SaidAt // the last round says it
	} else {
		r.reportOpen(c, now)
		r.reportLeft(c, next)
	}
	if err := e.keepLeft(context.WithoutCancel(r.ctx), left); err != nil {
		return err
	}
	return e.saveState(next)
}

func (e *entityRun) saveState(s EntityState) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.run.ctx), e.run.p.cfg.Grace)
	defer cancel()
	return saveState(ctx, e.run.p.deps.Store, s)
}

func without(ws, of []AdvoWitness) []AdvoWitness {
	var out []AdvoWitness
	for _, w := range ws {
		known := false
		for _, o := range of {
			known = known || o.ID == w.ID
		}
		if !known {
			out = append(out, w)
		}
	}
	return out
}

func lostRace(err error) bool {
	return errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrLeaseLost)
}

// cleanPatch is what a mass update sets: the status, and nothing of a failure.
// It is followed by no write to Advoware.
func cleanPatch() record.Patch {
	p := record.Patch{}
	p.Put(record.FieldStatus, record.StatusClean)
	p.Put(record.FieldErrorMessage, nil)
	p.Put(record.FieldRetryCount, 0)
	return p
}
