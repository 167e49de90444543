package mapping

import (
	"encoding/json"
	"strings"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// lens turns a value of EspoCRM into Advoware's text (format) and back (parse). A field
// that goes to Advoware alone needs no way back: its canonical space is Advoware's, as
// that of a table that cannot be read backwards.
type lens struct {
	format *expression // nil: nothing goes to Advoware
	parse  *expression // nil: nothing comes back
}

const (
	notFormatted = "cannot be written as format says"
	notParsed    = "cannot be read as parse says"
)

// lensValue is the one name in scope.
const lensValue = "value"

// lens reads `format` and `parse`.
func (p *parsing) lens(n strictyaml.Node, l *line) {
	e := &lens{format: p.lensWay(n, "format"), parse: p.lensWay(n, "parse")}
	if e.format == nil && e.parse == nil {
		return
	}
	at, _ := n.Get("format")
	if e.format == nil {
		at, _ = n.Get("parse")
	}
	need := func(key string, has *expression, ways ...Direction) {
		for _, way := range ways {
			if v, _ := n.Get(key); way == l.Direction && has == nil && strings.TrimSpace(v.Value) == "" {
				p.add(strictyaml.Node{Line: n.Line, Column: n.Column, Key: strictyaml.Join(n.Key, key)}, "is missing: direction %s needs it", l.Direction)
			}
		}
	}
	need("format", e.format, Both, ToAdvoware)
	need("parse", e.parse, Both, ToEspocrm)
	switch {
	case l.Computed:
		p.add(at, "a computed field has an expression already")
	case l.Type == Set:
		p.add(at, "a set has no format; values is about its members")
	case l.table != nil:
		p.add(at, "a field has a values table or format and parse, not both")
	}
	l.lens = e
}

func (p *parsing) lensWay(n strictyaml.Node, key string) *expression {
	source, at := p.text(n, key)
	if source == "" {
		return nil
	}
	e, err := compileExpression(source, false)
	if err != nil {
		p.add(at, "the expression does not compile: %v", err)
		return nil
	}
	for _, name := range e.names {
		if name != lensValue {
			p.suggest(at, []string{lensValue}, name, "%s is not available here; value is what the other side holds", name)
		}
	}
	if len(e.names) == 0 {
		p.add(at, "does not use value, which is what the other side holds")
	}
	return e
}

// advoSpace reports whether the canonical space is Advoware's.
func (e *lens) advoSpace() bool { return e.parse == nil }

// read is what stands on a side, in canonical space.
func (e *lens) read(c *codec, side record.Side, s scalar) (record.Value, string) {
	switch {
	case side == record.EspoCRM && e.advoSpace():
		v, why := c.canonical(s)
		if why != "" || !v.HasText() {
			return v, why
		}
		return e.turn(e.format, words, v.Text(), notFormatted)
	case side == record.EspoCRM:
		return c.canonical(s)
	}
	v, why := words.canonical(s)
	switch {
	case why != "" || !v.HasText():
		return v, why
	case c.meansEmpty(v.Text()):
		return record.Empty(), ""
	case e.advoSpace():
		return v, ""
	}
	return e.turn(e.parse, c, v.Text(), notParsed)
}

// turn runs one way. A text of which it makes nothing is not empty: nothing may be
// overwritten because an expression did not know it.
func (e *lens) turn(way *expression, to *codec, text, why string) (record.Value, string) {
	out, err := way.run(map[string]any{lensValue: text})
	if err != nil {
		return record.Absent(), why
	}
	v, wrong := to.canonical(resultScalar(out))
	if wrong != "" || !v.HasText() {
		return record.Absent(), why
	}
	return v, ""
}

// leadsBack reports whether Advoware's text of v reads as v again.
func (e *lens) leadsBack(f *Field, c *codec, v record.Value) bool {
	if !v.HasText() || e.advoSpace() {
		return true
	}
	advo, why := e.turn(e.format, words, v.Text(), notFormatted)
	if why != "" || c.meansEmpty(advo.Text()) {
		return false
	}
	back, why := e.turn(e.parse, c, advo.Text(), notParsed)
	return why == "" && f.Equal(back, v)
}

// wire is the JSON form in which Advoware gets v: a number where one stands there.
func (e *lens) wire(c *codec, v record.Value, standing json.RawMessage) json.RawMessage {
	if !v.HasText() {
		return plain(String).withEmpties(c.empties).advoWire(v, standing)
	}
	if !e.advoSpace() {
		v, _ = e.turn(e.format, words, v.Text(), notFormatted)
	}
	if scalarOfRaw(standing).kind == scalarNumber && canonicalNumber(v.Text()) == v.Text() {
		return json.RawMessage(v.Text())
	}
	return words.advoWire(v, standing)
}

// text is an expression's source, "" where there is none.
func (e *expression) text() string {
	if e == nil {
		return ""
	}
	return e.source
}

// BrokenLaws names the fields, by key, whose `format` and `parse` do not lead back to the
// value that an object of a side holds.
func (m *Mapping) BrokenLaws(side record.Side, o record.Object) []string {
	return m.lensesOf(side, o, func(l *line, v record.Value, _ scalar) bool { return !l.lens.leadsBack(&l.Field, l.codec, v) })
}

// Respelled names the fields, by key, whose text in an object of Advoware is not the one
// that `format` makes of its value: the next edit in EspoCRM writes it in another
// spelling, and loses what `parse` has dropped.
func (m *Mapping) Respelled(o record.Object) []string {
	return m.lensesOf(record.Advoware, o, func(l *line, v record.Value, s scalar) bool {
		stands, _ := words.canonical(s)
		made, _ := l.lens.turn(l.lens.format, words, v.Text(), notFormatted)
		return made != stands
	})
}

// lensesOf names the fields with both ways for whose value in an object breaks holds.
func (m *Mapping) lensesOf(side record.Side, o record.Object, breaks func(*line, record.Value, scalar) bool) []string {
	p := m.planOf(side)
	cells := p.cells(o)
	var keys []string
	for i := range m.lines {
		l := &m.lines[i]
		if l.lens == nil || l.lens.format == nil || l.lens.parse == nil {
			continue
		}
		slot := l.espoSlot
		if side == record.Advoware {
			slot = l.advoSlot
		}
		v, why := l.lens.read(l.codec, side, cells[slot].s)
		if why == "" && v.HasText() && breaks(l, v, cells[slot].s) {
			keys = append(keys, l.Key)
		}
	}
	return keys
}
