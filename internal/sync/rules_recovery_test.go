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
	"advosync/internal/test/simulation"
)

// Cases in which one rule of recovery alone stands between an edit and its loss.

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
// failure, and the announcement stays until nothing can land any more.
func TestADoubtfulPutIsNotBelieved(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.BreaksBefore })
	res := r.sync(id)
	if res.Outcome != result.Failed || res.Error.Owner != "system" || r.memoryOf(id).Open == nil {
		t.Fatalf("%s %+v, announcement %+v", res.Outcome, res.Error, r.memoryOf(id).Open)
	}
	r.wantStatus(id, "dirty", 0)
	r.tick(10 * time.Minute)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.quiet(id)
}

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

// TestUnchangedRowIDProvesThatNothingArrived: the value before looks like a
// cut form of the one sent.
func TestUnchangedRowIDProvesThatNothingArrived(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.start()
	dead := r.cfg.Run
	r.editEspo(id, map[string]any{"phone": "0511 12"})
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, nil)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "0511 12" {
		t.Errorf("telGesch %q", got)
	}
	for _, e := range r.history() {
		for _, w := range e.Writes {
			if e.Run == dead && w.After == record.Of("0511 12") && w.State != store.WriteNotDone {
				t.Errorf("the history says %q of a write that certainly did not happen", w.State)
			}
		}
	}
	r.quiet(id)
}

// TestAValueBeforeThatLooksCutProvesNothing: the same, and somebody saves
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

// TestAKnownCutIsNoEditAfterACrash: a field that Advoware is known to cut
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

// TestAnOwnFormOfTheOldValueIsNotTheNewOne: a PUT never arrived, and somebody makes
// one of its edits in Advoware, too, which proves it. The other field shows what Advoware
// had made of the value before.
func TestAnOwnFormOfTheOldValueIsNotTheNewOne(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	r.storing(sandbox.StoredForm{Field: "emailGesch", Do: "upper"})
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": nil})
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.editAdvo(advo, map[string]any{"telGesch": nil})
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "emailGesch"); got != "NEU@EXAMPLE.DE" {
		t.Errorf("emailGesch %q", got)
	}
	r.quiet(id)
}

// TestACutValueProvesThePut: what Advoware has made of the value that was
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

// TestAnotherSpellingAfterOurWriteIsOfEspoCRM: what EspoCRM stores of an e-mail address
// that it knows in another spelling its answer does not show. So it looks where a person
// changes the case at once; both are one address, and neither is carried over.
func TestAnotherSpellingAfterOurWriteIsOfEspoCRM(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.dies(id, "PUT /api/v1/"+ct, 1, simulation.DiesAfter, func() {
		r.editEspo(id, map[string]any{"email": "Advo@Example.de"})
	})
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "Advo@Example.de" || a != "advo@example.de" {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"email": "ADVO@example.de"}) // it was read since, and is one address all the same
	r.want(r.sync(id), result.NoChange, result.Adopted)
	if a := r.advoField(advo, "emailGesch"); a != "advo@example.de" {
		t.Errorf("emailGesch %q", a)
	}
	r.quiet(id)
}

// TestADoubtfulPutIsNotProvenByTheValueBefore: it did not arrive, somebody saves
// another field before we look, and the old value looks like a cut form of the
// one sent. Believed, the PUT would count as not accepted, which costs an attempt.
func TestADoubtfulPutIsNotProvenByTheValueBefore(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"phone": "0511 12"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
		r.editAdvo(advo, map[string]any{"bemerkung": "angerufen"})
		return simulation.BreaksBefore
	})
	if res := r.sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" || r.memoryOf(id).Open == nil {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.wantStatus(id, "dirty", 0)
	r.tick(10 * time.Minute)
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.quiet(id)
}

