package sync_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

const flatMapping = `entity: Beteiligte
espocrm: {type: CBeteiligte}
advoware: {path: api/v1/advonet/Beteiligte, id: betNr, row_id: rowId%s}
match: [email, name]
fields:
  - {espocrm: name, advoware: name}
%s
`

const listForm = `, list: {path: same, page: page, size: pageSize, first: 1, max: 500}`

// flat uses a mapping without kinds.
func flat(fields ...string) func(*rig) {
	return func(r *rig) {
		var b strings.Builder
		for _, f := range fields {
			fmt.Fprintf(&b, "  - %s\n", f)
		}
		m, err := mapping.Parse("flat.yaml", fmt.Appendf(nil, flatMapping, listForm, b.String()))
		if err != nil {
			r.t.Fatal(err)
		}
		r.m = m
	}
}

const (
	emailField = `{espocrm: email, advoware: emailGesch}`
	phoneField = `{espocrm: phone, advoware: telGesch}`
)

func (r *rig) storing(rules ...sandbox.StoredForm) {
	r.advo.SetBehaviour(func(b *sandbox.Behaviour) { b.Storing = rules })
}

func (r *rig) wantError(res result.Record, code string) {
	r.t.Helper()
	if res.Error == nil || res.Error.Code != code {
		r.t.Fatalf("want error %s, got %s %+v", code, res.Outcome, res.Error)
	}
}

func (r *rig) wantStatus(id, status string, retries int64) {
	r.t.Helper()
	n, _ := r.espoField(id, "syncRetryCount").(int64)
	if s := r.espoField(id, "syncStatus"); s != status || n != retries {
		r.t.Fatalf("status %v, %d attempts; want %s, %d", s, n, status, retries)
	}
}

// advowareWrites counts what changed in Advoware.
func (r *rig) advowareWrites() int { return r.advo.Log().Count(isWrite) }

// TestOwnFormsSettleAtOnce: what Advoware makes of a value while storing is not
// an edit and not sent a second time.
func TestOwnFormsSettleAtOnce(t *testing.T) {
	for _, tt := range []struct {
		form       sandbox.StoredForm
		sent, read string
	}{
		{sandbox.StoredForm{Field: "emailGesch", Do: "upper"}, "neu@example.de", "NEU@EXAMPLE.DE"},
		{sandbox.StoredForm{Field: "emailGesch", Do: "lower"}, "Neu@Example.de", "neu@example.de"},
		{sandbox.StoredForm{Field: "emailGesch", Do: "cut", N: 8}, "neu@example.de", "neu@exam"},
		{sandbox.StoredForm{Field: "emailGesch", Do: "phone"}, "+49 (511) 70-80", "+495117080"},
		{sandbox.StoredForm{Field: "emailGesch", Do: "trim"}, "neu@example.de", "neu@example.de"},
	} {
		t.Run(tt.form.Do, func(t *testing.T) {
			r := newRig(t, flat(emailField, phoneField))
			id, advo := r.linked()
			r.storing(tt.form)
			r.editEspo(id, map[string]any{"email": tt.sent})
			before := r.advowareWrites()
			r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			if n := r.advowareWrites() - before; n != 1 {
				t.Errorf("%d writes to Advoware", n)
			}
			if got := r.advoField(advo, "emailGesch"); got != tt.read {
				t.Fatalf("the simulator stored %q", got)
			}
			if got := r.espoField(id, "email"); got != tt.sent {
				t.Errorf("EspoCRM got the form back: %v", got)
			}
			if res := r.sync(id); res.Outcome != result.Unchanged {
				t.Errorf("a second sync: %s %s", res.Outcome, res.Reason.Text)
			}
			// The form is remembered: an edit of another field does not disturb it.
			r.editEspo(id, map[string]any{"phone": "0511 4"})
			r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			if got := r.espoField(id, "email"); got != tt.sent {
				t.Errorf("EspoCRM lost %q: %v", tt.sent, got)
			}
		})
	}
}

