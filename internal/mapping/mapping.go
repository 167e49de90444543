package mapping

import (
	"maps"
	"slices"
	"time"

	"advosync/internal/record"
)

// Mapping is one entity's mapping, compiled and checked. It does not change
// after Parse and may be shared.
type Mapping struct {
	entity, espoType          string
	advoPath, advoID, advoRow string
	list                      *List
	zone                      *time.Location
	paths                     paths
	refers                    bool // a field leads to other records
	references                References
	linksAt                   []linkAt
	omit                      []string
	match                     []string
	title                     string // "": EspoCRM's name
	imports                   bool
	lines                     []line // in file order; a line that several kinds share stands once
	byKey                     map[string]int
	kinds                     []kind
	espo, advo                plan
	espoNames                 []string
	fields                    map[string][]Field // by kind
	fingerprint               string
	warnings                  []string
}

// line is a Field with what it takes to read and write it.
type line struct {
	Field
	kinds    []string // kinds that it belongs to; nil: every one
	expr     *expression
	table    *table
	codec    *codec
	ref      *reference
	lens     *lens    // nil: the two sides write a value alike
	element  *element // nil: the field picks no element of a list of Advoware
	contact  *contact // nil: the field is none of several addresses or numbers of EspoCRM
	espoSlot int      // -1: no name on that side
	advoSlot int
}

// owner is the side on which a computed line is evaluated.
func (l *line) owner() record.Side {
	if l.Direction == ToEspocrm {
		return record.Advoware
	}
	return record.EspoCRM
}

func (l *line) writes(side record.Side) bool {
	if side == record.EspoCRM {
		return l.Espo != "" && l.Direction != ToAdvoware
	}
	return l.Advo != "" && l.Direction != ToEspocrm
}

func (l *line) active(kind string) bool {
	return l.kinds == nil || slices.Contains(l.kinds, kind)
}

// advoSpace reports whether the canonical space is Advoware's: nothing leads back from it.
func (l *line) advoSpace() bool {
	return l.table != nil && l.table.advoSpace || l.lens != nil && l.lens.advoSpace()
}

// kind is one compiled entry of `kinds`.
type kind struct {
	name       string
	espo, advo *expression
	clears     map[record.Side][]string // sorted
}

func (k *kind) condition(side record.Side) *expression {
	if side == record.EspoCRM {
		return k.espo
	}
	return k.advo
}

// Entity is the value of --entity.
func (m *Mapping) Entity() string { return m.entity }

// EspoType is the entity type in EspoCRM.
func (m *Mapping) EspoType() string { return m.espoType }

// AdvoPath is the resource path, relative to the API base, without outer slashes.
func (m *Mapping) AdvoPath() string { return m.advoPath }

// AdvoID is the name of the id in an Advoware object.
func (m *Mapping) AdvoID() string { return m.advoID }

// AdvoRowID is the name of the row id in an Advoware object.
func (m *Mapping) AdvoRowID() string { return m.advoRow }

// List says how Advoware lists the records; nil: no list calls.
func (m *Mapping) List() *List {
	if m.list == nil {
		return nil
	}
	l := *m.list
	l.Params = maps.Clone(l.Params)
	return &l
}

// Moment is a time stamp of Advoware's in UTC, Absent where it is none: one without a zone
// is the office's time.
func (m *Mapping) Moment(stamp string) record.Value {
	v, _ := (&codec{typ: Datetime, zone: m.zone}).advo(scalar{scalarText, stamp})
	return v
}

// Imports reports whether a pass makes EspoCRM records of those that only Advoware has.
func (m *Mapping) Imports() bool { return m.imports }

// Title is the attribute in EspoCRM by which people know a record, name where the mapping
// says no other. It is read, and never written.
func (m *Mapping) Title() string {
	if m.title == "" {
		return "name"
	}
	return m.title
}

// Match is the natural key: EspoCRM names.
func (m *Mapping) Match() []string { return slices.Clone(m.match) }

// Kinds are the kinds' names in file order; none: nil.
func (m *Mapping) Kinds() []string {
	var names []string
	for i := range m.kinds {
		names = append(names, m.kinds[i].name)
	}
	return names
}

// Fingerprint changes when a stored base may no longer mean the same: names,
// types with what they need to know, directions, tables, expressions, kinds and their
// conditions. Comments, the order of fields, match, list, groups and policies do not count.
func (m *Mapping) Fingerprint() string { return m.fingerprint }

// Warnings are lint's findings that do not make the mapping unusable.
func (m *Mapping) Warnings() []string { return slices.Clone(m.warnings) }

// Fields are the common fields and then those of kind, in file order, clears
// last. The caller must not change them.
func (m *Mapping) Fields(kind string) []Field { return m.fields[kind] }

// AllFields are the fields of all kinds, each key once (Kind is the first kind
// that has it), in file order.
func (m *Mapping) AllFields() []Field {
	out := make([]Field, len(m.lines))
	for i := range m.lines {
		out[i] = m.lines[i].Field
	}
	return out
}

// Field finds a field by key.
func (m *Mapping) Field(key string) (Field, bool) {
	i, ok := m.byKey[key]
	if !ok {
		return Field{}, false
	}
	return m.lines[i].Field, true
}

// Clears are the names that are null on side for kind, sorted.
func (m *Mapping) Clears(kind string, side record.Side) []string {
	for i := range m.kinds {
		if m.kinds[i].name == kind {
			return slices.Clone(m.kinds[i].clears[side])
		}
	}
	return nil
}

// EspoNames is every EspoCRM attribute that is read, in fields, conditions and
// expressions, sorted: the `select` of a list call.
func (m *Mapping) EspoNames() []string { return slices.Clone(m.espoNames) }
