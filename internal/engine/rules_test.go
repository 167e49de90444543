package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"advosync/internal/engine"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/simulation"
	"advosync/internal/store"
)

// Cases in which one rule alone stands between an edit and its loss.

// dies ends the process at the n-th effect of that kind, and lets a new one
// start when nothing of it can land any more.
func (r *rig) dies(id, what string, n int, how simulation.Fate, meanwhile func()) {
	r.t.Helper()
	r.proc.Plan = on(what, n, func() simulation.Fate { return how })
	r.sync(id)
	if !r.proc.Dead() {
		r.t.Fatalf("there was no %s", what)
	}
	r.tick(time.Second)
	if meanwhile != nil {
		meanwhile()
	}
	r.tick(10 * time.Minute)
	r.start()
}

// TestUnchangedRowIDProvesThatNothingArrived (R2): the value before looks like a
// cut form of the one sent.
func TestUnchangedRowIDProvesThatNothingArrived(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"phone": "0511 12"})
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, nil)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "0511 12" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestAValueBeforeThatLooksCutProvesNothing (R3): the same, and somebody saves
// another field in Advoware meanwhile, so that the rowId says nothing.
func TestAValueBeforeThatLooksCutProvesNothing(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"phone": "0511 12"})
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.editAdvo(advo, map[string]any{"bemerkung": "angerufen"})
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "0511 12" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestAKnownCutIsNoEditAfterACrash (R3): a field that Advoware is known to cut
// shows the same value before and after, beside one that proves the PUT.
func TestAKnownCutIsNoEditAfterACrash(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField), policy(reconcile.AdvowareWins))
	id, _ := r.linked()
	r.storing(sandbox.StoredForm{Field: "telGesch", Do: "cut", N: 6})
	r.editEspo(id, map[string]any{"phone": "0511 111"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"phone": "0511 122", "email": "neu@example.de"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	if res := r.sync(id); res.Verdict == result.Conflict || res.Error != nil {
		t.Errorf("%s %+v", res.Verdict, res.Error)
	}
	if got := r.espoField(id, "phone"); got != "0511 122" {
		t.Errorf("phone %v", got)
	}
	if res := r.sync(id); res.Outcome != result.Unchanged {
		t.Errorf("a second sync: %s", res.Outcome)
	}
}

// TestACutValueProvesThePut (R3): what Advoware has made of the value that was
// sent is ours, not an edit made there.
func TestACutValueProvesThePut(t *testing.T) {
	r := newRig(t, flat(emailField), policy(reconcile.AdvowareWins))
	id, _ := r.linked()
	r.storing(sandbox.StoredForm{Field: "emailGesch", Do: "cut", N: 8})
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	res := r.sync(id)
	if res.Verdict == result.Conflict || res.Error != nil || r.espoField(id, "email") != "neu@example.de" {
		t.Errorf("%s %+v, email %v", res.Verdict, res.Error, r.espoField(id, "email"))
	}
}

// TestAnEditThatLooksLikeOurOwnWriteTravels (R1): after a final PUT that
// happened, a person changes the case of the value it wrote.
func TestAnEditThatLooksLikeOurOwnWriteTravels(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.dies(id, "PUT /api/v1/"+ct, 1, simulation.DiesAfter, func() {
		r.editEspo(id, map[string]any{"email": "Advo@Example.de"})
	})
	r.sync(id)
	if got := r.advoField(advo, "emailGesch"); got != "Advo@Example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.quiet(id)
}

// TestFirstContactStaysOneAfterMarking (B4): what agrees at the first decision
// is no base for the second one, which would make a conflict of it.
func TestFirstContactStaysOneAfterMarking(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.strangers()
	r.want(r.sync(id), result.Initial, result.UpdatedAdvoware)
	if got := r.advoField(advo, "emailGesch"); got != "anna@example.de" || r.espoField(id, "email") != "anna@example.de" {
		t.Errorf("email %v, emailGesch %q", r.espoField(id, "email"), got)
	}
	last := "" // nothing lies between the read of Advoware and the PUT to it
	for _, e := range r.proc.Effects() {
		if e.HTTP && strings.HasPrefix(e.What, "PUT /relay") && !strings.HasPrefix(last, "GET /relay") {
			t.Errorf("%s between the read and the PUT", last)
		}
		if e.HTTP {
			last = e.What
		}
	}
	if res := r.sync(id); res.Outcome != result.Unchanged {
		t.Errorf("a second sync: %s", res.Outcome)
	}
}

// TestStampsAreThoseBeforeMarking (case 8): without a base, a one-way field has
// to go to Advoware, which marks the record; that is nobody's edit in EspoCRM.
func TestStampsAreThoseBeforeMarking(t *testing.T) {
	r := newRig(t, flat(emailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`))
	id := r.person(map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	advo := r.linkOf(id)
	r.tick(time.Minute)
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "falsch"})
	r.o.Forget()
	r.forgetStore()
	r.want(r.sync(id), result.AdvowareNewer, result.Merged)
	if r.espoField(id, "email") != "advo@example.de" || r.advoField(advo, "telGesch") != "0511 1" {
		t.Errorf("email %v, telGesch %q", r.espoField(id, "email"), r.advoField(advo, "telGesch"))
	}
}

// TestNewIDIsRememberedAtOnce: the process dies right after the POST; where
// Advoware cannot list, nothing else knows the new record.
func TestNewIDIsRememberedAtOnce(t *testing.T) {
	r := newRig(t)
	id := r.person(nil)
	r.dies(id, "GET /relay", 1, simulation.DiesBefore, nil)
	if res := r.sync(id); res.Error != nil || r.linkOf(id) != 1 || len(r.advo.All(sandbox.BeteiligtePath)) != 1 {
		t.Fatalf("%s %+v, linked to %d", res.Outcome, res.Error, r.linkOf(id))
	}
	r.quiet(id)
}

// TestMarksBeforeItWrites: whoever looks at the record while Advoware is written
// sees it.
func TestMarksBeforeItWrites(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	status := any(nil)
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
		status = r.espoField(id, "syncStatus")
		return simulation.Passes
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if status != "syncing" {
		t.Errorf("status %v", status)
	}
}

// TestAnswerOfTheFinalPutIsNoBase (B3): without version numbers somebody saves
// another field in the moment of the final PUT, whose answer shows that edit.
func TestAnswerOfTheFinalPutIsNoBase(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.espo.ChangeDef(ct, func(d *sandbox.EntityDef) { d.OptimisticConcurrency = false })
	})
	r.o.Guarded = false
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate {
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		return simulation.Passes
	})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "0511 1" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestEspoCRMsOwnFormIsNoEdit (B3): what EspoCRM makes of a value while saving
// does not travel back.
func TestEspoCRMsOwnFormIsNoEdit(t *testing.T) {
	r := newRig(t, flat(emailField))
	id, advo := r.linked()
	r.espo.SetFormula(func(s *sandbox.Save) {
		if mail, ok := s.Values["email"].(string); ok {
			s.Values["email"] = strings.ToLower(mail)
		}
	})
	r.editAdvo(advo, map[string]any{"emailGesch": "Neu@Example.de"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if res := r.sync(id); res.Outcome != result.Unchanged || r.advoField(advo, "emailGesch") != "Neu@Example.de" {
		t.Errorf("%s, emailGesch %q", res.Outcome, r.advoField(advo, "emailGesch"))
	}
}

// TestRowIDIsNotStoredOverAnEditNobodyDealtWith (B5): our role may not read a
// field that belongs to EspoCRM, so what somebody wrote into it in Advoware
// cannot be put right. The next look has to find it.
func TestRowIDIsNotStoredOverAnEditNobodyDealtWith(t *testing.T) {
	r := newRig(t, flat(emailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`))
	id := r.person(map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	advo := r.linkOf(id)
	r.tick(time.Minute)
	hide := func(fields ...string) {
		r.espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.FieldNoRead = map[string][]string{ct: fields} })
	}
	hide("phone")
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "falsch"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if r.espoField(id, "advowareRowId") == r.advo.RowID(sandbox.BeteiligtePath, advo) {
		t.Error("the rowId says that everything is in step")
	}
	r.tick(time.Minute)
	version := r.espoField(id, "versionNumber")
	r.sync(id)
	if now := r.espoField(id, "versionNumber"); now != version {
		t.Errorf("a sync that can do nothing wrote: version %v, was %v", now, version)
	}
	hide()
	r.sync(id)
	if got := r.advoField(advo, "telGesch"); got != "0511 1" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestAnEditWhileARecordIsAdopted (B6): the PUT that makes it clean goes out
// under the version of the read, so the edit is met in the same sync.
func TestAnEditWhileARecordIsAdopted(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	if err := r.advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
		t.Fatal(err)
	}
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate {
		r.editEspo(id, map[string]any{"email": "neu@example.de"})
		return simulation.Passes
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "emailGesch"); got != "neu@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.quiet(id)
}

