package sync_test

import (
	"context"
	"fmt"
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

// lossyForms are what Advoware makes of a name that it cannot hold.
var lossyForms = []struct{ do, sent, stored, other string }{
	{"latin1", "Łukasz", "?ukasz", "Łukaszek"},
	{"latin1", "Anna 🙂", "Anna ?", "Anne 🙂"},
	{"umlauts", "Jürgen Groß", "Juergen Gross", "Jörg"},
	{"html", "Anna & Bert", "Anna &amp; Bert", "Anna & Carl"},
}

// TestWhatAdvowareCannotHoldStaysRightInEspoCRM: under every policy the base takes the
// pair, EspoCRM keeps the right value, also in what is computed from it, and it is said
// once; an edit of it travels.
func TestWhatAdvowareCannotHoldStaysRightInEspoCRM(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.EspoCRMWins, reconcile.AdvowareWins, reconcile.Manual} {
		for _, c := range lossyForms {
			t.Run(string(p)+" "+c.sent, func(t *testing.T) {
				r := rig.New(t, rig.Policy(p))
				id, advo := r.Linked()
				r.Storing(sandbox.StoredForm{Field: "vorname", Do: c.do})
				holds := func(espo, inAdvo string) {
					t.Helper()
					if e, a := r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"); e != espo || a != inAdvo {
						t.Errorf("firstName %v, vorname %q", e, a)
					}
					if e := r.EspoField(id, "name"); e != espo+" Alt" {
						t.Errorf("name %v", e)
					}
				}
				r.EditEspo(id, map[string]any{"firstName": c.sent})
				res := r.Sync(id)
				r.Want(res, result.EspocrmNewer, result.UpdatedAdvoware)
				holds(c.sent, c.stored)
				if told := strings.Join(res.Warnings, "\n"); strings.Count(told, "Advoware cannot hold the value of vorname") != 1 || strings.Contains(told, c.sent) {
					t.Errorf("warnings %q", told)
				}
				if !cannotHold(res, record.Advoware) {
					t.Errorf("fields %+v", res.Fields)
				}
				if !r.HistorySays(res) {
					t.Error("the history does not say it")
				}
				r.Still(id)

				r.Tick(time.Minute)
				r.EditAdvo(advo, map[string]any{"telGesch": "0511 9"})
				r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
				holds(c.sent, c.stored)

				r.Tick(time.Minute)
				r.EditEspo(id, map[string]any{"firstName": c.other})
				r.Start()
				res = r.Sync(id)
				r.Want(res, result.EspocrmNewer, result.UpdatedAdvoware)
				if len(res.Warnings) > 0 {
					t.Errorf("said again: %q", res.Warnings)
				}
				r.Still(id)
			})
		}
	}
}

func cannotHold(res result.Record, side record.Side) bool {
	for _, f := range res.Fields {
		if f.CannotHold == side {
			return true
		}
	}
	return false
}

// TestANewRecordKeepsWhatAdvowareCannotHold.
func TestANewRecordKeepsWhatAdvowareCannotHold(t *testing.T) {
	r := rig.New(t)
	r.Storing(sandbox.StoredForm{Field: "vorname", Do: "latin1"})
	id := r.Person(map[string]any{"firstName": "Łukasz", "name": "Łukasz Alt"})
	res := r.Sync(id)
	if res.Outcome != result.CreatedAdvoware || !cannotHold(res, record.Advoware) || len(res.Warnings) != 1 {
		t.Fatalf("%s %+v %q", res.Outcome, res.Fields, res.Warnings)
	}
	if e, n := r.EspoField(id, "firstName"), r.EspoField(id, "name"); e != "Łukasz" || n != "Łukasz Alt" {
		t.Errorf("firstName %v, name %v", e, n)
	}
	r.Still(id)
}

// TestAnUnknownFormIsToldOnceAndLearnt: what Advoware makes of a value is no form that
// anybody knows. The first time it may be somebody's save: a conflict, told once. The
// same again for the same value is its form. EspoCRM's value is never overwritten with
// it unless the policy says so.
func TestAnUnknownFormIsToldOnceAndLearnt(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.EspoCRMWins} {
		t.Run(string(p), func(t *testing.T) {
			r := rig.New(t, rig.Policy(p))
			id, advo := r.Linked()
			r.Makes(advo, "Mandant, siehe Akte")
			r.EditEspo(id, map[string]any{"firstName": "Beate"})
			r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
			if e, a := r.EspoField(id, "firstName"), r.AdvoField(advo, "vorname"); e != "Beate" || a != "Mandant, siehe Akte" {
				t.Errorf("firstName %v, vorname %q", e, a)
			}
			told := 0
			for _, n := range r.Espo.Notes() {
				if strings.HasPrefix(fmt.Sprint(n["post"]), "Conflict between") {
					told++
				}
			}
			if told != 1 {
				t.Errorf("told %d times", told)
			}
			r.Start()
			r.Still(id)
			if f := r.MemoryOf(id).Forms["firstName~vorname"]; len(f) != 1 || f[0].Count != 2 {
				t.Errorf("forms: %d", len(f))
			}
		})
	}
	t.Run("manual", func(t *testing.T) {
		r := rig.New(t, rig.Policy(reconcile.Manual))
		id, advo := r.Linked()
		r.Makes(advo, "Mandant, siehe Akte")
		r.EditEspo(id, map[string]any{"firstName": "Beate"})
		r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
		if e := r.EspoField(id, "firstName"); e != "Beate" {
			t.Errorf("firstName %v", e)
		}
		res := r.Desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.M, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}})
		if res.Error != nil || r.EspoField(id, "firstName") != "Beate" {
			t.Errorf("%s %+v", res.Outcome, res.Error)
		}
		r.Still(id)
	})
}

