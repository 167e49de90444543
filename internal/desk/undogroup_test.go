package desk_test

import (
	"testing"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/test/rig"
)

// TestUndoTakesAGroupWhole: a run wrote one field of a group, and another one has moved
// since, synced or not. What stood together comes back together, by force, or not at all.
func TestUndoTakesAGroupWhole(t *testing.T) {
	for _, synced := range []bool{true, false} {
		r := rig.New(t, rig.Policy(reconcile.Merge),
			rig.Flat(`{espocrm: phone, advoware: telGesch, group: reach}`, `{espocrm: description, advoware: bemerkung, group: reach}`, rig.EmailField))
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"phone": "0511 1", "description": "mornings"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.Next()
		r.EditEspo(id, map[string]any{"phone": "0511 2"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.Cfg.Run
		r.Next()
		r.EditEspo(id, map[string]any{"description": "evenings"})
		if synced {
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			r.Next()
		}

		if res := r.Undo(id, run); res.Outcome != result.Skipped || res.Reason.Code != "moved_on" {
			t.Errorf("synced %t: %s/%s %s", synced, res.Outcome, res.Reason.Code, res.Reason.Text)
		}
		if got := r.EspoField(id, "phone"); got != "0511 2" {
			t.Errorf("synced %t: the phone is %v", synced, got)
		}
		r.Next()
		r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
		r.Phones(id, advo, "0511 1")
		if e, a := r.EspoField(id, "description"), r.AdvoField(advo, "bemerkung"); e != "mornings" || a != "mornings" {
			t.Errorf("synced %t: beside it stand %v and %q", synced, e, a)
		}
		r.Still(id)
		r.Close()
	}
}