// TestNotAcceptedByAdvoware: a field that Advoware answers with a success and
// does not take is the record's failure and named, once per attempt.
func TestNotAcceptedByAdvoware(t *testing.T) {
	for _, do := range []string{"ignore", "drop"} {
		t.Run(do, func(t *testing.T) {
			r := newRig(t, flat(emailField, phoneField))
			id, _ := r.linked()
			r.storing(sandbox.StoredForm{Field: "emailGesch", Do: do})
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			res := r.sync(id)
			r.wantError(res, "not_accepted")
			if !strings.Contains(res.Error.Message, "emailGesch") {
				t.Errorf("the field is not named: %s", res.Error.Message)
			}
			r.wantStatus(id, "failed", 1)
			if r.memoryOf(id).Open != nil {
				t.Error("an announcement is left")
			}
			r.storing()
			r.tick(time.Hour)
			r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			r.quiet(id)
		})
	}
}

// TestNotAcceptedIsSeenWhereTheOldValueLooksCut: "Meyer" before, "Meyer-Schulz"
// sent, "Meyer" read is not a cut value but one that was not taken.
func TestNotAcceptedIsSeenWhereTheOldValueLooksCut(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.sync(id)
	r.tick(time.Minute)
	r.storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
	r.editEspo(id, map[string]any{"phone": "0511 12"})
	r.wantError(r.sync(id), "not_accepted")
	r.wantStatus(id, "failed", 1)
}

// TestNotAcceptedBesideAnAcceptedField: the edit that Advoware does not take is
// not overwritten with the old value because another one was taken.
func TestNotAcceptedBesideAnAcceptedField(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		t.Run(string(p), func(t *testing.T) {
			r := newRig(t, flat(emailField, phoneField), policy(p))
			id, advo := r.linked()
			r.storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
			r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 9"})
			res := r.sync(id)
			r.wantError(res, "not_accepted")
			if !strings.Contains(res.Error.Message, "telGesch") || strings.Contains(res.Error.Message, "emailGesch") {
				t.Errorf("%s", res.Error.Message)
			}
			if r.espoField(id, "phone") != "0511 9" || r.advoField(advo, "emailGesch") != "neu@example.de" {
				t.Errorf("phone %v, emailGesch %q", r.espoField(id, "phone"), r.advoField(advo, "emailGesch"))
			}
			if bad := r.o.Problems(); len(bad) > 0 {
				t.Error(bad)
			}
		})
	}
}

// TestCutValueEditedBehindTheCut: a value known to be cut there may change
// behind the cut without anything to see in Advoware.
func TestCutValueEditedBehindTheCut(t *testing.T) {
	r := newRig(t, flat(emailField, phoneField))
	id, _ := r.linked()
	r.storing(sandbox.StoredForm{Field: "telGesch", Do: "cut", N: 6})
	r.editEspo(id, map[string]any{"phone": "0511 111"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"phone": "0511 122"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if res := r.sync(id); res.Outcome != result.Unchanged {
		t.Errorf("%s %+v", res.Outcome, res.Error)
	}
}

// TestNotAcceptedByEspoCRM: a role that may not edit a field drops it silently.
func TestNotAcceptedByEspoCRM(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	var role sandbox.Role
	r.espo.ChangeUser("api-apikey", func(u *sandbox.User) {
		role = u.Role
		u.Role.FieldNoEdit = map[string][]string{ct: {"phone"}}
	})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 6", "emailGesch": "advo@example.de"})
	res := r.sync(id)
	r.wantError(res, "not_accepted")
	if !strings.Contains(res.Error.Message, "phone") || strings.Contains(res.Error.Message, "email") {
		t.Errorf("%s", res.Error.Message)
	}
	r.wantStatus(id, "failed", 1)
	if r.memoryOf(id).Open != nil {
		t.Error("an announcement is left")
	}
	// The field that was taken is in step; the other one still has to go.
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role = role })
	r.tick(time.Hour)
	r.sync(id)
	r.quiet(id)
	if r.advoField(advo, "telGesch") != "0511 6" {
		t.Errorf("the edit that EspoCRM had not taken is gone: %q", r.advoField(advo, "telGesch"))
	}
}

// TestSystemFailureCostsNoAttempt and puts the status back.
func TestSystemFailureCostsNoAttempt(t *testing.T) {
	for _, status := range []string{"dirty", "pending_sync", "failed"} {
		t.Run(status, func(t *testing.T) {
			r := newRig(t)
			id, _ := r.linked()
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			r.espo.SetField(ct, id, "syncStatus", status)
			r.espo.SetField(ct, id, "syncRetryCount", 2)
			r.advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = true })
			res := r.sync(id)
			if res.Outcome != result.Failed || res.Error.Owner != "system" {
				t.Fatalf("%s %+v", res.Outcome, res.Error)
			}
			r.wantStatus(id, status, 2)
			r.advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
			r.tick(time.Minute)
			r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			r.quiet(id)
		})
	}
}

