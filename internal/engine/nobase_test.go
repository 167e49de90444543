package engine_test

import (
	"path/filepath"
	"testing"

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
	r.want(plan, result.EspocrmNewer, result.Planned)
	res := r.sync(id)
	r.want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "" {
		t.Errorf("telGesch %q: the plan said that EspoCRM's empty value goes over", got)
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
