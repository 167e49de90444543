package sync_test

import (
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// TestPersonWithoutFirstName: Advoware tells a firm by its missing first name, so
// such a person is of another kind there. It settles all the same.
func TestPersonWithoutFirstName(t *testing.T) {
	r := rig.New(t)
	id := r.Person(map[string]any{"firstName": nil, "name": "Alt"})
	res := r.Sync(id)
	t.Logf("%s/%s %s %+v", res.Verdict, res.Outcome, res.Reason.Text, res.Error)
	r.Tick(time.Minute)
	for range 3 {
		res = r.Sync(id)
		t.Logf("%s/%s %s %+v", res.Verdict, res.Outcome, res.Reason.Text, res.Error)
		r.Tick(time.Minute)
	}
	if res.Outcome != result.Unchanged {
		t.Errorf("it never ends: %s", res.Outcome)
	}
	t.Logf("lastName %v, firmenname %v, name %v", r.EspoField(id, "lastName"), r.EspoField(id, "firmenname"), r.EspoField(id, "name"))
}

// TestBothMadeItAPersonAgain: what is remembered of a person's names is from before the
// record was a company, so it does not tell whose new name is an edit: both are.
func TestBothMadeItAPersonAgain(t *testing.T) {
	first, last := desk.FieldKeys(rig.New(t).M, "firstName")[0], desk.FieldKeys(rig.New(t).M, "lastName")[0]
	for name, c := range map[string]struct {
		take       map[string]record.Side
		dies       bool
		espo, advo [2]string // first and last name afterwards
	}{
		"Advoware":           {map[string]record.Side{"*": record.Advoware}, false, [2]string{"Anna", "Alt"}, [2]string{"Anna", "Alt"}},
		"EspoCRM":            {map[string]record.Side{"*": record.EspoCRM}, false, [2]string{"Eva", "Neu"}, [2]string{"Eva", "Neu"}},
		"by field":           {map[string]record.Side{first: record.Advoware, last: record.EspoCRM}, false, [2]string{"Anna", "Neu"}, [2]string{"Anna", "Neu"}},
		"by field, and dies": {map[string]record.Side{first: record.Advoware, last: record.EspoCRM}, true, [2]string{"Eva", "Neu"}, [2]string{"Anna", "Neu"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Policy(reconcile.Manual))
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			r.Next()
			r.EditEspo(id, map[string]any{"firmenname": nil, "firstName": "Eva", "lastName": "Neu"})
			r.EditAdvo(advo, map[string]any{"vorname": "Anna", "name": "Alt"}) // as it was called before
			r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
			r.Next()
			if c.dies {
				r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
			}
			r.Decided(func() { r.Resolve(id, c.take) })
			if c.dies {
				r.Tick(10 * time.Minute)
				r.Start()
			}
			res := r.Sync(id)
			if c.dies { // whatever was taken for the first name is asked once more
				r.Outcome(res, result.ConflictWaits)
			}
			want := map[string][2]string{"EspoCRM": c.espo, "Advoware": c.advo}
			for side, got := range map[string][2]any{
				"EspoCRM":  {r.EspoField(id, "firstName"), r.EspoField(id, "lastName")},
				"Advoware": {r.AdvoField(advo, "vorname"), r.AdvoField(advo, "name")},
			} {
				if got[0] != want[side][0] || got[1] != want[side][1] {
					t.Errorf("%s: %v, want %v", side, got, want[side])
				}
			}
		})
	}
}
