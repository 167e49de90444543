// Package sides is what both sides of a record show, and what is asked of the base that is
// remembered of them. It is pure: reads come in as objects, and leave as values.
package sides

import (
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
)

// Attributes are those besides the mapped ones that a record of EspoCRM must be read with.
func Attributes(m *mapping.Mapping) []string {
	return []string{"id", record.FieldAdvowareID, record.FieldRowID, record.FieldStatus, record.FieldLastSync, record.FieldErrorMessage, record.FieldRetryCount,
		record.FieldVersion, record.FieldModifiedAt, record.FieldModifiedBy, record.FieldCreatedAt, m.Title()}
}

// Espo is one read of EspoCRM. Stamps are EspoCRM's own, in its format, and compare as
// texts.
type Espo struct {
	Object     record.Object
	View       mapping.View
	AdvowareID int64 // 0: not linked
	RowID      string
	Status     string
	LastSync   string
	ModifiedAt string
	ModifiedBy string
	CreatedAt  string
	Message    string // the failure that it shows
	Retries    int
	Version    *int64 // nil where the type has no optimistic concurrency
	ReadAt     time.Time
	// AsOf is EspoCRM's own time when the read began, as far as its answers tell: what is
	// saved later has no older stamp. "": they do not.
	AsOf string
}

// ReadEspo takes what EspoCRM has answered at a moment of ours. A view that the mapping
// cannot read is an error; the sync fields are there all the same.
func ReadEspo(m *mapping.Mapping, o record.Object, now time.Time) (*Espo, error) {
	s := &Espo{Object: o, ReadAt: now}
	s.AdvowareID, _ = o.Int(record.FieldAdvowareID)
	s.RowID, _ = o.Text(record.FieldRowID)
	s.Status, _ = o.Text(record.FieldStatus)
	s.LastSync, _ = o.Text(record.FieldLastSync)
	s.ModifiedAt, _ = o.Text(record.FieldModifiedAt)
	s.ModifiedBy, _ = o.Text(record.FieldModifiedBy)
	s.CreatedAt, _ = o.Text(record.FieldCreatedAt)
	s.Message, _ = o.Text(record.FieldErrorMessage)
	n, _ := o.Int(record.FieldRetryCount)
	s.Retries = int(n)
	if v, ok := o.Int(record.FieldVersion); ok {
		s.Version = &v
	}
	view, err := m.ReadEspo(o)
	s.View = view
	if raw, there := o.Get(record.FieldAdvowareID); !there || s.AdvowareID == 0 && string(raw) != "null" && string(raw) != "0" {
		return s, errLinkUnknown(m, there)
	}
	return s, err
}

// errLinkUnknown: whether the record is linked is not known, which is not the same as that
// it is not. What hides the number of one record, or makes a text of it, does so to all.
func errLinkUnknown(m *mapping.Mapping, there bool) error {
	what := "shows it as something else than a whole number"
	if !there {
		what = "does not show it"
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Op: "read " + record.FieldAdvowareID + " of " + m.EspoType(),
		Message: what + ", so nobody knows what is linked", Hint: "advosync doctor looks at the field's type, and whether the API user may read it"}
}

// Advo is one read of Advoware.
type Advo struct {
	ID        int64
	Object    record.Object
	View      mapping.View
	RowID     string
	ChangedAt string // geaendertAm in EspoCRM's form, "" where there is none
}

// ReadAdvo takes what Advoware has answered for a number.
func ReadAdvo(m *mapping.Mapping, id int64, o record.Object) (*Advo, error) {
	s := &Advo{ID: id, Object: o}
	s.RowID, _ = o.Text(m.AdvoRowID())
	stamp, _ := o.Text("geaendertAm")
	if t, err := time.Parse(time.RFC3339, m.Moment(stamp).Text()); err == nil {
		s.ChangedAt = t.Format(record.StampLayout)
	}
	view, err := m.ReadAdvo(o)
	s.View = view
	return s, err
}
