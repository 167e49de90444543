package sides

import (
	"maps"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/store"
)

// Usable is the part of a stored base that still means the same under the mapping in
// force: a field whose definition changed has no base.
func Usable(m *mapping.Mapping, b *store.Base) *store.Base {
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

// ForDecision is a base in the form that the decision takes.
func ForDecision(m *mapping.Mapping, b *store.Base) *reconcile.Base {
	if b == nil {
		return nil
	}
	// Without lastSync it is what little is known of a conflict that waits, or of a
	// write that was cut off.
	settled := b.LastSync != "" || b.Mapping != "" && b.Mapping != m.Fingerprint()
	return &reconcile.Base{Kind: b.Kind, Settled: settled, Fields: Pairs(b)}
}

// Pairs are a base's pairs, by field key.
func Pairs(b *store.Base) map[string]record.Pair {
	out := make(map[string]record.Pair, len(b.Fields))
	for key, fb := range b.Fields {
		out[key] = fb.Pair
	}
	return out
}

// Clone copies a base, so that a planned one can differ from the working one; of none it
// makes an empty one.
func Clone(b *store.Base) *store.Base {
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

// Set stores one field's pair. A pair with an absent half is no base.
func Set(m *mapping.Mapping, b *store.Base, key string, p record.Pair) {
	f, ok := m.Field(key)
	if !ok || f.Clear || p.Espo.IsAbsent() || p.Advo.IsAbsent() {
		return
	}
	b.Fields[key] = store.FieldBase{Pair: p, Def: f.Def}
}

// Answered marks EspoCRM's half of a field's base as one that no read has shown yet.
func Answered(b *store.Base, key string) {
	if fb, ok := b.Fields[key]; ok && fb.Espo != record.Unknown() {
		fb.Answered = true
		b.Fields[key] = fb
	}
}

// Outdated reports whether a base rests on another rowId and an older sync than those
// that EspoCRM carries. It says nothing where either is not known.
func Outdated(b *store.Base, rowID, lastSync string) bool {
	return b != nil && b.RowID != "" && rowID != "" && b.RowID != rowID && b.LastSync != "" && lastSync > b.LastSync
}

// rekinded reports whether EspoCRM shows another kind than the base has.
func rekinded(b *store.Base, v *mapping.View) bool {
	return !b.Kind.Espo.IsAbsent() && b.Kind.Espo.Text() != v.Kind
}

// EspoMoved reports whether EspoCRM holds something that may have to go to Advoware.
func EspoMoved(m *mapping.Mapping, b *store.Base, v *mapping.View) bool {
	return rekinded(b, v) || left(m, b, record.EspoCRM, v, func(f *mapping.Field) bool { return f.Direction != mapping.ToEspocrm })
}

// AdvoMoved reports whether Advoware shows something else than the base's half of it; only
// where it does not may that read's rowId be remembered.
func AdvoMoved(m *mapping.Mapping, b *store.Base, v *mapping.View) bool {
	return left(m, b, record.Advoware, v, func(f *mapping.Field) bool { return !f.Computed })
}

// left reports whether a side has left its half of the base in a field that counts.
func left(m *mapping.Mapping, b *store.Base, s record.Side, v *mapping.View, counts func(*mapping.Field) bool) bool {
	fields := m.Fields(v.Kind)
	for i := range fields {
		f := &fields[i]
		fb, based := b.Fields[f.Key]
		if based && !f.Clear && counts(f) && reconcile.Moved(f, fb.Pair, s, v.Values[f.Key]) {
			return true
		}
	}
	return false
}

// EspoIsBase reports whether EspoCRM holds exactly what the base holds, field by field and
// under the mapping in force, so that only Advoware could have something new. It is more
// than that EspoCRM has not moved: no field lacks a base, and none is unreadable.
func EspoIsBase(m *mapping.Mapping, b *store.Base, v *mapping.View) bool {
	if b == nil || b.Mapping != m.Fingerprint() || len(v.Broken) > 0 || rekinded(b, v) {
		return false
	}
	for _, f := range m.Fields(v.Kind) {
		if f.Clear || f.Computed && f.Direction == mapping.ToAdvoware {
			continue
		}
		fb, ok := b.Fields[f.Key]
		if !ok || fb.Def != f.Def || v.Values[f.Key] != fb.Espo {
			return false
		}
	}
	return true
}

// Lacks reports whether there is a field of a kind that no base can decide.
func Lacks(m *mapping.Mapping, b *store.Base, kind string) bool {
	return b == nil || slices.ContainsFunc(m.Fields(kind), func(f mapping.Field) bool {
		_, based := b.Fields[f.Key]
		return !based && f.Direction == mapping.Both
	})
}

// NeverSynced names a field in which Advoware holds a value without a base: nobody knows
// that EspoCRM ever had it. "": there is none.
func NeverSynced(m *mapping.Mapping, b *store.Base, v *mapping.View) string {
	for _, f := range m.Fields(v.Kind) {
		_, known := b.Fields[f.Key]
		if !known && f.Direction != mapping.ToAdvoware && !f.Clear && !f.Computed && v.Values[f.Key].HasText() {
			return f.Advo
		}
	}
	return ""
}

// OwnInStep reports whether the fields that only one kind has were in step before a write,
// besides those that it sent. Where they were not, the base keeps its kind: what it knows
// of them is from an earlier time of this one.
func OwnInStep(m *mapping.Mapping, b *store.Base, espo, advo *mapping.View, sent map[string]record.Value) bool {
	for _, f := range m.Fields(espo.Kind) {
		p := record.Pair{Espo: espo.Values[f.Key], Advo: advo.Values[f.Key]}
		_, wrote := sent[f.Key]
		if !wrote && f.Own() && !p.Espo.IsAbsent() && !p.Advo.IsAbsent() && !f.Agree(p.Espo, p.Advo) && (b == nil || b.Fields[f.Key].Pair != p) {
			return false
		}
	}
	return true
}
