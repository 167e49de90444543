package sync_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/sjson"

	"advosync/internal/desk"
	"advosync/internal/espocrm"
	"advosync/internal/intake"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/simulation"
	"advosync/internal/transport"
)

// notes are the posts at all records, one text.
func (r *rig) notes() string { return strings.Join(r.espo.Posts(), "\n---\n") }

// TestASecondClashOfARunIsTold: a second clash, met in a later round of one run, is
// told as the first one is.
func TestASecondClashOfARunIsTold(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 5"})
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate {
		r.editEspo(id, map[string]any{"phone": "0511 77"})
		return simulation.Passes
	})
	res := r.sync(id)
	t.Logf("%s %s %+v E email %v phone %v A phone %q", res.Verdict, res.Outcome, res.Error, r.espoField(id, "email"), r.espoField(id, "phone"), r.advoField(advo, "telGesch"))
	t.Log(r.notes())
	if r.espoField(id, "phone") != "0511 77" && !strings.Contains(r.notes(), "phone") {
		t.Error("phone gave way and nobody was told")
	}
}

// TestALinkClearedBesideAnOpenUpdate: somebody clears the link while an interrupted
// update is open: the record is looked for before another one is made.
func TestALinkClearedBesideAnOpenUpdate(t *testing.T) {
	for _, die := range []bool{false, true} {
		r := newRig(t, listing)
		r.linked()
		id, advo := r.strangers()
		r.tick(time.Minute)
		r.forgetStore()
		r.sync(id)
		r.tick(time.Minute)
		r.editEspo(id, map[string]any{"phone": "0511 44"})
		unlinks := func() { r.editEspo(id, map[string]any{"advowareId": nil}) }
		if die {
			r.dies(id, "PUT /relay", 1, simulation.DiesAfter, unlinks)
		} else {
			r.sync(id)
			unlinks()
			r.tick(10 * time.Minute)
			r.start()
		}
		res := r.sync(id)
		t.Logf("die %v: %s %s %+v linked %d (was %d), %d records in Advoware", die, res.Verdict, res.Outcome, res.Error, r.linkOf(id), advo, len(r.advo.All(sandbox.BeteiligtePath)))
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
			t.Errorf("die %v: a duplicate, %d records", die, n)
		}
	}
}

// TestResolveOfOneMeetsAnotherSpelling: EspoCRM answers what was set and stores another
// spelling of it; that is no edit, after a decision on one of two clashes either.
func TestResolveOfOneMeetsAnotherSpelling(t *testing.T) {
	r := newRig(t, policy(reconcile.Manual))
	id, advo := r.conflict()
	r.espo.SetSaving(sandbox.SavedForm{Type: ct, Field: "email", Do: "lower"})
	r.editAdvo(advo, map[string]any{"emailGesch": "Advo@Example.de"})
	r.sync(id)
	r.next()
	email := desk.FieldKeys(r.m, "email")[0]
	phone := desk.FieldKeys(r.m, "phone")[0]
	res := r.resolve(id, map[string]record.Side{email: record.Advoware})
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.espoField(id, "email"), r.advoField(advo, "emailGesch"))
	r.tick(time.Minute)
	r.next()
	res = r.resolve(id, map[string]record.Side{phone: record.EspoCRM})
	t.Logf("%s %s %+v E %v A %q %v", res.Verdict, res.Outcome, res.Error, r.espoField(id, "email"), r.advoField(advo, "emailGesch"), res.Warnings)
	r.next()
	res = r.resolve(id, map[string]record.Side{phone: record.EspoCRM})
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.espoField(id, "email"), r.advoField(advo, "emailGesch"))
	r.tick(time.Minute)
	res = r.sync(id)
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.espoField(id, "email"), r.advoField(advo, "emailGesch"))
	if r.advoField(advo, "emailGesch") != "Advo@Example.de" {
		t.Error("EspoCRM's spelling went over as an edit")
	}
}