// TestEspoCRMsFormIsLearntAtOnce: nobody can have edited what EspoCRM answers to our
// PUT, so a sanitizer or a formula is told from an edit by that alone.
func TestEspoCRMsFormIsLearntAtOnce(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.Manual, reconcile.AdvowareWins} {
		for _, c := range []struct{ do, field, espo, sent, kept, next string }{
			{"e164", "telGesch", "phone", "0511 123", "+49511123", "0511 124"},
			{"street", "vorname", "firstName", "Hauptstr. 1", "Hauptstraße 1", "Hauptstr. 2"},
		} {
			t.Run(string(p)+" "+c.do, func(t *testing.T) {
				r := rig.New(t, rig.Policy(p))
				id, advo := r.Linked()
				r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: c.espo, Do: c.do})
				r.EditAdvo(advo, map[string]any{c.field: c.sent})
				r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
				for range 2 {
					if e, a := r.EspoField(id, c.espo), r.AdvoField(advo, c.field); e != c.kept || a != c.sent {
						t.Errorf("EspoCRM %v, Advoware %q", e, a)
					}
					r.Tick(time.Minute)
					r.Still(id)
				}
				r.Tick(time.Minute)
				r.Start()
				r.EditAdvo(advo, map[string]any{c.field: c.next})
				r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
				r.Still(id)
			})
		}
	}
}

// TestAnswerIsNotARead: EspoCRM answers what was set, and stores another form of it.
// The next read takes the answer's place in the base; nothing is carried over, also
// where somebody has edited the field in Advoware since.
func TestAnswerIsNotARead(t *testing.T) {
	for _, edited := range []bool{false, true} {
		r := rig.New(t, rig.Policy(reconcile.Merge))
		id, advo := r.Linked()
		r.Espo.SetSaving(sandbox.SavedForm{Type: rig.Type, Field: "email", Do: "lower"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "Anna@Kanzlei.de"})
		r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		if e := r.EspoField(id, "email"); e != "anna@kanzlei.de" {
			t.Fatalf("set-up: email %v", e)
		}
		r.Tick(time.Minute)
		if edited {
			r.EditAdvo(advo, map[string]any{"emailGesch": "Beate@Kanzlei.de"})
			r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
			if e := r.EspoField(id, "email"); e != "beate@kanzlei.de" {
				t.Errorf("email %v", e)
			}
			r.Tick(time.Minute)
		}
		r.Still(id)
		if a := r.AdvoField(advo, "emailGesch"); !strings.HasSuffix(a, "@Kanzlei.de") {
			t.Errorf("emailGesch %q", a)
		}
		if r.MemoryOf(id).Base.Fields["email~emailGesch"].Answered {
			t.Error("it was read, and the base does not know")
		}
		r.Tick(time.Minute)
		r.EditEspo(id, map[string]any{"email": "carla@kanzlei.de"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		if a := r.AdvoField(advo, "emailGesch"); a != "carla@kanzlei.de" {
			t.Errorf("emailGesch %q", a)
		}
		r.Still(id)
	}
}

// TestABaseOlderThanTheStampsIsNone: a restored store, or another host's, does not know
// the sync that EspoCRM shows. What it takes for edits are none.
func TestABaseOlderThanTheStampsIsNone(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	old := r.MemoryOf(id)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.Tick(time.Minute)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})

	r.PutMemory(id, old)
	r.Tick(time.Minute)
	if res := r.Sync(id); res.Error != nil || res.Verdict != result.AdvowareNewer {
		t.Errorf("%s/%s %+v", res.Verdict, res.Outcome, res.Error)
	}
	r.Phones(id, advo, "0511 2")
	r.Still(id)
}

// TestABaseOlderThanTheStampsBesideAnAnnouncement: the copy of the store that comes back
// was made while a write was announced. Advoware shows by now what it showed then, so the
// write looks as if it had never been sent; that is no proof that the base is not old.
func TestABaseOlderThanTheStampsBesideAnAnnouncement(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 0"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 3"})
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	var old store.Memory
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if strings.HasPrefix(e.What, "PUT ") && strings.Contains(e.What, sandbox.BeteiligtePath) {
			old = r.MemoryOf(id)
			return simulation.BreaksAfter
		}
		return simulation.Passes
	}
	r.Sync(id)
	if old.Open == nil {
		t.Fatal("nothing was announced")
	}
	r.Start()
	r.Tick(time.Hour)
	r.Sync(id)
	r.Phones(id, advo, "0511 1")
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 3"})
	r.Tick(time.Hour)
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)

	r.PutMemory(id, old)
	r.EditEspo(id, map[string]any{"phone": "0511 0"}) // what the old base has
	r.Tick(time.Hour)
	if res := r.Sync(id); res.Verdict != result.EspocrmNewer {
		t.Errorf("%s/%s %+v %s", res.Verdict, res.Outcome, res.Error, res.Reason.Text)
	}
	r.Phones(id, advo, "0511 0")
	r.Still(id)
}
