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
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// TestCreateEditedAndInterruptedIsNotCreatedTwice: the final PUT of a create
// meets an edit, the new value goes to Advoware, and there the process dies at
// every moment. The announcement of that second write has to know the new record.
func TestCreateEditedAndInterruptedIsNotCreatedTwice(t *testing.T) {
	for cut := 1; ; cut++ {
		r := rig.New(t, rig.Listing, rig.InMemory)
		id := r.Person(nil)
		kill, edited := r.KillAt(cut), false
		plan := r.Proc.Plan
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if !edited && strings.HasPrefix(e.What, "GET /relay") && strings.HasSuffix(e.What, "/1") {
				edited = true
				r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			}
			return plan(e)
		}
		r.Sync(id)
		if !r.Proc.Dead() {
			t.Logf("%d cuts", cut-1)
			break
		}
		r.Tick(10 * time.Minute)
		r.Start()
		r.UntilQuiet(id, rig.Operation{}, "cut "+kill())
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 || t.Failed() {
			t.Fatalf("cut %d (%s): %d records", cut, kill(), n)
		}
	}
}

// A PUT that was to empty a field has no answer, and somebody has emptied the field in
// Advoware: that does not say that the PUT has arrived. It may still land, and replace
// what that person saved besides.
func TestAnEmptiedFieldEndsNoDoubt(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.Sync(id)
	r.Next()
	r.EditEspo(id, map[string]any{"email": nil})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate {
		r.EditAdvo(advo, map[string]any{"emailGesch": "", "telGesch": "0511 1"})
		return simulation.BreaksBefore
	})
	r.Outcome(r.Sync(id), result.Failed)
	for _, e := range r.History() {
		for _, w := range e.Writes {
			if e.Run == r.Cfg.Run && w.Side == record.Advoware && w.Before.Text() == "0511 1" {
				return
			}
		}
	}
	t.Error("the number that the PUT may replace is not in the history")
}

// TestASaveSeenAfterATimeoutIsInTheHistory: a PUT is held back until after its
// time-out, and the run sees what somebody saves meanwhile. Should the PUT land
// then, as a whole, what it replaces is in the history (seed 811 of the
// simulation); where that cannot be told, it is unknown.
func TestASaveSeenAfterATimeoutIsInTheHistory(t *testing.T) {
	for _, lands := range []bool{true, false} {
		r := rig.New(t)
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate {
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 1"})
			return simulation.BreaksBefore
		})
		r.Sync(id)
		if lands {
			if err := r.Advo.Edit(sandbox.BeteiligtePath, advo, map[string]any{"emailGesch": "espo@example.de", "telGesch": ""}); err != nil {
				t.Fatal(err)
			}
			r.Oracle.Settle()
		}
		run := r.Cfg.Run
		r.Tick(10 * time.Minute)
		r.Start()
		r.UntilQuiet(id, rig.Operation{}, fmt.Sprint("lands: ", lands))
		seen := map[string]store.WriteState{}
		for _, e := range r.History() {
			for _, w := range e.Writes {
				if e.Run == run && w.Side == record.Advoware {
					seen[w.Before.Text()] = w.State
				}
			}
		}
		want := store.WriteUnknown
		if lands {
			want = store.WriteDone
		}
		if seen["advo@example.de"] != want || seen["0511 1"] != want {
			t.Errorf("lands %v: %v", lands, seen)
		}
	}
}

// TestWrittenAgainAndThenGone: a new record is linked and written once more, the process
// dies, and the record vanishes from Advoware, with a backup for instance. What that
// write replaced is in the history (seed 7000 of the simulation).
func TestWrittenAgainAndThenGone(t *testing.T) {
	r := rig.New(t, rig.Listing)
	id := r.Person(nil)
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate { return simulation.DiesBefore }) // the link, after the mark
	r.Sync(id)
	r.Tick(10 * time.Minute)
	r.Start()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	if got := r.AdvoField(1, "emailGesch"); got != "neu@example.de" {
		t.Fatalf("set-up: emailGesch %q", got)
	}
	_ = r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, 1); return nil })
	r.Tick(10 * time.Minute)
	r.Start()
	r.WantError(r.Sync(id), "not_found")
	for _, e := range r.History() {
		for _, w := range e.Writes {
			if w.Side == record.Advoware && w.Before == record.Of("anna@example.de") {
				return
			}
		}
	}
	t.Error("what was replaced is not in the history")
}

// TestDeletedAndRestoredInTheMiddleOfACreate: the announcement outlives the record's
// absence, so that no second one is made.
func TestDeletedAndRestoredInTheMiddleOfACreate(t *testing.T) {
	for _, missing := range []string{sync.MissingKeep, sync.MissingDelete} {
		t.Run(missing, func(t *testing.T) { deletedAndRestored(t, missing) })
	}
}

