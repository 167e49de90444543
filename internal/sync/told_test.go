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
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
	"advosync/internal/transport"
)

// TestASecondClashOfARunIsTold: a second clash, met in a later round of one run, is
// told as the first one is.
func TestASecondClashOfARunIsTold(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 5"})
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"phone": "0511 77"})
		return simulation.Passes
	})
	res := r.Sync(id)
	t.Logf("%s %s %+v E email %v phone %v A phone %q", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "email"), r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"))
	t.Log(r.Notes())
	if r.EspoField(id, "phone") != "0511 77" && !strings.Contains(r.Notes(), "phone") {
		t.Error("phone gave way and nobody was told")
	}
}

// TestALinkClearedBesideAnOpenUpdate: somebody clears the link while an interrupted
// update is open: the record is looked for before another one is made.
func TestALinkClearedBesideAnOpenUpdate(t *testing.T) {
	for _, die := range []bool{false, true} {
		r := rig.New(t, rig.Listing)
		r.Linked()
		id, advo := r.Strangers()
		r.Tick(time.Minute)
		r.ForgetStore()
		r.Sync(id)
		r.Tick(time.Minute)
		r.EditEspo(id, map[string]any{"phone": "0511 44"})
		unlinks := func() { r.EditEspo(id, map[string]any{"advowareId": nil}) }
		if die {
			r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, unlinks)
		} else {
			r.Sync(id)
			unlinks()
			r.Tick(10 * time.Minute)
			r.Start()
		}
		res := r.Sync(id)
		t.Logf("die %v: %s %s %+v linked %d (was %d), %d records in Advoware", die, res.Verdict, res.Outcome, res.Error, r.LinkOf(id), advo, len(r.Advo.All(sandbox.BeteiligtePath)))
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
			t.Errorf("die %v: a duplicate, %d records", die, n)
		}
	}
}

// TestResolveOfOneMeetsAnotherSpelling: EspoCRM answers what was set and stores another
// spelling of it; that is no edit, after a decision on one of two clashes either.
func TestResolveOfOneMeetsAnotherSpelling(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, advo := r.Conflict()
	r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: "email", Do: "lower"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "Advo@Example.de"})
	r.Sync(id)
	r.Next()
	email := desk.FieldKeys(r.M, "email")[0]
	phone := desk.FieldKeys(r.M, "phone")[0]
	res := r.Resolve(id, map[string]record.Side{email: record.Advoware})
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"))
	r.Tick(time.Minute)
	r.Next()
	res = r.Resolve(id, map[string]record.Side{phone: record.EspoCRM})
	t.Logf("%s %s %+v E %v A %q %v", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"), res.Warnings)
	r.Next()
	res = r.Resolve(id, map[string]record.Side{phone: record.EspoCRM})
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"))
	r.Tick(time.Minute)
	res = r.Sync(id)
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"))
	if r.AdvoField(advo, "emailGesch") != "Advo@Example.de" {
		t.Error("EspoCRM's spelling went over as an edit")
	}
}

// TestResolveOfOneMeetsAnUnknownForm: what EspoCRM answers to the PUT of a decision on
// one of two clashes is its form.
func TestResolveOfOneMeetsAnUnknownForm(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"firstName": "Eva", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"vorname": "Hauptstr. 1", "telGesch": "0511 2"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Next()
	r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: "firstName", Do: "street"})
	res := r.Resolve(id, map[string]record.Side{desk.FieldKeys(r.M, "firstName")[0]: record.Advoware})
	t.Logf("%s %s %+v E %v A %q", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"))
	for _, e := range r.History() {
		for _, w := range e.Writes {
			t.Logf("history %s %s %v -> %v: %s", w.Side, w.Espocrm, w.Before.Text(), w.After.Text(), w.State)
		}
	}
	r.Next()
	res = r.Sync(id)
	t.Logf("%s %s E %v A %q", res.Verdict, res.Outcome, r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"))
	if res.Outcome == result.ConflictWaits && strings.Contains(res.Reason.Text, "firstName") {
		t.Error("what EspoCRM has stored is said not to be taken")
	}
}

// TestALinkClearedWithinTheRun: somebody clears the link during our PUT: the record is
// looked for before another one is made.
func TestALinkClearedWithinTheRun(t *testing.T) {
	r := rig.New(t, rig.Listing)
	r.Linked()
	id, _ := r.Strangers()
	r.Tick(time.Minute)
	r.ForgetStore()
	r.Sync(id)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"phone": "0511 44"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"advowareId": nil})
		return simulation.Passes
	})
	res := r.Sync(id)
	t.Logf("%s %s %+v linked %d", res.Verdict, res.Outcome, res.Error, r.LinkOf(id))
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("a duplicate, %d records", n)
	}
}

