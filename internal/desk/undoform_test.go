package desk_test

import (
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// What EspoCRM makes of an undone value may be the very value that stood there: it cannot
// hold the other one, and Advoware gets it whole. Nothing is learned from it, and a later
// sync finds both sides in step.
func TestUndoToAValueThatEspoCRMCannotHold(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: firstName, advoware: vorname}`, rig.EmailField), rig.Policy(reconcile.EspoCRMWins))
	id, advo := r.Linked()
	r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: "firstName", Do: "plain"})
	r.EditEspo(id, map[string]any{"firstName": "Muller"})
	r.EditAdvo(advo, map[string]any{"vorname": "Müller"})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	run := r.Next()
	r.Tick(time.Minute)
	r.Decided(func() { r.Outcome(r.Undo(id, run), result.Merged) })
	if a := r.AdvoField(advo, "vorname"); a != "Müller" {
		t.Errorf("Advoware holds %q", a)
	}
	if forms := r.MemoryOf(id).Forms; len(forms) != 0 {
		t.Errorf("learned from an operator's word: %+v", forms)
	}
	r.WantStatus(id, record.StatusClean, 0)
	r.Outcome(r.Sync(id), result.Unchanged)
}

// A value that EspoCRM does not take, or makes the one from before of, holds up no question
// to a person about another field.
func TestAClashIsAskedAboutBesideWhatIsNotTaken(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: firstName, advoware: vorname}`, `{espocrm: email, advoware: emailGesch, policy: manual}`), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: "firstName", Do: "plain"})
	r.EditEspo(id, map[string]any{"firstName": "Muller"})
	r.Sync(id)
	r.Next()
	r.Tick(time.Minute)
	r.EditAdvo(advo, map[string]any{"vorname": "Müller", "emailGesch": "a@example.de"})
	r.EditEspo(id, map[string]any{"email": "e@example.de"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	if m := r.MemoryOf(id); m.Parked == nil || m.Open != nil || r.EspoField(id, "syncStatus") != record.StatusConflict {
		t.Errorf("nobody is asked: parked %v, open %v, status %v", m.Parked, m.Open, r.EspoField(id, "syncStatus"))
	}
	if posts := r.Espo.Posts(); len(posts) != 1 {
		t.Errorf("%d notes: %s", len(posts), r.Notes())
	}
	if a := r.AdvoField(advo, "vorname"); a != "Müller" {
		t.Errorf("Advoware's name is %q", a)
	}
}
