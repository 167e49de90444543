package sync

import (
	"maps"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/store"
)

// usable is the part of a stored base that still means the same under the
// mapping in force: a field whose definition changed has no base.
func usable(m *mapping.Mapping, b *store.Base) *store.Base {
	if b == nil {
		return nil
	}
	out := *b
	out.Fields = make(map[string]store.FieldBase, len(b.Fields))
	for key, fb := range b.Fields {
		if f, ok := m.Field(key); ok && f.Def == fb.Def {
			if b.Mapping != m.Fingerprint() {
				fb.Pair = m.Retyped(key, fb.Pair)
			}
			out.Fields[key] = fb
		}
	}
	if len(m.Kinds()) == 0 {
		out.Kind = record.Pair{}
	}
	return &out
}

// forDecision is the base in the form that the decision takes.
func (w *work) forDecision() *reconcile.Base {
	b := w.base
	if b == nil {
		return nil
	}
	// Without lastSync it is what little is known of a conflict that waits, or of a
	// write that was cut off.
	settled := b.LastSync != "" || b.Mapping != "" && b.Mapping != w.m.Fingerprint()
	out := &reconcile.Base{Kind: b.Kind, Settled: settled, Fields: make(map[string]record.Pair, len(b.Fields))}
	for key, fb := range b.Fields {
		out.Fields[key] = fb.Pair
	}
	return out
}

// clone copies a base, so that a planned one can differ from the working one.
func clone(b *store.Base) *store.Base {
	if b == nil {
		return &store.Base{Fields: map[string]store.FieldBase{}}
	}
	out := *b
	out.Fields = maps.Clone(b.Fields)
	if out.Fields == nil {
		out.Fields = map[string]store.FieldBase{}
	}
	return &out
}

// setBase stores one field's pair. A pair with an absent half is no base.
func (w *work) setBase(b *store.Base, key string, p record.Pair) {
	f, ok := w.m.Field(key)
	if !ok || f.Clear || p.Espo.IsAbsent() || p.Advo.IsAbsent() {
		return
	}
	b.Fields[key] = store.FieldBase{Pair: p, Def: f.Def}
}

// agree takes the fields whose contents agree into the working base at the
// decision: exactly the two values compared.
func (w *work) agree(d reconcile.Decision) {
	if len(d.Agreed) == 0 {
		return
	}
	w.knows.baseless = w.knows.baseless || w.base == nil
	w.base = clone(w.base)
	for key, p := range d.Agreed {
		w.setBase(w.base, key, p)
	}
}

// advance moves the working base after a write to Advoware and its read-back, for
// the fields that were sent only. A value that was not accepted is the record's
// failure.
func (w *work) advance(sent map[string]record.Value, before, after *advoState) error {
	next, refused := w.settle(w.base, written{side: record.Advoware, espo: w.espo, advo: before, sent: sent, now: after.view.Values})
	if k := w.espo.view.Kind; len(refused) == 0 && k != "" && k == after.view.Kind && w.ownInStep(sent, &before.view, k) {
		next.Kind = record.Pair{Espo: record.Of(k), Advo: record.Of(k)}
	}
	if len(refused) == 0 || w.base != nil && !w.knows.baseless { // a first contact stays one until it succeeds
		w.base, w.knows.baseless = next, false
	}
	if len(refused) > 0 {
		w.closeUntaken(before, after)
		return w.notAccepted(fault.Advoware, refused)
	}
	return nil
}

// ownInStep reports whether the fields that only one kind has were in step before a
// write, besides those that it sent. Where they were not, the base keeps its kind: what
// it knows of them is from an earlier time of this one.
func (w *work) ownInStep(sent map[string]record.Value, before *mapping.View, kind string) bool {
	return !slices.ContainsFunc(w.m.Fields(kind), func(f mapping.Field) bool {
		if _, ok := sent[f.Key]; ok || !f.Own() {
			return false
		}
		p := record.Pair{Espo: w.espo.view.Values[f.Key], Advo: before.Values[f.Key]}
		return !p.Espo.IsAbsent() && !p.Advo.IsAbsent() && !f.Agree(p.Espo, p.Advo) && (w.base == nil || w.base.Fields[f.Key].Pair != p)
	})
}

// closeUntaken closes the history of a write that was not taken: what still
// stands was not overwritten, the rest was.
func (w *work) closeUntaken(before, after *advoState) {
	if w.tells.entry == nil {
		return
	}
	for i := range w.tells.entry.Writes {
		wr := &w.tells.entry.Writes[i]
		if wr.Side != record.Advoware || wr.State != store.WritePlanned {
			continue
		}
		if wr.State = store.WriteDone; after.view.Values[wr.Field] == before.view.Values[wr.Field] {
			wr.State = store.WriteNotDone
		}
	}
}

// matches reports whether the base's Advoware values are those of the read; only
// then may that read's rowId be remembered.
func (w *work) matches(b *store.Base, a *advoState) bool {
	for _, f := range w.m.Fields(a.view.Kind) {
		if f.Clear || f.Computed {
			continue
		}
		fb, ok := b.Fields[f.Key]
		if v := a.view.Values[f.Key]; ok && !v.IsAbsent() && reconcile.Moved(&f, fb.Pair, record.Advoware, v) {
			return false
		}
	}
	return true
}
