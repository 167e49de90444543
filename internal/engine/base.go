package engine

import (
	"maps"

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
			out.Fields[key] = fb
		}
	}
	if len(m.Kinds()) == 0 {
		out.Kind = record.Pair{}
	}
	return &out
}

// forDecision is the base in the form that the decision takes.
func forDecision(b *store.Base) *reconcile.Base {
	if b == nil {
		return nil
	}
	out := &reconcile.Base{Kind: b.Kind, Fields: make(map[string]record.Pair, len(b.Fields))}
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
// decision: exactly the two values compared (B4).
func (w *work) agree(d reconcile.Decision) {
	if len(d.Agreed) == 0 {
		return
	}
	w.baseless = w.baseless || w.base == nil
	w.base = clone(w.base)
	for key, p := range d.Agreed {
		w.setBase(w.base, key, p)
	}
}

// sentPair remembers what a system made of a value, for this run only.
type sentPair struct {
	key        string
	sent, read record.Value
}

// advance moves the working base after a write to Advoware and its read-back,
// for the fields that were sent only (B2): EspoCRM's half is the source of what
// was sent, Advoware's half is what was read when it is the sent value or the
// system's own form of it, else the value sent, so that what differs counts as
// somebody's edit. A value that did not arrive at all is the record's failure.
func (w *work) advance(sent map[string]record.Value, before, after *advoState) error {
	arrived := false
	var refused []string
	for key, v := range sent {
		if r := after.view.Values[key]; w.ownForm(key, v, r) && !record.FoldEqual(before.view.Values[key], r) {
			arrived = true
		}
	}
	next := clone(w.base)
	for key, v := range sent {
		r := after.view.Values[key]
		switch {
		case w.ownForm(key, v, r):
			w.setBase(next, key, record.Pair{Espo: w.espo.view.Values[key], Advo: r})
		case (r == before.view.Values[key] || r.IsAbsent()) && !arrived:
			refused = append(refused, key)
		default:
			w.setBase(next, key, record.Pair{Espo: w.espo.view.Values[key], Advo: v})
		}
		w.seen = append(w.seen, sentPair{key, v, r})
	}
	if len(refused) > 0 {
		return w.notAccepted(fault.Advoware, refused)
	}
	w.base, w.baseless = next, false
	return nil
}

// ownForm reports whether read is the system's own form of sent: the same, the
// same after folding, cut, or what this pair was seen to become before (design
// page 2, "Own form or foreign edit").
func (w *work) ownForm(key string, sent, read record.Value) bool {
	if record.OwnForm(sent, read) {
		return true
	}
	if w.base != nil {
		if b, ok := w.base.Fields[key]; ok && b.Espo == sent && b.Advo == read && sent.HasText() && read.HasText() {
			return true
		}
	}
	for _, s := range w.seen {
		if s.key == key && s.sent == sent && s.read == read && sent != read && !read.IsAbsent() {
			return true
		}
	}
	return false
}

// matches reports whether the base's Advoware values are those of the read; only
// then may that read's rowId be remembered (B5).
func (w *work) matches(b *store.Base, a *advoState) bool {
	for _, f := range w.m.Fields(a.view.Kind) {
		if f.Clear || f.Computed {
			continue
		}
		fb, ok := b.Fields[f.Key]
		if v := a.view.Values[f.Key]; ok && !v.IsAbsent() && fb.Advo != v {
			return false
		}
	}
	return true
}