func deletedAndRestored(t *testing.T, missing string) {
	t.Helper()
	r := rig.New(t, rig.Listing, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = missing })
	r.Linked() // the store is older than the record: nothing is looked up first
	id := r.Person(nil)
	r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	r.Tick(10 * time.Minute)
	r.Start()
	r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
	if err := r.Oracle.Person("admin", func() error { return r.Espo.Restore(rig.Type, id) }); err != nil {
		t.Fatal(err)
	}
	r.Tick(time.Minute)
	r.UntilQuiet(id, rig.Operation{}, "restored")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestALateWriteIsWaitedFor: until an interrupted PUT can no longer land, a pass leaves
// the record alone, and so does a sync by a clock that is far behind.
func TestALateWriteIsWaitedFor(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	r.Sync(id)
	r.Start()
	before := len(r.Advo.Log().Entries())
	for name, change := range map[string]func(*sync.Request){
		"a pass":                 func(q *sync.Request) { q.Pass = true },
		"a sync by a slow clock": func(*sync.Request) { r.Tick(-time.Minute) },
	} {
		now := r.Time
		r.WantError(r.Sync(id, change), "uncertain")
		r.Time = now
		if n := len(r.Advo.Log().Entries()) - before; n > 0 {
			t.Errorf("%s: %d requests to Advoware", name, n)
		}
	}
	if err := r.Advo.Edit(sandbox.BeteiligtePath, advo, map[string]any{"emailGesch": "neu@example.de"}); err != nil { // it lands
		t.Fatal(err)
	}
	r.Tick(r.Cfg.WriteTimeout + time.Second)
	r.Want(r.Sync(id, func(q *sync.Request) { q.Pass = true }), result.NoChange, result.Adopted)
	r.Quiet(id)
}

// TestAnEditWhileALateWriteIsWaitedFor: a PUT to EspoCRM has arrived unanswered, and
// somebody edits its field while the next sync waits for the deadline. EspoCRM's first
// read was ours; what it shows after the wait is not, and no form of what was sent.
func TestAnEditWhileALateWriteIsWaitedFor(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.Tick(r.Cfg.WriteTimeout - 10*time.Millisecond)
	r.Start()
	r.Proc.Plan = rig.On("GET /api/v1/"+rig.Type, 2, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		return simulation.Passes
	})
	r.Sync(id)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "espo@example.de" || a != e {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.Quiet(id)
}

// TestANamedSyncWaitsForALateWrite, and reads EspoCRM after it, not before.
func TestANamedSyncWaitsForALateWrite(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.Tick(r.Cfg.WriteTimeout - 10*time.Millisecond)
	r.Start()
	r.Proc.Plan = rig.On("GET /api/v1/"+rig.Type, 2, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"phone": "0511 3"})
		return simulation.Passes
	})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "0511 3" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// TestKindSwitchedAfterAnUncertainCreate is EspoCRM's edit, not a conflict.
func TestKindSwitchedAfterAnUncertainCreate(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.Policy(reconcile.AdvowareWins))
	id := r.Person(nil)
	r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.EditEspo(id, map[string]any{"firmenname": "Neu AG", "email": "neu@example.de"})
	r.Tick(10 * time.Minute)
	r.Start()
	r.UntilQuiet(id, rig.Operation{}, "kind switched")
	if r.EspoField(id, "firmenname") != "Neu AG" || r.AdvoField(1, "name") != "Neu AG" || len(r.Espo.Posts()) != 0 {
		t.Errorf("firmenname %v, name %q, posts %v", r.EspoField(id, "firmenname"), r.AdvoField(1, "name"), r.Espo.Posts())
	}
}

