package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/session"
	"advosync/internal/store"
)

// LinkTo links the record, as d without a base says of both sides: where they are inStep
// they are from now on, else the next sync decides as at any first contact. It writes the
// link first: a crash before the memory follows leaves a linked record without base, which
// the next sync treats as a first contact.
func (r *Record) LinkTo(ctx context.Context, id int64, d reconcile.Decision, inStep bool) error {
	if in := r.Memory.Open; in != nil {
		r.Owe(in)
		if err := r.CloseRun(ctx, in, session.BySide(createState(in, id), store.WriteNotDone)); err != nil {
			return err
		}
		r.Knows.Recovered = true
	}
	p := record.Patch{}
	next := store.Memory{Rev: r.Memory.Rev, Notes: r.Memory.Notes}
	r.Did.LinkID = id
	if inStep {
		r.Base = nil
		r.Agree(d)
		full, base, err := r.PlanEspo(reconcile.Decision{Kind: d.Kind}, true)
		if err != nil {
			return err
		}
		p, next.Base, next.CheckedAt = full, base, r.e.Now()
	} else {
		next.WaitsSince = r.Memory.WaitsSince
		p.Put(record.FieldRowID, nil)
		p.Put(record.FieldLastSync, nil)
		if r.Espo.Status == record.StatusConflict { // of the link before
			p.Put(record.FieldStatus, record.StatusDirty)
		}
	}
	p.Put(record.FieldAdvowareID, id)
	o, err := r.PutEspo(ctx, p, r.Espo.Version)
	if err != nil {
		return r.Clash500(ctx, err)
	}
	if refused := session.NotTaken(p, o); len(refused) > 0 {
		return r.NotAccepted(fault.EspoCRM, refused)
	}
	r.Result.RowID.After, _ = o.Text(record.FieldRowID)
	r.CloseEntry(r.Result.Outcome)
	return r.Commit(ctx, next)
}

// createState is what a link says about an uncertain create.
func createState(in *store.Announcement, id int64) store.WriteState {
	if in.Makes && in.AdvowareID == id {
		return store.WriteDone
	}
	return store.WriteUnknown
}
