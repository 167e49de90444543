package session

import (
	"context"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
)

// Explain adds to the result of a plan what stands beside both contents: the last failure,
// who holds the record, and the command to type next. It only reads the store. What it
// cannot read it leaves out, with a warning.
func (s *Session) Explain(ctx context.Context) {
	s.Result.Contents = s.Contents()
	s.savedByUs(ctx)
	s.lastError()
	s.next()
	if s.Result.Verdict != result.NoChange || s.Result.Status == record.StatusSyncing {
		s.lockedBy(ctx)
	}
}

// savedByUs tells the tool's own save from somebody's: each write to EspoCRM moves
// modifiedAt beyond the lastSync that it carries.
func (s *Session) savedByUs(ctx context.Context) {
	t := &s.Result.Timestamps
	if t.LastSync == "" || t.ModifiedAt <= t.LastSync || s.Did.PriorStamp[1] == "" {
		return
	}
	us, err := s.Env.EspoCRM.UserID(ctx)
	t.ByUs = err == nil && us == s.Did.PriorStamp[1]
}

// lastError is the failure that EspoCRM shows of this record.
func (s *Session) lastError() {
	if s.Espo == nil || s.Espo.Message == "" || s.Espo.Status != record.StatusFailed && s.Espo.Status != record.StatusPermanentlyFailed {
		return
	}
	s.Result.LastError = &result.LastError{Message: s.Espo.Message}
	if f := s.Memory.Failure; f != nil {
		at := f.At.UTC()
		s.Result.LastError.Code, s.Result.LastError.At = f.Code, &at
	}
}

// next is the command to type, where one is better than waiting for a pass.
func (s *Session) next() {
	switch {
	case s.Result.Error != nil: // which has a hint
	case s.Espo == nil && s.Result.Outcome == result.Skipped:
		s.Result.Next = "it is kept; to delete it in Advoware: " + s.Hint("sync") + " --action delete"
	case s.Result.Verdict == result.MissingInAdvoware && s.Result.Planned == result.Failed:
		s.Result.Next = "set sync.on_missing_in_advoware, or link it to the right record: " + s.Hint("link") + " --advoware-id N --force"
	case s.Result.Reason.Code == reconcile.ReasonLinkDoubtful:
		s.Result.Next = "both names side by side: advosync link --entity " + s.Key.Entity + " --doubtful"
	case s.Result.Outcome == result.ConflictWaits:
		s.Result.Next = "decide field by field: " + s.Hint("resolve")
	case s.Result.LastError != nil && s.Espo.Status == record.StatusPermanentlyFailed:
		s.Result.Next = "given up until it is edited; once the cause is gone: " + s.Hint("reset")
	case s.Result.LastError != nil:
		s.Result.Next = "tried again by later passes; at once: " + s.Hint("sync")
	}
}

// lockedBy warns where somebody is at work on the record.
func (s *Session) lockedBy(ctx context.Context) {
	held, err := s.Env.Store.Holder(ctx, s.Key.LockKey())
	switch {
	case err != nil:
		s.Warn("who holds the record could not be read: %v", err)
	case held == nil:
	case held.Foreign:
		s.Warn("the old handler's lock is on it: %s", s.Hint("unlock"))
	default:
		s.Warn("locked since %s by %s (%s@%s, pid %d): %s", held.Owner.Since.UTC().Format(time.RFC3339), held.Owner.Command, held.Owner.User, held.Owner.Host,
			held.Owner.PID, s.Hint("unlock"))
	}
}
