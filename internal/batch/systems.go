package batch

import (
	"context"
	"errors"
	gosync "sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/intake"
	"advosync/internal/record"
	"advosync/internal/session"
)

// EspoCRM is what a pass needs of EspoCRM besides what the engine needs.
type EspoCRM interface {
	session.EspoCRM
	intake.Creator
	// ByIDs reads records, at most a hundred with one call; those that are not
	// there, or that our role may not read, are missing in the answer.
	ByIDs(ctx context.Context, entityType string, ids []string, fields []string) ([]record.Object, error)
	// MassUpdate gives records the same values and returns the ids of those that
	// took them. No right for it: fault.Forbidden.
	MassUpdate(ctx context.Context, entityType string, ids []string, patch record.Patch) ([]string, error)
	// Together reports whether many records of a type are updated with one call, by
	// UpdateMany, in which each record has its own result.
	Together(ctx context.Context, entityType string) (bool, error)
	UpdateMany(ctx context.Context, entityType string, updates []record.Update) []record.Updated
	// NoteMany writes stream notes on records of such a type, each with its own result.
	NoteMany(ctx context.Context, entityType string, notes []record.Note) []error
	// Changes reads a type's log of changes behind a place; behind the zero Place only
	// where the log stands. nil: there is none.
	Changes(ctx context.Context, entityType string, after record.Place) (*record.Changes, error)
}

// openAfter failures of a system in a row, with no success of any record in
// between, open its breaker. Fewer of them, among answers, end nothing: those
// records are left to the next pass.
const openAfter = 3

// openAfterWrites failed writes in a row open it although reads pass: the system
// can be read and not written. It is more than openAfter, because the pass begins
// with the oldest records, and a few that cannot be written must not keep it from
// the others.
const openAfterWrites = 10

// maxPause is the longest pause that a system may ask a pass for; beyond it the
// pass ends.
const maxPause = 2 * time.Minute

// systems stands between the engine and both systems: every call of a pass goes
// through it, is held by the governor and watched by the breakers.
type systems struct {
	espo     EspoCRM
	advo     session.Advoware
	governor *governor
	breakers map[fault.System]*breaker

	gatherMu gosync.Mutex
	updates  map[string]*together // by type
	notes    map[string]*together
}

func newSystems(espo EspoCRM, advo session.Advoware, g *governor) *systems {
	s := &systems{espo: espo, advo: advo, governor: g, breakers: map[fault.System]*breaker{},
		updates: map[string]*together{}, notes: map[string]*together{}}
	for _, name := range []fault.System{fault.EspoCRM, fault.Advoware} {
		s.breakers[name] = &breaker{system: name}
	}
	return s
}

// broken is the failure of the first system whose breaker is open; nil: none.
func (s *systems) broken() *fault.Error {
	for _, name := range []fault.System{fault.EspoCRM, fault.Advoware} {
		if f := s.breakers[name].failure(); f != nil {
			return f
		}
	}
	return nil
}

// breaker watches one system. Once open it stays so until the pass ends: the next pass
// is the probe. Of each class of calls it remembers when other
// records were last served, so that a failure that hits one record only can be
// told from the system's.
type breaker struct {
	system fault.System

	mu      gosync.Mutex
	why     *fault.Error // what opened it; nil: it is closed
	seq     int
	failed  int          // failures since the last success
	unsaved int          // failed writes since the last one that passed
	serves  [2][2]served // by class: the last one, and the last one of another record
	good    int          // calls that were answered
}

type served struct {
	ticket *ticket
	seq    int
}

func (b *breaker) failure() *fault.Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.why
}

// refuse is the failure of a call that is not made because the breaker is open.
func (b *breaker) refuse() error {
	why := b.failure()
	if why == nil {
		return nil
	}
	f := *why
	f.Doubt, f.Err = false, why
	f.Message = "not asked any more in this pass: " + why.Message
	return &f
}

