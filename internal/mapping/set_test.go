package mapping_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/record"
)

const sets = `fields:
  - {espocrm: areas, advoware: gebiete, type: set}
  - {espocrm: tags, advoware: merkmale, type: set, separator: ";", empty: ["-"]}
  - {espocrm: roles, advoware: rollen, type: set, values: {Mandant: 1, Gegner: 2, "Zeuge; Sachverst.": 3}}
  - {espocrm: marks, advoware: zeichen, type: set, separator: ",", values: {Neu: N, Alt: A}}
`

func TestSets(t *testing.T) {
	m := parsed(t, sets)
	tests := []struct{ name, key, espo, advo, value string }{
		{"a list", "areas~gebiete", `["Miete","Erbe"]`, `["Erbe", " Miete","Erbe",null]`, "Erbe; Miete"},
		{"none", "areas~gebiete", `[]`, `null`, ""},
		{"numbers", "areas~gebiete", `["2","10"]`, `[10,2.0]`, "10; 2"},
		{"a member with the mark", "areas~gebiete", `["a;b\\"]`, `["a;b\\"]`, `a\;b\\`},
		{"a text", "tags~merkmale", `["B","A b"]`, `"A b; B;"`, "A b; B"},
		{"its own word for none", "tags~merkmale", `null`, `"-"`, ""},
		{"a table of numbers", "roles~rollen", `["Gegner","Mandant"]`, `[1,"2"]`, "Gegner; Mandant"},
		{"a table with the mark", "roles~rollen", `["Zeuge; Sachverst."]`, `[3]`, `Zeuge\; Sachverst.`},
		{"a table and a text", "marks~zeichen", `["Neu","Alt"]`, `"N,A"`, "Alt; Neu"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			espo, advo, _ := strings.Cut(tt.key, "~")
			e, err := m.ReadEspo(object(t, `{"`+espo+`":`+tt.espo+`}`))
			if err != nil {
				t.Fatal(err)
			}
			a, err := m.ReadAdvo(object(t, `{"`+advo+`":`+tt.advo+`}`))
			if err != nil {
				t.Fatal(err)
			}
			want := record.Of(tt.value)
			if e.Values[tt.key] != want || a.Values[tt.key] != want {
				t.Errorf("EspoCRM %q, Advoware %q, want %q (%v %v)", e.Values[tt.key].Text(), a.Values[tt.key].Text(), tt.value, e.Broken, a.Broken)
			}
		})
	}
	for name, advo := range map[string]string{
		"areas~gebiete": `{"gebiete":"Miete"}`, "tags~merkmale": `{"merkmale":["A"]}`, "roles~rollen": `{"rollen":[{"nr":1}]}`,
	} {
		v, err := m.ReadAdvo(object(t, advo))
		if err != nil || v.Broken[name] == nil || !v.Values[name].IsAbsent() {
			t.Errorf("%s: %v, broken %v", name, err, v.Broken[name])
		}
	}
	if v, _ := m.ReadAdvo(object(t, `{"rollen":[1,9]}`)); !v.Values["roles~rollen"].IsUnmapped() {
		t.Error("a member that the table lacks was taken for none")
	}
}

