package simulation

import (
	"context"
	"errors"
	"strings"
	"time"

	"advosync/internal/advoware"
	"advosync/internal/batch"
	"advosync/internal/desk"
	"advosync/internal/espocrm"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/watch"
)

// The seam: all that the simulation knows of the tool that it plays on. Nothing else
// in this package names the packages behind it, nor the form in which the tool
// remembers what it has begun.

// Engine is one process of the tool, bound to one mapping.
type Engine interface {
	// Sync syncs one record: as a pass does, or named by an operator. createAnyway: he has
	// made sure that an uncertain create did not happen.
	Sync(id string, pass, createAnyway bool) result.Record
	// Pass makes one pass, with the guards of allow overridden; heard is told of each
	// record. It returns how the pass ended, and adds the guard that has halted it to allow.
	Pass(allow *Allowed, heard func(result.Record)) PassEnd
	// Watch follows hints until ctx ends, with passes of its own: hear is run while they are
	// followed and tells ids, nil: the tool's own sources do; heard is told of each record that was synced, passed of each
	// pass.
	Watch(ctx context.Context, hear func(ctx context.Context, tell func(id string, webhook bool)), heard func(result.Record), passed func(PassEnd))
	Undo(id, run string, force bool) result.Record
	Resolve(id string, take map[string]record.Side) result.Record
	Link(id string, advowareID int64, force bool) result.Record
	// Confirm says that a link in doubt is right.
	Confirm(id string) result.Record
	// Reset re-arms a record; forget makes its next sync a first contact.
	Reset(id string, forget bool) result.Record
	// Unlock frees every lock by force; freed is told of each before.
	Unlock(freed func(id string))
}

// Allowed are the guards that the operator has overridden.
type Allowed = batch.Options

// PassEnd is how a pass ended.
type PassEnd string

// How passes end.
const (
	ranThrough   PassEnd = "ran through"
	metAnother   PassEnd = "met another one"
	endedByFault PassEnd = "a system ended"
	halted       PassEnd = "halted by a guard: "
)

// Words of the tool in EspoCRM and in its configuration.
const (
	statusClean, statusConflict = record.StatusClean, record.StatusConflict
	statusFailed, statusGivenUp = record.StatusFailed, record.StatusPermanentlyFailed
	missingFail, missingUnlink  = sync.MissingFail, sync.MissingUnlink
	missingRecreate             = sync.MissingRecreate
	missingKeep, missingDelete  = sync.MissingKeep, sync.MissingDelete
	passLock                    = ":" + store.PassLock
)

// tool implements Engine.
type tool struct {
	m      *mapping.Mapping
	engine *sync.Engine
	desk   *desk.Desk
	pass   *batch.Pass
	espo   *espocrm.Client
	store  store.Store
	leases *lease.Manager
}

// newEngine makes a process of the tool for the n-th run.
func (t *Tool) newEngine(n int, command string, ec *espocrm.Client, ac *advoware.Client, st store.Store, leases *lease.Manager, now func() time.Time) Engine {
	cfg := sync.Config{Policy: t.sim.Policy, MaxRetries: 5, MarkSyncing: n%4 != 0, WriteTimeout: writeTime, Run: t.Run, Command: command,
		OnMissingInAdvoware: t.sim.MissingInAdvoware, OnMissingInEspocrm: t.sim.MissingInEspocrm}
	e := sync.New(cfg, sync.Deps{EspoCRM: ec, Advoware: ac, Store: st, Leases: leases, Now: now})
	return &tool{m: t.sim.Mapping, engine: e, desk: desk.New(e),
		// So many may be in flight that none waits for another one: whose turn it is
		// would be the Go scheduler's choice.
		pass: batch.New(batch.Config{Engine: cfg, Concurrency: 64, RecheckAfter: recheckAfter, RetryBackoff: retryBackoff, MaxChangedShare: 0.5, MaxDeletes: 10, MaxCreates: 1000},
			batch.Deps{EspoCRM: apartEspo{ec, t}, Advoware: apartAdvo{ac, t}, Store: st, Leases: leases, Now: now}),
		espo: ec, store: st, leases: leases}
}

