package sync_test

import (
	"path/filepath"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

// Without a base the decision made after marking falls under the same case as
// the one made before: what agreed at the first is no base for the second.
func TestNoBaseDecidesTheSameAfterMarking(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.espo.SetField(ct, id, "advowareRowId", r.advo.RowID(sandbox.BeteiligtePath, advo))
	r.o.Forget() // as if both sides were in step with it
	r.path = filepath.Join(t.TempDir(), "lost.db")
	r.start()
	plan := r.plan(id)
	r.want(plan, result.AdvowareNewer, result.Planned)
	res := r.sync(id)
	r.want(res, result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "phone"); got != "0511 1" {
		t.Errorf("phone %v: the plan said that what EspoCRM lacks comes from Advoware", got)
	}
	r.quiet(id)
}

// A change of kind empties the former kind's fields in EspoCRM also where
// nothing else has to go there.
func TestKindSwitchTakesTheClearsAlongAlone(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"firmenname": "Alt GmbH", "name": "Alt GmbH"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if r.espoField(id, "firstName") != nil || r.espoField(id, "lastName") != nil || r.advoField(advo, "vorname") != "" {
		t.Errorf("left over: %v %v, %q", r.espoField(id, "firstName"), r.espoField(id, "lastName"), r.advoField(advo, "vorname"))
	}
	r.quiet(id)
}

// Advoware leaves out a field that is empty, so the field has no base. Somebody
// saves anything in EspoCRM, where the field is empty too, and then it is filled in
// Advoware: the empty value of EspoCRM, which nobody has entered, does not win.
func TestAFieldThatAdvowareDidNotAnswerIsFilledThere(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		r := newRig(t, func(r *rig) { r.cfg.Policy = policy })
		id := r.person(nil)
		advo := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"anna@example.de"}`))
		r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: advo}), result.Adopted)
		r.sync(id)
		r.tick(time.Minute)
		r.editEspo(id, map[string]any{"description": "notiz"})
		r.tick(time.Minute)
		r.editAdvo(advo, map[string]any{"telGesch": "0511 9"})
		r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		if r.espoField(id, "phone") != "0511 9" || r.advoField(advo, "telGesch") != "0511 9" {
			t.Errorf("%s: phone %v, telGesch %q", policy, r.espoField(id, "phone"), r.advoField(advo, "telGesch"))
		}
		r.quiet(id)
	}
}
