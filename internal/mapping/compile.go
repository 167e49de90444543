package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sort"
	"strings"

	"advosync/internal/mapping/strictyaml"
	"advosync/internal/record"
)

// table compiles a `values` table and checks that it can be read the way the
// field's direction needs.
func (p *parsing) table(n strictyaml.Node, l *line) *table {
	if n.Kind != strictyaml.Map || len(n.Pairs) == 0 {
		p.add(n, "must be a map: EspoCRM's value to Advoware's")
		return nil
	}
	t := &table{
		forward:  map[record.Value]record.Value{},
		backward: map[record.Value]record.Value{},
		wires:    map[record.Value]json.RawMessage{},
	}
	oneToOne := true
	for _, pair := range n.Pairs {
		oneToOne = p.row(t, l, pair) && oneToOne
	}
	if !oneToOne && l.Direction == ToAdvoware {
		t.advoSpace = true
		return t
	}
	byText := t.wires
	t.wires = make(map[record.Value]json.RawMessage, len(t.forward))
	for espo, advo := range t.forward {
		t.wires[espo] = byText[advo]
	}
	return t
}

// row adds one line of a table; false when it makes the table ambiguous for
// reading Advoware, which only a to_advoware field may be.
func (p *parsing) row(t *table, l *line, pair strictyaml.Pair) bool {
	c := l.codec
	if l.Type == Set { // a table is about members
		c = words
	}
	espo, why := c.canonical(scalar{scalarText, pair.Name})
	advo, wire, ok := advoTableValue(pair.Value)
	_, twice := t.forward[espo]
	switch {
	case why != "":
		p.add(pair.Value, "EspoCRM's value %s (type %s)", why, l.Type)
		return true
	case !ok:
		p.add(pair.Value, "must be a single value of Advoware")
		return true
	case twice:
		p.add(pair.Value, "stands twice in this table for EspoCRM")
		return true
	}
	t.forward[espo] = advo
	if _, known := t.wires[advo]; !known {
		t.wires[advo] = wire
	}
	unique := true
	if other, twice := t.backward[advo]; twice {
		unique = false
		if l.Direction != ToAdvoware {
			p.add(pair.Value, "Advoware's %s stands for two EspoCRM values, %s too; direction %s needs one",
				word(advo), word(other), l.Direction)
		}
	} else {
		t.backward[advo] = espo
	}
	if advo.IsEmpty() && espo != emptyOf(l.Type) {
		unique = false
		if l.Direction == Both {
			p.add(pair.Value, "an empty Advoware value would mean %s, but an empty EspoCRM value is written empty too; map \"\" as well or make the field one-way", word(espo))
		}
	}
	return unique
}

// emptyOf is how an empty field of a type reads in EspoCRM.
func emptyOf(t Type) record.Value {
	v, _ := plain(t).canonical(scalar{})
	return v
}

// tableDefault reads `default`: the word of the table that counts for words that the
// table lacks, on the sides that values come from.
func (p *parsing) tableDefault(n strictyaml.Node, l *line) {
	text, at := p.text(n, "default")
	if text == "" {
		return
	}
	values, ok := n.Get("values")
	if !ok {
		p.add(at, "belongs to a values table")
	}
	if l.table == nil {
		return
	}
	c := l.codec
	if l.Type == Set {
		c = words
	}
	espo, _ := c.canonical(scalar{scalarText, text})
	advo, known := l.table.forward[espo]
	if !known || !espo.HasText() {
		var names []string
		for _, pair := range values.Pairs {
			names = append(names, pair.Name)
		}
		p.suggest(at, names, text, "is no word of EspoCRM in this table")
	}
	if l.table.other = espo; l.table.advoSpace {
		l.table.other = advo
	}
	l.table.from = map[Direction][]record.Side{
		Both: {record.EspoCRM, record.Advoware}, ToAdvoware: {record.EspoCRM}, ToEspocrm: {record.Advoware},
	}[l.Direction]
}

