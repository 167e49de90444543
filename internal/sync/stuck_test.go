package sync_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// TestAFieldThatIsNotInItsTable: the others travel, in both directions; nothing is written
// twice, and once it is corrected all is in step.
func TestAFieldThatIsNotInItsTable(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, rig.EmailField, rig.PhoneField), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.FailedAt(id, "anrede")
	if a, p := r.AdvoField(advo, "emailGesch"), r.EspoField(id, "phone"); a != "neu@example.de" || p != "0511 2" {
		t.Errorf("emailGesch %q, phone %v", a, p)
	}
	r.Tick(time.Hour)
	r.FailedAt(id, "anrede")
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 3"})
	r.FailedAt(id, "anrede")
	if p := r.EspoField(id, "phone"); p != "0511 3" {
		t.Errorf("phone %v: what was edited in Advoware waits", p)
	}
	r.EditEspo(id, map[string]any{"description": "Mrs."})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if a := r.AdvoField(advo, "anrede"); a != "Frau" {
		t.Errorf("anrede %q", a)
	}
	r.Quiet(id)
}

// TestAFieldThatEspoCRMRefusesByName: it stays as it is on both sides, its group with it.
func TestAFieldThatEspoCRMRefusesByName(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: phone, advoware: telGesch, group: reach}`, `{espocrm: description, advoware: bemerkung, group: reach}`, rig.EmailField))
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": strings.Repeat("5", 101), "bemerkung": "neu", "emailGesch": "neu@example.de"})
	r.FailedAt(id, "phone")
	if e, d, p := r.EspoField(id, "email"), r.EspoField(id, "description"), r.EspoField(id, "phone"); e != "neu@example.de" || d == "neu" || p == strings.Repeat("5", 101) {
		t.Errorf("email %v, description %v, phone %v", e, d, p)
	}
	r.Tick(time.Hour)
	r.FailedAt(id, "phone")
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 7"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if d, p := r.EspoField(id, "description"), r.EspoField(id, "phone"); d != "neu" || p != "0511 7" {
		t.Errorf("description %v, phone %v", d, p)
	}
	r.Quiet(id)
}

// TestAFieldThatAdvowareDoesNotTake: what Advoware has edited reaches EspoCRM all the same.
func TestAFieldThatAdvowareDoesNotTake(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "emailGesch", Do: "ignore"})
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.FailedAt(id, "emailGesch")
	if p := r.EspoField(id, "phone"); p != "0511 2" {
		t.Errorf("phone %v", p)
	}
	r.Storing()
	r.Tick(2 * time.Hour)
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Quiet(id)
}

// TestANewRecordWithAFieldThatIsStuck: it is created without the field, once; but never
// without what it is known by.
func TestANewRecordWithAFieldThatIsStuck(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, rig.EmailField))
	id := r.Person(map[string]any{"firstName": "Dora", "lastName": "Neu", "description": "Dr.", "email": "dora@example.de", "syncStatus": "pending_sync"})
	r.FailedAt(id, "anrede")
	advo, _ := r.EspoField(id, "advowareId").(int64)
	if got := r.AdvoField(advo, "emailGesch"); got != "dora@example.de" {
		t.Fatalf("emailGesch %q", got)
	}
	r.Tick(time.Hour)
	r.FailedAt(id, "anrede")
	r.EditEspo(id, map[string]any{"description": "Mrs."})
	r.Sync(id)
	if a := r.AdvoField(advo, "anrede"); a != "Frau" {
		t.Errorf("anrede %q", a)
	}
	r.Quiet(id)
}

// TestAPlanSaysWhatTravelsAndWhatIsStuck.
func TestAPlanSaysWhatTravelsAndWhatIsStuck(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, rig.EmailField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
	res := r.Plan(id)
	if res.Error == nil || !strings.Contains(res.Error.Message, "anrede") || len(res.Fields) != 1 || res.Fields[0].Espocrm != "email" {
		t.Errorf("%s %+v %+v", res.Outcome, res.Error, res.Fields)
	}
	if a := r.AdvoField(advo, "emailGesch"); a == "neu@example.de" {
		t.Error("a plan has written")
	}
}

// TestAStuckFieldIsNamedBesideAConflictThatWaits: whoever decides the one learns of the other,
// by the record, by the plan, and in EspoCRM.
func TestAStuckFieldIsNamedBesideAConflictThatWaits(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, `{espocrm: email, advoware: emailGesch, policy: manual}`), rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "anders@example.de"})
	for name, res := range map[string]result.Record{"plan": r.Plan(id), "sync": r.Sync(id), "sync again": r.Sync(id)} {
		if !strings.Contains(res.Reason.Text, "email") || !strings.Contains(res.Reason.Text, "anrede") {
			t.Errorf("%s: %s %q", name, res.Outcome, res.Reason.Text)
		}
	}
	if got := r.EspoField(id, "syncErrorMessage"); !strings.Contains(got.(string), "anrede") {
		t.Errorf("in EspoCRM: %v", got)
	}
}
