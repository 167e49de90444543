package mapping_test

import (
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/record"
)

const lists = `fields:
  - {espocrm: mobil, advoware: 'kommunikation[kommArt=1].tlf', new: {online: false, text: ""}}
  - {espocrm: fax, advoware: 'kommunikation[kommArt=3].tlf', remove: true}
  - {espocrm: plz, advoware: 'adressen[standard=true].plz'}
`

func TestElementsOfLists(t *testing.T) {
	const mobil, fax, plz = "mobil~kommunikation[kommArt=1].tlf", "fax~kommunikation[kommArt=3].tlf", "plz~adressen[standard=true].plz"
	m := parsed(t, lists)
	tests := []struct{ name, before, key, value, after string }{
		{"an edit", `{"kommunikation":[ {"x":1.0, "kommArt":1,"tlf":"a"} , {"kommArt":1,"tlf":"b"},7 ],"z":null}`, mobil, "n",
			`{"kommunikation":[ {"x":1.0, "kommArt":1,"tlf":"n"} , {"kommArt":1,"tlf":"b"},7 ],"z":null}`},
		{"the key as a text", `{"kommunikation":[{"kommArt":"1 ","tlf":"a"}]}`, mobil, "n", `{"kommunikation":[{"kommArt":"1 ","tlf":"n"}]}`},
		{"a new element", `{"kommunikation":[{"kommArt":2}]}`, mobil, "n",
			`{"kommunikation":[{"kommArt":2},{"online":false,"text":null,"kommArt":1,"tlf":"n"}]}`},
		{"a new element, the others have the key in quotes", `{"kommunikation":[{"kommArt":"2"}]}`, fax, "n",
			`{"kommunikation":[{"kommArt":"2"},{"kommArt":"3","tlf":"n"}]}`},
		{"a new list", `{"kommunikation":null}`, fax, "n", `{"kommunikation":[{"kommArt":3,"tlf":"n"}]}`},
		{"no list at all", `{}`, plz, "n", `{"adressen":[{"standard":true,"plz":"n"}]}`},
		{"an empty list", `{"adressen":[ ]}`, plz, "n", `{"adressen":[{"standard":true,"plz":"n"} ]}`},
		{"a clear", `{"kommunikation":[{"kommArt":1,"tlf":"a"}]}`, mobil, "", `{"kommunikation":[{"kommArt":1,"tlf":null}]}`},
		{"a clear that removes the first", `{"kommunikation":[{"kommArt":3,"tlf":"a"}, {"kommArt":1}]}`, fax, "", `{"kommunikation":[ {"kommArt":1}]}`},
		{"a clear that removes the last", `{"kommunikation":[{"kommArt":1} ,{"kommArt":3,"tlf":"a"} ]}`, fax, "", `{"kommunikation":[{"kommArt":1}  ]}`},
		{"a clear that removes the only one", `{"kommunikation":[{"kommArt":3,"tlf":"a"}]}`, fax, "", `{"kommunikation":[]}`},
		{"a clear, and another of the sort", `{"kommunikation":[{"kommArt":3,"tlf":"a"},{"kommArt":3,"tlf":"b"}]}`, fax, "", `{"kommunikation":[{"kommArt":3,"tlf":null},{"kommArt":3,"tlf":"b"}]}`},
		{"nothing to clear", `{"kommunikation":[{"kommArt":1}]}`, fax, "", `{"kommunikation":[{"kommArt":1}]}`},
		{"nothing to clear, no list", `{"a":1}`, mobil, "", `{"a":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values := map[string]record.Value{tt.key: record.Of(tt.value)}
			o, err := m.Overlay(object(t, tt.before), values, nil)
			if err != nil {
				t.Fatal(err)
			}
			if string(o.Bytes()) != tt.after {
				t.Errorf("got  %s\nwant %s", o.Bytes(), tt.after)
			}
			v, err := m.ReadAdvo(o)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.Values[tt.key]; got != values[tt.key] && !(got.IsAbsent() && tt.value == "") {
				t.Errorf("reads back %q", got.Text())
			}
		})
	}
	v, err := m.ReadAdvo(object(t, `{"kommunikation":[{"kommArt":2,"tlf":"a"}],"adressen":"x"}`))
	if err != nil || !v.Values[mobil].IsEmpty() || !v.Values[plz].IsAbsent() || v.Broken[plz] == nil {
		t.Errorf("%v: mobil %v, plz %v, broken %v", err, v.Values[mobil], v.Values[plz], v.Broken)
	}
	if _, err := m.Overlay(object(t, `{"adressen":"x"}`), map[string]record.Value{plz: record.Of("n")}, nil); err == nil {
		t.Error("a text was overwritten by a list")
	}
}

// TestElementLaws: what is written into a list reads back, and everything else in the
// list stays.
func TestElementLaws(t *testing.T) {
	m := parsed(t, lists)
	rapid.Check(t, func(t *rapid.T) {
		raw := `{"kommunikation":[`
		n := rapid.IntRange(0, 4).Draw(t, "elements")
		for i := range n {
			if i > 0 {
				raw += ", "
			}
			raw += rapid.SampledFrom([]string{`{"kommArt":1,"tlf":"a"}`, `{"kommArt":3, "tlf":null}`, `{"kommArt":"3","tlf":"b","x":[1]}`, `{}`, `null`, `[{"kommArt":1}]`, `2`}).Draw(t, "element")
		}
		o, err := record.ParseObject([]byte(raw + `],"rest":1.50}`))
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]record.Value{}
		for _, f := range m.Fields("")[:2] {
			values[f.Key] = record.Of(rapid.SampledFrom([]string{"", "n", "0511 1"}).Draw(t, f.Key))
		}
		out, err := m.Overlay(o, values, nil)
		if err != nil {
			t.Fatal(err)
		}
		v, err := m.ReadAdvo(out)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range values {
			if got := v.Values[key]; got != want && !(got.IsAbsent() && want.IsEmpty()) {
				t.Fatalf("%s: %s became %s: %q, want %q", key, o.Bytes(), out.Bytes(), got.Text(), want.Text())
			}
		}
		again, err := m.Overlay(out, v.Values, nil)
		if err != nil {
			var skip bool
			for _, x := range v.Values {
				skip = skip || x.IsAbsent()
			}
			if !skip {
				t.Fatal(err)
			}
			return
		}
		if string(again.Bytes()) != string(out.Bytes()) {
			t.Fatalf("writing what was read changes %s to %s", out.Bytes(), again.Bytes())
		}
	})
}

func TestElementsRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"no field":    {"fields: [{espocrm: a, advoware: 'k[x=1]'}]\n", "m.yaml:4: fields[0].advoware: is an element of a list; say which of its fields, such as k[x=1].name"},
		"no value":    {"fields: [{espocrm: a, advoware: 'k[x].b'}]\n", "m.yaml:4: fields[0].advoware: is no name of an Advoware field; an element of a list is written as in kommunikation[kommArt=1].tlf, once in a name"},
		"new outside": {"fields: [{espocrm: a, advoware: b, new: {c: 1}}]\n", "m.yaml:4: fields[0].new: belongs to an element of a list, such as advoware: kommunikation[kommArt=1].tlf"},
		"new no map":  {"fields: [{espocrm: a, advoware: 'k[x=1].b', new: 1}]\n", "m.yaml:4: fields[0].new: must be a map of the element's other keys, such as {kommArt: 1}"},
		"new twice":   {"fields: [{espocrm: a, advoware: 'k[x=1].b', new: {x: 2}}]\n", "m.yaml:4: fields[0].new.x: is set by the name of the field already"},
		"remove":      {"fields: [{espocrm: a, advoware: 'k[x=1].b', remove: maybe}]\n", `m.yaml:4: fields[0].remove: unknown remove "maybe"; there are true, false`},
		"overlap":     {"fields: [{espocrm: a, advoware: k}, {espocrm: c, advoware: 'k[x=1].b'}]\n", "m.yaml:4: fields[1]: k[x=1].b is already written on the advoware side by line 4"},
	})
}
