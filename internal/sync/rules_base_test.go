package sync_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/simulation"
)

// Cases in which one rule of the base alone stands between an edit and its loss.

// TestFirstContactStaysOneAfterMarking: what agrees at the first decision
// is no base for the second one, which would make a conflict of it.
func TestFirstContactStaysOneAfterMarking(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.strangers()
	r.want(r.sync(id), result.Initial, result.Merged) // EspoCRM lacks the telephone number
	if got := r.advoField(advo, "emailGesch"); got != "anna@example.de" || r.espoField(id, "email") != "anna@example.de" {
		t.Errorf("email %v, emailGesch %q", r.espoField(id, "email"), got)
	}
	r.straightToThePut()
	if res := r.sync(id); res.Outcome != result.Unchanged {
		t.Errorf("a second sync: %s", res.Outcome)
	}
}

// straightToThePut: nothing lies between the read of Advoware and the PUT to it.
func (r *rig) straightToThePut() {
	r.t.Helper()
	last := ""
	for _, e := range r.proc.Effects() {
		if e.HTTP && strings.HasPrefix(e.What, "PUT /relay") && !strings.HasPrefix(last, "GET /relay") {
			r.t.Errorf("%s between the read and the PUT", last)
		}
		if e.HTTP {
			last = e.What
		}
	}
}

// TestWhoWeAreIsNotAskedBeforeThePut: marking shows that the record has another
// kind by now, whose fields have no base.
func TestWhoWeAreIsNotAskedBeforeThePut(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate {
		r.editEspo(id, map[string]any{"firmenname": "Alt GmbH", "name": "Alt GmbH"})
		return simulation.Passes
	})
	r.sync(id)
	if got := r.advoField(advo, "name"); got != "Alt GmbH" {
		t.Errorf("the name is %q", got)
	}
	r.straightToThePut()
}

// TestWhoWeAreIsAskedOnce: EspoCRM does not say it; asking again after the read
// of Advoware would let somebody save there unseen.
func TestWhoWeAreIsAskedOnce(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.o.Forget()
	r.forgetStore()
	r.editAdvo(advo, map[string]any{"bemerkung": "so moves the rowId"})
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if e.What == "GET /api/v1/App/user" && !slices.ContainsFunc(r.proc.Effects(), func(e simulation.Effect) bool { return strings.HasPrefix(e.What, "GET /relay") }) {
			return simulation.BreaksAfter
		}
		return simulation.Passes
	}
	if res := r.sync(id); res.Error == nil {
		t.Errorf("%s: %+v", res.Outcome, res.Error)
	}
	r.straightToThePut()
	r.proc.Plan = nil
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != a {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.quiet(id)
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

// TestAnswerOfTheFinalPutIsNoBase: without version numbers somebody saves
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

// TestEspoCRMsOwnFormIsNoEdit: what EspoCRM makes of a value while saving
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

// TestRowIDIsNotStoredOverAnEditNobodyDealtWith: our role may not read a
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

// TestAnEditWhileARecordIsAdopted: the PUT that makes it clean goes out
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

// TestLastSyncIsTheServersStamp: our clock is two minutes ahead. An edit
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

// TestLastSyncMovesWithAWriteToEspoCRMOnly (first week, 23): EspoCRM's own record
// is as old as before, but it is in step as of the read that was decided on. An
// edit in the second of that read still counts when the memory is lost.
func TestLastSyncMovesWithAWriteToEspoCRMOnly(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.tick(time.Hour)
	read := r.now.UTC().Format("2006-01-02 15:04:05")
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "advowareLastSync"); got != read {
		t.Errorf("lastSync %v, the read was at %s", got, read)
	}
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "later@example.de"})
	r.forgetStore()
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
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
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if r.advoField(advo, "anrede") != "Frau" || r.espoField(id, "phone") != "Mr." {
		t.Errorf("anrede %q, phone %v", r.advoField(advo, "anrede"), r.espoField(id, "phone"))
	}
}
