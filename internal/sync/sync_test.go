package sync_test

import (
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
)

var _ sync.Request = sync.Request{Mapping: (*mapping.Mapping)(nil)}

func TestCreate(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	res := r.Sync(id)
	r.Want(res, result.Create, result.CreatedAdvoware)
	rig.Calls(t, res, 3, 2)
	if got := r.AdvoField(*res.AdvowareID, "vorname"); got != "Anna" {
		t.Errorf("vorname %q", got)
	}
	if r.EspoField(id, "syncStatus") != "clean" || r.EspoField(id, "advowareRowId") != r.Advo.RowID(sandbox.BeteiligtePath, *res.AdvowareID) {
		t.Error("sync fields not set")
	}
	r.Quiet(id)
}

func TestNoChangeCosts(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	res := r.Sync(id)
	r.Want(res, result.NoChange, result.Unchanged)
	rig.Calls(t, res, 1, 1)
}

func TestEspocrmNewer(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	res := r.Sync(id)
	r.Want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	rig.Calls(t, res, 3, 3)
	if got := r.AdvoField(advo, "emailGesch"); got != "neu@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.Quiet(id)
}

func TestAdvowareNewer(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "kanzlei@example.de"})
	res := r.Sync(id)
	r.Want(res, result.AdvowareNewer, result.UpdatedEspocrm)
	rig.Calls(t, res, 2, 1)
	if got := r.EspoField(id, "email"); got != "kanzlei@example.de" {
		t.Errorf("email %v", got)
	}
	r.Quiet(id)
}

func TestNameChangeTakesComputedAlong(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"lastName": "Neu"})
	res := r.Sync(id)
	r.Want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	rig.Calls(t, res, 3, 3)
	if got := r.EspoField(id, "name"); got != "Anna Neu" {
		t.Errorf("name %v", got)
	}
	r.Quiet(id)
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
			r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = tt.policy })
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
			res := r.Sync(id)
			r.Want(res, result.Conflict, tt.outcome)
			if tt.policy == reconcile.EspoCRMWins {
				rig.Calls(t, res, 4, 3)
			}
			if got := r.EspoField(id, "email"); got != tt.email {
				t.Errorf("email %v", got)
			}
			if got := r.AdvoField(advo, "emailGesch"); got != tt.email {
				t.Errorf("emailGesch %v", got)
			}
			if got := r.AdvoField(advo, "telGesch"); got != tt.phone {
				t.Errorf("telGesch %v", got)
			}
			if n := len(r.Espo.Posts()); n != tt.notes {
				t.Errorf("%d notes: %v", n, r.Espo.Posts())
			}
			r.Quiet(id)
		})
	}
}

func TestMergeDisjoint(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Merge })
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511"})
	r.Want(r.Sync(id), result.Conflict, result.Merged)
	if r.EspoField(id, "phone") != "0511" || r.AdvoField(advo, "emailGesch") != "espo@example.de" {
		t.Error("an edit did not travel")
	}
	if len(r.Espo.Posts()) != 0 {
		t.Error("a note was sent")
	}
	r.Quiet(id)
}

func TestManualParksOnceAndLaterEditsReopen(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Manual })
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	if r.EspoField(id, "syncStatus") != "conflict" || len(r.Espo.Posts()) != 1 {
		t.Fatalf("status %v, posts %v", r.EspoField(id, "syncStatus"), r.Espo.Posts())
	}
	res := r.Sync(id)
	r.Want(res, result.Conflict, result.ConflictWaits)
	rig.Calls(t, res, 1, 1)
	if len(r.Espo.Posts()) != 1 {
		t.Error("told twice")
	}
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo2@example.de"})
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	if len(r.Espo.Posts()) != 2 {
		t.Error("a later edit did not reopen it")
	}
	r.Clean(id)
}

func TestRowIDMovedIsAdopted(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	if err := r.Advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
		t.Fatal(err)
	}
	res := r.Sync(id)
	r.Want(res, result.NoChange, result.Adopted)
	rig.Calls(t, res, 2, 1)
	r.Quiet(id)
}

func TestSameEditOnBothSidesIsAdopted(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "gleich@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "gleich@example.de"})
	r.Want(r.Sync(id), result.NoChange, result.Adopted)
	r.Quiet(id)
}

func TestKindSwitches(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if r.AdvoField(advo, "name") != "Alt GmbH" || r.AdvoField(advo, "vorname") != "" {
		t.Errorf("name %q vorname %q", r.AdvoField(advo, "name"), r.AdvoField(advo, "vorname"))
	}
	if r.EspoField(id, "firstName") != nil || r.EspoField(id, "lastName") != nil || r.EspoField(id, "name") != "Alt GmbH" {
		t.Errorf("EspoCRM: %v %v %v", r.EspoField(id, "firstName"), r.EspoField(id, "lastName"), r.EspoField(id, "name"))
	}
	r.Quiet(id)
	r.EditAdvo(advo, map[string]any{"vorname": "Anna", "name": "Alt"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if r.EspoField(id, "firmenname") != nil || r.EspoField(id, "firstName") != "Anna" || r.EspoField(id, "lastName") != "Alt" {
		t.Error("not a person again")
	}
	r.Quiet(id)
}

func TestPlanWritesNothing(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"lastName": "Neu"})
	writes := func() int { return r.Espo.Log().Count(rig.IsWrite) + r.Advo.Log().Count(rig.IsWrite) }
	before := writes()
	res := r.Plan(id)
	r.Want(res, result.EspocrmNewer, result.Planned)
	if writes() != before {
		t.Error("plan wrote")
	}
	if len(res.Fields) != 2 || res.Fields[0].Values == nil {
		t.Errorf("fields %+v", res.Fields)
	}
}
