package reconcile

import (
	"advosync/internal/record"
	"advosync/internal/result"
)

// Fields are the decision's changes as a result shows them.
func (d Decision) Fields(values bool) []result.Field {
	out := []result.Field{}
	for _, c := range d.Changes {
		f := result.Field{Espocrm: c.Field.Espo, Advoware: c.Field.Advo, Changed: c.Moved, Target: c.Target, Overruled: c.Overruled()}
		if values {
			f.Values = shownValues(c, d.Action == Post)
		}
		out = append(out, f)
	}
	return out
}

// shownValues are a field's three values; what is not known is named, so that
// it is not taken for empty. Of a record that is not in Advoware yet, Advoware's
// values are known: none.
func shownValues(c Change, creates bool) *result.Values {
	v := &result.Values{Espocrm: result.Shown(c.Espo), Advoware: result.Shown(c.Advo)}
	if c.Espo.IsAbsent() {
		v.Absent = append(v.Absent, string(record.EspoCRM))
	}
	if c.Base == (record.Pair{}) {
		v.Absent = append(v.Absent, "base")
	} else {
		v.Base = result.Shown(c.Base.Espo)
	}
	if c.Advo.IsAbsent() && c.Field.Advo != "" && !creates {
		v.Absent = append(v.Absent, string(record.Advoware))
	}
	return v
}
