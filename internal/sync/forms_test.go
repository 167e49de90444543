package sync_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/sjson"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
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
				r := newRig(t, policy(p))
				id, advo := r.linked()
				r.storing(sandbox.StoredForm{Field: "vorname", Do: c.do})
				holds := func(espo, inAdvo string) {
					t.Helper()
					if e, a := r.espoField(id, "firstName"), r.advoField(advo, "vorname"); e != espo || a != inAdvo {
						t.Errorf("firstName %v, vorname %q", e, a)
					}
					if e := r.espoField(id, "name"); e != espo+" Alt" {
						t.Errorf("name %v", e)
					}
				}
				r.editEspo(id, map[string]any{"firstName": c.sent})
				res := r.sync(id)
				r.want(res, result.EspocrmNewer, result.UpdatedAdvoware)
				holds(c.sent, c.stored)
				if told := strings.Join(res.Warnings, "\n"); strings.Count(told, "Advoware cannot hold the value of vorname") != 1 || strings.Contains(told, c.sent) {
					t.Errorf("warnings %q", told)
				}
				if !cannotHold(res, record.Advoware) {
					t.Errorf("fields %+v", res.Fields)
				}
				if !r.historySays(res) {
					t.Error("the history does not say it")
				}
				r.still(id)

				r.tick(time.Minute)
				r.editAdvo(advo, map[string]any{"telGesch": "0511 9"})
				r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
				holds(c.sent, c.stored)

				r.tick(time.Minute)
				r.editEspo(id, map[string]any{"firstName": c.other})
				r.start()
				res = r.sync(id)
				r.want(res, result.EspocrmNewer, result.UpdatedAdvoware)
				if len(res.Warnings) > 0 {
					t.Errorf("said again: %q", res.Warnings)
				}
				r.still(id)
			})
		}
	}
}

// still wants a second sync to write nothing to either system.
func (r *rig) still(id string) {
	r.t.Helper()
	before, _ := r.espo.Get(ct, id)
	if res := r.sync(id); res.Outcome != result.Unchanged {
		r.t.Errorf("a second sync: %s/%s %+v", res.Verdict, res.Outcome, res.Fields)
	}
	if after, _ := r.espo.Get(ct, id); before["versionNumber"] != after["versionNumber"] {
		r.t.Error("a second sync wrote to EspoCRM")
	}
	r.clean(id)
}

func cannotHold(res result.Record, side record.Side) bool {
	for _, f := range res.Fields {
		if f.CannotHold == side {
			return true
		}
	}
	return false
}

func (r *rig) historySays(res result.Record) bool {
	r.t.Helper()
	said := false
	for _, e := range r.history() {
		for _, wr := range e.Writes {
			said = said || e.RecordID == res.ID && wr.CannotHold && wr.State == store.WriteDone
		}
	}
	return said
}

// TestANewRecordKeepsWhatAdvowareCannotHold.
func TestANewRecordKeepsWhatAdvowareCannotHold(t *testing.T) {
	r := newRig(t)
	r.storing(sandbox.StoredForm{Field: "vorname", Do: "latin1"})
	id := r.person(map[string]any{"firstName": "Łukasz", "name": "Łukasz Alt"})
	res := r.sync(id)
	if res.Outcome != result.CreatedAdvoware || !cannotHold(res, record.Advoware) || len(res.Warnings) != 1 {
		t.Fatalf("%s %+v %q", res.Outcome, res.Fields, res.Warnings)
	}
	if e, n := r.espoField(id, "firstName"), r.espoField(id, "name"); e != "Łukasz" || n != "Łukasz Alt" {
		t.Errorf("firstName %v, name %v", e, n)
	}
	r.still(id)
}

// TestAnUnknownFormIsToldOnceAndLearnt: what Advoware makes of a value is no form that
// anybody knows. The first time it may be somebody's save: a conflict, told once. The
// same again for the same value is its form. EspoCRM's value is never overwritten with
// it unless the policy says so.
func TestAnUnknownFormIsToldOnceAndLearnt(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.Merge, reconcile.EspoCRMWins} {
		t.Run(string(p), func(t *testing.T) {
			r := newRig(t, policy(p))
			id, advo := r.linked()
			r.makes(advo, "Mandant, siehe Akte")
			r.editEspo(id, map[string]any{"firstName": "Beate"})
			r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
			if e, a := r.espoField(id, "firstName"), r.advoField(advo, "vorname"); e != "Beate" || a != "Mandant, siehe Akte" {
				t.Errorf("firstName %v, vorname %q", e, a)
			}
			told := 0
			for _, n := range r.espo.Notes() {
				if strings.HasPrefix(fmt.Sprint(n["post"]), "Conflict between") {
					told++
				}
			}
			if told != 1 {
				t.Errorf("told %d times", told)
			}
			r.start()
			r.still(id)
			if f := r.memoryOf(id).Forms["firstName~vorname"]; len(f) != 1 || f[0].Count != 2 {
				t.Errorf("forms: %d", len(f))
			}
		})
	}
	t.Run("manual", func(t *testing.T) {
		r := newRig(t, policy(reconcile.Manual))
		id, advo := r.linked()
		r.makes(advo, "Mandant, siehe Akte")
		r.editEspo(id, map[string]any{"firstName": "Beate"})
		r.want(r.sync(id), result.Conflict, result.ConflictWaits)
		if e := r.espoField(id, "firstName"); e != "Beate" {
			t.Errorf("firstName %v", e)
		}
		res := r.desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.m, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}})
		if res.Error != nil || r.espoField(id, "firstName") != "Beate" {
			t.Errorf("%s %+v", res.Outcome, res.Error)
		}
		r.still(id)
	})
}

