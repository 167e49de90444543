package sync

import (
	"context"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
)

// explain adds to a plan what stands beside both contents: the last failure, who
// holds the record, what was overwritten, and the command to type next. It only
// reads the store. What it cannot read it leaves out, with a warning.
func (w *work) explain(ctx context.Context) {
	w.savedByUs(ctx)
	w.lastError()
	w.next()
	if w.res.Verdict != result.NoChange || w.res.Status == record.StatusSyncing {
		w.lockedBy(ctx)
	}
	if w.req.Explain != nil {
		w.req.Explain(ctx, &Record{Result: &w.res, w: w})
	}
}

// savedByUs tells the tool's own save from somebody's: each write to EspoCRM moves
// modifiedAt beyond the lastSync that it carries.
func (w *work) savedByUs(ctx context.Context) {
	t := &w.res.Timestamps
	if t.LastSync == "" || t.ModifiedAt <= t.LastSync || w.did.priorStamp[1] == "" {
		return
	}
	us, err := w.e.EspoCRM.UserID(ctx)
	t.ByUs = err == nil && us == w.did.priorStamp[1]
}

// lastError is the failure that EspoCRM shows of this record.
func (w *work) lastError() {
	if w.espo == nil || w.espo.Message == "" || w.espo.Status != record.StatusFailed && w.espo.Status != record.StatusPermanentlyFailed {
		return
	}
	w.res.LastError = &result.LastError{Message: w.espo.Message}
	if f := w.mem.Failure; f != nil {
		at := f.At.UTC()
		w.res.LastError.Code, w.res.LastError.At = f.Code, &at
	}
}

// next is the command to type, where one is better than waiting for a pass.
func (w *work) next() {
	switch {
	case w.res.Error != nil: // which has a hint
	case w.espo == nil && w.res.Outcome == result.Skipped:
		w.res.Next = "it is kept; to delete it in Advoware: " + w.hint("sync") + " --action delete"
	case w.res.Verdict == result.MissingInAdvoware && w.res.Planned == result.Failed:
		w.res.Next = "set sync.on_missing_in_advoware, or link it to the right record: " + w.hint("link") + " --advoware-id N --force"
	case w.res.Reason.Code == reconcile.ReasonLinkDoubtful:
		w.res.Next = "both names side by side: advosync link --entity " + w.key.Entity + " --doubtful"
	case w.res.Outcome == result.ConflictWaits:
		w.res.Next = "decide field by field: " + w.hint("resolve")
	case w.res.LastError != nil && w.espo.Status == record.StatusPermanentlyFailed:
		w.res.Next = "given up until it is edited; once the cause is gone: " + w.hint("reset")
	case w.res.LastError != nil:
		w.res.Next = "tried again by later passes; at once: " + w.hint("sync")
	}
}

// lockedBy warns where somebody is at work on the record.
func (w *work) lockedBy(ctx context.Context) {
	held, err := w.e.Store.Holder(ctx, w.key.LockKey())
	switch {
	case err != nil:
		w.warn("who holds the record could not be read: %v", err)
	case held == nil:
	case held.Foreign:
		w.warn("the old handler's lock is on it: %s", w.hint("unlock"))
	default:
		w.warn("locked since %s by %s (%s@%s, pid %d): %s", held.Owner.Since.UTC().Format(time.RFC3339), held.Owner.Command, held.Owner.User, held.Owner.Host,
			held.Owner.PID, w.hint("unlock"))
	}
}