// note takes how a call went.
func (b *breaker) note(t *ticket, write bool, f *fault.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq++
	if f == nil || f.Owner == fault.OwnerRecord || t == nil && !write && definite(f) {
		b.good++
		b.failed = 0
		if write {
			b.unsaved = 0
		}
		b.serve(t, write)
		return
	}
	if fault.Is(f, fault.LeaseLost, fault.Interrupted, fault.Uncertain) {
		return // says nothing about the system
	}
	if t != nil {
		t.failed = &failure{fault: f, write: write, seq: b.seq}
	}
	b.failed++
	if write {
		b.unsaved++
	}
	// After the last of these every call would meet the same.
	if b.why == nil && (b.failed >= openAfter || b.unsaved >= openAfterWrites ||
		fault.Is(f, fault.Unauthorized, fault.Blocked, fault.Maintenance, fault.RateLimited)) {
		b.why = f
	}
}

// serve remembers which record was served last. b is locked.
func (b *breaker) serve(t *ticket, write bool) {
	if t == nil {
		return
	}
	c := &b.serves[class(write)]
	if c[0].ticket != t {
		c[1] = c[0]
	}
	c[0] = served{t, b.seq}
}

// unusable is the failure of a read that was answered, but with what nobody can use:
// that record was not served.
func (b *breaker) unusable(t *ticket, f *fault.Error) *failure {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.serves[class(false)]
	for i := range c {
		if c[i].ticket == t {
			c[i] = served{}
		}
	}
	return &failure{fault: f, seq: b.seq}
}

// othersServed reports whether other records were served by calls of the same
// class, after the failure and at any time in this pass.
func (b *breaker) othersServed(t *ticket) (after, ever bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.serves[class(t.failed.write)] {
		if s.seq == 0 || s.ticket == t {
			continue
		}
		ever = true
		after = after || s.seq > t.failed.seq
	}
	return after, ever
}

func class(write bool) int {
	if write {
		return 1
	}
	return 0
}

// ticket is one record's way through the systems.
type ticket struct {
	// held: the leave of a read of Advoware is kept for the write that may follow,
	// so that nothing lies between the two but the local store.
	held bool
	// wrote: Advoware has been written, its next read is the read-back.
	wrote bool
	// paused is how often a write was not sent because of a pause.
	paused int
	failed *failure
}

type failure struct {
	fault *fault.Error
	write bool
	seq   int
}

type ticketKey struct{}

func withTicket(ctx context.Context) (context.Context, *ticket) {
	t := &ticket{}
	return context.WithValue(ctx, ticketKey{}, t), t
}

func ticketOf(ctx context.Context) *ticket {
	t, _ := ctx.Value(ticketKey{}).(*ticket)
	return t
}

// done gives back what a finished record still holds.
func (s *systems) done(t *ticket) {
	if t.held {
		t.held = false
		s.governor.release(fault.Advoware)
	}
}

// call describes one call.
type call struct {
	system fault.System
	write  bool
	// keep the leave afterwards for the same record's next write.
	keep bool
	// once: never to be repeated, whatever the system asks for.
	once bool
	// prompt: it rests on a read, so after a pause that is read anew first.
	prompt bool
	// quiet: a success says nothing, for often nothing is sent.
	quiet bool
	// optional: a refusal says that we may not, not that the system fails.
	optional bool
}

// do makes one call under governor and breaker, again where the system asked
// for a pause before it did anything, and a read once more where the answer is none.
func (s *systems) do(ctx context.Context, c call, fn func() error) error {
	t := ticketOf(ctx)
	for try := 1; ; try++ {
		err := s.once(ctx, c, t, fn)
		f := fault.As(err)
		if f == nil || try == 3 || !s.again(ctx, c, f) && (try > 1 || !noAnswer(c, f)) {
			if c.optional && fault.Is(err, fault.Forbidden) || c.prompt && t.readsAnew(f) {
				return err
			}
			// Cut off because of what another call has met: that says nothing of this system.
			cutOff := errors.Is(ctx.Err(), context.Canceled)
			if !cutOff && (err != nil || !c.quiet) {
				s.breakers[c.system].note(t, c.write, asFault(c.system, err))
			}
			return err
		}
	}
}

