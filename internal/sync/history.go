package sync

import (
	"slices"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
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

// planWrites lists the values that a write is about to replace, before it is
// sent. A write that an earlier round planned and did not do is closed.
func (w *work) planWrites(side record.Side, d reconcile.Decision) {
	e := w.history()
	view := w.viewOf(side)
	fields := w.m.Fields(d.Kind)
	if d.Typed { // of whatever kind
		fields = w.m.AllFields()
	}
	for _, f := range fields {
		v, ok := d.To(side)[f.Key]
		if !ok {
			continue
		}
		wr := store.Write{Espocrm: f.Espo, Advoware: f.Advo, Field: f.Key, Side: side, After: v, State: store.WritePlanned, Attempt: w.did.attempt}
		wr.Before = record.Empty()
		if view != nil {
			wr.Before = view.Stands(f.Key)
		}
		wr.Overruled = slices.ContainsFunc(d.Changes, func(c reconcile.Change) bool { return c.Field.Key == f.Key && c.Overruled() == side })
		e.Conflict = e.Conflict || wr.Overruled
		e.Writes = append(e.Writes, wr)
	}
}

// closeWrites says what became of the writes that are still planned on a side.
func (w *work) closeWrites(side record.Side, state store.WriteState) {
	if w.tells.entry != nil {
		closeWrites(w.tells.entry, side, state)
	}
}

func closeWrites(e *store.Entry, side record.Side, state store.WriteState) {
	for i := range e.Writes {
		if wr := &e.Writes[i]; wr.Side == side && wr.State == store.WritePlanned {
			wr.State = state
		}
	}
}

// tellOfEdits keeps which fields clashed, and since when the edit had waited that has
// come to Advoware.
func (w *work) tellOfEdits(e *store.Entry) {
	for _, f := range w.res.Fields {
		name := f.Espocrm
		if name == "" {
			name = f.Advoware
		}
		if (f.Changed == "both" || f.Overruled != "") && !slices.Contains(e.Clashed, name) {
			e.Clashed = append(e.Clashed, name)
		}
	}
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
