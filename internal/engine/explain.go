package engine

import (
	"context"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// explain adds to a plan what stands beside both contents: the last failure, who
// holds the record, what was overwritten, and the command to type next. It only
// reads the store. What it cannot read it leaves out, with a warning.
func (w *work) explain(ctx context.Context) {
	w.savedByUs(ctx)
	w.lastError()
	w.next()
	if w.res.Verdict != result.NoChange || w.res.Status == StatusSyncing {
		w.lockedBy(ctx)
	}
	if w.req.Explain {
		w.pastOverwrites(ctx)
	}
}

// savedByUs tells the tool's own save from somebody's: each write to EspoCRM moves
// modifiedAt beyond the lastSync that it carries.
func (w *work) savedByUs(ctx context.Context) {
	t := &w.res.Timestamps
	if t.LastSync == "" || t.ModifiedAt <= t.LastSync || w.priorStamp[1] == "" {
		return
	}
	us, err := w.e.EspoCRM.UserID(ctx)
	t.ByUs = err == nil && us == w.priorStamp[1]
}

// lastError is the failure that EspoCRM shows of this record.
func (w *work) lastError() {
	if w.espo == nil || w.espo.message == "" || w.espo.status != StatusFailed && w.espo.status != StatusPermanentlyFailed {
		return
	}
	w.res.LastError = &result.LastError{Message: w.espo.message}
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
	case w.res.LastError != nil && w.espo.status == StatusPermanentlyFailed:
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

// pastOverwrites tells of the last run that replaced a value which is still
// gone, and of the last one that did so although both sides had been edited.
func (w *work) pastOverwrites(ctx context.Context) {
	if w.espo == nil || w.advo == nil {
		return
	}
	var last, conflict bool
	err := w.e.Store.Entries(ctx, store.HistoryFilter{Entity: w.key.Entity, ID: w.key.ID, Limit: mostLookedBack}, func(e store.Entry) error {
		if last && (conflict || !e.Conflict) {
			return nil
		}
		fields := w.stillGone(e)
		if len(fields) == 0 {
			return nil
		}
		last, conflict = true, conflict || e.Conflict
		w.res.Overwritten = append(w.res.Overwritten, result.Overwritten{At: e.At.UTC(), Run: e.Run, Command: e.Command, Conflict: e.Conflict, Fields: fields,
			Undo: result.UndoCommand(w.key.Entity, e.Run, w.key.ID)})
		return nil
	})
	if err != nil {
		w.warn("the history could not be read: %v", err)
	}
}

// mostLookedBack bounds how many history entries of a record are looked through.
const mostLookedBack = 100

// stillGone are the values that an entry replaced and that do not stand on
// their side now.
func (w *work) stillGone(e store.Entry) []result.HistoryField {
	var out []result.HistoryField
	for _, wr := range e.Writes {
		f, ok := w.writableField(overwriteOf(wr))
		if wr.State == store.WriteNotDone || !wr.Before.HasText() || wr.Before == wr.After || !ok || f.Computed ||
			w.sideView(wr.Side).Values[f.Key] == wr.Before {
			continue
		}
		out = append(out, result.HistoryField{Espocrm: wr.Espocrm, Advoware: wr.Advoware, Side: string(wr.Side), Before: shownHere(wr.Before), After: shownHere(wr.After),
			State: unsure(wr.State)})
	}
	return out
}

func shownHere(v record.Value) *string {
	s := v.Text()
	return &s
}

// unsure is the state of a write that is not known to have happened; "": it is.
func unsure(s store.WriteState) string {
	if s == store.WriteDone {
		return ""
	}
	return string(s)
}