// TestFailuresCountUpToGivingUp: five refusals, one note, and a new edit re-arms.
func TestFailuresCountUpToGivingUp(t *testing.T) {
	for _, side := range []string{"espocrm", "advoware"} {
		t.Run("re-armed in "+side, func(t *testing.T) {
			r := newRig(t)
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Body: "Das Feld ist zu lang."})
			for n := int64(1); n <= 7; n++ {
				res := r.sync(id)
				want, outcome := "failed", result.Failed
				if n >= 5 {
					want, outcome = "permanently_failed", result.PermanentlyFailed
				}
				if res.Outcome != outcome {
					t.Fatalf("attempt %d: %s", n, res.Outcome)
				}
				r.wantStatus(id, want, min(n, 5))
				r.tick(time.Hour)
			}
			if n := len(r.espo.Posts()); n != 1 {
				t.Errorf("%d notes: %v", n, r.espo.Posts())
			}
			if msg, _ := r.espoField(id, "syncErrorMessage").(string); !strings.Contains(msg, "zu lang") {
				t.Errorf("message %q", msg)
			}
			if side == "espocrm" {
				r.editEspo(id, map[string]any{"email": "neuer@example.de"})
			} else {
				r.editAdvo(advo, map[string]any{"telGesch": "0511 7"})
			}
			if res := r.sync(id); res.Outcome != result.Failed {
				t.Fatalf("not re-armed: %s", res.Outcome)
			}
			r.wantStatus(id, "failed", 1)
			r.advo.Faults().Clear("")
			r.tick(time.Hour)
			r.sync(id)
			r.quiet(id)
		})
	}
}

// TestFailureDoesNotMoveLastSync, so that the edit that failed stays visible.
func TestFailureDoesNotMoveLastSync(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	was := r.espoField(id, "advowareLastSync")
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 1})
	r.sync(id)
	if now := r.espoField(id, "advowareLastSync"); now != was {
		t.Errorf("lastSync moved from %v to %v", was, now)
	}
}

// TestMissingInAdvoware by policy.
func TestMissingInAdvoware(t *testing.T) {
	t.Run("fail", func(t *testing.T) {
		r := newRig(t)
		id, advo := r.linked()
		r.advo.Delete(sandbox.BeteiligtePath, advo)
		res := r.sync(id)
		r.want(res, result.MissingInAdvoware, result.Failed)
		r.wantStatus(id, "failed", 1)
		if msg := r.espoField(id, "syncErrorMessage"); !strings.Contains(msg.(string), "Not found in Advoware") {
			t.Errorf("message %v", msg)
		}
	})
	t.Run("unlink", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingUnlink })
		id, advo := r.linked()
		r.advo.Delete(sandbox.BeteiligtePath, advo)
		r.want(r.sync(id), result.MissingInAdvoware, result.Skipped)
		if r.espoField(id, "advowareId") != nil || r.espoField(id, "advowareRowId") != nil {
			t.Error("still linked")
		}
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 0 {
			t.Errorf("%d records in Advoware", n)
		}
	})
	t.Run("recreate", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingRecreate })
		id, advo := r.linked()
		r.linked()
		r.o.Forget()
		r.advo.Delete(sandbox.BeteiligtePath, advo)
		r.o.Forget()
		res := r.sync(id)
		r.want(res, result.MissingInAdvoware, result.CreatedAdvoware)
		r.quiet(id)
	})
}

// TestMissingInEspoCRM by policy; what was edited in Advoware is not deleted.
func TestMissingInEspoCRM(t *testing.T) {
	setup := func(t *testing.T, how string) (*rig, string, int64) {
		r := newRig(t, func(r *rig) { r.cfg.OnMissingInEspocrm = how })
		id, advo := r.linked()
		if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
			t.Fatal(err)
		}
		return r, id, advo
	}
	there := func(r *rig, advo int64) bool { _, ok := r.advo.Get(sandbox.BeteiligtePath, advo); return ok }
	t.Run("keep", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingKeep)
		r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
		if !there(r, advo) {
			t.Error("deleted")
		}
	})
	t.Run("delete", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingDelete)
		r.want(r.sync(id), result.MissingInEspocrm, result.UpdatedAdvoware)
		if there(r, advo) {
			t.Error("not deleted")
		}
		if bad := r.o.Overwritten(r.history()); len(bad) > 0 {
			t.Error(bad)
		}
		r.wantError(r.sync(id), "not_found")
	})
	t.Run("delete, edited since", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingDelete)
		r.editAdvo(advo, map[string]any{"telGesch": "0511 5"})
		r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
		if !there(r, advo) {
			t.Error("an edited record was deleted")
		}
	})
	t.Run("delete, edited at the last moment", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingDelete)
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if strings.HasPrefix(e.What, "GET /relay") {
				r.editAdvo(advo, map[string]any{"telGesch": "0511 5"})
			}
			return simulation.Passes
		}
		r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
		if !there(r, advo) {
			t.Error("an edited record was deleted")
		}
	})
}