func (s *systems) once(ctx context.Context, c call, t *ticket, fn func() error) error {
	b := s.breakers[c.system]
	if err := b.refuse(); err != nil {
		return err
	}
	if t != nil && t.held && c.system == fault.Advoware && c.write {
		t.held = false // the leave of the read serves for the write
	} else {
		if t != nil {
			s.done(t)
		}
		if err := s.governor.acquire(ctx, c.system); err != nil {
			return cutShort(err, c.system)
		}
		if err := b.refuse(); err != nil {
			s.governor.release(c.system)
			return err
		}
	}
	began := time.Now()
	err := fn()
	if err != nil || !c.quiet {
		s.governor.learn(c.system, c.write, began, fault.As(err))
	}
	if t != nil && c.keep && err == nil {
		readBack := t.wrote
		if t.wrote = false; !readBack {
			t.held = true
			return nil
		}
	}
	s.governor.release(c.system)
	return err
}

// readsAnew reports whether a write that met a pause is decided anew, on a read
// behind that pause: not for ever.
func (t *ticket) readsAnew(f *fault.Error) bool {
	if t == nil || f == nil || f.Code != fault.RateLimited || f.RetryAfter <= 0 || f.RetryAfter > maxPause || f.Doubt || t.paused == 2 {
		return false
	}
	t.paused++
	t.wrote = false
	return true
}

// again reports whether a call is worth repeating: it was refused before
// anything was done, and the pause asked for fits.
func (s *systems) again(ctx context.Context, c call, f *fault.Error) bool {
	if f.RetryAfter <= 0 || f.RetryAfter > maxPause || f.Doubt || c.once || c.prompt || c.write && f.Code != fault.RateLimited {
		return false
	}
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > f.RetryAfter+time.Second)
}

// noAnswer reports whether a read was answered with something else than what this
// system says, such as a page of a proxy between us, or half of it.
func noAnswer(c call, f *fault.Error) bool {
	return !c.write && !c.once && f.Code == fault.BadAnswer && f.Status/100 == 2
}

// asFault: whatever an adapter answered that is no fault is the system's.
func asFault(system fault.System, err error) *fault.Error {
	if err == nil {
		return nil
	}
	if f := fault.As(err); f != nil {
		return f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &fault.Error{System: system, Code: fault.Interrupted, Owner: fault.OwnerSystem, Err: err}
	}
	return &fault.Error{System: system, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Message: fault.Clean(err.Error(), 300), Err: err}
}

// cutShort is the end of a context that waited for leave.
func cutShort(cause error, system fault.System) error {
	if f := fault.As(cause); f != nil {
		return f
	}
	f := &fault.Error{System: system, Code: fault.Interrupted, Owner: fault.OwnerSystem, Transient: true, Message: "interrupted", Err: cause}
	if errors.Is(cause, context.DeadlineExceeded) {
		f.Code, f.Message = fault.Timeout, "the time for this step was used up before its turn came"
	}
	return f
}

// governedEspo is EspoCRM as the engine sees it in a pass.
type governedEspo struct{ *systems }

func (e governedEspo) Get(ctx context.Context, entityType, id string) (o record.Object, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM}, func() error { o, err = e.espo.Get(ctx, entityType, id); return err })
	return o, err
}

func (e governedEspo) Update(ctx context.Context, entityType, id string, p record.Patch, version *int64) (o record.Object, err error) {
	if g := e.gathered(entityType, e.updates); g != nil {
		return g.send(ctx, joined{update: record.Update{ID: id, Patch: p, Version: version}})
	}
	err = e.do(ctx, call{system: fault.EspoCRM, write: true}, func() error { o, err = e.espo.Update(ctx, entityType, id, p, version); return err })
	return o, err
}

func (e governedEspo) Find(ctx context.Context, entityType string, q record.Query) (os []record.Object, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM}, func() error { os, err = e.espo.Find(ctx, entityType, q); return err })
	return os, err
}

