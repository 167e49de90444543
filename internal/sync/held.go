package sync

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"advosync/internal/directory"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
)

// The reasons of a record that is left alone.
const (
	ReasonHeld    = "create_held"    // too many creates in one pass
	ReasonMatches = "create_matches" // an unlinked record of Advoware agrees by match
	ReasonOnHold  = session.ReasonOnHold
)

// PendingCreate is Memory.Pending of a record whose create was held back.
const PendingCreate = "create held back"

// CreateGuard is how many records a pass may still create. Safe for concurrent
// use.
type CreateGuard struct{ left atomic.Int64 }

// NewCreateGuard lets so many be created.
func NewCreateGuard(most int) *CreateGuard {
	g := &CreateGuard{}
	g.left.Store(int64(most))
	return g
}

// holds is why a pass does not create a record now; nil: it may. What an
// interrupted run has begun, and what an operator wants, is not held back.
func (w *work) holds(ctx context.Context) (*result.Reason, error) {
	g := w.req.Creates
	if g == nil || w.Knows.Looked || w.req.CreateAnyway || w.Did.LetThrough {
		return nil, nil
	}
	found, err := w.e.Matched(ctx, w.Mapping, []record.Object{w.Espo.Object})
	if err != nil {
		return nil, err
	}
	switch ids := found[w.Key.ID]; {
	case len(ids) > 0 && !w.IsNew(ctx): // it is looked for first, and linked or asked about
	case len(ids) > 0:
		return &result.Reason{Code: ReasonMatches, Text: w.matchText(ids)}, nil
	case g.left.Add(-1) < 0:
		return &result.Reason{Code: ReasonHeld, Text: "Not created: more records would be created in one pass than are allowed (cron.max_creates)."}, nil
	}
	w.Did.LetThrough = true
	return nil, nil
}

func (w *work) matchText(ids []int64) string {
	shown, which := strings.Join(directory.Texts(ids[:min(len(ids), 10)]), ", "), "N"
	if len(ids) == 1 {
		which = shown
	}
	return fmt.Sprintf("Not created: Advoware %s, linked to nothing, agrees in %s. The same one: advosync link --entity %s --id %s --advoware-id %s; another one: %s",
		shown, strings.Join(w.Mapping.Match(), ", "), w.Key.Entity, w.Key.ID, which, w.Hint("sync"))
}

// hold leaves the record as it is, to the next pass.
func (w *work) hold(ctx context.Context, why result.Reason) error {
	w.Result.Outcome, w.Result.Reason, w.Result.Verdict = result.Skipped, why, result.Create
	if w.Memory.Pending != PendingCreate {
		next := w.Memory
		next.Pending, next.WaitsSince = PendingCreate, w.WaitsSince()
		if err := w.Commit(ctx, next); err != nil {
			return err
		}
		w.Did.OriginDue = false
	}
	if !w.Did.Marked {
		return nil
	}
	w.Did.Marked = false
	_, err := w.PutEspo(ctx, session.StatusPatch(w.Before()), nil)
	return err
}
