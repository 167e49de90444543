package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Why a pass is not handed out, or not taken.
const (
	CodeFleetHeld fault.Code = "fleet_held" // paused or drained
	CodeNoWorker  fault.Code = "no_worker"
	// CodeOtherMapping: a worker's mapping is not cron-run's.
	CodeOtherMapping fault.Code = "other_mapping"
	// CodeChunksLost: the queue has lost what was handed out.
	CodeChunksLost fault.Code = "chunks_lost"
)

// How a planner hands out, and waits.
const (
	// waitingPerSlot bounds the chunks that wait for a worker.
	waitingPerSlot = 4
	// pollEvery is how often the reports are counted, lookEvery how often the fleet is
	// looked at.
	pollEvery = 100 * time.Millisecond
	lookEvery = 2 * time.Second
	// lostAfter is how often the queue is found without chunks that have not reported,
	// until they are given up; noWorkerFor is how long no worker may be there. One with
	// another mapping is none: where nobody has a chunk in work, lostAfter looks at what
	// such workers refuse end the pass, too.
	lostAfter   = 3
	noWorkerFor = time.Minute
	// orphanedFor is how long chunks of dead workers may be in the queue without being
	// given to others: it does that within two minutes.
	orphanedFor = 5 * time.Minute
	// goneFor is how long store and queue are waited for.
	goneFor = time.Minute
)

// distributes: others sync the candidates of an entity. One that Advoware cannot list is
// judged while it is synced, so its planner syncs it (docs/design/decisions/019-fleet.md).
func (r *run) distributes(m *mapping.Mapping) bool {
	return r.p.deps.Fleet != nil && !r.opts.DryRun && m.List() != nil
}

// endBefore ends what an earlier planner has left: a pass whose chunks have all reported
// is ended as its planner would have, one whose chunks are out is waited for, and one
// whose chunks never report is dropped: its watermark has not moved, so this pass finds
// everything again.
func (r *run) endBefore(m *mapping.Mapping, lock *lease.Lease) error {
	if !r.distributes(m) {
		return nil
	}
	if err := r.mayHandOut(m.Entity()); err != nil {
		return err
	}
	u, err := LoadUnderway(r.ctx, r.p.deps.Store, m.Entity())
	if err != nil || u == nil {
		return err
	}
	if u.Whole && u.Reported < u.Chunks {
		r.p.deps.Log.Info("an earlier pass is under way; it is waited for", "entity", m.Entity(), "since", u.StartedAt, "chunks", u.Chunks, "reported", u.Reported)
		h := &handing{run: r, entity: m.Entity(), u: u, lock: lock, others: true}
		if err := h.await(); err != nil && !errors.As(err, new(*lostError)) {
			return err
		}
		if h.left > 0 && h.leaves() {
			r.leaveOut(h.left)
			return errLeft
		}
		if u, err = LoadUnderway(r.ctx, r.p.deps.Store, m.Entity()); err != nil || u == nil {
			return err
		}
	}
	if !u.complete() {
		r.warn(fmt.Sprintf("the pass over %s that began at %s was not finished: %d of its %d chunks have reported; this pass looks at everything again",
			m.Entity(), u.StartedAt.Format(time.RFC3339), u.Reported, u.Chunks))
		return r.p.drop(r.ctx, u)
	}
	_, err = r.p.finishFor(r.ctx, u, lock)
	return err
}

// errLeft: the pass is not begun, because an earlier one is under way and the time is over.
var errLeft = errors.New("an earlier pass is under way")

// leaveOut: the run ends while chunks of an entity are out.
func (r *run) leaveOut(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Out += n
}

// mayHandOut asks whether an operator has stopped the fleet, and whether anybody is there.
func (r *run) mayHandOut(entity string) error {
	state, err := r.p.deps.Fleet.Look(r.ctx)
	if err != nil {
		return store.Fault("ask the fleet", err)
	}
	if why := state.Stands(entity); why != nil {
		return why
	}
	return nil
}

