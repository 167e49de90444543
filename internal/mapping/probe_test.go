package mapping

import (
	"slices"
	"testing"

	"advosync/internal/record"
)

func TestKindsOf(t *testing.T) {
	m, err := Parse("m.yaml", []byte(`entity: E
espocrm: {type: T}
advoware: {path: p, id: i, row_id: r}
fields:
  - {espocrm: salutation, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau, "": ""}}
  - {espocrm: plain, advoware: plain}
kinds:
  - {name: a, when: {espocrm: '!blank(x)', advoware: '!blank(x)'}}
  - {name: b, when: {espocrm: '!blank(y)', advoware: '!blank(y)'}}
`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{`{"x":"1","y":"1"}`: {"a", "b"}, `{"y":"1"}`: {"b"}, `{}`: nil} {
		o, err := record.ParseObject([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
			if got, err := m.KindsOf(side, o); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s %s: %v, %v", side, text, got, err)
			}
		}
	}
	if got := m.EspoWords("salutation~anrede"); !slices.Equal(got, []string{"Mr.", "Mrs."}) {
		t.Errorf("words: %v", got)
	}
	if m.EspoWords("plain~plain") != nil || m.EspoWords("nope") != nil {
		t.Error("a field without a table has no words")
	}
}
