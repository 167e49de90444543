package sync_test

import (
	"strings"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
)

var _ sync.Request = sync.Request{Mapping: (*mapping.Mapping)(nil)}

func calls(t *testing.T, res result.Record, espo, advo int) {
	t.Helper()
	if res.Calls.Espocrm != espo || res.Calls.Advoware != advo {
		t.Errorf("calls: EspoCRM %d, Advoware %d; want %d and %d", res.Calls.Espocrm, res.Calls.Advoware, espo, advo)
	}
}

func TestCreate(t *testing.T) {
	r := newRig(t)
	id := r.person(nil)
	res := r.sync(id)
	r.want(res, result.Create, result.CreatedAdvoware)
	calls(t, res, 3, 2)
	if got := r.advoField(*res.AdvowareID, "vorname"); got != "Anna" {
		t.Errorf("vorname %q", got)
	}
	if r.espoField(id, "syncStatus") != "clean" || r.espoField(id, "advowareRowId") != r.advo.RowID(sandbox.BeteiligtePath, *res.AdvowareID) {
		t.Error("sync fields not set")
	}
	r.quiet(id)
}

func TestNoChangeCosts(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	res := r.sync(id)
	r.want(res, result.NoChange, result.Unchanged)
	calls(t, res, 1, 1)
}

func TestEspocrmNewer(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	res := r.sync(id)
	r.want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	calls(t, res, 3, 3)
	if got := r.advoField(advo, "emailGesch"); got != "neu@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.quiet(id)
}

func TestAdvowareNewer(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "kanzlei@example.de"})
	res := r.sync(id)
	r.want(res, result.AdvowareNewer, result.UpdatedEspocrm)
	calls(t, res, 2, 1)
	if got := r.espoField(id, "email"); got != "kanzlei@example.de" {
		t.Errorf("email %v", got)
	}
	r.quiet(id)
}

func TestNameChangeTakesComputedAlong(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"lastName": "Neu"})
	res := r.sync(id)
	r.want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	calls(t, res, 3, 3)
	if got := r.espoField(id, "name"); got != "Anna Neu" {
		t.Errorf("name %v", got)
	}
	r.quiet(id)
}

func TestConflictPolicies(t *testing.T) {
	for _, tt := range []struct {
		policy  reconcile.Policy
		outcome result.Outcome
		email   string
		phone   string
		notes   int
	}{
		{reconcile.EspoCRMWins, result.UpdatedAdvoware, "espo@example.de", "", 1},
		{reconcile.AdvowareWins, result.UpdatedEspocrm, "advo@example.de", "0511", 1},
		{reconcile.Merge, result.Merged, "espo@example.de", "0511", 1},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.cfg.Policy = tt.policy })
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
			res := r.sync(id)
			r.want(res, result.Conflict, tt.outcome)
			if tt.policy == reconcile.EspoCRMWins {
				calls(t, res, 4, 3)
			}
			if got := r.espoField(id, "email"); got != tt.email {
				t.Errorf("email %v", got)
			}
			if got := r.advoField(advo, "emailGesch"); got != tt.email {
				t.Errorf("emailGesch %v", got)
			}
			if got := r.advoField(advo, "telGesch"); got != tt.phone {
				t.Errorf("telGesch %v", got)
			}
			if n := len(r.espo.Posts()); n != tt.notes {
				t.Errorf("%d notes: %v", n, r.espo.Posts())
			}
			r.quiet(id)
		})
	}
}

func TestMergeDisjoint(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Merge })
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511"})
	r.want(r.sync(id), result.Conflict, result.Merged)
	if r.espoField(id, "phone") != "0511" || r.advoField(advo, "emailGesch") != "espo@example.de" {
		t.Error("an edit did not travel")
	}
	if len(r.espo.Posts()) != 0 {
		t.Error("a note was sent")
	}
	r.quiet(id)
}

func TestManualParksOnceAndLaterEditsReopen(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Manual })
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	if r.espoField(id, "syncStatus") != "conflict" || len(r.espo.Posts()) != 1 {
		t.Fatalf("status %v, posts %v", r.espoField(id, "syncStatus"), r.espo.Posts())
	}
	res := r.sync(id)
	r.want(res, result.Conflict, result.ConflictWaits)
	calls(t, res, 1, 1)
	if len(r.espo.Posts()) != 1 {
		t.Error("told twice")
	}
	r.editAdvo(advo, map[string]any{"emailGesch": "advo2@example.de"})
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	if len(r.espo.Posts()) != 2 {
		t.Error("a later edit did not reopen it")
	}
	r.clean(id)
}

func TestRowIDMovedIsAdopted(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	if err := r.advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
		t.Fatal(err)
	}
	res := r.sync(id)
	r.want(res, result.NoChange, result.Adopted)
	calls(t, res, 2, 1)
	r.quiet(id)
}

func TestSameEditOnBothSidesIsAdopted(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "gleich@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "gleich@example.de"})
	r.want(r.sync(id), result.NoChange, result.Adopted)
	r.quiet(id)
}

func TestKindSwitches(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if r.advoField(advo, "name") != "Alt GmbH" || r.advoField(advo, "vorname") != "" {
		t.Errorf("name %q vorname %q", r.advoField(advo, "name"), r.advoField(advo, "vorname"))
	}
	if r.espoField(id, "firstName") != nil || r.espoField(id, "lastName") != nil || r.espoField(id, "name") != "Alt GmbH" {
		t.Errorf("EspoCRM: %v %v %v", r.espoField(id, "firstName"), r.espoField(id, "lastName"), r.espoField(id, "name"))
	}
	r.quiet(id)
	r.editAdvo(advo, map[string]any{"vorname": "Anna", "name": "Alt"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if r.espoField(id, "firmenname") != nil || r.espoField(id, "firstName") != "Anna" || r.espoField(id, "lastName") != "Alt" {
		t.Error("not a person again")
	}
	r.quiet(id)
}

func TestPlanWritesNothing(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"lastName": "Neu"})
	writes := func() int { return r.espo.Log().Count(isWrite) + r.advo.Log().Count(isWrite) }
	before := writes()
	res := r.plan(id)
	r.want(res, result.EspocrmNewer, result.Planned)
	if writes() != before {
		t.Error("plan wrote")
	}
	if len(res.Fields) != 2 || res.Fields[0].Values == nil {
		t.Errorf("fields %+v", res.Fields)
	}
}

func isWrite(e sandbox.LogEntry) bool {
	return e.Method != "GET" && !strings.HasSuffix(e.Path, "/Token")
}
