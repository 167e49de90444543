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
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// missingInAdvoware is case 2: the link points to nothing.
func (w *work) missingInAdvoware(ctx context.Context) (done bool, err error) {
	id := w.AdvowareID()
	switch w.e.cfg.OnMissingInAdvoware {
	case MissingUnlink:
		return w.unlink(ctx)
	case MissingRecreate:
		w.Did.PrevID, w.Did.LinkID, w.Base, w.Knows.Baseless = w.Espo.AdvowareID, 0, nil, false
		w.Result.Verdict = result.MissingInAdvoware
		return false, nil // the next round creates it
	}
	return false, &fault.Error{System: fault.Advoware, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + w.What(),
		Message: fmt.Sprintf("Not found in Advoware (%d)", id),
		Hint:    fmt.Sprintf("set sync.on_missing_in_advoware, or link it to the right record: advosync link --entity %s --id %s --advoware-id N --force", w.Key.Entity, w.Key.ID)}
}

// unlink takes the link away and leaves the record alone until somebody edits
// it or syncs it by name. EspoCRM is told first: while the link stands, what is
// remembered with it has to, or a record that comes back has no base.
func (w *work) unlink(ctx context.Context) (done bool, err error) {
	w.Result.Outcome = result.Skipped
	w.Result.Reason.Text += " The link is removed (sync.on_missing_in_advoware: unlink)."
	w.CloseEntry(result.Skipped)
	p := w.CleanPatch()
	p.Put(record.FieldAdvowareID, nil)
	p.Put(record.FieldRowID, nil)
	p.Put(record.FieldLastSync, nil)
	if _, err := w.PutEspo(ctx, p, w.Espo.Version); err != nil {
		if fault.Is(err, fault.Modified) {
			return false, w.StillOurs(ctx)
		}
		return false, err
	}
	w.Did.Marked = false
	next := store.Memory{Rev: w.Memory.Rev, Notes: w.Memory.Notes, CheckedAt: w.e.Now()}
	if w.Knows.Relinked { // the record of the link before may be there still
		server, _, err := w.e.Server(ctx)
		if err != nil {
			return true, store.Fault("ask which server keeps the store", err)
		}
		next.Origin = &store.Origin{At: w.e.Now(), Server: server}
	}
	return true, w.Commit(ctx, next)
}

// goneFromEspo is case 3: EspoCRM answers 404.
func (w *work) goneFromEspo(ctx context.Context) error {
	do, err := w.gone(ctx)
	if do == nil || err != nil {
		return err
	}
	return do(ctx)
}

// gone is case 3 up to the first write; do writes what there is to be written. A delete is
// planned. Without a link that the store knows, nobody knows the record.
func (w *work) gone(ctx context.Context) (do func(context.Context) error, err error) {
	w.tell(reconcile.Decide(w.input()))
	w.Result.Outcome = result.Skipped
	switch {
	case w.Memory.Open != nil:
		// A create leaves no link to delete by: only its announcement finds the new record
		// again, should this one be restored, so only an explicit delete ends it.
		if ends, err := w.endsOrphan(ctx); err != nil {
			return nil, err
		} else if ends || w.req.Action == ActionDelete {
			w.Result.Reason.Text += " An interrupted write is closed."
			return w.closeOrphan, nil
		}
		w.keepOrphan()
		return nil, nil
	case w.Memory.Base == nil:
		return nil, w.UnknownRecord()
	case w.deletes():
		return w.goneToo(ctx)
	}
	id := w.Memory.Base.AdvowareID
	w.Result.AdvowareID = &id
	w.Result.Reason.Text += keptText(id)
	return w.missed, nil
}

// missed takes note, in a pass, of when the record was gone.
func (w *work) missed(ctx context.Context) error {
	if !w.Given.Pass {
		return nil
	}
	next := w.Memory
	now := w.e.Now() // one moment: a later CheckedAt says that it was seen again
	next.GoneAt, next.CheckedAt, next.WaitsSince = now, now, time.Time{}
	return w.Commit(ctx, next)
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
	in := w.Memory.Open
	switch {
	case !w.deletes() || in.Makes || w.sendsToEspo(in):
		return false, nil
	case in.Removes || w.Base == nil || w.AdvowareID() == 0:
		return true, nil
	}
	if err := w.ReadAdvo(ctx); err != nil {
		return false, err
	}
	return w.Advo == nil || !sides.AdvoMoved(w.Mapping, w.Base, &w.Advo.View), nil
}

// sendsToEspo reports whether a write was to bring EspoCRM a value that somebody
// typed.
func (w *work) sendsToEspo(in *store.Announcement) bool {
	return in.Side == record.EspoCRM && session.CountReal(w.Mapping, session.PostedValues(in)) > 0
}

// keepOrphan leaves an interrupted write as it is: a record that is restored in
// EspoCRM comes back with its old link, or with none, and only the announcement knows
// what was created for it or sent.
func (w *work) keepOrphan() {
	in := w.Memory.Open
	w.Result.Reason.Text += " An interrupted write is kept in mind, should the record be restored."
	id := in.AdvowareID
	if id != 0 {
		w.Result.AdvowareID = &id
	}
	switch {
	case !in.Makes:
	case id != 0:
		w.Result.Reason.Text += fmt.Sprintf(" Advoware %d was created for it and is linked to nothing.", id)
	default:
		w.Result.Reason.Text += " A record may have been created for it in Advoware, linked to nothing."
	}
}

