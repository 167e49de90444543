package cmd

import (
	"context"
	"slices"
	"time"

	"advosync/internal/batch"
	"advosync/internal/result"
	"advosync/internal/store"
)

// lastPasses are when the last pass over some entities began, why it did not go
// through, and when the last one ended that left nothing open; nil: none.
type lastPasses struct {
	run, success *time.Time
	failure      *result.Error
	bars         []result.PassBar
}

func lastRuns(ctx context.Context, st store.Store, entities []string) (lastPasses, error) {
	var last lastPasses
	runs, err := batch.Runs(ctx, st)
	if err != nil {
		return last, err
	}
	last.bars = passBars(runs, entities)
	for _, r := range runs { // newest first
		if !concerns(r, entities) || metAnother(r) {
			continue
		}
		if last.run == nil {
			last.run, last.failure = stamp(r.StartedAt), r.Error
		}
		if r.Success {
			last.success = stamp(r.FinishedAt)
			return last, nil
		}
	}
	if last.success = lastSuccess(ctx, st, entities); last.success != nil && last.run == nil {
		last.run = last.success
	}
	return last, nil
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

// metAnother reports whether a pass did nothing, because another one was at work.
func metAnother(r batch.RunRecord) bool { return r.Error != nil && r.Error.Code == "locked" }

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
