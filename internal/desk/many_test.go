package desk_test

import (
	"encoding/json"
	"strings"
	"testing"

	"advosync/internal/desk"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// TestPlansOfManyAreThoseOfEach (first week, 20): what link reports of many pairs,
// read together, is what it would say of each of them alone, whatever became of them
// since they were paired.
func TestPlansOfManyAreThoseOfEach(t *testing.T) {
	for name, form := range map[string]sandbox.ListForm{"plain": {}, "no row id": {NoRowID: true}, "no list": {Off: true}, "short pages": {Max: 2}} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, func(r *rig.Rig) {
				phone := "  - {espocrm: phone, advoware: telGesch}\n"
				m, err := mapping.Parse("sandbox.yaml", []byte(strings.Replace(new(sandbox.World).Mapping(), phone, phone+"  - {espocrm: description, advoware: bemerkung}\n", 1)))
				if err != nil {
					t.Fatal(err)
				}
				r.M = m
			})
			pairs := r.OddPairs()
			r.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.List = form })
			got := make([]result.Record, len(pairs))
			err := r.Desk.PlanLinks(t.Context(), r.M, pairs, func(i int, res result.Record) error {
				got[i] = res
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range pairs {
				want := r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: p.ID, AdvowareID: p.Candidates[0], DryRun: true})
				want.Calls, got[i].Calls = result.Calls{}, result.Calls{}
				if g, w := asJSON(t, got[i]), asJSON(t, want); g != w {
					t.Errorf("pair %d:\n got %s\nwant %s", i, g, w)
				}
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
