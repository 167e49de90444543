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
	"advosync/internal/test/simulation"
)

// on calls do before the n-th effect of that kind.
func on(what string, n int, do func() simulation.Fate) func(simulation.Effect) simulation.Fate {
	seen := 0
	return func(e simulation.Effect) simulation.Fate {
		if strings.HasPrefix(e.What, what) {
			if seen++; seen == n {
				return do()
			}
		}
		return simulation.Passes
	}
}

// TestCreateEditedAndInterruptedIsNotCreatedTwice: the final PUT of a create
// meets an edit, the new value goes to Advoware, and there the process dies at
// every moment. The announcement of that second write has to know the new record.
func TestCreateEditedAndInterruptedIsNotCreatedTwice(t *testing.T) {
	for cut := 1; ; cut++ {
		r := newRig(t, listing, inMemory)
		id := r.person(nil)
		kill, edited := r.killAt(cut), false
		plan := r.proc.Plan
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if !edited && strings.HasPrefix(e.What, "GET /relay") && strings.HasSuffix(e.What, "/1") {
				edited = true
				r.editEspo(id, map[string]any{"email": "neu@example.de"})
			}
			return plan(e)
		}
		r.sync(id)
		if !r.proc.Dead() {
			t.Logf("%d cuts", cut-1)
			break
		}
		r.tick(10 * time.Minute)
		r.start()
		r.untilQuiet(id, operation{}, "cut "+kill())
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 || t.Failed() {
			t.Fatalf("cut %d (%s): %d records", cut, kill(), n)
		}
	}
}

