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
// elements that are empty.
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

// espoFieldName checks the name of a field in EspoCRM.
func (p *parsing) espoFieldName(at strictyaml.Node, name string) {
	list, _, picks := strings.Cut(name, "[")
	m := contactName.FindStringSubmatch(name)
	switch {
	case name == "":
	case m != nil && len(name) <= maxContact && m[1] == m[3] && (m[1] == "phoneNumber" || m[2] == "primary"):
	case m != nil && len(name) <= maxContact && m[1] == m[3]:
		p.add(at, "e-mail addresses have no type in EspoCRM; there is emailAddressData[primary].emailAddress")
	case picks && contactLists[list] == "":
		p.suggest(at, []string{"emailAddressData", "phoneNumberData"}, list, "an element is picked of emailAddressData and phoneNumberData alone, and %s is neither", list)
	case picks || contactLists[name] != "" || strings.Contains(name, "."):
		p.add(at, "is no name of an EspoCRM field; an address or number of several is written as emailAddressData[primary].emailAddress, phoneNumberData[primary].phoneNumber or phoneNumberData[type=Mobile].phoneNumber")
	case !espoName.MatchString(name):
		p.add(at, "is no name of an EspoCRM field")
	}
}

// contactPicks makes every element one field's: where the mapping picks the primary
// one, no field picks it by its type.
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

// contacts puts values into EspoCRM's lists. What is cleared goes first: it may come
// back elsewhere.
func (m *Mapping) contacts(o record.Object, lines []*line, values map[string]record.Value, patch record.Patch) error {
	o, err := contactsOf(o, lines)
	if err != nil {
		return m.fail(record.EspoCRM, lines[0].Espo, "the record was read without "+lines[0].contact.pick.List+", which goes back whole")
	}
	slices.SortStableFunc(lines, func(a, b *line) int {
		return boolInt(values[b.Key].IsEmpty()) - boolInt(values[a.Key].IsEmpty())
	})
	moved := map[string]bool{} // fields whose element has become another field's
	for _, l := range lines {
		name := l.contact.pick.List
		standing, _ := o.Get(name)
		list, why := m.contactList(l, standing, values, moved)
		if why != "" {
			return m.fail(record.EspoCRM, l.Espo, l.Espo+" "+why)
		}
		if o, err = o.Set(name, list); err != nil {
			return m.fail(record.EspoCRM, l.Espo, l.Espo+" cannot be set in this record")
		}
		patch[name] = list
	}
	return nil
}

// contactsOf is the record that the lists are taken from; a new one has none.
func contactsOf(o record.Object, lines []*line) (record.Object, error) {
	if o.IsZero() {
		return record.ParseObject([]byte("{}"))
	}
	for _, l := range lines {
		if _, there := o.Get(l.contact.pick.List); !there {
			return o, record.ErrNotObject
		}
	}
	return o, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// contactList is one of EspoCRM's lists with one value put in or taken out; all other
// elements keep their bytes. why: it cannot be done.
func (m *Mapping) contactList(l *line, standing json.RawMessage, values map[string]record.Value, moved map[string]bool) (list json.RawMessage, why string) {
	c, v, elements := l.contact, values[l.Key], gjson.ParseBytes(standing).Array()
	if r := gjson.ParseBytes(standing); r.Exists() && r.Type != gjson.Null && !r.IsArray() {
		return nil, "cannot be set: " + c.pick.List + " is no list in this record"
	}
	at := slices.IndexFunc(elements, c.pick.Picks)
	if v.IsEmpty() {
		return c.cleared(elements, at)
	}
	raw := l.codec.espoWire(v)
	same := l.among(elements, v)
	switch {
	case same >= 0 && same != at:
		if other := m.picksToo(l, elements[same]); other != nil {
			if next, written := values[other.Key]; !written || next == v {
				return nil, "cannot be set: EspoCRM holds an address or number once, and " + other.Espo + " has this one"
			}
			moved[other.Key] = true
		}
		elements = c.becomes(elements, same, at, moved[l.Key])
	case at >= 0 && same < 0 && moved[l.Key]: // what comes forward is a further one of this sort, and stays
		elements = slices.Insert(elements, at, c.fresh(raw, false))
	case at >= 0:
		elements[at] = withMember(withLower(elements[at], raw), c.member, raw)
	default:
		elements = append(elements, c.fresh(raw, len(elements) == 0 && !m.espo.primary[c.pick.List]))
	}
	return joined(elements), ""
}

// among is where an element stands that holds v; -1: nowhere. The type's equality
// counts: a known address is that address.
func (l *line) among(elements []gjson.Result, v record.Value) int {
	return slices.IndexFunc(elements, func(e gjson.Result) bool {
		has, _ := l.codec.canonical(scalarOf(e.Get(l.contact.member)))
		return has == v || l.Equal(has, v)
	})
}

// cleared is a list without its picked element. Where a second one of that sort would
// come forward with a value of its own, nobody can say that the field is empty.
func (c *contact) cleared(elements []gjson.Result, at int) (json.RawMessage, string) {
	if at >= 0 {
		elements = slices.Delete(slices.Clone(elements), at, at+1)
	}
	if slices.ContainsFunc(elements, c.pick.Picks) {
		return nil, "cannot be emptied: EspoCRM holds a second one of that sort, which would take its place"
	}
	return joined(elements), ""
}

// picksToo is another field of the mapping that picks this element.
func (m *Mapping) picksToo(l *line, e gjson.Result) *line {
	for i := range m.lines {
		o := &m.lines[i]
		if o.contact != nil && o.contact.pick != l.contact.pick && o.contact.pick.List == l.contact.pick.List && o.contact.pick.Picks(e) {
			return o
		}
	}
	return nil
}

// becomes makes the element at same, which already holds the value, the one that is
// picked: in the place of the one at at, or a further one of this sort would come
// forward. stays: that one is not this field's, and stays behind it.
func (c *contact) becomes(elements []gjson.Result, same, at int, stays bool) []gjson.Result {
	next := elements[same]
	if at >= 0 && !stays && elements[at].Get("primary").Bool() || c.pick.Key == "primary" {
		next = withMember(next, "primary", json.RawMessage("true"))
	}
	if c.pick.Key != "primary" {
		next = withMember(next, c.pick.Key, quote(c.pick.Value))
	}
	switch {
	case at < 0:
		elements[same] = next
		return elements
	case stays:
		if same < at {
			at--
		}
		return slices.Insert(slices.Delete(elements, same, same+1), at, next)
	default:
		elements[at] = next
		return slices.Delete(elements, same, same+1)
	}
}

// fresh is a new element. EspoCRM wants to be told of each whether it is the primary one.
func (c *contact) fresh(raw json.RawMessage, primary bool) gjson.Result {
	text := `{` + strconv.Quote(c.member) + `:` + string(raw) + `,"primary":` + strconv.FormatBool(primary || c.pick.Key == "primary")
	if c.pick.Key != "primary" {
		text += `,"` + c.pick.Key + `":` + string(quote(c.pick.Value))
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
