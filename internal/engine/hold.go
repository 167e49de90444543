package engine

import (
	"context"
	"errors"

	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/store"
)

// ReasonOnHold is the reason of a record that an operator has put on hold.
const ReasonOnHold = "on_hold"

// PendingReleased is Memory.Pending of a record that was on hold: whatever was edited
// meanwhile, the next pass looks at it.
const PendingReleased = "released"

// errOnHold ends whatever was begun with a record on hold, right after its memory was
// loaded: nothing has been read or written then.
var errOnHold = errors.New("the record is on hold")

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
func (e *Engine) Hold(ctx context.Context, r HoldRequest) result.Record {
	return e.repair(ctx, Request{Mapping: r.Mapping, ID: r.ID, holds: true}, r.DryRun, func(ctx context.Context, w *work) error {
		return w.putOnHold(ctx, r)
	})
}

func (w *work) putOnHold(ctx context.Context, r HoldRequest) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readStanding(ctx); err != nil {
		return err
	}
	if w.espo == nil && w.mem.Rev == 0 {
		return w.unknownRecord()
	}
	next := w.mem
	w.res.Outcome = result.Unchanged
	switch {
	case r.Release && next.Hold == nil:
		w.say("not_on_hold", "It is not on hold.")
		return nil
	case r.Release:
		next.Hold, next.Pending = nil, PendingReleased
		w.say("released", "Not on hold any more; the next pass looks at it.")
	case next.Hold != nil && next.Hold.Reason == r.Reason:
		w.sayOnHold()
		return nil
	default:
		next.Hold = &store.Hold{At: w.e.Now().UTC(), By: w.e.by(), Reason: r.Reason}
		w.say(ReasonOnHold, "On hold: no pass and no command syncs it until it is released.")
	}
	if r.DryRun {
		w.res.Outcome, w.res.Planned = result.Planned, result.Adopted
		return nil
	}
	w.res.Outcome = result.Adopted
	w.closeEntry(result.Adopted)
	return w.commit(ctx, next)
}

func (w *work) sayOnHold() {
	h := w.mem.Hold
	by := ""
	if h.By != "" {
		by = " by " + h.By
	}
	w.say(ReasonOnHold, "On hold since "+h.At.UTC().Format("2006-01-02 15:04 UTC")+by+": nobody syncs it until it is released.")
}

// leftOnHold ends a record that is on hold, whatever was to be done with it.
func (w *work) leftOnHold(err error) bool {
	if !errors.Is(err, errOnHold) {
		return false
	}
	w.res.Outcome = result.Skipped
	w.sayOnHold()
	return true
}