// A PUT that was to empty a field has no answer, and somebody has emptied the field in
// Advoware: that does not say that the PUT has arrived. It may still land, and replace
// what that person saved besides.
func TestAnEmptiedFieldEndsNoDoubt(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.sync(id)
	r.next()
	r.editEspo(id, map[string]any{"email": nil})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
		r.editAdvo(advo, map[string]any{"emailGesch": "", "telGesch": "0511 1"})
		return simulation.BreaksBefore
	})
	r.outcome(r.sync(id), result.Failed)
	for _, e := range r.history() {
		for _, w := range e.Writes {
			if e.Run == r.cfg.Run && w.Side == record.Advoware && w.Before.Text() == "0511 1" {
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
		r := newRig(t)
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 1"})
			return simulation.BreaksBefore
		})
		r.sync(id)
		if lands {
			if err := r.advo.Edit(sandbox.BeteiligtePath, advo, map[string]any{"emailGesch": "espo@example.de", "telGesch": ""}); err != nil {
				t.Fatal(err)
			}
			r.o.Settle()
		}
		run := r.cfg.Run
		r.tick(10 * time.Minute)
		r.start()
		r.untilQuiet(id, operation{}, fmt.Sprint("lands: ", lands))
		seen := map[string]store.WriteState{}
		for _, e := range r.history() {
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
	r := newRig(t, listing)
	id := r.person(nil)
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { return simulation.DiesBefore }) // the link, after the mark
	r.sync(id)
	r.tick(10 * time.Minute)
	r.start()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	if got := r.advoField(1, "emailGesch"); got != "neu@example.de" {
		t.Fatalf("set-up: emailGesch %q", got)
	}
	_ = r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, 1); return nil })
	r.tick(10 * time.Minute)
	r.start()
	r.wantError(r.sync(id), "not_found")
	for _, e := range r.history() {
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
	r := newRig(t, listing, func(r *rig) { r.cfg.OnMissingInEspocrm = missing })
	r.linked() // the store is older than the record: nothing is looked up first
	id := r.person(nil)
	r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	r.tick(10 * time.Minute)
	r.start()
	r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
	if err := r.o.Person("admin", func() error { return r.espo.Restore(ct, id) }); err != nil {
		t.Fatal(err)
	}
	r.tick(time.Minute)
	r.untilQuiet(id, operation{}, "restored")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestALateWriteIsWaitedFor: until an interrupted PUT can no longer land, a pass leaves
// the record alone, and so does a sync by a clock that is far behind.
func TestALateWriteIsWaitedFor(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	r.sync(id)
	r.start()
	before := len(r.advo.Log().Entries())
	for name, change := range map[string]func(*sync.Request){
		"a pass":                 func(q *sync.Request) { q.Pass = true },
		"a sync by a slow clock": func(*sync.Request) { r.tick(-time.Minute) },
	} {
		now := r.now
		r.wantError(r.sync(id, change), "uncertain")
		r.now = now
		if n := len(r.advo.Log().Entries()) - before; n > 0 {
			t.Errorf("%s: %d requests to Advoware", name, n)
		}
	}
	if err := r.advo.Edit(sandbox.BeteiligtePath, advo, map[string]any{"emailGesch": "neu@example.de"}); err != nil { // it lands
		t.Fatal(err)
	}
	r.tick(r.cfg.WriteTimeout + time.Second)
	r.want(r.sync(id, func(q *sync.Request) { q.Pass = true }), result.NoChange, result.Adopted)
	r.quiet(id)
}

// TestAnEditWhileALateWriteIsWaitedFor: a PUT to EspoCRM has arrived unanswered, and
// somebody edits its field while the next sync waits for the deadline. EspoCRM's first
// read was ours; what it shows after the wait is not, and no form of what was sent.
func TestAnEditWhileALateWriteIsWaitedFor(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.tick(r.cfg.WriteTimeout - 10*time.Millisecond)
	r.start()
	r.proc.Plan = on("GET /api/v1/"+ct, 2, func() simulation.Fate {
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		return simulation.Passes
	})
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "espo@example.de" || a != e {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.quiet(id)
}

// TestANamedSyncWaitsForALateWrite, and reads EspoCRM after it, not before.
func TestANamedSyncWaitsForALateWrite(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.tick(r.cfg.WriteTimeout - 10*time.Millisecond)
	r.start()
	r.proc.Plan = on("GET /api/v1/"+ct, 2, func() simulation.Fate {
		r.editEspo(id, map[string]any{"phone": "0511 3"})
		return simulation.Passes
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "0511 3" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestKindSwitchedAfterAnUncertainCreate is EspoCRM's edit, not a conflict.
func TestKindSwitchedAfterAnUncertainCreate(t *testing.T) {
	r := newRig(t, listing, policy(reconcile.AdvowareWins))
	id := r.person(nil)
	r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.editEspo(id, map[string]any{"firmenname": "Neu AG", "email": "neu@example.de"})
	r.tick(10 * time.Minute)
	r.start()
	r.untilQuiet(id, operation{}, "kind switched")
	if r.espoField(id, "firmenname") != "Neu AG" || r.advoField(1, "name") != "Neu AG" || len(r.espo.Posts()) != 0 {
		t.Errorf("firmenname %v, name %q, posts %v", r.espoField(id, "firmenname"), r.advoField(1, "name"), r.espo.Posts())
	}
}

// TestEditedBackWhileAWriteWasInDoubt: sent, interrupted, then edited on both
// sides, in EspoCRM back to the base. That is a conflict, which EspoCRM wins.
func TestEditedBackWhileAWriteWasInDoubt(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.editEspo(id, map[string]any{"phone": nil})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.tick(10 * time.Minute)
	r.start()
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestEditedBackBetweenRecoveryAndDecision: the same, and the edit in EspoCRM is taken
// back after recovery has read the record, and before it is marked.
func TestEditedBackBetweenRecoveryAndDecision(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() { r.editAdvo(advo, map[string]any{"telGesch": "0511 2"}) })
	r.proc.Plan = on("GET /relay", 1, func() simulation.Fate {
		r.editEspo(id, map[string]any{"phone": nil})
		return simulation.Passes
	})
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// TestEditedBackInAdvowareWhileAWriteWasInDoubt: both sides had an edit, EspoCRM's
// overwrote Advoware's and the process died; then somebody sets the field in
// Advoware back to what it once was. That is an edit, and nobody's to overwrite
// without a conflict.
func TestEditedBackInAdvowareWhileAWriteWasInDoubt(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo1@example.de"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo1@example.de"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.editAdvo(advo, map[string]any{"emailGesch": "anna@example.de"})
	r.tick(10 * time.Minute)
	r.cfg.Policy = reconcile.Manual
	r.start()
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	if got := r.advoField(advo, "emailGesch"); got != "anna@example.de" {
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
			r := newRig(t)
			id := r.person(map[string]any{"phone": "0511 1"})
			advo := *r.sync(id).AdvowareID
			r.tick(10 * time.Second)
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"telGesch": "0512 2"})
			r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
				r.editAdvo(advo, map[string]any{"telGesch": "0511 1", "emailGesch": "advo@example.de"})
				return fate
			})
			r.sync(id)
			r.tick(10 * time.Minute)
			r.start()
			r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
			if got := r.advoField(advo, "emailGesch"); got != "espo@example.de" {
				t.Errorf("emailGesch %q", got)
			}
			r.quiet(id)
		})
	}
}