// TestEditedBackWhileAWriteWasInDoubt: sent, interrupted, then edited on both
// sides, in EspoCRM back to the base. That is a conflict, which EspoCRM wins.
func TestEditedBackWhileAWriteWasInDoubt(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.EditEspo(id, map[string]any{"phone": nil})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.Tick(10 * time.Minute)
	r.Start()
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// TestEditedBackBetweenRecoveryAndDecision: the same, and the edit in EspoCRM is taken
// back after recovery has read the record, and before it is marked.
func TestEditedBackBetweenRecoveryAndDecision(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"}) })
	r.Proc.Plan = rig.On("GET /relay", 1, func() simulation.Fate {
		r.EditEspo(id, map[string]any{"phone": nil})
		return simulation.Passes
	})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// TestEditedBackInAdvowareWhileAWriteWasInDoubt: both sides had an edit, EspoCRM's
// overwrote Advoware's and the process died; then somebody sets the field in
// Advoware back to what it once was. That is an edit, and nobody's to overwrite
// without a conflict.
func TestEditedBackInAdvowareWhileAWriteWasInDoubt(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo1@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo1@example.de"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.EditAdvo(advo, map[string]any{"emailGesch": "anna@example.de"})
	r.Tick(10 * time.Minute)
	r.Cfg.Policy = reconcile.Manual
	r.Start()
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	if got := r.AdvoField(advo, "emailGesch"); got != "anna@example.de" {
		t.Errorf("emailGesch %q", got)
	}
}

// TestASetBackFieldProvesNoPut: EspoCRM wins a conflict, so that its old phone
// number was to go over an edit in Advoware, beside a new e-mail address. Nothing
// arrived. Then somebody takes back the edit of the number in Advoware and changes
// the address, too: that looks as if the PUT had arrived and the address had been
// edited after it, and EspoCRM's address was overwritten without a conflict.
func TestASetBackFieldProvesNoPut(t *testing.T) {
	for name, fate := range map[string]simulation.Fate{"dies": simulation.DiesBefore, "breaks": simulation.BreaksBefore} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t)
			id := r.Person(map[string]any{"phone": "0511 1"})
			advo := *r.Sync(id).AdvowareID
			r.Tick(10 * time.Second)
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"telGesch": "0512 2"})
			r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate {
				r.EditAdvo(advo, map[string]any{"telGesch": "0511 1", "emailGesch": "advo@example.de"})
				return fate
			})
			r.Sync(id)
			r.Tick(10 * time.Minute)
			r.Start()
			r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
			if got := r.AdvoField(advo, "emailGesch"); got != "espo@example.de" {
				t.Errorf("emailGesch %q", got)
			}
			r.Quiet(id)
		})
	}
}

// TestUnreadableHistoryEndsTheAttempt: an announcement is not replaced while the
// history of its run cannot be closed.
func TestUnreadableHistoryEndsTheAttempt(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	r.EditEspo(id, map[string]any{"phone": "0511 2"})
	r.Tick(10 * time.Minute)
	r.Start()
	r.Proc.Plan = rig.On("store Entries", 1, func() simulation.Fate { return simulation.BreaksBefore })
	if res := r.Sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.Tick(10 * time.Minute)
	r.UntilQuiet(id, rig.Operation{}, "history readable again")
}

// TestUnreadableHistoryEndsTheCommand: reset --forget and link replace an announcement,
// too, and leave it where its history cannot be closed.
func TestUnreadableHistoryEndsTheCommand(t *testing.T) {
	for name, do := range map[string]func(*rig.Rig, string) result.Record{
		"reset --forget": func(r *rig.Rig, id string) result.Record {
			return r.Desk.Reset(t.Context(), desk.ResetRequest{Mapping: r.M, ID: id, Forget: true})
		},
		"link": func(r *rig.Rig, id string) result.Record {
			return r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Listing)
			id, at := r.Person(nil), "PUT /api/v1/"+rig.Type
			if name != "link" { // of a record that was linked before
				r.Sync(id)
				r.EditEspo(id, map[string]any{"phone": "0511 1"})
				r.Tick(time.Minute)
			}
			r.Proc.Plan = rig.On(at, 2, func() simulation.Fate { return simulation.DiesBefore }) // the final PUT, after the mark
			r.Sync(id)
			r.Tick(10 * time.Minute)
			r.Start()
			r.Proc.Plan = rig.On("store Entries", 1, func() simulation.Fate { return simulation.BreaksBefore })
			if res := do(r, id); res.Error == nil || res.Error.Owner != "system" || r.MemoryOf(id).Open == nil {
				t.Fatalf("%s %+v", res.Outcome, res.Error)
			}
			r.Tick(10 * time.Minute)
			r.UntilQuiet(id, rig.Operation{}, "history readable again")
		})
	}
}