// TestAnUndoIsNotProvenByTheValueBefore: a put-back that never arrived, the same
// way. The history may not say that it was done.
func TestAnUndoIsNotProvenByTheValueBefore(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 12"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.start()
	run := r.cfg.Run
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.start()
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	r.desk.Undo(t.Context(), desk.UndoRequest{Mapping: r.m, ID: id, Run: run})
	r.editAdvo(advo, map[string]any{"bemerkung": "angerufen"})
	r.tick(10 * time.Minute)
	r.start()
	r.sync(id)
	undone := 0
	for _, e := range r.history() {
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

// TestAnEditAfterAWriteThatIsKnown: the PUT to Advoware was read back, and the process
// dies before the final PUT. What somebody types in Advoware then is his edit alone: the
// base in force knows what was written.
func TestAnEditAfterAWriteThatIsKnown(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.dies(id, "PUT /api/v1/"+ct, 2, simulation.DiesBefore, func() { r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"}) })
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if e := r.espoField(id, "email"); e != "advo@example.de" {
		t.Errorf("email %v", e)
	}
	r.quiet(id)
}

// TestASaveBeforeOurMark: the final PUT arrived and its process died; somebody saves that
// very field, and the next run dies once it has marked the record, which buries who saved
// last. What stands there is no form of EspoCRM's (seed 1255 of the simulation).
func TestASaveBeforeOurMark(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.dies(id, "PUT /api/v1/"+ct, 1, simulation.DiesAfter, func() { r.editEspo(id, map[string]any{"email": "espo@example.de"}) })
	r.dies(id, "PUT /api/v1/"+ct, 1, simulation.DiesAfter, nil)
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "espo@example.de" || a != e {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.quiet(id)
}

// TestALaterEditBesideAProvenPut: two fields were sent and arrived, then somebody edits
// one of them in Advoware. It may be Advoware's form of the value: a conflict, told.
func TestALaterEditBesideAProvenPut(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
	})
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	r.phones(id, advo, "0511 1")
	r.overruled("phone", "0511 2")
	r.quiet(id)
}

// TestAFieldSentAsItStoodProvesNothing: a change of case was to be sent, and
// somebody changes the case of the same name in Advoware. That is no sign that
// the PUT arrived, or the other field would count as edited back there.
func TestAFieldSentAsItStoodProvesNothing(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de", "lastName": "ALT"})
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.editAdvo(advo, map[string]any{"name": "aLT"})
	})
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "neu@example.de" || a != "neu@example.de" {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.quiet(id)
}

// TestAFieldThatShowsTheValueBefore: of two fields that a dead run sent,
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
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.espoField(id, "phone"); got != "0511 2" {
		t.Errorf("phone %v", got)
	}
	r.quiet(id)
}

// TestARecoveryWithoutABase: the store was lost before, so the announcement's base
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

// TestAnotherRecordIsNotTakenForOurs: the POST never arrived, and somebody
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

// TestRecordsOfOthersAreNoCandidates: what another EspoCRM record carries
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

// TestAnEditedNewRecordIsNotCreatedTwice: somebody has rewritten the new
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

// TestAnUncertainCreateStaysUncertain, however often it is tried.
func TestAnUncertainCreateStaysUncertain(t *testing.T) {
	r := newRig(t)
	r.linked() // the store is older than the record: only the announcement knows
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

// TestAGoneNewRecordIsNotReplacedByAnother: the final PUT's announcement still
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

// TestResetKeepsAnInterruptedWrite: only recovery can tell what of it
// happened.
func TestResetKeepsAnInterruptedWrite(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	if res := r.desk.Reset(t.Context(), desk.ResetRequest{Mapping: r.m, ID: id}); res.Outcome != result.UpdatedEspocrm {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	if r.memoryOf(id).Open == nil {
		t.Error("the announcement is gone")
	}
	r.untilQuiet(id, operation{}, "reset after a crash")
}

// TestAfterAStaleVersionTheMemoryIsSomebodyElses: our lock was broken and
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

// TestAKindOnItsWayToEspoCRMIsNoEditThere: somebody has made a company of the
// record in Advoware, and the run that was to tell EspoCRM dies after its PUT of
// another field. EspoCRM still shows the person then, but nobody has made it one.
func TestAKindOnItsWayToEspoCRMIsNoEditThere(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"vorname": nil, "name": "Alt GmbH"})
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.editAdvo(advo, map[string]any{"name": "Neu GmbH"}) })
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if e, a := r.espoField(id, "firmenname"), r.advoField(advo, "name"); e != "Neu GmbH" || a != "Neu GmbH" {
		t.Errorf("firmenname %v, name %q", e, a)
	}
	r.quiet(id)
}

// TestAnEmptiedFieldIsAWeakProof: a number was to be emptied and an address to
// be replaced, and nothing arrived. Then somebody empties the number in Advoware, too,
// and types another address: the number looks as if the PUT had arrived and the
// address had been edited after it. It may have been so; both addresses are edits.
func TestAnEmptiedFieldIsAWeakProof(t *testing.T) {
	for name, fate := range map[string]simulation.Fate{"arrived": simulation.DiesAfter, "did not arrive": simulation.DiesBefore} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, policy(reconcile.Manual))
			id := r.person(map[string]any{"phone": "0511 1"})
			advo := *r.sync(id).AdvowareID
			r.tick(10 * time.Second)
			r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": nil})
			r.dies(id, "PUT /relay", 1, fate, func() { r.editAdvo(advo, map[string]any{"telGesch": nil, "emailGesch": "advo@example.de"}) })
			r.want(r.sync(id), result.Conflict, result.ConflictWaits)
			if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "espo@example.de" || a != "advo@example.de" {
				t.Errorf("email %v, emailGesch %q", e, a)
			}
		})
	}
}
