package sync

import (
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// maxErrorMessage is the length of syncErrorMessage in characters.
const maxErrorMessage = 2000

// ReadFields are the attributes besides the mapped ones that a record must be
// read with.
func ReadFields(m *mapping.Mapping) []string {
	return []string{"id", record.FieldAdvowareID, record.FieldRowID, record.FieldStatus, record.FieldLastSync, record.FieldErrorMessage, record.FieldRetryCount,
		record.FieldVersion, record.FieldModifiedAt, record.FieldModifiedBy, record.FieldCreatedAt, m.Title()}
}

// espoState is one read of EspoCRM.
type espoState struct {
	obj        record.Object
	view       mapping.View
	advowareID int64 // 0: not linked
	row        string
	status     string
	lastSync   string
	modifiedAt string
	modifiedBy string
	createdAt  string
	retries    int
	message    string
	version    *int64 // nil where the type has no optimistic concurrency
	readAt     time.Time
	// asOf is EspoCRM's own time, in its format, when the read began, as far as its
	// answers tell: what is saved later has no older stamp. "": they do not.
	asOf string
}

func readState(m *mapping.Mapping, o record.Object, now time.Time) (*espoState, error) {
	s := &espoState{obj: o, readAt: now}
	s.advowareID, _ = o.Int(record.FieldAdvowareID)
	s.row, _ = o.Text(record.FieldRowID)
	s.status, _ = o.Text(record.FieldStatus)
	s.lastSync, _ = o.Text(record.FieldLastSync)
	s.modifiedAt, _ = o.Text(record.FieldModifiedAt)
	s.modifiedBy, _ = o.Text(record.FieldModifiedBy)
	s.createdAt, _ = o.Text(record.FieldCreatedAt)
	s.message, _ = o.Text(record.FieldErrorMessage)
	n, _ := o.Int(record.FieldRetryCount)
	s.retries = int(n)
	if v, ok := o.Int(record.FieldVersion); ok {
		s.version = &v
	}
	view, err := m.ReadEspo(o)
	s.view = view
	return s, err
}

// advoState is one read of Advoware.
type advoState struct {
	id        int64
	obj       record.Object
	view      mapping.View
	row       string
	changedAt string // geaendertAm in EspoCRM's form, "" where there is none
}

func readAdvoState(m *mapping.Mapping, id int64, o record.Object) (*advoState, error) {
	s := &advoState{id: id, obj: o}
	s.row, _ = o.Text(m.AdvoRowID())
	if t, ok := o.Text("geaendertAm"); ok {
		s.changedAt = espoStamp(t)
	}
	view, err := m.ReadAdvo(o)
	s.view = view
	return s, err
}

// espoStamp turns an ISO stamp into EspoCRM's form; "" when it is none.
func espoStamp(iso string) string {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", record.StampLayout} {
		if t, err := time.Parse(layout, iso); err == nil {
			return t.UTC().Format(record.StampLayout)
		}
	}
	return ""
}

// rfc3339 shows EspoCRM's stamp the way results do; "" stays "".
func rfc3339(stamp string) string {
	t, err := time.Parse(record.StampLayout, stamp)
	if err != nil {
		return stamp
	}
	return t.Format(time.RFC3339)
}

// cut shortens a text to n characters, never in the middle of one.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// serverAt is EspoCRM's time at a moment of ours, in its format and never too
// late: its newest answer came at the latest now. "" before the first answer.
func (e *Engine) serverAt(began, now time.Time) string {
	server := e.EspoCRM.ServerTime()
	if server.IsZero() || now.Before(began) {
		return ""
	}
	return server.Add(began.Sub(now)).UTC().Format(record.StampLayout)
}