// Stands is why no pass over an entity would be taken, in this state; nil: one would. An
// entity of "" is any.
func (s FleetState) Stands(entity string) *fault.Error {
	switch {
	case s.Held != "":
		return &fault.Error{System: fault.Local, Code: CodeFleetHeld, Owner: fault.OwnerSystem, Message: s.Held, Hint: "advosync fleet resume"}
	case s.Slots == 0:
		return noWorker(entity)
	case entity == "" && len(s.OtherMapping) > 0, slices.Contains(s.OtherMapping, entity):
		return &fault.Error{System: fault.Local, Code: CodeOtherMapping, Owner: fault.OwnerSystem,
			Message: "every worker has another mapping of " + cmp.Or(entity, strings.Join(s.OtherMapping, ", ")) + " than this host, and carries out no chunk of it", Hint: hintMappings}
	}
	return nil
}

// hintMappings is what to do where hosts have other mappings.
const hintMappings = "advosync doctor; give all hosts the same configuration, and restart the workers"

func noWorker(entity string) *fault.Error {
	f := &fault.Error{System: fault.Local, Code: CodeNoWorker, Owner: fault.OwnerSystem, Transient: true,
		Message: "no worker of the fleet is there", Hint: "systemctl restart advosync-worker@1; advosync fleet status"}
	if entity != "" {
		f.Message += " for " + entity
	}
	return f
}

// lostError says that chunks never report: the queue has lost them, or no worker has their
// mapping.
type lostError struct{ why *fault.Error }

// Error says it in one line.
func (e *lostError) Error() string { return e.why.Error() }

// Unwrap gives the failure.
func (e *lostError) Unwrap() error { return e.why }

func lostChunks(entity string, n, of int) error {
	return &lostError{&fault.Error{System: fault.Local, Code: CodeChunksLost, Owner: fault.OwnerSystem, Transient: true,
		Message: fmt.Sprintf("%d of %d chunks of the pass over %s were lost by the queue (emptied, or Redis came back without them); the next pass finds their records again", n, of, entity),
		Hint:    "advosync cron-run; where it happens again: advosync doctor"}}
}

// handing is a planner's part of a pass whose chunks others sync.
type handing struct {
	run    *run
	entity string
	lock   *lease.Lease
	u      *Underway
	// others: the pass is an earlier planner's; its reports are only counted.
	others bool
	// told: an earlier round has told of a record.
	told func(id string) bool

	before map[string]result.Summary // what the run had done when it began

	list []candidate // of the chunks, in their order
	out  []int       // chunks that have not reported
	left int         // how many
	got  chunkReport // all that was reported

	state    FleetState
	looked   time.Time
	progress time.Time // when something was reported last
	moved    bool      // since the fleet was looked at
	lost     int       // how often the queue was found without what is left
	refused  int       // how often it was found with nothing in work that a worker had refused
	gone     time.Time // since when store or queue cannot be asked
}

// distribute hands the candidates out, waits until they have all been reported, and ends
// the pass.
func (e *entityRun) distribute(list []candidate) error {
	r := e.run
	own := slices.DeleteFunc(slices.Clone(list), func(c candidate) bool { return e.twin[c.id] == "" })
	list = slices.DeleteFunc(list, func(c candidate) bool { return e.twin[c.id] != "" })
	if room := e.room(); room >= 0 && room < len(list) {
		e.leaveAll(list[room:])
		list = list[:room]
	}
	me := r.p.deps.Leases.Owner()
	h := &handing{run: r, entity: e.m.Entity(), lock: e.lock, before: maps.Clone(r.report.Entities), list: list, told: e.told}
	h.u = &Underway{Pass: e.passName(), Run: r.p.cfg.Engine.Run, Entity: e.m.Entity(), StartedAt: r.now().UTC(),
		Planner: fmt.Sprintf("%s, process %d", me.Host, me.PID), Records: len(list), Chunks: (len(list) + chunkSize - 1) / chunkSize}
	err := save(r.ctx, r.p.deps.Store, underwayKey(h.entity), h.u)
	if err == nil {
		err = h.handOut(e)
	}
	err = firstOf(err, e.execute(own))
	e.importAll()
	if err == nil {
		err = h.whole(e)
	}
	if err == nil {
		err = h.await()
	}
	return h.end(e, err)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// end ends the pass. Chunks that have not reported go on without the planner where a
// bound or a signal ends it; else nobody waits for them any more.
func (h *handing) end(e *entityRun, err error) error {
	r := h.run
	if err == nil && h.left > 0 {
		r.leaveOut(h.left)
		return nil
	}
	if lost := h.lock.Check(); lost != nil {
		return firstOf(err, lost)
	}
	for _, n := range h.out {
		e.leaveAll(h.chunk(n))
	}
	r.absorb(h.entity, &h.got)
	r.leadOn(e.m, h.got.Again, h.before)
	e.mu.Lock()
	e.out.add(h.got.Outcome)
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), r.p.cfg.Grace)
	defer cancel()
	return errors.Join(e.finish(err), r.p.drop(ctx, h.u))
}

