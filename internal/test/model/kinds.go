package model

import "fmt"

// rekinding are changes of kind: one save empties what the record was called, and gives
// it a name of the other kind.
func (x *explorer) rekinding(s state, out []edge) []edge {
	if !x.sc.Kinds {
		return out
	}
	become := func(side string, f int, w int) string {
		return fmt.Sprintf("somebody makes a %s %q of it in %s", kindNames[f], word(w), side)
	}
	if s.editsE < x.sc.Budget.EspoEdits && !s.gone {
		f := 0
		if x.kind(s.e) == person {
			f = 1
		}
		for _, w := range x.sc.EspoWords {
			t := x.typeEspo(x.typeEspo(s, 1-f, blank), f, word(w))
			t.editsE, t.eVer = s.editsE+1, s.eVer+1
			out = append(out, edge{become("EspoCRM", f, w), t})
		}
	}
	if r := s.linkedOrPosted(); s.editsA < x.sc.Budget.AdvoEdits && r >= 0 && s.a[r].there && s.pc != sendAdvo {
		f := 0
		if x.kind(s.a[r].v) == person {
			f = 1
		}
		for _, w := range x.sc.AdvoWords {
			t := x.typeAdvo(x.typeAdvo(s, r, 1-f, blank), r, f, word(w))
			t.editsA, t.a[r].row = s.editsA+1, s.a[r].row+1
			out = append(out, edge{become("Advoware", f, w), t})
		}
	}
	return out
}

// together is the bit of two values that stand side by side.
func together(v [fields]val) uint64 {
	at := func(v val) int {
		if v < word0 {
			return 0
		}
		return 1 + int(v-word0)/forms
	}
	return 1 << (at(v[0])*(len(words)+1) + at(v[1]))
}