// TestUnreadableHistoryEndsARecoveredUndo: an interrupted undo's put-back, too.
func TestUnreadableHistoryEndsARecoveredUndo(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Sync(id)
	run := r.Next()
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Undo(id, run)
	r.Tick(10 * time.Minute)
	r.Start()
	r.Proc.Plan = rig.On("store Entries", 1, func() simulation.Fate { return simulation.BreaksBefore })
	if res := r.Sync(id); res.Error == nil || res.Error.Owner != "system" || r.MemoryOf(id).Open == nil {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.Tick(10 * time.Minute)
	r.UntilQuiet(id, rig.Operation{}, "history readable again")
}

// TestForgottenWithAnInterruptedWrite: of a record that is deleted in EspoCRM,
// `reset --forget` drops the announcement of a dead run, too. What that run overwrote
// stays in the history, whichever of its writes it died after, and on either side
// (seed 2774 of the simulation).
func TestForgottenWithAnInterruptedWrite(t *testing.T) {
	for name, put := range map[string]string{"Advoware": "PUT /relay", "EspoCRM": "PUT /api/v1/" + rig.Type} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t)
			id, advo := r.Linked()
			if name == "Advoware" {
				r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			} else {
				r.EditAdvo(advo, map[string]any{"emailGesch": "neu@example.de"})
			}
			r.Proc.Plan = rig.On(put, 1, func() simulation.Fate { return simulation.DiesAfter })
			r.Sync(id)
			r.Start()
			if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
				t.Fatal(err)
			}
			r.Tick(10 * time.Minute)
			r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.Adopted)
			if mem := r.MemoryOf(id); mem.Open != nil || mem.Base != nil {
				t.Errorf("not forgotten: %+v", mem)
			}
			for _, e := range r.History() {
				for _, w := range e.Writes {
					if w.State == store.WritePlanned {
						t.Errorf("%s: the write of %s to %s is still planned", e.Run, w.Field, w.Side)
					}
				}
			}
			r.Sound()
		})
	}
}

// TestFinalPutOfADeadRunIsInTheHistory, also where no rowId can tell that it
// happened: EspoCRM's overwritten value is done or unknown, never "not done".
func TestFinalPutOfADeadRunIsInTheHistory(t *testing.T) {
	for n := 1; n <= 3; n++ {
		r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, n, func() simulation.Fate { return simulation.DiesAfter })
		r.Sync(id)
		r.Espo.SetField(rig.Type, id, "advowareRowId", nil) // a form that was open has written it back
		r.Tick(10 * time.Minute)
		r.Start()
		r.UntilQuiet(id, rig.Operation{}, fmt.Sprint("died after PUT ", n))
	}
}

// TestDeletedBetweenDecisionAndPut: EspoCRM's edit has won, and the record is
// deleted there before the PUT to Advoware. What was overruled is in the
// history, and a restored record is in step again (seed 724 of the simulation).
func TestDeletedBetweenDecisionAndPut(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge} {
		r := rig.New(t, rig.InMemory, func(r *rig.Rig) { r.Cfg.Policy = policy })
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.Tick(time.Second)
		deleted := false
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if !deleted && strings.HasPrefix(e.What, "GET /relay") { // EspoCRM has been read and marked
				deleted = true
				if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
					t.Fatal(err)
				}
			}
			return simulation.Passes
		}
		r.Sync(id)
		r.Proc.Plan = nil
		if got := r.AdvoField(advo, "emailGesch"); !deleted || got != "espo@example.de" {
			t.Fatalf("%s: deleted %v, Advoware holds %q", policy, deleted, got)
		}
		r.Sound()
		if err := r.Oracle.Person("admin", func() error { return r.Espo.Restore(rig.Type, id) }); err != nil {
			t.Fatal(err)
		}
		r.Tick(10 * time.Minute)
		r.UntilQuiet(id, rig.Operation{}, string(policy))
	}
}

// TestNothingStandsBetweenReadAndPut: who we are is known before Advoware is
// read, or not asked at all, where fields lack a base though nothing was ever
// synced: after an interrupted create of a record whose kind has changed since,
// at a first contact, where what agrees is a base of sorts after marking, and in
// an undo without a memory.
func TestNothingStandsBetweenReadAndPut(t *testing.T) {
	for name, prepare := range map[string]func(*rig.Rig) (id string, undo bool){
		"interrupted create, kind switched": func(r *rig.Rig) (string, bool) {
			id := r.Person(nil)
			r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate { return simulation.DiesBefore }) // the link, after the mark
			r.Sync(id)
			r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH", "email": "neu@example.de"})
			return id, false
		},
		"forgotten": func(r *rig.Rig) (string, bool) {
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			if err := r.Advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
				t.Fatal(err)
			}
			if res := r.Desk.Reset(t.Context(), desk.ResetRequest{Mapping: r.M, ID: id, Forget: true}); res.Error != nil {
				t.Fatal(res.Error)
			}
			return id, false
		},
		"undo": func(r *rig.Rig) (string, bool) {
			id, advo := r.Linked()
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			r.Sync(id)
			key := store.Key{Entity: r.M.Entity(), ID: id}
			leases, _, err := r.Store.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{Run: "x"}, time.Minute)
			if err != nil || len(leases) != 1 {
				t.Fatal(err)
			}
			if _, err := r.Store.Commit(t.Context(), store.Commit{Key: key, Lease: leases[0], Rev: r.MemoryOf(id).Rev}); err != nil { // the history stays
				t.Fatal(err)
			}
			_ = r.Store.Release(t.Context(), leases)
			if err := r.Advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
				t.Fatal(err)
			}
			return id, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Listing, rig.InMemory)
			id, undo := prepare(r)
			run := r.Cfg.Run
			r.Tick(10 * time.Minute)
			r.Start()
			if undo {
				r.Undo(id, run)
			} else {
				r.Sync(id)
			}
			r.ReadsBeforePuts()
			r.UntilQuiet(id, rig.Operation{}, name)
		})
	}
}

