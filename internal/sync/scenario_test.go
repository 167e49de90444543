package sync_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

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
			r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
			id, advo := r.Linked()
			r.Storing(tt.form)
			r.EditEspo(id, map[string]any{"email": tt.sent})
			before := r.AdvowareWrites()
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			if n := r.AdvowareWrites() - before; n != 1 {
				t.Errorf("%d writes to Advoware", n)
			}
			if got := r.AdvoField(advo, "emailGesch"); got != tt.read {
				t.Fatalf("the simulator stored %q", got)
			}
			if got := r.EspoField(id, "email"); got != tt.sent {
				t.Errorf("EspoCRM got the form back: %v", got)
			}
			if res := r.Sync(id); res.Outcome != result.Unchanged {
				t.Errorf("a second sync: %s %s", res.Outcome, res.Reason.Text)
			}
			// The form is remembered: an edit of another field does not disturb it.
			r.EditEspo(id, map[string]any{"phone": "0511 4"})
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			if got := r.EspoField(id, "email"); got != tt.sent {
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
			r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
			id, _ := r.Linked()
			r.Storing(sandbox.StoredForm{Field: "emailGesch", Do: do})
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			res := r.Sync(id)
			r.WantError(res, "not_accepted")
			if !strings.Contains(res.Error.Message, "emailGesch") {
				t.Errorf("the field is not named: %s", res.Error.Message)
			}
			r.WantStatus(id, "failed", 1)
			if r.MemoryOf(id).Open != nil {
				t.Error("an announcement is left")
			}
			r.Storing()
			r.Tick(time.Hour)
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			r.Quiet(id)
		})
	}
}

// TestNotAcceptedIsSeenWhereTheOldValueLooksCut: "Meyer" before, "Meyer-Schulz"
// sent, "Meyer" read is not a cut value but one that was not taken.
func TestNotAcceptedIsSeenWhereTheOldValueLooksCut(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Sync(id)
	r.Tick(time.Minute)
	r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
	r.EditEspo(id, map[string]any{"phone": "0511 12"})
	r.WantError(r.Sync(id), "not_accepted")
	r.WantStatus(id, "failed", 1)
}

// TestNotAcceptedBesideAnAcceptedField: the edit that Advoware does not take is
// not overwritten with the old value because another one was taken.
func TestNotAcceptedBesideAnAcceptedField(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		t.Run(string(p), func(t *testing.T) {
			r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField), rig.Policy(p))
			id, advo := r.Linked()
			r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "ignore"})
			r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 9"})
			res := r.Sync(id)
			r.WantError(res, "not_accepted")
			if !strings.Contains(res.Error.Message, "telGesch") || strings.Contains(res.Error.Message, "emailGesch") {
				t.Errorf("%s", res.Error.Message)
			}
			if r.EspoField(id, "phone") != "0511 9" || r.AdvoField(advo, "emailGesch") != "neu@example.de" {
				t.Errorf("phone %v, emailGesch %q", r.EspoField(id, "phone"), r.AdvoField(advo, "emailGesch"))
			}
			if bad := r.Oracle.Problems(); len(bad) > 0 {
				t.Error(bad)
			}
		})
	}
}

// TestCutValueEditedBehindTheCut: a value known to be cut there may change
// behind the cut without anything to see in Advoware.
func TestCutValueEditedBehindTheCut(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField))
	id, _ := r.Linked()
	r.Storing(sandbox.StoredForm{Field: "telGesch", Do: "cut", N: 6})
	r.EditEspo(id, map[string]any{"phone": "0511 111"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"phone": "0511 122"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if res := r.Sync(id); res.Outcome != result.Unchanged {
		t.Errorf("%s %+v", res.Outcome, res.Error)
	}
}

// TestNotAcceptedByEspoCRM: a role that may not edit a field drops it silently.
func TestNotAcceptedByEspoCRM(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	var role sandbox.Role
	r.Espo.ChangeUser("api-apikey", func(u *sandbox.User) {
		role = u.Role
		u.Role.FieldNoEdit = map[string][]string{rig.Type: {"phone"}}
	})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 6", "emailGesch": "advo@example.de"})
	res := r.Sync(id)
	r.WantError(res, "not_accepted")
	if !strings.Contains(res.Error.Message, "phone") || strings.Contains(res.Error.Message, "email") {
		t.Errorf("%s", res.Error.Message)
	}
	r.WantStatus(id, "failed", 1)
	if r.MemoryOf(id).Open != nil {
		t.Error("an announcement is left")
	}
	// The field that was taken is in step; the other one still has to go.
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.Espo.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role = role })
	r.Tick(time.Hour)
	r.Sync(id)
	r.Quiet(id)
	if r.AdvoField(advo, "telGesch") != "0511 6" {
		t.Errorf("the edit that EspoCRM had not taken is gone: %q", r.AdvoField(advo, "telGesch"))
	}
}

