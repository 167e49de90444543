package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/session"
	"advosync/internal/store"
)

// setLink writes the link first: a crash before the memory follows leaves a
// linked record without base, which the next sync treats as a first contact.
func (w *work) setLink(ctx context.Context, id int64, d reconcile.Decision, inStep bool) error {
	if in := w.Memory.Open; in != nil {
		w.Owe(in)
		w.CloseRun(ctx, in, session.BySide(session.CreateState(in, id), store.WriteNotDone))
		if w.Tells.CloseErr != nil {
			return w.Tells.CloseErr
		}
		w.Knows.Recovered = true
	}
	p := record.Patch{}
	next := store.Memory{Rev: w.Memory.Rev, Notes: w.Memory.Notes}
	w.Did.LinkID = id
	if inStep {
		w.Base = nil
		w.Agree(d)
		full, base, err := w.PlanEspo(reconcile.Decision{Kind: d.Kind}, true)
		if err != nil {
			return err
		}
		p, next.Base, next.CheckedAt = full, base, w.e.Now()
	} else {
		next.WaitsSince = w.Memory.WaitsSince
		p.Put(record.FieldRowID, nil)
		p.Put(record.FieldLastSync, nil)
		if w.Espo.Status == record.StatusConflict { // of the link before
			p.Put(record.FieldStatus, record.StatusDirty)
		}
	}
	p.Put(record.FieldAdvowareID, id)
	o, err := w.PutEspo(ctx, p, w.Espo.Version)
	if err != nil {
		return w.Clash500(ctx, err)
	}
	if refused := session.NotTaken(p, o); len(refused) > 0 {
		return w.NotAccepted(fault.EspoCRM, refused)
	}
	w.Result.RowID.After, _ = o.Text(record.FieldRowID)
	w.CloseEntry(w.Result.Outcome)
	return w.Commit(ctx, next)
}