// interruptedCreates are records whose POST was carried out and never answered.
func interruptedCreates(t *testing.T, r *rig.Rig, names ...string) (ids []string) {
	t.Helper()
	for _, name := range names {
		ids = append(ids, r.Person(map[string]any{"name": "Anna " + name, "lastName": name, "email": name + "@example.de"}))
	}
	for _, id := range ids {
		r.Start()
		r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
		r.Sync(id)
		if !r.Proc.Dead() {
			t.Fatal("no POST was sent")
		}
	}
	r.Tick(10 * time.Minute)
	r.Start()
	return ids
}

// TestInterruptedCreatesFindTheirOwn: a pass that dies leaves several creates
// without an answer. What one of them posted is no candidate for another.
func TestInterruptedCreatesFindTheirOwn(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.InMemory)
	ids := interruptedCreates(t, r, "Eins", "Zwei", "Drei")
	for _, id := range ids {
		if res := r.Sync(id); res.Error != nil {
			t.Errorf("%s: %+v", id, res.Error)
		}
	}
	for _, id := range ids {
		if got, want := r.AdvoField(r.LinkOf(id), "name"), r.EspoField(id, "lastName"); got != want {
			t.Errorf("%v is linked to %s", want, got)
		}
		r.Tick(time.Minute)
		r.Quiet(id)
	}
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != len(ids) {
		t.Errorf("%d records in Advoware, want %d", n, len(ids))
	}
}

// TestInterruptedCreateOfAnother: of two creates one never arrived; the other's
// record is not taken for it.
func TestInterruptedCreateOfAnother(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.InMemory)
	ids := interruptedCreates(t, r, "Eins", "Zwei")
	r.Advo.Delete(sandbox.BeteiligtePath, 1) // as if it had never arrived
	r.Oracle.Forget()
	for _, id := range ids {
		if res := r.Sync(id); res.Error != nil {
			t.Errorf("%s: %+v", id, res.Error)
		}
	}
	for _, id := range ids {
		r.Tick(time.Minute)
		r.Quiet(id)
	}
}

// TestInterruptedCreatesOfTwins: records that look the same cannot be told
// apart; a person has to.
func TestInterruptedCreatesOfTwins(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.InMemory)
	ids := interruptedCreates(t, r, "Eins", "Eins")
	for _, id := range ids {
		if res := r.Sync(id); res.Error == nil || res.Error.Code != string(fault.CreateDoubt) {
			t.Errorf("%s: %s %+v", id, res.Outcome, res.Error)
		}
	}
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware, want 2", n)
	}
}

// createGone is a create that died after the POST, whose record somebody has
// deleted in Advoware before the next sync.
func createGone(r *rig.Rig, id string, advo int64) {
	r.T.Helper()
	r.Proc.Plan = rig.On("GET /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	if r.M.List() != nil { // it looks for the highest id first
		r.Proc.Plan = rig.On("GET /relay", 2, func() simulation.Fate { return simulation.DiesBefore })
	}
	r.Sync(id)
	if in := r.MemoryOf(id).Open; in == nil || in.AdvowareID != advo {
		r.T.Fatalf("the announcement: %+v", in)
	}
	if err := r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, advo); return nil }); err != nil {
		r.T.Fatal(err)
	}
	r.Tick(10 * time.Minute)
	r.Start()
}