// TestSystemFailureCostsNoAttempt and puts the status back.
func TestSystemFailureCostsNoAttempt(t *testing.T) {
	for _, status := range []string{"dirty", "pending_sync", "failed"} {
		t.Run(status, func(t *testing.T) {
			r := rig.New(t)
			id, _ := r.Linked()
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			r.Espo.SetField(rig.Type, id, "syncStatus", status)
			r.Espo.SetField(rig.Type, id, "syncRetryCount", 2)
			r.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = true })
			res := r.Sync(id)
			if res.Outcome != result.Failed || res.Error.Owner != "system" {
				t.Fatalf("%s %+v", res.Outcome, res.Error)
			}
			r.WantStatus(id, status, 2)
			r.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
			r.Tick(time.Minute)
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			r.Quiet(id)
		})
	}
}

// TestFailuresCountUpToGivingUp: five refusals, one note, and a new edit re-arms.
func TestFailuresCountUpToGivingUp(t *testing.T) {
	for _, side := range []string{"espocrm", "advoware"} {
		t.Run("re-armed in "+side, func(t *testing.T) {
			r := rig.New(t)
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Body: "Das Feld ist zu lang."})
			for n := int64(1); n <= 7; n++ {
				res := r.Sync(id)
				want, outcome := "failed", result.Failed
				if n >= 5 {
					want, outcome = "permanently_failed", result.PermanentlyFailed
				}
				if res.Outcome != outcome {
					t.Fatalf("attempt %d: %s", n, res.Outcome)
				}
				r.WantStatus(id, want, min(n, 5))
				r.Tick(time.Hour)
			}
			if n := len(r.Espo.Posts()); n != 1 {
				t.Errorf("%d notes: %v", n, r.Espo.Posts())
			}
			if msg, _ := r.EspoField(id, "syncErrorMessage").(string); !strings.Contains(msg, "zu lang") {
				t.Errorf("message %q", msg)
			}
			if side == "espocrm" {
				r.EditEspo(id, map[string]any{"email": "neuer@example.de"})
			} else {
				r.EditAdvo(advo, map[string]any{"telGesch": "0511 7"})
			}
			if res := r.Sync(id); res.Outcome != result.Failed {
				t.Fatalf("not re-armed: %s", res.Outcome)
			}
			r.WantStatus(id, "failed", 1)
			r.Advo.Faults().Clear("")
			r.Tick(time.Hour)
			r.Sync(id)
			r.Quiet(id)
		})
	}
}

// TestFailureDoesNotMoveLastSync, so that the edit that failed stays visible.
func TestFailureDoesNotMoveLastSync(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	was := r.EspoField(id, "advowareLastSync")
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 1})
	r.Sync(id)
	if now := r.EspoField(id, "advowareLastSync"); now != was {
		t.Errorf("lastSync moved from %v to %v", was, now)
	}
}

// TestMissingInAdvoware by policy.
func TestMissingInAdvoware(t *testing.T) {
	t.Run("fail", func(t *testing.T) {
		r := rig.New(t)
		id, advo := r.Linked()
		r.Advo.Delete(sandbox.BeteiligtePath, advo)
		res := r.Sync(id)
		r.Want(res, result.MissingInAdvoware, result.Failed)
		r.WantStatus(id, "failed", 1)
		if msg := r.EspoField(id, "syncErrorMessage"); !strings.Contains(msg.(string), "Not found in Advoware") {
			t.Errorf("message %v", msg)
		}
	})
	t.Run("unlink", func(t *testing.T) {
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingUnlink })
		id, advo := r.Linked()
		r.Advo.Delete(sandbox.BeteiligtePath, advo)
		r.Want(r.Sync(id), result.MissingInAdvoware, result.Skipped)
		if r.EspoField(id, "advowareId") != nil || r.EspoField(id, "advowareRowId") != nil {
			t.Error("still linked")
		}
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 0 {
			t.Errorf("%d records in Advoware", n)
		}
	})
	t.Run("recreate", func(t *testing.T) {
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingRecreate })
		id, advo := r.Linked()
		r.Linked()
		r.Oracle.Forget()
		r.Advo.Delete(sandbox.BeteiligtePath, advo)
		r.Oracle.Forget()
		res := r.Sync(id)
		r.Want(res, result.MissingInAdvoware, result.CreatedAdvoware)
		r.Quiet(id)
	})
}