func (e governedEspo) ByIDs(ctx context.Context, entityType string, ids, fields []string) (os []record.Object, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM}, func() error { os, err = e.espo.ByIDs(ctx, entityType, ids, fields); return err })
	return os, err
}

func (e governedEspo) Changes(ctx context.Context, entityType string, after record.Place) (c *record.Changes, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM, quiet: true}, func() error { c, err = e.espo.Changes(ctx, entityType, after); return err })
	return c, err
}

func (e governedEspo) MassUpdate(ctx context.Context, entityType string, ids []string, p record.Patch) (done []string, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM, write: true, optional: true}, func() error { done, err = e.espo.MassUpdate(ctx, entityType, ids, p); return err })
	return done, err
}

func (e governedEspo) Create(ctx context.Context, entityType string, p record.Patch, skip bool) (o record.Object, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM, write: true, once: true}, func() error { o, err = e.espo.Create(ctx, entityType, p, skip); return err })
	return o, err
}

func (e governedEspo) Note(ctx context.Context, entityType, id, text string) error {
	if g := e.gathered(entityType, e.notes); g != nil {
		_, err := g.send(ctx, joined{note: record.Note{ID: id, Text: text}})
		return err
	}
	return e.do(ctx, call{system: fault.EspoCRM, write: true, once: true}, func() error { return e.espo.Note(ctx, entityType, id, text) })
}

func (e governedEspo) UserID(ctx context.Context) (id string, err error) {
	err = e.do(ctx, call{system: fault.EspoCRM}, func() error { id, err = e.espo.UserID(ctx); return err })
	return id, err
}

func (e governedEspo) ServerTime() time.Time { return e.espo.ServerTime() }

// governedAdvo is Advoware as the engine sees it in a pass.
type governedAdvo struct{ *systems }

func (a governedAdvo) Get(ctx context.Context, path, id string) (o record.Object, err error) {
	err = a.do(ctx, call{system: fault.Advoware, keep: true}, func() error { o, err = a.advo.Get(ctx, path, id); return err })
	return o, err
}

func (a governedAdvo) Ready(ctx context.Context, path string) error {
	return a.do(ctx, call{system: fault.Advoware, keep: true, quiet: true}, func() error { return a.advo.Ready(ctx, path) })
}

func (a governedAdvo) Create(ctx context.Context, path, idField string, obj record.Object) (id int64, err error) {
	a.wrote(ctx)
	err = a.do(ctx, call{system: fault.Advoware, write: true, once: true}, func() error { id, err = a.advo.Create(ctx, path, idField, obj); return err })
	return id, err
}

func (a governedAdvo) Update(ctx context.Context, path, id string, obj record.Object) error {
	a.wrote(ctx)
	return a.do(ctx, call{system: fault.Advoware, write: true, prompt: true}, func() error { return a.advo.Update(ctx, path, id, obj) })
}

func (a governedAdvo) Delete(ctx context.Context, path, id string) error {
	a.wrote(ctx)
	return a.do(ctx, call{system: fault.Advoware, write: true, prompt: true}, func() error { return a.advo.Delete(ctx, path, id) })
}

func (a governedAdvo) List(ctx context.Context, path string, params map[string]string, items string) (os []record.Object, err error) {
	err = a.do(ctx, call{system: fault.Advoware}, func() error { os, err = a.advo.List(ctx, path, params, items); return err })
	return os, err
}

// wrote makes the record's next read of Advoware a read-back.
func (a governedAdvo) wrote(ctx context.Context) {
	if t := ticketOf(ctx); t != nil {
		t.wrote = true
	}
}

// served reports whether the system has answered any call of this pass.
func (b *breaker) served() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.good > 0
}

// asked reports whether the system was called at all.
func (b *breaker) asked() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seq > 0
}

// open ends the calls to a system: what it has met will meet the others too.
func (b *breaker) open(f *fault.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.why == nil {
		b.why = f
	}
}