// TestLastSyncIsTheServersStamp (B6): our clock is two minutes ahead. An edit
// made in that time counts when the memory is lost.
func TestLastSyncIsTheServersStamp(t *testing.T) {
	r := newRig(t, func(r *rig) {
		behind := func() time.Time { return r.now.Add(-2 * time.Minute) }
		r.espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: sandbox.NewClock(behind)})
	})
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.forgetStore()
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.espoField(id, "email"); got != "espo@example.de" {
		t.Errorf("email %v", got)
	}
}

// TestBaseOfAnotherDefinition: the values table of a field is turned round. What
// the old one stored says nothing about who has moved.
func TestBaseOfAnotherDefinition(t *testing.T) {
	r := newRig(t, flat(`{espocrm: phone, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, emailField))
	id := r.person(map[string]any{"phone": "Mr."})
	r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	advo := r.linkOf(id)
	r.tick(time.Minute)
	flat(`{espocrm: phone, advoware: anrede, values: {Mr.: Frau, Mrs.: Herr}}`, emailField)(r)
	r.o.Mapping = r.m
	r.o.Forget()
	r.build()
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if r.advoField(advo, "anrede") != "Frau" || r.espoField(id, "phone") != "Mr." {
		t.Errorf("anrede %q, phone %v", r.advoField(advo, "anrede"), r.espoField(id, "phone"))
	}
}

// TestADoubtfulPutIsNotRepeated: the answer is lost, and somebody saves in
// Advoware before we look. A second PUT of the same object would bury that.
func TestADoubtfulPutIsNotRepeated(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	broken := false
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		switch put := strings.HasPrefix(e.What, "PUT /relay"); {
		case put && !broken:
			broken = true
			return simulation.BreaksAfter
		case broken && r.advoField(advo, "telGesch") == "":
			r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
		}
		return simulation.Passes
	}
	r.sync(id)
	if r.advoField(advo, "telGesch") != "0511 1" || r.espoField(id, "phone") != "0511 1" {
		t.Errorf("telGesch %q, phone %v", r.advoField(advo, "telGesch"), r.espoField(id, "phone"))
	}
	r.quiet(id)
}

// TestADoubtfulPutIsNotBelieved: it did not arrive. That is the system's
// failure, and the intent stays until nothing can land any more.
func TestADoubtfulPutIsNotBelieved(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.BreaksBefore })
	res := r.sync(id)
	if res.Outcome != result.Failed || res.Error.Owner != "system" || r.memoryOf(id).Intent == nil {
		t.Fatalf("%s %+v, intent %+v", res.Outcome, res.Error, r.memoryOf(id).Intent)
	}
	r.wantStatus(id, "dirty", 0)
	r.tick(10 * time.Minute)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.quiet(id)
}

// TestTheConflictOfADeadRunIsTold (R1a): it died before the final PUT, with the
// conflict decided and Advoware written.
func TestTheConflictOfADeadRunIsTold(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.dies(id, "PUT /api/v1/"+ct, 2, simulation.DiesBefore, nil) // the first one marks
	r.sync(id)
	if n := len(r.espo.Posts()); n != 1 {
		t.Errorf("%d notes", n)
	}
	r.quiet(id)
}

// TestALaterEditBesideAProvenPut (R3): two fields were sent and arrived, then
// somebody edits one of them in Advoware. The other one proves the PUT.
func TestALaterEditBesideAProvenPut(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
	})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "phone"); got != "0511 2" {
		t.Errorf("phone %v", got)
	}
	r.quiet(id)
}

// TestAFieldSentAsItStoodProvesNothing (R3): policy espocrm sends every field.
// Nothing of it arrived, and somebody changes the case of one in Advoware.
func TestAFieldSentAsItStoodProvesNothing(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.editAdvo(advo, map[string]any{"name": "ALT"})
	})
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.espoField(id, "lastName"), r.advoField(advo, "name"); e != a {
		t.Errorf("lastName %v, name %q", e, a)
	}
	r.quiet(id)
}

// TestAFieldThatShowsTheValueBefore (R3): of two fields that a dead run sent,
// Advoware took one. The other one is no edit made there.
func TestAFieldThatShowsTheValueBefore(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 2"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.storing() })
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.espoField(id, "phone"); got != "0511 2" {
		t.Errorf("phone %v", got)
	}
	r.quiet(id)
}

// TestARecoveryWithoutABase (R5): the store was lost before, so the intent's base
// holds what agreed at the decision, and nothing else.
func TestARecoveryWithoutABase(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.forgetStore()
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "phone"); got != "0511 1" {
		t.Errorf("phone %v", got)
	}
	r.quiet(id)
}

// TestAnotherRecordIsNotTakenForOurs (R6): the POST never arrived, and somebody
// else has made a record in Advoware since.
func TestAnotherRecordIsNotTakenForOurs(t *testing.T) {
	r := newRig(t, listing)
	r.linked() // the store is older than the record
	id := r.person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	var other int64
	r.dies(id, "POST /relay", 1, simulation.DiesBefore, func() {
		_ = r.o.Person("bert", func() error {
			other = r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd"}`))
			return nil
		})
	})
	res := r.sync(id)
	r.wantError(res, "uncertain_create")
	if r.linkOf(id) != 0 || r.advoField(other, "name") != "Fremd" {
		t.Errorf("linked to %d, name %q", r.linkOf(id), r.advoField(other, "name"))
	}
}