// TestMissingInEspoCRM by policy; what was edited in Advoware is not deleted.
func TestMissingInEspoCRM(t *testing.T) {
	setup := func(t *testing.T, how string) (*rig.Rig, string, int64) {
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = how })
		id, advo := r.Linked()
		if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
			t.Fatal(err)
		}
		return r, id, advo
	}
	there := func(r *rig.Rig, advo int64) bool { _, ok := r.Advo.Get(sandbox.BeteiligtePath, advo); return ok }
	t.Run("keep", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingKeep)
		r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
		if !there(r, advo) {
			t.Error("deleted")
		}
	})
	t.Run("delete", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingDelete)
		r.Want(r.Sync(id), result.MissingInEspocrm, result.UpdatedAdvoware)
		if there(r, advo) {
			t.Error("not deleted")
		}
		if bad := r.Oracle.Overwritten(r.History()); len(bad) > 0 {
			t.Error(bad)
		}
		r.WantError(r.Sync(id), "not_found")
	})
	t.Run("delete, edited since", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingDelete)
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 5"})
		r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
		if !there(r, advo) {
			t.Error("an edited record was deleted")
		}
	})
	t.Run("delete, edited at the last moment", func(t *testing.T) {
		r, id, advo := setup(t, sync.MissingDelete)
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if strings.HasPrefix(e.What, "GET /relay") {
				r.EditAdvo(advo, map[string]any{"telGesch": "0511 5"})
			}
			return simulation.Passes
		}
		r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
		if !there(r, advo) {
			t.Error("an edited record was deleted")
		}
	})
}

// TestADeleteIsForetold: what check and a dry run say of a record that is gone from EspoCRM
// is what the sync then does, and why.
func TestADeleteIsForetold(t *testing.T) {
	typed := func(r *rig.Rig, id string, _ int64) {
		r.EditEspo(id, map[string]any{"advowareId": nil})
		r.Tick(2 * time.Hour)
		r.Sync(id)
	}
	for name, c := range map[string]struct {
		before func(r *rig.Rig, id string, advo int64)
		after  func(r *rig.Rig, advo int64)
	}{
		"deleted":     {},
		"edited":      {after: func(r *rig.Rig, advo int64) { r.EditAdvo(advo, map[string]any{"telGesch": "0511 5"}) }},
		"gone, too":   {after: func(r *rig.Rig, advo int64) { r.Advo.Delete(sandbox.BeteiligtePath, advo) }},
		"number lost": {before: typed},
		"linked to another": {before: func(r *rig.Rig, id string, _ int64) { r.Espo.SetField(rig.Type, id, "advowareId", nil) }, after: func(r *rig.Rig, advo int64) {
			other := r.Person(map[string]any{"firstName": "Anna", "lastName": "Alt"})
			r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: other, AdvowareID: advo}), result.Adopted)
		}},
		"interrupted": {before: func(r *rig.Rig, id string, _ int64) {
			r.EditEspo(id, map[string]any{"phone": "0511 1"})
			r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {})
		}},
		"interrupted, and edited": {before: func(r *rig.Rig, id string, advo int64) {
			r.EditEspo(id, map[string]any{"phone": "0511 1"})
			r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"}) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Listing, rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
			id, advo := r.Linked()
			if c.before != nil {
				c.before(r, id, advo)
			}
			if err := r.Espo.Delete(rig.Type, id, "anna"); err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				c.after(r, advo)
			}
			plan, did := r.Plan(id), r.Sync(id)
			want := plan.Outcome
			if want == result.Planned {
				want = plan.Planned
			}
			foretold := strings.ReplaceAll(plan.Reason.Text, "would be deleted", "is deleted")
			if did.Outcome != want || did.Reason.Code != plan.Reason.Code || did.Reason.Text != foretold {
				t.Errorf("foretold %s %+v\ndid %s %+v", want, plan.Reason, did.Outcome, did.Reason)
			}
		})
	}
}

