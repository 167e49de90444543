package engine

import (
	"context"

	"advosync/internal/callcount"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
)

// ResolveRequest is an operator's decision on a conflict that waits.
type ResolveRequest struct {
	Mapping *mapping.Mapping
	ID      string
	// Take decides by field key, "*" for all that differ on both sides.
	Take map[string]record.Side
}

// Resolve decides a conflict that waits, and syncs the record. It is decided on
// the contents that were parked: where they have changed since, the question is
// asked anew instead. A clash for which no side is taken waits on.
func (e *Engine) Resolve(ctx context.Context, r ResolveRequest) result.Record {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	w := e.newWork(ctx, Request{Mapping: r.Mapping, ID: r.ID})
	w.policy = reconcile.Manual
	w.underLock(ctx, func(ctx context.Context, w *work) error {
		w.conclude(ctx, w.resolve(ctx, r))
		return nil
	})
	return w.finish(start, calls)
}

func (w *work) resolve(ctx context.Context, r ResolveRequest) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readEspo(ctx); err != nil {
		return err
	}
	switch {
	case w.espo == nil:
		return w.unknownRecord()
	case w.mem.Parked == nil && w.espo.status != StatusConflict:
		w.skip("no_conflict", "No conflict of this record waits for a decision.")
		return nil
	}
	if w.mem.Open != nil {
		if doubt, err := w.vet(ctx); err != nil {
			return err
		} else if doubt != "" {
			return w.parkDoubtful(ctx, doubt)
		}
		if err := w.recover(ctx); err != nil {
			return err
		}
		if w.espo == nil { // deleted while an interrupted write was waited for
			return w.unknownRecord()
		}
	}
	if err := w.readAdvo(ctx); err != nil {
		return err
	}
	if doubt, err := w.doubtful(ctx); err != nil {
		return err
	} else if doubt != "" { // a side of it can only be taken once the link is confirmed
		return w.parkDoubtful(ctx, doubt)
	}
	if w.advo != nil && w.mem.Parked != nil && w.mem.Parked.Fingerprint == w.contents() {
		w.wishes = reconcile.Take(w.input(), r.Take)
	} else {
		w.warn("the contents have changed since the conflict was parked: it is compared anew, and what still clashes has to be decided again")
	}
	w.attempt = 1
	return w.rounds(ctx)
}
