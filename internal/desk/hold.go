package desk

import (
	"context"

	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// HoldRequest asks that nobody syncs a record, or that it is synced again.
type HoldRequest struct {
	Mapping *mapping.Mapping
	ID      string
	Reason  string // the operator's words, kept in the store and shown by status alone
	Release bool
	DryRun  bool // says what would be done, and writes nothing
}

// Hold puts a record on hold, or releases it, under its lock. Only the memory changes.
// A record that is gone from EspoCRM can be put on hold too, so that no pass deletes it
// in Advoware.
func (d *Desk) Hold(ctx context.Context, q HoldRequest) result.Record {
	return d.engine.Operate(ctx, sync.Request{Mapping: q.Mapping, ID: q.ID, EvenOnHold: true}, q.DryRun, func(ctx context.Context, r *sync.Record) error {
		return d.hold(ctx, r, q)
	})
}

func (d *Desk) hold(ctx context.Context, r *sync.Record, q HoldRequest) error {
	if err := r.ReadStatus(ctx); err != nil {
		return err
	}
	next := r.Memory
	if r.Espo == nil && next.Rev == 0 {
		return r.UnknownRecord()
	}
	r.Result.Outcome = result.Unchanged
	switch {
	case q.Release && next.Hold == nil:
		r.Say("not_on_hold", "It is not on hold.")
		return nil
	case q.Release:
		next.Hold, next.Pending = nil, session.PendingReleased
		r.Say("released", "Not on hold any more; the next pass looks at it.")
	case next.Hold != nil && next.Hold.Reason == q.Reason:
		r.SayOnHold()
		return nil
	default:
		next.Hold = &store.Hold{At: d.engine.Now().UTC(), By: d.engine.By(), Reason: q.Reason}
		r.Say(sync.ReasonOnHold, "On hold: no pass and no command syncs it until it is released.")
	}
	if q.DryRun {
		if q.Release {
			r.Say("released", "It would not be on hold any more, and the next pass would look at it.")
		} else {
			r.Say(sync.ReasonOnHold, "It would be put on hold: no pass and no command would sync it until it is released.")
		}
		r.Result.Outcome, r.Result.Planned = result.Planned, result.Unchanged
		return nil
	}
	// Neither side changes, nor what is remembered of them.
	return r.Remember(ctx, next)
}
