package sync_test

import (
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
)

// Somebody detaches a record from its number, is asked about it, and deletes the record in
// EspoCRM: what it is not linked to any more is not deleted in Advoware.
func TestDetachedAndDeleted(t *testing.T) {
	for _, runs := range []int{1, 2} {
		r := rig.New(t, rig.Listing, rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
		r.Linked()
		r.Tick(time.Minute)
		id := r.Person(map[string]any{"lastName": "Neu", "name": "Anna Neu", "email": "n@example.de"})
		r.Sync(id)
		r.Tick(time.Minute)
		r.EditEspo(id, map[string]any{"advowareId": nil})
		for range runs {
			r.Tick(2 * time.Hour)
			r.Next()
			res := r.Sync(id)
			t.Log(runs, res.Outcome, res.Reason)
		}
		if err := r.Espo.Delete(rig.Type, id, "anna"); err != nil {
			t.Fatal(err)
		}
		r.Tick(2 * time.Hour)
		r.Next()
		res := r.Sync(id)
		t.Log(runs, res.Outcome, res.Reason)
		if _, ok := r.Advo.Get(sandbox.BeteiligtePath, 2); !ok {
			t.Errorf("after %d runs: deleted in Advoware, though nothing was linked to it any more", runs)
		}
	}
}
