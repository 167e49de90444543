package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	gosync "sync"
	"time"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// executor syncs candidates that somebody has planned, chunk by chunk, and keeps what
// became of them. It knows no guard: what it may create was counted out to it, and where
// the planner judges while it goes on, halted and judged ask it.
type executor struct {
	run  *run
	m    *mapping.Mapping
	espo governedEspo

	creates *sync.CreateGuard
	twin    map[string]string // by id: why two records of one number are not synced
	early   *early
	// lock is the pass's, while its planner is in this process.
	lock *lease.Lease
	// halted says that a guard has halted the pass meanwhile; nil: none can.
	halted func() bool
	// judged is told of every comparison of an entity that Advoware cannot list, before
	// anything is written; nil: nobody judges.
	judged func(v result.Verdict, sample bool) error
	// deleteLate syncs what turned out to be gone while it was synced; nil: it is left.
	deleteLate func(late []candidate) error

	flying   gosync.WaitGroup
	noMass   bool // mass updates are forbidden
	suspects []suspect
	late     []candidate // deletes that nobody knew of when the guard was asked

	mu  gosync.Mutex
	out outcome
}

// chunk is a hundred candidates that are locked and read together, and freed
// together.
type chunk struct {
	items  []*item
	leases []*lease.Lease
	err    error

	mu     gosync.Mutex
	open   int // items that have not ended
	cleans []behind
}

// behind is an adopted record of which only the status in EspoCRM is behind.
type behind struct {
	id      string
	version *int64
}

// item is one candidate, ready to be synced.
type item struct {
	candidate
	held  *lease.Lease
	fresh *record.Object
	read  time.Time // when its read began; zero: it was not read
	mem   *store.Memory
	// locked: somebody else holds it.
	locked *store.Lock
}

// execute works through the candidates, chunk by chunk. The next chunk is locked
// and read while the current one is about to end, so that nobody idles and
// nothing read grows old.
func (e *executor) execute(list []candidate) error {
	var next chan *chunk
	pos, room := 0, e.room()
	prepare := func() {
		to := min(pos+chunkSize, len(list))
		if room >= 0 {
			to = min(to, pos+room)
			room -= to - pos
		}
		part := list[pos:to]
		pos = to
		if len(part) == 0 {
			return
		}
		next = make(chan *chunk, 1)
		early := e.takeEarly()
		go func() { next <- e.prepare(e.run.work, part, early) }()
	}
	slots := newSlots(e.inWork())
	var failure error
	if !e.ends() {
		prepare()
	}
	for next != nil {
		c := <-next
		next = nil
		if c.err != nil {
			failure = c.err
			e.giveBack(c, 0)
			break
		}
		room = c.giveLocked(room)
		for i, it := range c.items {
			if len(c.items)-i <= 2*e.run.workers() && next == nil && pos < len(list) && room != 0 {
				prepare()
			}
			slots.take(len(list) - pos + len(c.items) - i)
			if e.ends() {
				slots.give()
				e.giveBack(c, i)
				break
			}
			e.begin(c, it, slots)
		}
		if e.ends() {
			break
		}
	}
	if next != nil {
		e.giveBack(<-next, 0)
	}
	e.flying.Wait()
	e.leaveAll(list[pos:])
	return e.settle(failure)
}

// giveLocked gives back to a bound, -1 for none, the records of the chunk that
// somebody else holds: they use up none.
func (c *chunk) giveLocked(room int) int {
	for _, it := range c.items {
		if it.locked != nil && room >= 0 {
			room++
		}
	}
	return room
}

// inWork is how many records are in work at the same time: as many as calls may be in
// flight, and more where many records share a call.
func (e *executor) inWork() int {
	if e.run.systems.gathered(e.m.EspoType(), e.run.systems.updates) == nil {
		return e.run.workers()
	}
	return min(16*e.run.workers(), chunkSize)
}

// room is how many records --limit still allows; -1: no limit.
func (e *executor) room() int {
	if e.run.opts.Limit <= 0 {
		return -1
	}
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	return max(e.run.opts.Limit-e.run.begun, 0)
}

