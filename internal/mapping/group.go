package mapping

import (
	"slices"

	"advosync/internal/mapping/strictyaml"
)

// groupSource is one entry of `groups` and where it stands.
type groupSource struct {
	name   string
	policy Policy
	at     strictyaml.Node
}

// together reads what a field says about conflicts. A field that travels one way has
// none.
func (p *parsing) together(n strictyaml.Node, l *line) {
	group, groupAt := p.text(n, "group")
	if group != "" && !entityName.MatchString(group) {
		p.add(groupAt, "must be letters, digits, _ and -, and begin with a letter")
	}
	policy := Policy(p.oneOf(n, "policy", PolicyNames()...))
	if (group != "" || policy != "") && l.Direction != Both {
		p.add(n, "group and policy are for conflicts; a field with direction %s has none", l.Direction)
	}
	if group != "" && policy != "" {
		at, _ := n.Get("policy")
		p.add(at, "a field of a group is decided with its group; put the policy under groups: {%s: {policy: %s}}", group, policy)
	}
	l.Group, l.Policy = group, policy
}

// groupList reads `groups` and gives each field the policy of its group.
func (p *parsing) groupList(root strictyaml.Node, m *Mapping) {
	n, ok := root.Get("groups")
	if ok && n.Kind != strictyaml.Null && n.Kind != strictyaml.Map {
		p.add(n, "must be a map: the name of a group to its policy")
	}
	for _, pair := range n.Pairs {
		if p.keys(pair.Value, "policy") {
			p.groups = append(p.groups, groupSource{
				name: pair.Name, policy: Policy(p.oneOf(pair.Value, "policy", PolicyNames()...)),
				at: strictyaml.Node{Line: pair.Line, Column: pair.Column, Key: pair.Value.Key},
			})
		}
	}
	for _, g := range p.groups {
		for i := range m.lines {
			if l := &m.lines[i]; l.Group == g.name {
				l.Policy = g.policy
			}
		}
	}
}

// lintGroups refuses a group without fields, and warns about one that joins nothing:
// either is most often a misspelt name.
func (p *parsing) lintGroups(m *Mapping) {
	names, size := []string{}, map[string]int{}
	for i := range m.lines {
		if g := m.lines[i].Group; g != "" {
			if size[g]++; size[g] == 1 {
				names = append(names, g)
			}
		}
	}
	for _, g := range p.groups {
		if size[g.name] == 0 {
			p.suggest(g.at, names, g.name, "no field is in this group")
		}
	}
	for _, name := range names {
		if size[name] != 1 {
			continue
		}
		others, meant := slices.DeleteFunc(slices.Clone(names), func(other string) bool { return other == name }), ""
		if near := strictyaml.Nearest(name, others); near != "" {
			meant = " (did you mean " + near + "?)"
		}
		m.warnings = append(m.warnings, p.prefix()+"group "+name+" has one field only; a group joins several"+meant)
	}
}
