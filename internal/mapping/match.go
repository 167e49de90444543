package mapping

import "advosync/internal/record"

// MatchValues is the natural key of one side: canonical values by match name,
// of the fields of the view's kind. A match name
// without a field in that kind, or without a known value, is left out.
func (m *Mapping) MatchValues(v View, _ record.Side) map[string]record.Value {
	out := map[string]record.Value{}
	for _, name := range m.match {
		for i := range m.lines {
			l := &m.lines[i]
			if l.Espo != name || l.Clear || !l.active(v.Kind) {
				continue
			}
			if value := v.Values[l.Key]; !value.IsAbsent() && !out[name].HasText() {
				out[name] = value
			}
		}
	}
	return out
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
		if va != vb && !record.Agree(va, vb) {
			return false
		}
		agreed++
	}
	return agreed > 0
}
