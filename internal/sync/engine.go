package sync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"advosync/internal/callcount"
	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// What to do about a record that one side has lost.
const (
	MissingFail     = "fail"
	MissingUnlink   = "unlink"
	MissingRecreate = "recreate"
	MissingKeep     = "keep"
	MissingDelete   = "delete"
)

// The actions of `sync --action`.
const (
	ActionSync   = "sync_check"
	ActionCreate = "create"
	ActionUpdate = "update"
	ActionDelete = "delete"
)

// Config is how syncs are done; the zero values of the limits are replaced by
// the defaults of docs/configuration.md.
type Config struct {
	Policy              reconcile.Policy
	MaxRetries          int
	MarkSyncing         bool
	OnMissingInAdvoware string
	OnMissingInEspocrm  string
	// WriteTimeout is the longest that one write may take: it is given up after it,
	// or when the lease ends. LateWrite is how long after that it may still land.
	WriteTimeout, LateWrite time.Duration
	// Run and Command name the run in announcements, history and results.
	Run, Command string
	// Office is what the commands in notes and hints name; "": there is only one office.
	Office string
	// Language is that of the notes in EspoCRM: German, else English.
	Language string
	// Misfit says what of the extension that EspoCRM has installed does not fit this
	// installation, and what to do; "": nothing is known. Asked after a failure that
	// it would explain. nil: nobody is asked.
	Misfit func(ctx context.Context, m *mapping.Mapping) string
}

// Deps are the parts an Engine works with.
type Deps struct {
	EspoCRM  EspoCRM
	Advoware Advoware
	Store    store.Store
	Leases   *lease.Manager
	Log      *slog.Logger
	// Now is the wall clock; nil: time.Now. It dates history, never a decision.
	Now func() time.Time
}

// Engine syncs single records. Safe for concurrent use.
type Engine struct {
	Deps
	// Directory is what is known beyond one record.
	*directory.Directory
	cfg Config
	// doubtTold: a note about a link in doubt was written; one is enough for a run.
	doubtTold atomic.Bool
}

// New makes an Engine.
func New(cfg Config, deps Deps) *Engine {
	if cfg.Policy == "" {
		cfg.Policy = reconcile.Merge
	}
	if cfg.MaxRetries <= 0 {
		cfg.MaxRetries = 5
	}
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = 30 * time.Second
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{Deps: deps, Directory: directory.New(deps.EspoCRM, deps.Advoware, deps.Store, deps.Log, deps.Now), cfg: cfg}
}

// Config is how this engine syncs, defaults filled in.
func (e *Engine) Config() Config { return e.cfg }

// Entry begins a history entry of this run about a record; "": about none.
func (e *Engine) Entry(entity, id string) store.Entry {
	return store.Entry{ID: uuid.Must(uuid.NewV7()).String(), At: e.Now(), Run: e.cfg.Run, Command: e.cfg.Command, By: e.By(), Entity: entity, RecordID: id}
}

// Request asks for one record.
type Request struct {
	Mapping *mapping.Mapping
	ID      string // EspoCRM id
	Action  string // "" is ActionSync
	// Policy overrides the configured one; "" does not.
	Policy reconcile.Policy
	// CreateAnyway: the operator has made sure that an uncertain create did not
	// happen.
	CreateAnyway bool
	// NoDelete: nobody has confirmed a delete, so none is done, whatever the
	// configuration says. A pass has its guard instead.
	NoDelete bool
	// Pass: a batch pass asks, or somebody who has not sent for the record by name. It
	// leaves a record whose last write may still land to the next pass, and a conflict
	// that waits to the person who was asked, and remembers when a record was last
	// compared.
	Pass bool
	// Explain, for Plan, is called at its end, to add to the result what else is known.
	Explain func(ctx context.Context, r *Record)
	// Linked is the number with which the record has just been made in EspoCRM; 0: it was not.
	Linked int64
	// EvenOnHold: it is the hold itself that is asked about, or only what a sync would find.
	EvenOnHold bool
	// Taken is the operator's decision on the clashes that both sides show when the
	// record is first compared, by field key, "*" for the rest.
	Taken map[string]record.Side

	// Held, Fresh and Memory come from a batch pass that has locked and read a
	// whole chunk at once; the pass releases the lease.
	Held   *lease.Lease
	Fresh  *record.Object
	Memory *store.Memory
	// FreshAt is when the read of Fresh began; zero: now.
	FreshAt time.Time
	// Listed, for a report, is what else was read of many records at once.
	Listed *Listed
	// Judge, where set, is told of the first comparison before anything is
	// written for it; its error ends the attempt, counts as nobody's failure and
	// leaves the record as it is.
	Judge func(v result.Verdict) error
	// Creates, where set, is the pass's guard over creates.
	Creates *CreateGuard
	// DeferClean, where set, is told of an adopted record that only needs the
	// status clean, and of its version number, instead of a PUT for it.
	DeferClean func(id string, version *int64)
}

