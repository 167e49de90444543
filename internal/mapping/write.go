package mapping

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"advosync/internal/record"
)

// EspoPatch turns canonical values by field key into the wire values of a
// partial update of a record of EspoCRM, as it was last read; the zero Object: of a new
// one. Empty is null, of a bool false. A list of addresses or numbers goes back whole,
// with all other elements as they stand in o. The error is a
// *fault.Error that names the field, for a value that cannot be sent: not
// known, missing in the values table, of another type, or of a field that is
// not written there.
func (m *Mapping) EspoPatch(o record.Object, values map[string]record.Value) (record.Patch, error) {
	lines, err := m.writable(record.EspoCRM, values)
	if err != nil {
		return nil, err
	}
	patch := make(record.Patch, len(lines))
	var contacts []*line
	for _, l := range lines {
		if l.contact != nil {
			contacts = append(contacts, l)
			continue
		}
		raw := l.espoWire(values[l.Key], o)
		if back, _ := l.standing(record.EspoCRM, scalarOfRaw(raw)); l.ref == nil && values[l.Key].HasText() && back != values[l.Key] {
			return nil, m.shifted(record.EspoCRM, l)
		}
		if old, ok := patch[l.Espo]; ok && string(old) != string(raw) {
			return nil, m.fail(record.EspoCRM, l.Espo, l.Espo+" would be set to two different values")
		}
		patch[l.Espo] = raw
	}
	if contacts == nil {
		return patch, nil
	}
	return patch, m.contacts(o, contacts, values, patch)
}

// Overlay sets the Advoware side of the given field keys in a whole object, and
// makes the names in clears null. Everything else keeps its bytes, and so does
// a mapped value that already means the same. The zero Object becomes a new
// one. Errors are as for EspoPatch.
func (m *Mapping) Overlay(o record.Object, values map[string]record.Value, clears []string) (record.Object, error) {
	lines, err := m.writable(record.Advoware, values)
	if err != nil {
		return record.Object{}, err
	}
	if o.IsZero() {
		if o, err = record.ParseObject([]byte("{}")); err != nil {
			return record.Object{}, err
		}
	}
	written := make(map[string]record.Value, len(lines))
	for _, l := range lines {
		v := l.filled(values[l.Key])
		if old, ok := written[l.Advo]; ok && old != v {
			return record.Object{}, m.fail(record.Advoware, l.Advo, l.Advo+" would be set to two different values")
		}
		written[l.Advo] = v
		standing, there := o.Get(l.Advo)
		if there && m.reads(l, standing) == v {
			continue
		}
		if o, err = m.put(o, l, v, standing); err != nil {
			return record.Object{}, err
		}
	}
	return m.clear(o, clears)
}

// clear makes names null, where they are not blank already.
func (m *Mapping) clear(o record.Object, names []string) (_ record.Object, err error) {
	for _, name := range slices.Sorted(slices.Values(names)) {
		standing, there := o.Get(name)
		if !there || blankWire(standing) {
			continue
		}
		if o, err = m.set(o, name, json.RawMessage("null")); err != nil {
			return record.Object{}, err
		}
	}
	return o, nil
}

// writable finds the lines of values, in file order, and refuses what cannot be
// sent before anything is built.
func (m *Mapping) writable(side record.Side, values map[string]record.Value) ([]*line, error) {
	lines := make([]*line, 0, len(values))
	for i := range m.lines {
		l := &m.lines[i]
		v, ok := values[l.Key]
		if !ok {
			continue
		}
		if err := m.unwritable(l, side, v); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	if len(lines) < len(values) {
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if _, ok := m.byKey[key]; !ok {
				return nil, m.fail(side, key, "the mapping has no field "+key)
			}
		}
	}
	return lines, nil
}

// unwritable says why a value cannot be sent as that of a line, nil where it can.
func (m *Mapping) unwritable(l *line, side record.Side, v record.Value) error {
	name := l.name(side)
	switch {
	case !l.writes(side):
		return m.fail(side, name, name+" is never written there (direction "+string(l.Direction)+")")
	case v.IsAbsent():
		return m.fail(side, name, name+" has no known value to send")
	case l.lacks(v):
		return m.badValue(l, side, "is not in the values table of "+name, "add it to `values` of this field in the mapping, or "+correct(side.Other()))
	case side == record.Advoware && l.ref != nil && v.HasText() && !m.leads(l, v):
		return m.unresolved(l, side, side.Other(), v, nil)
	case side == record.Advoware && l.lens != nil && !l.lens.leadsBack(&l.Field, l.codec, v):
		return m.badValue(l, side, "does not fit "+name+": format makes a text of it that parse does not read as the same value",
			"mend format and parse of this field in the mapping, or "+correct(side.Other()))
	case !l.fits(v):
		return m.badValue(l, side, "does not fit "+name+" (type "+string(l.Type)+")", correct(side.Other())+", or the type of this field in the mapping")
	}
	return nil
}

// correct is what to do about a value that a side holds.
func correct(holder record.Side) string { return "correct it in " + holder.Title() }

// badValue says what is wrong with a value that side cannot be sent, of the system that
// holds it; a computed one stands in no field.
func (m *Mapping) badValue(l *line, side record.Side, wrong, hint string) error {
	from, field := side.Other(), l.name(side.Other())
	if field == "" {
		from, field = side, l.name(side)
		wrong = "that is computed for it " + wrong
	}
	e := m.fail(from, field, "the value of "+field+" "+wrong)
	e.Hint = hint
	return e
}