// TestLockHeldByOldHandler: its value is the word locked.
func TestLockHeldByAnother(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	other := store.Owner{Host: "other", PID: 1, Run: r.cfg.Run, User: "u", Command: "sync"}
	g, _, err := r.store.Acquire(context.Background(), []string{store.LockKey(r.m.Entity(), id)}, other, time.Hour)
	if err != nil || len(g) != 1 {
		t.Fatal(err)
	}
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	writes := r.advowareWrites()
	res := r.sync(id)
	if res.Outcome != result.Locked || res.Calls != (result.Calls{}) || r.advowareWrites() != writes {
		t.Fatalf("%s %+v", res.Outcome, res.Calls)
	}
	if err := r.store.Release(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.quiet(id)
}

// TestLeaseLostInTheMiddle: outcome locked, no further write, no attempt
// counted; whoever has the record then ends it.
func TestLeaseLostInTheMiddle(t *testing.T) {
	for cut := 1; ; cut++ {
		r := newRig(t, inMemory)
		id, _ := r.linked()
		r.editEspo(id, map[string]any{"email": "neu@example.de"})
		before, lost, writes := len(r.proc.Effects()), false, 0
		count := func() int { return r.espo.Log().Count(isWrite) + r.advo.Log().Count(isWrite) }
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if e.N == before+cut {
				locks, _ := r.store.Locks(context.Background())
				for _, l := range locks {
					lost, _ = r.store.Break(context.Background(), l)
				}
				r.tick(6 * time.Minute) // by the wall clock it has run out too
				writes = count()
				if e.HTTP && e.Write {
					writes++ // under way
				}
			}
			return simulation.Passes
		}
		res := r.sync(id)
		if len(r.proc.Effects()) < before+cut {
			t.Logf("%d moments", cut-1)
			break
		}
		if !lost {
			continue // before it was taken, or after it was freed
		}
		r.proc.Plan = nil
		at := r.proc.Effects()[before+cut-1].What
		if res.Outcome != result.Locked && at != "store Release" {
			t.Errorf("lost at %s: %s %+v", at, res.Outcome, res.Error)
		}
		if n := count(); n > writes {
			t.Errorf("lost at %s: %d more writes", at, n-writes)
		}
		if n, _ := r.espoField(id, "syncRetryCount").(int64); n != 0 {
			t.Errorf("lost at %s: an attempt was counted", at)
		}
		r.tick(10 * time.Minute)
		r.start()
		r.untilQuiet(id, operation{}, "lease lost at "+at)
		if t.Failed() {
			break
		}
	}
}

// TestPingPongIsParked: two programs that undo each other.
func TestPingPongIsParked(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	var res result.Record
	parked := 0
	for n := 0; n < 20 && parked == 0; n++ {
		r.editEspo(id, map[string]any{"email": "neu@example.de"})
		if res = r.sync(id); res.Error != nil {
			parked = n
			break
		}
		r.tick(time.Minute)
		_ = r.espo.Put(ct, id, "anna", map[string]any{"email": "alt@example.de"})
		r.o.Forget()
		if res = r.sync(id); res.Error != nil {
			parked = n
		}
		r.tick(time.Minute)
	}
	r.wantError(res, "ping_pong")
	if !strings.Contains(res.Error.Message, "email") || parked < 3 || parked > 5 {
		t.Errorf("parked after %d: %s", parked, res.Error.Message)
	}
	_ = advo
}

// TestBusyPersonIsNotParked: always new values.
func TestBusyPersonIsNotParked(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	for n := range 20 {
		r.editEspo(id, map[string]any{"email": fmt.Sprintf("neu%d@example.de", n)})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.tick(time.Minute)
	}
	r.quiet(id)
}