// TestAnUnknownFormOfANewRecordIsTold: a run died between a POST and its read-back;
// what Advoware has made of a value is a conflict, told, and does not travel back.
func TestAnUnknownFormOfANewRecordIsTold(t *testing.T) {
	r := rig.New(t)
	id := r.Person(map[string]any{"firstName": "Berta"})
	r.Dies(id, "GET /relay", 1, simulation.DiesBefore, nil)
	raw, _ := r.Advo.Get(sandbox.BeteiligtePath, 1)
	raw, _ = sjson.SetBytes(raw, "vorname", "B.")
	r.Advo.Restore(sandbox.BeteiligtePath, 1, raw)
	res := r.Sync(id)
	t.Logf("%s %s E %v A %q notes %d", res.Verdict, res.Outcome, r.EspoField(id, "firstName"), r.AdvoField(1, "vorname"), len(r.Espo.Posts()))
	if r.EspoField(id, "firstName") != "Berta" && len(r.Espo.Posts()) == 0 {
		t.Error("EspoCRM's value gave way to what nobody typed, and nobody was told")
	}
}

// TestKeepsMovingTellsWhatGaveWay: the last round of a run that ends because the record
// keeps moving has overruled an edit: it is told.
func TestKeepsMovingTellsWhatGaveWay(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 5"})
	finals, put, again := 0, false, false
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		switch {
		case strings.HasPrefix(e.What, "PUT /api/v1/"+rig.Type) && finals < 3:
			finals++
			r.Tick(time.Second)
			if finals < 3 {
				r.EditEspo(id, map[string]any{"rechtsform": []any{"", "GmbH", "AG"}[finals]})
			} else {
				r.EditEspo(id, map[string]any{"email": "espo@example.de"})
				r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			}
		case strings.HasPrefix(e.What, "PUT /relay"):
			put = true
		case put && !again && strings.HasPrefix(e.What, "GET /relay"):
			again = true
			r.EditEspo(id, map[string]any{"phone": "0511 99"})
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 98"})
		}
		return simulation.Passes
	}
	res := r.Sync(id)
	t.Logf("%s %s %+v finals %d A %q", res.Verdict, res.Outcome, res.Error, finals, r.AdvoField(advo, "emailGesch"))
	mem := r.MemoryOf(id)
	t.Logf("open %v notes %d", mem.Open != nil, len(mem.Notes))
	for range 2 {
		r.Tick(time.Hour)
		r.Start()
		res = r.Sync(id)
		t.Logf("%s %s %+v", res.Verdict, res.Outcome, res.Error)
	}
	t.Log(r.Notes())
	if !strings.Contains(r.Notes(), "email") {
		t.Error("nobody was told of the email")
	}
}

// TestTheStoreFailsAfterThePost: the store fails once after a POST: the number that was
// answered is not forgotten.
func TestTheStoreFailsAfterThePost(t *testing.T) {
	r := rig.New(t)
	r.Linked()
	id := r.Person(nil)
	posted, failed := false, false
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		posted = posted || strings.HasPrefix(e.What, "POST /relay")
		if posted && !failed && e.What == "store Commit" {
			failed = true
			return simulation.BreaksBefore
		}
		return simulation.Passes
	}
	res := r.Sync(id)
	mem := r.MemoryOf(id)
	t.Logf("%s %s %+v; link %+v open %+v", res.Verdict, res.Outcome, res.Error, mem.Link, mem.Open)
	r.Tick(10 * time.Minute)
	r.Start()
	res = r.Sync(id)
	t.Logf("%s %s %+v; linked %d", res.Verdict, res.Outcome, res.Error, r.LinkOf(id))
	if r.LinkOf(id) != 2 {
		t.Error("its number was known, and is not any more")
	}
}

// TestASaveBeforeTheReadBackIsToldToo: what somebody saves between the PUT to Advoware
// and its read-back is told, also where the run has told of another clash.
func TestASaveBeforeTheReadBackIsToldToo(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	put, done := false, false
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if strings.HasPrefix(e.What, "PUT /relay") {
			put = true
		} else if put && !done && strings.HasPrefix(e.What, "GET /relay") {
			done = true
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 77"})
		}
		return simulation.Passes
	}
	res := r.Sync(id)
	t.Logf("%s %s %+v E %v A %q\n%s", res.Verdict, res.Outcome, res.Error, r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"), r.Notes())
	if r.AdvoField(advo, "telGesch") != "0511 77" && !strings.Contains(r.Notes(), "phone") {
		t.Error("bert's phone gave way, nobody was told")
	}
}

// TestAPutThatIsNotTakenWholeStillTells: beside a field that was not accepted another
// one's edit has given way, and somebody is told.
func TestAPutThatIsNotTakenWholeStillTells(t *testing.T) {
	t.Run("advoware", func(t *testing.T) {
		r := rig.New(t)
		id, advo := r.Linked()
		r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
		r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.Outcome(r.Sync(id), result.Failed)
		r.Storing()
		r.Tick(2 * time.Hour)
		r.Outcome(r.Sync(id), result.UpdatedAdvoware)
		if got := r.Notes(); strings.Count(got, "\nemail: kept") != 1 {
			t.Errorf("told: %q", got)
		}
	})
	t.Run("espocrm", func(t *testing.T) {
		r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 5"})
		edits := func(not ...string) {
			r.Espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.FieldNoEdit = map[string][]string{rig.Type: not} })
		}
		edits("phone")
		r.Outcome(r.Sync(id), result.Failed)
		edits()
		r.Tick(2 * time.Hour)
		r.Sync(id)
		if got := r.Notes(); strings.Count(got, "\nemail: kept") != 1 {
			t.Errorf("told: %q", got)
		}
	})
}

