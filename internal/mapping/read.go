package mapping

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// plan says where in an object one side's names stand, so that a record is
// walked once.
type plan struct {
	root  node
	slots []string       // slot → name
	index map[string]int // name → slot
	env   []int          // slots that expressions read
	// primary are the lists of which the mapping picks the primary element: other fields
	// take it last.
	primary map[string]bool
}

type node struct {
	slot     int // -1: not read itself
	children map[string]*node
	picked   []picked // elements of the list that stands here
}

// picked is an element of a list and what is read of it.
type picked struct {
	pick record.Pick
	node *node
}

// element is where a picked element is read, made when it is new.
func (n *node) element(pick record.Pick) *node {
	for _, p := range n.picked {
		if p.pick == pick {
			return p.node
		}
	}
	n.picked = append(n.picked, picked{pick, &node{slot: -1}})
	return n.picked[len(n.picked)-1].node
}

func newPlan() plan { return plan{root: node{slot: -1}, index: map[string]int{}} }

// slot is the place of a name, made when it is new.
func (p *plan) slot(name string) int {
	if i, ok := p.index[name]; ok {
		return i
	}
	at := &p.root
	for part := range strings.SplitSeq(name, ".") {
		pick, picks := p.cut(part)
		if picks {
			part = pick.List
		}
		next := at.children[part]
		if next == nil {
			next = &node{slot: -1}
			if at.children == nil {
				at.children = map[string]*node{}
			}
			at.children[part] = next
		}
		if at = next; picks {
			at = at.element(pick)
		}
	}
	at.slot = len(p.slots)
	p.index[name] = at.slot
	p.slots = append(p.slots, name)
	return at.slot
}

func (p *plan) cut(part string) (record.Pick, bool) {
	pick, picks := record.CutPick(part)
	if picks && p.primary[pick.List] && pick.Key != "primary" {
		pick.Besides = "primary"
	}
	return pick, picks
}

// cell is what stands at one name.
type cell struct {
	there bool
	s     scalar
}

func (p *plan) cells(o record.Object) []cell {
	out := make([]cell, len(p.slots))
	fill(gjson.ParseBytes(o.Bytes()), &p.root, out)
	return out
}

// fill walks an object. A member that stands there twice counts the first
// time, as in record.Object. A child of null is null: the parent was answered.
func fill(r gjson.Result, at *node, out []cell) {
	r.ForEach(func(key, value gjson.Result) bool {
		child := at.children[key.Str]
		if child == nil {
			return true
		}
		if child.slot >= 0 && !out[child.slot].there {
			out[child.slot] = cell{true, scalarOf(value)}
		}
		fillPicked(value, child, out)
		switch {
		case child.children == nil:
		case value.IsObject():
			fill(value, child, out)
		case value.Type == gjson.Null:
			fillAll(child, scalar{}, out)
		default:
			fillAll(child, scalar{kind: scalarComposite}, out)
		}
		return true
	})
}

// fillPicked reads elements of a list. One that is not there is known to be empty.
func fillPicked(list gjson.Result, at *node, out []cell) {
	for _, p := range at.picked {
		element := p.pick.From(list)
		switch {
		case element.IsObject():
			fill(element, p.node, out)
		case list.IsArray() || list.Type == gjson.Null:
			fillAll(p.node, scalar{}, out)
		default:
			fillAll(p.node, scalar{kind: scalarComposite}, out)
		}
	}
}

func fillAll(at *node, s scalar, out []cell) {
	for _, child := range at.children {
		if child.slot >= 0 && !out[child.slot].there {
			out[child.slot] = cell{true, s}
		}
		fillAll(child, s, out)
	}
}

func (p *plan) environment(cells []cell) map[string]any {
	if len(p.env) == 0 {
		return nil
	}
	env := make(map[string]any, len(p.env))
	for _, slot := range p.env {
		env[p.slots[slot]] = envValue(cells[slot].s)
	}
	return env
}

