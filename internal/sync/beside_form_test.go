package sync_test

import (
	"context"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
)

func TestUndoLeavesWhatWaitsBesideAForm(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, advo := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "vorname", Do: "umlauts"})
	r.EditEspo(id, map[string]any{"firstName": "Jürgen"})
	r.Outcome(r.Sync(id), result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"phone": "0511 7"})
	run := r.Next()
	run = r.Cfg.Run
	r.Outcome(r.Sync(id), result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.Next()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Cfg.Policy = reconcile.Merge
	r.Next()
	r.Decided(func() { r.Undo(id, run) })
	if a := r.AdvoField(advo, "emailGesch"); a != "advo@example.de" {
		t.Errorf("an undo of the phone has decided the email: %q", a)
	}
}

func conflictBesideAForm(t *testing.T, do string) (*rig.Rig, string, int64) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, advo := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "vorname", Do: do})
	r.EditEspo(id, map[string]any{"firstName": "Jürgen"})
	r.Outcome(r.Sync(id), result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Next()
	return r, id, advo
}

func TestResolveBesideAForm(t *testing.T) {
	for _, do := range []string{"umlauts", "upper"} {
		t.Run(do, func(t *testing.T) {
			r, id, _ := conflictBesideAForm(t, do)
			for range 3 {
				r.Decided(func() { r.Resolve(id, map[string]record.Side{"*": record.Advoware}) })
				r.Next()
			}
			if e := r.EspoField(id, "email"); e != "advo@example.de" {
				t.Errorf("resolve decides nothing: email %v", e)
			}
		})
	}
}

func TestAPassLeavesWhatWaitsBesideAForm(t *testing.T) {
	r, id, advo := conflictBesideAForm(t, "umlauts")
	r.Cfg.Policy = reconcile.Merge
	r.Next()
	r.Sync(id, func(q *sync.Request) { q.Pass = true })
	if a := r.AdvoField(advo, "emailGesch"); a != "advo@example.de" {
		t.Errorf("a pass has decided what waits for a person: emailGesch %q", a)
	}
}

func TestDiffShowsWhatStands(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.EspoCRMWins))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "zwei@example.de"})
	r.Outcome(r.Sync(id), result.UpdatedAdvoware) // overwrote anna@example.de in Advoware
	r.Next()
	r.EditAdvo(advo, map[string]any{"emailGesch": "anna@example.de"}) // stands there again
	r.EditEspo(id, map[string]any{"email": "drei@example.de"})
	plan := r.Eng.Plan(t.Context(), sync.Request{Mapping: r.M, ID: id, Explain: func(ctx context.Context, q *sync.Record) {
		if got := q.Advo.View.Values["email~emailGesch"].Text(); got != "anna@example.de" {
			t.Errorf("Explain is shown %q for what stands in Advoware", got)
		}
		r.Desk.TellOverwritten(ctx, q, r.M)
	}})
	for _, o := range plan.Overwritten {
		t.Errorf("told as overwritten and gone: %+v", o.Fields)
	}
}

func TestACorrectedBirthdayBesideAForm(t *testing.T) {
	for _, do := range []string{"umlauts", "upper", "html", "latin1"} {
		r := rig.New(t, rig.Policy(reconcile.Merge))
		id := r.Person(map[string]any{"geburtsdatum": "1990-05-05"})
		res := r.Sync(id)
		advo := *res.AdvowareID
		r.Tick(time.Minute)
		r.Storing(sandbox.StoredForm{Field: "vorname", Do: do})
		r.EditEspo(id, map[string]any{"firstName": map[string]string{"umlauts": "Jürgen", "upper": "Jürgen", "html": "Anna & Bert", "latin1": "Łukasz"}[do]})
		r.Outcome(r.Sync(id), result.UpdatedAdvoware)
		r.Tick(time.Minute)
		r.EditAdvo(advo, map[string]any{"geburtsdatum": "1990-05-06"})
		r.Next()
		res = r.Sync(id)
		if res.Outcome != result.UpdatedEspocrm {
			t.Errorf("%s: a corrected birthday: %s %s", do, res.Outcome, res.Reason.Text)
		}
	}
}
