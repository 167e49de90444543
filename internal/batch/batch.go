// Package batch is the pass behind `cron-run`: it finds what needs a sync,
// guards, and has the engine sync it, many records at a time.
//
// What it keeps in memory: the candidates, about a hundred bytes each and never
// more than maxQueue of them; eight bytes per linked record while it looks for
// records that are gone; and a page or two of each list. What does not fit waits
// for the next pass. A planner of a fleet holds ten times as many candidates.
package batch

import (
	"context"
	"log/slog"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// Config is how passes are done (configuration sections sync and cron).
type Config struct {
	// Engine is how single records are synced; Run and Command name the run.
	Engine sync.Config
	// Concurrency is how many calls may be in flight, to both systems together.
	// Default 8.
	Concurrency int
	// RecheckAfter is how long a record in step goes without a comparison of its
	// contents. Default 24h.
	RecheckAfter time.Duration
	// RetryBackoff is the pause after a record's first failure; it doubles with
	// each further one. Default 15m.
	RetryBackoff time.Duration
	// MaxChangedShare and MaxDeletes are limits of the guards.
	MaxChangedShare float64
	MaxDeletes      int
	// MaxCreates is how many records one pass may create in Advoware; more of them
	// are held back, all. 0: none may be.
	MaxCreates int
	// MaxCandidates is how many records that need a sync a pass holds at a time: the
	// oldest. Default 100,000, about 10 MB.
	MaxCandidates int
	// Grace bounds what was begun when the run is interrupted. Default 30s.
	Grace time.Duration
}

// Options are the flags of one run.
type Options struct {
	Limit       int           // records to begin; 0: all
	MaxDuration time.Duration // no record is begun after; 0: no bound
	DryRun      bool          // plans, writes nothing anywhere
	Concurrency int           // overrides the configured one; 0 does not

	// Held are locks of the pass, by entity, that the caller has taken and will free.
	Held map[string]*lease.Lease

	AllowMassChange    bool
	AllowDeletes       int // so many deletes may happen
	AllowCreates       int // so many creates may happen
	AllowEmpty         bool
	AllowMappingChange bool
	AllowRegress       bool
}

// Deps are the parts a Pass works with.
type Deps struct {
	EspoCRM  EspoCRM
	Advoware session.Advoware
	Store    store.Store
	Leases   *lease.Manager
	Log      *slog.Logger
	// Fleet carries the chunks of a pass to other processes, and the store is a
	// store.Tallies then; nil: this process syncs them.
	Fleet Fleet
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Pass runs batch passes.
type Pass struct {
	cfg  Config
	deps Deps
}

// New makes a Pass.
func New(cfg Config, deps Deps) *Pass {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 8
	}
	if cfg.MaxCandidates <= 0 {
		cfg.MaxCandidates = maxQueue
	}
	if cfg.RecheckAfter <= 0 {
		cfg.RecheckAfter = 24 * time.Hour
	}
	if cfg.RetryBackoff <= 0 {
		cfg.RetryBackoff = 15 * time.Minute
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 30 * time.Second
	}
	if cfg.Engine.Command == "" {
		cfg.Engine.Command = "cron-run"
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Pass{cfg: cfg, deps: deps}
}

// Run makes one pass over the entities, one after the other. The report holds
// whatever became of it. The error joins what kept parts of it from running, to
// be asked with errors.As and fault.As: *GuardError (exit 6), *LockedError (11),
// *fault.Error (1; Interrupted 130). Failed records are results, not errors.
func (p *Pass) Run(ctx context.Context, entities []*mapping.Mapping, opts Options, sink Sink) (Report, error) {
	ctx, calls := callcount.With(ctx)
	r := p.newRun(ctx, opts, sink)
	defer r.close()
	for _, m := range r.inTurn(entities) {
		if r.stopped() {
			r.report.Skipped = append(r.report.Skipped, m.Entity())
			continue
		}
		if err := r.entity(m); err != nil {
			r.fail(unread(m, err))
		}
	}
	r.lookAgain()
	return r.finish(calls), r.err()
}

// LockedError says that another process makes a pass over the entity.
type LockedError struct {
	Entity string
	Held   *lease.HeldError
}

// Error says it in one line.
func (e *LockedError) Error() string {
	return "a pass over " + e.Entity + " is running already: " + e.Held.Error()
}

// Unwrap gives the holder.
func (e *LockedError) Unwrap() error { return e.Held }

// ErrorForm implements result.Formed.
func (e *LockedError) ErrorForm() *result.Error {
	return &result.Error{Code: "locked", Message: fault.Clean(e.Error(), 500), Hint: "advosync unlock --list", Owner: string(fault.OwnerSystem), Transient: true}
}