// TestResolveOfOneMeetsAnUnknownForm: what EspoCRM answers to the PUT of a decision on
// one of two clashes is its form.
func TestResolveOfOneMeetsAnUnknownForm(t *testing.T) {
	r := newRig(t, policy(reconcile.Manual))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"firstName": "Eva", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"vorname": "Hauptstr. 1", "telGesch": "0511 2"})
	r.outcome(r.sync(id), result.ConflictWaits)
	r.next()
	r.espo.SetSaving(sandbox.SavedForm{Type: ct, Field: "firstName", Do: "street"})
	res := r.resolve(id, map[string]record.Side{desk.FieldKeys(r.m, "firstName")[0]: record.Advoware})
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.espoField(id, "firstName"), r.advoField(advo, "vorname"))
	for _, e := range r.history() {
		for _, w := range e.Writes {
			t.Logf("history %s %s %v -> %v: %s", w.Side, w.Espocrm, w.Before.Text(), w.After.Text(), w.State)
		}
	}
	r.next()
	res = r.sync(id)
	t.Logf("%s %s E %v A %q", res.Verdict, res.Outcome, r.espoField(id, "firstName"), r.advoField(advo, "vorname"))
	if res.Outcome == result.ConflictWaits && strings.Contains(res.Reason.Text, "firstName") {
		t.Error("what EspoCRM has stored is said not to be taken")
	}
}

// TestALinkClearedWithinTheRun: somebody clears the link during our PUT: the record is
// looked for before another one is made.
func TestALinkClearedWithinTheRun(t *testing.T) {
	r := newRig(t, listing)
	r.linked()
	id, _ := r.strangers()
	r.tick(time.Minute)
	r.forgetStore()
	r.sync(id)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"phone": "0511 44"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
		r.editEspo(id, map[string]any{"advowareId": nil})
		return simulation.Passes
	})
	res := r.sync(id)
	t.Logf("%s %s %+v linked %d", res.Verdict, res.Outcome, res.Error, r.linkOf(id))
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("a duplicate, %d records", n)
	}
}

// TestAnUnknownFormOfANewRecordIsTold: a run died between a POST and its read-back;
// what Advoware has made of a value is a conflict, told, and does not travel back.
func TestAnUnknownFormOfANewRecordIsTold(t *testing.T) {
	r := newRig(t)
	id := r.person(map[string]any{"firstName": "Berta"})
	r.dies(id, "GET /relay", 1, simulation.DiesBefore, nil)
	raw, _ := r.advo.Get(sandbox.BeteiligtePath, 1)
	raw, _ = sjson.SetBytes(raw, "vorname", "B.")
	r.advo.Restore(sandbox.BeteiligtePath, 1, raw)
	res := r.sync(id)
	t.Logf("%s %s E %v A %q notes %d", res.Verdict, res.Outcome, r.espoField(id, "firstName"), r.advoField(1, "vorname"), len(r.espo.Posts()))
	if r.espoField(id, "firstName") != "Berta" && len(r.espo.Posts()) == 0 {
		t.Error("EspoCRM's value gave way to what nobody typed, and nobody was told")
	}
}

// TestKeepsMovingTellsWhatGaveWay: the last round of a run that ends because the record
// keeps moving has overruled an edit: it is told.
func TestKeepsMovingTellsWhatGaveWay(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"telGesch": "0511 5"})
	finals, put, again := 0, false, false
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		switch {
		case strings.HasPrefix(e.What, "PUT /api/v1/"+ct) && finals < 3:
			finals++
			r.tick(time.Second)
			if finals < 3 {
				r.editEspo(id, map[string]any{"rechtsform": []any{"", "GmbH", "AG"}[finals]})
			} else {
				r.editEspo(id, map[string]any{"email": "espo@example.de"})
				r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			}
		case strings.HasPrefix(e.What, "PUT /relay"):
			put = true
		case put && !again && strings.HasPrefix(e.What, "GET /relay"):
			again = true
			r.editEspo(id, map[string]any{"phone": "0511 99"})
			r.editAdvo(advo, map[string]any{"telGesch": "0511 98"})
		}
		return simulation.Passes
	}
	res := r.sync(id)
	t.Logf("%s %s %+v finals %d A %q", res.Verdict, res.Outcome, res.Error, finals, r.advoField(advo, "emailGesch"))
	mem := r.memoryOf(id)
	t.Logf("open %v notes %d", mem.Open != nil, len(mem.Notes))
	for range 2 {
		r.tick(time.Hour)
		r.start()
		res = r.sync(id)
		t.Logf("%s %s %+v", res.Verdict, res.Outcome, res.Error)
	}
	t.Log(r.notes())
	if !strings.Contains(r.notes(), "email") {
		t.Error("nobody was told of the email")
	}
}