// TestLockHeldByOldHandler: its value is the word locked.
func TestLockHeldByAnother(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	other := store.Owner{Host: "other", PID: 1, Run: r.Cfg.Run, User: "u", Command: "sync"}
	g, _, err := r.Store.Acquire(context.Background(), []string{store.LockKey(r.M.Entity(), id)}, other, time.Hour)
	if err != nil || len(g) != 1 {
		t.Fatal(err)
	}
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	writes := r.AdvowareWrites()
	res := r.Sync(id)
	if res.Outcome != result.Locked || res.Calls != (result.Calls{}) || r.AdvowareWrites() != writes {
		t.Fatalf("%s %+v", res.Outcome, res.Calls)
	}
	if err := r.Store.Release(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	r.Quiet(id)
}

// TestLeaseLostInTheMiddle: outcome locked, no further write, no attempt
// counted; whoever has the record then ends it.
func TestLeaseLostInTheMiddle(t *testing.T) {
	for cut := 1; ; cut++ {
		r := rig.New(t, rig.InMemory)
		id, _ := r.Linked()
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		before, lost, writes := len(r.Proc.Effects()), false, 0
		count := func() int { return r.Espo.Log().Count(rig.IsWrite) + r.Advo.Log().Count(rig.IsWrite) }
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if e.N == before+cut {
				locks, _ := r.Store.Locks(context.Background())
				for _, l := range locks {
					lost, _ = r.Store.Break(context.Background(), l)
				}
				r.Tick(6 * time.Minute) // by the wall clock it has run out too
				writes = count()
				if e.HTTP && e.Write {
					writes++ // under way
				}
			}
			return simulation.Passes
		}
		res := r.Sync(id)
		if len(r.Proc.Effects()) < before+cut {
			t.Logf("%d moments", cut-1)
			break
		}
		if !lost {
			continue // before it was taken, or after it was freed
		}
		r.Proc.Plan = nil
		at := r.Proc.Effects()[before+cut-1].What
		if res.Outcome != result.Locked && at != "store Release" {
			t.Errorf("lost at %s: %s %+v", at, res.Outcome, res.Error)
		}
		if n := count(); n > writes {
			t.Errorf("lost at %s: %d more writes", at, n-writes)
		}
		if n, _ := r.EspoField(id, "syncRetryCount").(int64); n != 0 {
			t.Errorf("lost at %s: an attempt was counted", at)
		}
		r.Tick(10 * time.Minute)
		r.Start()
		r.UntilQuiet(id, rig.Operation{}, "lease lost at "+at)
		if t.Failed() {
			break
		}
	}
}

// TestPingPongIsParked: two programs that undo each other.
func TestPingPongIsParked(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	var res result.Record
	parked := 0
	for n := 0; n < 20 && parked == 0; n++ {
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		if res = r.Sync(id); res.Error != nil {
			parked = n
			break
		}
		r.Tick(time.Minute)
		_ = r.Espo.Put(rig.Type, id, "anna", map[string]any{"email": "alt@example.de"})
		r.Oracle.Forget()
		if res = r.Sync(id); res.Error != nil {
			parked = n
		}
		r.Tick(time.Minute)
	}
	r.WantError(res, "ping_pong")
	if !strings.Contains(res.Error.Message, "email") || parked < 3 || parked > 5 {
		t.Errorf("parked after %d: %s", parked, res.Error.Message)
	}
	_ = advo
}

// TestBusyPersonIsNotParked: always new values.
func TestBusyPersonIsNotParked(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	for n := range 20 {
		r.EditEspo(id, map[string]any{"email": fmt.Sprintf("neu%d@example.de", n)})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.Tick(time.Minute)
	}
	r.Quiet(id)
}

