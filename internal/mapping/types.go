// Package mapping is the YAML mapping of one entity, compiled: which field of
// EspoCRM means which field of Advoware, how a value of one side reads on the
// other, and which kind (person, firm) a record is. It is pure: bytes in,
// values out.
package mapping

import (
	"cmp"
	"time"

	"advosync/internal/record"
)

// Direction says which way a field's values travel.
type Direction string

// The directions. A one-way field belongs to the side it comes from: a change
// on the other side is put back, and is never a conflict.
const (
	Both       Direction = "both"
	ToAdvoware Direction = "to_advoware"
	ToEspocrm  Direction = "to_espocrm"
)

// Policy says who wins a conflict about one field or group; the words are those of
// `sync.conflict`.
type Policy string

// The policies.
const (
	EspoCRMWins  Policy = "espocrm"
	AdvowareWins Policy = "advoware"
	Merge        Policy = "merge"
	Manual       Policy = "manual"
)

// Type is a field's value type.
type Type string

// The types.
const (
	String   Type = "string"
	Int      Type = "int"
	Decimal  Type = "decimal" // `float` is another word for it
	Bool     Type = "bool"
	Date     Type = "date"
	Datetime Type = "datetime"
	Text     Type = "text"  // a text whose line ends are those of the side that it is written to
	Email    Type = "email" // compared without case, written as typed
	Phone    Type = "phone" // E.164; what is no number is a text
	IBAN     Type = "iban"
	URL      Type = "url" // scheme and host without case, the path exactly
	Set      Type = "set" // a multi-enum, and a list or a text with separators; order counts nothing
)

// TypeNames are the words that `type` takes.
func TypeNames() []string {
	var names []string
	for _, t := range []Type{String, Text, Int, Decimal, Bool, Date, Datetime, Email, Phone, IBAN, URL, Set} {
		names = append(names, string(t))
	}
	return names
}

// PolicyNames are the words that `policy` takes.
func PolicyNames() []string {
	return []string{string(Merge), string(EspoCRMWins), string(AdvowareWins), string(Manual)}
}

// Field is one compiled line of `fields`.
type Field struct {
	// Key identifies the field in bases and announcements: "espo~advo", for computed
	// fields "espo~=" and "=~advo".
	Key string
	// Espo and Advo are the names on both sides (Advo may be dotted); "" where a
	// computed field has no counterpart.
	Espo, Advo string
	Kind       string // "" for fields of every kind
	Type       Type
	Direction  Direction // computed fields and clears are one-way
	Computed   bool
	// Clear is true for a line that empties one side (`clear: espocrm`): a one-way
	// field whose owner's value is always empty. It goes along with a write, or
	// with a change of kind, and never causes a write of its own. Key "espo~!" or
	// "!~advo".
	Clear bool
	// Reference is true for a field that leads to another record or to a user: its value
	// is EspoCRM's id.
	Reference bool
	// Group names the fields with which this one is one value for a conflict: who
	// moved one of them has moved all. "": it stands alone.
	Group string
	// Policy decides a conflict about this field, or about its whole group, before
	// the record's policy does; "": the record's.
	Policy Policy
	// Def is the fingerprint of the definition: a base stored under another one
	// does not mean the same. Another type, direction, group or policy is no other one.
	Def string
}

// Own reports whether only records of one kind have the field, and both sides may edit
// it. Such fields travel with a change of kind.
func (f *Field) Own() bool { return f.Kind != "" && f.Direction == Both }

// Unit is what the field is one value with: its group, or it alone under its key.
func (f *Field) Unit() string { return cmp.Or(f.Group, f.Key) }

// List says how the Advoware path lists records.
type List struct {
	Path   string            // default: the entity's path
	Page   string            // name of the page query parameter
	Size   string            // name of the page size query parameter
	First  int               // number of the first page
	Max    int               // page size
	Params map[string]string // fixed parameters as they stand in the mapping; ParamsAt gives their days
	Items  string            // key that holds the array; "": the answer is the array
	zone   *time.Location
}

// View is one side of a record in canonical form.
type View struct {
	// Kind is the first kind whose condition holds; "" when the mapping has no
	// kinds.
	Kind string
	// Values by field key, of the fields of every kind; a computed field's value
	// on its owner's side is the result, on the other side what stands there.
	Values map[string]record.Value
	// Broken names the fields whose value could not be read (a computed field
	// that failed, a text where a number belongs); their value is Absent.
	Broken map[string]error
	words  map[string]record.Value
}