func word(v record.Value) string {
	if v.IsEmpty() {
		return `""`
	}
	return v.Text()
}

// advoTableValue is an Advoware value of a table. A number or boolean without
// quotes is sent as such.
func advoTableValue(n strictyaml.Node) (record.Value, json.RawMessage, bool) {
	if n.Kind == strictyaml.Null {
		return record.Empty(), json.RawMessage("null"), true
	}
	if n.Kind != strictyaml.Scalar {
		return record.Value{}, nil, false
	}
	text := canonicalText(n.Value)
	if text == "" {
		return record.Empty(), json.RawMessage("null"), true
	}
	switch n.Form {
	case strictyaml.Bool:
		if b := canonicalBool(text); b != "" {
			return record.Of(b), json.RawMessage(b), true
		}
	case strictyaml.Int, strictyaml.Float:
		if c := canonicalNumber(text); c != "" {
			return record.Of(c), json.RawMessage(c), true
		}
	}
	return record.Of(text), quote(text), true
}

// finish gives the lines their keys, merges what several kinds share, and lays
// out the plans.
func (p *parsing) finish(m *Mapping) {
	p.assignKeys(m)
	for _, c := range p.clears {
		m.addClear(record.Side(c.side), c.name, m.kinds[c.kind].name)
		k := &m.kinds[c.kind]
		if k.clears == nil {
			k.clears = map[record.Side][]string{}
		}
		side := record.Side(c.side)
		k.clears[side] = append(k.clears[side], c.name)
		slices.Sort(k.clears[side])
	}
	m.contactPicks()
	m.byKey = make(map[string]int, len(m.lines))
	for i := range m.lines {
		l := &m.lines[i]
		m.byKey[l.Key] = i
		l.espoSlot, l.advoSlot = -1, -1
		if l.Espo != "" {
			l.espoSlot = m.espo.slot(l.Espo)
		}
		if l.Advo != "" {
			l.advoSlot = m.advo.slot(l.Advo)
		}
		if l.expr != nil {
			m.planOf(l.owner()).reads(l.expr)
		}
	}
	for i := range m.kinds {
		m.espo.reads(m.kinds[i].espo)
		m.advo.reads(m.kinds[i].advo)
	}
	m.espoNames = espoAttributes(m.espo.slots)
	m.fingerprint = m.fingerprintOf()
	m.fields = map[string][]Field{"": m.fieldsOf("")}
	for i := range m.kinds {
		m.fields[m.kinds[i].name] = m.fieldsOf(m.kinds[i].name)
	}
}

// addClear makes a clear a one-way field whose owner's value is always empty, so
// that it is compared, announced and remembered like any other value.
func (m *Mapping) addClear(side record.Side, name, kind string) {
	f := Field{Key: name + "~!", Espo: name, Type: String, Direction: ToEspocrm, Clear: true, Kind: kind}
	if side == record.Advoware {
		f.Key, f.Espo, f.Advo, f.Direction = "!~"+name, "", name, ToAdvoware
	}
	for i := range m.lines {
		if m.lines[i].Key == f.Key {
			m.lines[i].kinds = append(m.lines[i].kinds, kind)
			return
		}
	}
	f.Def = hash("clear", string(side), name)
	m.lines = append(m.lines, line{Field: f, kinds: []string{kind}, codec: plain(String)})
}

// fieldsOf are the common fields and then those of kind, in file order.
func (m *Mapping) fieldsOf(kind string) []Field {
	out := make([]Field, 0, len(m.lines))
	for _, common := range []bool{true, false} {
		for i := range m.lines {
			if l := &m.lines[i]; l.active(kind) && (l.kinds == nil) == common {
				f := l.Field
				if !common {
					f.Kind = kind
				}
				out = append(out, f)
			}
		}
	}
	return slices.Clip(out)
}