// leads reports whether Advoware has a number or word for a reference.
func (m *Mapping) leads(l *line, v record.Value) bool {
	word, err := m.advoWord(l, v)
	return err == nil && word != ""
}

// lacks reports whether the line's table has no word for v.
func (l *line) lacks(v record.Value) bool {
	return v.IsUnmapped() || l.table != nil && l.Type != Set && l.ref == nil && !l.table.knows(v)
}

// fits reports whether v is a canonical text of the line's type.
func (l *line) fits(v record.Value) bool {
	switch {
	case v.IsEmpty():
		return true
	case l.Type == Set:
		return l.fitsSet(v)
	case l.advoSpace():
		return true
	}
	same, why := l.codec.canonical(scalar{scalarText, v.Text()})
	return why == "" && same == v
}

// reads is the canonical value of an Advoware wire value, Absent when it cannot
// be read.
func (m *Mapping) reads(l *line, raw json.RawMessage) record.Value {
	if l.ref != nil {
		v, _ := m.readRef(l, record.Advoware, cell{true, scalarOfRaw(raw)})
		return v
	}
	v, _ := l.standing(record.Advoware, scalarOfRaw(raw))
	return v
}

// espoWire is the JSON form in which EspoCRM gets a canonical value.
func (l *line) espoWire(v record.Value, o record.Object) json.RawMessage {
	if l.Type == Set {
		standing, _ := o.Get(l.Espo)
		return l.setWire(record.EspoCRM, v, standing)
	}
	return l.codec.espoWire(v)
}

// advoWire is the JSON form in which Advoware gets a canonical value.
func (m *Mapping) advoWire(l *line, v record.Value, standing json.RawMessage) json.RawMessage {
	if l.ref != nil {
		return m.refWire(l, v, standing)
	}
	if l.Type == Set {
		return l.setWire(record.Advoware, v, standing)
	}
	if l.lens != nil {
		return l.lens.wire(l.codec, v, standing)
	}
	if l.table != nil {
		raw, _ := l.table.advoWire(v)
		return raw
	}
	return l.codec.advoWire(v, standing)
}

func boolLike(text string, s scalar, quoted bool) json.RawMessage {
	if standing := strings.TrimSpace(s.text); standing == "0" || standing == "1" {
		text = map[string]string{"true": "1", "false": "0"}[text]
	}
	if quoted {
		return quote(text)
	}
	return json.RawMessage(text)
}

// put sets one field; of an element of a list also the element.
func (m *Mapping) put(o record.Object, l *line, v record.Value, standing json.RawMessage) (record.Object, error) {
	out, err := o, error(nil)
	raw := m.advoWire(l, v, standing)
	if v.HasText() && m.reads(l, raw) != v {
		return record.Object{}, m.shifted(record.Advoware, l)
	}
	switch {
	case l.element == nil:
		return m.set(o, l.Advo, raw)
	case v.IsEmpty() && standing == nil: // not even a list: nothing to empty
		return o, nil
	case v.IsEmpty() && l.element.remove && m.alone(l, o):
		out, err = o.Without(l.Advo)
	default:
		out, err = o.SetIn(l.Advo, raw, l.element.fresh)
	}
	if err != nil {
		e := m.fail(record.Advoware, l.Advo, l.Advo+" cannot be set in this record: no list of objects stands there")
		e.Err = err
		return record.Object{}, e
	}
	return out, nil
}

// shifted refuses what would read as another value once it stands there.
func (m *Mapping) shifted(side record.Side, l *line) error {
	name := l.name(side)
	e := m.fail(side, name, name+" cannot take this value: in the form that stands there it would be another one")
	if e.Hint = correct(side.Other()) + ", or the field's type in the mapping"; l.Type == Date || l.Type == Datetime {
		e.Hint = "a time without a zone cannot say which one it is in the hour that comes twice when summer time ends, nor a day before the year 1: " + correct(side.Other())
	}
	return e
}

// alone: no second element of that sort would come forward with a value of its own if
// the first were taken out; where one would, the first is emptied and stays.
func (m *Mapping) alone(l *line, o record.Object) bool {
	rest, err := o.Without(l.Advo)
	if err != nil {
		return true // the write says why
	}
	next, there := rest.Get(l.Advo)
	return !there || m.reads(l, next).IsEmpty()
}

func (m *Mapping) set(o record.Object, name string, raw json.RawMessage) (record.Object, error) {
	for i := strings.IndexByte(name, '.'); i > 0; {
		parent, there := o.Get(name[:i])
		if there && string(parent) != "null" && !gjson.ParseBytes(parent).IsObject() {
			return record.Object{}, m.fail(record.Advoware, name, name+" cannot be set: "+name[:i]+" is no object in this record")
		}
		next := strings.IndexByte(name[i+1:], '.')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	out, err := o.Set(name, raw)
	if err != nil {
		e := m.fail(record.Advoware, name, name+" cannot be set in this record")
		e.Err = err
		return record.Object{}, e
	}
	return out, nil
}

func blankWire(raw json.RawMessage) bool {
	s := scalarOfRaw(raw)
	return s.kind == scalarNull || (s.kind == scalarText && canonicalText(s.text) == "")
}
