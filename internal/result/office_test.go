package result_test

import (
	"reflect"
	"testing"

	"advosync/internal/result"
)

func TestCommandOf(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"advosync sync --id 1", "advosync sync --office bonn --id 1"},
		{"look: advosync status, then advosync cron-run --entity E", "look: advosync status --office bonn, then advosync cron-run --office bonn --entity E"},
		{"advosync init espocrm-extension writes it", "advosync init espocrm-extension --office bonn writes it"},
		{"advosync status --office kiel", "advosync status --office kiel"},
		{"systemctl status advosync-watch; advosync init; advosync version; advosync syncs", "systemctl status advosync-watch; advosync init; advosync version; advosync syncs"},
		{"", ""},
	} {
		if got := result.CommandOf(c.text, "bonn"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if got := result.CommandOf(c.text, ""); got != c.text {
			t.Errorf("without offices %q", got)
		}
	}
}

// TestOfOffice: whatever has a place for the office has its name, the commands name it,
// values of fields are as they were, and so is what it was made of.
func TestOfOffice(t *testing.T) {
	value, n := "advosync reset --all", int64(7)
	doc := result.Document{Error: &result.Error{Hint: "advosync doctor"}, Results: []result.Record{{ID: "a", AdvowareID: &n, Next: "advosync diff --id a",
		Error:  &result.Error{Message: "see advosync check", Hint: "advosync unlock --id a"},
		Fields: []result.Field{{Espocrm: "f", Values: &result.Values{Espocrm: &value}}}, Overwritten: []result.Overwritten{{Undo: "advosync undo --run r"}}}}}
	got := result.OfOffice(doc, "bonn")
	r := got.Results[0]
	texts := []string{got.Office, got.Error.Hint, r.Office, r.Next, r.Error.Message, r.Error.Hint, r.Overwritten[0].Undo, *r.Fields[0].Values.Espocrm}
	want := []string{"bonn", "advosync doctor --office bonn", "bonn", "advosync diff --office bonn --id a", "see advosync check --office bonn", "advosync unlock --office bonn --id a",
		"advosync undo --office bonn --run r", "advosync reset --all"}
	if !reflect.DeepEqual(texts, want) || r.AdvowareID != &n {
		t.Errorf("%q\nwant %q", texts, want)
	}
	if doc.Office != "" || doc.Error.Hint != "advosync doctor" || doc.Results[0].Office != "" || doc.Results[0].Error.Hint != "advosync unlock --id a" || doc.Results[0].Overwritten[0].Undo != "advosync undo --run r" {
		t.Errorf("what it was made of has changed: %+v", doc)
	}
	if got := result.OfOffice(doc, ""); !reflect.DeepEqual(got, doc) {
		t.Errorf("without offices %+v", got)
	}
	if st := result.OfOffice(result.Status{Needs: []result.Need{{Why: "advosync link", Next: "advosync resolve"}}, Entities: []result.EntityStatus{{Halted: &result.Halted{Hint: "advosync cron-run --allow-empty"}}}}, "bonn"); st.Needs[0].Office != "bonn" ||
		st.Needs[0].Next != "advosync resolve --office bonn" || st.Entities[0].Halted.Hint != "advosync cron-run --office bonn --allow-empty" {
		t.Errorf("%+v", st)
	}
	if result.OfOffice[*result.Error](nil, "bonn") != nil {
		t.Error("nothing became something")
	}
}
