package sync_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

// failedAt wants the record to have failed, naming the fields.
func (r *rig) failedAt(id, field string) {
	r.t.Helper()
	res := r.sync(id)
	if res.Outcome != result.Failed || res.Error == nil || !strings.Contains(res.Error.Message, field) {
		r.t.Fatalf("%s %+v, want a failure of %q", res.Outcome, res.Error, field)
	}
	if r.espoField(id, "syncStatus") != "failed" {
		r.t.Fatalf("status %v", r.espoField(id, "syncStatus"))
	}
}

// TestAFieldThatIsNotInItsTable: the others travel, in both directions; nothing is written
// twice, and once it is corrected all is in step.
func TestAFieldThatIsNotInItsTable(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, emailField, phoneField), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.failedAt(id, "anrede")
	if a, p := r.advoField(advo, "emailGesch"), r.espoField(id, "phone"); a != "neu@example.de" || p != "0511 2" {
		t.Errorf("emailGesch %q, phone %v", a, p)
	}
	r.tick(time.Hour)
	r.failedAt(id, "anrede")
	r.editAdvo(advo, map[string]any{"telGesch": "0511 3"})
	r.failedAt(id, "anrede")
	if p := r.espoField(id, "phone"); p != "0511 3" {
		t.Errorf("phone %v: what was edited in Advoware waits", p)
	}
	r.editEspo(id, map[string]any{"description": "Mrs."})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if a := r.advoField(advo, "anrede"); a != "Frau" {
		t.Errorf("anrede %q", a)
	}
	r.quiet(id)
}

// TestAFieldThatEspoCRMRefusesByName: it stays as it is on both sides, its group with it.
func TestAFieldThatEspoCRMRefusesByName(t *testing.T) {
	r := newRig(t, flat(`{espocrm: phone, advoware: telGesch, group: reach}`, `{espocrm: description, advoware: bemerkung, group: reach}`, emailField))
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"telGesch": strings.Repeat("5", 101), "bemerkung": "neu", "emailGesch": "neu@example.de"})
	r.failedAt(id, "phone")
	if e, d, p := r.espoField(id, "email"), r.espoField(id, "description"), r.espoField(id, "phone"); e != "neu@example.de" || d == "neu" || p == strings.Repeat("5", 101) {
		t.Errorf("email %v, description %v, phone %v", e, d, p)
	}
	r.tick(time.Hour)
	r.failedAt(id, "phone")
	r.editAdvo(advo, map[string]any{"telGesch": "0511 7"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if d, p := r.espoField(id, "description"), r.espoField(id, "phone"); d != "neu" || p != "0511 7" {
		t.Errorf("description %v, phone %v", d, p)
	}
	r.quiet(id)
}

// TestAFieldThatAdvowareDoesNotTake: what Advoware has edited reaches EspoCRM all the same.
func TestAFieldThatAdvowareDoesNotTake(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField), policy(reconcile.Merge))
	id, advo := r.linked()
	r.storing(sandbox.StoredForm{Field: "emailGesch", Do: "ignore"})
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.failedAt(id, "emailGesch")
	if p := r.espoField(id, "phone"); p != "0511 2" {
		t.Errorf("phone %v", p)
	}
	r.storing()
	r.tick(2 * time.Hour)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.quiet(id)
}

// TestANewRecordWithAFieldThatIsStuck: it is created without the field, once; but never
// without what it is known by.
func TestANewRecordWithAFieldThatIsStuck(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, emailField))
	id := r.person(map[string]any{"firstName": "Dora", "lastName": "Neu", "description": "Dr.", "email": "dora@example.de", "syncStatus": "pending_sync"})
	r.failedAt(id, "anrede")
	advo, _ := r.espoField(id, "advowareId").(int64)
	if got := r.advoField(advo, "emailGesch"); got != "dora@example.de" {
		t.Fatalf("emailGesch %q", got)
	}
	r.tick(time.Hour)
	r.failedAt(id, "anrede")
	r.editEspo(id, map[string]any{"description": "Mrs."})
	r.sync(id)
	if a := r.advoField(advo, "anrede"); a != "Frau" {
		t.Errorf("anrede %q", a)
	}
	r.quiet(id)
}

// TestAPlanSaysWhatTravelsAndWhatIsStuck.
func TestAPlanSaysWhatTravelsAndWhatIsStuck(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, emailField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
	res := r.plan(id)
	if res.Error == nil || !strings.Contains(res.Error.Message, "anrede") || len(res.Fields) != 1 || res.Fields[0].Espocrm != "email" {
		t.Errorf("%s %+v %+v", res.Outcome, res.Error, res.Fields)
	}
	if a := r.advoField(advo, "emailGesch"); a == "neu@example.de" {
		t.Error("a plan has written")
	}
}

// TestAStuckFieldIsNamedBesideAConflictThatWaits: whoever decides the one learns of the other,
// by the record, by the plan, and in EspoCRM.
func TestAStuckFieldIsNamedBesideAConflictThatWaits(t *testing.T) {
	r := newRig(t, flat(`{espocrm: description, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, `{espocrm: email, advoware: emailGesch, policy: manual}`), policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"description": "Dr.", "email": "neu@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "anders@example.de"})
	for name, res := range map[string]result.Record{"plan": r.plan(id), "sync": r.sync(id), "sync again": r.sync(id)} {
		if !strings.Contains(res.Reason.Text, "email") || !strings.Contains(res.Reason.Text, "anrede") {
			t.Errorf("%s: %s %q", name, res.Outcome, res.Reason.Text)
		}
	}
	if got := r.espoField(id, "syncErrorMessage"); !strings.Contains(got.(string), "anrede") {
		t.Errorf("in EspoCRM: %v", got)
	}
}