func (m *Mapping) planOf(side record.Side) *plan {
	if side == record.EspoCRM {
		return &m.espo
	}
	return &m.advo
}

// reads makes sure that an expression finds its names.
func (p *plan) reads(e *expression) {
	for _, name := range e.names {
		slot := p.slot(name)
		if !slices.Contains(p.env, slot) {
			p.env = append(p.env, slot)
		}
	}
}

// espoAttributes reduces names that reach into an attribute to the attribute.
func espoAttributes(slots []string) []string {
	var names []string
	for _, s := range slots {
		if i := strings.IndexAny(s, ".["); i > 0 {
			s = s[:i]
		}
		names = append(names, s)
	}
	sort.Strings(names)
	return slices.Compact(names)
}

// assignKeys names every line. The same line in several kinds is one field;
// different lines under one key get the kind's name.
func (p *parsing) assignKeys(m *Mapping) {
	definitions := map[string]map[string]bool{}
	for i := range m.lines {
		l := &m.lines[i]
		l.Key, l.Def = baseKey(l.Field), definition(l)
		if definitions[l.Key] == nil {
			definitions[l.Key] = map[string]bool{}
		}
		definitions[l.Key][l.Def] = true
	}
	var merged []line
	at := map[string]int{}
	for _, l := range m.lines {
		if len(definitions[l.Key]) > 1 {
			l.Key += "@" + l.Kind
		}
		if i, shared := at[l.Key]; shared {
			merged[i].kinds = append(merged[i].kinds, l.kinds...)
			continue
		}
		at[l.Key] = len(merged)
		merged = append(merged, l)
	}
	m.lines = merged
}

func baseKey(f Field) string {
	espo, advo := f.Espo, f.Advo
	if f.Computed && espo == "" {
		espo = "="
	}
	if f.Computed && advo == "" {
		advo = "="
	}
	return espo + "~" + advo
}

// definition is the fingerprint of what a base's pair means: the names, and what
// translates between them. Another type reads the same pair (Retyped), and direction,
// group and policy only say what is done about it.
func definition(l *line) string {
	parts := []string{l.Espo, l.Advo}
	if l.advoSpace() {
		parts = append(parts, "Advoware's space")
	}
	if l.expr != nil {
		parts = append(parts, "=", l.expr.source)
	}
	if l.ref != nil {
		parts = append(parts, "link", l.ref.entity, "user", l.ref.user)
	}
	if l.lens != nil {
		parts = append(parts, "format", l.lens.format.text(), "parse", l.lens.parse.text())
	}
	if l.table != nil {
		var rows []string
		for espo, advo := range l.table.forward {
			rows = append(rows, hash(espo.Text(), advo.Text()))
		}
		sort.Strings(rows)
		if l.table.from != nil {
			rows = append(rows, "default", l.table.other.Text())
		}
		parts = append(parts, rows...)
	}
	return hash(parts...)
}

func (m *Mapping) fingerprintOf() string {
	parts := []string{m.espoType, m.advoPath, m.advoID, m.advoRow}
	var fields []string
	for i := range m.lines {
		l := &m.lines[i]
		kinds := slices.Sorted(slices.Values(l.kinds))
		parts := append([]string{l.Key, l.Def, string(l.Type), string(l.Direction)}, kinds...)
		fields = append(fields, hash(append(parts, l.codec.said()...)...))
	}
	sort.Strings(fields)
	parts = append(parts, fields...)
	for i := range m.kinds { // in order: the first that holds applies
		k := &m.kinds[i]
		parts = append(parts, "kind", k.name, k.espo.source, k.advo.source)
		for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
			parts = append(parts, string(side))
			parts = append(parts, k.clears[side]...)
		}
	}
	return hash(parts...)
}

// hash is a short fingerprint of parts, each kept apart from its neighbours.
func hash(parts ...string) string {
	h := sha256.New()
	for _, s := range parts {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