// ends reports whether no further record of this entity is begun.
func (e *executor) ends() bool {
	if e.lock != nil && e.lock.Context().Err() != nil && e.run.work.Err() == nil {
		e.run.halt(StopPassLock)
	}
	return e.run.stopped() || e.halted != nil && e.halted()
}

// slots bounds the records in flight. It is the number of workers, so that a
// record that was begun goes on at once; the last three rounds are begun
// together, so that no worker idles while the last records make their dependent
// calls one after the other. The calls in flight are bounded by the governor.
type slots struct {
	workers int
	mu      gosync.Mutex
	free    *gosync.Cond
	used    int
}

func newSlots(workers int) *slots {
	s := &slots{workers: workers}
	s.free = gosync.NewCond(&s.mu)
	return s
}

// take waits for a slot; left is how many records are not begun, this one
// included.
func (s *slots) take(left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.used >= s.workers && s.used+left > 3*s.workers {
		s.free.Wait()
	}
	s.used++
}

func (s *slots) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	s.free.Broadcast()
}

// prepare locks a chunk in one round trip, loads what is remembered, and reads
// EspoCRM's records with one list call under those locks, but for what was done
// early. A dry run locks nothing.
func (e *executor) prepare(ctx context.Context, part []candidate, early *chunk) *chunk {
	c := &chunk{open: len(part)}
	for _, cand := range part {
		c.items = append(c.items, &item{candidate: cand})
	}
	if early != nil {
		e.inherit(c, early)
	}
	if c.err = e.lockItems(ctx, c); c.err == nil {
		c.err = e.readItems(ctx, c)
	}
	return c
}

// inherit takes over of an early chunk what this one needs of it, and frees the rest.
func (e *executor) inherit(c, early *chunk) {
	byID := map[string]*item{}
	for _, it := range early.items {
		byID[it.id] = it
	}
	for i, it := range c.items {
		if was := byID[it.id]; was != nil {
			was.candidate = it.candidate // more may be known of it since
			c.items[i] = was
			if was.held != nil {
				c.leases = append(c.leases, was.held)
			}
		}
	}
	e.free(slices.DeleteFunc(early.leases, func(l *lease.Lease) bool { return slices.Contains(c.leases, l) }))
}

// lockItems locks what is not locked yet, and loads what is remembered of it.
func (e *executor) lockItems(ctx context.Context, c *chunk) error {
	var ids, keys []string
	var items []*item
	byKey := map[string]*item{}
	for _, it := range c.items {
		if it.mem != nil && it.locked == nil {
			continue
		}
		key := store.Key{Entity: e.m.Entity(), ID: it.id}.LockKey()
		byKey[key], it.locked = it, nil
		ids, keys, items = append(ids, it.id), append(keys, key), append(items, it)
	}
	if !e.run.opts.DryRun && len(keys) > 0 {
		leases, held, err := e.run.p.deps.Leases.AcquireAll(ctx, keys)
		if err != nil {
			return store.Fault("lock records", err)
		}
		c.leases = append(c.leases, leases...)
		for _, l := range leases {
			byKey[l.Key()].held = l
		}
		for i := range held {
			byKey[held[i].Key].locked = &held[i]
		}
	}
	mems, err := e.run.p.deps.Store.LoadMany(ctx, e.m.Entity(), ids)
	if err != nil {
		return store.Fault("load what is remembered", err)
	}
	for i, it := range items {
		it.mem = &mems[i]
	}
	return nil
}

// readItems reads what was not read yet, or too long ago.
func (e *executor) readItems(ctx context.Context, c *chunk) error {
	began := e.run.now()
	var read []string
	byID := map[string]*item{}
	for _, it := range c.items {
		if it.locked == nil && it.why != whyGone && (it.read.IsZero() || began.Sub(it.read) > earlyLasts) {
			it.read, it.fresh, byID[it.id] = began, nil, it
			read = append(read, it.id)
		}
	}
	if len(read) == 0 {
		return nil
	}
	objs, err := e.espo.ByIDs(ctx, e.m.EspoType(), read, e.fields())
	if err != nil {
		return err
	}
	for _, o := range objs {
		if it := byID[textOf(o, record.FieldID)]; it != nil && !directory.MayBeCut(e.m, o) { // a cut text is read singly
			it.fresh = &o
		}
	}
	return nil
}