// TestADeadWriteIsToldOfWhereTheLinkChanges: a run died in a write by which an edit gave
// way; then an operator links the record to another one, or forgets it.
func TestADeadWriteIsToldOfWhereTheLinkChanges(t *testing.T) {
	for name, then := range map[string]func(r *rig.Rig, id string){
		"link": func(r *rig.Rig, id string) {
			var other int64
			_ = r.Oracle.Person("bert", func() error {
				other = r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"espo@example.de"}`))
				return nil
			})
			r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: other, Force: true}), result.Adopted)
		},
		"reset": func(r *rig.Rig, id string) {
			r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t)
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
			r.Tick(time.Hour)
			then(r, id)
			r.Tick(time.Minute)
			r.Sync(id)
			if !strings.Contains(r.Notes(), "email") {
				t.Errorf("told: %q", r.Notes())
			}
		})
	}
}

// TestAnImportThatDiedMeetsAnEdit: the copy that an import has left in EspoCRM is nobody's
// edit; one made in Advoware since is not overwritten without a word.
func TestAnImportThatDiedMeetsAnEdit(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.AdvowareWins, reconcile.Manual} {
		r := rig.New(t, rig.Listing, rig.Policy(p))
		r.Linked()
		var advo int64
		_ = r.Oracle.Person("bert", func() error {
			advo = r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Neu","emailGesch":"alt@example.de"}`))
			return nil
		})
		ec, err := espocrm.New(espocrm.Config{URL: "https://crm.test", APIKey: sandbox.KeyA, Options: transport.Options{Timeout: 5 * time.Second, MaxWait: time.Millisecond,
			Base: r.Proc.Transport(r.Oracle.Transport(r.Cfg.Run, sandbox.NewTransport("crm.test", r.Espo, "advo.test", r.Advo)))}})
		if err != nil {
			t.Fatal(err)
		}
		r.Proc.Plan = rig.On("POST /api/v1/"+rig.Type, 1, func() simulation.Fate { return simulation.DiesAfter })
		intake.New(r.Eng).Make(t.Context(), r.M, advo, ec)
		r.Tick(time.Minute)
		r.EditAdvo(advo, map[string]any{"emailGesch": "neu@example.de"})
		r.Tick(10 * time.Minute)
		r.Start()
		id := ""
		for _, o := range r.Espo.Records(rig.Type) {
			if n, _ := o["advowareId"].(int64); n == advo {
				id, _ = o["id"].(string)
			}
		}
		if res := r.Sync(id); res.Verdict != result.Conflict || !strings.Contains(r.Notes(), "email") {
			t.Errorf("%s: %s %s, told %q", p, res.Verdict, res.Outcome, r.Notes())
		}
	}
}

// TestPolicyOfAField: a field with a policy of its own beside the record's.
func TestPolicyOfAField(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, rig.PhoneField, `{espocrm: description, advoware: bemerkung, policy: advoware}`))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1", "description": "espo"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2", "bemerkung": "advo"})
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	if a, p, d := r.AdvoField(advo, "emailGesch"), r.AdvoField(advo, "telGesch"), r.EspoField(id, "description"); a != "advo@example.de" || p != "0511 1" || d != "advo" {
		t.Errorf("emailGesch %q, telGesch %q, description %q", a, p, d)
	}
	for _, field := range []string{"email", "phone", "description"} {
		if !strings.Contains(r.Notes(), field) {
			t.Errorf("%s: not told in %q", field, r.Notes())
		}
	}
	r.Next()
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	r.EditEspo(id, map[string]any{"phone": "0511 3"})
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	if p := r.AdvoField(advo, "telGesch"); p != "0511 3" {
		t.Errorf("telGesch %q: what does not clash waits too", p)
	}
	r.Decided(func() { r.Resolve(id, map[string]record.Side{"*": record.Advoware}) })
	if e := r.EspoField(id, "email"); e != "advo@example.de" {
		t.Errorf("email %v", e)
	}
	r.Quiet(id)
}

// TestAnUndoLeavesWhatWaits: one of two clashes was resolved, the other one waits for a
// person; putting the first one back decides nothing of it.
func TestAnUndoLeavesWhatWaits(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField), rig.Policy(reconcile.Manual))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	r.Next()
	r.Decided(func() { r.Resolve(id, map[string]record.Side{"email~emailGesch": record.Advoware}) })
	r.Cfg.Policy = reconcile.Merge // it was parked under another policy
	run := r.Next()
	r.Decided(func() { r.Outcome(r.Undo(id, run), result.ConflictWaits) })
	if e, a := r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"); e != "0511 1" || a != "0511 2" {
		t.Errorf("phone %v, telGesch %q", e, a)
	}
	if e := r.EspoField(id, "email"); e != "espo@example.de" {
		t.Errorf("email %v", e)
	}
	r.Close()
}