// closeOrphan ends the announcement of a run that died while the record was still in
// EspoCRM: nothing can be finished any more, but what happened is told.
func (w *work) closeOrphan(ctx context.Context) error {
	in, e := w.Memory.Open, w.History()
	e.AdvowareID = in.AdvowareID
	if in.Makes && in.AdvowareID != 0 {
		w.Result.Reason.Text += fmt.Sprintf(" Advoware %d was created for it and is linked to nothing now.", in.AdvowareID)
	}
	e.ReasonText = w.Result.Reason.Text
	w.CloseEntry(result.Skipped)
	if err := w.CloseRun(ctx, in, session.BySide(store.WriteUnknown, store.WriteUnknown)); err != nil {
		return err
	}
	next := w.Memory
	next.Open = nil
	return w.Commit(ctx, next)
}

// ReasonNeedsYes is the reason of a record that was not deleted because nobody
// has confirmed it.
const ReasonNeedsYes = "needs_yes"

// goneToo reports by do whether Advoware's record is to be deleted as well. What it is not
// linked to for certain is not, nor what somebody has edited there since the last sync, or
// linked to another record.
func (w *work) goneToo(ctx context.Context) (do func(context.Context) error, err error) {
	id := w.AdvowareID()
	parked, failed, link := w.Memory.Parked, w.Memory.Failure, w.Memory.Link
	if parked != nil && parked.Doubtful || failed != nil && failed.Code == string(fault.CreateDoubt) || link != nil && link.AdvowareID != id {
		w.Skip("link_changed", fmt.Sprintf("Gone from EspoCRM, but whether it was linked to Advoware %d was in doubt: that one is kept.", id))
		return nil, nil
	}
	ids, err := w.Carriers(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		w.Skip("linked_elsewhere", fmt.Sprintf("Gone from EspoCRM, but Advoware %d belongs to %s %s now: it is kept.", id, w.Key.Entity, strings.Join(ids, ", ")))
		return w.Drop, nil
	}
	if err := w.ReadAdvo(ctx); err != nil {
		return nil, err
	}
	if w.Advo == nil {
		w.Result.Reason.Text += " It is gone from Advoware too; its memory is dropped."
		return w.Drop, nil
	}
	if w.Base == nil || sides.AdvoMoved(w.Mapping, w.Base, &w.Advo.View) {
		w.Skip("edited_since", "Gone from EspoCRM, but edited in Advoware since the last sync: it is kept.")
		return nil, nil
	}
	if f := sides.NeverSynced(w.Mapping, w.Base, &w.Advo.View); f != "" {
		w.Skip("never_synced", fmt.Sprintf("Gone from EspoCRM, but %s holds a value in Advoware that was never synced: it is kept.", f))
		return nil, nil
	}
	w.Result.Outcome = result.Planned
	return w.deleteAdvo, nil
}

// deleteAdvo removes the Advoware record of one that is gone from EspoCRM.
func (w *work) deleteAdvo(ctx context.Context) error {
	if w.req.NoDelete {
		w.Skip(ReasonNeedsYes, fmt.Sprintf("Gone from EspoCRM. Deleting Advoware %d has to be confirmed: %s --yes", w.Advo.ID, w.Hint("sync")))
		return nil
	}
	if err := w.announceDelete(ctx); err != nil {
		return err
	}
	err := w.Send(ctx, func(ctx context.Context) error {
		return w.e.Advoware.Delete(ctx, w.Mapping.DeletePath(), strconv.FormatInt(w.Advo.ID, 10))
	})
	if w.paused(err) {
		w.CloseWrites(record.Advoware, store.WriteNotDone)
		w.Did.Attempt++
		do, err := w.goneToo(ctx)
		if do == nil || err != nil {
			return err
		}
		return do(ctx)
	} else if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	w.CloseWrites(record.Advoware, store.WriteDone)
	w.Result.Outcome = result.UpdatedAdvoware
	w.Result.Reason.Text += " The record in Advoware is deleted."
	w.CloseEntry(result.UpdatedAdvoware)
	return w.Drop(ctx)
}

// announceDelete keeps every mapped value of the record in the history before
// it is deleted.
func (w *work) announceDelete(ctx context.Context) error {
	tell.PlanDelete(w.History(), w.Mapping, &w.Advo.View, w.Did.Attempt)
	in := &store.Announcement{Side: record.Advoware, Removes: true, AdvowareID: w.Advo.ID, Run: w.e.cfg.Run, At: w.e.Now(), Deadline: w.Deadline()}
	return w.announce(ctx, in, reconcile.Decision{})
}

// stillThere refuses --action delete for a record that EspoCRM still has.
func (w *work) stillThere() error {
	return &fault.Error{System: fault.EspoCRM, Code: fault.StillThere, Owner: fault.OwnerRecord, Op: "delete " + w.What(),
		Message: "the record is still in EspoCRM; only a record that was deleted there is deleted in Advoware", Hint: "delete it in EspoCRM first"}
}
