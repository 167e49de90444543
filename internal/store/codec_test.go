package store_test

import (
	"testing"

	"advosync/internal/record"
	"advosync/internal/store"
)

// A former version wrote which side was ahead of a pair; now that side's half is
// unknown.
func TestFormerAhead(t *testing.T) {
	doc := `{"base":{"fields":{
		"a":{"espocrm":"1","advoware":"2","ahead":"espocrm","def":"d"},
		"b":{"espocrm":"1","advoware":"2","ahead":"advoware","def":"d"},
		"c":{"espocrm":"1","advoware":"2","def":"d"}}}}`
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
}

// A former version had a kind of announcement for each kind of write, and an undo that
// wrote both sides at once: nobody knows what of it happened.
func TestFormerUndo(t *testing.T) {
	doc := `{"base":{"fields":{"a":{"espocrm":"old","advoware":"old","def":"d"}}},
		"intent":{"kind":"undo","fields":{"a":{"espocrm":"1","before":"2","toEspo":null,"def":"d"},"b":{"espocrm":"1","before":"2","def":"d"}},
		"base":{"fields":{"a":{"espocrm":"1","advoware":"2","ahead":"espocrm","def":"d"},"b":{"espocrm":"1","advoware":"2","def":"d"}}}}}`
	m, err := store.DecodeMemory([]byte(doc), 1)
	if err != nil || m.Open != nil {
		t.Fatal(err, m.Open)
	}
	for key, want := range map[string]record.Pair{"a": {Espo: record.Unknown(), Advo: record.Unknown()}, "b": {Espo: record.Of("1"), Advo: record.Of("2")}} {
		if got := m.Base.Fields[key].Pair; got != want {
			t.Errorf("%s: %+v, want %+v", key, got, want)
		}
	}
}