// TestStoreLost: without a base the careful rules decide (cases 7 to 9).
func TestStoreLost(t *testing.T) {
	for _, tt := range []struct {
		name       string
		change     func(r *rig.Rig, id string, advo int64)
		verdict    result.Verdict
		outcome    result.Outcome
		mail, tele string
	}{
		{"nothing changed", func(*rig.Rig, string, int64) {}, result.NoChange, result.Adopted, "anna@example.de", ""},
		{"case 7: EspoCRM changed", func(r *rig.Rig, id string, _ int64) { r.EditEspo(id, map[string]any{"email": "e@example.de"}) },
			result.EspocrmNewer, result.UpdatedAdvoware, "e@example.de", ""},
		{"case 8: Advoware changed", func(r *rig.Rig, _ string, a int64) { r.EditAdvo(a, map[string]any{"emailGesch": "a@example.de"}) },
			result.AdvowareNewer, result.UpdatedEspocrm, "a@example.de", ""},
		{"case 8: both changed", func(r *rig.Rig, id string, a int64) {
			r.EditEspo(id, map[string]any{"email": "e@example.de"})
			r.EditAdvo(a, map[string]any{"emailGesch": "a@example.de", "telGesch": "0511"})
		}, result.Conflict, result.UpdatedAdvoware, "e@example.de", ""},
		{"case 8: dirty", func(r *rig.Rig, id string, a int64) {
			r.Espo.SetField(rig.Type, id, "syncStatus", "dirty")
			r.EditAdvo(a, map[string]any{"emailGesch": "a@example.de"})
			r.Oracle.Forget()
		}, result.Conflict, result.UpdatedAdvoware, "anna@example.de", ""},
		{"case 9: rowId missing", func(r *rig.Rig, id string, a int64) {
			r.Espo.SetField(rig.Type, id, "advowareRowId", nil)
			r.EditAdvo(a, map[string]any{"emailGesch": "a@example.de"})
			r.Oracle.Forget()
		}, result.Conflict, result.UpdatedAdvoware, "anna@example.de", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t)
			id, advo := r.Linked()
			r.Tick(time.Minute)
			tt.change(r, id, advo)
			old := r.History()
			r.ForgetStore()
			_ = r.Store.Append(context.Background(), old...) // for the oracle
			r.Want(r.Sync(id), tt.verdict, tt.outcome)
			if got := r.EspoField(id, "email"); got != tt.mail {
				t.Errorf("email %v", got)
			}
			if got := r.AdvoField(advo, "emailGesch"); got != tt.mail {
				t.Errorf("emailGesch %v", got)
			}
			r.Quiet(id)
		})
	}
}

// TestCreateWithoutMemory: an old unlinked record meets a new store.
func TestCreateWithoutMemory(t *testing.T) {
	t.Run("found by the list", func(t *testing.T) {
		r := rig.New(t, rig.Listing)
		id, advo := r.Linked()
		r.Espo.SetField(rig.Type, id, "advowareId", nil)
		r.Espo.SetField(rig.Type, id, "advowareRowId", nil)
		r.Espo.SetField(rig.Type, id, "advowareLastSync", nil)
		r.Espo.SetField(rig.Type, id, "syncStatus", "failed")
		r.Oracle.Forget()
		r.ForgetStore()
		res := r.Sync(id)
		if res.AdvowareID == nil || *res.AdvowareID != advo || len(r.Advo.All(sandbox.BeteiligtePath)) != 1 {
			t.Fatalf("not linked to the record it made: %+v", res)
		}
		r.Quiet(id)
	})
	t.Run("no list", func(t *testing.T) {
		r := rig.New(t)
		id := r.Person(map[string]any{"syncStatus": "dirty"})
		r.Tick(time.Hour)
		res := r.Sync(id)
		r.WantError(res, "uncertain_create")
		if !strings.Contains(res.Error.Hint, "--create-anyway") || !strings.Contains(res.Error.Hint, "link") {
			t.Errorf("hint %q", res.Error.Hint)
		}
		r.Want(r.Sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
		r.Quiet(id)
	})
	t.Run("pending is posted", func(t *testing.T) {
		r := rig.New(t)
		id := r.Person(nil)
		r.Tick(time.Hour)
		r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	})
}

// TestLostAnswerToPOST: never posted a second time on our own.
func TestLostAnswerToPOST(t *testing.T) {
	drop := func(r *rig.Rig) {
		r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
	}
	t.Run("without list, create anyway", func(t *testing.T) {
		r := rig.New(t)
		id := r.Person(nil)
		drop(r)
		if res := r.Sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
			t.Fatalf("%s %+v", res.Outcome, res.Error)
		}
		for range 3 {
			r.Tick(time.Hour)
			r.WantError(r.Sync(id), "uncertain_create")
		}
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Fatalf("%d records in Advoware", n)
		}
		// The operator deletes it and says so.
		r.Advo.Delete(sandbox.BeteiligtePath, 1)
		r.Oracle.Forget()
		r.Tick(time.Hour)
		r.Want(r.Sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
		r.Quiet(id)
	})
	t.Run("without list, linked by hand", func(t *testing.T) {
		r := rig.New(t)
		id := r.Person(nil)
		drop(r)
		r.Sync(id)
		r.Tick(time.Hour)
		r.WantError(r.Sync(id), "uncertain_create")
		r.EditEspo(id, map[string]any{"advowareId": 1})
		r.Tick(time.Hour)
		r.Sync(id)
		r.Quiet(id)
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Fatalf("%d records in Advoware", n)
		}
	})
	t.Run("with list, several candidates", func(t *testing.T) {
		r := rig.New(t, rig.Listing)
		id := r.Person(nil)
		drop(r)
		r.Sync(id)
		r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
		r.Oracle.Forget()
		r.Tick(time.Hour)
		res := r.Sync(id)
		r.WantError(res, "uncertain_create")
		if !strings.Contains(res.Error.Message, "1, 2") {
			t.Errorf("candidates are not named: %s", res.Error.Message)
		}
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
			t.Fatalf("%d records in Advoware", n)
		}
	})
}

