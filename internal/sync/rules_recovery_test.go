package sync_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// Cases in which one rule of recovery alone stands between an edit and its loss.

// TestNewIDIsRememberedAtOnce: the process dies right after the POST; where
// Advoware cannot list, nothing else knows the new record.
func TestNewIDIsRememberedAtOnce(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	r.Dies(id, "GET /relay", 1, simulation.DiesBefore, nil)
	if res := r.Sync(id); res.Error != nil || r.LinkOf(id) != 1 || len(r.Advo.All(sandbox.BeteiligtePath)) != 1 {
		t.Fatalf("%s %+v, linked to %d", res.Outcome, res.Error, r.LinkOf(id))
	}
	r.Quiet(id)
}

// TestARefusedLinkForgetsNoCreate: EspoCRM refuses the link of a record that was just
// made, and does not get the failure, with which the link would have gone along. Only the
// announcement knows the new record then.
func TestARefusedLinkForgetsNoCreate(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	made, puts := false, 0
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		made = made || strings.HasPrefix(e.What, "GET /relay")
		if !made || !strings.HasPrefix(e.What, "PUT /api/v1/"+rig.Type) {
			return simulation.Passes
		}
		if puts++; puts == 1 {
			return simulation.Answers400
		}
		return simulation.DiesBefore
	}
	r.Sync(id)
	r.Tick(10 * time.Minute)
	r.Start()
	r.Sync(id)
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); puts != 2 || n != 1 || r.LinkOf(id) != 1 {
		t.Errorf("%d records in Advoware after %d PUTs, linked to %d", n, puts, r.LinkOf(id))
	}
	r.Quiet(id)
}

// TestADoubtfulPutIsNotRepeated: the answer is lost, and somebody saves in
// Advoware before we look. A second PUT of the same object would bury that.
func TestADoubtfulPutIsNotRepeated(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	broken := false
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		switch put := strings.HasPrefix(e.What, "PUT /relay"); {
		case put && !broken:
			broken = true
			return simulation.BreaksAfter
		case broken && r.AdvoField(advo, "telGesch") == "":
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
		}
		return simulation.Passes
	}
	r.Sync(id)
	if r.AdvoField(advo, "telGesch") != "0511 1" || r.EspoField(id, "phone") != "0511 1" {
		t.Errorf("telGesch %q, phone %v", r.AdvoField(advo, "telGesch"), r.EspoField(id, "phone"))
	}
	r.Quiet(id)
}

// TestADoubtfulPutIsNotBelieved: it did not arrive. That is the system's
// failure, and the announcement stays until nothing can land any more.
func TestADoubtfulPutIsNotBelieved(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.BreaksBefore })
	res := r.Sync(id)
	if res.Outcome != result.Failed || res.Error.Owner != "system" || r.MemoryOf(id).Open == nil {
		t.Fatalf("%s %+v, announcement %+v", res.Outcome, res.Error, r.MemoryOf(id).Open)
	}
	r.WantStatus(id, "dirty", 0)
	r.Tick(10 * time.Minute)
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Quiet(id)
}

// TestUnchangedRowIDProvesThatNothingArrived: the value before looks like a
// cut form of the one sent.
func TestUnchangedRowIDProvesThatNothingArrived(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.Start()
	dead := r.Cfg.Run
	r.EditEspo(id, map[string]any{"phone": "0511 12"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, nil)
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "0511 12" {
		t.Errorf("telGesch %q", got)
	}
	for _, e := range r.History() {
		for _, w := range e.Writes {
			if e.Run == dead && w.After == record.Of("0511 12") && w.State != store.WriteNotDone {
				t.Errorf("the history says %q of a write that certainly did not happen", w.State)
			}
		}
	}
	r.Quiet(id)
}

// TestAValueBeforeThatLooksCutProvesNothing: the same, and somebody saves
// another field in Advoware meanwhile, so that the rowId says nothing.
func TestAValueBeforeThatLooksCutProvesNothing(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"phone": "0511 12"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(advo, map[string]any{"bemerkung": "angerufen"})
	})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "0511 12" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// TestAKnownCutIsNoEditAfterACrash: a field that Advoware is known to cut
