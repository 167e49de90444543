package sync

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// missingInAdvoware is case 2: the link points to nothing.
func (w *work) missingInAdvoware(ctx context.Context) (done bool, err error) {
	id := w.advowareID()
	switch w.e.cfg.OnMissingInAdvoware {
	case MissingUnlink:
		return w.unlink(ctx)
	case MissingRecreate:
		w.did.prevID, w.did.linkID, w.base, w.knows.baseless = w.espo.AdvowareID, 0, nil, false
		w.res.Verdict = result.MissingInAdvoware
		return false, nil // the next round creates it
	}
	return false, &fault.Error{System: fault.Advoware, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + w.what(),
		Message: fmt.Sprintf("Not found in Advoware (%d)", id),
		Hint:    fmt.Sprintf("set sync.on_missing_in_advoware, or link it to the right record: advosync link --entity %s --id %s --advoware-id N --force", w.key.Entity, w.key.ID)}
}

// unlink takes the link away and leaves the record alone until somebody edits
// it or syncs it by name. EspoCRM is told first: while the link stands, what is
// remembered with it has to, or a record that comes back has no base.
func (w *work) unlink(ctx context.Context) (done bool, err error) {
	w.res.Outcome = result.Skipped
	w.res.Reason.Text += " The link is removed (sync.on_missing_in_advoware: unlink)."
	w.closeEntry(result.Skipped)
	p := w.cleanPatch()
	p.Put(record.FieldAdvowareID, nil)
	p.Put(record.FieldRowID, nil)
	p.Put(record.FieldLastSync, nil)
	if _, err := w.putEspo(ctx, p, w.espo.Version); err != nil {
		if fault.Is(err, fault.Modified) {
			return false, w.stillOurs(ctx)
		}
		return false, err
	}
	w.did.marked = false
	next := store.Memory{Rev: w.mem.Rev, Notes: w.mem.Notes, CheckedAt: w.e.Now()}
	if w.knows.relinked { // the record of the link before may be there still
		server, _, err := w.e.Server(ctx)
		if err != nil {
			return true, store.Fault("ask which server keeps the store", err)
		}
		next.Origin = &store.Origin{At: w.e.Now(), Server: server}
	}
	return true, w.commit(ctx, next)
}

// goneFromEspo is case 3: EspoCRM answers 404. Without a link that the store
// knows there is nothing to be said but that nobody knows the record.
func (w *work) goneFromEspo(ctx context.Context) error {
	d := reconcile.Decide(w.input())
	w.tell(d)
	if w.mem.Open != nil {
		// A create leaves no link to delete by: only its announcement finds the new record
		// again, should this one be restored, so only an explicit delete ends it.
		if w.req.Action == ActionDelete {
			return w.closeOrphan(ctx)
		}
		if ends, err := w.endsOrphan(ctx); err != nil {
			return err
		} else if ends {
			return w.closeOrphan(ctx)
		}
		return w.keepOrphan()
	}
	if w.mem.Base == nil {
		return w.unknownRecord()
	}
	if p := w.mem.Parked; p != nil && p.Doubtful && w.deletes() {
		w.skip("link_changed", fmt.Sprintf("Gone from EspoCRM, but its link had changed since the last sync: Advoware %d is kept.", w.mem.Base.AdvowareID))
		return nil
	}
	if w.deletes() {
		return w.deleteAdvo(ctx)
	}
	id := w.mem.Base.AdvowareID
	w.res.AdvowareID = &id
	w.res.Outcome = result.Skipped
	w.res.Reason.Text += keptText(id)
	if !w.req.Pass {
		return nil
	}
	next := w.mem
	now := w.e.Now() // one moment: a later CheckedAt says that it was seen again
	next.GoneAt, next.CheckedAt, next.WaitsSince = now, now, time.Time{}
	return w.commit(ctx, next)
}

func keptText(id int64) string {
	return fmt.Sprintf(" Advoware %d is kept (sync.on_missing_in_espocrm: keep).", id)
}

func (w *work) deletes() bool {
	return w.e.cfg.OnMissingInEspocrm == MissingDelete || w.req.Action == ActionDelete
}

// endsOrphan reports whether an interrupted write is closed because the record is
// to be deleted. It is not where Advoware holds what was sent, or somebody's edit,
// nor where EspoCRM was to get a value, which it holds or not: then it stays, and so
// does what tells the two apart, should the record be restored.
func (w *work) endsOrphan(ctx context.Context) (bool, error) {
	in := w.mem.Open
	switch {
	case !w.deletes() || in.Makes || w.sendsToEspo(in):
		return false, nil
	case in.Removes || w.base == nil || w.advowareID() == 0:
		return true, nil
	}
	if err := w.readAdvo(ctx); err != nil {
		return false, err
	}
	return w.advo == nil || !sides.AdvoMoved(w.m, w.base, &w.advo.View), nil
}

// sendsToEspo reports whether a write was to bring EspoCRM a value that somebody
// typed.
func (w *work) sendsToEspo(in *store.Announcement) bool {
	return in.Side == record.EspoCRM && countReal(w.m, postedValues(in)) > 0
}

