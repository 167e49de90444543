package mapping

import "advosync/internal/record"

// MatchValues is the natural key of one side: values by match name, of the fields of
// the view's kind, in a form in which two that agree by their field's type are equal:
// texts without case and repeated blanks, addresses on the web without the case of their
// host. A match name without a field in that kind, or without a known value, is left out.
func (m *Mapping) MatchValues(v View, _ record.Side) map[string]record.Value {
	out := map[string]record.Value{}
	for _, name := range m.match {
		for i := range m.lines {
			l := &m.lines[i]
			if l.Espo != name || l.Clear || !l.active(v.Kind) {
				continue
			}
			if value := v.Values[l.Key]; !value.IsAbsent() && !out[name].HasText() {
				out[name] = l.agreed(value)
			}
		}
	}
	return out
}

// agreed is the form in which two values that Agree are equal.
func (f *Field) agreed(v record.Value) record.Value {
	if v.IsUnmapped() || !v.HasText() {
		return v
	}
	if f.Reference {
		return v
	}
	switch f.Type {
	case "", String, Text, Phone, Email:
		return record.Of(record.Fold(v.Text()))
	case URL:
		return record.Of(foldURL(v.Text()))
	case Set:
		return record.Of(foldedSet(v.Text()))
	default:
		return v
	}
}

// Matches reports whether two natural keys name the same record: every name
// that has content on both sides agrees, and there is at least one.
func Matches(a, b map[string]record.Value) bool {
	agreed := 0
	for name, va := range a {
		vb := b[name]
		if !va.HasText() || !vb.HasText() {
			continue
		}
		if va != vb {
			return false
		}
		agreed++
	}
	return agreed > 0
}
