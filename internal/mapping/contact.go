package mapping

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// contact is an address or number out of EspoCRM's lists of them:
// emailAddressData[primary].emailAddress, phoneNumberData[type=Mobile].phoneNumber.
// EspoCRM takes such a list whole, holds each address and number in it once, and drops
// elements that are empty. It shows the primary one first and all others in an order of its
// own, and makes the first one of a list that has no primary one just that.
type contact struct {
	pick   record.Pick
	member string // emailAddress or phoneNumber
}

// contactName is the name of such a field in a mapping. It never changes. Its length is
// no part of the expression, as of the other names'.
var contactName = regexp.MustCompile(`^(emailAddress|phoneNumber)Data\[(primary|type=[\p{L}\p{N}_ -]+)\]\.(emailAddress|phoneNumber)$`)

// maxContact bounds such a name, in bytes.
const maxContact = 200

// contactLists are EspoCRM's lists, each with the field that shows its primary element.
var contactLists = map[string]string{"emailAddressData": "emailAddress", "phoneNumberData": "phoneNumber"}

// CalledInEspo reports whether EspoCRM may mean the field by a name: that of the attribute,
// or of the field that it is a part of there. A refusal says account for accountId, and
// phoneNumber for whatever stands in phoneNumberData.
func (f *Field) CalledInEspo(name string) bool {
	list, _, picks := strings.Cut(f.Espo, "[")
	return name == f.Espo || picks && (name == list || name == contactLists[list]) || f.Reference && name+"Id" == f.Espo
}

// espoFieldName checks the name of a field in EspoCRM.
func (p *parsing) espoFieldName(at strictyaml.Node, name string) {
	list, _, picks := strings.Cut(name, "[")
	m := contactName.FindStringSubmatch(name)
	element := m != nil && len(name) <= maxContact && m[1] == m[3]
	switch {
	case name == "":
	case element && (m[1] == "phoneNumber" || m[2] == "primary"):
	case element:
		p.add(at, "e-mail addresses have no type in EspoCRM; there is emailAddressData[primary].emailAddress")
	case picks && contactLists[list] == "":
		p.suggest(at, []string{"emailAddressData", "phoneNumberData"}, list, "an element is picked of emailAddressData and phoneNumberData alone, and %s is neither", list)
	case picks || contactLists[name] != "" || strings.Contains(name, "."):
		p.add(at, "is no name of an EspoCRM field; an address or number of several is written as emailAddressData[primary].emailAddress, phoneNumberData[primary].phoneNumber or phoneNumberData[type=Mobile].phoneNumber")
	case !espoName.MatchString(name):
		p.add(at, "is no name of an EspoCRM field")
	}
}

// contactPicks has a field that picks by type prefer what is not the primary one, where
// the mapping picks that as well: so each field has an element of its own, where there is
// one.
func (m *Mapping) contactPicks() {
	m.espo.primary = map[string]bool{}
	for i := range m.lines {
		if c := m.lines[i].contact; c != nil && c.pick.Key == "primary" {
			m.espo.primary[c.pick.List] = true
		}
	}
	for i := range m.lines {
		if c := m.lines[i].contact; c != nil {
			part, _, _ := strings.Cut(m.lines[i].Espo, "].")
			c.pick, _ = m.espo.cut(part)
		}
	}
}

func contactOf(name string) *contact {
	if !strings.Contains(name, "[") {
		return nil
	}
	part, member, _ := strings.Cut(name, "].")
	pick, _ := record.CutPick(part)
	return &contact{pick: pick, member: member}
}

// lintContacts refuses what EspoCRM would not keep apart: its field for the primary
// element beside the list.
func (p *parsing) lintContacts(m *Mapping) {
	for i := range m.lines {
		c := m.lines[i].contact
		if c == nil {
			continue
		}
		for j := range m.lines {
			if m.lines[j].Espo == c.member && m.lines[j].writes(record.EspoCRM) && m.lines[i].writes(record.EspoCRM) {
				p.add(p.fields[j].node, "%s shows the primary element of %s, which line %d writes; write %s[primary].%s instead",
					c.member, c.pick.List, p.fields[i].node.Line, c.pick.List, c.member)
			}
		}
	}
}

// Listed reports whether a row out of one of EspoCRM's lists shows all that is mapped.
// Lists leave several addresses and numbers out: such a record is read singly.
func (m *Mapping) Listed(o record.Object) bool {
	for i := range m.lines {
		if c := m.lines[i].contact; c != nil {
			if _, there := o.Get(c.pick.List); !there {
				return false
			}
		}
	}
	return true
}