// TestClashOfAdvowareID: EspoCRM's empty 500 is that record's failure.
func TestClashOfAdvowareID(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	other := ""
	r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, After: func(*http.Request) {
		other, _ = r.Espo.Create(rig.Type, "anna", map[string]any{"name": "X", "advowareId": 1})
	}})
	res := r.Sync(id)
	r.WantError(res, "duplicate")
	if !strings.Contains(res.Error.Message, other) || res.Error.Owner != "record" {
		t.Errorf("%+v", res.Error)
	}
	r.WantStatus(id, "failed", 1)
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Fatalf("%d records", n)
	}
	// The wrong link is taken away: the record goes on with the one it made.
	if err := r.Espo.Put(rig.Type, other, "anna", map[string]any{"advowareId": nil}); err != nil {
		t.Fatal(err)
	}
	r.Oracle.Forget()
	r.Tick(time.Hour)
	res = r.Sync(id)
	if res.Error != nil || r.LinkOf(id) != 1 || len(r.Advo.All(sandbox.BeteiligtePath)) != 1 {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.Quiet(id)
}

// TestVersionConflictUpToExhaustion: somebody saves in front of every final
// PUT. Nothing is lost, no attempt is counted, the record stays dirty.
func TestVersionConflictUpToExhaustion(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	n := 0
	r.Espo.Faults().Add(sandbox.Fault{Name: "busy", Method: "PUT", Before: func(q *http.Request) {
		if q.Header.Get("X-Version-Number") != "" {
			n++
			r.EditEspo(id, map[string]any{"phone": fmt.Sprint("0511 ", n)})
		}
	}})
	res := r.Sync(id)
	if res.Outcome != result.Skipped || res.Reason.Code != "keeps_changing" || res.Error != nil {
		t.Fatalf("%s %s %+v", res.Outcome, res.Reason.Code, res.Error)
	}
	r.WantStatus(id, "dirty", 0)
	if n != 4 {
		t.Errorf("%d tries", n)
	}
	if r.MemoryOf(id).Open != nil {
		t.Error("an announcement is left")
	}
	r.Espo.Faults().Clear("busy")
	r.Tick(time.Minute)
	r.UntilQuiet(id, rig.Operation{}, "after exhaustion")
	if r.EspoField(id, "phone") != "0511 4" || r.AdvoField(advo, "telGesch") != "0511 4" {
		t.Errorf("phone %v, telGesch %v", r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"))
	}
}

// TestOneWayFieldsAreRestored: the owner's value comes back, without a conflict.
func TestOneWayFieldsAreRestored(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField, `{espocrm: phone, advoware: telGesch, direction: to_advoware}`,
		`{espocrm: description, advoware: bemerkung, direction: to_espocrm}`))
	id := r.Person(map[string]any{"phone": "0511 1"})
	r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	advo := r.LinkOf(id)
	r.Tick(time.Minute)
	r.EditAdvo(advo, map[string]any{"telGesch": "falsch", "bemerkung": "aus Advoware"})
	r.EditEspo(id, map[string]any{"description": "falsch"})
	if res := r.Sync(id); res.Error != nil || res.Verdict == result.Conflict {
		t.Fatalf("%s %+v", res.Verdict, res.Error)
	}
	if r.AdvoField(advo, "telGesch") != "0511 1" || r.EspoField(id, "description") != "aus Advoware" {
		t.Errorf("telGesch %q, description %v", r.AdvoField(advo, "telGesch"), r.EspoField(id, "description"))
	}
	if len(r.Espo.Posts()) != 0 {
		t.Error("a note was sent")
	}
	r.Quiet(id)
}

