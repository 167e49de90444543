package reconcile

import (
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// TestAWishForNothing: nothing is remembered of a field that one side has empty, and an
// operator takes that side. What fills gaps otherwise does not turn his word around.
func TestAWishForNothing(t *testing.T) {
	f := mapping.Field{Key: "born", Espo: "born", Advo: "born", Type: mapping.String, Direction: mapping.Both, Def: "1"}
	shown := record.Pair{Espo: record.Of("1950-03-04"), Advo: record.Empty()}
	d := Decide(Input{Schema: oneField{f}, Policy: Manual, Linked: true, LinkKnown: true, Status: "conflict", LastSync: "2026-01-01 00:00:00",
		ModifiedAt: "2026-01-02 00:00:00", RowStored: "A", RowCurrent: "B",
		Espo:   &mapping.View{Values: map[string]record.Value{"born": shown.Espo}},
		Advo:   &mapping.View{Values: map[string]record.Value{"born": shown.Advo}},
		Wishes: map[string]Wish{"born": {Field: f, Shown: shown, Target: record.Empty()}}})
	if v, ok := d.ToEspo["born"]; !ok || !v.IsEmpty() || len(d.ToAdvo) > 0 {
		t.Errorf("to EspoCRM %v, to Advoware %v: %s", d.ToEspo, d.ToAdvo, d.Reason.Text)
	}
}

type oneField []mapping.Field

func (s oneField) Fields(string) []mapping.Field { return s }

// person and firm are the kinds of a record that has a name as the one, and a firm's name
// as the other.
type person struct{}

func (person) Fields(kind string) []mapping.Field {
	names := map[string][2]string{"person": {"name", "firm"}, "firm": {"firm", "name"}}[kind]
	own, other := names[0], names[1]
	if own == "" {
		return nil
	}
	return []mapping.Field{{Key: own, Espo: own, Advo: own, Type: mapping.String, Direction: mapping.Both, Def: "1", Kind: kind},
		{Key: "!~" + other, Advo: other, Type: mapping.String, Direction: mapping.ToAdvoware, Clear: true, Kind: kind},
		{Key: other + "~!", Espo: other, Type: mapping.String, Direction: mapping.ToEspocrm, Clear: true, Kind: kind}}
}

// TestAWordOnWhatIsOneValue: fields of a group, and a kind with what only it has, are one
// value, so an operator's words on them are one word. The explorer has found each.
func TestAWordOnWhatIsOneValue(t *testing.T) {
	address := oneField{{Key: "street", Espo: "street", Advo: "street", Type: mapping.String, Direction: mapping.Both, Def: "1", Group: "address"},
		{Key: "town", Espo: "town", Advo: "town", Type: mapping.String, Direction: mapping.Both, Def: "1", Group: "address"}}
	type pairs map[string][2]string
	pairOf := func(p [2]string) record.Pair { return record.Pair{Espo: record.Of(p[0]), Advo: record.Of(p[1])} }
	for _, tt := range []struct {
		name           string
		schema         Schema
		kinds          [2]string
		base, now      pairs
		shown          pairs // what the operator saw of the fields that he has a word on
		target         map[string]string
		toEspo, toAdvo map[string]string
	}{
		{name: "typed whole, though Advoware holds a part of it", schema: address, base: pairs{"street": {"old", "old"}, "town": {"old", "old"}},
			now: pairs{"street": {"A", "B"}, "town": {"A", "old"}}, shown: pairs{"street": {"A", "B"}, "town": {"A", "old"}},
			target: map[string]string{"street": "old", "town": "old"}, toEspo: map[string]string{"street": "old", "town": "old"}},
		{name: "an edit of the town ends the word on the street", schema: address, base: pairs{"street": {"old", "old"}, "town": {"old", "old"}},
			now: pairs{"street": {"A", "old"}, "town": {"C", "old"}}, shown: pairs{"street": {"A", "old"}, "town": {"old", "old"}},
			target: map[string]string{"street": "old", "town": "old"}, toAdvo: map[string]string{"street": "A", "town": "C"}},
		{name: "an edit of the town, on which he had nothing to say", schema: address, base: pairs{"street": {"old", "old"}, "town": {"old", "old"}},
			now: pairs{"street": {"A", "B"}, "town": {"C", "old"}}, shown: pairs{"street": {"A", "B"}},
			target: map[string]string{"street": "B"}, toEspo: map[string]string{"street": "B", "town": "old"}},
		{name: "both hold", schema: address, base: pairs{"street": {"old", "old"}, "town": {"old", "old"}},
			now: pairs{"street": {"A", "B"}, "town": {"A", "old"}}, shown: pairs{"street": {"A", "B"}, "town": {"A", "old"}},
			target: map[string]string{"street": "B", "town": "old"}, toEspo: map[string]string{"street": "B", "town": "old"}},
		{name: "a kind is typed whole, though Advoware is of it by now", schema: person{}, kinds: [2]string{"firm", "person"}, base: pairs{"name": {"old", "old"}},
			now: pairs{"name": {"", "B"}, "firm": {"F", ""}}, shown: pairs{"name": {"", "B"}, "firm": {"F", ""}},
			target: map[string]string{KindKey: "person", "name": "old", "firm": ""}, toEspo: map[string]string{"name": "old", "firm": ""}},
		{name: "an edit of the firm's name ends the word on the kind", schema: person{}, kinds: [2]string{"person", "firm"}, base: pairs{"firm": {"?", "F"}, "name": {"?", ""}},
			now: pairs{"name": {"old", ""}, "firm": {"", "G"}}, shown: pairs{"name": {"old", ""}, "firm": {"", "F"}},
			target: map[string]string{KindKey: "person", "name": "old", "firm": ""}, toEspo: map[string]string{"firm": "G", "name~!": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Schema: tt.schema, Policy: AdvowareWins, Linked: true, LinkKnown: true, Status: "dirty", LastSync: "2026-01-01 00:00:00", ModifiedAt: "2026-01-02 00:00:00",
				Base: &Base{Settled: true, Fields: map[string]record.Pair{}}, Wishes: map[string]Wish{},
				Espo: &mapping.View{Kind: tt.kinds[0], Values: map[string]record.Value{}}, Advo: &mapping.View{Kind: tt.kinds[1], Values: map[string]record.Value{}}}
			if tt.kinds[0] != "" {
				in.Base.Kind = record.Pair{Espo: record.Of("firm"), Advo: record.Of("firm")}
			}
			for key, p := range tt.base {
				b := pairOf(p)
				if p[0] == "?" {
					b.Espo = record.Unknown()
				}
				in.Base.Fields[key] = b
			}
			for key, p := range tt.now {
				in.Espo.Values[key], in.Advo.Values[key] = record.Of(p[0]), record.Of(p[1])
				in.Espo.Values[key+"~!"], in.Advo.Values["!~"+key] = record.Of(p[0]), record.Of(p[1])
			}
			for key, v := range tt.target {
				w := Wish{Field: mapping.Field{Key: key}, Target: record.Of(v), Shown: record.Pair{Espo: record.Of("firm"), Advo: record.Of("firm")}}
				for _, f := range append(tt.schema.Fields("person"), tt.schema.Fields("firm")...) {
					if f.Key == key {
						w.Field, w.Shown, w.Typed = f, pairOf(tt.shown[key]), tt.kinds[0] == "person"
					}
				}
				if key == KindKey && tt.kinds[0] == "firm" {
					w.Shown.Advo = record.Of("person")
				}
				in.Wishes[key] = w
			}
			d := Decide(in)
			check := func(side string, got map[string]record.Value, want map[string]string) {
				if len(got) != len(want) {
					t.Errorf("to %s: %v, want %v: %s", side, got, want, d.Reason.Text)
				}
				for key, v := range want {
					if got[key] != record.Of(v) {
						t.Errorf("to %s: %s is %q, want %q: %s", side, key, got[key].Text(), v, d.Reason.Text)
					}
				}
			}
			check("EspoCRM", d.ToEspo, tt.toEspo)
			check("Advoware", d.ToAdvo, tt.toAdvo)
		})
	}
}

// TestAStuckNameKeepsTheKindOfBefore: both sides have made a firm of a person, and the
// firm's name cannot be brought over. What the base knows is still the person's.
func TestAStuckNameKeepsTheKindOfBefore(t *testing.T) {
	both := func(kind string) record.Pair { return record.Pair{Espo: record.Of(kind), Advo: record.Of(kind)} }
	d := Decide(Input{Schema: person{}, Policy: Manual, Linked: true, LinkKnown: true, Status: "dirty", LastSync: "2026-01-01 00:00:00", ModifiedAt: "2026-01-02 00:00:00",
		Base:  &Base{Settled: true, Kind: both("person"), Fields: map[string]record.Pair{"name": {Espo: record.Of("old"), Advo: record.Of("old")}}},
		Espo:  &mapping.View{Kind: "firm", Values: map[string]record.Value{"name": record.Empty(), "firm": record.Of("F")}},
		Advo:  &mapping.View{Kind: "firm", Values: map[string]record.Value{"name": record.Empty(), "firm": record.Of("G")}},
		Stuck: map[string]bool{"firm": true}})
	if d.AgreedKind != both("person") {
		t.Errorf("the base is of kind %v from now on", d.AgreedKind)
	}
}