// TestCreateAnywayAfterTheNewRecordIsGone: what an interrupted create made, and
// knows by its id, is deleted. The message asks for link or --create-anyway, and
// the latter has to end it.
func TestCreateAnywayAfterTheNewRecordIsGone(t *testing.T) {
	for _, other := range []bool{false, true} { // no list; or a list with another candidate
		r := rig.New(t)
		if other {
			rig.Listing(r)
		}
		r.Linked()
		id := r.Person(map[string]any{"lastName": "Neu"})
		createGone(r, id, 2)
		if other {
			_ = r.Oracle.Person("bert", func() error {
				r.Oracle.Loose(r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Berg","vorname":"Anna"}`)))
				return nil
			})
		}
		if res := r.Sync(id); res.Error == nil || res.Error.Code != string(fault.CreateDoubt) {
			t.Fatalf("%+v", res)
		}
		r.Tick(time.Minute)
		r.Want(r.Sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
		r.Tick(time.Minute)
		r.Quiet(id)
	}
}

// TestCreateAnywayOverARecordThatIsAnothers: the number that an interrupted create knows
// shows another client by now. A person is asked, and what he says ends it.
func TestCreateAnywayOverARecordThatIsAnothers(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	r.Dies(id, "GET /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(1, map[string]any{"name": "Berg", "geburtsdatum": "1950-01-01"})
		r.Oracle.Loose(1)
	})
	for range 2 {
		if res := r.Sync(id); res.Error == nil || res.Error.Code != string(fault.CreateDoubt) {
			t.Fatalf("%+v", res)
		}
		r.Tick(time.Minute)
	}
	r.Want(r.Sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
	r.Tick(time.Minute)
	r.Quiet(id)
}

// TestRecreateIsOffWhenTheRecordCameBack: a record that is gone from Advoware is
// created anew, the run dies, and a backup brings the old one back and takes the
// new one away. The old link holds; a second record would be a duplicate.
func TestRecreateIsOffWhenTheRecordCameBack(t *testing.T) {
	r := rig.New(t, rig.Listing, func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingRecreate })
	id, advo := r.Linked()
	var raw []byte
	for _, b := range r.Advo.All(sandbox.BeteiligtePath) {
		raw = b
	}
	_ = r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, advo); return nil })
	r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.Sync(id)
	_ = r.Oracle.Person("the backup", func() error {
		r.Advo.Delete(sandbox.BeteiligtePath, 2)
		r.Advo.Restore(sandbox.BeteiligtePath, advo, raw)
		return nil
	})
	r.EditAdvo(advo, map[string]any{"telGesch": "0512"})
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Tick(10 * time.Minute)
	r.Start()
	r.UntilQuiet(id, rig.Operation{}, "came back")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 || r.AdvoField(advo, "emailGesch") != "neu@example.de" {
		t.Errorf("%d records, email %q", n, r.AdvoField(advo, "emailGesch"))
	}
}

// TestRecreateLooksOnceMore: a record is gone from Advoware when it is read, and a
// backup has brought it back before the new one is made.
func TestRecreateLooksOnceMore(t *testing.T) {
	r := rig.New(t, rig.Listing, func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingRecreate })
	id, advo := r.Linked()
	raw, _ := r.Advo.Get(sandbox.BeteiligtePath, advo)
	_ = r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, advo); return nil })
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate { // the mark for the create, after that for the update
		_ = r.Oracle.Person("the backup", func() error { r.Advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
		return simulation.Passes
	})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 || r.AdvoField(advo, "emailGesch") != "neu@example.de" {
		t.Errorf("%d records, email %q", n, r.AdvoField(advo, "emailGesch"))
	}
	r.Quiet(id)
}

// The final PUT arrives, its answer gets lost, and the record is deleted in EspoCRM.
// It would be deleted in Advoware, too, but there is an edit there; restored, it has
// to be told from what the PUT brought.
func TestInterruptedWriteOfADeletedRecordIsKeptWithAnEdit(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Dies(id, "PUT /api/v1", 1, simulation.DiesAfter, func() {
		if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
			t.Fatal(err)
		}
	})
	if got := r.EspoField(id, "phone"); got != "0511 1" {
		t.Fatalf("set-up: phone %v", got)
	}
	r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Restore(rig.Type, id) }); err != nil {
		t.Fatal(err)
	}
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.EspoField(id, "phone"); got != "0511 2" {
		t.Errorf("phone %v", got)
	}
	r.Quiet(id)
}

// The same where the PUT to Advoware is interrupted: nothing tells an edit of that very
// field from what Advoware has made of the value. It is a conflict, and told.
func TestInterruptedPutOfADeletedRecordIsKeptWithAnEdit(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1", "email": "espo@example.de"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
		_ = r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") })
	})
	res := r.Sync(id)
	r.Want(res, result.MissingInEspocrm, result.Skipped)
	if !strings.Contains(res.Reason.Text, "An interrupted write is kept in mind") || r.MemoryOf(id).Open == nil {
		t.Errorf("what tells the PUT from the edit is dropped: %s", res.Reason.Text)
	}
	_ = r.Oracle.Person("anna", func() error { return r.Espo.Restore(rig.Type, id) })
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	r.Phones(id, advo, "0511 1")
	r.Overruled("phone", "0511 2")
	r.Quiet(id)
}

