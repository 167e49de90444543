// Package sync is the protocol of one record (docs/design/protocol.md): lock, read, settle,
// decide, announce, send, conclude. What it reads, writes and remembers goes through the
// record's session.
package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
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
type Deps = session.Deps

// Engine syncs single records. Safe for concurrent use.
type Engine struct {
	*session.Env
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
	env := session.NewEnv(session.Config{WriteTimeout: cfg.WriteTimeout, LateWrite: cfg.LateWrite, MarkSyncing: cfg.MarkSyncing,
		Run: cfg.Run, Command: cfg.Command, Office: cfg.Office, Language: cfg.Language}, deps)
	return &Engine{Env: env, cfg: cfg}
}

// Config is how this engine syncs, defaults filled in.
func (e *Engine) Config() Config { return e.cfg }

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
	Listed *session.Listed
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

// given is what the request has for the record's session.
func (r Request) given() session.Given {
	return session.Given{Pass: r.Pass, EvenOnHold: r.EvenOnHold, Linked: r.Linked, Fresh: r.Fresh, FreshAt: r.FreshAt, Memory: r.Memory, Listed: r.Listed}
}

// Sync brings one record in step and says what was done. A failure is part of
// the result; Error.Owner "system" means that nothing is wrong with the record
// and that others will fare alike.
func (e *Engine) Sync(ctx context.Context, req Request) result.Record {
	ctx, w := e.newWork(ctx, req)
	w.run(ctx)
	return w.End()
}

// run takes the lock, works, and ends the attempt in a state that the next run
// can go on from.
func (w *work) run(ctx context.Context) {
	ctx, unlock, err := w.Lock(ctx, w.req.Held)
	defer unlock()
	if err != nil {
		w.locked(err)
		return
	}
	w.conclude(ctx, w.sync(ctx))
}

// locked tells of a lock that somebody else holds.
func (w *work) locked(err error) {
	var busy *lease.HeldError
	if !errors.As(err, &busy) {
		w.conclude(context.Background(), err)
		return
	}
	w.Result.Outcome = result.Locked
	w.Result.Reason = result.Reason{Code: "locked", Text: busy.Error()}
	w.Result.Error = &result.Error{Code: "locked", Message: fmt.Sprintf("%s %s is %s", w.Key.Entity, w.Key.ID, busy.Error()),
		Hint: fmt.Sprintf("advosync unlock --entity %s --id %s", w.Key.Entity, w.Key.ID), Owner: string(fault.OwnerRecord), Transient: true}
}

// newWork prepares the state of one record's sync.
func (e *Engine) newWork(ctx context.Context, req Request) (context.Context, *work) {
	w := &work{e: e, req: req, by: authority{policy: cmp.Or(req.Policy, e.cfg.Policy)}}
	ctx, w.Session = e.Begin(ctx, req.Mapping, req.ID, req.given())
	return ctx, w
}