// free frees locks; what cannot be freed is said.
func (e *executor) free(leases []*lease.Lease) {
	if err := e.run.p.deps.Leases.Release(leases...); err != nil {
		e.run.warn(fmt.Sprintf("locks could not be freed; they are given back later, or run out: %v", err))
	}
}

// giveBack ends the items from i on without having begun them.
func (e *executor) giveBack(c *chunk, i int) {
	for _, it := range c.items[i:] {
		e.leaves(it.candidate)
	}
	e.over(c, len(c.items)-i)
}

// begin works on one item in a goroutine of its own.
func (e *executor) begin(c *chunk, it *item, s *slots) {
	e.run.mu.Lock()
	if it.locked == nil {
		e.run.begun++
		e.run.fresh++
	}
	e.run.sink.Begun(e.m.Entity(), it.id)
	e.run.mu.Unlock()
	e.flying.Add(1)
	go func() {
		defer e.flying.Done()
		e.one(c, it)
		s.give()
		e.over(c, 1)
	}()
}

// one syncs one record, or plans it.
func (e *executor) one(c *chunk, it *item) {
	switch {
	case it.locked != nil:
		e.ended(it, e.lockedResult(it))
		return
	case e.twin[it.id] != "":
		e.ended(it, e.twinResult(it))
		return
	case it.fresh == nil && it.why&whyGone == 0 && it.mem.Base != nil && it.mem.Hold == nil && e.deletes() && !e.run.opts.DryRun && e.isGone(it):
		e.mu.Lock()
		e.late = append(e.late, it.candidate)
		e.mu.Unlock()
		return
	}
	e.sync(c, it)
}

// sync syncs a record that nobody else holds, or plans it.
func (e *executor) sync(c *chunk, it *item) {
	ctx, t := withTicket(e.run.work)
	req := sync.Request{Mapping: e.m, ID: it.id, Pass: true, Held: it.held, Fresh: it.fresh, FreshAt: it.read, Memory: it.mem, Creates: e.creates}
	if e.judged != nil {
		req.Judge = func(v result.Verdict) error { return e.judged(v, it.why == whyStale || it.why == whyFirst) }
	}
	if e.run.opts.DryRun {
		res := e.run.engine.Plan(ctx, req)
		if res.Outcome == result.Failed && res.Error != nil && res.Error.Code == string(fault.Uncertain) && res.Error.Transient {
			res.Outcome = result.Skipped // a pass would leave it to the next one
		}
		e.come(it, t, res)
		e.run.systems.done(t)
		return
	}
	req.DeferClean = func(id string, version *int64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.cleans = append(c.cleans, behind{id, version})
	}
	res := e.run.engine.Sync(ctx, req)
	e.run.systems.done(t)
	e.come(it, t, res)
}

// isGone confirms that a record which the list did not show does not exist, and
// is not only out of our sight.
func (e *executor) isGone(it *item) bool {
	ctx, _ := withTicket(e.run.work)
	_, err := e.espo.Get(ctx, e.m.EspoType(), it.id)
	return fault.Is(err, fault.NotFound)
}

// over ends n items; the last one ends the chunk: what was adopted becomes
// clean, and the locks are freed, each in one round trip.
func (e *executor) over(c *chunk, n int) {
	c.mu.Lock()
	c.open -= n
	last := c.open == 0
	c.mu.Unlock()
	if !last {
		return
	}
	if len(c.cleans) > 0 {
		e.makeClean(c.cleans)
	}
	e.free(c.leases)
}

