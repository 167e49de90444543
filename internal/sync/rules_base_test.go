package sync_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// Cases in which one rule of the base alone stands between an edit and its loss.

// TestFirstContactStaysOneAfterMarking: what agrees at the first decision
// is no base for the second one, which would make a conflict of it.
func TestFirstContactStaysOneAfterMarking(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, advo := r.Strangers()
	r.Want(r.Sync(id), result.Initial, result.Merged) // EspoCRM lacks the telephone number
	if got := r.AdvoField(advo, "emailGesch"); got != "anna@example.de" || r.EspoField(id, "email") != "anna@example.de" {
		t.Errorf("email %v, emailGesch %q", r.EspoField(id, "email"), got)
	}
	r.StraightToThePut()
	if res := r.Sync(id); res.Outcome != result.Unchanged {
		t.Errorf("a second sync: %s", res.Outcome)
	}
}

// TestWhoWeAreIsNotAskedBeforeThePut: marking shows that the record has another
// kind by now, whose fields have no base.
func TestWhoWeAreIsNotAskedBeforeThePut(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH", "name": "Alt GmbH"})
		return simulation.Passes
	})
	r.Sync(id)
	if got := r.AdvoField(advo, "name"); got != "Alt GmbH" {
		t.Errorf("the name is %q", got)
	}
	r.StraightToThePut()
}

// TestWhoWeAreIsAskedOnce: EspoCRM does not say it; asking again after the read
// of Advoware would let somebody save there unseen.
func TestWhoWeAreIsAskedOnce(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Oracle.Forget()
	r.ForgetStore()
	r.EditAdvo(advo, map[string]any{"bemerkung": "so moves the rowId"})
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if e.What == "GET /api/v1/App/user" && !slices.ContainsFunc(r.Proc.Effects(), func(e simulation.Effect) bool { return strings.HasPrefix(e.What, "GET /relay") }) {
			return simulation.BreaksAfter
		}
		return simulation.Passes
	}
	if res := r.Sync(id); res.Error == nil {
		t.Errorf("%s: %+v", res.Outcome, res.Error)
	}
	r.StraightToThePut()
	r.Proc.Plan = nil
	r.Sync(id)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != a {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.Quiet(id)
}

// TestStampsAreThoseBeforeMarking (case 8): without a base, a one-way field has
// to go to Advoware, which marks the record; that is nobody's edit in EspoCRM.
func TestStampsAreThoseBeforeMarking(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`))
	id := r.Person(map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	advo := r.LinkOf(id)
	r.Tick(time.Minute)
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "falsch"})
	r.Oracle.Forget()
	r.ForgetStore()
	r.Want(r.Sync(id), result.AdvowareNewer, result.Merged)
	if r.EspoField(id, "email") != "advo@example.de" || r.AdvoField(advo, "telGesch") != "0511 1" {
		t.Errorf("email %v, telGesch %q", r.EspoField(id, "email"), r.AdvoField(advo, "telGesch"))
	}
}

// TestAnswerOfTheFinalPutIsNoBase: without version numbers somebody saves
// another field in the moment of the final PUT, whose answer shows that edit.
func TestAnswerOfTheFinalPutIsNoBase(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) {
		r.Espo.ChangeDef(rig.Type, func(d *sandbox.EntityDef) { d.OptimisticConcurrency = false })
	})
	r.Oracle.Guarded = false
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		return simulation.Passes
	})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "0511 1" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// TestEspoCRMsOwnFormIsNoEdit: what EspoCRM makes of a value while saving
// does not travel back.
func TestEspoCRMsOwnFormIsNoEdit(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField))
	id, advo := r.Linked()
	r.Espo.SetFormula(func(s *sandbox.Save) {
		if mail, ok := s.Values["email"].(string); ok {
			s.Values["email"] = strings.ToLower(mail)
		}
	})
	r.EditAdvo(advo, map[string]any{"emailGesch": "Neu@Example.de"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if res := r.Sync(id); res.Outcome != result.Unchanged || r.AdvoField(advo, "emailGesch") != "Neu@Example.de" {
		t.Errorf("%s, emailGesch %q", res.Outcome, r.AdvoField(advo, "emailGesch"))
	}
}

// TestRowIDIsNotStoredOverAnEditNobodyDealtWith: our role may not read a
// field that belongs to EspoCRM, so what somebody wrote into it in Advoware
// cannot be put right. The next look has to find it.
func TestRowIDIsNotStoredOverAnEditNobodyDealtWith(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`))
	id := r.Person(map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	advo := r.LinkOf(id)
	r.Tick(time.Minute)
	hide := func(fields ...string) {
		r.Espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.FieldNoRead = map[string][]string{rig.Type: fields} })
	}
	hide("phone")
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "falsch"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if r.EspoField(id, "advowareRowId") == r.Advo.RowID(sandbox.BeteiligtePath, advo) {
		t.Error("the rowId says that everything is in step")
	}
	r.Tick(time.Minute)
	version := r.EspoField(id, "versionNumber")
	r.Sync(id)
	if now := r.EspoField(id, "versionNumber"); now != version {
		t.Errorf("a sync that can do nothing wrote: version %v, was %v", now, version)
	}
	hide()
	r.Sync(id)
	if got := r.AdvoField(advo, "telGesch"); got != "0511 1" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// TestAnEditWhileARecordIsAdopted: the PUT that makes it clean goes out
// under the version of the read, so the edit is met in the same sync.
func TestAnEditWhileARecordIsAdopted(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	if err := r.Advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
		t.Fatal(err)
	}
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		return simulation.Passes
	})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "emailGesch"); got != "neu@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.Quiet(id)
}

// TestLastSyncIsTheServersStamp: our clock is two minutes ahead. An edit
// made in that time counts when the memory is lost.
func TestLastSyncIsTheServersStamp(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) {
		behind := func() time.Time { return r.Time.Add(-2 * time.Minute) }
		r.Espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: sandbox.NewClock(behind)})
	})
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.ForgetStore()
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.EspoField(id, "email"); got != "espo@example.de" {
		t.Errorf("email %v", got)
	}
}

// TestLastSyncMovesWithAWriteToEspoCRMOnly (first week, 23): EspoCRM's own record
// is as old as before, but it is in step as of the read that was decided on. An
// edit in the second of that read still counts when the memory is lost.
func TestLastSyncMovesWithAWriteToEspoCRMOnly(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.Tick(time.Hour)
	read := r.Time.UTC().Format("2006-01-02 15:04:05")
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.EspoField(id, "advowareLastSync"); got != read {
		t.Errorf("lastSync %v, the read was at %s", got, read)
	}
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "later@example.de"})
	r.ForgetStore()
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
}

// TestBaseOfAnotherDefinition: the values table of a field is turned round. What
// the old one stored says nothing about who has moved.
func TestBaseOfAnotherDefinition(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: phone, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, rig.EmailField))
	id := r.Person(map[string]any{"phone": "Mr."})
	r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	advo := r.LinkOf(id)
	r.Tick(time.Minute)
	rig.Flat(`{espocrm: phone, advoware: anrede, values: {Mr.: Frau, Mrs.: Herr}}`, rig.EmailField)(r)
	r.Oracle.Mapping = r.M
	r.Oracle.Forget()
	r.Build()
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if r.AdvoField(advo, "anrede") != "Frau" || r.EspoField(id, "phone") != "Mr." {
		t.Errorf("anrede %q, phone %v", r.AdvoField(advo, "anrede"), r.EspoField(id, "phone"))
	}
}
