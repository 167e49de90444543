package mapping

import (
	"encoding/json"
	"slices"
	"strconv"

	"advosync/internal/fault"
	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// References translates what a record names of others: EspoCRM by id, Advoware by number
// or by a word. What is not known is "" and 0; an error is a system's.
type References interface {
	// EspoID is the record of entity in EspoCRM that is linked to a number of Advoware.
	EspoID(entity string, number int64) (string, error)
	// Number is the number of Advoware that a record of entity is linked to.
	Number(entity, espoID string) (int64, error)
	// UserID is the user of EspoCRM with a word in an attribute.
	UserID(attribute, word string) (string, error)
	// UserWord is that attribute of a user.
	UserWord(attribute, id string) (string, error)
}

// reference is a field that names another record (entity), or a user by an attribute.
// Its canonical value is EspoCRM's id.
type reference struct{ entity, user string }

// With is the mapping with what it takes to read and write references. Without it an id
// of EspoCRM is known, and Advoware's number or word is not.
func (m *Mapping) With(r References) *Mapping {
	if !m.refers {
		return m
	}
	with := *m
	with.references = r
	return &with
}

// Links are the entities that records of this one lead to, sorted.
func (m *Mapping) Links() []string {
	var names []string
	for i := range m.lines {
		if r := m.lines[i].ref; r != nil && r.entity != "" {
			names = append(names, r.entity)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// LinksToNowhere are warnings of links to entities that are none of these.
func (m *Mapping) LinksToNowhere(entities []string) []string {
	var out []string
	for _, at := range m.linksAt {
		if !slices.Contains(entities, at.entity) {
			at.problem.Suggestion = strictyaml.Nearest(at.entity, entities)
			out = append(out, strictyaml.Problems{at.problem}.Error())
		}
	}
	return out
}

// NamesUsers reports whether a field names a user.
func (m *Mapping) NamesUsers() bool {
	return slices.ContainsFunc(m.lines, func(l line) bool { return l.ref != nil && l.ref.user != "" })
}

// linkAt is where a link stands, for LinksToNowhere.
type linkAt struct {
	entity  string
	problem strictyaml.Problem
}

// userAttributes are those by which a user is known.
var userAttributes = []string{"userName", "emailAddress"}

// reference reads `link` and `user`.
func (p *parsing) reference(n strictyaml.Node, l *line, m *Mapping) {
	entity, at := p.text(n, "link")
	user := p.oneOf(n, "user", userAttributes...)
	if entity == "" && user == "" {
		return
	}
	if user != "" {
		_, at = p.text(n, "user")
	}
	switch {
	case entity != "" && user != "":
		p.add(at, "a field leads to a record or to a user, not to both")
	case l.Type != String || l.Computed || l.lens != nil:
		p.add(at, "a reference has no type, expression or format of its own")
	case entity != "" && l.table != nil:
		p.add(at, "a link has no values table: the records that are linked are its table")
	case l.table != nil && (l.table.from != nil || l.table.advoSpace):
		p.add(at, "the table of a user is one to one, without a default")
	}
	l.ref = &reference{entity, user}
	l.Reference = true
	m.refers = true
	if entity != "" {
		p.add(at, "no mapping has the entity %s, which this field leads to: it waits for ever", entity)
		last := len(p.problems) - 1
		m.linksAt = append(m.linksAt, linkAt{entity, p.problems[last]})
		p.problems = p.problems[:last]
	}
}

// waits says for what a reference waits.
func (r *reference) waits() string {
	if r.user != "" {
		return "names a user whom EspoCRM does not have, or not with a " + r.user + " of his own"
	}
	return "waits: the record of " + r.entity + " that it leads to is not linked yet"
}

// readRef is the id in EspoCRM of what a side names. broken: it cannot be said, and
// nothing may be overwritten because of that.
func (m *Mapping) readRef(l *line, side record.Side, c cell) (v record.Value, broken error) {
	if !c.there {
		return record.Absent(), nil
	}
	v, why := words.canonical(c.s)
	name := l.name(side)
	if why != "" {
		return record.Absent(), m.fail(side, name, name+" "+why)
	}
	if !v.HasText() || side == record.Advoware && (l.codec.meansEmpty(v.Text()) || l.ref.entity != "" && v.Text() == "0") {
		return record.Empty(), nil
	}
	if side == record.EspoCRM {
		return m.readEspoRef(l, v)
	}
	return m.readAdvoRef(l, v)
}

// readEspoRef is an id of EspoCRM's, where Advoware has a number or word for it.
func (m *Mapping) readEspoRef(l *line, id record.Value) (v record.Value, broken error) {
	if m.references == nil || !l.writes(record.Advoware) {
		return id, nil
	}
	if word, err := m.advoWord(l, id); err != nil || word == "" {
		return record.Absent(), m.unresolved(l, record.EspoCRM, record.EspoCRM, id, err)
	}
	return id, nil
}

// readAdvoRef is the id in EspoCRM that Advoware's number or word leads to.
func (m *Mapping) readAdvoRef(l *line, v record.Value) (_ record.Value, broken error) {
	if m.references == nil {
		return record.Unmapped(v.Text()), nil
	}
	id, err := m.espoIDOf(l, v)
	switch {
	case err != nil || id == "" && l.writes(record.EspoCRM):
		return record.Absent(), m.unresolved(l, record.Advoware, record.Advoware, v, err)
	case id == "":
		return record.Unmapped(v.Text()), nil
	}
	return record.Of(id), nil
}

// unresolved says of side's field that v, which holder has there, leads nowhere.
func (m *Mapping) unresolved(l *line, side, holder record.Side, v record.Value, err error) error {
	if err != nil {
		return err
	}
	e := m.fail(side, l.name(side), l.name(side)+" "+l.ref.waits())
	if awaited := (fault.Awaited{Entity: l.ref.entity, ID: v.Text()}); l.ref.entity != "" {
		if holder == record.Advoware {
			awaited.ID = ""
			awaited.Number, _ = strconv.ParseInt(v.Text(), 10, 64)
		}
		e.Awaits = []fault.Awaited{awaited}
	}
	if e.Hint = "sync that record first: advosync cron-run --entity " + l.ref.entity; l.ref.user != "" {
		e.Hint = correct(holder) + ", or add the user to `values` of this field in the mapping"
	}
	return e
}

// espoIDOf is what Advoware's number or word leads to, "" where nobody knows.
func (m *Mapping) espoIDOf(l *line, v record.Value) (string, error) {
	if l.ref.entity != "" {
		n, err := strconv.ParseInt(v.Text(), 10, 64)
		if err != nil {
			return "", m.fail(record.Advoware, l.Advo, l.Advo+" "+notInt)
		}
		return m.references.EspoID(l.ref.entity, n)
	}
	if l.table != nil {
		if v = l.table.read(record.Advoware, v); v.IsUnmapped() {
			return "", nil
		}
	}
	return m.references.UserID(l.ref.user, v.Text())
}

// advoWord is the number or word that Advoware has for an id, "" where nobody knows.
func (m *Mapping) advoWord(l *line, v record.Value) (string, error) {
	if m.references == nil {
		return "", nil
	}
	if l.ref.entity != "" {
		n, err := m.references.Number(l.ref.entity, v.Text())
		if err != nil || n == 0 {
			return "", err
		}
		return strconv.FormatInt(n, 10), nil
	}
	word, err := m.references.UserWord(l.ref.user, v.Text())
	if err != nil || word == "" || l.table == nil {
		return word, err
	}
	raw, known := l.table.advoWire(record.Of(canonicalText(word)))
	if !known {
		return "", nil
	}
	return scalarOfRaw(raw).text, nil
}

// refWire is the JSON form of a reference for Advoware: a number, unless a text stands
// there.
func (m *Mapping) refWire(l *line, v record.Value, standing json.RawMessage) json.RawMessage {
	if !v.HasText() {
		return plain(String).withEmpties(l.codec.empties).advoWire(v, standing)
	}
	word, _ := m.advoWord(l, v) // writable has asked
	s := scalarOfRaw(standing)
	if number := l.ref.entity != "" || s.kind == scalarNumber; number && canonicalNumber(word) == word && s.kind != scalarText {
		return json.RawMessage(word)
	}
	return quote(word)
}
