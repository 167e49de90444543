package forms_test

import (
	"testing"

	"advosync/internal/forms"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

const street = "street~strasse"

func parsed(t *testing.T) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Parse("person.yaml", []byte(`entity: Person
espocrm: {type: CPerson}
advoware: {path: api/persons, id: betNr, row_id: rowId}
match: [street]
fields:
  - {espocrm: street, advoware: strasse}
`))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// readBack is a write to a side that was answered, and what it shows right after it.
func readBack(side record.Side, sent, read record.Value) (reconcile.Settling, reconcile.Settlement) {
	in := reconcile.Settling{Fate: reconcile.FateDone, Answer: true, Now: map[string]record.Value{street: read},
		Open: reconcile.Announcement{Side: side, Fields: map[string]reconcile.Announced{street: {Target: sent, Shown: record.Pair{Espo: sent, Advo: sent}}}}}
	return in, reconcile.Settle(in)
}

// Seen once in Advoware a value may as well be somebody's save; seen twice it is the
// system's form. What EspoCRM has answered it alone can have made.
func TestLearn(t *testing.T) {
	sent, read := record.Of("Hauptstr. 1"), record.Of("Hauptstraße 1")
	m := parsed(t)
	known := forms.Of(m, nil)
	for times, want := range []bool{false, true} {
		in, got := readBack(record.Advoware, sent, read)
		known.Learn(in, got)
		if own := known.Own(street, sent, read); own != want {
			t.Errorf("after %d read-backs: %v", times+1, own)
		}
	}
	known = forms.Of(m, nil)
	in, got := readBack(record.EspoCRM, sent, read)
	if known.Learn(in, got); !known.Own(street, sent, read) {
		t.Error("EspoCRM's answer is not taken for its form")
	}
	if known.Own(street, sent, record.Of("Nebenstraße 1")) {
		t.Error("another value passes for the form")
	}
	if again := forms.Of(m, known.Remembered()); !again.Own(street, sent, read) {
		t.Error("it is not remembered")
	}
}

// Of each field only the newest forms are kept, and counting on changes nothing that
// somebody else holds.
func TestFewAreKept(t *testing.T) {
	m := parsed(t)
	known := forms.Of(m, nil)
	first := known
	for _, v := range []string{"a", "b", "c", "d", "e"} {
		in, got := readBack(record.EspoCRM, record.Of(v), record.Of("made of "+v))
		known.Learn(in, got)
	}
	if n := len(known.Remembered()[street]); n != 4 {
		t.Errorf("%d forms are kept", n)
	}
	if known.Own(street, record.Of("a"), record.Of("made of a")) || !known.Own(street, record.Of("e"), record.Of("made of e")) {
		t.Error("not the newest ones")
	}
	if len(first.Remembered()) != 0 {
		t.Error("a copy has learned, too")
	}
}

// What stood there before may look like a cut form of what was sent, and not have been
// replaced at all: it is one only where the base knows the side to cut.
func TestMade(t *testing.T) {
	m := parsed(t)
	known := forms.Of(m, nil)
	before, sent := record.Of("Haupt"), record.Of("Hauptstr. 1")
	if known.Made(nil, record.Advoware, street, before, sent, before) {
		t.Error("the value from before passes for a cut form")
	}
	if !known.Made(nil, record.Advoware, street, record.Of("Neben"), sent, before) {
		t.Error("a value cut in the write is none")
	}
	b := sides.Clone(nil)
	sides.Set(m, b, street, record.Pair{Espo: record.Of("Hauptallee 3"), Advo: before})
	if !known.Made(b, record.Advoware, street, before, sent, before) {
		t.Error("the base knows that Advoware cuts so")
	}
	if known.Made(&store.Base{}, record.Advoware, street, before, sent, before) {
		t.Error("an empty base knows it, too")
	}
}