// forgetStore loses the store and starts anew.
func (r *rig) forgetStore() {
	inMemory(r)
	r.start()
}

// TestStoreLost: without a base the careful rules decide (cases 7 to 9).
func TestStoreLost(t *testing.T) {
	for _, tt := range []struct {
		name       string
		change     func(r *rig, id string, advo int64)
		verdict    result.Verdict
		outcome    result.Outcome
		mail, tele string
	}{
		{"nothing changed", func(*rig, string, int64) {}, result.NoChange, result.Adopted, "anna@example.de", ""},
		{"case 7: EspoCRM changed", func(r *rig, id string, _ int64) { r.editEspo(id, map[string]any{"email": "e@example.de"}) },
			result.EspocrmNewer, result.UpdatedAdvoware, "e@example.de", ""},
		{"case 8: Advoware changed", func(r *rig, _ string, a int64) { r.editAdvo(a, map[string]any{"emailGesch": "a@example.de"}) },
			result.AdvowareNewer, result.UpdatedEspocrm, "a@example.de", ""},
		{"case 8: both changed", func(r *rig, id string, a int64) {
			r.editEspo(id, map[string]any{"email": "e@example.de"})
			r.editAdvo(a, map[string]any{"emailGesch": "a@example.de", "telGesch": "0511"})
		}, result.Conflict, result.UpdatedAdvoware, "e@example.de", ""},
		{"case 8: dirty", func(r *rig, id string, a int64) {
			r.espo.SetField(ct, id, "syncStatus", "dirty")
			r.editAdvo(a, map[string]any{"emailGesch": "a@example.de"})
			r.o.Forget()
		}, result.Conflict, result.UpdatedAdvoware, "anna@example.de", ""},
		{"case 9: rowId missing", func(r *rig, id string, a int64) {
			r.espo.SetField(ct, id, "advowareRowId", nil)
			r.editAdvo(a, map[string]any{"emailGesch": "a@example.de"})
			r.o.Forget()
		}, result.Conflict, result.UpdatedAdvoware, "anna@example.de", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			id, advo := r.linked()
			r.tick(time.Minute)
			tt.change(r, id, advo)
			old := r.history()
			r.forgetStore()
			_ = r.store.Append(context.Background(), old...) // for the oracle
			r.want(r.sync(id), tt.verdict, tt.outcome)
			if got := r.espoField(id, "email"); got != tt.mail {
				t.Errorf("email %v", got)
			}
			if got := r.advoField(advo, "emailGesch"); got != tt.mail {
				t.Errorf("emailGesch %v", got)
			}
			r.quiet(id)
		})
	}
}

// TestCreateWithoutMemory: an old unlinked record meets a new store.
func TestCreateWithoutMemory(t *testing.T) {
	t.Run("found by the list", func(t *testing.T) {
		r := newRig(t, listing)
		id, advo := r.linked()
		r.espo.SetField(ct, id, "advowareId", nil)
		r.espo.SetField(ct, id, "advowareRowId", nil)
		r.espo.SetField(ct, id, "advowareLastSync", nil)
		r.espo.SetField(ct, id, "syncStatus", "failed")
		r.o.Forget()
		r.forgetStore()
		res := r.sync(id)
		if res.AdvowareID == nil || *res.AdvowareID != advo || len(r.advo.All(sandbox.BeteiligtePath)) != 1 {
			t.Fatalf("not linked to the record it made: %+v", res)
		}
		r.quiet(id)
	})
	t.Run("no list", func(t *testing.T) {
		r := newRig(t)
		id := r.person(map[string]any{"syncStatus": "dirty"})
		r.tick(time.Hour)
		res := r.sync(id)
		r.wantError(res, "uncertain_create")
		if !strings.Contains(res.Error.Hint, "--create-anyway") || !strings.Contains(res.Error.Hint, "link") {
			t.Errorf("hint %q", res.Error.Hint)
		}
		r.want(r.sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
		r.quiet(id)
	})
	t.Run("pending is posted", func(t *testing.T) {
		r := newRig(t)
		id := r.person(nil)
		r.tick(time.Hour)
		r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	})
}

// TestLostAnswerToPOST: never posted a second time on our own.
func TestLostAnswerToPOST(t *testing.T) {
	drop := func(r *rig) {
		r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
	}
	t.Run("without list, create anyway", func(t *testing.T) {
		r := newRig(t)
		id := r.person(nil)
		drop(r)
		if res := r.sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
			t.Fatalf("%s %+v", res.Outcome, res.Error)
		}
		for range 3 {
			r.tick(time.Hour)
			r.wantError(r.sync(id), "uncertain_create")
		}
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Fatalf("%d records in Advoware", n)
		}
		// The operator deletes it and says so.
		r.advo.Delete(sandbox.BeteiligtePath, 1)
		r.o.Forget()
		r.tick(time.Hour)
		r.want(r.sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
		r.quiet(id)
	})
	t.Run("without list, linked by hand", func(t *testing.T) {
		r := newRig(t)
		id := r.person(nil)
		drop(r)
		r.sync(id)
		r.tick(time.Hour)
		r.wantError(r.sync(id), "uncertain_create")
		r.editEspo(id, map[string]any{"advowareId": 1})
		r.tick(time.Hour)
		r.sync(id)
		r.quiet(id)
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Fatalf("%d records in Advoware", n)
		}
	})
	t.Run("with list, several candidates", func(t *testing.T) {
		r := newRig(t, listing)
		id := r.person(nil)
		drop(r)
		r.sync(id)
		r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
		r.o.Forget()
		r.tick(time.Hour)
		res := r.sync(id)
		r.wantError(res, "uncertain_create")
		if !strings.Contains(res.Error.Message, "1, 2") {
			t.Errorf("candidates are not named: %s", res.Error.Message)
		}
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
			t.Fatalf("%d records in Advoware", n)
		}
	})
}