func (r Request) key() store.Key { return store.Key{Entity: r.Mapping.Entity(), ID: r.ID} }

// Sync brings one record in step and says what was done. A failure is part of
// the result; Error.Owner "system" means that nothing is wrong with the record
// and that others will fare alike.
func (e *Engine) Sync(ctx context.Context, req Request) result.Record {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	w := e.newWork(ctx, req)
	w.run(ctx)
	return w.finish(start, calls)
}

// run takes the lock, works, and ends the attempt in a state that the next run
// can go on from.
func (w *work) run(ctx context.Context) {
	held := w.req.Held
	if held == nil {
		var err error
		if held, err = w.e.Leases.Acquire(ctx, w.key.LockKey()); err != nil {
			w.locked(err)
			return
		}
		defer func() {
			if err := held.Release(); err != nil {
				w.warn("the lock could not be released; it is given back later, or runs out: %v", err)
			}
		}()
	}
	w.lease = held
	ctx, stop := within(ctx, held)
	defer stop()
	w.conclude(ctx, w.sync(ctx))
}

// within ends ctx when the lease is lost, with the lease's cause.
func within(ctx context.Context, held *lease.Lease) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(held.Context(), func() { cancel(context.Cause(held.Context())) })
	return ctx, func() { unhook(); cancel(nil) }
}

// locked tells of a lock that somebody else holds.
func (w *work) locked(err error) {
	var busy *lease.HeldError
	if !errors.As(err, &busy) {
		w.conclude(context.Background(), err)
		return
	}
	w.res.Outcome = result.Locked
	w.res.Reason = result.Reason{Code: "locked", Text: busy.Error()}
	w.res.Error = &result.Error{Code: "locked", Message: fmt.Sprintf("%s %s is %s", w.key.Entity, w.key.ID, busy.Error()),
		Hint: fmt.Sprintf("advosync unlock --entity %s --id %s", w.key.Entity, w.key.ID), Owner: string(fault.OwnerRecord), Transient: true}
}

// newWork prepares the state of one record's sync.
func (e *Engine) newWork(ctx context.Context, req Request) *work {
	w := &work{e: e, req: req, m: req.Mapping.With(e.References(ctx)), key: req.key()}
	w.res = result.Record{Entity: w.key.Entity, ID: req.ID, Fields: []result.Field{}}
	w.by.policy = req.Policy
	if w.by.policy == "" {
		w.by.policy = e.cfg.Policy
	}
	return w
}

// finish fills in what every result carries.
func (w *work) finish(start time.Time, calls *callcount.Counter) result.Record {
	w.res.Calls = result.Calls{Espocrm: int(calls.EspoCRM.Load()), Advoware: int(calls.Advoware.Load()), Auth: int(calls.Auth.Load())}
	w.res.DurationMS = w.e.Now().Sub(start).Milliseconds()
	w.notOverruled()
	return w.res
}

// notOverruled takes back what the result says of edits that gave way on a side
// which this run has not written after all.
func (w *work) notOverruled() {
	if w.res.Outcome == result.Planned {
		return
	}
	for i := range w.res.Fields {
		f := &w.res.Fields[i]
		if f.Overruled == record.Advoware && !w.did.wroteAdvo || f.Overruled == record.EspoCRM && !w.did.wroteEspo {
			f.Overruled = ""
		}
	}
}

func (w *work) warn(format string, args ...any) {
	w.res.Warnings = append(w.res.Warnings, fmt.Sprintf(format, args...))
}
