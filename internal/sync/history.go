package sync

import (
	"time"

	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// history is this sync's entry, begun when there is something to tell.
func (w *work) history() *store.Entry {
	if w.tells.entry == nil {
		begun := w.e.Entry(w.key.Entity, w.key.ID)
		begun.Outcome = string(result.Planned)
		w.tells.entry = &begun
	}
	e := w.tells.entry
	e.AdvowareID = w.advowareID()
	e.Verdict, e.ReasonCode, e.ReasonText = string(w.res.Verdict), w.res.Reason.Code, w.res.Reason.Text
	e.Conflict = e.Conflict || w.tells.clashed
	if w.advo != nil && e.RowBefore == "" {
		e.RowBefore = w.advo.RowID
	}
	return e
}

// closeWrites says what became of the writes to a side that are still planned.
func (w *work) closeWrites(side record.Side, state store.WriteState) {
	tell.Close(w.tells.entry, side, state)
}

// tellOfEdits keeps which fields clashed, and since when the edit had waited that has
// come to Advoware.
func (w *work) tellOfEdits(e *store.Entry) {
	tell.Clashed(e, w.res.Fields)
	if !w.did.wroteAdvo {
		return
	}
	if e.Edited = w.mem.WaitsSince; e.Edited.IsZero() {
		e.Edited, _ = time.Parse(record.StampLayout, w.did.priorStamp[0])
	}
}

// closeEntry ends this sync's entry.
func (w *work) closeEntry(o result.Outcome) {
	e := w.history()
	w.tellOfEdits(e)
	e.Outcome = string(o)
	e.RowAfter = w.res.RowID.After
	if e.RowAfter == "" && w.advo != nil {
		e.RowAfter = w.advo.RowID
	}
}
