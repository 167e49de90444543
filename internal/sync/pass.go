package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
)

// CountAgainst counts a system's failure against one record: in a pass, a 5xx
// that hits one record while others pass (docs/operations.md, "Outages"). What an announcement announced stays in doubt.
func (e *Engine) CountAgainst(ctx context.Context, req Request, f *fault.Error) result.Record {
	ctx, w := e.newWork(ctx, req)
	own := *f
	own.Owner, own.Doubt, own.RetryAfter = fault.OwnerRecord, true, 0
	ctx, unlock, err := w.Lock(ctx, nil)
	defer unlock()
	if err != nil {
		w.locked(err)
		return w.End()
	}
	if err = w.Read(ctx); err != nil && !fault.Is(err, fault.MappingFail) || w.Espo == nil {
		own.Owner = fault.OwnerSystem
		w.Result.Outcome, w.Result.Error = result.Skipped, result.FromFault(&own)
		w.ReasonFrom(&own)
		return w.End()
	}
	if w.AdvowareID() != 0 {
		_ = w.ReadAdvo(ctx) // what it holds dates the failure; it may be the very call that fails
	}
	w.conclude(ctx, &own)
	return w.End()
}

// knownFailure: a pass met a record that was given up, and nothing has changed
// on either side since: nothing is written and nobody is told again.
func (w *work) knownFailure() bool {
	return w.Given.Pass && !w.Did.Marked && w.Did.Prior == record.StatusPermanentlyFailed &&
		w.Memory.Failure != nil && w.Memory.Failure.Seen == w.Contents()
}