// TestClashOfAdvowareID: EspoCRM's empty 500 is that record's failure.
func TestClashOfAdvowareID(t *testing.T) {
	r := newRig(t)
	id := r.person(nil)
	other := ""
	r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, After: func(*http.Request) {
		other, _ = r.espo.Create(ct, "anna", map[string]any{"name": "X", "advowareId": 1})
	}})
	res := r.sync(id)
	r.wantError(res, "duplicate")
	if !strings.Contains(res.Error.Message, other) || res.Error.Owner != "record" {
		t.Errorf("%+v", res.Error)
	}
	r.wantStatus(id, "failed", 1)
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Fatalf("%d records", n)
	}
	// The wrong link is taken away: the record goes on with the one it made.
	if err := r.espo.Put(ct, other, "anna", map[string]any{"advowareId": nil}); err != nil {
		t.Fatal(err)
	}
	r.o.Forget()
	r.tick(time.Hour)
	res = r.sync(id)
	if res.Error != nil || r.linkOf(id) != 1 || len(r.advo.All(sandbox.BeteiligtePath)) != 1 {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.quiet(id)
}

// TestVersionConflictUpToExhaustion: somebody saves in front of every final
// PUT. Nothing is lost, no attempt is counted, the record stays dirty.
func TestVersionConflictUpToExhaustion(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	n := 0
	r.espo.Faults().Add(sandbox.Fault{Name: "busy", Method: "PUT", Before: func(q *http.Request) {
		if q.Header.Get("X-Version-Number") != "" {
			n++
			r.editEspo(id, map[string]any{"phone": fmt.Sprint("0511 ", n)})
		}
	}})
	res := r.sync(id)
	if res.Outcome != result.Skipped || res.Reason.Code != "keeps_changing" || res.Error != nil {
		t.Fatalf("%s %s %+v", res.Outcome, res.Reason.Code, res.Error)
	}
	r.wantStatus(id, "dirty", 0)
	if n != 4 {
		t.Errorf("%d tries", n)
	}
	if r.memoryOf(id).Open != nil {
		t.Error("an announcement is left")
	}
	r.espo.Faults().Clear("busy")
	r.tick(time.Minute)
	r.untilQuiet(id, operation{}, "after exhaustion")
	if r.espoField(id, "phone") != "0511 4" || r.advoField(advo, "telGesch") != "0511 4" {
		t.Errorf("phone %v, telGesch %v", r.espoField(id, "phone"), r.advoField(advo, "telGesch"))
	}
}

