package sync

import (
	"context"
	"errors"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
)

// CountAgainst counts a system's failure against one record: in a pass, a 5xx
// that hits one record while others pass (docs/operations.md, "Outages"). What an announcement announced stays in doubt.
func (e *Engine) CountAgainst(ctx context.Context, req Request, f *fault.Error) result.Record {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	w := e.newWork(ctx, req)
	own := *f
	own.Owner, own.Doubt, own.RetryAfter = fault.OwnerRecord, true, 0
	held, err := e.Leases.Acquire(ctx, w.key.LockKey())
	if err != nil {
		w.locked(err)
		return w.finish(start, calls)
	}
	defer func() {
		if err := held.Release(); err != nil {
			w.warn("the lock could not be released; it is given back later, or runs out: %v", err)
		}
	}()
	w.lease = held
	if err = w.load(ctx); err == nil {
		err = w.readEspo(ctx)
	}
	var mapped *fault.Error
	if err != nil && !(errors.As(err, &mapped) && mapped.Code == fault.MappingFail) || w.espo == nil {
		own.Owner = fault.OwnerSystem
		w.res.Outcome, w.res.Error = result.Skipped, result.FromFault(&own)
		w.reasonFrom(&own)
		return w.finish(start, calls)
	}
	if w.advowareID() != 0 {
		_ = w.readAdvo(ctx) // what it holds dates the failure; it may be the very call that fails
	}
	w.conclude(ctx, &own)
	return w.finish(start, calls)
}

// knownFailure: a pass met a record that was given up, and nothing has changed
// on either side since: nothing is written and nobody is told again.
func (w *work) knownFailure() bool {
	return w.req.Pass && !w.did.marked && w.did.prior == record.StatusPermanentlyFailed &&
		w.mem.Failure != nil && w.mem.Failure.Seen == w.contents()
}
