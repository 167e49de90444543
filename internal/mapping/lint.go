package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// lint finds what parses and compiles but cannot work.
func (p *parsing) lint(m *Mapping) {
	p.lintMatch(m)
	p.lintGroups(m)
	p.lintContacts(m)
	p.lintOmit(m)
	p.lintTargets(m)
	for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
		p.lintConditions(m, side)
	}
}

func (p *parsing) lintMatch(m *Mapping) {
	var names []string
	for i := range m.lines {
		if m.lines[i].Espo != "" {
			names = append(names, m.lines[i].Espo)
		}
	}
	for i, name := range m.match {
		if strings.Contains(name, "[") {
			p.add(p.matchAt.Items[i], "EspoCRM's lists do not show several addresses and numbers, so no record is found by them; %s shows the primary one", contactOf(name).member)
		} else if slices.ContainsFunc(m.lines, func(l line) bool { return l.Espo == name && l.ref != nil }) {
			p.add(p.matchAt.Items[i], "%s leads to another record, and says nothing about this one", name)
		} else if !slices.Contains(names, name) {
			p.suggest(p.matchAt.Items[i], names, name, "%s is not the EspoCRM name of any field below", name)
		}
	}
}

// target is one place that a record of a kind gets written.
type target struct {
	side record.Side
	name string
	at   strictyaml.Node
}

// lintTargets refuses two writes to one name, and one pair of names twice,
// within the common fields and any one kind.
func (p *parsing) lintTargets(m *Mapping) {
	common := p.targets(m, -1)
	p.clashes(nil, common)
	p.twins(m, -1)
	for k := range m.kinds {
		p.clashes(common, p.targets(m, k))
		p.twins(m, k)
	}
}

func (p *parsing) targets(m *Mapping, kind int) []target {
	var out []target
	for i := range m.lines {
		if p.fields[i].kind != kind {
			continue
		}
		for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
			if l := &m.lines[i]; l.writes(side) {
				name := l.Espo
				if side == record.Advoware {
					name = l.Advo
				}
				out = append(out, target{side, name, p.fields[i].node})
			}
		}
	}
	for _, c := range p.clears {
		if c.kind == kind {
			out = append(out, target{record.Side(c.side), c.name, c.node})
		}
	}
	return out
}

func (p *parsing) clashes(earlier, targets []target) {
	seen := slices.Clone(earlier)
	for _, t := range targets {
		for _, s := range seen {
			if s.side == t.side && overlap(s.name, t.name) {
				p.add(t.at, "%s is already written on the %s side by line %d", t.name, t.side, s.at.Line)
				break
			}
		}
		seen = append(seen, t)
	}
}

// overlap: the same name, or one inside the other.
func overlap(a, b string) bool { return a == b || inside(a, b) || inside(b, a) }

func inside(a, b string) bool {
	rest, ok := strings.CutPrefix(a, b)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}

func (p *parsing) twins(m *Mapping, kind int) {
	seen := map[string]int{}
	for i := range m.lines {
		if k := p.fields[i].kind; k != kind && k != -1 {
			continue
		}
		key := baseKey(m.lines[i].Field)
		if line, twice := seen[key]; twice && p.fields[i].kind == kind {
			if !m.lines[i].Computed { // two computed lines of one target clash already
				p.add(p.fields[i].node, "this pair of names stands in line %d already", line)
			}
			continue
		}
		seen[key] = p.fields[i].node.Line
	}
}

// maxProbes bounds the sample records per side.
const maxProbes = 4096

// lintConditions tries the conditions of one side on small sample records: each
// name blank, filled, or one of the texts that the conditions compare with.
func (p *parsing) lintConditions(m *Mapping, side record.Side) {
	if len(m.kinds) == 0 {
		return
	}
	var rows [][]bool // sample record → kind → holds
	var gap string
	for _, probe := range probes(m, side) {
		row, ok := m.tryAll(side, probe)
		if !ok {
			continue
		}
		rows = append(rows, row)
		if gap == "" && count(row) == 0 {
			gap = describe(probe)
		}
	}
	if len(rows) == 0 {
		return
	}
	p.shadowed(m, side, rows)
	where := p.prefix() + "kinds, " + string(side) + " side: "
	if gap != "" {
		m.warnings = append(m.warnings, where+"no kind applies to a record with "+gap+"; such records will fail")
	}
	for _, row := range rows {
		if both := overlapping(m, row, rows); both != "" {
			m.warnings = append(m.warnings, where+both+"; the first one applies")
			break
		}
	}
}

// shadowed refuses a kind whose condition only holds where an earlier one does.
func (p *parsing) shadowed(m *Mapping, side record.Side, rows [][]bool) {
	for k := range m.kinds {
		possible := slices.ContainsFunc(rows, func(row []bool) bool { return row[k] })
		first := slices.ContainsFunc(rows, func(row []bool) bool { return row[k] && count(row[:k]) == 0 })
		if !possible || first {
			continue
		}
		when, _ := p.kindAt[k].Get("when")
		at, _ := when.Get(string(side))
		p.add(at, "kind %s can never apply: whenever this holds, so does the condition of a kind above it", m.kinds[k].name)
	}
}

func (p *parsing) prefix() string {
	if p.file == "" {
		return ""
	}
	return p.file + ": "
}

// overlapping names two kinds that both hold in row. A last kind that always
// holds is meant as the rest: its place in the order explains it.
func overlapping(m *Mapping, row []bool, rows [][]bool) string {
	first := -1
	for k := range row {
		always := !slices.ContainsFunc(rows, func(r []bool) bool { return !r[k] })
		switch {
		case !row[k] || (always && k == len(row)-1):
		case first < 0:
			first = k
		default:
			return fmt.Sprintf("%s and %s can both hold for one record", m.kinds[first].name, m.kinds[k].name)
		}
	}
	return ""
}

func count(row []bool) int {
	n := 0
	for _, b := range row {
		if b {
			n++
		}
	}
	return n
}

// tryAll evaluates all conditions of a side; false when one cannot be (the
// sample has the wrong types for it).
func (m *Mapping) tryAll(side record.Side, probe map[string]any) ([]bool, bool) {
	row := make([]bool, len(m.kinds))
	for k := range m.kinds {
		b, err := m.kinds[k].condition(side).holds(probe)
		if err != nil {
			return nil, false
		}
		row[k] = b
	}
	return row, true
}

func probes(m *Mapping, side record.Side) []map[string]any {
	values := []any{"", "x"}
	names := map[string]bool{}
	for k := range m.kinds {
		e := m.kinds[k].condition(side)
		for _, name := range e.names {
			names[name] = true
		}
		for _, literal := range e.literals {
			if !slices.Contains(values, literal) {
				values = append(values, literal)
			}
		}
	}
	out := []map[string]any{{}}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		use := values
		if len(out)*len(use) > maxProbes {
			use = values[:2]
		}
		if len(out)*len(use) > maxProbes {
			use = values[:1]
		}
		next := make([]map[string]any, 0, len(out)*len(use))
		for _, probe := range out {
			for _, v := range use {
				more := maps.Clone(probe)
				more[name] = v
				next = append(next, more)
			}
		}
		out = next
	}
	return out
}

func describe(probe map[string]any) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(probe)) {
		switch v := probe[name]; v {
		case "":
			parts = append(parts, name+" blank")
		case "x":
			parts = append(parts, name+" filled")
		default:
			parts = append(parts, fmt.Sprintf("%s = %v", name, v))
		}
	}
	if len(parts) == 0 {
		return "any content"
	}
	return strings.Join(parts, ", ")
}