// TestRecordsOfOthersAreNoCandidates (R6): what another EspoCRM record carries
// does not make a create uncertain.
func TestRecordsOfOthersAreNoCandidates(t *testing.T) {
	r := newRig(t, listing)
	r.linked()
	id := r.person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	r.dies(id, "POST /relay", 1, simulation.DiesBefore, nil)
	r.want(r.sync(r.person(map[string]any{"email": "dora@example.de"})), result.Create, result.CreatedAdvoware)
	r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	r.quiet(id)
}

// TestAnEditedNewRecordIsNotCreatedTwice (R6): somebody has rewritten the new
// record before it was linked, so that nothing but its id tells what it is.
func TestAnEditedNewRecordIsNotCreatedTwice(t *testing.T) {
	r := newRig(t, listing)
	r.linked()
	id := r.person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	r.dies(id, "POST /relay", 1, simulation.DiesAfter, func() {
		r.editAdvo(2, map[string]any{"vorname": "Dora", "name": "Anders", "emailGesch": "dora@example.de"})
	})
	r.wantError(r.sync(id), "uncertain_create")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestAnUncertainCreateStaysUncertain (R7), however often it is tried.
func TestAnUncertainCreateStaysUncertain(t *testing.T) {
	r := newRig(t)
	r.linked() // the store is older than the record: only the intent knows
	id := r.person(nil)
	r.dies(id, "POST /relay", 1, simulation.DiesAfter, nil)
	for range 3 {
		r.wantError(r.sync(id), "uncertain_create")
		r.tick(time.Hour)
	}
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestAGoneNewRecordIsNotReplacedByAnother (R7): the final PUT's intent still
// says what was posted, so that another record is told from ours.
func TestAGoneNewRecordIsNotReplacedByAnother(t *testing.T) {
	r := newRig(t, listing)
	r.linked()
	id := r.person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	r.dies(id, "PUT /api/v1/"+ct, 2, simulation.DiesBefore, func() { // the first one marks
		r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd"}`))
		r.advo.Delete(sandbox.BeteiligtePath, 2)
		r.o.Forget()
	})
	r.wantError(r.sync(id), "uncertain_create")
	if n := r.linkOf(id); n != 0 {
		t.Errorf("linked to %d", n)
	}
}

// TestResetKeepsAnInterruptedWrite (R7): only recovery can tell what of it
// happened.
func TestResetKeepsAnInterruptedWrite(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	if res := r.eng.Reset(t.Context(), engine.ResetRequest{Mapping: r.m, ID: id}); res.Outcome != result.UpdatedEspocrm {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	if r.memoryOf(id).Intent == nil {
		t.Error("the intent is gone")
	}
	r.untilQuiet(id, operation{}, "reset after a crash")
}

// TestAfterAStaleVersionTheMemoryIsSomebodyElses (R8): our lock was broken and
// another process has ended the record while our final PUT was on its way.
// Nothing more is written, not even the mark.
func TestAfterAStaleVersionTheMemoryIsSomebodyElses(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	key := store.Key{Entity: r.m.Entity(), ID: id}
	writes := func() int { return r.espo.Log().Count(isWrite) + r.advo.Log().Count(isWrite) }
	before := 0
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate {
		held, err := r.store.Holder(t.Context(), key.LockKey())
		if err != nil || held == nil {
			t.Fatal(err)
		}
		if ok, err := r.store.Break(t.Context(), *held); err != nil || !ok {
			t.Fatal(ok, err)
		}
		other, _, err := r.store.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{Host: "other", PID: 1}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		mem := r.memoryOf(id)
		if _, err := r.store.Commit(t.Context(), store.Commit{Key: key, Lease: other[0], Memory: &mem}); err != nil {
			t.Fatal(err)
		}
		if err := r.store.Release(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		before = writes()
		return simulation.Passes
	})
	res := r.sync(id)
	if n := writes() - before; res.Outcome != result.Locked || n > 1 { // the PUT that was refused
		t.Errorf("%s, %d writes: %+v", res.Outcome, n, res.Error)
	}
	if s := r.espoField(id, "syncStatus"); s == "syncing" {
		t.Error("left in syncing")
	}
}

// TestALinkMadeMeanwhileStays: while we create the record, somebody links it to
// one that is there already.
func TestALinkMadeMeanwhileStays(t *testing.T) {
	r := newRig(t)
	theirs := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt"}`))
	id := r.person(nil)
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { // the first one marks
		r.editEspo(id, map[string]any{"advowareId": theirs})
		return simulation.Passes
	})
	r.wantError(r.sync(id), "duplicate")
	if n := r.linkOf(id); n != theirs {
		t.Errorf("linked to %d", n)
	}
}

// TestLinkToATakenRecordWritesNothing: it is seen before anything is sent, also
// where the type has no unique index to refuse it.
func TestLinkToATakenRecordWritesNothing(t *testing.T) {
	r := newRig(t)
	_, advo := r.linked()
	other := r.person(map[string]any{"email": "otto@example.de"})
	before := r.espo.Log().Count(isWrite)
	res := r.eng.Link(t.Context(), engine.LinkRequest{Mapping: r.m, ID: other, AdvowareID: advo})
	r.wantError(res, "duplicate")
	if n := r.espo.Log().Count(isWrite); n != before {
		t.Errorf("%d writes", n-before)
	}
}

// TestADeadlineIsWithinTheLease, however long a write may take.
func TestADeadlineIsWithinTheLease(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.WriteTimeout = time.Hour })
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	announced := 0
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if in := r.memoryOf(id).Intent; in != nil {
			announced++
			if left := in.Deadline.Sub(r.now); left > 5*time.Minute {
				t.Errorf("%s: a write may land for %s", e.What, left)
			}
		}
		return simulation.Passes
	}
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if announced == 0 {
		t.Error("no write was announced")
	}
}