// TestUnreadableHistoryEndsTheAttempt: an announcement is not replaced while the
// history of its run cannot be closed.
func TestUnreadableHistoryEndsTheAttempt(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	r.editEspo(id, map[string]any{"phone": "0511 2"})
	r.tick(10 * time.Minute)
	r.start()
	r.proc.Plan = on("store Entries", 1, func() simulation.Fate { return simulation.BreaksBefore })
	if res := r.sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.tick(10 * time.Minute)
	r.untilQuiet(id, operation{}, "history readable again")
}

// TestUnreadableHistoryEndsTheCommand: reset --forget and link replace an announcement,
// too, and leave it where its history cannot be closed.
func TestUnreadableHistoryEndsTheCommand(t *testing.T) {
	for name, do := range map[string]func(*rig, string) result.Record{
		"reset --forget": func(r *rig, id string) result.Record {
			return r.desk.Reset(t.Context(), desk.ResetRequest{Mapping: r.m, ID: id, Forget: true})
		},
		"link": func(r *rig, id string) result.Record {
			return r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, listing)
			id, at := r.person(nil), "PUT /api/v1/"+ct
			if name != "link" { // of a record that was linked before
				r.sync(id)
				r.editEspo(id, map[string]any{"phone": "0511 1"})
				r.tick(time.Minute)
			}
			r.proc.Plan = on(at, 2, func() simulation.Fate { return simulation.DiesBefore }) // the final PUT, after the mark
			r.sync(id)
			r.tick(10 * time.Minute)
			r.start()
			r.proc.Plan = on("store Entries", 1, func() simulation.Fate { return simulation.BreaksBefore })
			if res := do(r, id); res.Error == nil || res.Error.Owner != "system" || r.memoryOf(id).Open == nil {
				t.Fatalf("%s %+v", res.Outcome, res.Error)
			}
			r.tick(10 * time.Minute)
			r.untilQuiet(id, operation{}, "history readable again")
		})
	}
}

// TestUnreadableHistoryEndsARecoveredUndo: an interrupted undo's put-back, too.
func TestUnreadableHistoryEndsARecoveredUndo(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.sync(id)
	run := r.next()
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.undo(id, run)
	r.tick(10 * time.Minute)
	r.start()
	r.proc.Plan = on("store Entries", 1, func() simulation.Fate { return simulation.BreaksBefore })
	if res := r.sync(id); res.Error == nil || res.Error.Owner != "system" || r.memoryOf(id).Open == nil {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.tick(10 * time.Minute)
	r.untilQuiet(id, operation{}, "history readable again")
}

// TestForgottenWithAnInterruptedWrite: of a record that is deleted in EspoCRM,
// `reset --forget` drops the announcement of a dead run, too. What that run overwrote
// stays in the history, whichever of its writes it died after, and on either side
// (seed 2774 of the simulation).
func TestForgottenWithAnInterruptedWrite(t *testing.T) {
	for name, put := range map[string]string{"Advoware": "PUT /relay", "EspoCRM": "PUT /api/v1/" + ct} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id, advo := r.linked()
			if name == "Advoware" {
				r.editEspo(id, map[string]any{"email": "neu@example.de"})
			} else {
				r.editAdvo(advo, map[string]any{"emailGesch": "neu@example.de"})
			}
			r.proc.Plan = on(put, 1, func() simulation.Fate { return simulation.DiesAfter })
			r.sync(id)
			r.start()
			if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
				t.Fatal(err)
			}
			r.tick(10 * time.Minute)
			r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.Adopted)
			if mem := r.memoryOf(id); mem.Open != nil || mem.Base != nil {
				t.Errorf("not forgotten: %+v", mem)
			}
			for _, e := range r.history() {
				for _, w := range e.Writes {
					if w.State == store.WritePlanned {
						t.Errorf("%s: the write of %s to %s is still planned", e.Run, w.Field, w.Side)
					}
				}
			}
			r.sound()
		})
	}
}

