package sides_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

const person = `entity: Person
espocrm: {type: CPerson}
advoware: {path: api/persons, id: betNr, row_id: rowId}
match: [email, name]
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: email, advoware: mail}
  - {espocrm: shown, advoware: shown, direction: to_espocrm}
`

func parsed(t *testing.T, yaml string) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Parse("person.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func object(t *testing.T, v any) record.Object {
	t.Helper()
	o, err := record.NewObject(v)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Keys of the fields.
const (
	name  = "name~name"
	email = "email~mail"
	shown = "shown~shown"
)

func pair(espo, advo string) record.Pair {
	return record.Pair{Espo: record.Of(espo), Advo: record.Of(advo)}
}

// A stamp of Advoware's is read whatever its form, one without a zone as the office's time; EspoCRM's sync fields are read from a
// record that the mapping cannot read.
func TestReads(t *testing.T) {
	m := parsed(t, person)
	e, err := sides.ReadEspo(m, object(t, map[string]any{"advowareId": 7, "advowareRowId": "r1", "syncStatus": "failed", "syncRetryCount": 2, "versionNumber": 9, "name": []int{1}}), time.Unix(1, 0))
	if err != nil && e == nil || e.AdvowareID != 7 || e.RowID != "r1" || e.Status != "failed" || e.Version == nil || *e.Version != 9 {
		t.Errorf("EspoCRM's read: %+v, %v", e, err)
	}
	for stamp, want := range map[string]string{
		"2026-01-02T03:04:05":           "2026-01-02 02:04:05",
		"2026-07-02T03:04:05.1234567":   "2026-07-02 01:04:05",
		"2026-10-05T08:15:30.1234567Z":  "2026-10-05 08:15:30",
		"0001-01-01T00:00:00":           "",
		"2026-01-02T03:04:05.123+01:00": "2026-01-02 02:04:05",
		"2026-01-02 03:04:05":           "2026-01-02 02:04:05",
		"gestern":                       "",
	} {
		a, err := sides.ReadAdvo(m, 7, object(t, map[string]any{"betNr": 7, "rowId": "r1", "geaendertAm": stamp}))
		if err != nil || a.ChangedAt != want || a.RowID != "r1" {
			t.Errorf("%q is read as %q (%v), not %q", stamp, a.ChangedAt, err, want)
		}
	}
}

// Who has moved is asked of the fields that count for a side: what EspoCRM shows of one
// that belongs to Advoware is no edit of its own, and an absent value is no move.
func TestWhoHasMoved(t *testing.T) {
	m := parsed(t, person)
	b := sides.Clone(nil)
	sides.Set(m, b, name, pair("Alt", "Alt"))
	sides.Set(m, b, shown, pair("1", "1"))
	sides.Set(m, b, email, record.Pair{Espo: record.Of("a@x.de"), Advo: record.Absent()})
	if _, ok := b.Fields[email]; ok {
		t.Error("a pair with an absent half is a base")
	}
	for _, tt := range []struct {
		values     map[string]record.Value
		espo, advo bool
	}{
		{map[string]record.Value{name: record.Of("Alt"), shown: record.Of("1")}, false, false},
		{map[string]record.Value{name: record.Of("Neu")}, true, true},
		{map[string]record.Value{shown: record.Of("2")}, false, true},
		{map[string]record.Value{email: record.Of("b@x.de")}, false, false}, // no base knows it
		{map[string]record.Value{name: record.Absent()}, false, false},
	} {
		v := &mapping.View{Values: tt.values}
		if e, a := sides.EspoMoved(m, b, v), sides.AdvoMoved(m, b, v); e != tt.espo || a != tt.advo {
			t.Errorf("%v: EspoCRM %v, Advoware %v", tt.values, e, a)
		}
	}
	if !sides.Lacks(m, b, "") {
		t.Error("email has a base that nobody has set")
	}
	if f := sides.NeverSynced(m, b, &mapping.View{Values: map[string]record.Value{email: record.Of("b@x.de")}}); f != "mail" {
		t.Errorf("never synced: %q", f)
	}
}

// A base is good for the fields that still mean the same: one whose definition has changed
// has none, and a half that is no longer readable is known to nobody.
func TestUsable(t *testing.T) {
	m := parsed(t, person)
	b := sides.Clone(nil)
	b.Mapping = m.Fingerprint()
	for _, key := range []string{name, email} {
		sides.Set(m, b, key, pair("x", "x"))
	}
	other := b.Fields[email]
	other.Def += "'"
	b.Fields[email] = other
	got := sides.Usable(m, b)
	if _, ok := got.Fields[email]; ok || got.Fields[name].Pair != pair("x", "x") {
		t.Errorf("usable: %+v", got.Fields)
	}
	if sides.Usable(m, nil) != nil {
		t.Error("no base is usable")
	}
}

// A base is read as the mapping in force reads: a scale, or a value that means empty, that
// is new in the mapping is nobody's edit.
func TestABaseUnderAnotherScale(t *testing.T) {
	const fields = `entity: Akte
espocrm: {type: CAkte}
advoware: {path: api/akten, id: nr, row_id: rowId}
fields:
  - {espocrm: amount, advoware: wert, type: decimal}
  - {espocrm: floor, advoware: stock, type: int}
`
	former := parsed(t, fields)
	m := parsed(t, strings.NewReplacer("decimal}", "decimal, scale: 2}", "int}", "int, empty: [0]}").Replace(fields))
	b := sides.Clone(nil)
	b.Mapping = former.Fingerprint()
	sides.Set(former, b, "amount~wert", pair("19.905", "19.905"))
	sides.Set(former, b, "floor~stock", pair("0", "0"))
	e, err := m.ReadEspo(object(t, map[string]any{"amount": 19.905, "floor": 0}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.ReadAdvo(object(t, map[string]any{"wert": 20, "stock": 0}))
	if err != nil {
		t.Fatal(err)
	}
	if got := sides.Usable(m, b); sides.EspoMoved(m, got, &e) || !sides.AdvoMoved(m, got, &a) {
		t.Errorf("an edit in Advoware alone: EspoCRM has moved %v, Advoware %v", sides.EspoMoved(m, got, &e), sides.AdvoMoved(m, got, &a))
	}
}

func TestOutdated(t *testing.T) {
	b := &store.Base{RowID: "r1", LastSync: "2026-01-01 10:00:00"}
	for _, tt := range []struct {
		row, last string
		want      bool
	}{{"r2", "2026-01-01 10:00:01", true}, {"r1", "2026-01-01 10:00:01", false}, {"r2", "2026-01-01 10:00:00", false}, {"", "2026-01-02 10:00:00", false}} {
		if got := sides.Outdated(b, tt.row, tt.last); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if sides.Outdated(nil, "r2", "2026-01-01 10:00:01") {
		t.Error("no base is outdated")
	}
}

// A record whose memory is lost is adopted from one look only where nothing at all is left
// to do: clean, with the rowId of now, every value the same.
func TestAgreed(t *testing.T) {
	m := parsed(t, person)
	espo := map[string]any{"advowareId": 7, "advowareRowId": "r1", "syncStatus": "clean", "advowareLastSync": "2026-01-01 10:00:00", "name": "Alt", "email": "a@x.de", "shown": "1"}
	advo := map[string]any{"betNr": 7, "rowId": "r1", "name": "Alt", "mail": "a@x.de", "shown": "1"}
	with := func(o map[string]any, key string, v any) map[string]any {
		out := map[string]any{}
		for k, x := range o {
			out[k] = x
		}
		out[key] = v
		return out
	}
	if b := sides.Agreed(m, object(t, espo), object(t, advo), time.Unix(1, 0)); b == nil || b.RowID != "r1" || b.AdvowareID != 7 || len(b.Fields) != 3 {
		t.Fatalf("agreed: %+v", b)
	}
	for what, o := range map[string][2]map[string]any{
		"another rowId":       {espo, with(advo, "rowId", "r2")},
		"another value":       {espo, with(advo, "name", "Neu")},
		"another spelling":    {espo, with(advo, "mail", "A@x.de")},
		"a status that waits": {with(espo, "syncStatus", "dirty"), advo},
		"never synced":        {with(espo, "advowareLastSync", nil), advo},
	} {
		if b := sides.Agreed(m, object(t, o[0]), object(t, o[1]), time.Unix(1, 0)); b != nil {
			t.Errorf("%s: adopted without a sync", what)
		}
	}
}
