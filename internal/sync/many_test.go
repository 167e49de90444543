package sync_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/simulation"
)

// TestPlansOfManyAreThoseOfEach (first week, 20): what link reports of many pairs,
// read together, is what it would say of each of them alone, whatever became of them
// since they were paired.
func TestPlansOfManyAreThoseOfEach(t *testing.T) {
	for name, form := range map[string]sandbox.ListForm{"plain": {}, "no row id": {NoRowID: true}, "no list": {Off: true}, "short pages": {Max: 2}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) {
				phone := "  - {espocrm: phone, advoware: telGesch}\n"
				m, err := mapping.Parse("sandbox.yaml", []byte(strings.Replace(new(sandbox.World).Mapping(), phone, phone+"  - {espocrm: description, advoware: bemerkung}\n", 1)))
				if err != nil {
					t.Fatal(err)
				}
				r.m = m
			})
			pairs := r.oddPairs()
			r.advo.SetBehaviour(func(b *sandbox.Behaviour) { b.List = form })
			got := make([]result.Record, len(pairs))
			err := r.desk.PlanLinks(t.Context(), r.m, pairs, func(i int, res result.Record) error {
				got[i] = res
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range pairs {
				want := r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: p.ID, AdvowareID: p.Candidates[0], DryRun: true})
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

// oddPairs are pairs that agree, differ, or may not be linked, each for another
// reason.
func (r *rig) oddPairs() (pairs []reconcile.Pair) {
	r.t.Helper()
	n := 0
	pair := func(espo map[string]any, advo string) (string, int64) {
		n++
		last := fmt.Sprintf("Nr%d", n)
		v := map[string]any{"name": "Uwe " + last, "firstName": "Uwe", "lastName": last, "email": last + "@example.de"}
		for k, x := range espo {
			v[k] = x
		}
		id := r.person(v)
		number := r.advo.Insert(sandbox.BeteiligtePath, fmt.Appendf(nil, `{"vorname":"Uwe","name":%q,"emailGesch":"%s@example.de"%s}`, last, last, advo))
		pairs = append(pairs, reconcile.Pair{ID: id, Candidates: []int64{number}})
		return id, number
	}
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { return simulation.DiesBefore })
	made := r.person(map[string]any{"name": "Ida Made", "lastName": "Made", "email": "ida@example.de"})
	r.sync(made)
	r.tick(10 * time.Minute)
	r.start()

	pair(nil, "")
	pair(nil, `,"telGesch":"0511 7"`)
	pair(map[string]any{"phone": "0511 8"}, "")
	long := strings.Repeat("Akte ", 3000) + "Ende"
	pair(map[string]any{"description": long}, `,"bemerkung":"`+long+`"`)
	gone, _ := pair(nil, "")
	if err := r.espo.Delete(ct, gone, "anna"); err != nil {
		r.t.Fatal(err)
	}
	linked, _ := pair(nil, "")
	r.espo.SetField(ct, linked, "advowareId", int64(4711))
	right, number := pair(nil, "")
	r.espo.SetField(ct, right, "advowareId", number)
	_, taken := pair(nil, "")
	thief := r.person(map[string]any{"name": "Dieb"})
	r.espo.SetField(ct, thief, "advowareId", taken)
	_, deleted := pair(nil, "")
	r.advo.Delete(sandbox.BeteiligtePath, deleted)
	another := r.person(map[string]any{"name": "Ida Zwei"})
	return append(pairs, reconcile.Pair{ID: another, Candidates: []int64{r.memoryOf(made).Open.AdvowareID}},
		reconcile.Pair{ID: made, Candidates: []int64{number}})
}