// come takes a record's result; a system's failure is put aside until it is
// known whether others fared alike.
func (e *executor) come(it *item, t *ticket, res result.Record) {
	if res.Outcome != result.Failed || res.Error == nil || res.Error.Owner != string(fault.OwnerSystem) {
		e.ended(it, res)
		return
	}
	f := &fault.Error{System: fault.System(res.Error.System), Code: fault.Code(res.Error.Code), Owner: fault.OwnerSystem, Message: res.Error.Message, Hint: res.Error.Hint}
	if b := e.run.systems.breakers[f.System]; b != nil && t.failed == nil && f.Code == fault.BadAnswer {
		t.failed = b.unusable(t, f)
	}
	switch {
	case t.failed != nil:
		e.mu.Lock()
		e.suspects = append(e.suspects, suspect{it.candidate, t, res})
		e.mu.Unlock()
	case e.halted != nil && e.halted():
		e.leaves(it.candidate) // nothing was written
	default:
		e.leaveTo(it.candidate, res)
		if f.Code != fault.Interrupted {
			e.run.fail(f)
		}
	}
}

// ended counts a result.
func (e *executor) ended(it *item, res result.Record) { e.count(it.candidate, res) }

func (e *executor) count(c candidate, res result.Record) {
	switch res.Outcome {
	case result.Failed, result.PermanentlyFailed, result.ConflictWaits:
		e.waits(c)
	case result.Locked:
		e.leaves(c)
	case result.Skipped:
		if isHeldBack(res) {
			e.holds(c, res)
		}
		if res.Error != nil || res.Reason.Code == "keeps_changing" {
			e.leaves(c)
		}
	}
	e.mu.Lock()
	if res.Outcome == result.CreatedAdvoware {
		e.out.Created++
	}
	if c.why&whyGone != 0 && res.Outcome == result.Failed && res.Error.Code == string(fault.Forbidden) {
		e.out.Unseen++
	}
	e.out.testifies(res)
	e.out.closes(c.was, becomes(res))
	counted := c.why&whyAgain != 0 && res.Outcome == result.Unchanged
	if counted {
		e.out.Again++
	}
	e.mu.Unlock()
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	if !counted {
		e.run.report.add(res)
	}
	e.run.leadsOn(e.m, res)
	e.run.sink.Ended(res)
}

// leaveTo leaves a record that a system's failure has hit to the next pass: no
// attempt is counted.
func (e *executor) leaveTo(c candidate, res result.Record) {
	res.Outcome = result.Skipped
	e.count(c, res)
}

func (e *executor) lockedResult(it *item) result.Record {
	busy := &lease.HeldError{Lock: *it.locked}
	return result.Record{Entity: e.m.Entity(), ID: it.id, Outcome: result.Locked, Fields: []result.Field{},
		Reason: result.Reason{Code: "locked", Text: busy.Error()},
		Error: &result.Error{Code: "locked", Message: fmt.Sprintf("%s %s is %s", e.m.Entity(), it.id, busy.Error()),
			Hint: fmt.Sprintf("advosync unlock --entity %s --id %s", e.m.Entity(), it.id), Owner: string(fault.OwnerRecord), Transient: true}}
}

func (e *executor) twinResult(it *item) result.Record {
	text := fmt.Sprintf("two records of %s are linked to one in Advoware: %s; neither is synced", e.m.Entity(), e.twin[it.id])
	return result.Record{Entity: e.m.Entity(), ID: it.id, Outcome: result.Failed, Fields: []result.Field{}, RetryCount: 0,
		Reason: result.Reason{Code: string(fault.Duplicate), Text: text},
		Error: &result.Error{Code: string(fault.Duplicate), Message: text, Owner: string(fault.OwnerRecord),
			Hint: "clear advowareId of the record that is wrong in EspoCRM"}}
}

// suspect is a record that met a system's failure.
type suspect struct {
	candidate
	t   *ticket
	res result.Record
}

// settle ends the pass over an entity once nothing is in flight any more:
// failures are given to their owners, deletes that nobody knew of are guarded.
func (e *executor) settle(failure error) error {
	errs := []error{failure}
	switch {
	case len(e.late) == 0:
	case e.deleteLate != nil:
		errs = append(errs, e.deleteLate(e.late))
	default:
		e.leaveAll(e.late)
	}
	crowd := e.crowd()
	for _, s := range e.suspects {
		f := s.t.failed.fault
		if e.isRecords(s, crowd) {
			req := sync.Request{Mapping: e.m, ID: s.id, Pass: true}
			ctx, t := withTicket(e.run.work)
			res := e.run.engine.CountAgainst(ctx, req, f)
			e.run.systems.done(t)
			e.count(s.candidate, res)
			continue
		}
		e.leaveTo(s.candidate, s.res)
		if e.alone(s, crowd) {
			e.run.warn(s.id + ": " + f.Error() + "; other calls were answered: only this record is left to the next pass")
			continue
		}
		e.run.fail(f)
	}
	if f := e.run.systems.broken(); f != nil {
		e.run.fail(f)
	}
	return errors.Join(errs...)
}

