package mapping

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// A set is a multi-enum of EspoCRM and, in Advoware, a list or a text with separators.
// Its canonical form is its members, sorted and each once, joined by "; ". Order and
// repetition count nothing.

const (
	notList    = "is no list"
	notMembers = "is no list of single values"
	notText    = "is no text with separators"
)

// memberMark stands between members of a canonical set, and memberEscape before a mark
// inside of one.
const (
	memberMark   = ';'
	memberEscape = '\\'
)

// joinedSet is the canonical form of members.
func joinedSet(members []string) string {
	members = slices.Compact(slices.Sorted(slices.Values(members)))
	escape := strings.NewReplacer(`\`, `\\`, `;`, `\;`)
	for i, m := range members {
		members[i] = escape.Replace(m)
	}
	return strings.Join(members, "; ")
}

// membersOf are the members of a canonical set.
func membersOf(text string) []string {
	var members []string
	var b strings.Builder
	escaped := false
	add := func() {
		if m := canonicalText(b.String()); m != "" {
			members = append(members, m)
		}
		b.Reset()
	}
	for _, r := range text {
		switch {
		case !escaped && r == memberEscape:
			escaped = true
			continue
		case !escaped && r == memberMark:
			add()
		default:
			b.WriteRune(r)
		}
		escaped = false
	}
	add()
	return members
}

// separator reads what stands between the members of a text.
func (p *parsing) separator(n strictyaml.Node, t Type, c *codec) {
	at, ok := n.Get("separator")
	if !ok {
		if list, empties := n.Get("empty"); empties && t == Set {
			p.add(list, "belongs to a set that is a text with a separator; a list is empty by itself")
		}
		return
	}
	if c.separator = at.Value; at.Kind != strictyaml.Scalar || strings.TrimSpace(c.separator) != c.separator || c.separator == "" {
		p.add(at, `must be what stands between two members, without blanks, such as ";"`)
	}
}

// lintSet refuses what a set cannot be.
func (p *parsing) lintSet(n strictyaml.Node, l *line) {
	if l.Type == Set && l.Computed {
		p.add(n, "a computed field is no set")
	}
}

// members reads a set as a side holds it, each member in that side's words. elements
// are the JSON forms, in the order in which they stand.
func (c *codec) members(side record.Side, s scalar) (members []scalar, elements []string, why string) {
	switch {
	case s.kind == scalarNull, s.kind == scalarText && canonicalText(s.text) == "":
		return nil, nil, ""
	case side == record.Advoware && c.separator != "":
		if s.kind != scalarText && s.kind != scalarNumber {
			return nil, nil, notText
		}
		for part := range strings.SplitSeq(s.text, c.separator) {
			members, elements = append(members, scalar{scalarText, part}), append(elements, strings.TrimSpace(part))
		}
		return members, elements, ""
	}
	list := gjson.Parse(s.text)
	if s.kind != scalarComposite || !list.IsArray() {
		return nil, nil, notList
	}
	list.ForEach(func(_, e gjson.Result) bool {
		m := scalarOf(e)
		if m.kind == scalarComposite || m.kind == scalarTorn {
			why = notMembers
		}
		members, elements = append(members, m), append(elements, e.Raw)
		return why == ""
	})
	return members, elements, why
}

// member is one member in canonical space; empty: none, as a null in a list.
func (l *line) member(side record.Side, s scalar) record.Value {
	if s.kind == scalarNumber {
		if n := canonicalNumber(s.text); n != "" {
			s.text = n
		}
	}
	v := record.Of(canonicalText(s.text))
	if l.table != nil && v.HasText() {
		return l.table.read(side, v)
	}
	return v
}

// readSet is a set in canonical form. One whose member the table does not know is
// known as a whole to nobody.
func (l *line) readSet(side record.Side, s scalar) (record.Value, string) {
	if s.kind == scalarText && side == record.Advoware && l.codec.meansEmpty(canonicalText(s.text)) {
		return record.Empty(), ""
	}
	members, _, why := l.codec.members(side, s)
	if why != "" {
		return record.Absent(), why
	}
	known, all := true, make([]string, 0, len(members))
	for _, m := range members {
		v := l.member(side, m)
		if v.HasText() {
			all = append(all, v.Text())
		}
		known = known && !v.IsUnmapped()
	}
	text := joinedSet(all)
	if !known {
		return record.Unmapped(text), ""
	}
	return record.Of(text), ""
}

// setWire is the JSON form of a set for a side, in the order of what stands there; what
// is new comes last.
func (l *line) setWire(side record.Side, v record.Value, standing json.RawMessage) json.RawMessage {
	if v.IsEmpty() && side == record.Advoware && (l.codec.separator != "" || !gjson.ParseBytes(standing).IsArray()) {
		return plain(String).withEmpties(l.codec.empties).advoWire(v, standing)
	}
	wanted := membersOf(v.Text())
	members, elements, _ := l.codec.members(side, scalarOfRaw(standing))
	var out []string
	numbers := len(elements) > 0
	for i, m := range members {
		has := l.member(side, m)
		if at := slices.Index(wanted, has.Text()); at >= 0 {
			wanted[at] = "" // it stands there
		} else if has.HasText() && !slices.Contains(membersOf(v.Text()), has.Text()) {
			continue
		}
		out, numbers = append(out, elements[i]), numbers && m.kind == scalarNumber
	}
	for _, w := range wanted {
		if w != "" {
			out = append(out, l.memberWire(side, w, numbers))
		}
	}
	if side == record.Advoware && l.codec.separator != "" {
		return l.codec.separated(out, standing)
	}
	return json.RawMessage("[" + strings.Join(out, ",") + "]")
}

// memberWire is one member as a side gets it.
func (l *line) memberWire(side record.Side, member string, number bool) string {
	separated := side == record.Advoware && l.codec.separator != ""
	if side == record.Advoware && l.table != nil {
		raw, _ := l.table.advoWire(record.Of(member))
		if separated {
			return scalarOfRaw(raw).text
		}
		return string(raw)
	}
	switch {
	case separated:
		return member
	case number && side == record.Advoware && canonicalNumber(member) == member:
		return member
	default:
		return string(quote(member))
	}
}

// separated joins members as those that stand there are joined: with a blank or without.
func (c *codec) separated(parts []string, standing json.RawMessage) json.RawMessage {
	by := c.separator
	if strings.Contains(scalarOfRaw(standing).text, c.separator+" ") {
		by += " "
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return quote(strings.Join(parts, by))
}

func (c *codec) withEmpties(e []empty) *codec {
	c.empties = e
	return c
}

// fitsSet: every member is known, and none holds what separates them.
func (l *line) fitsSet(v record.Value) bool {
	members := membersOf(v.Text())
	for _, m := range members {
		if l.table != nil && !l.table.knows(record.Of(m)) {
			return false
		}
		if sep := l.codec.separator; sep != "" && strings.Contains(l.memberWire(record.Advoware, m, false), sep) {
			return false
		}
	}
	return joinedSet(members) == v.Text()
}

// foldedSet is a set without the case and the repeated blanks of its members.
func foldedSet(text string) string {
	members := membersOf(text)
	for i, m := range members {
		members[i] = record.Fold(m)
	}
	return joinedSet(members)
}
