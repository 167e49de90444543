package sync

import (
	"context"
	"errors"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/store"
	"advosync/internal/stuck"
	"advosync/internal/tell"
)

// conclude ends an attempt that did not succeed, in a state from which the next
// one goes on. Whose failure it is decides what it costs: the record's counts, a system's
// leaves everything as it is.
func (w *work) conclude(ctx context.Context, err error) {
	if err == nil || w.LeftOnHold(err) {
		return
	}
	w.explainStatus(ctx, err)
	w.Result.Outcome = result.Failed
	w.Result.Error = result.FromFault(err)
	switch {
	case errors.Is(err, errKeepsMoving):
		w.keepsMoving(ctx)
	case fault.Is(err, fault.LeaseLost):
		w.Result.Outcome = result.Locked
		w.Result.Reason = result.Reason{Code: string(fault.LeaseLost), Text: "The lock was lost while working; nothing more was written."}
	case fault.OwnedByRecord(err) && !fault.Is(err, fault.Uncertain):
		w.ReasonFrom(err)
		w.fail(ctx, err)
	default: // a system's, or a write of which nobody knows yet what it left
		w.ReasonFrom(err)
		w.CloseAnnounced(ctx)
		w.unmark(ctx, err)
		if fault.OwnedByRecord(err) && w.Given.Pass {
			w.Result.Outcome = result.Skipped
		}
	}
}

// explainStatus gives a failure the hint that leads to its cause: a status that
// EspoCRM has not taken was most likely set by a formula that is not meant for
// this API user.
func (w *work) explainStatus(ctx context.Context, err error) {
	f := fault.As(err)
	if f == nil || w.e.cfg.Misfit == nil || f.Code != fault.NotAccepted || f.System != fault.EspoCRM || !slices.Contains(f.Fields(), record.FieldStatus) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.CleanUpTime)
	defer cancel()
	if cause := w.e.cfg.Misfit(ctx, w.Mapping); cause != "" {
		f.Hint = cause
	}
}

// unmark takes the mark `syncing` away after a system's failure, if EspoCRM can
// still be told: the record is as unsynced as before, and no attempt is
// counted.
func (w *work) unmark(ctx context.Context, err error) {
	f := fault.As(err)
	if !w.Did.Marked || w.Espo == nil || f != nil && f.System == fault.EspoCRM {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.CleanUpTime)
	defer cancel()
	w.KeepWaitsSince(ctx)
	if _, err := w.PutEspo(ctx, session.StatusPatch(w.Before()), nil); err != nil {
		w.Warn("the status is left at syncing; the next pass goes on from there: %v", err)
	}
}

// keepsMoving: the rounds are used up. What is known is stored, and the record
// waits for the next pass; that is nobody's failure.
func (w *work) keepsMoving(ctx context.Context) {
	w.Result.Outcome = result.Skipped
	w.Result.Reason = result.Reason{Code: "keeps_changing", Text: "Somebody kept editing the record while it was synced; the next pass goes on."}
	w.Result.Error = nil
	w.CloseWrites(record.EspoCRM, store.WriteNotDone)
	next := w.Memory
	next.WaitsSince = w.WaitsSince()
	w.KeepBase(&next)
	if next.Open = w.OpenLeft(); next.Open != nil && !next.Open.Makes {
		next.Open = nil
	}
	if w.Did.Settled {
		next.Notes = append(slices.Clone(next.Notes), w.Tells.Owed...)
	}
	w.CloseEntry(result.Skipped)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.CleanUpTime)
	defer cancel()
	err := w.Commit(ctx, next)
	if err == nil {
		_, err = w.PutEspo(ctx, session.StatusPatch(record.StatusDirty), nil)
	}
	if err != nil {
		w.Warn("what is known could not be stored; the next pass finds it out again: %v", err)
	}
}

// fail counts a failure against the record: memory and history in one
// transaction, then status, message and counter to EspoCRM. lastSync does not
// move, so the edit that failed stays visible.
func (w *work) fail(ctx context.Context, err error) {
	if w.Espo == nil {
		w.CloseAnnounced(ctx) // a refused delete
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.CleanUpTime)
	defer cancel()
	f := fault.As(err)
	count, status := w.count()
	w.Result.RetryCount = count
	if status == record.StatusPermanentlyFailed {
		w.Result.Outcome = result.PermanentlyFailed
	}
	if w.knownFailure() {
		w.Result.RetryCount = w.Espo.Retries
		w.SendNotes(ctx)
		return
	}
	tell.CloseRefused(w.Tells.Entry, f)
	next := w.Memory
	w.KeepBase(&next)
	if next.Open = w.OpenLeft(); w.endsOpen(f) {
		next.Open = nil
	}
	untold := ""
	if before := w.Memory.Failure; before != nil { // until EspoCRM takes this one
		untold = before.Untold
	}
	next.Failure = &store.Failure{At: w.e.Now(), Code: string(f.Code), Count: count, Seen: w.Contents(), Untold: untold}
	if w.Advo != nil {
		next.Failure.RowID = w.Advo.RowID
	}
	next.CheckedAt, next.Pending, next.WaitsSince = w.e.Now(), "", w.WaitsSince()
	if w.Did.Settled || w.tookSome(f) {
		next.Notes = append(slices.Clone(next.Notes), w.Tells.Owed...)
	}
	if status == record.StatusPermanentlyFailed && w.Did.Prior != record.StatusPermanentlyFailed {
		next.Notes = append(slices.Clone(next.Notes), w.Note(w.Notes().GivenUp(count, w.Result.Error.Message)))
	}
	w.History().Error, w.History().ErrorCode = w.Result.Error.Message, w.Result.Error.Code
	w.CloseEntry(w.Result.Outcome)
	if cerr := w.Commit(ctx, next); cerr != nil {
		w.Warn("the failure could not be remembered: %v", cerr)
		if fault.Is(cerr, fault.LeaseLost) {
			w.Result.Outcome = result.Locked
		}
		return
	}
	w.putFailure(ctx, f, status, count)
	w.SendNotes(ctx)
}

