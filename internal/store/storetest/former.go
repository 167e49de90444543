package storetest

import (
	"testing"

	"advosync/internal/record"
	"advosync/internal/store"
)

// FormerAnnouncements wants the announced writes of a former version's store, in which
// a process was killed in each kind of write, as they are announced now.
func FormerAnnouncements(t *testing.T, load func(id string) store.Memory) {
	t.Helper()
	text, none := record.Of, record.Empty()
	for _, c := range []struct {
		id, what       string
		side           record.Side
		makes, removes bool
		advo           int64
		brings, based  bool
		field          string
		want           store.Announced
	}{
		{id: "6b03f281000010061", what: "a POST without an answer", side: record.Advoware, makes: true, field: "lastName~name",
			want: store.Announced{Shown: record.Pair{Espo: text("Neu")}, Target: text("Neu")}},
		{id: "6b03f284000010061", what: "a record that was made and is not linked", side: record.Advoware, makes: true, advo: 2, based: true, field: "lastName~name",
			want: store.Announced{Shown: record.Pair{Espo: text("Bekannt"), Advo: text("Bekannt")}, Target: text("Bekannt")}},
		{id: "6b03f287000010061", what: "a PUT to Advoware", side: record.Advoware, advo: 3, based: true, field: "phone~telGesch",
			want: store.Announced{Shown: record.Pair{Espo: text("0511 1"), Advo: none}, Target: text("0511 1")}},
		{id: "6b03f294000010061", what: "the final PUT", side: record.EspoCRM, advo: 4, brings: true, based: true, field: "email~emailGesch",
			want: store.Announced{Shown: record.Pair{Espo: text("anna@example.de"), Advo: text("advo@example.de")}, Target: text("advo@example.de")}},
		{id: "6b03f2a1000010061", what: "the final PUT of a change of kind", side: record.EspoCRM, advo: 5, brings: true, based: true, field: "(kind)",
			want: store.Announced{Shown: record.Pair{Espo: text("person"), Advo: text("firma")}, Target: text("firma")}},
		{id: "6b03f2ae000010061", what: "a DELETE", side: record.Advoware, removes: true, advo: 6, based: true},
	} {
		m := load(c.id)
		o := m.Open
		if o == nil {
			t.Errorf("%s: nothing is announced", c.what)
			continue
		}
		if o.Side != c.side || o.Makes != c.makes || o.Removes != c.removes || o.AdvowareID != c.advo || (o.RowID != "") != c.brings || (m.Base != nil) != c.based ||
			o.HistoryID == "" || o.Run == "" || o.Deadline.IsZero() {
			t.Errorf("%s: %+v, base %v", c.what, *o, m.Base != nil)
		}
		if got := o.Fields[c.field]; c.field != "" && (got.Shown != c.want.Shown || got.Target != c.want.Target) {
			t.Errorf("%s: %s is %#v, want %#v", c.what, c.field, got, c.want)
		}
	}
}
