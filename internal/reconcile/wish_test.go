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