// anyThere reports whether at least one name of e was answered.
func (p *plan) anyThere(e *expression, cells []cell) bool {
	for _, name := range e.names {
		if cells[p.index[name]].there {
			return true
		}
	}
	return len(e.names) == 0
}

// ReadEspo is EspoCRM's side of a record. The error is a *fault.Error when no
// kind applies; the view then holds the values all the same.
func (m *Mapping) ReadEspo(o record.Object) (View, error) {
	return m.read(record.EspoCRM, &m.espo, o)
}

// ReadAdvo is Advoware's side of a record, as ReadEspo.
func (m *Mapping) ReadAdvo(o record.Object) (View, error) {
	return m.read(record.Advoware, &m.advo, o)
}

func (m *Mapping) read(side record.Side, p *plan, o record.Object) (View, error) {
	cells := p.cells(o)
	env := p.environment(cells)
	v := View{Values: make(map[string]record.Value, len(m.lines))}
	for i := range m.lines {
		l := &m.lines[i]
		if l.ref != nil {
			m.refer(&v, l, side, cells)
			continue
		}
		value, why := l.read(side, p, cells, env)
		v.Values[l.Key] = value
		if l.table != nil && l.table.from != nil {
			v.stands(l, side, p, cells)
		}
		if why != "" {
			v.broken(l.Key, m.fail(side, l.name(side), l.name(side)+" "+why+" (type "+string(l.Type)+")"))
		}
	}
	var err error
	if v.Kind, err = m.kindOf(side, env); err == nil && side == record.Advoware {
		err = m.answered(v.Kind, cells)
	}
	return v, err
}

func (v *View) broken(key string, err error) {
	if v.Broken == nil {
		v.Broken = map[string]error{}
	}
	v.Broken[key] = err
}

// refer reads a field that leads to another record.
func (m *Mapping) refer(v *View, l *line, side record.Side, cells []cell) {
	slot := l.espoSlot
	if side == record.Advoware {
		slot = l.advoSlot
	}
	value, err := m.readRef(l, side, cells[slot])
	v.Values[l.Key] = value
	if err != nil {
		v.broken(l.Key, err)
	}
}

// stands remembers a word for which its table's default counts.
func (v *View) stands(l *line, side record.Side, p *plan, cells []cell) {
	bare := *l
	bare.table = l.table.bare()
	word, _ := bare.read(side, p, cells, nil)
	if !word.IsUnmapped() {
		return
	}
	if v.words == nil {
		v.words = map[string]record.Value{}
	}
	v.words[l.Key] = word
}

// Stands is what a field holds in truth: where its table's default counts for a word
// that the table lacks, that word, as unmapped. It is what a history has to keep.
func (v *View) Stands(key string) record.Value {
	if word, ok := v.words[key]; ok {
		return word
	}
	return v.Values[key]
}

// answered refuses an answer of Advoware that leaves out every field that only its
// kind has. The kind's condition has taken what is not there for blank, and absent is
// never cleared. (EspoCRM hides names by itself.)
func (m *Mapping) answered(kind string, cells []cell) error {
	var lacks []string
	for i := range m.lines {
		l := &m.lines[i]
		switch {
		case l.kinds == nil || !l.active(kind) || l.Clear || l.expr != nil || l.advoSlot < 0:
		case cells[l.advoSlot].there:
			return nil
		default:
			lacks = append(lacks, l.Advo)
		}
	}
	if lacks == nil {
		return nil
	}
	e := m.fail(record.Advoware, "", "the answer leaves out every field of kind "+kind+" ("+strings.Join(lacks, ", ")+"); which kind it is cannot be told")
	e.Hint = "advosync doctor"
	return e
}

// name is what the field is called on side, for messages; a computed field is
// called by its target everywhere.
func (l *line) name(side record.Side) string {
	if (side == record.EspoCRM && l.Espo != "") || l.Advo == "" {
		return l.Espo
	}
	return l.Advo
}