// keepOrphan leaves an interrupted write as it is: a record that is restored in
// EspoCRM comes back with its old link, or with none, and only the announcement knows
// what was created for it or sent.
func (w *work) keepOrphan() error {
	in := w.mem.Open
	w.res.Outcome = result.Skipped
	w.res.Reason.Text += " An interrupted write is kept in mind, should the record be restored."
	id := in.AdvowareID
	if id != 0 {
		w.res.AdvowareID = &id
	}
	switch {
	case !in.Makes:
	case id != 0:
		w.res.Reason.Text += fmt.Sprintf(" Advoware %d was created for it and is linked to nothing.", id)
	default:
		w.res.Reason.Text += " A record may have been created for it in Advoware, linked to nothing."
	}
	return nil
}

// closeOrphan ends the announcement of a run that died while the record was still in
// EspoCRM: nothing can be finished any more, but what happened is told.
func (w *work) closeOrphan(ctx context.Context) error {
	in := w.mem.Open
	w.res.Outcome = result.Skipped
	w.res.Reason.Text += " An interrupted write is closed."
	e := w.history()
	e.AdvowareID = in.AdvowareID
	if in.Makes && in.AdvowareID != 0 {
		w.res.Reason.Text += fmt.Sprintf(" Advoware %d was created for it and is linked to nothing now.", in.AdvowareID)
	}
	e.ReasonText = w.res.Reason.Text
	w.closeEntry(result.Skipped)
	w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteUnknown))
	if w.tells.closeErr != nil {
		return w.tells.closeErr
	}
	next := w.mem
	next.Open = nil
	return w.commit(ctx, next)
}

// ReasonNeedsYes is the reason of a record that was not deleted because nobody
// has confirmed it.
const ReasonNeedsYes = "needs_yes"

// deleteAdvo removes the Advoware record of one that is gone from EspoCRM. What
// somebody edited in Advoware since the last sync is not deleted, nor what has
// been linked to another record meanwhile.
func (w *work) deleteAdvo(ctx context.Context) error {
	ids, err := w.carriers(ctx, w.advowareID())
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		w.skip("linked_elsewhere", fmt.Sprintf("Gone from EspoCRM, but Advoware %d belongs to %s %s now: it is kept.", w.advowareID(), w.key.Entity, strings.Join(ids, ", ")))
		return w.dropMemory(ctx)
	}
	if err := w.readAdvo(ctx); err != nil {
		return err
	}
	if w.advo == nil {
		w.res.Outcome = result.Skipped
		w.res.Reason.Text += " It is gone from Advoware too; its memory is dropped."
		return w.dropMemory(ctx)
	}
	if w.base == nil || sides.AdvoMoved(w.m, w.base, &w.advo.View) {
		w.skip("edited_since", "Gone from EspoCRM, but edited in Advoware since the last sync: it is kept.")
		return nil
	}
	if f := sides.NeverSynced(w.m, w.base, &w.advo.View); f != "" {
		w.skip("never_synced", fmt.Sprintf("Gone from EspoCRM, but %s holds a value in Advoware that was never synced: it is kept.", f))
		return nil
	}
	if w.req.NoDelete {
		w.skip(ReasonNeedsYes, fmt.Sprintf("Gone from EspoCRM. Deleting Advoware %d has to be confirmed: %s --yes", w.advo.ID, w.hint("sync")))
		return nil
	}
	if err := w.announceDelete(ctx); err != nil {
		return err
	}
	if err := w.lease.Check(); err != nil {
		return err
	}
	wctx, cancel := w.until(ctx, w.givesUp(w.mem.Open))
	defer cancel()
	err = w.e.Advoware.Delete(wctx, w.m.DeletePath(), strconv.FormatInt(w.advo.ID, 10))
	if w.told(err); w.paused(err) {
		w.closeWrites(record.Advoware, store.WriteNotDone)
		w.did.attempt++
		return w.deleteAdvo(ctx)
	} else if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	w.closeWrites(record.Advoware, store.WriteDone)
	w.res.Outcome = result.UpdatedAdvoware
	w.res.Reason.Text += " The record in Advoware is deleted."
	w.closeEntry(result.UpdatedAdvoware)
	return w.dropMemory(ctx)
}

// announceDelete keeps every mapped value of the record in the history before
// it is deleted.
func (w *work) announceDelete(ctx context.Context) error {
	tell.PlanDelete(w.history(), w.m, &w.advo.View, w.did.attempt)
	in := &store.Announcement{Side: record.Advoware, Removes: true, AdvowareID: w.advo.ID, Run: w.e.cfg.Run, At: w.e.Now(), Deadline: w.deadline()}
	return w.announce(ctx, in, reconcile.Decision{})
}

// dropMemory forgets the record, keeping its history.
func (w *work) dropMemory(ctx context.Context) error {
	c := store.Commit{Key: w.key, Lease: w.lease.Handle(), Rev: w.mem.Rev, History: w.tells.closing}
	if w.tells.entry != nil {
		c.History = append(c.History, *w.tells.entry)
	}
	if _, err := w.e.Store.Commit(ctx, c); err != nil {
		return store.Fault("forget "+w.what(), err)
	}
	w.mem = store.Memory{}
	return nil
}

// stillThere refuses --action delete for a record that EspoCRM still has.
func (w *work) stillThere() error {
	return &fault.Error{System: fault.EspoCRM, Code: fault.StillThere, Owner: fault.OwnerRecord, Op: "delete " + w.what(),
		Message: "the record is still in EspoCRM; only a record that was deleted there is deleted in Advoware", Hint: "delete it in EspoCRM first"}
}
