package mapping_test

import (
	"testing"

	"advosync/internal/record"
)

const defaults = `fields:
  - {espocrm: a, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau, Other: Divers}, default: Other}
  - {espocrm: to, advoware: nach, direction: to_advoware, values: {Neu: offen, Alt: zu, Weg: zu}, default: Weg}
  - {espocrm: from, advoware: von, direction: to_espocrm, values: {Eins: 1, Rest: 9}, default: Rest}
  - {espocrm: all, advoware: alle, type: set, values: {Eins: 1, Rest: 9}, default: Rest}
`

func TestWordsThatTheTableLacks(t *testing.T) {
	m := parsed(t, defaults)
	e, err := m.ReadEspo(object(t, `{"a":"Mx.","to":"Anders","from":"Zwei","all":["Eins","Drei"]}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.ReadAdvo(object(t, `{"anrede":"Firma","nach":"???","von":3,"alle":[1,7]}`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][2]record.Value{
		"a~anrede": {record.Of("Other"), record.Of("Other")},
		"to~nach":  {record.Of("zu"), record.Unmapped("???")},
		"from~von": {record.Unmapped("Zwei"), record.Of("Rest")},
		"all~alle": {record.Of("Eins; Rest"), record.Of("Eins; Rest")},
	} {
		if e.Values[key] != want[0] || a.Values[key] != want[1] {
			t.Errorf("%s: EspoCRM %q, Advoware %q", key, e.Values[key].Text(), a.Values[key].Text())
		}
	}
	// what the default counts for is not forgotten: a history keeps it
	if e.Stands("a~anrede") != record.Unmapped("Mx.") || a.Stands("a~anrede") != record.Unmapped("Firma") || a.Stands("all~alle") != record.Unmapped("7; Eins") {
		t.Errorf("stands: %q, %q, %q", e.Stands("a~anrede").Text(), a.Stands("a~anrede").Text(), a.Stands("all~alle").Text())
	}
	// nothing is written over a word that means the same, another value is
	same, err := m.Overlay(object(t, `{"anrede":"Firma","alle":[7,1]}`), map[string]record.Value{"a~anrede": record.Of("Other"), "all~alle": record.Of("Eins; Rest")}, nil)
	if err != nil || string(same.Bytes()) != `{"anrede":"Firma","alle":[7,1]}` {
		t.Errorf("%s %v", same.Bytes(), err)
	}
	next, err := m.Overlay(object(t, `{"anrede":"Firma"}`), map[string]record.Value{"a~anrede": record.Of("Mr.")}, nil)
	if err != nil || string(next.Bytes()) != `{"anrede":"Herr"}` {
		t.Errorf("%s %v", next.Bytes(), err)
	}
	if made, err := m.Overlay(record.Object{}, map[string]record.Value{"to~nach": e.Values["to~nach"]}, nil); err != nil || string(made.Bytes()) != `{"nach":"zu"}` {
		t.Errorf("%s %v", made.Bytes(), err)
	}
}

func TestDefaultsRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"no table":        {"fields: [{espocrm: a, advoware: b, default: x}]\n", "m.yaml:4: fields[0].default: belongs to a values table"},
		"another word":    {"fields: [{espocrm: a, advoware: b, values: {Neu: N}, default: Nue}]\n", "m.yaml:4: fields[0].default: is no word of EspoCRM in this table (did you mean Neu?)"},
		"Advoware's word": {"fields: [{espocrm: a, advoware: b, values: {Neu: N}, default: N}]\n", "m.yaml:4: fields[0].default: is no word of EspoCRM in this table"},
	})
}