// TestADeleteHasToBeConfirmed, whatever the configuration says.
func TestADeleteHasToBeConfirmed(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.OnMissingInEspocrm = engine.MissingDelete })
	id, advo := r.linked()
	if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	res := r.sync(id, func(q *engine.Request) { q.NoDelete = true })
	r.want(res, result.MissingInEspocrm, result.Skipped)
	if _, there := r.advo.Get(sandbox.BeteiligtePath, advo); !there || res.Reason.Code != engine.ReasonNeedsYes {
		t.Errorf("there %v, %s", there, res.Reason.Code)
	}
}

// TestUndoMeetsAnEditBetweenItsWrites: it has put a value back in EspoCRM, and
// somebody edits in Advoware what it is about to put back there.
func TestUndoMeetsAnEditBetweenItsWrites(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.start()
	run := r.cfg.Run
	r.want(r.sync(id), result.Conflict, result.Merged)
	r.tick(time.Minute)
	r.start()
	r.proc.Plan = on("GET /relay", 2, func() simulation.Fate {
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		return simulation.Passes
	})
	r.wantError(r.eng.Undo(t.Context(), engine.UndoRequest{Mapping: r.m, ID: id, Run: run}), "conflict")
	if got := r.advoField(advo, "emailGesch"); got != "advo@example.de" {
		t.Errorf("emailGesch %q", got)
	}
}

