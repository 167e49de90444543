package store_test

import (
	"testing"

	"advosync/internal/record"
	"advosync/internal/store"
)

// A former version wrote which side was ahead of a pair; now that side's half is
// unknown, in the base and in what is announced.
func TestFormerAhead(t *testing.T) {
	doc := `{"base":{"fields":{
		"a":{"espocrm":"1","advoware":"2","ahead":"espocrm","def":"d"},
		"b":{"espocrm":"1","advoware":"2","ahead":"advoware","def":"d"},
		"c":{"espocrm":"1","advoware":"2","def":"d"}}},
		"intent":{"kind":"undo","base":{"fields":{"a":{"espocrm":"1","advoware":"2","ahead":"espocrm","def":"d"}}}}}`
	m, err := store.DecodeMemory([]byte(doc), 1)
	if err != nil {
		t.Fatal(err)
	}
	one, two, unknown := record.Of("1"), record.Of("2"), record.Unknown()
	want := map[string]record.Pair{"a": {Espo: unknown, Advo: two}, "b": {Espo: one, Advo: unknown}, "c": {Espo: one, Advo: two}}
	for key, p := range want {
		if got := m.Base.Fields[key].Pair; got != p {
			t.Errorf("%s: %+v, want %+v", key, got, p)
		}
	}
	if got := m.Intent.Base.Fields["a"].Pair; got != want["a"] {
		t.Errorf("announced: %+v", got)
	}
}