// TestFinalPutOfARecordGoneOnBothSidesIsKept: the final PUT arrives, its answer gets
// lost, and the record is deleted on both sides. Both come back, Advoware's from a
// backup that is older than the PUT: what the PUT brought is not somebody's edit,
// and must not win a conflict with one.
func TestFinalPutOfARecordGoneOnBothSidesIsKept(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.EspoCRMWins), func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.Linked()
	raw := r.Advo.All(sandbox.BeteiligtePath)[0]
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Dies(id, "PUT /api/v1", 1, simulation.DiesAfter, func() {
		_ = r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, advo); return nil })
		_ = r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") })
	})
	r.Want(r.Sync(id), result.MissingInEspocrm, result.Skipped)
	_ = r.Oracle.Person("the backup", func() error { r.Advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	_ = r.Oracle.Person("anna", func() error { return r.Espo.Restore(rig.Type, id) })
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.EspoField(id, "email"); got != "advo@example.de" {
		t.Errorf("email %v", got)
	}
	r.Quiet(id)
}

// TestARestoredRecordProvesNoPut: a first contact dies before its PUT, and a backup
// brings Advoware's record back to what was in step: in a field that nobody had edited
// in EspoCRM that is the value that was to be sent. The rowId tells it from a PUT that
// arrived.
func TestARestoredRecordProvesNoPut(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Sync(id)
	raw, _ := r.Advo.Get(sandbox.BeteiligtePath, advo)
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2", "emailGesch": "advo@example.de"})
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		_ = r.Oracle.Person("the backup", func() error { r.Advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
	})
	r.Sync(id)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "neu@example.de" || a != e {
		t.Errorf("email %v, emailGesch %v", e, a)
	}
	r.Quiet(id)
}

// An unlink is cut off, and the record comes back in Advoware with an edit: while
// the link stands, so does the base, by which two disjoint edits both survive.
func TestInterruptedUnlinkKeepsTheBase(t *testing.T) {
	for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter} {
		r := rig.New(t, rig.Policy(reconcile.Merge), func(r *rig.Rig) { r.Cfg.OnMissingInAdvoware = sync.MissingUnlink })
		r.Linked() // the store is older than the record: nothing is looked up first
		id, advo := r.Linked()
		raw, _ := r.Advo.Get(sandbox.BeteiligtePath, advo)
		_ = r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, advo); return nil })
		r.Dies(id, "PUT /api/v1", 1, how, nil)
		_ = r.Oracle.Person("bert", func() error { r.Advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
		r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		if how == simulation.DiesAfter { // unlinked, and the record is there again: a person is asked
			r.WantError(r.Sync(id), "uncertain_create")
			continue
		}
		r.Want(r.Sync(id), result.Conflict, result.Merged)
		if e, p := r.AdvoField(advo, "emailGesch"), r.EspoField(id, "phone"); e != "neu@example.de" || p != "0511 1" {
			t.Errorf("emailGesch %q, phone %v", e, p)
		}
		r.Quiet(id)
	}
}

// Somebody replaces the link by hand: what is remembered is of another record, and
// no base for this one.
func TestABaseOfAnotherLinkIsNone(t *testing.T) {
	for _, unseen := range []bool{false, true} {
		baseOfAnotherLink(t, unseen)
	}
}

