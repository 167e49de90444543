package sync

import (
	"context"
	"errors"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/stuck"
	"advosync/internal/tell"
)

// cleanUpTime bounds what is done for a record after its own context has ended.
const cleanUpTime = 10 * time.Second

// conclude ends an attempt that did not succeed, in a state from which the next
// one goes on. Whose failure it is decides what it costs: the record's counts, a system's
// leaves everything as it is.
func (w *work) conclude(ctx context.Context, err error) {
	if err == nil || w.leftOnHold(err) {
		return
	}
	w.explainStatus(ctx, err)
	w.res.Outcome = result.Failed
	w.res.Error = result.FromFault(err)
	switch {
	case errors.Is(err, errKeepsMoving):
		w.keepsMoving(ctx)
	case fault.Is(err, fault.LeaseLost):
		w.res.Outcome = result.Locked
		w.res.Reason = result.Reason{Code: string(fault.LeaseLost), Text: "The lock was lost while working; nothing more was written."}
	case fault.Is(err, fault.Uncertain) && fault.OwnedByRecord(err):
		w.reasonFrom(err)
		if w.req.Pass {
			w.res.Outcome = result.Skipped
		}
	case fault.OwnedByRecord(err):
		w.reasonFrom(err)
		w.fail(ctx, err)
	default:
		w.reasonFrom(err)
		w.closeAnnounced(ctx)
		w.unmark(ctx, err)
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if cause := w.e.cfg.Misfit(ctx, w.m); cause != "" {
		f.Hint = cause
	}
}

// reasonFrom gives a result without a verdict of its own the failure's words.
func (w *work) reasonFrom(err error) {
	if w.res.Reason.Code == "" {
		w.res.Reason = result.Reason{Code: w.res.Error.Code, Text: fault.Clean(err.Error(), 500)}
	}
}

// unmark takes the mark `syncing` away after a system's failure, if EspoCRM can
// still be told: the record is as unsynced as before, and no attempt is
// counted.
func (w *work) unmark(ctx context.Context, err error) {
	f := fault.As(err)
	if !w.did.marked || w.espo == nil || f != nil && f.System == fault.EspoCRM {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	w.keepWaitsSince(ctx)
	if _, err := w.putEspo(ctx, statusPatch(w.before()), nil); err != nil {
		w.warn("the status is left at syncing; the next pass goes on from there: %v", err)
	}
}

// before is the status to go back to. A new record stays one, unless something is
// announced of it: then it may be in Advoware, which a store that replaces this one
// has to be told by its status (newHere).
func (w *work) before() string {
	status := w.did.prior
	switch {
	case status == "" && w.espo.AdvowareID == 0:
		status = record.StatusPending
	case status == "", status == record.StatusClean, status == record.StatusSyncing:
		status = record.StatusDirty
	}
	if status == record.StatusPending && w.mem.Open != nil {
		return record.StatusDirty
	}
	return status
}

// keepsMoving: the rounds are used up. What is known is stored, and the record
// waits for the next pass; that is nobody's failure.
func (w *work) keepsMoving(ctx context.Context) {
	w.res.Outcome = result.Skipped
	w.res.Reason = result.Reason{Code: "keeps_changing", Text: "Somebody kept editing the record while it was synced; the next pass goes on."}
	w.res.Error = nil
	w.closeWrites(record.EspoCRM, store.WriteNotDone)
	next := w.mem
	next.WaitsSince = w.waitsSince()
	w.keepBase(&next)
	if next.Open = w.openLeft(); next.Open != nil && !next.Open.Makes {
		next.Open = nil
	}
	if w.did.wroteAdvo {
		next.Notes = append(slices.Clone(next.Notes), w.tells.owed...)
	}
	w.closeEntry(result.Skipped)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	err := w.commit(ctx, next)
	if err == nil {
		_, err = w.putEspo(ctx, statusPatch(record.StatusDirty), nil)
	}
	if err != nil {
		w.warn("what is known could not be stored; the next pass finds it out again: %v", err)
	}
}

// waitsSince is when the oldest edit was made that this attempt leaves unsynced:
// what EspoCRM showed before this tool wrote there. An edit that was made in
// Advoware alone has no stamp and counts from when it was seen.
func (w *work) waitsSince() time.Time {
	if since := w.mem.WaitsSince; !since.IsZero() && since.Sub(w.e.Now()) <= clockSlack {
		return since
	}
	if w.did.prior == record.StatusClean && w.espo != nil && sides.EspoIsBase(w.m, w.mem.Base, &w.espo.View) {
		return w.e.Now().UTC()
	}
	t, err := time.Parse(record.StampLayout, w.did.priorStamp[0])
	if err != nil {
		return w.e.Now().UTC()
	}
	return t
}

// keepWaitsSince remembers the moment of an edit that marking has made
// invisible, and nothing else: what this attempt planned did not happen.
func (w *work) keepWaitsSince(ctx context.Context) {
	next := w.mem
	if !next.WaitsSince.IsZero() {
		return
	}
	next.WaitsSince = w.waitsSince()
	rev, err := w.e.Store.Commit(ctx, store.Commit{Key: w.key, Lease: w.lease.Handle(), Memory: &next})
	if err != nil {
		w.warn("since when the edit waits could not be remembered: %v", err)
		return
	}
	next.Rev, w.mem = rev, next
}

// keepBase stores the working base, which is true whatever failed after it, also of
// a record that is gone from EspoCRM meanwhile. A first contact stays one until it
// succeeds.
func (w *work) keepBase(next *store.Memory) {
	if w.base == nil || w.espo == nil && w.mem.Base == nil {
		return
	}
	if w.espo != nil && w.firstContact() {
		next.Base = nil
		return
	}
	b := sides.Clone(w.base)
	b.Mapping, b.AdvowareID, b.StoredAt = w.m.Fingerprint(), w.advowareID(), w.e.Now()
	if b.RowID = ""; w.espo != nil { // EspoCRM is not told of another one than it carries
		b.RowID = w.espo.RowID
	}
	if b.LastSync == "" && w.mem.Base != nil {
		b.LastSync = w.mem.Base.LastSync
	}
	next.Base = b
}

// fail counts a failure against the record: memory and history in one
// transaction, then status, message and counter to EspoCRM. lastSync does not
// move, so the edit that failed stays visible.
func (w *work) fail(ctx context.Context, err error) {
	if w.espo == nil {
		w.closeAnnounced(ctx) // a refused delete
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	f := fault.As(err)
	count, status := w.count()
	w.res.RetryCount = count
	if status == record.StatusPermanentlyFailed {
		w.res.Outcome = result.PermanentlyFailed
	}
	if w.knownFailure() {
		w.res.RetryCount = w.espo.Retries
		w.sendNotes(ctx)
		return
	}
	tell.CloseRefused(w.tells.entry, f)
	next := w.mem
	w.keepBase(&next)
	if next.Open = w.openLeft(); w.endsOpen(f) {
		next.Open = nil
	}
	untold := ""
	if before := w.mem.Failure; before != nil { // until EspoCRM takes this one
		untold = before.Untold
	}
	next.Failure = &store.Failure{At: w.e.Now(), Code: string(f.Code), Count: count, Seen: w.contents(), Untold: untold}
	if w.advo != nil {
		next.Failure.RowID = w.advo.RowID
	}
	next.CheckedAt, next.Pending, next.WaitsSince = w.e.Now(), "", w.waitsSince()
	if w.did.wroteAdvo || w.tookSome(f) {
		next.Notes = append(slices.Clone(next.Notes), w.tells.owed...)
	}
	if status == record.StatusPermanentlyFailed && w.did.prior != record.StatusPermanentlyFailed {
		next.Notes = append(slices.Clone(next.Notes), w.note(w.notes().GivenUp(count, w.res.Error.Message)))
	}
	w.history().Error, w.history().ErrorCode = w.res.Error.Message, w.res.Error.Code
	w.closeEntry(w.res.Outcome)
	if cerr := w.commit(ctx, next); cerr != nil {
		w.warn("the failure could not be remembered: %v", cerr)
		if fault.Is(cerr, fault.LeaseLost) {
			w.res.Outcome = result.Locked
		}
		return
	}
	w.putFailure(ctx, f, status, count)
	w.sendNotes(ctx)
}

// keepUntold remembers that EspoCRM shows another status than the record has, so that the
// back-off and the count hold all the same.
func (w *work) keepUntold(ctx context.Context) {
	next, f := w.mem, *w.mem.Failure
	f.Untold = w.espo.ModifiedAt
	next.Failure = &f
	if err := w.commit(ctx, next); err != nil {
		w.warn("that EspoCRM does not take the failure could not be remembered: %v", err)
	}
}

// tookSome reports whether a write that was not accepted whole has overruled an edit
// all the same, of which somebody is owed a word.
func (w *work) tookSome(f *fault.Error) bool {
	untaken := f.Fields()
	return f.Code == fault.NotAccepted && slices.ContainsFunc(w.tells.toldOf, func(key string) bool {
		fd, ok := w.m.Field(key)
		return ok && !slices.ContainsFunc(untaken, func(name string) bool { return stuck.Named(fd, f.System, name) })
	})
}

// count is the attempt's number and the status it leads to. A record that was
// given up starts anew once its contents have changed on either side.
func (w *work) count() (int, string) {
	n := w.espo.Retries + 1
	if w.did.prior == record.StatusPermanentlyFailed {
		if w.mem.Failure != nil && w.mem.Failure.Seen == w.contents() {
			return max(w.espo.Retries, w.e.cfg.MaxRetries), record.StatusPermanentlyFailed
		}
		n = 1
	}
	if f := w.mem.Failure; f != nil && f.Untold != "" && f.Seen == w.contents() {
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
	return w.advo == nil && in.AdvowareID == w.advowareID() && in.Side == record.Advoware && !in.Makes && !in.Removes
}

// endsOpen: a definite refusal ends the announcement, but never one whose record in
// Advoware exists, or may exist, without a link: it would be created twice. Nor
// one of a dead run that this attempt did not come to look into.
func (w *work) endsOpen(f *fault.Error) bool {
	in := w.mem.Open
	if in == nil || f.Code == fault.CreateDoubt || f.Doubt {
		return false
	}
	return w.knows.recovered && !w.unproven(in) && !w.unlinkedYet(in)
}

// putFailure tells EspoCRM. A link that exists already goes along, so that the
// record is not created twice; a rowId that a half-accepted PUT has stored is
// taken back, because the base does not hold its values.
func (w *work) putFailure(ctx context.Context, f *fault.Error, status string, count int) {
	p := statusPatch(status)
	p.Put(record.FieldErrorMessage, cut(fault.Clean(f.Error(), 0)+hintText(f), maxErrorMessage))
	p.Put(record.FieldRetryCount, count)
	if w.did.linkID != 0 && f.Code != fault.Duplicate {
		p.Put(record.FieldAdvowareID, w.did.linkID)
	}
	if f.Code == fault.NotAccepted && f.System == fault.EspoCRM {
		p.Put(record.FieldRowID, nil)
		if w.espo.RowID != "" {
			p.Put(record.FieldRowID, w.espo.RowID)
		}
	}
	if _, err := w.putEspo(ctx, p, nil); err != nil {
		w.warn("the failure could not be written to EspoCRM: %v", err)
		if why := fault.As(err); why != nil && why.Owner == fault.OwnerRecord && !why.Doubt {
			w.keepUntold(ctx)
		}
		return
	}
	w.did.marked = false
}

func hintText(f *fault.Error) string {
	if f.Hint == "" {
		return ""
	}
	return " (" + f.Hint + ")"
}