// TestOneWayFieldsAreRestored: the owner's value comes back, without a conflict.
func TestOneWayFieldsAreRestored(t *testing.T) {
	r := newRig(t, flat(emailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`,
		`{espocrm: description, advoware: bemerkung, direction: to_espocrm}`))
	id := r.person(map[string]any{"phone": "0511 1"})
	r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	advo := r.linkOf(id)
	r.tick(time.Minute)
	r.editAdvo(advo, map[string]any{"telGesch": "falsch", "bemerkung": "aus Advoware"})
	r.editEspo(id, map[string]any{"description": "falsch"})
	if res := r.sync(id); res.Error != nil || res.Verdict == result.Conflict {
		t.Fatalf("%s %+v", res.Verdict, res.Error)
	}
	if r.advoField(advo, "telGesch") != "0511 1" || r.espoField(id, "description") != "aus Advoware" {
		t.Errorf("telGesch %q, description %v", r.advoField(advo, "telGesch"), r.espoField(id, "description"))
	}
	if len(r.espo.Posts()) != 0 {
		t.Error("a note was sent")
	}
	r.quiet(id)
}

// TestComputedFieldIsRestored: name belongs to Advoware's vorname and name.
func TestComputedFieldIsRestored(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"name": "Falsch"})
	if res := r.sync(id); res.Error != nil {
		t.Fatalf("%+v", res.Error)
	}
	if got := r.espoField(id, "name"); got != "Anna Alt" {
		t.Errorf("name %v", got)
	}
	r.quiet(id)
}

// TestUnmappedValue: what the table does not know is a failure that names the
// field, and nothing is written.
func TestUnmappedValue(t *testing.T) {
	r := newRig(t, flat(`{espocrm: phone, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, emailField))
	id := r.person(map[string]any{"phone": "Mr."})
	r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	advo := r.linkOf(id)
	r.quiet(id)
	r.tick(time.Minute)
	r.editAdvo(advo, map[string]any{"anrede": "Firma", "emailGesch": "neu@example.de"})
	res := r.sync(id)
	r.wantError(res, "mapping")
	if r.espoField(id, "phone") != "Mr." {
		t.Error("written all the same")
	}
	r.wantStatus(id, "failed", 1)
	r.editAdvo(advo, map[string]any{"anrede": "Frau"})
	r.tick(time.Hour)
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.quiet(id)
}

// TestNoKindApplies is a failure that says which conditions were tried.
func TestNoKindApplies(t *testing.T) {
	yaml := strings.Replace(new(sandbox.World).Mapping(), `when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname)'}`,
		`when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname) && !blank(name)'}`, 1)
	m, err := mapping.Parse("k.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(r *rig) { r.m = m })
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"vorname": "", "name": ""})
	res := r.sync(id)
	r.wantError(res, "mapping")
	if !strings.Contains(res.Error.Message, "blank(vorname)") {
		t.Errorf("%s", res.Error.Message)
	}
	if r.espoField(id, "lastName") != "Alt" {
		t.Error("written all the same")
	}
	r.wantStatus(id, "failed", 1)
}

// TestWithoutOptimisticConcurrency: a type without versions is read once more
// before a write that rests on an old read.
func TestWithoutOptimisticConcurrency(t *testing.T) {
	unguarded := func(r *rig) {
		r.espo.ChangeDef(ct, func(d *sandbox.EntityDef) { d.OptimisticConcurrency = false })
	}
	for n := 1; ; n++ {
		r := newRig(t, unguarded, inMemory)
		r.o.Guarded = false
		id, advo := r.linked()
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		before, at := len(r.proc.Effects()), ""
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			r.tick(2 * time.Second) // every effect is slow
			if e.N == before+n {
				at = e.What
				r.editEspo(id, map[string]any{"email": "espo@example.de"})
			}
			return simulation.Passes
		}
		r.sync(id)
		r.proc.Plan = nil
		if at == "" {
			break
		}
		r.tick(time.Minute)
		r.untilQuiet(id, operation{}, "edit before "+at)
		window := strings.HasPrefix(at, "PUT") || at == "store Commit"
		if got := r.espoField(id, "email"); got != "espo@example.de" && !window {
			t.Errorf("edit before %s is gone: %v", at, got)
		}
		if t.Failed() {
			break
		}
	}
}

// TestWithoutMarking does the same without the status syncing.
func TestWithoutMarking(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked() // without marking nothing would tell that nobody has posted it before
	r.cfg.MarkSyncing = false
	r.start()
	before := len(r.espo.Log().Entries())
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	res := r.sync(id)
	r.want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	calls(t, res, 2, 3)
	for _, e := range r.espo.Log().Entries()[before:] {
		if strings.Contains(e.Body, `"syncing"`) {
			t.Fatal("marked")
		}
	}
	r.quiet(id)
}