func TestSetsAreWrittenIntoWhatStandsThere(t *testing.T) {
	m := parsed(t, sets)
	for _, tt := range []struct{ name, key, before, value, after string }{
		{"the order stays", "areas~gebiete", `{"gebiete":[ "C","A" , null,"B"],"x":1.0}`, "A; C; D", `{"gebiete":["C","A",null,"D"],"x":1.0}`},
		{"nothing to do", "areas~gebiete", `{"gebiete":[ "C",  "A","C"]}`, "A; C", `{"gebiete":[ "C",  "A","C"]}`},
		{"numbers stay numbers", "areas~gebiete", `{"gebiete":[7,"8"]}`, "7; 8; 9", `{"gebiete":[7,"8","9"]}`},
		{"all of them numbers", "areas~gebiete", `{"gebiete":[7,8.0]}`, "7; 8; 9", `{"gebiete":[7,8.0,9]}`},
		{"a clear", "areas~gebiete", `{"gebiete":["A"]}`, "", `{"gebiete":[]}`},
		{"a clear of a text", "tags~merkmale", `{"merkmale":"A"}`, "", `{"merkmale":"-"}`},
		{"a text with blanks", "tags~merkmale", `{"merkmale":"B; A"}`, "A; B; C", `{"merkmale":"B; A; C"}`},
		{"a text without", "tags~merkmale", `{"merkmale":"B;A"}`, "B; C", `{"merkmale":"B;C"}`},
		{"a new text", "tags~merkmale", `{}`, "A; C", `{"merkmale":"A;C"}`},
		{"a table", "roles~rollen", `{"rollen":[2,5.0,"1"]}`, "Gegner; Mandant", `{"rollen":[2,"1"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := m.Overlay(object(t, tt.before), map[string]record.Value{tt.key: record.Of(tt.value)}, nil)
			if err != nil || string(o.Bytes()) != tt.after {
				t.Errorf("got  %s\nwant %s (%v)", o.Bytes(), tt.after, err)
			}
		})
	}
	p, err := m.EspoPatch(object(t, `{"areas":["C","A"]}`), map[string]record.Value{"areas~gebiete": record.Of("A; B; C"), "tags~merkmale": record.Empty()})
	if err != nil || string(p["areas"]) != `["C","A","B"]` || string(p["tags"]) != "[]" {
		t.Errorf("%v: %s %s", err, p["areas"], p["tags"])
	}
	if _, err := m.Overlay(record.Object{}, map[string]record.Value{"tags~merkmale": record.Of(`a\;b`)}, nil); err == nil {
		t.Error("a member with the separator in it was written")
	}
	if f, _ := m.Field("areas~gebiete"); !f.Agree(record.Of("erbe; Miete"), record.Of("Erbe; miete")) || f.Agree(record.Of("a; b"), record.Of("ab")) {
		t.Error("sets agree by their members")
	}
}

// TestSetLaws: what one side holds reads on the other as it was written, whatever stood
// there, and writing it again changes nothing.
func TestSetLaws(t *testing.T) {
	m := parsed(t, sets)
	word := rapid.SampledFrom([]string{"A", "b c", "Ü", "12", "x;y", `\`, "a,b", ""})
	rapid.Check(t, func(t *rapid.T) {
		list := func(name string) []string { return rapid.SliceOfN(word, 0, 4).Draw(t, name) }
		raw := func(v any) string {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		e, err := record.ParseObject([]byte(`{"areas":` + raw(list("areas")) + `,"tags":` + raw(list("tags")) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		text := slices.DeleteFunc(list("merkmale"), func(s string) bool { return strings.Contains(s, ";") })
		a, err := record.ParseObject([]byte(`{"gebiete":` + raw(list("gebiete")) + `,"merkmale":` + raw(strings.Join(text, "; ")) + `}`))
		if err != nil {
			t.Fatal(err)
		}
		v, err := m.ReadEspo(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"areas~gebiete", "tags~merkmale"} {
			values := map[string]record.Value{key: v.Values[key]}
			out, err := m.Overlay(a, values, nil)
			if err != nil {
				if key != "tags~merkmale" || !strings.Contains(values[key].Text(), `\;`) {
					t.Fatal(err)
				}
				continue // holds the separator, and is said
			}
			back, err := m.ReadAdvo(out)
			if err != nil || back.Values[key] != values[key] {
				t.Fatalf("%v: %s became %s, which reads %q, want %q", err, a.Bytes(), out.Bytes(), back.Values[key].Text(), values[key].Text())
			}
			again, err := m.Overlay(out, values, nil)
			if err != nil || string(again.Bytes()) != string(out.Bytes()) {
				t.Fatalf("%v: %s, then %s", err, out.Bytes(), again.Bytes())
			}
			p, err := m.EspoPatch(e, values)
			if err != nil {
				t.Fatal(err)
			}
			written, err := record.NewObject(p)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := m.ReadEspo(written); err != nil || r.Values[key] != values[key] {
				t.Fatalf("%v: EspoCRM reads %q, want %q", err, r.Values[key].Text(), values[key].Text())
			}
		}
	})
}

func TestSetsRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"separator elsewhere": {"fields: [{espocrm: a, advoware: b, separator: ';'}]\n", "m.yaml:4: fields[0].separator: belongs to type set, not to string"},
		"a blank":             {"fields: [{espocrm: a, advoware: b, type: set, separator: ' '}]\n", `m.yaml:4: fields[0].separator: must be what stands between two members, without blanks, such as ";"`},
		"a misspelt key":      {"fields: [{espocrm: a, advoware: b, type: set, seperator: ';'}]\n", "m.yaml:4: fields[0].seperator: unknown key (did you mean separator?)"},
		"empty of a list":     {"fields: [{espocrm: a, advoware: b, type: set, empty: [0]}]\n", "m.yaml:4: fields[0].empty: belongs to a set that is a text with a separator; a list is empty by itself"},
		"computed":            {"fields: [{espocrm: a, from_advoware: b, type: set}]\n", "m.yaml:4: fields[0]: a computed field is no set"},
	})
}
