// Package draft writes a first mapping of an entity: from what EspoCRM says of its fields
// and what samples of both systems show, which field may mean which. Every guess says why
// it was made; what is not sure is commented out. It is pure: samples in, text out.
//
// The text names fields, and of a field with a fixed choice of words those words; other
// values of records are counted and never written.
package draft

import (
	"slices"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// Field is what EspoCRM's metadata say about a field.
type Field struct {
	Type               string    `json:"type"`
	Options            []*string `json:"options"`
	ReadOnly           bool      `json:"readOnly"`
	ReadOnlyAfterwards bool      `json:"readOnlyAfterCreate"`
	NotStorable        bool      `json:"notStorable"`
	Disabled           bool      `json:"disabled"`
	Required           bool      `json:"required"`
	// Entity is the type that a link leads to, in metadata beside the field; "": none.
	Entity string `json:"-"`
}

// Pair is one record on both sides, linked by its number.
type Pair struct{ Espo, Advo record.Object }

// Source is all that a draft is made of.
type Source struct {
	Entity, EspoType, AdvoPath string
	Fields                     map[string]Field // of EspoCRM, by name
	Espo, Advo                 []record.Object  // samples, linked ones too
	Pairs                      []Pair
	// Entities are the configured ones, by EspoCRM's type: what a link may lead to.
	Entities map[string]string
	// ID and RowID are the names of the id and the row id in Advoware's samples.
	ID, RowID string
	// Lists: the path has listed its records; Items is the key that held them, "" where
	// the answer was the list.
	Lists bool
	Items string
}

// Draft is the text of a mapping file.
type Draft struct {
	YAML []byte
	// Fields are the lines in force; Guesses those that are commented out.
	Fields, Guesses int
}

// Write drafts the mapping. What it writes is a mapping that mapping.Parse takes, unless
// no field is in force.
func Write(s Source) Draft {
	espo, advo := s.attributes(), s.keys()
	lines := s.match(espo, advo)
	w := &writer{source: s}
	w.head()
	w.matching(lines)
	taken := map[string]bool{} // of Advoware's keys
	for _, l := range lines {
		taken[l.key.name] = true
	}
	w.fields(lines, taken, advo)
	w.rest(lines, espo, taken, advo)
	return Draft{YAML: []byte(w.out.String()), Fields: w.active, Guesses: w.guesses}
}

// attribute is one of EspoCRM's, with what it may be mapped as.
type attribute struct {
	name    string
	types   []mapping.Type // the first one that the values fit
	options []string       // of an enum
	oneWay  bool           // EspoCRM takes no value
	words   []string
}

// typesOf are the mapping types that a field of EspoCRM may have, the likeliest first.
var typesOf = map[string][]mapping.Type{
	"varchar": {mapping.String, mapping.Date, mapping.Email, mapping.Phone, mapping.IBAN, mapping.URL}, "text": {mapping.Text},
	"int": {mapping.Int}, "autoincrement": {mapping.Int}, "number": {mapping.String},
	"float": {mapping.Decimal}, "decimal": {mapping.Decimal}, "currency": {mapping.Decimal},
	"bool": {mapping.Bool}, "date": {mapping.Date}, "datetime": {mapping.Datetime}, "datetimeOptional": {mapping.Datetime},
	"enum": {mapping.String}, "email": {mapping.Email}, "phone": {mapping.Phone}, "url": {mapping.URL},
}

// ownFields are the sync's and EspoCRM's own; a mapping may not have them.
var ownFields = append(record.SyncFields(), "id", "versionNumber", "deleted", "modifiedAt", "createdAt", "streamUpdatedAt")

// attributes are those that can be mapped, sorted.
func (s *Source) attributes() []attribute {
	var out []attribute
	for name, f := range s.Fields {
		types := typesOf[f.Type]
		if types == nil || f.Disabled || slices.Contains(ownFields, name) || f.NotStorable && f.Type != "email" && f.Type != "phone" {
			continue
		}
		a := attribute{name: name, types: types, words: words(name), oneWay: f.ReadOnly || f.ReadOnlyAfterwards || f.Type == "autoincrement" || f.Type == "number"}
		for _, o := range f.Options {
			if o != nil && *o != "" {
				a.options = append(a.options, *o)
			}
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return out
}