// unseen: as a restored backup does it, so that the stamps do not show it.
func baseOfAnotherLink(t *testing.T, unseen bool) {
	t.Helper()
	r := rig.New(t)
	id, advo := r.Linked()
	other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"andere@example.de"}`))
	r.Loose = map[string]bool{fmt.Sprintf("Advoware %d is linked to nothing", advo): true}
	if unseen {
		r.Espo.SetField(rig.Type, id, "advowareId", other)
		r.Oracle.Forget()
	} else {
		r.EditEspo(id, map[string]any{"advowareId": other})
	}
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.EspoField(id, "email"), r.AdvoField(other, "emailGesch"); e != "anna@example.de" || a != "anna@example.de" {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.Quiet(id)
}

// A PUT arrives, the run dies, and the record is deleted in Advoware before anybody
// could tell. When it is back there, its value is the tool's own, and no edit that
// could win over EspoCRM's next one (seed 17220 of the simulation).
func TestInterruptedWriteToARecordThatComesBack(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	raw, _ := r.Advo.Get(sandbox.BeteiligtePath, advo)
	_ = r.Oracle.Person("bert", func() error { r.Advo.Delete(sandbox.BeteiligtePath, advo); return nil })
	r.EditEspo(id, map[string]any{"phone": "0511 2"})
	for range 2 {
		r.Want(r.Sync(id), result.MissingInAdvoware, result.Failed)
	}
	_ = r.Oracle.Person("bert", func() error { r.Advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "telGesch"); got != "0511 2" {
		t.Errorf("telGesch %q", got)
	}
	r.Quiet(id)
}

// An interrupted PUT is proven by a field that never had a base (the company's name),
// which may be a coincidence, so that another field counts as changed on both sides:
// also where it was set back in EspoCRM since.
func TestEditedBackBesideAWeakProof(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Sync(id)
	r.Next()
	r.EditEspo(id, map[string]any{"firmenname": "Neu AG", "phone": "0511 2"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.EditAdvo(advo, map[string]any{"telGesch": "0512 3"})
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
	})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	r.Phones(id, advo, "0511 1")
	r.Quiet(id)
}

// A backup brings the Advoware record back in the middle of a sync, with the rowId that
// EspoCRM carries already: the final PUT shows no new one. That it happened is told by
// the values that stand there, so a value that is set back in EspoCRM afterwards is an edit.
func TestFinalPutIsKnownByItsValues(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.Sync(id)
	r.Next()
	old, _ := r.Advo.Get(sandbox.BeteiligtePath, advo)
	old, err := sjson.SetBytes(old, "telGesch", "0512 9") // saved without a new rowId, as only a database is
	if err != nil {
		t.Fatal(err)
	}
	r.EditEspo(id, map[string]any{"phone": "0511 2"})
	r.Decided(func() {
		r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, After: func(*http.Request) { r.Advo.Restore(sandbox.BeteiligtePath, advo, old) }})
		r.Dies(id, "PUT /api/v1/"+rig.Type, 2, simulation.DiesAfter, nil)
	})
	if got := r.EspoField(id, "phone"); got != "0512 9" {
		t.Fatalf("set-up: phone %v", got)
	}
	r.EditAdvo(advo, map[string]any{"telGesch": "0512 7"})
	r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.Phones(id, advo, "0512 7")
	r.Quiet(id)
}

// Syncs of one second leave lastSync as it is: that the final PUT happened is told by
// the rowId that it brought.
func TestFinalPutIsKnownByItsRowID(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	save := func(phone string) {
		if err := r.Advo.Edit(sandbox.BeteiligtePath, advo, map[string]any{"telGesch": phone}); err != nil {
			t.Fatal(err)
		}
	}
	r.Decided(func() {
		for _, phone := range []string{"0511 1", "0511 2"} {
			save(phone)
			r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		}
		before := r.EspoField(id, "advowareLastSync")
		save("0511 3")
		r.Dies(id, "PUT /api/v1/"+rig.Type, 1, simulation.DiesAfter, nil)
		if after := r.EspoField(id, "advowareLastSync"); after != before {
			t.Fatalf("set-up: lastSync %v, before %v", after, before)
		}
	})
	r.EditEspo(id, map[string]any{"phone": "0511 2"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 4"})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	r.Phones(id, advo, "0511 2")
	r.Quiet(id)
}

// TestAClockThatWasAhead (first week, 11): an interrupted write that a clock has
// dated far ahead is waited for no longer than any other, and then recovered.
func TestAClockThatWasAhead(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Hour, 365 * 24 * time.Hour} {
		r := rig.New(t, rig.InMemory, func(r *rig.Rig) { r.Cfg.LateWrite = 2 * time.Minute })
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"phone": "0999"})
		right := r.Time
		r.Tick(ahead)
		r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, nil)
		r.Time = right.Add(time.Second)
		pass := func(q *sync.Request) { q.Pass = true }
		if res := r.Sync(id, pass); res.Outcome != result.Skipped {
			t.Errorf("%s: %s %+v", ahead, res.Outcome, res.Error)
		}
		r.Tick(r.Cfg.WriteTimeout + r.Cfg.LateWrite)
		if res := r.Sync(id, pass); res.Error != nil || res.Outcome != result.UpdatedAdvoware {
			t.Errorf("%s: %s %+v", ahead, res.Outcome, res.Error)
		}
		r.Phones(id, advo, "0999")
	}
}

// TestHistoryOutlivesAClockThatIsAhead (first week, 11): what is deleted does not
// come back, so EspoCRM's clock has a say.
func TestHistoryOutlivesAClockThatIsAhead(t *testing.T) {
	r := rig.New(t, rig.InMemory)
	id, _ := r.Linked()
	before := len(r.History())
	r.Sync(id) // EspoCRM has told its time
	right := r.Time
	r.Tick(365 * 24 * time.Hour)
	if n, err := r.Desk.PruneHistory(context.Background(), 24*time.Hour); n != 0 || err != nil || len(r.History()) != before {
		t.Errorf("%d entries were deleted: %v", n, err)
	}
	r.Time = right
}
