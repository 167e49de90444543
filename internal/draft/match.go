package draft

import (
	"fmt"
	"slices"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// line is a proposal: an attribute and a key that may mean the same, and why.
type line struct {
	attribute attribute
	key       key
	typ       mapping.Type
	table     []row  // of a field with a fixed choice
	empty     string // JSON of what Advoware holds for none; "" nothing but null
	seen      evidence
	names     float64 // how much the names are alike
	worth     float64
	sure      bool // in force; else commented out
}

// row is a word of EspoCRM's and the JSON of Advoware's.
type row struct{ espo, advo string }

// evidence is what the samples say of an attribute and a key.
type evidence struct {
	pairs  int // linked records
	both   int // of them filled on both sides
	equal  int // of those the same
	kinds  int // different values among the equal ones
	shared int // without pairs: values that both systems hold somewhere
}

// holds: nearly all that could be compared is the same.
func (e evidence) holds() bool { return e.both > 0 && e.equal*10 >= e.both*9 }

// worth is what the values alone say: 1 that it is so, 0 nothing, -1 that it is not.
func (e evidence) worth(t mapping.Type) float64 {
	switch {
	case e.both == 0 && e.shared >= 3:
		return 0.5
	case e.both == 0:
		return 0
	case e.holds() && e.kinds >= 2 && t != mapping.Bool:
		return 1
	case e.holds() && e.kinds >= 2:
		return 0.6
	case e.holds():
		return 0.4
	}
	return -1
}

// match proposes lines, each attribute and key once, the best first.
func (s *Source) match(espo []attribute, advo []key) []line {
	v := s.read(espo, advo)
	var all []line
	for i := range espo {
		for j := range advo {
			if l, ok := v.judge(espo[i], advo[j]); ok {
				all = append(all, l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b line) int {
		switch {
		case a.worth != b.worth:
			return map[bool]int{true: -1, false: 1}[a.worth > b.worth]
		case a.attribute.name != b.attribute.name:
			return strings.Compare(a.attribute.name, b.attribute.name)
		}
		return strings.Compare(a.key.name, b.key.name)
	})
	taken := map[string]bool{}
	var out []line
	for _, l := range all {
		if !taken["e"+l.attribute.name] && !taken["a"+l.key.name] {
			taken["e"+l.attribute.name], taken["a"+l.key.name] = true, true
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b line) int { return strings.Compare(a.attribute.name, b.attribute.name) })
	return out
}

// values are the canonical values of all samples, by name and type.
type values struct {
	pairs       int
	espo, advo  map[string]map[mapping.Type][]record.Value // of the pairs
	espoAlone   map[string]map[string]bool                 // texts that EspoCRM's samples hold
	advoAlone   map[string]map[string]bool
	wire        map[string][]string // JSON of Advoware's pairs
	withoutPair bool
}

func (s *Source) read(espo []attribute, advo []key) *values {
	v := &values{pairs: len(s.Pairs), withoutPair: len(s.Pairs) == 0,
		espo: map[string]map[mapping.Type][]record.Value{}, advo: map[string]map[mapping.Type][]record.Value{},
		espoAlone: map[string]map[string]bool{}, advoAlone: map[string]map[string]bool{}, wire: map[string][]string{}}
	var all []mapping.Type
	for _, a := range espo {
		for _, t := range a.types {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
		if !slices.Contains(a.types, mapping.String) {
			a.types = append(slices.Clone(a.types), mapping.String)
		}
		v.espo[a.name] = s.readings(record.EspoCRM, a.name, a.types)
		v.espoAlone[a.name] = texts(s.Espo, record.EspoCRM, a.name)
	}
	if !slices.Contains(all, mapping.String) {
		all = append(all, mapping.String)
	}
	for _, k := range advo {
		v.advo[k.name] = s.readings(record.Advoware, k.name, all)
		v.advoAlone[k.name] = texts(s.Advo, record.Advoware, k.name)
		for _, p := range s.Pairs {
			v.wire[k.name] = append(v.wire[k.name], string(at(p.Advo, k.name)))
		}
	}
	return v
}

func (s *Source) readings(side record.Side, name string, types []mapping.Type) map[mapping.Type][]record.Value {
	out := map[mapping.Type][]record.Value{}
	for _, t := range types {
		for _, p := range s.Pairs {
			o := p.Espo
			if side == record.Advoware {
				o = p.Advo
			}
			out[t] = append(out[t], mapping.Reading(t, side, at(o, name)))
		}
	}
	return out
}

// texts are what samples hold under a name, but for what is too short to say anything.
func texts(samples []record.Object, side record.Side, name string) map[string]bool {
	out := map[string]bool{}
	for _, o := range samples {
		if text := mapping.Reading(mapping.String, side, at(o, name)).Text(); len(text) > 3 {
			out[record.Fold(text)] = true
		}
	}
	return out
}

// judge looks at one attribute and one key; false: nothing speaks for them.
func (v *values) judge(a attribute, k key) (line, bool) {
	best := line{attribute: a, key: k, typ: a.types[0], names: alike(a.words, k.words), worth: -2}
	for _, t := range a.types {
		l := best
		l.typ, l.table = t, nil
		l.seen, l.empty = v.compare(a, k, t)
		if a.options != nil && !l.seen.holds() {
			if rows, seen := v.table(a, k); rows != nil {
				l.table, l.seen = rows, seen
			}
		}
		if l.worth = 2*l.seen.worth(t) + l.names; l.worth > best.worth {
			best = l
		}
	}
	said := best.seen.worth(best.typ)
	best.sure = said == 1 || said >= 0.4 && best.names > 0.3 || said >= 0 && best.names == 1
	return best, best.sure || best.names >= 0.5
}

// sharedBy is how many values both have, where records are not paired.
func (v *values) sharedBy(a attribute, k key) (n int) {
	for text := range v.espoAlone[a.name] {
		if v.advoAlone[k.name][text] {
			n++
		}
	}
	return n
}

// compare holds the pairs against each other under one type.
func (v *values) compare(a attribute, k key, t mapping.Type) (e evidence, empty string) {
	e.pairs = v.pairs
	if v.withoutPair {
		e.shared = v.sharedBy(a, k)
		return e, ""
	}
	field := mapping.Field{Type: t}
	kinds, alone, wires := map[string]bool{}, map[string]int{}, map[string]string{}
	for i := range v.pairs {
		espo, advo := v.espo[a.name][t][i], v.advo[k.name][t][i]
		filled := v.espo[a.name][mapping.String][i].HasText()
		if !v.advo[k.name][mapping.String][i].HasText() {
			continue
		}
		switch {
		case !filled && t != mapping.Bool:
			alone[advo.Text()]++
			wires[advo.Text()] = v.wire[k.name][i]
		case filled:
			if e.both++; espo.HasText() && field.Equal(espo, advo) {
				e.equal++
				kinds[espo.Text()] = true
			}
		}
	}
	e.kinds = len(kinds)
	for text, n := range alone {
		if len(alone) == 1 && n >= 2 && text != "" && !kinds[text] && standsForNone(t) {
			return e, wires[text] // one and the same wherever EspoCRM has none
		}
		e.both += n
	}
	return e, ""
}

// standsForNone: of such a type a system without empty values has one that means none.
func standsForNone(t mapping.Type) bool {
	return t == mapping.Date || t == mapping.Datetime || t == mapping.Int
}

// table finds which of Advoware's words stands for which of EspoCRM's; nil: none does.
func (v *values) table(a attribute, k key) ([]row, evidence) {
	forward, backward, wires := map[string]string{}, map[string]string{}, map[string]string{}
	e := evidence{pairs: v.pairs}
	for i := range v.pairs {
		espo, advo := v.espo[a.name][mapping.String][i].Text(), v.advo[k.name][mapping.String][i].Text()
		if espo == "" && advo == "" {
			continue
		}
		if espo != "" && !slices.Contains(a.options, espo) || advo == "" {
			return nil, e
		}
		if to, known := forward[espo]; known && to != advo {
			return nil, e
		}
		if from, known := backward[advo]; known && from != espo {
			return nil, e
		}
		forward[espo], backward[advo], wires[espo] = advo, espo, v.wire[k.name][i]
		e.both++
	}
	e.equal, e.kinds = e.both, len(forward)
	if e.kinds < 2 || e.both < 2*e.kinds { // each word seen once says nothing
		return nil, e
	}
	var rows []row
	for _, o := range append(slices.Clone(a.options), "") {
		if to, seen := wires[o]; seen {
			rows = append(rows, row{o, to})
		}
	}
	return rows, e
}

// why is the reason of a proposal, as a sentence.
func (l *line) why() string {
	var said []string
	switch e := l.seen; {
	case l.table != nil:
		said = append(said, fmt.Sprintf("in %d linked records one word of Advoware stands for one of EspoCRM's", e.both))
	case e.both > 0 && l.seen.holds():
		said = append(said, fmt.Sprintf("equal in %d of the %d linked records that have a value", e.equal, e.both))
	case e.both > 0:
		said = append(said, fmt.Sprintf("but different in %d of the %d linked records that have a value", e.both-e.equal, e.both))
	case e.shared > 0:
		said = append(said, fmt.Sprintf("%d values are in both systems", e.shared))
	case e.pairs > 0:
		said = append(said, "no linked record has a value on both sides")
	default:
		said = append(said, "no linked record could be compared")
	}
	names := "the names have a word in common"
	switch {
	case l.names == 1:
		names = "the names mean the same"
	case l.names == 0:
		names = "the names say nothing"
	}
	if l.seen.both > 0 && !l.seen.holds() {
		return names + ", " + strings.Join(said, ", ")
	}
	return strings.Join(append(said, names), "; ")
}
