package mapping

import "advosync/internal/record"

// Retyped is a base's pair of a field, stored under another type of it (or scale, region,
// empty values), as the one in force reads it. A half that it cannot read is known to nobody.
func (m *Mapping) Retyped(key string, p record.Pair) record.Pair {
	i, ok := m.byKey[key]
	if !ok {
		return p
	}
	l := &m.lines[i]
	return record.Pair{Espo: l.retyped(p.Espo), Advo: l.retyped(p.Advo)}
}

func (l *line) retyped(v record.Value) record.Value {
	if l.table != nil || l.ref != nil || l.advoSpace() || v.IsUnmapped() || !v.HasText() && !v.IsEmpty() {
		return v
	}
	again, why := l.codec.canonical(scalar{scalarNumber, v.Text()}) // an empty bool is false; 1.905 is no thousand here
	if why != "" {
		return record.Unknown()
	}
	return again
}
