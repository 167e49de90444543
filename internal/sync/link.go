package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/store"
)

// setLink writes the link first: a crash before the memory follows leaves a
// linked record without base, which the next sync treats as a first contact.
func (w *work) setLink(ctx context.Context, id int64, d reconcile.Decision, inStep bool) error {
	if in := w.mem.Open; in != nil {
		w.owe(in)
		w.closeRun(ctx, in, bySide(createState(in, id), store.WriteNotDone))
		if w.tells.closeErr != nil {
			return w.tells.closeErr
		}
		w.knows.recovered = true
	}
	p := record.Patch{}
	next := store.Memory{Rev: w.mem.Rev, Notes: w.mem.Notes}
	w.did.linkID = id
	if inStep {
		w.base = nil
		w.agree(d)
		full, base, err := w.planEspo(reconcile.Decision{Kind: d.Kind}, true)
		if err != nil {
			return err
		}
		p, next.Base, next.CheckedAt = full, base, w.e.Now()
	} else {
		next.WaitsSince = w.mem.WaitsSince
		p.Put(record.FieldRowID, nil)
		p.Put(record.FieldLastSync, nil)
		if w.espo.Status == record.StatusConflict { // of the link before
			p.Put(record.FieldStatus, record.StatusDirty)
		}
	}
	p.Put(record.FieldAdvowareID, id)
	o, err := w.putEspo(ctx, p, w.espo.Version)
	if err != nil {
		return w.clash500(ctx, err)
	}
	if refused := notTaken(p, o); len(refused) > 0 {
		return w.notAccepted(fault.EspoCRM, refused)
	}
	w.res.RowID.After, _ = o.Text(record.FieldRowID)
	w.closeEntry(w.res.Outcome)
	return w.commit(ctx, next)
}

// createState is what a link says about an uncertain create.
func createState(in *store.Announcement, id int64) store.WriteState {
	if in.Makes && in.AdvowareID == id {
		return store.WriteDone
	}
	return store.WriteUnknown
}

// warnLeftOver names what a create has made for a record that is linked to another
// one.
func (w *work) warnLeftOver(in *store.Announcement) {
	w.warn("Advoware %d was created for this record and is linked to nothing now", in.AdvowareID)
}