// shows the same value before and after, beside one that proves the PUT.
func TestAKnownCutIsNoEditAfterACrash(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField), rig.Policy(reconcile.AdvowareWins))
	id, _ := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "cut", N: 6})
	r.EditEspo(id, map[string]any{"phone": "0511 111"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"phone": "0511 122", "email": "neu@example.de"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	if res := r.Sync(id); res.Verdict == result.Conflict || res.Error != nil {
		t.Errorf("%s %+v", res.Verdict, res.Error)
	}
	if got := r.EspoField(id, "phone"); got != "0511 122" {
		t.Errorf("phone %v", got)
	}
	if res := r.Sync(id); res.Outcome != result.Unchanged {
		t.Errorf("a second sync: %s", res.Outcome)
	}
}

// TestAnOwnFormOfTheOldValueIsNotTheNewOne: a PUT never arrived, and somebody makes
// one of its edits in Advoware, too, which proves it. The other field shows what Advoware
// had made of the value before.
func TestAnOwnFormOfTheOldValueIsNotTheNewOne(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	r.Storing(sandbox.StoredForm{Field: "emailGesch", Do: "upper"})
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": nil})
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(advo, map[string]any{"telGesch": nil})
	})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "emailGesch"); got != "NEU@EXAMPLE.DE" {
		t.Errorf("emailGesch %q", got)
	}
	r.Quiet(id)
}

// TestACutValueProvesThePut: what Advoware has made of the value that was
// sent is ours, not an edit made there.
func TestACutValueProvesThePut(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField), rig.Policy(reconcile.AdvowareWins))
	id, _ := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "emailGesch", Do: "cut", N: 8})
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	res := r.Sync(id)
	if res.Verdict == result.Conflict || res.Error != nil || r.EspoField(id, "email") != "neu@example.de" {
		t.Errorf("%s %+v, email %v", res.Verdict, res.Error, r.EspoField(id, "email"))
	}
}

// TestAnotherSpellingAfterOurWriteIsOfEspoCRM: what EspoCRM stores of an e-mail address
// that it knows in another spelling its answer does not show. So it looks where a person
// changes the case at once; both are one address, and neither is carried over.
func TestAnotherSpellingAfterOurWriteIsOfEspoCRM(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Dies(id, "PUT /api/v1/"+rig.Type, 1, simulation.DiesAfter, func() {
		r.EditEspo(id, map[string]any{"email": "Advo@Example.de"})
	})
	r.Sync(id)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "Advo@Example.de" || a != "advo@example.de" {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"email": "ADVO@example.de"}) // it was read since, and is one address all the same
	r.Want(r.Sync(id), result.NoChange, result.Adopted)
	if a := r.AdvoField(advo, "emailGesch"); a != "advo@example.de" {
		t.Errorf("emailGesch %q", a)
	}
	r.Quiet(id)
}

// TestADoubtfulPutIsNotProvenByTheValueBefore: it did not arrive, somebody saves
// another field before we look, and the old value looks like a cut form of the
// one sent. Believed, the PUT would count as not accepted, which costs an attempt.
func TestADoubtfulPutIsNotProvenByTheValueBefore(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"phone": "0511 12"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate {
		r.EditAdvo(advo, map[string]any{"bemerkung": "angerufen"})
		return simulation.BreaksBefore
	})
	if res := r.Sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" || r.MemoryOf(id).Open == nil {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.WantStatus(id, "dirty", 0)
	r.Tick(10 * time.Minute)
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Quiet(id)
}

// TestAnUndoIsNotProvenByTheValueBefore: a put-back that never arrived, the same
// way. The history may not say that it was done.
func TestAnUndoIsNotProvenByTheValueBefore(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 12"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.Start()
	run := r.Cfg.Run
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.Start()
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	r.Desk.Undo(t.Context(), desk.UndoRequest{Mapping: r.M, ID: id, Run: run})
	r.EditAdvo(advo, map[string]any{"bemerkung": "angerufen"})
	r.Tick(10 * time.Minute)
	r.Start()
	r.Sync(id)
	undone := 0
	for _, e := range r.History() {
		if e.Of != run {
			continue
		}
		for _, w := range e.Writes {
			if w.Side != record.Advoware { // where the value was typed, and stands
				continue
			}
			if undone++; w.State == store.WriteDone || w.State == store.WritePlanned {
				t.Errorf("%s: %s", w.Field, w.State)
			}
		}
	}
	if undone == 0 {
		t.Error("the undo is not in the history")
	}
	r.Quiet(id)
}

// TestTheConflictOfADeadRunIsTold: it died with the conflict decided and Advoware written,
// before it had read that back, or before the final PUT.
func TestTheConflictOfADeadRunIsTold(t *testing.T) {
	for _, at := range []string{"GET /relay", "PUT /api/v1/" + rig.Type} { // the first PUT marks
		r := rig.New(t)
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.Dies(id, at, 2, simulation.DiesBefore, nil)
		r.Sync(id)
		if n := len(r.Espo.Posts()); n != 1 {
			t.Errorf("%s: %d notes", at, n)
		}
		r.Quiet(id)
	}
}

// TestWhatIsTypedIsNotOurPut: the PUT to EspoCRM never came, and somebody types there what it
// was to bring (seed 824020 of the simulation): EspoCRM carries the rowId from before.
func TestWhatIsTypedIsNotOurPut(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Sync(id)
	r.EditAdvo(advo, map[string]any{"telGesch": ""})
	r.Dies(id, "PUT /api/v1/"+rig.Type, 1, simulation.DiesBefore, func() {
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
		r.EditEspo(id, map[string]any{"phone": ""})
	})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"); e != "" && e != nil || a != "" {
		t.Errorf("phone %v, telGesch %q", e, a)
	}
	r.Quiet(id)
}

