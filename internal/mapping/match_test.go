package mapping_test

import (
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// TestMatchByType: a match value agrees as its type says, on each side as it is spelled
// there; what stands between letters or digits always counts.
func TestMatchByType(t *testing.T) {
	m := parsed(t, `match: [mail, tel, born, web, areas, name]
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: mail, advoware: mail, type: email}
  - {espocrm: tel, advoware: tel, type: phone}
  - {espocrm: born, advoware: geb, type: date}
  - {espocrm: web, advoware: web, type: url}
  - {espocrm: areas, advoware: gebiete, type: set, separator: ";"}
`)
	for _, tt := range []struct {
		name, espo, advo string
		want             bool
	}{
		{"a name", `{"name":"  anna  MÜLLER"}`, `{"name":"Anna Müller"}`, true},
		{"another name", `{"name":"Meyer-Lüden"}`, `{"name":"Meyer Lüden"}`, false},
		{"an address", `{"mail":"Anna@X.de"}`, `{"mail":"anna@x.DE"}`, true},
		{"an address without its dot", `{"mail":"a.b@x.de"}`, `{"mail":"ab@x.de"}`, false},
		{"a number", `{"tel":"+4951112345"}`, `{"tel":"0511/123-45"}`, true},
		{"an instant", `{"born":"1980-07-01"}`, `{"geb":"1980-06-30T22:00:00Z"}`, true},
		{"a host", `{"web":"https://X.de/A"}`, `{"web":"https://x.de/A"}`, true},
		{"a path", `{"web":"https://x.de/A"}`, `{"web":"https://x.de/a"}`, false},
		{"a set", `{"areas":["b","Ä","C"]}`, `{"gebiete":"c; B;ä"}`, true},
		{"one of two", `{"name":"Anna","mail":"a@x.de"}`, `{"name":"anna","mail":"b@x.de"}`, false},
		{"nothing in common", `{"name":"Anna"}`, `{"mail":"b@x.de"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := m.ReadEspo(object(t, tt.espo))
			if err != nil {
				t.Fatal(err)
			}
			a, err := m.ReadAdvo(object(t, tt.advo))
			if err != nil {
				t.Fatal(err)
			}
			if got := mapping.Matches(m.MatchValues(e, record.EspoCRM), m.MatchValues(a, record.Advoware)); got != tt.want {
				t.Errorf("matches: %t", got)
			}
		})
	}
}

// TestWhatMakesAFieldNew: other names or another table do; another type, direction, group
// or policy reads the base that there is.
func TestWhatMakesAFieldNew(t *testing.T) {
	def := func(field string) string {
		f := parsed(t, "fields: [{espocrm: a, advoware: b"+field+"}]\n").Fields("")[0]
		return f.Def
	}
	for _, same := range []string{", type: phone", ", type: set", ", direction: to_advoware", ", policy: manual", ", empty: [0]", ", region: DE, type: phone"} {
		if def(same) != def("") {
			t.Errorf("%q makes the field new", same)
		}
	}
	for _, other := range []string{", values: {x: y}", ", values: {x: y, z: w}, default: x", ", format: value, parse: value", ", direction: to_advoware, format: value"} {
		if def(other) == def("") {
			t.Errorf("%q does not make the field new", other)
		}
	}
	m := parsed(t, "fields: [{espocrm: a, advoware: b, type: phone}, {espocrm: c, advoware: d, type: int}, {espocrm: e, advoware: f, type: bool}]\n")
	if got := m.Retyped("a~b", record.Pair{Espo: record.Of("0511/12345"), Advo: record.Unknown()}); got != (record.Pair{Espo: record.Of("+4951112345"), Advo: record.Unknown()}) {
		t.Errorf("a number: %q, %v", got.Espo.Text(), got.Advo)
	}
	if got := m.Retyped("c~d", record.Pair{Espo: record.Of("007"), Advo: record.Of("x")}); got != (record.Pair{Espo: record.Of("7"), Advo: record.Unknown()}) {
		t.Errorf("what is no number any more is known to nobody: %q, %v", got.Espo.Text(), got.Advo)
	}
	if got := m.Retyped("e~f", record.Pair{Espo: record.Empty(), Advo: record.Of("1")}); got != (record.Pair{Espo: record.Of("false"), Advo: record.Of("true")}) {
		t.Errorf("a truth: %q, %q", got.Espo.Text(), got.Advo.Text())
	}
}