// makes lets Advoware keep something of its own in the place of every first name that
// it is sent.
func (r *rig) makes(advo int64, form string) {
	r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 100, After: func(*http.Request) {
		raw, _ := r.advo.Get(sandbox.BeteiligtePath, advo)
		if raw, err := sjson.SetBytes(raw, "vorname", form); err == nil {
			r.advo.Restore(sandbox.BeteiligtePath, advo, raw)
		}
	}})
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
				r := newRig(t, policy(p))
				id, advo := r.linked()
				r.espo.SetSaving(sandbox.SavedForm{Type: ct, Field: c.espo, Do: c.do})
				r.editAdvo(advo, map[string]any{c.field: c.sent})
				r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
				for range 2 {
					if e, a := r.espoField(id, c.espo), r.advoField(advo, c.field); e != c.kept || a != c.sent {
						t.Errorf("EspoCRM %v, Advoware %q", e, a)
					}
					r.tick(time.Minute)
					r.still(id)
				}
				r.tick(time.Minute)
				r.start()
				r.editAdvo(advo, map[string]any{c.field: c.next})
				r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
				r.still(id)
			})
		}
	}
}

// TestAnswerIsNotARead: EspoCRM answers what was set, and stores another form of it.
// The next read takes the answer's place in the base; nothing is carried over, also
// where somebody has edited the field in Advoware since.
func TestAnswerIsNotARead(t *testing.T) {
	for _, edited := range []bool{false, true} {
		r := newRig(t, policy(reconcile.Merge))
		id, advo := r.linked()
		r.espo.SetSaving(sandbox.SavedForm{Type: ct, Field: "email", Do: "lower"})
		r.editAdvo(advo, map[string]any{"emailGesch": "Anna@Kanzlei.de"})
		r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		if e := r.espoField(id, "email"); e != "anna@kanzlei.de" {
			t.Fatalf("set-up: email %v", e)
		}
		r.tick(time.Minute)
		if edited {
			r.editAdvo(advo, map[string]any{"emailGesch": "Beate@Kanzlei.de"})
			r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
			if e := r.espoField(id, "email"); e != "beate@kanzlei.de" {
				t.Errorf("email %v", e)
			}
			r.tick(time.Minute)
		}
		r.still(id)
		if a := r.advoField(advo, "emailGesch"); !strings.HasSuffix(a, "@Kanzlei.de") {
			t.Errorf("emailGesch %q", a)
		}
		if r.memoryOf(id).Base.Fields["email~emailGesch"].Answered {
			t.Error("it was read, and the base does not know")
		}
		r.tick(time.Minute)
		r.editEspo(id, map[string]any{"email": "carla@kanzlei.de"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		if a := r.advoField(advo, "emailGesch"); a != "carla@kanzlei.de" {
			t.Errorf("emailGesch %q", a)
		}
		r.still(id)
	}
}

// TestABaseOlderThanTheStampsIsNone: a restored store, or another host's, does not know
// the sync that EspoCRM shows. What it takes for edits are none.
func TestABaseOlderThanTheStampsIsNone(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	old := r.memoryOf(id)
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.tick(time.Minute)
	r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})

	r.putMemory(id, old)
	r.tick(time.Minute)
	if res := r.sync(id); res.Error != nil || res.Verdict != result.AdvowareNewer {
		t.Errorf("%s/%s %+v", res.Verdict, res.Outcome, res.Error)
	}
	r.phones(id, advo, "0511 2")
	r.still(id)
}

// putMemory gives the store back what it held before.
func (r *rig) putMemory(id string, mem store.Memory) {
	r.t.Helper()
	held, err := r.lm.Acquire(r.t.Context(), store.Key{Entity: r.m.Entity(), ID: id}.LockKey())
	if err != nil {
		r.t.Fatal(err)
	}
	defer held.Release()
	mem.Rev = r.memoryOf(id).Rev
	if _, err := r.store.Commit(r.t.Context(), store.Commit{Key: store.Key{Entity: r.m.Entity(), ID: id}, Lease: held.Handle(), Rev: mem.Rev, Memory: &mem}); err != nil {
		r.t.Fatal(err)
	}
}