// TestFinalPutOfADeadRunIsInTheHistory, also where no rowId can tell that it
// happened: EspoCRM's overwritten value is done or unknown, never "not done".
func TestFinalPutOfADeadRunIsInTheHistory(t *testing.T) {
	for n := 1; n <= 3; n++ {
		r := newRig(t, policy(reconcile.AdvowareWins))
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.proc.Plan = on("PUT /api/v1/"+ct, n, func() simulation.Fate { return simulation.DiesAfter })
		r.sync(id)
		r.espo.SetField(ct, id, "advowareRowId", nil) // a form that was open has written it back
		r.tick(10 * time.Minute)
		r.start()
		r.untilQuiet(id, operation{}, fmt.Sprint("died after PUT ", n))
	}
}

// TestDeletedBetweenDecisionAndPut: EspoCRM's edit has won, and the record is
// deleted there before the PUT to Advoware. What was overruled is in the
// history, and a restored record is in step again (seed 724 of the simulation).
func TestDeletedBetweenDecisionAndPut(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge} {
		r := newRig(t, inMemory, func(r *rig) { r.cfg.Policy = policy })
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.tick(time.Second)
		deleted := false
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if !deleted && strings.HasPrefix(e.What, "GET /relay") { // EspoCRM has been read and marked
				deleted = true
				if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
					t.Fatal(err)
				}
			}
			return simulation.Passes
		}
		r.sync(id)
		r.proc.Plan = nil
		if got := r.advoField(advo, "emailGesch"); !deleted || got != "espo@example.de" {
			t.Fatalf("%s: deleted %v, Advoware holds %q", policy, deleted, got)
		}
		r.sound()
		if err := r.o.Person("admin", func() error { return r.espo.Restore(ct, id) }); err != nil {
			t.Fatal(err)
		}
		r.tick(10 * time.Minute)
		r.untilQuiet(id, operation{}, string(policy))
	}
}

// TestNothingStandsBetweenReadAndPut: who we are is known before Advoware is
// read, or not asked at all, where fields lack a base though nothing was ever
// synced: after an interrupted create of a record whose kind has changed since,
// at a first contact, where what agrees is a base of sorts after marking, and in
// an undo without a memory.
func TestNothingStandsBetweenReadAndPut(t *testing.T) {
	for name, prepare := range map[string]func(*rig) (id string, undo bool){
		"interrupted create, kind switched": func(r *rig) (string, bool) {
			id := r.person(nil)
			r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { return simulation.DiesBefore }) // the link, after the mark
			r.sync(id)
			r.editEspo(id, map[string]any{"firmenname": "Alt GmbH", "email": "neu@example.de"})
			return id, false
		},
		"forgotten": func(r *rig) (string, bool) {
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			if err := r.advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
				t.Fatal(err)
			}
			if res := r.desk.Reset(t.Context(), desk.ResetRequest{Mapping: r.m, ID: id, Forget: true}); res.Error != nil {
				t.Fatal(res.Error)
			}
			return id, false
		},
		"undo": func(r *rig) (string, bool) {
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			r.sync(id)
			key := store.Key{Entity: r.m.Entity(), ID: id}
			leases, _, err := r.store.Acquire(t.Context(), []string{key.LockKey()}, store.Owner{Run: "x"}, time.Minute)
			if err != nil || len(leases) != 1 {
				t.Fatal(err)
			}
			if _, err := r.store.Commit(t.Context(), store.Commit{Key: key, Lease: leases[0], Rev: r.memoryOf(id).Rev}); err != nil { // the history stays
				t.Fatal(err)
			}
			_ = r.store.Release(t.Context(), leases)
			if err := r.advo.Resave(sandbox.BeteiligtePath, advo); err != nil {
				t.Fatal(err)
			}
			return id, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, listing, inMemory)
			id, undo := prepare(r)
			run := r.cfg.Run
			r.tick(10 * time.Minute)
			r.start()
			if undo {
				r.undo(id, run)
			} else {
				r.sync(id)
			}
			r.readsBeforePuts()
			r.untilQuiet(id, operation{}, name)
		})
	}
}

// interruptedCreates are records whose POST was carried out and never answered.
func interruptedCreates(t *testing.T, r *rig, names ...string) (ids []string) {
	t.Helper()
	for _, name := range names {
		ids = append(ids, r.person(map[string]any{"name": "Anna " + name, "lastName": name, "email": name + "@example.de"}))
	}
	for _, id := range ids {
		r.start()
		r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
		r.sync(id)
		if !r.proc.Dead() {
			t.Fatal("no POST was sent")
		}
	}
	r.tick(10 * time.Minute)
	r.start()
	return ids
}

