package engine

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
// somebody's edit. A value that did not arrive at all is the record's failure;
// where another one did arrive, both sides count as changed, as in R3: it may be
// a person's edit, and neither value may be dropped without a conflict.
func (w *work) advance(sent map[string]record.Value, before, after *advoState) error {
	arrived := false
	for key, v := range sent {
		r, b := after.view.Values[key], before.view.Values[key]
		arrived = arrived || w.ownForm(key, v, r) && !record.FoldEqual(b, r)
	}
	next := clone(w.base)
	if k := w.espo.view.Kind; k != "" && k == after.view.Kind && w.ownInStep(sent, &before.view, k) {
		next.Kind = record.Pair{Espo: record.Of(k), Advo: record.Of(k)}
	}
	var refused []string
	for key, v := range sent {
		r, b := after.view.Values[key], before.view.Values[key]
		asBefore := r.IsAbsent() || r == b && !record.FoldEqual(v, r)
		switch {
		case w.ownForm(key, v, r) && !(asBefore && !knownCut(w.base, key, r)):
			w.setBase(next, key, record.Pair{Espo: w.espo.view.Values[key], Advo: r})
			w.seen = append(w.seen, sentPair{key, v, r})
		case asBefore && !arrived:
			refused = append(refused, key)
		case asBefore:
			if fb, ok := next.Fields[key]; ok {
				w.setBase(next, key, record.Pair{Espo: fb.Espo, Advo: v})
			}
		default:
			w.setBase(next, key, record.Pair{Espo: w.espo.view.Values[key], Advo: v})
		}
	}
	if len(refused) > 0 {
		w.closeUntaken(before, after)
		return w.notAccepted(fault.Advoware, refused)
	}
	w.base, w.baseless = next, false
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
		return !p.Espo.IsAbsent() && !p.Advo.IsAbsent() && !record.Agree(p.Espo, p.Advo) && (w.base == nil || w.base.Fields[f.Key].Pair != p)
	})
}

// knownCut reports whether Advoware is known to cut the field to this value: a
// read that shows the value before, and looks cut, is else one that was not
// taken.
func knownCut(base *store.Base, key string, read record.Value) bool {
	if base == nil {
		return false
	}
	b, ok := base.Fields[key]
	return ok && b.Advo == read && b.Espo != read && record.OwnForm(b.Espo, read)
}

// closeUntaken closes the history of a write that was not taken: what still
// stands was not overwritten, the rest was.
func (w *work) closeUntaken(before, after *advoState) {
	if w.entry == nil {
		return
	}
	for i := range w.entry.Writes {
		wr := &w.entry.Writes[i]
		if wr.Side != record.Advoware || wr.State != store.WritePlanned {
			continue
		}
		if wr.State = store.WriteDone; after.view.Values[wr.Field] == before.view.Values[wr.Field] {
			wr.State = store.WriteNotDone
		}
	}
}

// ownForm reports whether read is the system's own form of sent: the same, the
// same after folding, cut, or what this pair was seen to become before (docs/design/protocol.md, "One announcement, one table").
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
		if v := a.view.Values[f.Key]; ok && !v.IsAbsent() && fb.Moved(record.Advoware, v) {
			return false
		}
	}
	return true
}
