package batch

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"advosync/internal/engine"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// entityRun is one pass over one entity: look, guard, sync, remember. A dry run
// goes the same way and plans where the other one syncs.
type entityRun struct {
	run  *run
	m    *mapping.Mapping
	espo governedEspo

	state EntityState // of the last pass
	known bool        // there was one
	// full: everything linked is compared once (no watermark, or the guard that
	// asks for it was overridden). deep: contents are compared along with row ids.
	full, deep bool
	began      time.Time // EspoCRM's time when this pass began to look
	lock       *lease.Lease
	queue      *queue
	judge      *judge

	mu       sync.Mutex
	facts    reconcile.PassFacts
	linked   int
	ids      []uint64 // hashes of the linked records' ids
	resting  []uint64 // of those that failed or wait for a decision
	seed     maphash.Seed
	twin     map[string]string
	marker   bool
	noMarker bool
	newest   []EspoWitness
	updated  []AdvoWitness
	present  int
	pages    int     // of Advoware's list that were read, the empty one behind the last included
	cuts     []int64 // bounds of EspoCRM's ranges for the next pass

	// open are the records that earlier passes have left open, by the hash of their
	// ids, with their status; again is when the first of them is tried again.
	open  map[uint64]string
	again time.Time
	// newcomers are Advoware's records that nothing in EspoCRM is linked to.
	newcomers int
	imports   imports

	creates *engine.CreateGuard
	most    int // creates that are allowed
	tooMany int // creates that there would be, where that is more
	held    held

	created int
	// unseen are linked records that the list does not show and that are not gone:
	// hidden from us, or not asked for yet. The next pass looks for them again.
	unseen   int
	oldest   int64 // the oldest edit that waits
	waiting  int
	left     bool // something has not ended, and nobody knows by its id what
	leftOver []candidate
	before   []kept // by the last pass
	noMass   bool   // mass updates are forbidden
	suspects []suspect
	unlisted unlisted
	late     []candidate // deletes that nobody knew of when the guard was asked

	first       sync.Once
	accepted    chan struct{} // closed with EspoCRM's first answer
	usKnown     chan struct{} // closed once it is known as whom this pass has signed in
	someUnclean bool          // that answer shows records that were edited
	listError   error         // what Advoware's list has met before it
	early       *early
	flying      sync.WaitGroup
}