// contacts puts values into EspoCRM's lists.
func (m *Mapping) contacts(o record.Object, lines []*line, values map[string]record.Value, patch record.Patch) error {
	for _, l := range lines {
		name := l.contact.pick.List
		if _, done := patch[name]; done {
			continue
		}
		standing, there := o.Get(name)
		if !there && !o.IsZero() {
			return m.fail(record.EspoCRM, l.Espo, "the record was read without "+name+", which goes back whole")
		}
		if r := gjson.ParseBytes(standing); r.Exists() && r.Type != gjson.Null && !r.IsArray() {
			return m.fail(record.EspoCRM, l.Espo, l.Espo+" cannot be set: "+name+" is no list in this record")
		}
		a := m.arrangement(name, standing, values)
		if at, why := a.arrange(); why != "" {
			return m.fail(record.EspoCRM, at.Espo, at.Espo+" "+why)
		}
		patch[name] = joined(a.rest())
	}
	return nil
}

// arrangement is one of EspoCRM's lists on its way to hold what every field of it is to
// show, those that are not written what they show now.
type arrangement struct {
	lines    []*line
	want     []record.Value
	elements []gjson.Result
	of       []int        // the element of each line; -1: none
	placed   map[int]bool // lines whose element was made or changed
	gone     map[int]bool // elements that nobody wants any more
	neutral  string       // a type that no field picks
}

func (m *Mapping) arrangement(list string, standing json.RawMessage, values map[string]record.Value) *arrangement {
	a := &arrangement{elements: gjson.ParseBytes(standing).Array(), gone: map[int]bool{}, placed: map[int]bool{}}
	taken := map[string]bool{}
	for i := range m.lines {
		l := &m.lines[i]
		if l.contact == nil || l.contact.pick.List != list {
			continue
		}
		at := a.picked(l)
		want, written := values[l.Key]
		if !written && at >= 0 {
			want = a.holds(l, at)
		}
		a.lines, a.want, a.of = append(a.lines, l), append(a.want, want), append(a.of, at)
		taken[l.contact.pick.Value] = true
	}
	for _, kind := range []string{"Office", "Home", "Other", "Fax", "Mobile"} {
		if a.neutral == "" && !taken[kind] {
			a.neutral = kind
		}
	}
	return a
}

// picked is the element that a line shows; -1: none.
func (a *arrangement) picked(l *line) int {
	shown := l.contact.pick.From(gjson.ParseBytes(joined(a.elements)))
	if !shown.Exists() {
		return -1
	}
	return slices.IndexFunc(a.elements, func(e gjson.Result) bool { return e.Raw == shown.Raw })
}

func (a *arrangement) holds(l *line, at int) record.Value {
	v, _ := l.codec.canonical(scalarOf(a.elements[at].Get(l.contact.member)))
	return v
}

// wants reports whether a line is to show the element.
func (a *arrangement) wants(i, at int) bool {
	has := a.holds(a.lines[i], at)
	return a.want[i].HasText() && (has == a.want[i] || a.lines[i].Equal(has, a.want[i]))
}

// arrange gives every line its element. why: EspoCRM cannot hold it, and for which line.
func (a *arrangement) arrange() (at *line, why string) {
	shows := slices.Clone(a.of)
	for i := range a.lines {
		a.of[i] = a.find(i, shows[i])
	}
	for i := range a.lines { // what has no element yet takes the place of what it shows, or a new one
		if a.want[i].HasText() && a.of[i] < 0 {
			if a.of[i] = a.find(i, shows[i]); a.of[i] < 0 {
				a.of[i] = a.place(i, shows[i])
				a.placed[i] = true
			}
		}
	}
	for i, l := range a.lines {
		for j, other := range a.lines[:i] {
			if a.of[i] >= 0 && a.of[i] == a.of[j] && l.contact.pick.Key == other.contact.pick.Key {
				return l, "cannot be set: EspoCRM holds an address or number once, and " + other.Espo + " has this one"
			}
		}
	}
	for _, k := range shows { // what nobody wants any more goes
		a.gone[k] = k >= 0 && !slices.Contains(a.of, k)
	}
	primary := slices.IndexFunc(a.elements, func(e gjson.Result) bool { return e.Get("primary").Bool() })
	a.mark()
	return a.apart(shows, primary)
}

// find is the element that holds what a line is to show, the one that it shows already
// before all others; -1: none does.
func (a *arrangement) find(i, shown int) int {
	if shown >= 0 && a.wants(i, shown) {
		return shown
	}
	for k := range a.elements {
		if a.wants(i, k) {
			return k
		}
	}
	return -1
}

