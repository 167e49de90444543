package cmd

import (
	"context"
	"slices"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/metrics"
	"advosync/internal/reconcile"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// Cron makes one pass, and lets the history forget what is too old.
func (s *opened) Cron(ctx context.Context, r cronRequest) (batch.Report, error) {
	return s.cron(ctx, s.engineConfig, r)
}

func (s *opened) cron(ctx context.Context, of sync.Config, r cronRequest) (batch.Report, error) {
	var entities []*mapping.Mapping
	for _, name := range r.Entities {
		m, err := s.cfg.Mapping(name)
		if err != nil {
			return batch.Report{}, err
		}
		entities = append(entities, m)
	}
	// As the configuration has them: those that others lead to come first.
	place := func(m *mapping.Mapping) int { return slices.Index(s.cfg.Mappings, m) }
	slices.SortStableFunc(entities, func(a, b *mapping.Mapping) int { return place(a) - place(b) })
	if r.Policy != "" {
		of.Policy = reconcile.Policy(r.Policy)
	}
	fleet, done, err := s.fleetOf()
	if err != nil {
		return batch.Report{}, err
	}
	defer done()
	rep, err := s.newPass(of, fleet).Run(ctx, entities, r.Options, r.Sink)
	// A pass that failed prunes too: an outage of weeks does not extend how long
	// values are kept.
	if ctx.Err() == nil && !r.Options.DryRun && !fault.Is(err, fault.StoreBroken) {
		if _, perr := s.desk.PruneHistory(ctx, s.cfg.History.Retention); perr != nil {
			s.log.Warn("old history not pruned", "error", perr.Error())
		}
		if terr := store.Tidy(ctx, s.store); terr != nil {
			s.log.Warn("the store's file not made smaller", "error", terr.Error())
		}
	}
	return rep, err
}

// Measure writes metrics.textfile.
func (s *opened) Measure(ctx context.Context, rep batch.Report, exit int) error {
	path := s.cfg.Metrics.Textfile
	if path == "" {
		return nil
	}
	snap := metrics.Snapshot{Office: s.cfg.Office, Summaries: rep.Entities, Calls: rep.Document.Calls, Exit: exit, Finished: time.Now(),
		Duration: time.Duration(rep.Document.Run.DurationMS) * time.Millisecond, OldestUnsynced: rep.Oldest, BreakerOpen: map[string]bool{}, BudgetWait: map[string]time.Duration{}}
	if s.cfg.EspoCRM.Rate.Set() {
		snap.BudgetWait[string(fault.EspoCRM)] = s.espo.BudgetWait()
	}
	if s.cfg.Advoware.Rate.Set() {
		snap.BudgetWait[string(fault.Advoware)] = s.advo.BudgetWait()
	}
	ctx = context.WithoutCancel(ctx)
	// Every entity's, also of those that this run did not come to: an outage does
	// not make what waits disappear.
	for _, name := range s.cfg.EntityNames() {
		if state, _, err := batch.LoadState(ctx, s.store, name); err == nil {
			if t := state.Oldest(); !t.IsZero() && (snap.OldestUnsynced.IsZero() || t.Before(snap.OldestUnsynced)) {
				snap.OldestUnsynced = t
			}
		}
	}
	if open, err := batch.Breakers(ctx, s.store); err == nil {
		for system := range open {
			snap.BreakerOpen[system] = true
		}
	}
	if last, err := lastRuns(ctx, s.store, s.cfg.EntityNames()); err == nil && last.success != nil {
		snap.LastSuccess = *last.success
	}
	s.measured.Lock()
	defer s.measured.Unlock()
	snap.Watch = s.watchFigures()
	s.snapshot = snap
	return metrics.WriteTextfile(path, snap)
}

// newPass is the pass as it is configured; fleet nil: this process syncs.
func (s *opened) newPass(of sync.Config, fleet batch.Fleet) *batch.Pass {
	cron := s.cfg.Cron
	return batch.New(batch.Config{Engine: of, Concurrency: cron.Concurrency, RecheckAfter: cron.RecheckAfter, RetryBackoff: cron.RetryBackoff,
		MaxChangedShare: cron.MaxChangedShare, MaxDeletes: cron.MaxDeletes, MaxCreates: cron.MaxCreates},
		batch.Deps{EspoCRM: s.espo, Advoware: s.advo, Store: s.store, Leases: s.leases, Log: s.log, Fleet: fleet})
}