// keepUntold remembers whether EspoCRM has refused to show the failure (it is as saved at
// the moment untold; "": it has not), so that the back-off and the count hold all the same,
// and whether passes have to look for the record here, for EspoCRM may show a status that
// none looks for.
func (w *work) keepUntold(ctx context.Context, untold, pending string) {
	if w.Memory.Failure.Untold == untold && w.Memory.Pending == pending {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.CleanUpTime)
	defer cancel()
	next, f := w.Memory, *w.Memory.Failure
	f.Untold = untold
	next.Failure, next.Pending = &f, pending
	if err := w.Commit(ctx, next); err != nil {
		w.Warn("whether EspoCRM has taken the failure could not be remembered: %v", err)
	}
}

// tookSome reports whether a write that was not accepted whole has overruled an edit
// all the same, of which somebody is owed a word.
func (w *work) tookSome(f *fault.Error) bool {
	untaken := f.Fields()
	return f.Code == fault.NotAccepted && slices.ContainsFunc(w.Tells.ToldOf, func(key string) bool {
		fd, ok := w.Mapping.Field(key)
		return ok && !slices.ContainsFunc(untaken, func(name string) bool { return stuck.Named(fd, f.System, name) })
	})
}

// count is the attempt's number and the status it leads to. A record that was
// given up starts anew once its contents have changed on either side.
func (w *work) count() (int, string) {
	n := w.Espo.Retries + 1
	if w.Did.Prior == record.StatusPermanentlyFailed {
		if w.Memory.Failure != nil && w.Memory.Failure.Seen == w.Contents() {
			return max(w.Espo.Retries, w.e.cfg.MaxRetries), record.StatusPermanentlyFailed
		}
		n = 1
	}
	if f := w.Memory.Failure; f != nil && f.Untold != "" && f.Seen == w.Contents() {
		n = f.Count + 1
	}
	if n >= w.e.cfg.MaxRetries {
		return n, record.StatusPermanentlyFailed
	}
	return n, record.StatusFailed
}

// unproven: an interrupted write to a record that is not in Advoware at present.
// Should it come back, only the announcement tells what was written there from what
// somebody typed.
func (w *work) unproven(in *store.Announcement) bool {
	return w.Advo == nil && in.AdvowareID == w.AdvowareID() && in.Side == record.Advoware && !in.Makes && !in.Removes
}

// endsOpen: a definite refusal ends the announcement, but never one whose record in
// Advoware exists, or may exist, without a link: it would be created twice. Nor
// one of a dead run that this attempt did not come to look into.
func (w *work) endsOpen(f *fault.Error) bool {
	in := w.Memory.Open
	if in == nil || f.Code == fault.CreateDoubt || f.Doubt {
		return false
	}
	return w.Knows.Recovered && !w.unproven(in) && !w.UnlinkedYet(in)
}

// putFailure tells EspoCRM. A link that exists already goes along, so that the
// record is not created twice; a rowId that a half-accepted PUT has stored is
// taken back, because the base does not hold its values.
func (w *work) putFailure(ctx context.Context, f *fault.Error, status string, count int) {
	p := session.StatusPatch(status)
	p.Put(record.FieldErrorMessage, session.Shown(f))
	p.Put(record.FieldRetryCount, count)
	if w.Did.LinkID != 0 && w.Memory.Open != nil && f.Code != fault.Duplicate { // what was only found has no base yet, and is found again
		p.Put(record.FieldAdvowareID, w.Did.LinkID)
	}
	if f.Code == fault.NotAccepted && f.System == fault.EspoCRM {
		p.Put(record.FieldRowID, nil)
		if w.Espo.RowID != "" {
			p.Put(record.FieldRowID, w.Espo.RowID)
		}
	}
	if _, err := w.PutEspo(ctx, p, nil); err != nil {
		w.Warn("the failure could not be written to EspoCRM: %v", err)
		untold := w.Memory.Failure.Untold
		if why := fault.As(err); why != nil && why.Owner == fault.OwnerRecord && !why.Doubt {
			untold = w.Espo.ModifiedAt
		}
		w.keepUntold(ctx, untold, session.PendingUntold)
		return
	}
	w.keepUntold(ctx, "", "")
	w.Did.Marked = false
}
