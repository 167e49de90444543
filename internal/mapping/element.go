package mapping

import (
	"strings"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// element is what becomes of an element of a list that a field picks.
type element struct {
	fresh  record.Patch // its other keys, where it is made
	remove bool         // taken out when the field is cleared
}

// advoFieldName checks a dotted name, of which one part may pick an element of a list:
// kommunikation[kommArt=1].tlf.
func (p *parsing) advoFieldName(at strictyaml.Node, name string) {
	plain := name
	if picks := listName.FindAllString(name, -1); len(picks) == 1 {
		plain = listName.ReplaceAllString(name, ".")
	}
	switch {
	case name == "" || advoName.MatchString(plain):
	case strings.HasSuffix(name, "]"):
		p.add(at, "is an element of a list; say which of its fields, such as %s.name", name)
	case strings.ContainsAny(name, "[]"):
		p.add(at, "is no name of an Advoware field; an element of a list is written as in kommunikation[kommArt=1].tlf, once in a name")
	default:
		p.add(at, "is no name of an Advoware field (dots reach into nested objects)")
	}
}

// element reads `new` and `remove`.
func (p *parsing) element(n strictyaml.Node, l *line) {
	picks := strings.Contains(l.Advo, "[")
	for _, key := range []string{"new", "remove"} {
		if at, ok := n.Get(key); ok && !picks {
			p.add(at, "belongs to an element of a list, such as advoware: kommunikation[kommArt=1].tlf")
		}
	}
	if picks {
		l.element = &element{fresh: p.fresh(n, l.Advo), remove: p.oneOf(n, "remove", "true", "false") == "true"}
	}
}

func (p *parsing) fresh(n strictyaml.Node, name string) record.Patch {
	at, ok := n.Get("new")
	if ok && at.Kind != strictyaml.Map {
		p.add(at, "must be a map of the element's other keys, such as {kommArt: 1}")
		return nil
	}
	fresh := record.Patch{}
	_, inside, _ := strings.Cut(name, "].")
	part, _, _ := strings.Cut(name, "]")
	pick, _ := record.CutPick(part)
	for _, pair := range at.Pairs {
		_, wire, ok := advoTableValue(pair.Value)
		switch {
		case !ok:
			p.add(pair.Value, "must be a single value")
		case pair.Name == pick.Key || pair.Name == inside:
			p.add(pair.Value, "is set by the name of the field already")
		}
		fresh[pair.Name] = wire
	}
	return fresh
}