// failing is a system and a class of its calls.
type failing struct {
	system fault.System
	write  bool
}

// crowd counts the records that failed and after which nobody was served by calls
// of the same class. Several of them are a system that has ceased to serve. Records
// that shared a call have met one failure together.
func (e *executor) crowd() map[failing]int {
	n, met := map[failing]int{}, map[*fault.Error]bool{}
	for _, s := range e.suspects {
		f := s.t.failed
		if met[f.fault] {
			continue
		}
		met[f.fault] = true
		if b := e.run.systems.breakers[f.fault.System]; b != nil {
			if after, _ := b.othersServed(s.t); !after {
				n[failing{f.fault.System, f.write}]++
			}
		}
	}
	return n
}

// alone reports whether a failure is an exception of a system that does serve: a
// call that was not sent, or whose answer was lost or is none (a proxy's page), where
// others were answered in this pass and not several records in a row have met the
// same. A refusal in words is none: it will meet the others, too.
func (e *executor) alone(s suspect, crowd map[failing]int) bool {
	f := s.t.failed.fault
	b := e.run.systems.breakers[f.System]
	lost := f.Doubt || f.Status == 0 || f.Code == fault.BadAnswer && f.Status/100 == 2 || !s.t.failed.write && f.Status >= 500
	if !lost || b == nil || b.failure() != nil || !b.served() {
		return false
	}
	return crowd[failing{f.System, s.t.failed.write}] < openAfter
}

// isRecords tells whether a 5xx or 403 is the record's: others pass in this pass, by
// calls of the same class. Where none came after it, it needs one that was
// served before, no crowd of the same fate, and an answer to a plain question now.
func (e *executor) isRecords(s suspect, crowd map[failing]int) bool {
	f := s.t.failed.fault
	b := e.run.systems.breakers[f.System]
	if e.run.opts.DryRun || f.Status < 500 && f.Code != fault.Forbidden || f.Code == fault.Maintenance || b == nil || b.failure() != nil {
		return false
	}
	after, ever := b.othersServed(s.t)
	return after || ever && crowd[failing{f.System, s.t.failed.write}] < openAfter && e.answers(f.System)
}

// answers asks a system a plain question.
func (e *executor) answers(system fault.System) bool {
	if system == fault.EspoCRM {
		_, err := e.espo.Find(e.run.work, e.m.EspoType(), record.Query{Select: []string{record.FieldID}, Size: 1})
		return err == nil
	}
	if l := e.m.List(); l != nil {
		_, err := e.run.engine.ListPage(e.run.work, e.m, l.First)
		return err == nil
	}
	_, err := governedAdvo{e.run.systems}.Get(e.run.work, e.m.ReadPath(), "0")
	return err == nil || fault.OwnedByRecord(err)
}

// waits counts an edit that is known and not synced by this pass.
func (e *executor) waits(c candidate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.out.Oldest = older(e.out.Oldest, c.since)
}

// leaves counts a candidate that is left to the next pass.
func (e *executor) leaves(c candidate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.out.leaves(c)
}

func (e *executor) leaveAll(cs []candidate) {
	for _, c := range cs {
		e.leaves(c)
	}
}

// skipped notes that something was left to the next pass.
func (e *executor) skipped(some bool) {
	if some {
		e.mu.Lock()
		e.out.Left = true
		e.mu.Unlock()
	}
}

// deletes: what is gone from EspoCRM is deleted in Advoware.
func (e *executor) deletes() bool {
	return e.run.p.cfg.Engine.OnMissingInEspocrm == sync.MissingDelete
}