// TestComputedFieldIsRestored: name belongs to Advoware's vorname and name.
func TestComputedFieldIsRestored(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"name": "Falsch"})
	if res := r.Sync(id); res.Error != nil {
		t.Fatalf("%+v", res.Error)
	}
	if got := r.EspoField(id, "name"); got != "Anna Alt" {
		t.Errorf("name %v", got)
	}
	r.Quiet(id)
}

// TestUnmappedValue: what the table does not know is a failure that names the
// field, and nothing is written.
func TestUnmappedValue(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: phone, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}`, rig.EmailField))
	id := r.Person(map[string]any{"phone": "Mr."})
	r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	advo := r.LinkOf(id)
	r.Quiet(id)
	r.Tick(time.Minute)
	r.EditAdvo(advo, map[string]any{"anrede": "Firma", "emailGesch": "neu@example.de"})
	res := r.Sync(id)
	r.WantError(res, "mapping")
	if r.EspoField(id, "phone") != "Mr." {
		t.Error("written all the same")
	}
	r.WantStatus(id, "failed", 1)
	r.EditAdvo(advo, map[string]any{"anrede": "Frau"})
	r.Tick(time.Hour)
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.Quiet(id)
}

// TestNoKindApplies is a failure that says which conditions were tried.
func TestNoKindApplies(t *testing.T) {
	yaml := strings.Replace(new(sandbox.World).Mapping(), `when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname)'}`,
		`when: {espocrm: '!blank(firmenname)', advoware: 'blank(vorname) && !blank(name)'}`, 1)
	m, err := mapping.Parse("k.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	r := rig.New(t, func(r *rig.Rig) { r.M = m })
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"vorname": "", "name": ""})
	res := r.Sync(id)
	r.WantError(res, "mapping")
	if !strings.Contains(res.Error.Message, "blank(vorname)") {
		t.Errorf("%s", res.Error.Message)
	}
	if r.EspoField(id, "lastName") != "Alt" {
		t.Error("written all the same")
	}
	r.WantStatus(id, "failed", 1)
}

// TestWithoutOptimisticConcurrency: a type without versions is read once more
// before a write that rests on an old read.
func TestWithoutOptimisticConcurrency(t *testing.T) {
	unguarded := func(r *rig.Rig) {
		r.Espo.ChangeDef(rig.Type, func(d *sandbox.EntityDef) { d.OptimisticConcurrency = false })
	}
	for n := 1; ; n++ {
		r := rig.New(t, unguarded, rig.InMemory)
		r.Oracle.Guarded = false
		id, advo := r.Linked()
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		before, at := len(r.Proc.Effects()), ""
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			r.Tick(2 * time.Second) // every effect is slow
			if e.N == before+n {
				at = e.What
				r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			}
			return simulation.Passes
		}
		r.Sync(id)
		r.Proc.Plan = nil
		if at == "" {
			break
		}
		r.Tick(time.Minute)
		r.UntilQuiet(id, rig.Operation{}, "edit before "+at)
		window := strings.HasPrefix(at, "PUT") || at == "store Commit"
		if got := r.EspoField(id, "email"); got != "espo@example.de" && !window {
			t.Errorf("edit before %s is gone: %v", at, got)
		}
		if t.Failed() {
			break
		}
	}
}

