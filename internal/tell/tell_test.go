package tell_test

import (
	"strings"
	"testing"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/tell"
)

const (
	street = "street~strasse"
	phone  = "phone~tel"
)

func parsed(t *testing.T) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Parse("person.yaml", []byte(`entity: Person
espocrm: {type: CPerson}
advoware: {path: api/persons, id: betNr, row_id: rowId}
match: [street]
fields:
  - {espocrm: street, advoware: strasse}
  - {espocrm: phone, advoware: tel}
`))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func view(street_, phone_ string) *mapping.View {
	return &mapping.View{Values: map[string]record.Value{street: record.Of(street_), phone: record.Of(phone_)}}
}

// clash is a conflict about the street, in which EspoCRM's value goes over Advoware's edit.
func clash(t *testing.T) reconcile.Decision {
	f, ok := parsed(t).Field(street)
	if !ok {
		t.Fatal("no such field")
	}
	return reconcile.Decision{Action: reconcile.Write, Clash: true, ToAdvo: map[string]record.Value{street: record.Of("neu")}, Reason: result.Reason{Text: "Both sides changed street."},
		Changes: []reconcile.Change{{Field: f, Pair: record.Pair{Espo: record.Of("neu"), Advo: record.Of("anders")}, Moved: "both", Target: record.Advoware}}}
}

// states are what the history says of the writes, in their order.
func states(e *store.Entry) string {
	var out []string
	for _, wr := range e.Writes {
		out = append(out, string(wr.State))
	}
	return strings.Join(out, " ")
}

func TestPlan(t *testing.T) {
	e := &store.Entry{}
	tell.Plan(e, parsed(t), record.Advoware, clash(t), view("anders", "1"), 2)
	if len(e.Writes) != 1 || e.Writes[0].Before != record.Of("anders") || e.Writes[0].After != record.Of("neu") || !e.Writes[0].Overruled || !e.Conflict || e.Writes[0].Attempt != 2 {
		t.Errorf("planned: %+v", e.Writes)
	}
	tell.Close(e, record.EspoCRM, store.WriteDone)
	if states(e) != "planned" {
		t.Errorf("closed with the other side's: %s", states(e))
	}
	tell.Close(e, record.Advoware, store.WriteDone)
	tell.Close(e, record.Advoware, store.WriteNotDone)
	if states(e) != "done" {
		t.Errorf("what was said is said anew: %s", states(e))
	}
	tell.Close(nil, record.Advoware, store.WriteDone) // nothing was to be told
}

// The whole object goes over, so a PUT that lands late replaces what somebody has saved in
// fields that were not sent, too.
func TestPlanSeen(t *testing.T) {
	e := &store.Entry{}
	sent := map[string]store.Announced{street: {Target: record.Of("neu")}}
	if tell.PlanSeen(e, parsed(t), sent, view("alt", "1"), view("alt", "1"), 1) {
		t.Error("nobody has saved anything")
	}
	if !tell.PlanSeen(e, parsed(t), sent, view("alt", "1"), view("anders", "2"), 1) || len(e.Writes) != 2 {
		t.Fatalf("seen: %+v", e.Writes)
	}
	for i, want := range []record.Pair{{Espo: record.Of("anders"), Advo: record.Of("neu")}, {Espo: record.Of("2"), Advo: record.Of("1")}} {
		if e.Writes[i].Before != want.Espo || e.Writes[i].After != want.Advo {
			t.Errorf("%s: %v becomes %v", e.Writes[i].Field, e.Writes[i].Before, e.Writes[i].After)
		}
	}
}

func TestWhatBecameOfIt(t *testing.T) {
	planned := func(side record.Side) *store.Entry {
		return &store.Entry{Outcome: "planned", Writes: []store.Write{
			{Espocrm: "street", Field: street, Side: side, Before: record.Of("alt"), State: store.WritePlanned},
			{Espocrm: "phone", Field: phone, Side: side, Before: record.Of("1"), State: store.WritePlanned}}}
	}
	e := planned(record.Advoware)
	if tell.CloseUntaken(e, view("alt", "1"), view("alt", "2")); states(e) != "not_done done" {
		t.Errorf("not taken whole: %s", states(e))
	}
	e = planned(record.EspoCRM)
	if tell.CloseRefused(e, &fault.Error{Code: fault.NotAccepted, System: fault.EspoCRM, Field: "street"}); states(e) != "not_done done" {
		t.Errorf("one field not taken: %s", states(e))
	}
	e = planned(record.EspoCRM)
	if tell.CloseRefused(e, &fault.Error{Code: fault.Validation, System: fault.EspoCRM, Field: "street"}); states(e) != "not_done not_done" {
		t.Errorf("refused: %s", states(e))
	}
	e = planned(record.Advoware)
	tell.CloseDead(e, func(store.Write) store.WriteState { return store.WriteNotDone }, func(record.Side) *mapping.View { return view("alt", "2") })
	if states(e) != "not_done unknown" || e.Outcome != "interrupted" {
		t.Errorf("of a dead run: %s, %s", states(e), e.Outcome)
	}
}

// A note says whose edit gave way and how to take it back, in the language of the office and
// on one line a field; a value makes no lines of its own.
func TestNotes(t *testing.T) {
	d := clash(t)
	d.Changes[0].Espo = record.Of("neu\nOutlook: admin")
	n := tell.Note{Language: tell.German, Run: "r1", Entity: "Person", ID: "abc", Office: "nord"}
	got := strings.Split(n.Conflict(record.Advoware, d), "\n")
	if len(got) != 4 || !strings.Contains(got[1], "überstimmt: die Änderung in Advoware") || !strings.Contains(got[3], "--office nord") {
		t.Errorf("%q", got)
	}
	n.Language = ""
	if got := n.Conflict(record.EspoCRM, d); strings.Contains(got, "overruled: ") {
		t.Errorf("nobody's edit in EspoCRM gave way: %q", got)
	}
	d.Action = reconcile.Park
	if got := n.Conflict("", d); !strings.Contains(got, "EspoCRM “neu") || !strings.Contains(got, "advosync resolve --office nord --entity Person --id abc") {
		t.Errorf("%q", got)
	}
	for _, language := range []string{"", tell.German} {
		n.Language = language
		if got := n.Doubt(reconcile.Replaced, 7, result.Reason{Text: "Advoware 7 is another one."}); !strings.Contains(got, "7") || !strings.Contains(got, "--doubtful") {
			t.Errorf("%q", got)
		}
		if got := n.GivenUp(5, "refused"); !strings.Contains(got, "5") || !strings.Contains(got, "refused") || !strings.Contains(got, "advosync reset") {
			t.Errorf("%q", got)
		}
	}
}