// TestInterruptedCreatesFindTheirOwn: a pass that dies leaves several creates
// without an answer. What one of them posted is no candidate for another.
func TestInterruptedCreatesFindTheirOwn(t *testing.T) {
	r := newRig(t, listing, inMemory)
	ids := interruptedCreates(t, r, "Eins", "Zwei", "Drei")
	for _, id := range ids {
		if res := r.sync(id); res.Error != nil {
			t.Errorf("%s: %+v", id, res.Error)
		}
	}
	for _, id := range ids {
		if got, want := r.advoField(r.linkOf(id), "name"), r.espoField(id, "lastName"); got != want {
			t.Errorf("%v is linked to %s", want, got)
		}
		r.tick(time.Minute)
		r.quiet(id)
	}
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != len(ids) {
		t.Errorf("%d records in Advoware, want %d", n, len(ids))
	}
}

// TestInterruptedCreateOfAnother: of two creates one never arrived; the other's
// record is not taken for it.
func TestInterruptedCreateOfAnother(t *testing.T) {
	r := newRig(t, listing, inMemory)
	ids := interruptedCreates(t, r, "Eins", "Zwei")
	r.advo.Delete(sandbox.BeteiligtePath, 1) // as if it had never arrived
	r.o.Forget()
	for _, id := range ids {
		if res := r.sync(id); res.Error != nil {
			t.Errorf("%s: %+v", id, res.Error)
		}
	}
	for _, id := range ids {
		r.tick(time.Minute)
		r.quiet(id)
	}
}

// TestInterruptedCreatesOfTwins: records that look the same cannot be told
// apart; a person has to.
func TestInterruptedCreatesOfTwins(t *testing.T) {
	r := newRig(t, listing, inMemory)
	ids := interruptedCreates(t, r, "Eins", "Eins")
	for _, id := range ids {
		if res := r.sync(id); res.Error == nil || res.Error.Code != string(fault.CreateDoubt) {
			t.Errorf("%s: %s %+v", id, res.Outcome, res.Error)
		}
	}
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 2 {
		t.Errorf("%d records in Advoware, want 2", n)
	}
}

// readsBeforePuts: a read of the same record stands directly before each PUT to
// Advoware, with nothing but the local store in between.
func (r *rig) readsBeforePuts() {
	r.t.Helper()
	last, puts := "", 0
	for _, e := range r.proc.Effects() {
		if path, ok := strings.CutPrefix(e.What, "PUT /relay"); ok {
			if puts++; last != "GET /relay"+path {
				r.t.Errorf("%s was sent right after %s", e.What, last)
			}
		}
		if e.HTTP {
			last = e.What
		}
	}
	if puts == 0 {
		r.t.Error("nothing was written to Advoware")
	}
}

// createGone is a create that died after the POST, whose record somebody has
// deleted in Advoware before the next sync.
func createGone(r *rig, id string, advo int64) {
	r.t.Helper()
	r.proc.Plan = on("GET /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	if r.m.List() != nil { // it looks for the highest id first
		r.proc.Plan = on("GET /relay", 2, func() simulation.Fate { return simulation.DiesBefore })
	}
	r.sync(id)
	if in := r.memoryOf(id).Open; in == nil || in.AdvowareID != advo {
		r.t.Fatalf("the announcement: %+v", in)
	}
	if err := r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, advo); return nil }); err != nil {
		r.t.Fatal(err)
	}
	r.tick(10 * time.Minute)
	r.start()
}

