package engine_test

import (
	"testing"

	"advosync/internal/engine"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/simulation"
)

// While an undo works, both sides edit a field that it does not put back. Under
// `manual` that is a conflict like any other: nobody but a person decides it.
func TestUndoDecidesNoConflictOfAnotherField(t *testing.T) {
	for _, force := range []bool{false, true} {
		r := newRig(t, policy(reconcile.Manual))
		id, advo := r.linked()
		r.next()
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.next()
		read := false
		r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate { // the value is back in Advoware by then
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			read = true
			return simulation.Passes
		})
		res := r.undo(id, run, func(u *engine.UndoRequest) { u.Force = force })
		if !read {
			t.Fatal("nobody edited it meanwhile")
		}
		r.outcome(res, result.ConflictWaits)
		if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "espo@example.de" || a != "advo@example.de" {
			t.Fatalf("force %v: the conflict was decided: EspoCRM %v, Advoware %q", force, e, a)
		}
		r.next()
		r.decided(func() {
			r.outcome(r.resolve(id, map[string]record.Side{"*": record.Advoware}), result.UpdatedEspocrm)
			r.o.Settle()
		})
		if e, a := r.espoField(id, "phone"), r.advoField(advo, "telGesch"); e != nil || a != "" {
			t.Errorf("force %v: what was put back did not stay: EspoCRM %v, Advoware %q", force, e, a)
		}
		r.quiet(id)
	}
}
