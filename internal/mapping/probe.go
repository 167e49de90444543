package mapping

import (
	"encoding/json"
	"slices"

	"advosync/internal/record"
)

// What follows serves doctor, which looks at real records for what the mapping
// cannot say about itself, and the draft of a mapping.

// Reading is the canonical form of what a side holds, as a field of this type reads it
// of which nothing else is said; Absent where it is no value of the type.
func Reading(t Type, side record.Side, raw json.RawMessage) record.Value {
	v, _ := plain(t).on(side, scalarOfRaw(raw))
	return v
}

// KindsOf are all kinds whose condition holds for an object of a side, in file
// order. More than one: the order in the file decides. The error names a
// condition that could not be evaluated.
func (m *Mapping) KindsOf(side record.Side, o record.Object) ([]string, error) {
	p := m.planOf(side)
	env := p.environment(p.cells(o))
	var names []string
	for i := range m.kinds {
		k := &m.kinds[i]
		c := k.condition(side)
		holds, err := c.holds(env)
		if err != nil {
			return names, m.fail(side, "", "the condition of kind "+k.name+" ("+oneLine(c.source)+") "+err.Error())
		}
		if holds {
			names = append(names, k.name)
		}
	}
	return names, nil
}

// EspoWords are EspoCRM's words in a field's values table, sorted; none: nil.
func (m *Mapping) EspoWords(key string) []string {
	i, ok := m.byKey[key]
	if !ok || m.lines[i].table == nil {
		return nil
	}
	var words []string
	for v := range m.lines[i].table.forward {
		if v.HasText() {
			words = append(words, v.Text())
		}
	}
	slices.Sort(words)
	return words
}

// Members are the members of a canonical set.
func Members(text string) []string { return membersOf(text) }

// LeadsTo is what a reference leads to: records of an entity, or users, known by an
// attribute; both "" where the field is none.
func (m *Mapping) LeadsTo(key string) (entity, user string) {
	if i, ok := m.byKey[key]; ok && m.lines[i].ref != nil {
		return m.lines[i].ref.entity, m.lines[i].ref.user
	}
	return "", ""
}
