package sync_test

import (
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// A type without version numbers: the look before a late PUT shows that the number was
// cleared, or is another one. Nothing of the former number is written.
func TestStaleReadSeesTheNumber(t *testing.T) {
	for _, to := range []string{"none", "other"} {
		r := rig.New(t, rig.Listing, rig.Policy(reconcile.Merge), func(r *rig.Rig) {
			d := sandbox.BeteiligteDef()
			d.OptimisticConcurrency = false
			r.Espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: sandbox.NewClock(r.Clock), Defs: []sandbox.EntityDef{d}})
		})
		id, advo := r.Linked()
		other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd","emailGesch":"dora@fremd.de","geburtsdatum":"1950-01-01"}`))
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.Tick(time.Minute)
		r.Next()
		r.Proc.Plan = rig.On("GET /relay", 1, func() simulation.Fate {
			r.Tick(3 * time.Second)
			if to == "none" {
				r.EditEspo(id, map[string]any{"advowareId": nil})
			} else {
				r.EditEspo(id, map[string]any{"advowareId": other})
			}
			return simulation.Passes
		})
		res := r.Sync(id)
		t.Log(to, res.Outcome, res.Reason, res.Error)
		t.Log(r.EspoField(id, "advowareId"), r.EspoField(id, "syncStatus"), r.EspoField(id, "email"), r.EspoField(id, "advowareRowId"))
		if to == "none" && r.EspoField(id, "syncStatus") == "clean" {
			t.Error("clean, and linked to nothing: no pass looks at it any more")
		}
		if r.EspoField(id, "email") == "advo@example.de" {
			t.Errorf("%s: a value of the former number was written", to)
		}
	}
}
