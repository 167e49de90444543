// Package tell is what a sync tells people: the writes in its entry of the history, and the
// notes in EspoCRM. It is pure.
package tell

import (
	"cmp"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Plan lists, before a write is sent, the values that it is about to replace on a side.
// view is what that side shows; nil: it has no such record.
func Plan(e *store.Entry, m *mapping.Mapping, side record.Side, d reconcile.Decision, view *mapping.View, attempt int) {
	fields := m.Fields(d.Kind)
	if d.Typed { // of whatever kind
		fields = m.AllFields()
	}
	for _, f := range fields {
		v, ok := d.To(side)[f.Key]
		if !ok {
			continue
		}
		wr := write(f, side, record.Empty(), v, attempt)
		if view != nil {
			wr.Before = view.Stands(f.Key)
		}
		wr.Overruled = slices.ContainsFunc(d.Changes, func(c reconcile.Change) bool { return c.Field.Key == f.Key && c.Overruled() == side })
		e.Conflict = e.Conflict || wr.Overruled
		e.Writes = append(e.Writes, wr)
	}
}

func write(f mapping.Field, side record.Side, before, after record.Value, attempt int) store.Write {
	return store.Write{Espocrm: f.Espo, Advoware: f.Advo, Field: f.Key, Side: side, Before: before, After: after, State: store.WritePlanned, Attempt: attempt}
}

// PlanDelete lists every mapped value of a record of Advoware that is about to be deleted.
func PlanDelete(e *store.Entry, m *mapping.Mapping, v *mapping.View, attempt int) {
	for _, f := range m.Fields(v.Kind) {
		if now := v.Values[f.Key]; now.HasText() && f.Advo != "" {
			e.Writes = append(e.Writes, write(f, record.Advoware, now, record.Empty(), attempt))
		}
	}
}

// PlanSeen lists what somebody has saved in Advoware since the read that a PUT rested on: a
// PUT that lands all the same replaces it, in fields that were not sent, too, because the
// whole object goes over. False: nobody has.
func PlanSeen(e *store.Entry, m *mapping.Mapping, sent map[string]store.Announced, was, now *mapping.View, attempt int) (some bool) {
	for _, f := range m.Fields(now.Kind) {
		v, after := now.Values[f.Key], was.Values[f.Key]
		if f.Clear || f.Computed || v.IsAbsent() || v == after {
			continue
		}
		if a, ok := sent[f.Key]; ok {
			after = a.Target
		}
		e.Writes, some = append(e.Writes, write(f, record.Advoware, v, after, attempt)), true
	}
	return some
}

// Created lists what a new record of Advoware got.
func Created(e *store.Entry, d reconcile.Decision, attempt int) {
	e.Created = true
	for _, c := range d.Changes {
		wr := write(c.Field, record.Advoware, record.Empty(), c.Espo, attempt)
		wr.State = store.WriteDone
		e.Writes = append(e.Writes, wr)
	}
}

// planned calls fn for every write of an entry of which nobody has said yet what became of
// it. No entry has none.
func planned(e *store.Entry, fn func(*store.Write)) {
	if e == nil {
		return
	}
	for i := range e.Writes {
		if wr := &e.Writes[i]; wr.State == store.WritePlanned {
			fn(wr)
		}
	}
}

// Close says what became of the writes to a side that are still planned.
func Close(e *store.Entry, side record.Side, state store.WriteState) {
	planned(e, func(wr *store.Write) {
		if wr.Side == side {
			wr.State = state
		}
	})
}

// CloseUntaken closes a write to Advoware that was not taken whole: what still stands was
// not overwritten, the rest was.
func CloseUntaken(e *store.Entry, before, after *mapping.View) {
	planned(e, func(wr *store.Write) {
		if wr.Side != record.Advoware {
			return
		}
		if wr.State = store.WriteDone; after.Values[wr.Field] == before.Values[wr.Field] {
			wr.State = store.WriteNotDone
		}
	})
}

// CloseRefused closes what a failure has ended. Of a PUT to EspoCRM that was not taken
// whole, whatever it does not name was.
func CloseRefused(e *store.Entry, f *fault.Error) {
	planned(e, func(wr *store.Write) {
		wr.State = store.WriteNotDone
		if f.Code == fault.NotAccepted && f.System == fault.EspoCRM && wr.Side == record.EspoCRM && !slices.Contains(f.Fields(), wr.Espocrm) {
			wr.State = store.WriteDone
		}
	})
}

// CloseDead closes the entry of a run that died. What a write was to replace, and what
// stands there no more, was replaced by somebody: shown are the views of both sides.
func CloseDead(e *store.Entry, state func(store.Write) store.WriteState, shown func(record.Side) *mapping.View) {
	planned(e, func(wr *store.Write) {
		wr.State = state(*wr)
		if v := shown(wr.Side); wr.State == store.WriteNotDone && v != nil && v.Values[wr.Field] != wr.Before {
			wr.State = store.WriteUnknown
		}
	})
	if e.Outcome == string(result.Planned) {
		e.Outcome = "interrupted"
	}
}

// CannotHold says of a field's write that the side shows the value poorer than it was sent.
func CannotHold(e *store.Entry, side record.Side, key string) {
	if e == nil {
		return
	}
	for i := range e.Writes {
		if wr := &e.Writes[i]; wr.Field == key && wr.Side == side && wr.State != store.WriteNotDone {
			wr.CannotHold = true
		}
	}
}

// Clashed keeps which fields both sides had edited.
func Clashed(e *store.Entry, fields []result.Field) {
	for _, f := range fields {
		name := cmp.Or(f.Espocrm, f.Advoware)
		if (f.Changed == "both" || f.Overruled != "") && !slices.Contains(e.Clashed, name) {
			e.Clashed = append(e.Clashed, name)
		}
	}
}