// afterCommit does something once, right after the first commit of an intent.
type afterCommit struct {
	store.Store
	do func()
}

func (s *afterCommit) Commit(ctx context.Context, c store.Commit) (int64, error) {
	rev, err := s.Store.Commit(ctx, c)
	if do := s.do; err == nil && do != nil && c.Memory != nil && c.Memory.Intent != nil {
		s.do = nil
		do()
	}
	return rev, err
}

// TestALeaseThatEndsBeforeThePut: the machine sleeps between the intent and the
// PUT to Advoware.
func TestALeaseThatEndsBeforeThePut(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	writes := r.advowareWrites()
	r.eng.Store = &afterCommit{r.eng.Store, func() { r.tick(time.Hour) }}
	if res := r.sync(id); res.Outcome != result.Locked || r.advowareWrites() != writes {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, r.advowareWrites()-writes)
	}
	r.start()
	r.untilQuiet(id, operation{}, "slept")
}

// TestWorkEndsWithItsLease: the lock is lost in the middle of a request. Nothing
// is asked any more, not even a read: what it would show is somebody else's.
func TestWorkEndsWithItsLease(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	lost := 0
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate { // it marks; Advoware is read next
		if err := r.lm.ReleaseAll(); err != nil {
			t.Fatal(err)
		}
		lost = len(r.proc.Effects())
		return simulation.Passes
	})
	if res := r.sync(id); res.Error == nil || lost == 0 {
		t.Fatalf("%s", res.Outcome)
	}
	for _, e := range r.proc.Effects()[lost:] {
		if e.HTTP {
			t.Errorf("%s after the lock was lost", e.What)
		}
	}
}

// TestAGuardIsAskedBeforeTheFirstWrite: its refusal leaves the record as it is.
func TestAGuardIsAskedBeforeTheFirstWrite(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	version, refuses := r.espoField(id, "versionNumber"), errors.New("halt")
	var asked []result.Verdict
	r.sync(id, func(q *engine.Request) {
		q.Judge = func(v result.Verdict) error { asked = append(asked, v); return refuses }
	})
	if len(asked) != 1 || asked[0] != result.AdvowareNewer || r.espoField(id, "versionNumber") != version || r.espoField(id, "email") != "anna@example.de" {
		t.Errorf("asked %v, version %v, was %v, email %v", asked, r.espoField(id, "versionNumber"), version, r.espoField(id, "email"))
	}
	if r.memoryOf(id).Intent != nil || r.espoField(id, "syncStatus") != "clean" {
		t.Errorf("intent %+v, status %v", r.memoryOf(id).Intent, r.espoField(id, "syncStatus"))
	}
}