// TestCreateAnywayAfterTheNewRecordIsGone: what an interrupted create made, and
// knows by its id, is deleted. The message asks for link or --create-anyway, and
// the latter has to end it.
func TestCreateAnywayAfterTheNewRecordIsGone(t *testing.T) {
	for _, other := range []bool{false, true} { // no list; or a list with another candidate
		r := newRig(t)
		if other {
			listing(r)
		}
		r.linked()
		id := r.person(map[string]any{"lastName": "Neu"})
		createGone(r, id, 2)
		if other {
			_ = r.o.Person("bert", func() error {
				r.o.Loose(r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Berg","vorname":"Anna"}`)))
				return nil
			})
		}
		if res := r.sync(id); res.Error == nil || res.Error.Code != string(fault.CreateDoubt) {
			t.Fatalf("%+v", res)
		}
		r.tick(time.Minute)
		r.want(r.sync(id, func(q *sync.Request) { q.CreateAnyway = true }), result.Create, result.CreatedAdvoware)
		r.tick(time.Minute)
		r.quiet(id)
	}
}

// TestRecreateIsOffWhenTheRecordCameBack: a record that is gone from Advoware is
// created anew, the run dies, and a backup brings the old one back and takes the
// new one away. The old link holds; a second record would be a duplicate.
func TestRecreateIsOffWhenTheRecordCameBack(t *testing.T) {
	r := newRig(t, listing, func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingRecreate })
	id, advo := r.linked()
	var raw []byte
	for _, b := range r.advo.All(sandbox.BeteiligtePath) {
		raw = b
	}
	_ = r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, advo); return nil })
	r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	r.sync(id)
	_ = r.o.Person("the backup", func() error {
		r.advo.Delete(sandbox.BeteiligtePath, 2)
		r.advo.Restore(sandbox.BeteiligtePath, advo, raw)
		return nil
	})
	r.editAdvo(advo, map[string]any{"telGesch": "0512"})
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.tick(10 * time.Minute)
	r.start()
	r.untilQuiet(id, operation{}, "came back")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 || r.advoField(advo, "emailGesch") != "neu@example.de" {
		t.Errorf("%d records, email %q", n, r.advoField(advo, "emailGesch"))
	}
}

// TestRecreateLooksOnceMore: a record is gone from Advoware when it is read, and a
// backup has brought it back before the new one is made.
func TestRecreateLooksOnceMore(t *testing.T) {
	r := newRig(t, listing, func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingRecreate })
	id, advo := r.linked()
	raw, _ := r.advo.Get(sandbox.BeteiligtePath, advo)
	_ = r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, advo); return nil })
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { // the mark for the create, after that for the update
		_ = r.o.Person("the backup", func() error { r.advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
		return simulation.Passes
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 || r.advoField(advo, "emailGesch") != "neu@example.de" {
		t.Errorf("%d records, email %q", n, r.advoField(advo, "emailGesch"))
	}
	r.quiet(id)
}

// The final PUT arrives, its answer gets lost, and the record is deleted in EspoCRM.
// It would be deleted in Advoware, too, but there is an edit there; restored, it has
// to be told from what the PUT brought.
func TestInterruptedWriteOfADeletedRecordIsKeptWithAnEdit(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge), func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.dies(id, "PUT /api/v1", 1, simulation.DiesAfter, func() {
		if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
			t.Fatal(err)
		}
	})
	if got := r.espoField(id, "phone"); got != "0511 1" {
		t.Fatalf("set-up: phone %v", got)
	}
	r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
	r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
	if err := r.o.Person("anna", func() error { return r.espo.Restore(ct, id) }); err != nil {
		t.Fatal(err)
	}
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "phone"); got != "0511 2" {
		t.Errorf("phone %v", got)
	}
	r.quiet(id)
}

// The same where the PUT to Advoware is interrupted: nothing tells an edit of that very
// field from what Advoware has made of the value. It is a conflict, and told.
func TestInterruptedPutOfADeletedRecordIsKeptWithAnEdit(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge), func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1", "email": "espo@example.de"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.editAdvo(advo, map[string]any{"telGesch": "0511 2"})
		_ = r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") })
	})
	r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
	_ = r.o.Person("anna", func() error { return r.espo.Restore(ct, id) })
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	r.phones(id, advo, "0511 1")
	r.overruled("phone", "0511 2")
	r.quiet(id)
}