func (l *line) read(side record.Side, p *plan, cells []cell, env map[string]any) (record.Value, string) {
	if l.Clear && l.owner() == side {
		return record.Empty(), ""
	}
	if l.Computed && l.owner() == side {
		// Nothing it reads was answered: not known, which is not the same as
		// empty.
		if !p.anyThere(l.expr, cells) {
			return record.Absent(), ""
		}
		result, err := l.expr.run(env)
		if err != nil {
			return record.Absent(), err.Error()
		}
		return l.codec.on(side, resultScalar(result))
	}
	slot := l.espoSlot
	if side == record.Advoware {
		slot = l.advoSlot
	}
	if !cells[slot].there {
		return record.Absent(), ""
	}
	return l.standing(side, cells[slot].s)
}

// standing is the canonical value of what stands at the line's name on a side. Through a
// table or an expression, too, an empty bool is false.
func (l *line) standing(side record.Side, s scalar) (record.Value, string) {
	v, why := l.translated(side, s)
	return l.filled(v), why
}

// filled is a value as its type has it: an empty bool is false, but where Advoware's own
// words are compared, or the table has none for false.
func (l *line) filled(v record.Value) record.Value {
	if no := record.Of("false"); l.Type == Bool && v.IsEmpty() && !l.advoSpace() && !l.lacks(no) {
		return no
	}
	return v
}

func (l *line) translated(side record.Side, s scalar) (record.Value, string) {
	switch {
	case l.Type == Set:
		return l.readSet(side, s)
	case l.lens != nil:
		return l.lens.read(l.codec, side, s)
	case l.table == nil:
		return l.codec.on(side, s)
	}
	return l.readTable(side, s)
}

// on is the canonical form of what a side holds.
func (c *codec) on(side record.Side, s scalar) (record.Value, string) {
	if side == record.Advoware {
		return c.advo(s)
	}
	return c.canonical(s)
}

// words reads what stands in a table: the table's own words.
var words = plain(String)

// readTable reads a value through the values table. What is not of the field's
// type is one more value that the table does not know.
func (l *line) readTable(side record.Side, s scalar) (record.Value, string) {
	c := l.codec
	if side == record.Advoware {
		c = words
		if n := canonicalNumber(s.text); s.kind == scalarNumber && n != "" {
			s.text = n
		}
	}
	value, why := c.canonical(s)
	if why != "" && s.kind != scalarComposite && s.kind != scalarTorn {
		value, why = record.Unmapped(canonicalText(s.text)), ""
		if slices.Contains(l.table.from, side) {
			value = l.table.other
		}
		return value, ""
	}
	return l.table.read(side, value), why
}

// kindOf is the first kind whose condition holds.
func (m *Mapping) kindOf(side record.Side, env map[string]any) (string, error) {
	if len(m.kinds) == 0 {
		return "", nil
	}
	for i := range m.kinds {
		k := &m.kinds[i]
		c := k.condition(side)
		holds, err := c.holds(env)
		if err != nil {
			// A later kind must not win because an earlier one could not be asked.
			return "", m.fail(side, "", "the condition of kind "+k.name+" ("+oneLine(c.source)+") "+err.Error())
		}
		if holds {
			return k.name, nil
		}
	}
	tried := make([]string, len(m.kinds))
	for i := range m.kinds {
		tried[i] = m.kinds[i].name + ": " + oneLine(m.kinds[i].condition(side).source)
	}
	e := m.fail(side, "", "no kind of "+m.entity+" applies to this record; tried "+strings.Join(tried, "; "))
	e.Hint = "complete the record so that one of these conditions holds, or add a kind to the mapping"
	return "", e
}

func oneLine(source string) string { return strings.Join(strings.Fields(source), " ") }

func (m *Mapping) fail(side record.Side, field, message string) *fault.Error {
	system := fault.EspoCRM
	if side == record.Advoware {
		system = fault.Advoware
	}
	return &fault.Error{
		System: system, Code: fault.MappingFail, Owner: fault.OwnerRecord,
		Op: "map " + m.entity, Message: message, Field: field,
	}
}
