package store

import (
	"encoding/json"
	"time"

	"advosync/internal/record"
)

// former is what former versions stored before a write: one form for each kind of
// write, with a copy of the base in force.
type former struct {
	Kind       string                 `json:"kind"` // create, update, espocrm, delete, undo
	Run        string                 `json:"run"`
	At         time.Time              `json:"at"`
	Deadline   time.Time              `json:"deadline"`
	HistoryID  string                 `json:"historyId"`
	AdvowareID int64                  `json:"advowareId"`
	PrevID     int64                  `json:"prevId"`
	EspoRow    string                 `json:"espoRow"`
	Fields     map[string]formerField `json:"fields"`
	Base       *Base                  `json:"base"`
	// First: a first contact, so Base holds what agreed and no more.
	First   bool                    `json:"first"`
	Match   map[string]record.Value `json:"match"`
	Highest int64                   `json:"highest"`
	// Arrived: what was sent to Advoware had arrived, and this is the PUT to EspoCRM.
	Arrived  bool   `json:"arrived"`
	RowAfter string `json:"rowAfter"`
	Planned  *Base  `json:"planned"` // the base once that PUT happened
	Notes    []Note `json:"notes"`
}

type formerField struct {
	Espo   record.Value `json:"espocrm"`
	Before record.Value `json:"before"` // Advoware's
	Sent   optional     `json:"sent"`
	ToEspo optional     `json:"toEspo"`
	Def    string       `json:"def"`
}

// optional keeps "an empty value was sent", which is written as null, apart from
// "nothing was sent".
type optional struct {
	value record.Value
	given bool
}

// UnmarshalJSON is called for null as well, because optional is no pointer.
func (o *optional) UnmarshalJSON(b []byte) error {
	o.given = true
	return json.Unmarshal(b, &o.value)
}

// kindKey is the field under which a kind is announced (reconcile.KindKey).
const kindKey = "(kind)"

// bringUpToDate gives a memory the announcement that a former one stands for, and the
// base that was in force.
func (f *former) bringUpToDate(m *Memory) {
	f.Base.unknowAhead()
	f.Planned.unknowAhead()
	if m.Base = f.Base; f.First {
		m.Base = nil
	}
	m.Open = &Announcement{Side: record.Advoware, AdvowareID: f.AdvowareID, PrevID: f.PrevID, RowBefore: f.EspoRow, At: f.At, Deadline: f.Deadline,
		Run: f.Run, HistoryID: f.HistoryID, Match: f.Match, Highest: f.Highest, Notes: f.Notes, Fields: map[string]Announced{}}
	toEspo := false
	switch f.Kind {
	case "create":
		m.Open.Makes = true
	case "delete":
		m.Open.Removes = true
	case "espocrm":
		toEspo = true
		m.Open.Side, m.Open.RowID = record.EspoCRM, f.RowAfter
		if p := f.Planned; p != nil && f.Base != nil && p.Kind.Espo != f.Base.Kind.Espo && p.Kind.Espo.HasText() {
			m.Open.Fields[kindKey] = Announced{Shown: record.Pair{Espo: f.Base.Kind.Espo, Advo: p.Kind.Advo}, Target: p.Kind.Espo}
		}
	case "undo": // on both sides at once: whatever stands there, nobody knows whose it is
		m.Open = nil
		m.unknow(f.Fields)
		return
	}
	for key, fi := range f.Fields {
		target := fi.Sent
		if toEspo {
			target = fi.ToEspo
		}
		if target.given {
			m.Open.Fields[key] = Announced{Shown: record.Pair{Espo: fi.Espo, Advo: fi.Before}, Target: target.value}
		}
	}
}

// unknow makes both halves of the written fields unknown.
func (m *Memory) unknow(fields map[string]formerField) {
	if m.Base == nil {
		return
	}
	for key, fi := range fields {
		if fi.Sent.given || fi.ToEspo.given {
			m.Base.Fields[key] = FieldBase{Pair: record.Pair{Espo: record.Unknown(), Advo: record.Unknown()}, Def: fi.Def}
		}
	}
}
