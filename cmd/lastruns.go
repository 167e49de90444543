package cmd

import (
	"context"
	"slices"
	"time"

	"advosync/internal/batch"
	"advosync/internal/store"
)

// lastRuns are when the last pass over these entities began, and when the last
// one ended that left nothing open; nil: there was none.
func lastRuns(ctx context.Context, st store.Store, entities []string) (run, success *time.Time, err error) {
	runs, err := batch.Runs(ctx, st)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range runs { // newest first
		if !concerns(r, entities) {
			continue
		}
		if run == nil {
			run = stamp(r.StartedAt)
		}
		if r.Success {
			return run, stamp(r.FinishedAt), nil
		}
	}
	if success = lastSuccess(ctx, st, entities); success != nil && run == nil {
		run = success
	}
	return run, success, nil
}

// concerns reports whether a run was about one of the entities; a run that
// ended before it came to any was about all.
func concerns(r batch.RunRecord, entities []string) bool {
	for e := range r.Entities {
		if slices.Contains(entities, e) {
			return true
		}
	}
	return len(r.Entities) == 0
}

// lastSuccess looks further back than the runs that are kept.
func lastSuccess(ctx context.Context, st store.Store, entities []string) *time.Time {
	var oldest *time.Time
	for _, e := range entities {
		s, ok, err := batch.LoadState(ctx, st, e)
		if err != nil || !ok || s.LastSuccess.IsZero() {
			return nil // one entity never succeeded
		}
		if oldest == nil || s.LastSuccess.Before(*oldest) {
			oldest = stamp(s.LastSuccess)
		}
	}
	return oldest
}

func stamp(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Second)
	return &t
}