func (t *tool) Sync(id string, pass, createAnyway bool) result.Record {
	return t.engine.Sync(context.Background(), sync.Request{Mapping: t.m, ID: id, Pass: pass, CreateAnyway: createAnyway})
}

func (t *tool) Pass(allow *Allowed, heard func(result.Record)) PassEnd {
	_, err := t.pass.Run(context.Background(), []*mapping.Mapping{t.m}, *allow, sink(heard))
	return ended(err, allow)
}

// ended says how a pass ended, and what an operator overrides then.
func ended(err error, allow *Allowed) PassEnd {
	var guard *batch.GuardError
	var locked *batch.LockedError
	switch {
	case errors.As(err, &guard):
		switch guard.Guard {
		case reconcile.GuardEmpty:
			allow.AllowEmpty = true
		case reconcile.GuardRegress:
			allow.AllowRegress = true
		case reconcile.GuardMassChange:
			allow.AllowMassChange = true
		case reconcile.GuardDeletes:
			allow.AllowDeletes = 100
		}
		return halted + PassEnd(guard.Guard)
	case errors.As(err, &locked):
		return metAnother
	case err != nil:
		return endedByFault
	}
	return ranThrough
}

// sink hears what a pass does, record by record.
type sink func(result.Record)

func (sink) Phase(string, batch.Phase) {}
func (sink) Planned(string, int, bool) {}
func (sink) Begun(string, string)      {}
func (sink) Warned(string)             {}
func (k sink) Ended(r result.Record)   { k(r) }

func (t *tool) Watch(ctx context.Context, hear func(ctx context.Context, tell func(id string, webhook bool)), heard func(result.Record), passed func(PassEnd)) {
	f := follower{t, heard, passed}
	w := watch.New(watch.Config{Entities: []*mapping.Mapping{t.m}, Workers: 1, Every: passesApart}, watch.Deps{
		Begin: func() (watch.Tool, error) { return f, nil }, Listeners: t.listeners(hear), Store: t.store, Leases: t.leases})
	if err := w.Run(ctx); err != nil {
		panic(err) // Begin never fails
	}
}

// passesApart is no multiple of the time between two renewals of a lease: they must not
// fall on one instant.
const passesApart = 97*time.Second + 13*time.Millisecond

func (t *tool) listeners(hear func(ctx context.Context, tell func(id string, webhook bool))) []watch.Listener {
	if hear != nil {
		return []watch.Listener{listens(hear)}
	}
	page := func(ctx context.Context, m *mapping.Mapping, n int) ([]record.Object, error) {
		return t.engine.ListPage(ctx, m, n)
	}
	return []watch.Listener{watch.EspoList(t.m, edits{t}, t.store), watch.AdvoList([]*mapping.Mapping{t.m}, page, t.store)}
}

// edits is EspoCRM as a watch asks it for edits.
type edits struct{ t *tool }

func (e edits) Changes(ctx context.Context, entityType string, after record.Place) (*record.Changes, error) {
	return e.t.espo.Changes(ctx, entityType, after)
}

func (e edits) ServerTime() time.Time { return e.t.espo.ServerTime() }

func (e edits) Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error) {
	return e.t.espo.Find(ctx, entityType, q)
}

func (e edits) Ours(ctx context.Context, user string) (bool, error) {
	return e.t.engine.Ours(ctx, user)
}

// listens is a source of hints.
type listens func(ctx context.Context, tell func(id string, webhook bool))

func (l listens) Run(ctx context.Context, ear watch.Ear) error {
	l(ctx, func(id string, webhook bool) {
		h := watch.Hint{Entity: "Beteiligte", ID: id, Source: watch.FromList}
		if webhook {
			h.Source = watch.FromWebhook
		}
		ear.Hear(h)
	})
	return nil
}

// follower is the tool as a watch uses it.
type follower struct {
	*tool
	heard  func(result.Record)
	passed func(PassEnd)
}