// TestFinalPutOfARecordGoneOnBothSidesIsKept: the final PUT arrives, its answer gets
// lost, and the record is deleted on both sides. Both come back, Advoware's from a
// backup that is older than the PUT: what the PUT brought is not somebody's edit,
// and must not win a conflict with one.
func TestFinalPutOfARecordGoneOnBothSidesIsKept(t *testing.T) {
	r := newRig(t, policy(reconcile.EspoCRMWins), func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.linked()
	raw := r.advo.All(sandbox.BeteiligtePath)[0]
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.dies(id, "PUT /api/v1", 1, simulation.DiesAfter, func() {
		_ = r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, advo); return nil })
		_ = r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") })
	})
	r.want(r.sync(id), result.MissingInEspocrm, result.Skipped)
	_ = r.o.Person("the backup", func() error { r.advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	_ = r.o.Person("anna", func() error { return r.espo.Restore(ct, id) })
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	if got := r.espoField(id, "email"); got != "advo@example.de" {
		t.Errorf("email %v", got)
	}
	r.quiet(id)
}

// TestARestoredRecordProvesNoPut: a first contact dies before its PUT, and a backup
// brings Advoware's record back to what was in step: in a field that nobody had edited
// in EspoCRM that is the value that was to be sent. The rowId tells it from a PUT that
// arrived.
func TestARestoredRecordProvesNoPut(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.sync(id)
	raw, _ := r.advo.Get(sandbox.BeteiligtePath, advo)
	r.editAdvo(advo, map[string]any{"telGesch": "0511 2", "emailGesch": "advo@example.de"})
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		_ = r.o.Person("the backup", func() error { r.advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
	})
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "neu@example.de" || a != e {
		t.Errorf("email %v, emailGesch %v", e, a)
	}
	r.quiet(id)
}

// An unlink is cut off, and the record comes back in Advoware with an edit: while
// the link stands, so does the base, by which two disjoint edits both survive.
func TestInterruptedUnlinkKeepsTheBase(t *testing.T) {
	for _, how := range []simulation.Fate{simulation.DiesBefore, simulation.DiesAfter} {
		r := newRig(t, policy(reconcile.Merge), func(r *rig) { r.cfg.OnMissingInAdvoware = sync.MissingUnlink })
		r.linked() // the store is older than the record: nothing is looked up first
		id, advo := r.linked()
		raw, _ := r.advo.Get(sandbox.BeteiligtePath, advo)
		_ = r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, advo); return nil })
		r.dies(id, "PUT /api/v1", 1, how, nil)
		_ = r.o.Person("bert", func() error { r.advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
		r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
		r.editEspo(id, map[string]any{"email": "neu@example.de"})
		if how == simulation.DiesAfter { // unlinked: a record of its own, whatever is remembered of the other one
			r.want(r.sync(id), result.Create, result.CreatedAdvoware)
			if got := r.advoField(r.linkOf(id), "emailGesch"); got != "neu@example.de" || r.linkOf(id) == advo {
				t.Errorf("emailGesch %q of %d", got, r.linkOf(id))
			}
			continue
		}
		r.want(r.sync(id), result.Conflict, result.Merged)
		if e, p := r.advoField(advo, "emailGesch"), r.espoField(id, "phone"); e != "neu@example.de" || p != "0511 1" {
			t.Errorf("emailGesch %q, phone %v", e, p)
		}
		r.quiet(id)
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
	r := newRig(t)
	id, advo := r.linked()
	other := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"name":"Alt","vorname":"Anna","emailGesch":"andere@example.de"}`))
	r.loose = map[string]bool{fmt.Sprintf("Advoware %d is linked to nothing", advo): true}
	if unseen {
		r.espo.SetField(ct, id, "advowareId", other)
		r.o.Forget()
	} else {
		r.editEspo(id, map[string]any{"advowareId": other})
	}
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.espoField(id, "email"), r.advoField(other, "emailGesch"); e != "anna@example.de" || a != "anna@example.de" {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	r.quiet(id)
}

// A PUT arrives, the run dies, and the record is deleted in Advoware before anybody
// could tell. When it is back there, its value is the tool's own, and no edit that
// could win over EspoCRM's next one (seed 17220 of the simulation).
func TestInterruptedWriteToARecordThatComesBack(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	raw, _ := r.advo.Get(sandbox.BeteiligtePath, advo)
	_ = r.o.Person("bert", func() error { r.advo.Delete(sandbox.BeteiligtePath, advo); return nil })
	r.editEspo(id, map[string]any{"phone": "0511 2"})
	for range 2 {
		r.want(r.sync(id), result.MissingInAdvoware, result.Failed)
	}
	_ = r.o.Person("bert", func() error { r.advo.Restore(sandbox.BeteiligtePath, advo, raw); return nil })
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "telGesch"); got != "0511 2" {
		t.Errorf("telGesch %q", got)
	}
	r.quiet(id)
}

// An interrupted PUT is proven by a field that never had a base (the company's name),
// which may be a coincidence, so that another field counts as changed on both sides:
// also where it was set back in EspoCRM since.
func TestEditedBackBesideAWeakProof(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.sync(id)
	r.next()
	r.editEspo(id, map[string]any{"firmenname": "Neu AG", "phone": "0511 2"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, func() {
		r.editAdvo(advo, map[string]any{"telGesch": "0512 3"})
		r.editEspo(id, map[string]any{"phone": "0511 1"})
	})
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	r.phones(id, advo, "0511 1")
	r.quiet(id)
}

// A backup brings the Advoware record back in the middle of a sync, with the rowId that
// EspoCRM carries already: the final PUT shows no new one. That it happened is told by
// the values that stand there, so a value that is set back in EspoCRM afterwards is an edit.
func TestFinalPutIsKnownByItsValues(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"phone": "0511 1"})
	r.sync(id)
	r.next()
	old, _ := r.advo.Get(sandbox.BeteiligtePath, advo)
	old, err := sjson.SetBytes(old, "telGesch", "0512 9") // saved without a new rowId, as only a database is
	if err != nil {
		t.Fatal(err)
	}
	r.editEspo(id, map[string]any{"phone": "0511 2"})
	r.decided(func() {
		r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, After: func(*http.Request) { r.advo.Restore(sandbox.BeteiligtePath, advo, old) }})
		r.dies(id, "PUT /api/v1/"+ct, 2, simulation.DiesAfter, nil)
	})
	if got := r.espoField(id, "phone"); got != "0512 9" {
		t.Fatalf("set-up: phone %v", got)
	}
	r.editAdvo(advo, map[string]any{"telGesch": "0512 7"})
	r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
	r.phones(id, advo, "0512 7")
	r.quiet(id)
}

// Syncs of one second leave lastSync as it is: that the final PUT happened is told by
// the rowId that it brought.
func TestFinalPutIsKnownByItsRowID(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	save := func(phone string) {
		if err := r.advo.Edit(sandbox.BeteiligtePath, advo, map[string]any{"telGesch": phone}); err != nil {
			t.Fatal(err)
		}
	}
	r.decided(func() {
		for _, phone := range []string{"0511 1", "0511 2"} {
			save(phone)
			r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		}
		before := r.espoField(id, "advowareLastSync")
		save("0511 3")
		r.dies(id, "PUT /api/v1/"+ct, 1, simulation.DiesAfter, nil)
		if after := r.espoField(id, "advowareLastSync"); after != before {
			t.Fatalf("set-up: lastSync %v, before %v", after, before)
		}
	})
	r.editEspo(id, map[string]any{"phone": "0511 2"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 4"})
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	r.phones(id, advo, "0511 2")
	r.quiet(id)
}

// TestAClockThatWasAhead (first week, 11): an interrupted write that a clock has
// dated far ahead is waited for no longer than any other, and then recovered.
func TestAClockThatWasAhead(t *testing.T) {
	for _, ahead := range []time.Duration{2 * time.Hour, 365 * 24 * time.Hour} {
		r := newRig(t, inMemory, func(r *rig) { r.cfg.LateWrite = 2 * time.Minute })
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"phone": "0999"})
		right := r.now
		r.tick(ahead)
		r.dies(id, "PUT /relay", 1, simulation.DiesBefore, nil)
		r.now = right.Add(time.Second)
		pass := func(q *sync.Request) { q.Pass = true }
		if res := r.sync(id, pass); res.Outcome != result.Skipped {
			t.Errorf("%s: %s %+v", ahead, res.Outcome, res.Error)
		}
		r.tick(r.cfg.WriteTimeout + r.cfg.LateWrite)
		if res := r.sync(id, pass); res.Error != nil || res.Outcome != result.UpdatedAdvoware {
			t.Errorf("%s: %s %+v", ahead, res.Outcome, res.Error)
		}
		r.phones(id, advo, "0999")
	}
}

// TestHistoryOutlivesAClockThatIsAhead (first week, 11): what is deleted does not
// come back, so EspoCRM's clock has a say.
func TestHistoryOutlivesAClockThatIsAhead(t *testing.T) {
	r := newRig(t, inMemory)
	id, _ := r.linked()
	before := len(r.history())
	r.sync(id) // EspoCRM has told its time
	right := r.now
	r.tick(365 * 24 * time.Hour)
	if n, err := r.desk.PruneHistory(context.Background(), 24*time.Hour); n != 0 || err != nil || len(r.history()) != before {
		t.Errorf("%d entries were deleted: %v", n, err)
	}
	r.now = right
}
