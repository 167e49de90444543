package mapping_test

import (
	"strings"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// TestTheBuiltInLinesAreReadyToSwitchOn: with all of its commented fields the built-in
// mapping is one, and real records go through it both ways unchanged.
func TestTheBuiltInLinesAreReadyToSwitchOn(t *testing.T) {
	const ready = "  # - {espocrm: "
	text := string(mapping.BuiltinYAML())
	if n := strings.Count(text, ready); n < 6 {
		t.Fatalf("%d lines", n)
	}
	m, err := mapping.Parse("m.yaml", []byte(strings.ReplaceAll(text, ready, "  - {espocrm: ")))
	if err != nil {
		t.Fatal(err)
	}
	filled := map[string]bool{}
	for i, o := range samples(t) {
		v, err := m.ReadAdvo(o)
		if err != nil || len(v.Broken) > 0 {
			t.Fatalf("sample %d: %v %v", i, err, v.Broken)
		}
		values, clears := map[string]record.Value{}, map[string]record.Value{}
		for _, f := range m.Fields(v.Kind) {
			if v.Values[f.Key].HasText() {
				filled[f.Advo] = true
			}
			if f.Direction == mapping.Both && !v.Values[f.Key].IsAbsent() {
				values[f.Key], clears[f.Key] = v.Values[f.Key], record.Empty()
			}
		}
		same, err := m.Overlay(o, values, nil)
		if err != nil || string(same.Bytes()) != string(o.Bytes()) {
			t.Errorf("sample %d: writing what it holds changes it (%v)", i, err)
		}
		patch, err := m.EspoPatch(record.Object{}, values)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		e, err := record.NewObject(patch)
		if err != nil {
			t.Fatal(err)
		}
		back, _ := m.ReadEspo(e) // a firm has no name there yet
		for key, want := range values {
			if back.Values[key] != want {
				t.Errorf("sample %d: %s comes back as another value", i, key)
			}
		}
		if _, err := m.Overlay(o, clears, nil); err != nil {
			t.Errorf("sample %d: %v", i, err)
		}
	}
	for _, name := range []string{"anrede", "adresse.strasse", "kommunikation[kommKz=4].tlf", "vorname"} {
		if !filled[name] {
			t.Errorf("no sample fills %s", name)
		}
	}
}

// TestTheBuiltInTypes: two spellings of one address, number or day are one value.
func TestTheBuiltInTypes(t *testing.T) {
	types := map[string]mapping.Type{"email": mapping.Email, "phone": mapping.Phone, "geburtsdatum": mapping.Date}
	for _, f := range mapping.Builtin().Fields("person") {
		if want, named := types[f.Espo]; named && f.Type != want {
			t.Errorf("%s is of type %s", f.Espo, f.Type)
		}
		if name := f.Espo == "firstName" || f.Espo == "lastName"; name != (f.Group == "name") {
			t.Errorf("%s is in group %q", f.Espo, f.Group)
		}
	}
}