func (h *handing) chunk(n int) []candidate {
	return h.list[n*chunkSize : min((n+1)*chunkSize, len(h.list))]
}

// handOut puts the chunks into the queue, no more at a time than workers can soon take.
func (h *handing) handOut(e *entityRun) error {
	spare := 0 // creates that nobody asks for yet: what Advoware lacks may be made again
	if e.tooMany == 0 {
		spare = e.most - countFresh(h.list)
	}
	for n := range h.u.Chunks {
		for !e.ends() && h.got.Failure == nil && !h.room() {
			if err := h.turn(); err != nil {
				h.cut(e, n)
				return err
			}
		}
		if e.ends() || h.got.Failure != nil {
			h.cut(e, n)
			return nil
		}
		part := h.chunk(n)
		o := order{Pass: h.u.Pass, Run: h.u.Run, Command: h.run.p.cfg.Engine.Command, Entity: h.entity, Mapping: e.m.Fingerprint(), Policy: string(h.run.p.cfg.Engine.Policy), N: n}
		if e.tooMany == 0 {
			more := max(min(spare, len(part)-countFresh(part)), 0)
			o.Creates, spare = countFresh(part)+more, spare-more
		}
		for _, c := range part {
			o.Items = append(o.Items, kept{c.id, c.since, c.why, c.was})
		}
		body, err := json.Marshal(o)
		if err == nil {
			err = h.put(n, body)
		}
		if err != nil {
			h.cut(e, n)
			return err
		}
		h.out = append(h.out, n)
		h.left = len(h.out)
		h.run.mu.Lock()
		h.run.begun += len(part)
		h.run.fresh += len(part)
		h.run.mu.Unlock()
	}
	return nil
}

// countFresh counts those that are to be created, and that nobody has begun to.
func countFresh(cs []candidate) (n int) {
	for _, c := range cs {
		if c.why&whyCreate != 0 && c.why&whyPosted == 0 {
			n++
		}
	}
	return n
}

// cut gives back what is not handed out.
func (h *handing) cut(e *entityRun, n int) {
	e.leaveAll(h.list[n*chunkSize:])
	h.list, h.u.Chunks = h.list[:n*chunkSize], n
}

// put hands over a chunk; a queue that does not answer is waited for.
func (h *handing) put(n int, body []byte) error {
	for {
		err := h.run.p.deps.Fleet.Put(h.run.work, h.u.Pass, n, body)
		if err = h.answers(err); err != nil || h.gone.IsZero() {
			return err
		}
		h.pause()
	}
}

// answers gives store and queue some time to come back; what it returns is why that is
// over.
func (h *handing) answers(err error) error {
	switch now := h.run.now(); {
	case err == nil:
		h.gone = time.Time{}
		return nil
	case h.gone.IsZero():
		h.gone = now
	case now.Sub(h.gone) > goneFor, h.run.work.Err() != nil:
		return store.Fault("hand out a pass", err)
	}
	if h.lock.Context().Err() != nil {
		return store.Fault("hand out a pass", err)
	}
	return nil
}

// room: a further chunk may be put into the queue.
func (h *handing) room() bool {
	if len(h.out) < waitingPerSlot*h.state.Slots {
		return true
	}
	if !h.moved && h.run.now().Sub(h.looked) < lookEvery {
		return false
	}
	err := h.look()
	if h.state.Drained {
		h.run.halt(StopDrained)
	}
	return err == nil && h.gone.IsZero() && h.state.Held == "" && h.state.Waiting < waitingPerSlot*h.state.Slots
}

func (h *handing) look() error {
	state, err := h.run.p.deps.Fleet.Look(h.run.work)
	if err == nil {
		h.state, h.looked, h.moved = state, h.run.now(), false
	}
	return h.answers(err)
}