// TestTheStoreFailsAfterThePost: the store fails once after a POST: the number that was
// answered is not forgotten.
func TestTheStoreFailsAfterThePost(t *testing.T) {
	r := newRig(t)
	r.linked()
	id := r.person(nil)
	posted, failed := false, false
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		posted = posted || strings.HasPrefix(e.What, "POST /relay")
		if posted && !failed && e.What == "store Commit" {
			failed = true
			return simulation.BreaksBefore
		}
		return simulation.Passes
	}
	res := r.sync(id)
	mem := r.memoryOf(id)
	t.Logf("%s %s %+v; link %+v open %+v", res.Verdict, res.Outcome, res.Error, mem.Link, mem.Open)
	r.tick(10 * time.Minute)
	r.start()
	res = r.sync(id)
	t.Logf("%s %s %+v; linked %d", res.Verdict, res.Outcome, res.Error, r.linkOf(id))
	if r.linkOf(id) != 2 {
		t.Error("its number was known, and is not any more")
	}
}

// TestASaveBeforeTheReadBackIsToldToo: what somebody saves between the PUT to Advoware
// and its read-back is told, also where the run has told of another clash.
func TestASaveBeforeTheReadBackIsToldToo(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	put, done := false, false
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if strings.HasPrefix(e.What, "PUT /relay") {
			put = true
		} else if put && !done && strings.HasPrefix(e.What, "GET /relay") {
			done = true
			r.editAdvo(advo, map[string]any{"telGesch": "0511 77"})
		}
		return simulation.Passes
	}
	res := r.sync(id)
	t.Logf("%s %s %+v E %v A %q\n%s", res.Verdict, res.Outcome, res.Error, r.espoField(id, "phone"), r.advoField(advo, "telGesch"), r.notes())
	if r.advoField(advo, "telGesch") != "0511 77" && !strings.Contains(r.notes(), "phone") {
		t.Error("bert's phone gave way, nobody was told")
	}
}

// TestAPutThatIsNotTakenWholeStillTells: beside a field that was not accepted another
// one's edit has given way, and somebody is told.
func TestAPutThatIsNotTakenWholeStillTells(t *testing.T) {
	t.Run("advoware", func(t *testing.T) {
		r := newRig(t)
		id, advo := r.linked()
		r.storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
		r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.outcome(r.sync(id), result.Failed)
		r.storing()
		r.tick(2 * time.Hour)
		r.outcome(r.sync(id), result.UpdatedAdvoware)
		if got := r.notes(); strings.Count(got, "\nemail: kept") != 1 {
			t.Errorf("told: %q", got)
		}
	})
	t.Run("espocrm", func(t *testing.T) {
		r := newRig(t, policy(reconcile.AdvowareWins))
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 5"})
		edits := func(not ...string) {
			r.espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.FieldNoEdit = map[string][]string{ct: not} })
		}
		edits("phone")
		r.outcome(r.sync(id), result.Failed)
		edits()
		r.tick(2 * time.Hour)
		r.sync(id)
		if got := r.notes(); strings.Count(got, "\nemail: kept") != 1 {
			t.Errorf("told: %q", got)
		}
	})
}