// TestWithoutMarking does the same without the status syncing.
func TestWithoutMarking(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked() // without marking nothing would tell that nobody has posted it before
	r.Cfg.MarkSyncing = false
	r.Start()
	before := len(r.Espo.Log().Entries())
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	res := r.Sync(id)
	r.Want(res, result.EspocrmNewer, result.UpdatedAdvoware)
	rig.Calls(t, res, 2, 3)
	for _, e := range r.Espo.Log().Entries()[before:] {
		if strings.Contains(e.Body, `"syncing"`) {
			t.Fatal("marked")
		}
	}
	r.Quiet(id)
}

// TestHistoryHoldsWhatWasOverwritten with values, sides and states.
func TestHistoryHoldsWhatWasOverwritten(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
	r.Want(r.Sync(id), result.Conflict, result.Merged)
	var got []string
	for _, e := range r.History() {
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
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Espo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/Note", Count: 1, Status: 500})
	res := r.Sync(id)
	r.Want(res, result.Conflict, result.UpdatedAdvoware)
	if len(res.Warnings) == 0 || len(r.MemoryOf(id).Notes) != 1 {
		t.Fatalf("not owed: %+v", res.Warnings)
	}
	r.Tick(time.Minute)
	r.Sync(id)
	r.Sync(id)
	if n := len(r.Espo.Posts()); n != 1 || len(r.MemoryOf(id).Notes) != 0 {
		t.Errorf("%d notes, %d owed", n, len(r.MemoryOf(id).Notes))
	}
	r.Quiet(id)
}

// TestChangedMapping: a base written under another mapping serves the fields
// that still mean the same.
func TestChangedMapping(t *testing.T) {
	r := rig.New(t, rig.Flat(rig.EmailField))
	id, advo := r.Linked()
	rig.Flat(rig.EmailField, rig.PhoneField)(r)
	r.Oracle.Mapping = r.M
	r.Oracle.Forget()
	r.Build()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.EspoField(id, "email"); got != "advo@example.de" {
		t.Errorf("email %v", got)
	}
	r.Quiet(id)
}

// TestTakenDecision resolves a parked conflict field by field.
func TestTakenDecision(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	r.Oracle.Forget() // the operator decides
	res := r.Sync(id, func(q *sync.Request) {
		q.Taken = map[string]record.Side{"*": record.EspoCRM, "phone~telGesch": record.Advoware}
	})
	r.Want(res, result.Conflict, result.Merged)
	if r.AdvoField(advo, "emailGesch") != "espo@example.de" || r.EspoField(id, "phone") != "0511 2" {
		t.Errorf("emailGesch %q, phone %v", r.AdvoField(advo, "emailGesch"), r.EspoField(id, "phone"))
	}
	r.Quiet(id)
}

// TestRefusedWritesAreNoPingPong (first week, 12): what did not arrive counts
// nothing, and a write of seven fields counts once for each of them.
func TestRefusedWritesAreNoPingPong(t *testing.T) {
	r := rig.New(t, rig.InMemory, func(r *rig.Rig) { r.Cfg.MaxRetries = 100 })
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": "0999", "lastName": "Neu", "firstName": "Nora", "geburtsdatum": "1980-01-01"})
	for n := range 12 {
		answer := []simulation.Fate{simulation.Answers400, simulation.Answers429, simulation.Answers503}[n%3]
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if strings.HasPrefix(e.What, "PUT /relay") {
				return answer
			}
			return simulation.Passes
		}
		if res := r.Sync(id); res.Error == nil || res.Error.Code == string(fault.PingPong) {
			t.Fatalf("%d: %+v", n, res.Error)
		}
		r.Tick(10 * time.Minute)
	}
	r.Proc.Plan = nil
	if res := r.Sync(id); res.Error != nil {
		t.Fatal(res.Error)
	}
	r.Phones(id, advo, "0999")
	// a person changes the mind about all of them, and again
	for n := range 4 {
		r.Tick(time.Minute)
		r.EditEspo(id, map[string]any{"email": []string{"a@example.de", "b@example.de"}[n%2], "phone": []string{"1", "2"}[n%2], "lastName": []string{"A", "B"}[n%2], "geburtsdatum": []string{"1980-01-02", "1980-01-03"}[n%2]})
		if res := r.Sync(id); res.Error != nil {
			t.Fatalf("%d: %+v", n, res.Error)
		}
	}
}