// place makes an element for a value that none holds: of the one that the line shows,
// where nobody wants that any more, else a new one.
func (a *arrangement) place(i, shown int) int {
	l := a.lines[i]
	raw := l.codec.espoWire(a.want[i])
	if shown >= 0 && !slices.Contains(a.of, shown) {
		a.elements[shown] = withMember(withLower(a.elements[shown], raw), l.contact.member, raw)
		return shown
	}
	a.elements = append(a.elements, l.contact.fresh(raw, len(a.elements) == 0 && !a.picksPrimary(), a.neutral))
	return len(a.elements) - 1
}

func (a *arrangement) picksPrimary() bool {
	return slices.ContainsFunc(a.lines, func(l *line) bool { return l.contact.pick.Key == "primary" })
}

// mark makes every line's element one that it picks. The primary one is of no sort that
// a field picks and is to be empty.
func (a *arrangement) mark() {
	for i, l := range a.lines {
		c := l.contact
		if c.pick.Key == "primary" {
			for k := range a.elements {
				if was := a.elements[k].Get("primary").Bool(); was != (k == a.of[i]) {
					a.elements[k] = withMember(a.elements[k], "primary", json.RawMessage(strconv.FormatBool(!was)))
				}
			}
			continue
		}
		if k := a.of[i]; k >= 0 && !c.pick.Picks(a.elements[k]) {
			a.elements[k] = withMember(a.elements[k], c.pick.Key, quote(c.pick.Value))
		}
		for k, e := range a.elements {
			if a.of[i] < 0 && c.pick.Besides != "" && !a.gone[k] && c.pick.Picks(e) && e.Get("primary").Bool() {
				a.elements[k] = withMember(e, c.pick.Key, quote(a.neutral))
			}
		}
	}
}

// apart: each line's element is the one that EspoCRM will show for it, in whatever order it
// lists them. primary was marked before; -1: none.
func (a *arrangement) apart(shows []int, primary int) (at *line, why string) {
	for i, l := range a.lines {
		switch own := a.of[i]; {
		case l.contact.pick.Key != "primary":
			if a.rivals(l.contact, own) && !a.stays(i, shows[i]) {
				return l, "cannot be written: EspoCRM holds a second one of that sort, which may take its place"
			}
		case own < 0 && primary >= 0 && len(a.rest()) > 0:
			return l, "cannot be cleared: EspoCRM holds further ones, and would make one of them the primary one"
		}
	}
	return nil, ""
}

// rivals reports whether there are further elements of a sort.
func (a *arrangement) rivals(c *contact, own int) bool {
	for k, e := range a.elements {
		if k != own && !a.gone[k] && c.pick.Picks(e) && (c.pick.Besides == "" || !a.primary(k)) {
			return true
		}
	}
	return false
}

// stays: whatever rivals there are, a line's element comes first. It is the primary one, or
// has been the first one before.
func (a *arrangement) stays(i, shown int) bool {
	own, besides := a.of[i], a.lines[i].contact.pick.Besides != ""
	if own >= 0 && a.primary(own) {
		return !besides
	}
	return own >= 0 && own == shown && !a.placed[i]
}

func (a *arrangement) primary(k int) bool { return a.elements[k].Get("primary").Bool() }

// rest is what EspoCRM gets.
func (a *arrangement) rest() []gjson.Result {
	var rest []gjson.Result
	for k, e := range a.elements {
		if !a.gone[k] {
			rest = append(rest, e)
		}
	}
	return rest
}

// fresh is a new element. EspoCRM wants to be told of each whether it is the primary
// one, and gives a type of its own to a number that has none.
func (c *contact) fresh(raw json.RawMessage, primary bool, neutral string) gjson.Result {
	kind := neutral
	if c.pick.Key != "primary" {
		kind = c.pick.Value
	}
	text := `{` + strconv.Quote(c.member) + `:` + string(raw) + `,"primary":` + strconv.FormatBool(primary || c.pick.Key == "primary")
	if c.member == "phoneNumber" {
		text += `,"type":` + string(quote(kind))
	}
	return gjson.Parse(text + `,"optOut":false,"invalid":false}`)
}

// withLower keeps the lower-case twin of an address true.
func withLower(e gjson.Result, raw json.RawMessage) gjson.Result {
	if !e.Get("lower").Exists() {
		return e
	}
	return withMember(e, "lower", quote(strings.ToLower(gjson.ParseBytes(raw).Str)))
}

func withMember(e gjson.Result, name string, raw json.RawMessage) gjson.Result {
	o, err := record.ParseObject([]byte(e.Raw))
	if err == nil {
		o, err = o.Set(name, raw)
	}
	if err != nil {
		return e // picked elements are objects
	}
	return gjson.ParseBytes(o.Bytes())
}

func joined(elements []gjson.Result) json.RawMessage {
	parts := make([]string, len(elements))
	for i, e := range elements {
		parts[i] = e.Raw
	}
	return json.RawMessage("[" + strings.Join(parts, ",") + "]")
}