// TestADeadWriteIsToldOfWhereTheLinkChanges: a run died in a write by which an edit gave
// way; then an operator links the record to another one, or forgets it.
func TestADeadWriteIsToldOfWhereTheLinkChanges(t *testing.T) {
	for name, then := range map[string]func(r *rig, id string){
		"link": func(r *rig, id string) {
			var other int64
			_ = r.o.Person("bert", func() error {
				other = r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"espo@example.de"}`))
				return nil
			})
			r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: other, Force: true}), result.Adopted)
		},
		"reset": func(r *rig, id string) {
			r.reset(id, func(q *desk.ResetRequest) { q.Forget = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
			r.tick(time.Hour)
			then(r, id)
			r.tick(time.Minute)
			r.sync(id)
			if !strings.Contains(r.notes(), "email") {
				t.Errorf("told: %q", r.notes())
			}
		})
	}
}

// TestAnImportThatDiedMeetsAnEdit: the copy that an import has left in EspoCRM is nobody's
// edit; one made in Advoware since is not overwritten without a word.
func TestAnImportThatDiedMeetsAnEdit(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.AdvowareWins, reconcile.Manual} {
		r := newRig(t, listing, policy(p))
		r.linked()
		var advo int64
		_ = r.o.Person("bert", func() error {
			advo = r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Neu","emailGesch":"alt@example.de"}`))
			return nil
		})
		ec, err := espocrm.New(espocrm.Config{URL: "https://crm.test", APIKey: sandbox.KeyA, Options: transport.Options{Timeout: 5 * time.Second, MaxWait: time.Millisecond,
			Base: r.proc.Transport(r.o.Transport(r.cfg.Run, sandbox.NewTransport("crm.test", r.espo, "advo.test", r.advo)))}})
		if err != nil {
			t.Fatal(err)
		}
		r.proc.Plan = on("POST /api/v1/"+ct, 1, func() simulation.Fate { return simulation.DiesAfter })
		intake.New(r.eng).Make(t.Context(), r.m, advo, ec)
		r.tick(time.Minute)
		r.editAdvo(advo, map[string]any{"emailGesch": "neu@example.de"})
		r.tick(10 * time.Minute)
		r.start()
		id := ""
		for _, o := range r.espo.Records(ct) {
			if n, _ := o["advowareId"].(int64); n == advo {
				id, _ = o["id"].(string)
			}
		}
		if res := r.sync(id); res.Verdict != result.Conflict || !strings.Contains(r.notes(), "email") {
			t.Errorf("%s: %s %s, told %q", p, res.Verdict, res.Outcome, r.notes())
		}
	}
}

// TestPolicyOfAField: a field with a policy of its own beside the record's.
func TestPolicyOfAField(t *testing.T) {
	r := newRig(t, flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, phoneField, `{espocrm: description, advoware: bemerkung, policy: advoware}`))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1", "description": "espo"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2", "bemerkung": "advo"})
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	if a, p, d := r.advoField(advo, "emailGesch"), r.advoField(advo, "telGesch"), r.espoField(id, "description"); a != "advo@example.de" || p != "0511 1" || d != "advo" {
		t.Errorf("emailGesch %q, telGesch %q, description %q", a, p, d)
	}
	for _, field := range []string{"email", "phone", "description"} {
		if !strings.Contains(r.notes(), field) {
			t.Errorf("%s: not told in %q", field, r.notes())
		}
	}
	r.next()
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	r.editEspo(id, map[string]any{"phone": "0511 3"})
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	if p := r.advoField(advo, "telGesch"); p != "0511 3" {
		t.Errorf("telGesch %q: what does not clash waits too", p)
	}
	r.decided(func() { r.resolve(id, map[string]record.Side{"*": record.Advoware}) })
	if e := r.espoField(id, "email"); e != "advo@example.de" {
		t.Errorf("email %v", e)
	}
	r.quiet(id)
}

// TestAnUndoLeavesWhatWaits: one of two clashes was resolved, the other one waits for a
// person; putting the first one back decides nothing of it.
func TestAnUndoLeavesWhatWaits(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField), policy(reconcile.Manual))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	r.next()
	r.decided(func() { r.resolve(id, map[string]record.Side{"email~emailGesch": record.Advoware}) })
	r.cfg.Policy = reconcile.Merge // it was parked under another policy
	run := r.next()
	r.decided(func() { r.outcome(r.undo(id, run), result.ConflictWaits) })
	if e, a := r.espoField(id, "phone"), r.advoField(advo, "telGesch"); e != "0511 1" || a != "0511 2" {
		t.Errorf("phone %v, telGesch %q", e, a)
	}
	if e := r.espoField(id, "email"); e != "espo@example.de" {
		t.Errorf("email %v", e)
	}
	r.close()
}