func (f follower) Sync(ctx context.Context, _, id string) result.Record {
	r := f.engine.Sync(ctx, sync.Request{Mapping: f.m, ID: id, Pass: true, NoDelete: true, Creates: sync.NewCreateGuard(1000)})
	f.heard(r)
	return r
}

func (f follower) Pass(ctx context.Context, held map[string]*lease.Lease) (batch.Report, error) {
	rep, err := f.pass.Run(ctx, []*mapping.Mapping{f.m}, batch.Options{Held: held}, sink(f.heard))
	f.passed(ended(err, &Allowed{}))
	return rep, err
}

func (t *tool) Undo(id, run string, force bool) result.Record {
	return t.desk.Undo(context.Background(), desk.UndoRequest{Mapping: t.m, ID: id, Run: run, Force: force})
}

func (t *tool) Resolve(id string, take map[string]record.Side) result.Record {
	return t.desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: t.m, ID: id, Take: take})
}

func (t *tool) Link(id string, advowareID int64, force bool) result.Record {
	return t.desk.Link(context.Background(), desk.LinkRequest{Mapping: t.m, ID: id, AdvowareID: advowareID, Force: force})
}

func (t *tool) Confirm(id string) result.Record {
	return t.desk.Confirm(context.Background(), t.m, id, false)
}

func (t *tool) Reset(id string, forget bool) result.Record {
	return t.desk.Reset(context.Background(), desk.ResetRequest{Mapping: t.m, ID: id, Forget: forget})
}

func (t *tool) Unlock(freed func(id string)) {
	locks, err := t.desk.Locks(context.Background(), []*mapping.Mapping{t.m})
	if err != nil {
		return
	}
	for _, l := range locks {
		freed(l.ID)
		t.desk.Unlock(context.Background(), l, true)
	}
}

// remembered is what the operator is told of what the tool remembers of a record.
type remembered struct {
	failure string // the code of its last failure
	begun   bool   // a write was announced and not concluded
	owed    bool   // a note is owed
	// create: what was announced was a create, by run; made is the Advoware record that it is known
	// to have made, sent its values by Advoware name.
	create bool
	run    string
	made   int64
	sent   map[string]string
	// doubtful: the record waits because nobody has proved its link.
	doubtful bool
	// held: its create waits for a word of the operator.
	held bool
}

func (s *Sim) remembered(id string) remembered {
	mem, err := s.Store.Load(judgingContext(), store.Key{Entity: s.Mapping.Entity(), ID: id})
	if err != nil {
		s.wrong("%v", err)
	}
	return s.inWords(mem)
}

func (s *Sim) inWords(mem store.Memory) remembered {
	r := remembered{begun: mem.Open != nil, owed: len(mem.Notes) > 0, sent: map[string]string{},
		doubtful: mem.Parked != nil && mem.Parked.Doubtful, held: mem.Pending == sync.PendingCreate}
	if mem.Failure != nil {
		r.failure = mem.Failure.Code
	}
	if in := mem.Open; in != nil {
		r.create, r.run, r.made = in.Makes, in.Run, in.AdvowareID
		for _, f := range s.Mapping.AllFields() {
			if a := in.Fields[f.Key]; in.Side == record.Advoware && a.Target.HasText() {
				r.sent[f.Advo] = a.Target.Text()
			}
		}
	}
	return r
}

// begunOnes are the records with an announced write that is not concluded.
func (s *Sim) begunOnes() map[string]remembered {
	out := map[string]remembered{}
	_ = s.Store.Scan(judgingContext(), s.Mapping.Entity(), store.ScanFilter{WithOpen: true}, func(id string, m store.Memory) error {
		out[id] = s.inWords(m)
		return nil
	})
	return out
}

// announcesAWrite reports whether a commit may announce a write to Advoware, which has to
// follow its read at once.
func announcesAWrite(c store.Commit) bool {
	return c.Memory != nil && c.Memory.Open != nil && !c.Memory.Open.Makes
}

func isPassLock(key string) bool { return strings.HasSuffix(key, passLock) }