// TestAnEditAfterAWriteThatIsKnown: the PUT to Advoware was read back, and the process
// dies before the final PUT. What somebody types in Advoware then is his edit alone: the
// base in force knows what was written.
func TestAnEditAfterAWriteThatIsKnown(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.Dies(id, "PUT /api/v1/"+rig.Type, 2, simulation.DiesBefore, func() { r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"}) })
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if e := r.EspoField(id, "email"); e != "advo@example.de" {
		t.Errorf("email %v", e)
	}
	r.Quiet(id)
}

// TestASaveBeforeOurMark: the final PUT arrived and its process died; somebody saves that
// very field, and the next run dies once it has marked the record, which buries who saved
// last. What stands there is no form of EspoCRM's (seed 1255 of the simulation).
func TestASaveBeforeOurMark(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Dies(id, "PUT /api/v1/"+rig.Type, 1, simulation.DiesAfter, func() { r.EditEspo(id, map[string]any{"email": "espo@example.de"}) })
	r.Dies(id, "PUT /api/v1/"+rig.Type, 1, simulation.DiesAfter, nil)
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "espo@example.de" || a != e {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.Quiet(id)
}

// TestALaterEditBesideAProvenPut: two fields were sent and arrived, then somebody edits
// one of them in Advoware. It may be Advoware's form of the value: a conflict, told.
func TestALaterEditBesideAProvenPut(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	r.Phones(id, advo, "0511 1")
	r.Overruled("phone", "0511 2")
	r.Quiet(id)
}

// TestAFieldSentAsItStoodProvesNothing: a change of case was to be sent, and
// somebody changes the case of the same name in Advoware. That is no sign that
// the PUT arrived, or the other field would count as edited back there.
func TestAFieldSentAsItStoodProvesNothing(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "lastName": "ALT"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(advo, map[string]any{"name": "aLT"})
	})
	r.Sync(id)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "neu@example.de" || a != "neu@example.de" {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.Quiet(id)
}

// TestAFieldThatShowsTheValueBefore: of two fields that a dead run sent,
// Advoware took one. The other one is no edit made there.
func TestAFieldThatShowsTheValueBefore(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 2"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.Storing() })
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.EspoField(id, "phone"); got != "0511 2" {
		t.Errorf("phone %v", got)
	}
	r.Quiet(id)
}

// TestARecoveryWithoutABase: the store was lost before, so the announcement's base
// holds what agreed at the decision, and nothing else.
func TestARecoveryWithoutABase(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.ForgetStore()
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.EspoField(id, "phone"); got != "0511 1" {
		t.Errorf("phone %v", got)
	}
	r.Quiet(id)
}

// TestAnotherRecordIsNotTakenForOurs: the POST never arrived, and somebody
// else has made a record in Advoware since.
func TestAnotherRecordIsNotTakenForOurs(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked() // the store is older than the record
	id := r.Person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	var other int64
	r.Dies(id, "POST /relay", 1, simulation.DiesBefore, func() {
		_ = r.Oracle.Person("bert", func() error {
			other = r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd"}`))
			return nil
		})
	})
	res := r.Sync(id)
	r.WantError(res, "uncertain_create")
	if r.LinkOf(id) != 0 || r.AdvoField(other, "name") != "Fremd" {
		t.Errorf("linked to %d, name %q", r.LinkOf(id), r.AdvoField(other, "name"))
	}
}

// TestRecordsOfOthersAreNoCandidates: what another EspoCRM record carries
// does not make a create uncertain.
func TestRecordsOfOthersAreNoCandidates(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked()
	id := r.Person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	r.Dies(id, "POST /relay", 1, simulation.DiesBefore, nil)
	r.Want(r.Sync(r.Person(map[string]any{"email": "dora@example.de"})), result.Create, result.CreatedAdvoware)
	r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	r.Quiet(id)
}

// TestAnEditedNewRecordIsNotCreatedTwice: somebody has rewritten the new
// record before it was linked, so that nothing but its id tells what it is.
func TestAnEditedNewRecordIsNotCreatedTwice(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked()
	id := r.Person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	r.Dies(id, "POST /relay", 1, simulation.DiesAfter, func() {
		r.EditAdvo(2, map[string]any{"vorname": "Dora", "name": "Anders", "emailGesch": "dora@example.de"})
	})
	r.WantError(r.Sync(id), "uncertain_create")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestAnUncertainCreateStaysUncertain, however often it is tried.
func TestAnUncertainCreateStaysUncertain(t *testing.T) {
	r := rig.New(t)
	r.Linked() // the store is older than the record: only the announcement knows
	id := r.Person(nil)
	r.Dies(id, "POST /relay", 1, simulation.DiesAfter, nil)
	for range 3 {
		r.WantError(r.Sync(id), "uncertain_create")
		r.Tick(time.Hour)
	}
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestAGoneNewRecordIsNotReplacedByAnother: the final PUT's announcement still
// says what was posted, so that another record is told from ours.
func TestAGoneNewRecordIsNotReplacedByAnother(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked()
	id := r.Person(map[string]any{"firstName": "Cora", "lastName": "Neu", "name": "Cora Neu", "email": "cora@example.de"})
	r.Dies(id, "PUT /api/v1/"+rig.Type, 2, simulation.DiesBefore, func() { // the first one marks
		r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd"}`))
		r.Advo.Delete(sandbox.BeteiligtePath, 2)
		r.Oracle.Forget()
	})
	r.WantError(r.Sync(id), "uncertain_create")
	if n := r.LinkOf(id); n != 0 {
		t.Errorf("linked to %d", n)
	}
}

// TestResetKeepsAnInterruptedWrite: only recovery can tell what of it
// happened.
func TestResetKeepsAnInterruptedWrite(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	if res := r.Desk.Reset(t.Context(), desk.ResetRequest{Mapping: r.M, ID: id}); res.Outcome != result.UpdatedEspocrm {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	if r.MemoryOf(id).Open == nil {
		t.Error("the announcement is gone")
	}
	r.UntilQuiet(id, rig.Operation{}, "reset after a crash")
}

// TestAfterAStaleVersionTheMemoryIsSomebodyElses: our lock was broken and
// another process has ended the record while our final PUT was on its way.
// Nothing more is written, not even the mark.
func TestAfterAStaleVersionTheMemoryIsSomebodyElses(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	key := store.Key{Entity: r.M.Entity(), ID: id}
	writes := func() int { return r.Espo.Log().Count(rig.IsWrite) + r.Advo.Log().Count(rig.IsWrite) }
	before := 0
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate {
		held, err := r.Store.Holder(t.Context(), key.LockKey())
		if err != nil || held == nil {
			t.Fatal(err)
		}
		if ok, err := r.Store.Break(t.Context(), *held); err != nil || !ok {
			t.Fatal(ok, err)
		}
		other, _, err := r.Store.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{Host: "other", PID: 1}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		mem := r.MemoryOf(id)
		if _, err := r.Store.Commit(t.Context(), store.Commit{Key: key, Lease: other[0], Memory: &mem}); err != nil {
			t.Fatal(err)
		}
		if err := r.Store.Release(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		before = writes()
		return simulation.Passes
	})
	res := r.Sync(id)
	if n := writes() - before; res.Outcome != result.Locked || n > 1 { // the PUT that was refused
		t.Errorf("%s, %d writes: %+v", res.Outcome, n, res.Error)
	}
	if s := r.EspoField(id, "syncStatus"); s == "syncing" {
		t.Error("left in syncing")
	}
}

// TestAKindOnItsWayToEspoCRMIsNoEditThere: somebody has made a company of the
// record in Advoware, and the run that was to tell EspoCRM dies after its PUT of
// another field. EspoCRM still shows the person then, but nobody has made it one.
func TestAKindOnItsWayToEspoCRMIsNoEditThere(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"vorname": nil, "name": "Alt GmbH"})
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.EditAdvo(advo, map[string]any{"name": "Neu GmbH"}) })
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if e, a := r.EspoField(id, "firmenname"), r.AdvoField(advo, "name"); e != "Neu GmbH" || a != "Neu GmbH" {
		t.Errorf("firmenname %v, name %q", e, a)
	}
	r.Quiet(id)
}

// TestAnEmptiedFieldIsAWeakProof: a number was to be emptied and an address to
// be replaced, and nothing arrived. Then somebody empties the number in Advoware, too,
// and types another address: the number looks as if the PUT had arrived and the
// address had been edited after it. It may have been so; both addresses are edits.
func TestAnEmptiedFieldIsAWeakProof(t *testing.T) {
	for name, fate := range map[string]simulation.Fate{"arrived": simulation.DiesAfter, "did not arrive": simulation.DiesBefore} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Policy(reconcile.Manual))
			id := r.Person(map[string]any{"phone": "0511 1"})
			advo := *r.Sync(id).AdvowareID
			r.Tick(10 * time.Second)
			r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": nil})
			r.Dies(id, "PUT /relay", 1, fate, func() { r.EditAdvo(advo, map[string]any{"telGesch": nil, "emailGesch": "advo@example.de"}) })
			r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
			if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "espo@example.de" || a != "advo@example.de" {
				t.Errorf("email %v, emailGesch %q", e, a)
			}
		})
	}
}
