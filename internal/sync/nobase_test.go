package sync_test

import (
	"path/filepath"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// Without a base the decision made after marking falls under the same case as
// the one made before: what agreed at the first is no base for the second.
func TestNoBaseDecidesTheSameAfterMarking(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Espo.SetField(rig.Type, id, "advowareRowId", r.Advo.RowID(sandbox.BeteiligtePath, advo))
	r.Oracle.Forget() // as if both sides were in step with it
	r.Path = filepath.Join(t.TempDir(), "lost.db")
	r.Start()
	plan := r.Plan(id)
	r.Want(plan, result.AdvowareNewer, result.Planned)
	res := r.Sync(id)
	r.Want(res, result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.EspoField(id, "phone"); got != "0511 1" {
		t.Errorf("phone %v: the plan said that what EspoCRM lacks comes from Advoware", got)
	}
	r.Quiet(id)
}

// A change of kind empties the former kind's fields in EspoCRM also where
// nothing else has to go there.
func TestKindSwitchTakesTheClearsAlongAlone(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH", "name": "Alt GmbH"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if r.EspoField(id, "firstName") != nil || r.EspoField(id, "lastName") != nil || r.AdvoField(advo, "vorname") != "" {
		t.Errorf("left over: %v %v, %q", r.EspoField(id, "firstName"), r.EspoField(id, "lastName"), r.AdvoField(advo, "vorname"))
	}
	r.Quiet(id)
}

// Advoware leaves out a field that is empty, so the field has no base. Somebody
// saves anything in EspoCRM, where the field is empty too, and then it is filled in
// Advoware: the empty value of EspoCRM, which nobody has entered, does not win.
func TestAFieldThatAdvowareDidNotAnswerIsFilledThere(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = policy })
		id := r.Person(nil)
		advo := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"anna@example.de"}`))
		r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: advo}), result.Adopted)
		r.Sync(id)
		r.Tick(time.Minute)
		r.EditEspo(id, map[string]any{"description": "notiz"})
		r.Tick(time.Minute)
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 9"})
		r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		if r.EspoField(id, "phone") != "0511 9" || r.AdvoField(advo, "telGesch") != "0511 9" {
			t.Errorf("%s: phone %v, telGesch %q", policy, r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"))
		}
		r.Quiet(id)
	}
}
