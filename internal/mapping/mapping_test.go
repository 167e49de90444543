package mapping_test

import (
	"encoding/json"
	"os"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// samples are the 60 recorded Advoware records.
func samples(tb testing.TB) []record.Object {
	tb.Helper()
	raw, err := os.ReadFile("testdata/beteiligte.json")
	if err != nil {
		tb.Fatal(err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		tb.Fatal(err)
	}
	var out []record.Object
	for _, b := range list {
		o, err := record.ParseObject(b)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, o)
	}
	if len(out) != 60 {
		tb.Fatalf("%d samples, want 60", len(out))
	}
	return out
}

func object(tb testing.TB, text string) record.Object {
	tb.Helper()
	o, err := record.ParseObject([]byte(text))
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return o
}

func TestBuiltinHasNoFindings(t *testing.T) {
	m := mapping.Builtin()
	if w := m.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
	if m.Entity() != "Beteiligte" || m.EspoType() != "CBeteiligte" || m.AdvoID() != "betNr" || m.List() != nil {
		t.Errorf("header: %s %s %s %v", m.Entity(), m.EspoType(), m.AdvoID(), m.List())
	}
}

func TestBuiltinReadsTheSamples(t *testing.T) {
	m := mapping.Builtin()
	kinds := map[string]int{}
	for i, o := range samples(t) {
		v, err := m.ReadAdvo(o)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if len(v.Broken) > 0 {
			t.Errorf("sample %d: broken %v", i, v.Broken)
		}
		kinds[v.Kind]++
	}
	if kinds["person"] == 0 || kinds["firma"] == 0 || len(kinds) != 2 {
		t.Errorf("kinds: %v", kinds)
	}
}

func TestReadPersonAndFirm(t *testing.T) {
	m := mapping.Builtin()
	tests := []struct {
		name, json, kind string
		want             map[string]string
	}{
		{"person", `{"vorname":" Anna ","name":"Müller","geburtsdatum":"1980-02-29T00:00:00","emailGesch":""}`, "person",
			map[string]string{"firstName~vorname": "Anna", "lastName~name": "Müller", "name~=@person": "Anna Müller", "geburtsdatum~geburtsdatum": "1980-02-29"}},
		{"firm, vorname null", `{"vorname":null,"name":"Bäcker GmbH"}`, "firma",
			map[string]string{"firmenname~name": "Bäcker GmbH", "name~=@firma": "Bäcker GmbH", "name~=@person": "Bäcker GmbH"}},
		{"firm, vorname absent", `{"name":"Bäcker GmbH"}`, "firma", map[string]string{"firmenname~name": "Bäcker GmbH"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := m.ReadAdvo(object(t, tt.json))
			if err != nil {
				t.Fatal(err)
			}
			if v.Kind != tt.kind {
				t.Errorf("kind %q, want %q", v.Kind, tt.kind)
			}
			for key, want := range tt.want {
				got, ok := v.Values[key]
				if !ok || got.Text() != want {
					t.Errorf("%s = %q (%v), want %q", key, got.Text(), got, want)
				}
			}
		})
	}
}

func BenchmarkReadAdvo(b *testing.B) {
	m := mapping.Builtin()
	o := samples(b)[1]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.ReadAdvo(o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadEspo(b *testing.B) {
	m := mapping.Builtin()
	o := object(b, `{"id":"6b04","name":"Anna Müller","firstName":"Anna","lastName":"Müller","firmenname":null,"email":"a@example.de","phone":null,"geburtsdatum":"1980-02-29","modifiedAt":"2026-01-02 03:04:05","versionNumber":3}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.ReadEspo(o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := mapping.BuiltinYAML()
	for b.Loop() {
		if _, err := mapping.Parse("x.yaml", src); err != nil {
			b.Fatal(err)
		}
	}
}
