package sync_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

func TestNoEntryIsLeftPlanned(t *testing.T) {
	for _, how := range []string{"dies", "down"} {
		r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: manual}`, rig.PhoneField), rig.Policy(reconcile.Merge))
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
		if how == "dies" {
			r.Proc.Plan = rig.On("GET /relay", 2, func() simulation.Fate { return simulation.DiesBefore })
		} else {
			r.Advo.Faults().Add(sandbox.Fault{Method: "GET", Skip: 1, Count: 99, Status: 503})
		}
		r.Sync(id)
		r.Advo.Faults().Clear("")
		r.Next()
		r.Start()
		r.Sync(id)
		for _, e := range r.History() {
			if e.Outcome == "planned" {
				t.Errorf("%s: the history still says planned of %s", how, e.Run)
			}
		}
	}
}

func TestUsersAreAskedForBefore(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: description, advoware: bemerkung, user: userName}`), rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.MarkSyncing = false })
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"bemerkung": "admin"})
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.Tick(time.Hour)
	r.Next()
	var calls []string
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if strings.Contains(e.What, " /") {
			calls = append(calls, e.What)
		}
		return simulation.Passes
	}
	r.Sync(id)
	r.StraightToThePut()
}

// TestARefusalIsAnAnswer: a role that may not read users is asked once, and again when that
// answer is old.
func TestARefusalIsAnAnswer(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: description, advoware: bemerkung, user: userName}`))
	id, advo := r.Linked()
	r.Next()
	r.Espo.ChangeUser("api-apikey", func(u *sandbox.User) { delete(u.Role.Scopes, "User") })
	asked := func() int {
		return r.Espo.Log().Count(func(e sandbox.LogEntry) bool { return strings.HasSuffix(e.Path, "/User") })
	}
	before := asked()
	for _, email := range []string{"a@example.de", "b@example.de", "c@example.de"} {
		r.EditAdvo(advo, map[string]any{"emailGesch": email})
		if res := r.Sync(id); res.Outcome != result.UpdatedEspocrm {
			t.Fatalf("%s: %s %+v", email, res.Outcome, res.Error)
		}
		r.Tick(10 * time.Second)
	}
	if n := asked() - before; n != 1 {
		t.Errorf("asked %d times", n)
	}
	r.Tick(time.Hour)
	r.EditAdvo(advo, map[string]any{"emailGesch": "d@example.de"})
	r.Sync(id)
	if n := asked() - before; n != 2 {
		t.Errorf("later: asked %d times", n)
	}
}

// TestNoAnswerIsNoRefusal: what a proxy says in EspoCRM's place is not what the API user may
// read. The next record that needs the users asks again.
func TestNoAnswerIsNoRefusal(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: description, advoware: bemerkung, user: userName}`))
	id, advo := r.Linked()
	r.Next()
	r.Espo.Faults().Add(sandbox.Fault{Path: "*/User", Count: 2, Status: 200, Body: "<html><body>one moment</body></html>"})
	r.EditAdvo(advo, map[string]any{"bemerkung": "api-apikey"})
	r.WantError(r.Sync(id), "bad_answer")
	r.Tick(10 * time.Second)
	r.Outcome(r.Sync(id), result.UpdatedEspocrm)
}

func TestAWriteThatCannotBeReadBack(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"400":    {Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 400, Body: `{"message":"Der Datensatz ist gesperrt"}`},
		"403":    {Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 403, Body: `{"message":"Kein Recht"}`},
		"500":    {Method: "GET", Path: "/relay*", Skip: 1, Count: 9, Status: 500, Body: `{"message":"Fehler"}`},
		"other":  {Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 200, Body: `{"betNr":77,"rowId":"x","vorname":"B","name":"C"}`},
		"nokind": {Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 200, Body: `{"betNr":1,"rowId":"x","emailGesch":5}`},
		"broken": {Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 200, Body: `{"betNr":1,"rowId":"x","emailGesch":["a"],"vorname":"Anna","name":"Alt"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Policy(reconcile.Merge))
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			r.Advo.Faults().Add(f)
			r.Sync(id)
			r.Advo.Faults().Clear("")
			r.Tick(10 * time.Minute)
			r.Next()
			r.Start()
			r.Sync(id)
			for _, e := range r.History() {
				for _, w := range e.Writes {
					if w.Side == record.Advoware && w.Espocrm == "email" && w.Before.Text() == "advo@example.de" {
						if w.State == store.WriteNotDone {
							t.Error("the history says not_done of a write that was done")
						}
					}
				}
			}
			if !strings.Contains(r.Notes(), "overruled: Advoware's edit") {
				t.Error("nobody was told that Advoware's edit gave way")
			}
		})
	}
}

func TestAFormThatCannotBeReadBack(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, _ := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "vorname", Do: "umlauts"})
	r.EditEspo(id, map[string]any{"firstName": "Jürgen"})
	r.Advo.Faults().Add(sandbox.Fault{Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 400, Body: `{"message":"Der Datensatz ist gesperrt"}`})
	r.Sync(id)
	r.Tick(10 * time.Minute)
	r.Next()
	r.Sync(id)
	if e := r.EspoField(id, "firstName"); e != "Jürgen" {
		t.Errorf("what Advoware cannot hold went back over its source: %v", e)
	}
}

func TestUndoOfWhatCannotBeReadBack(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Advo.Faults().Add(sandbox.Fault{Method: "GET", Path: "/relay*", Skip: 1, Count: 1, Status: 400, Body: `{"message":"Der Datensatz ist gesperrt"}`})
	r.Sync(id)
	r.Tick(10 * time.Minute)
	run := r.Next()
	r.Sync(id)
	res := r.Undo(id, run)
	if res.Outcome == result.Skipped {
		t.Error("undo says that nothing was overwritten")
	}
}

func TestNoNoteOfARefusedPut(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"refused": {Method: "PUT", Skip: 1, Count: 1, Status: 403, Header: http.Header{"X-Status-Reason": {"No edit access."}}},
		"down":    {Method: "PUT", Skip: 1, Count: 1, Status: 403},
		"stale":   {Method: "PUT", Skip: 1, Count: 9, Status: 409, Body: `{"reason":"modified"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField, `{espocrm: description, advoware: bemerkung, policy: advoware}`), rig.Policy(reconcile.Merge))
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"phone": "0511 1", "description": "espo"})
			r.EditAdvo(advo, map[string]any{"bemerkung": "advo"})
			r.Espo.Faults().Add(f)
			r.Sync(id)
			owed := ""
			for _, n := range r.MemoryOf(id).Notes {
				owed += n.Text
			}
			if r.EspoField(id, "description") == "espo" && strings.Contains(r.Notes()+owed, "overruled: EspoCRM's edit") {
				t.Error("told of an edit that gave way, which stands")
			}
			r.EditEspo(id, map[string]any{"description": "advo"}) // agrees now: nobody's edit has given way
			r.Espo.Faults().Clear("")
			r.Next()
			r.Sync(id)
		})
	}
}