// whole says that all is handed out that is going to be. From here on anybody may end
// the pass.
func (h *handing) whole(e *entityRun) error {
	if err := h.lock.Check(); err != nil {
		return err
	}
	h.run.stopped() // a bound that is reached with the last chunk is one
	c := e.closing()
	c.Planner = h.run.reportOf(h.entity)
	if err := save(h.run.work, h.run.p.deps.Store, closingPrefix+h.u.Pass, c); err != nil {
		return err
	}
	h.u.Whole = true
	return save(h.run.work, h.run.p.deps.Store, underwayKey(h.entity), h.u)
}

// leaves: what is out goes on without the planner.
func (h *handing) leaves() bool {
	if h.lock.Context().Err() != nil && h.run.work.Err() == nil {
		h.run.halt(StopPassLock)
	}
	h.run.stopped()
	h.run.mu.Lock()
	defer h.run.mu.Unlock()
	if h.run.stop == "" && h.late() {
		h.run.stop = StopTime
	}
	return h.run.ctx.Err() != nil || h.run.stop == StopTime || h.run.stop == StopPassLock
}

// late: the time is over, also where nothing was begun.
func (h *handing) late() bool { return !h.run.until.IsZero() && !h.run.now().Before(h.run.until) }

// await waits until every chunk has reported, or the planner leaves them.
func (h *handing) await() error {
	if err := h.collect(); err != nil {
		return err
	}
	for h.left > 0 && !h.leaves() {
		if err := h.turn(); err != nil {
			return err
		}
	}
	return nil
}

// turn waits a moment, and takes what was reported meanwhile.
func (h *handing) turn() error {
	h.pause()
	before := h.left
	if err := h.collect(); err != nil {
		return err
	}
	now := h.run.now()
	if h.left < before || h.progress.IsZero() {
		h.progress, h.lost, h.refused, h.moved = now, 0, 0, true
		return nil
	}
	if h.left == 0 || now.Sub(h.looked) < lookEvery {
		return nil
	}
	if err := h.look(); err != nil || !h.gone.IsZero() {
		return err
	}
	return h.stuck(now)
}

// stuck is why what is out will not be reported; nil: it will, or it is too early to say.
func (h *handing) stuck(now time.Time) error {
	idle := now.Sub(h.progress)
	switch {
	case h.state.Held != "" && !h.state.Drained: // an operator will let it go on
		h.progress = now
	case h.state.Out == 0, h.state.Out <= h.state.Orphaned && idle > orphanedFor:
		if h.lost++; h.lost == lostAfter {
			return lostChunks(h.entity, h.left, h.u.Chunks)
		}
	case h.state.Slots == 0 && idle > noWorkerFor:
		return noWorker(h.entity)
	case h.state.Active == 0 && idle > noWorkerFor:
		return h.isRefused()
	}
	return nil
}

// isRefused ends a pass that only workers with another mapping would take.
func (h *handing) isRefused() error {
	var why failureForm
	is, err := load(h.run.work, h.run.p.deps.Store, refusedPrefix+h.u.Pass, &why)
	if err != nil || !is {
		return h.answers(err)
	}
	if h.refused++; h.refused < lostAfter {
		return nil
	}
	return &lostError{why.fault()}
}

func (h *handing) pause() {
	t := time.NewTimer(pollEvery)
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.run.ctx.Done():
	}
}

// collect takes the reports of the chunks that are out.
func (h *handing) collect() error {
	r := h.run
	if h.others {
		n, err := r.p.tallies().CountReported(r.work, h.u.Pass)
		if err == nil {
			h.left = h.u.Chunks - n
		}
		return h.answers(err)
	}
	for from := 0; from < len(h.out); from += chunkSize {
		part := h.out[from:min(from+chunkSize, len(h.out))]
		got, err := r.p.reports(r.work, h.u.Pass, part)
		if err != nil {
			return h.answers(err)
		}
		for i, one := range got {
			if one != nil {
				h.take(one)
				part[i] = -1
			}
		}
	}
	h.out = slices.DeleteFunc(h.out, func(n int) bool { return n < 0 })
	h.left = len(h.out)
	return h.answers(nil)
}

// take takes one report, and tells of it.
func (h *handing) take(c *chunkReport) {
	h.got.add(c)
	h.run.tell(func(s Sink) {
		for _, res := range c.Results {
			s.Ended(onceTold(res, h.told(res.ID)))
		}
		for range c.Summary.Total - len(c.Results) + c.Outcome.Again {
			s.Ended(result.Record{Entity: h.entity, Outcome: result.Unchanged})
		}
	})
}
