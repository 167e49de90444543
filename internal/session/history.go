package session

import (
	"time"

	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// History is this sync's entry, begun when there is something to tell.
func (s *Session) History() *store.Entry {
	if s.Tells.Entry == nil {
		begun := s.Env.Entry(s.Key.Entity, s.Key.ID)
		begun.Outcome = string(result.Planned)
		s.Tells.Entry = &begun
	}
	e := s.Tells.Entry
	e.AdvowareID = s.AdvowareID()
	e.Verdict, e.ReasonCode, e.ReasonText = string(s.Result.Verdict), s.Result.Reason.Code, s.Result.Reason.Text
	e.Conflict = e.Conflict || s.Tells.Clashed
	if s.Advo != nil && e.RowBefore == "" {
		e.RowBefore = s.Advo.RowID
	}
	return e
}

// CloseWrites says what became of the writes to a side that are still planned.
func (s *Session) CloseWrites(side record.Side, state store.WriteState) {
	tell.Close(s.Tells.Entry, side, state)
}

// tellOfEdits keeps which fields clashed, and since when the edit had waited that has
// come to Advoware.
func (s *Session) tellOfEdits(e *store.Entry) {
	tell.Clashed(e, s.Result.Fields)
	if !s.Did.WroteAdvo {
		return
	}
	if e.Edited = s.Memory.WaitsSince; e.Edited.IsZero() {
		e.Edited, _ = time.Parse(record.StampLayout, s.Did.PriorStamp[0])
	}
}

// CloseEntry ends this sync's entry.
func (s *Session) CloseEntry(o result.Outcome) {
	e := s.History()
	s.tellOfEdits(e)
	e.Outcome = string(o)
	e.RowAfter = s.Result.RowID.After
	if e.RowAfter == "" && s.Advo != nil {
		e.RowAfter = s.Advo.RowID
	}
}
