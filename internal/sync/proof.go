package sync

import (
	"context"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/store"
	"advosync/internal/tell"
)

func (w *work) planDoubtful(b reconcile.Belief) {
	waits := w.DoubtKnown()
	w.SayDoubtful(b)
	if !waits {
		w.Result.Outcome, w.Result.Planned = result.Planned, result.ConflictWaits
	}
}

// parkDoubtful leaves a link in doubt to a person. What is remembered of the link
// before stays; no attempt is counted.
func (w *work) parkDoubtful(ctx context.Context, b reconcile.Belief) error {
	if w.req.Judge != nil && w.Did.Attempt <= 1 {
		if err := w.req.Judge(result.Conflict); err != nil {
			return err
		}
	}
	known := w.DoubtKnown()
	w.SayDoubtful(b)
	if known {
		w.SendNotes(ctx)
		return nil
	}
	was, err := w.Unedited(ctx, w.Did.Prior)
	if err != nil {
		return err
	}
	next := w.Memory
	told := next.Parked != nil && next.Parked.Doubtful && next.Parked.AdvowareID == w.Advo.ID
	next.Parked = &store.Parked{Fingerprint: w.Contents(), At: w.e.Now(), RowID: w.Advo.RowID, AdvowareID: w.Advo.ID, Doubtful: true, Was: was}
	next.Pending, next.CheckedAt, next.WaitsSince = "", w.e.Now(), w.WaitsSince()
	if !told && !w.e.doubtTold.Swap(true) {
		next.Notes = append(slices.Clone(next.Notes), w.Note(w.Notes().Doubt(b, w.Advo.ID, w.Result.Reason)))
	}
	w.CloseEntry(result.ConflictWaits)
	w.Tells.Entry.RowBefore, w.Tells.Entry.RowAfter = "", ""
	if err := w.Commit(ctx, next); err != nil {
		return err
	}
	p := session.StatusPatch(record.StatusConflict)
	p.Put(record.FieldErrorMessage, w.Result.Reason.Text+" ("+tell.Doubts(w.Key.Entity, w.e.cfg.Office)+")")
	if _, err := w.PutEspo(ctx, p, w.Espo.Version); fault.Is(err, fault.Modified) {
		return w.StillOurs(ctx) // the next sync says it, of what it reads then
	} else if err != nil {
		return err
	}
	w.Did.Marked = false
	w.SendNotes(ctx)
	return nil
}