// entity makes the pass over one entity.
func (r *run) entity(m *mapping.Mapping) error {
	e := &entityRun{run: r, m: m, espo: governedEspo{r.systems}, queue: newQueue(maxQueue), seed: maphash.MakeSeed(), twin: map[string]string{},
		accepted: make(chan struct{}), usKnown: make(chan struct{})}
	e.facts.Entity = m.Entity()
	r.freshEntity()
	if !r.opts.DryRun {
		release, err := e.takePassLock()
		if err != nil {
			return err
		}
		defer release()
	}
	r.report.Entities[m.Entity()] = result.Summary{} // the run was about it, whatever becomes of it
	if err := e.recall(); err != nil {
		return err
	}
	r.tell(func(s Sink) { s.Phase(m.Entity(), PhaseLook); s.Planned(m.Entity(), 0, false) })
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
		for _, c := range e.queue.take() {
			e.leaves(c)
		}
		return errors.Join(g, e.rememberRun(false, g))
	}
	if err := e.lacksTooMany(); err != nil {
		return errors.Join(err, e.rememberRun(false, err))
	}
	e.judge = &judge{limits: limits, facts: reconcile.PassFacts{Entity: m.Entity(), Partial: true}}
	list := e.queue.take()
	if err := e.guardCreates(list); err != nil {
		for _, c := range list {
			e.leaves(c)
		}
		return errors.Join(asErr(asFault(fault.EspoCRM, err)), e.rememberRun(false, nil))
	}
	e.waiting += e.queue.missed()
	e.countStill(list)
	r.tell(func(s Sink) {
		s.Phase(m.Entity(), PhaseSync)
		s.Planned(m.Entity(), len(list), true)
	})
	err = e.execute(list)
	e.importAll()
	if g := e.heldBack(); g != nil {
		r.note(g) // it has kept nothing else from its end
	}
	r.tell(func(s Sink) { s.Phase(m.Entity(), PhaseDone) })
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
	for _, c := range list {
		h := maphash.String(e.seed, c.id)
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
		return nil, storeFault("take the lock of the pass", err)
	}
	if held.TookOver != nil {
		e.run.warn("an earlier pass over " + e.m.Entity() + " died; its lock was taken over")
	}
	e.lock = held
	return func() {
		if err := held.Release(); err != nil {
			e.run.warn(fmt.Sprintf("the lock of the pass over %s could not be freed and lives until it runs out: %v", e.m.Entity(), err))
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

// rememberRun leaves the pass's state to the next one. The watermark moves only
// when every candidate has ended. why is what has cut the pass short.
func (e *entityRun) rememberRun(ran bool, why error) error {
	r := e.run
	now, next := r.now().UTC(), e.state
	if r.opts.DryRun {
		e.reportOpen(&next, now)
		return nil
	}
	next.LastRun = now
	if ran || why != nil { // it has looked
		next.Halted = halted(why, e.state.Halted, now, r.p.cfg.Engine.Run)
		e.reportOpen(&next, now)
	}
	if !ran { // what waited then still does, and what has been seen since
		next.OldestUnsynced = stampOf(older(e.oldest, moment(e.state.OldestUnsynced)))
		next.Waiting = max(e.waiting, e.state.Waiting)
		e.reportLeft(next.Oldest())
		return e.saveState(next)
	}
	ended := !e.left && !e.queue.over && e.waiting == 0
	if err := e.keepLeft(context.WithoutCancel(r.ctx)); err != nil {
		return err
	}
	e.rememberSeen(&next)
	if ended || e.bounded() {
		next.Watermark = e.began.UTC().Format(stampFormat)
		if e.deep {
			next.ComparedAt = now
		}
		if s := r.report.Entities[e.m.Entity()]; ended && why == nil && s.Failed+s.PermanentlyFailed+s.Conflicts == 0 && !next.StillOpen.Any() {
			next.LastSuccess = now
		}
	}
	e.reportLeft(next.Oldest())
	return e.saveState(next)
}

// rememberSeen is what the pass has seen of both systems.
func (e *entityRun) rememberSeen(next *EntityState) {
	next.Mapping = e.m.Fingerprint() // the guard has let it pass
	next.Marker = e.hasMarker()
	next.Espo = e.newest
	next.Advo = append(e.updated, without(e.state.Advo, e.updated)...)
	next.Advo = next.Advo[:min(len(next.Advo), maxWitnesses)]
	next.OldestUnsynced, next.Waiting = stampOf(e.oldest), e.waiting
	if e.m.List() != nil || e.full {
		next.Linked = e.linked
	}
	if e.m.List() != nil {
		next.Bounds, next.Pages = e.cuts, e.pages
	}
	next.Linked += e.created + e.imports.made + e.unseen
	if e.full {
		next.ComparedAt = time.Time{} // not before it is complete
	}
}

func (e *entityRun) reportLeft(oldest time.Time) {
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	rep := &e.run.report
	rep.LeftOver += e.waiting
	if !oldest.IsZero() && (rep.Oldest.IsZero() || oldest.Before(rep.Oldest)) {
		rep.Oldest = oldest
	}
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

// waits counts an edit that is known and not synced by this pass.
func (e *entityRun) waits(c candidate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.oldest = older(e.oldest, c.since)
}

// leaves counts a candidate that is left to the next pass.
func (e *entityRun) leaves(c candidate) {
	e.waits(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting++
	e.leftOver = append(e.leftOver, c)
	if c.why&whyGone != 0 {
		e.unseen++
	}
}

// skipped notes that something was left to the next pass.
func (e *entityRun) skipped(some bool) {
	if some {
		e.mu.Lock()
		e.left = true
		e.mu.Unlock()
	}
}

func lostRace(err error) bool {
	return errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrLeaseLost)
}

// cleanPatch is what a mass update sets: the status, and nothing of a failure.
// It is followed by no write to Advoware.
func cleanPatch() record.Patch {
	p := record.Patch{}
	p.Put(fieldStatus, engine.StatusClean)
	p.Put(fieldMessage, nil)
	p.Put(fieldRetries, 0)
	return p
}
