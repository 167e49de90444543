package session

import (
	"errors"
	"fmt"

	"advosync/internal/fault"
	"advosync/internal/result"
)

// Warn adds a warning to the result.
func (s *Session) Warn(format string, args ...any) {
	s.Result.Warnings = append(s.Result.Warnings, fmt.Sprintf(format, args...))
}

// Skip is Say of a record that is left as it is.
func (s *Session) Skip(code, text string) {
	s.Result.Outcome = result.Skipped
	s.Say(code, text)
}

// Say sets the result's reason.
func (s *Session) Say(code, text string) { s.Result.Reason = result.Reason{Code: code, Text: text} }

// ReasonFrom gives a result without a verdict of its own the failure's words.
func (s *Session) ReasonFrom(err error) {
	if s.Result.Reason.Code == "" {
		s.Result.Reason = result.Reason{Code: s.Result.Error.Code, Text: fault.Clean(err.Error(), 500)}
	}
}

// Refuse tells a failure.
func (s *Session) Refuse(err error) {
	if err == nil || s.LeftOnHold(err) {
		return
	}
	s.Result.Outcome, s.Result.Planned, s.Result.Error = result.Failed, "", result.FromFault(err)
	if fault.Is(err, fault.LeaseLost) {
		s.Result.Outcome = result.Locked
	}
	s.Result.Reason = result.Reason{Code: s.Result.Error.Code, Text: fault.Clean(err.Error(), 500)}
}

// UnknownRecord is the failure of an id that EspoCRM does not know, and the store
// mostly neither.
func (s *Session) UnknownRecord() error {
	text := "there is no such record in EspoCRM"
	if s.Memory.Base == nil && s.Memory.Open == nil {
		text += ", and the store knows none either"
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + s.What(),
		Message: text, Hint: "check the id; it is the last part of the record's address in EspoCRM"}
}

// Outcome says what was written so far.
func (s *Session) Outcome() result.Outcome {
	switch {
	case s.Did.Created:
		return result.CreatedAdvoware
	case s.Did.WroteAdvo && s.Did.WroteEspo:
		return result.Merged
	case s.Did.WroteAdvo:
		return result.UpdatedAdvoware
	case s.Did.WroteEspo:
		return result.UpdatedEspocrm
	default:
		return result.Adopted
	}
}

// ReasonOnHold is the reason of a record that an operator has put on hold.
const ReasonOnHold = "on_hold"

// PendingReleased is Memory.Pending of a record that was on hold: whatever was edited
// meanwhile, the next pass looks at it.
const PendingReleased = "released"

// PendingUntold is Memory.Pending of a record that has failed, which EspoCRM does not show.
const PendingUntold = "failure untold"

// errOnHold ends whatever was begun with a record on hold, right after its memory was
// loaded: nothing has been read or written then.
var errOnHold = errors.New("the record is on hold")

// SayOnHold says since when the record is on hold, and by whom.
func (s *Session) SayOnHold() {
	h := s.Memory.Hold
	by := ""
	if h.By != "" {
		by = " by " + h.By
	}
	s.Say(ReasonOnHold, "On hold"+by+" since "+h.At.UTC().Format("2006-01-02 15:04 UTC")+": nobody syncs it until it is released.")
}

// LeftOnHold ends a record that is on hold, whatever was to be done with it.
func (s *Session) LeftOnHold(err error) bool {
	if !errors.Is(err, errOnHold) {
		return false
	}
	s.Result.Outcome = result.Skipped
	s.SayOnHold()
	return true
}