// TestHistoryHoldsWhatWasOverwritten with values, sides and states.
func TestHistoryHoldsWhatWasOverwritten(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
	r.want(r.sync(id), result.Conflict, result.Merged)
	var got []string
	for _, e := range r.history() {
		if e.Outcome != string(result.Merged) {
			continue
		}
		if !e.Conflict || e.Run == "" || e.AdvowareID != advo || e.RowBefore == "" || e.RowAfter == "" || e.RowBefore == e.RowAfter {
			t.Errorf("%+v", e)
		}
		for _, w := range e.Writes {
			got = append(got, fmt.Sprintf("%s %s %s->%s %s", w.Side, w.Espocrm, w.Before.Text(), w.After.Text(), w.State))
		}
	}
	want := []string{"advoware email advo@example.de->espo@example.de done", "espocrm phone ->0511 done"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestOwedNoteIsSentByTheNextSync, once.
func TestOwedNoteIsSentByTheNextSync(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.espo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/Note", Count: 1, Status: 500})
	res := r.sync(id)
	r.want(res, result.Conflict, result.UpdatedAdvoware)
	if len(res.Warnings) == 0 || len(r.memoryOf(id).Notes) != 1 {
		t.Fatalf("not owed: %+v", res.Warnings)
	}
	r.tick(time.Minute)
	r.sync(id)
	r.sync(id)
	if n := len(r.espo.Posts()); n != 1 || len(r.memoryOf(id).Notes) != 0 {
		t.Errorf("%d notes, %d owed", n, len(r.memoryOf(id).Notes))
	}
	r.quiet(id)
}

// TestChangedMapping: a base written under another mapping serves the fields
// that still mean the same.
func TestChangedMapping(t *testing.T) {
	r := newRig(t, flat(emailField))
	id, advo := r.linked()
	flat(emailField, phoneField)(r)
	r.o.Mapping = r.m
	r.o.Forget()
	r.build()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "email"); got != "advo@example.de" {
		t.Errorf("email %v", got)
	}
	r.quiet(id)
}

// TestTakenDecision resolves a parked conflict field by field.
func TestTakenDecision(t *testing.T) {
	r := newRig(t, policy(reconcile.Manual))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	r.o.Forget() // the operator decides
	res := r.sync(id, func(q *sync.Request) {
		q.Taken = map[string]record.Side{"*": record.EspoCRM, "phone~telGesch": record.Advoware}
	})
	r.want(res, result.Conflict, result.Merged)
	if r.advoField(advo, "emailGesch") != "espo@example.de" || r.espoField(id, "phone") != "0511 2" {
		t.Errorf("emailGesch %q, phone %v", r.advoField(advo, "emailGesch"), r.espoField(id, "phone"))
	}
	r.quiet(id)
}

// TestRefusedWritesAreNoPingPong (first week, 12): what did not arrive counts
// nothing, and a write of seven fields counts once for each of them.
func TestRefusedWritesAreNoPingPong(t *testing.T) {
	r := newRig(t, inMemory, func(r *rig) { r.cfg.MaxRetries = 100 })
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0999", "lastName": "Neu", "firstName": "Nora", "geburtsdatum": "1980-01-01"})
	for n := range 12 {
		answer := []simulation.Fate{simulation.Answers400, simulation.Answers429, simulation.Answers503}[n%3]
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if strings.HasPrefix(e.What, "PUT /relay") {
				return answer
			}
			return simulation.Passes
		}
		if res := r.sync(id); res.Error == nil || res.Error.Code == string(fault.PingPong) {
			t.Fatalf("%d: %+v", n, res.Error)
		}
		r.tick(10 * time.Minute)
	}
	r.proc.Plan = nil
	if res := r.sync(id); res.Error != nil {
		t.Fatal(res.Error)
	}
	r.phones(id, advo, "0999")
	// a person changes the mind about all of them, and again
	for n := range 4 {
		r.tick(time.Minute)
		r.editEspo(id, map[string]any{"email": []string{"a@example.de", "b@example.de"}[n%2], "phone": []string{"1", "2"}[n%2], "lastName": []string{"A", "B"}[n%2], "geburtsdatum": []string{"1980-01-02", "1980-01-03"}[n%2]})
		if res := r.sync(id); res.Error != nil {
			t.Fatalf("%d: %+v", n, res.Error)
		}
	}
}
