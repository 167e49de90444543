package desk_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"advosync/internal/desk"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

func TestResetRearms(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.MaxRetries = 1 })
	id, advo := r.Linked()
	r.Advo.Delete(sandbox.BeteiligtePath, advo)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Outcome(r.Sync(id), result.PermanentlyFailed)
	base := r.Remembered(id).Base

	r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.DryRun = true }), result.Planned)
	if r.EspoField(id, "syncStatus") != "permanently_failed" || r.Remembered(id).Failure == nil {
		t.Fatal("a dry run wrote")
	}
	res := r.Reset(id)
	r.Outcome(res, result.UpdatedEspocrm)
	if !strings.Contains(res.Reason.Text, "not_found") {
		t.Errorf("the cause is not told: %s", res.Reason.Text)
	}
	mem := r.Remembered(id)
	if r.EspoField(id, "syncStatus") != "dirty" || r.EspoField(id, "syncErrorMessage") != nil || mem.Failure != nil {
		t.Errorf("not re-armed: %v %v %+v", r.EspoField(id, "syncStatus"), r.EspoField(id, "syncErrorMessage"), mem.Failure)
	}
	if mem.Base == nil || len(mem.Base.Fields) != len(base.Fields) || r.EspoField(id, "advowareLastSync") == nil {
		t.Error("reset touched the base")
	}
	r.Outcome(r.Reset(id), result.Unchanged)
	r.Clean(id)
}

func TestResetForgetMakesTheNextSyncInitial(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	if r.EspoField(id, "syncStatus") != "clean" || r.EspoField(id, "advowareLastSync") != nil || r.Remembered(id).Base != nil {
		t.Fatal("not forgotten")
	}
	r.Decided(func() { r.Want(r.Sync(id), result.Initial, result.UpdatedAdvoware) })
	if got := r.AdvoField(advo, "emailGesch"); got != "anna@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.Quiet(id)
}

// A first contact that is cut off, or refused, before anything arrived is a first
// contact still: what agreed then is no base by which Advoware's old values are
// newer.
func TestInterruptedFirstContactStaysOne(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.AdvowareWins, reconcile.Manual} {
		for _, mark := range []bool{true, false} {
			for name, happens := range map[string]func(r *rig.Rig, id string, advo int64){
				"dies": func(r *rig.Rig, id string, _ int64) { r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, nil) },
				"dies, then something unmapped is saved": func(r *rig.Rig, id string, advo int64) {
					r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() { r.EditAdvo(advo, map[string]any{"bemerkung": "angerufen"}) })
				},
				"refused": func(r *rig.Rig, id string, _ int64) {
					r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Path: "*/advonet/Beteiligte*", Status: 400, Count: 1})
					r.Outcome(r.Sync(id), result.Failed)
					r.Tick(time.Hour)
				},
			} {
				r := rig.New(t, rig.Flat(rig.EmailField, rig.PhoneField), func(r *rig.Rig) { r.Cfg.Policy, r.Cfg.MarkSyncing = policy, mark })
				id, advo := r.Linked()
				r.EditAdvo(advo, map[string]any{"bemerkung": "neu"}) // EspoCRM's rowId is an old one
				r.Tick(time.Minute)
				r.EditEspo(id, map[string]any{"email": "neu@example.de"})
				r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
				r.Tick(time.Minute)
				happens(r, id, advo)
				res := r.Sync(id)
				if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); res.Verdict != result.Initial || e != "neu@example.de" || a != e {
					t.Fatalf("%s, marking %v, %s: %s/%s, email %v, emailGesch %q", policy, mark, name, res.Verdict, res.Outcome, e, a)
				}
				r.Quiet(id)
				r.Close()
			}
		}
	}
}

// The PUT of a first contact is in doubt, and Advoware has moved in one of the
// fields that were sent: a conflict there, and there alone.
func TestInterruptedFirstContactMeetsAnEdit(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual), rig.Flat(rig.EmailField, rig.PhoneField))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	r.Tick(time.Minute)
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() { r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"}) })
	r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
	r.Next()
	r.Decided(func() { r.Resolve(id, map[string]record.Side{"*": record.Advoware}) })
	if e, a, p := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"), r.EspoField(id, "phone"); e != "neu@example.de" || a != e || p != "0511 2" {
		t.Errorf("email %v, emailGesch %q, phone %v", e, a, p)
	}
	r.Quiet(id)
}

// The PUT of a first contact did not arrive, and a backup brings Advoware back to
// where both sides were in step before, but for the name: two of the three values
// that were sent stand there, and nobody remembers that they did before. The name of
// the backup is no later edit on that account.
func TestAFirstContactIsNotProvenByABackup(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id := r.Person(map[string]any{"phone": "0511 1"})
	advo := *r.Sync(id).AdvowareID
	r.Tick(time.Minute)
	r.EditEspo(id, map[string]any{"lastName": "Neu"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0512 2", "name": "Berg"})
	r.Outcome(r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	r.Tick(time.Minute)
	r.Dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(advo, map[string]any{"emailGesch": "anna@example.de", "telGesch": "0511 1", "name": "Alt"})
	})
	r.Want(r.Sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.EspoField(id, "lastName"), r.AdvoField(advo, "name"); e != "Neu" || a != "Neu" {
		t.Errorf("lastName %v, name %q", e, a)
	}
	r.Quiet(id)
}

// A create whose answer was lost must survive --forget: forgetting it would
// create the record a second time.
func TestResetForgetKeepsAnUncertainCreate(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/Beteiligte", Drop: sandbox.DropAfter, Count: 1})
	r.Outcome(r.Sync(id), result.Failed)
	if r.Remembered(id).Open == nil {
		t.Fatal("set-up: no announcement")
	}
	r.Next()
	r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true })
	if in := r.Remembered(id).Open; in == nil || !in.Makes {
		t.Fatal("the create was forgotten")
	}
	if s := r.EspoField(id, "syncStatus"); s == "clean" {
		t.Error("an unlinked record is clean: no pass would create it")
	}
}

func TestResetLeavesAConflict(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Manual })
	id, _ := r.Conflict()
	r.Outcome(r.Reset(id), result.Unchanged)
	if r.EspoField(id, "syncStatus") != "conflict" {
		t.Error("a conflict was reset")
	}
}

func TestResetUnknownAndLocked(t *testing.T) {
	r := rig.New(t)
	res := r.Reset("00000000000000000")
	r.Outcome(res, result.Failed)
	if res.Error.Code != "not_found" {
		t.Errorf("%+v", res.Error)
	}
	id, _ := r.Linked()
	other := store.Owner{Host: "test", PID: 7, Run: r.Cfg.Run}
	if _, _, err := r.Store.Acquire(context.Background(), []string{store.LockKey(r.M.Entity(), id)}, other, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.Outcome(r.Reset(id), result.Locked)
}

func TestResolve(t *testing.T) {
	email := desk.FieldKeys(mapping.Builtin(), "email")[0]
	phone := desk.FieldKeys(mapping.Builtin(), "phone")[0]
	for _, tt := range []struct {
		name         string
		take         map[string]record.Side
		email, phone string
		outcome      result.Outcome
	}{
		{"EspoCRM", map[string]record.Side{"*": record.EspoCRM}, "espo@example.de", "0511 1", result.UpdatedAdvoware},
		{"Advoware", map[string]record.Side{"*": record.Advoware}, "advo@example.de", "0511 2", result.UpdatedEspocrm},
		{"by field", map[string]record.Side{email: record.Advoware, phone: record.EspoCRM}, "advo@example.de", "0511 1", result.Merged},
		{"default and exception", map[string]record.Side{"*": record.EspoCRM, phone: record.Advoware}, "espo@example.de", "0511 2", result.Merged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Manual })
			id, advo := r.Conflict()
			r.Decided(func() { r.Want(r.Resolve(id, tt.take), result.Conflict, tt.outcome) })
			overruled := 0
			for _, e := range r.History() {
				for _, w := range e.Writes {
					if e.Run == r.Cfg.Run && w.State == store.WriteDone {
						overruled++
					}
				}
			}
			if overruled != 2 {
				t.Errorf("%d overruled values in the history, want 2", overruled)
			}
			for _, got := range []any{r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch")} {
				if got != tt.email {
					t.Errorf("email %v", got)
				}
			}
			for _, got := range []any{r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch")} {
				if got != tt.phone {
					t.Errorf("phone %v", got)
				}
			}
			if r.Remembered(id).Parked != nil || r.EspoField(id, "syncStatus") != "clean" {
				t.Error("still parked")
			}
			r.Quiet(id)
		})
	}
}

func TestResolveAsksForEveryField(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Manual })
	id, advo := r.Conflict()
	notes := len(r.Espo.Notes())
	r.Decided(func() {
		res := r.Resolve(id, map[string]record.Side{desk.FieldKeys(r.M, "email")[0]: record.EspoCRM})
		r.Outcome(res, result.ConflictWaits)
		if !strings.Contains(res.Reason.Text, "phone") {
			t.Errorf("%s", res.Reason.Text)
		}
	})
	if r.AdvoField(advo, "emailGesch") != "espo@example.de" {
		t.Error("what was decided is not written")
	}
	if r.EspoField(id, "phone") != "0511 1" || r.AdvoField(advo, "telGesch") != "0511 2" || r.EspoField(id, "syncStatus") != "conflict" {
		t.Errorf("phone %v, telGesch %q, %v", r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"), r.EspoField(id, "syncStatus"))
	}
	if n := len(r.Espo.Notes()); n != notes {
		t.Errorf("%d notes, there were %d: the other field was asked about before", n, notes)
	}
	r.Decided(func() { r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.Advoware}), result.UpdatedEspocrm) })
	if r.EspoField(id, "email") != "espo@example.de" || r.EspoField(id, "phone") != "0511 2" {
		t.Errorf("email %v, phone %v", r.EspoField(id, "email"), r.EspoField(id, "phone"))
	}
	r.Quiet(id)
}

func TestResolveOnChangedContentsAsksAgain(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Manual })
	id, advo := r.Conflict()
	r.EditAdvo(advo, map[string]any{"emailGesch": "later@example.de"})
	res := r.Resolve(id, map[string]record.Side{"*": record.EspoCRM})
	r.Outcome(res, result.ConflictWaits)
	if r.AdvoField(advo, "emailGesch") != "later@example.de" || len(res.Warnings) == 0 {
		t.Error("resolved on stale contents")
	}
	r.Next()
	r.Decided(func() {
		r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.UpdatedAdvoware)
	})
	r.Quiet(id)
}

// Both sides edit a field with a policy of its own while another one waits. A command
// that takes the side which loses by that policy may not carry the policy out (seed 809452
// of the simulation): what it was not asked about before, it asks about.
func TestResolveOnChangedContentsLeavesAFieldWithItsOwnPolicy(t *testing.T) {
	r := rig.New(t, rig.Flat(`{espocrm: email, advoware: emailGesch, policy: advoware}`, `{espocrm: phone, advoware: telGesch, policy: manual}`))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	take := map[string]record.Side{"*": record.EspoCRM}
	res := r.Resolve(id, take)
	r.Outcome(res, result.ConflictWaits)
	if res.Reason.Text != "Both sides changed email, phone: it waits for a decision." {
		t.Errorf("%s", res.Reason.Text)
	}
	if got := r.EspoField(id, "email"); got != "espo@example.de" {
		t.Fatalf("email %v: the side that was taken is overwritten", got)
	}
	r.Decided(func() { r.Outcome(r.Resolve(id, take), result.UpdatedAdvoware) })
	if got := r.AdvoField(advo, "emailGesch"); got != "espo@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.Quiet(id)
}

// Somebody edits between the look and the write: the decision was not about
// that.
func TestResolveMeetsAnEditWhileItWorks(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Manual })
	id, advo := r.Conflict()
	r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, After: func(*http.Request) { r.EditAdvo(advo, map[string]any{"emailGesch": "later@example.de"}) }})
	r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.ConflictWaits)
	if got := r.AdvoField(advo, "emailGesch"); got != "later@example.de" {
		t.Errorf("an edit was lost: %q", got)
	}
	r.Clean(id)
}

// The decision was to take Advoware's e-mail. Another field is written to Advoware
// first, and meanwhile somebody types a new e-mail in EspoCRM, which the operator has
// never seen (seed 47427 of the simulation).
func TestResolveMeetsAnEditWhileItWritesAnotherField(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Manual))
	id, advo := r.Conflict()
	r.EditEspo(id, map[string]any{"geburtsdatum": "1980-02-01"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Before: func(*http.Request) { r.EditEspo(id, map[string]any{"email": "later@example.de"}) }})
	r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.Advoware}), result.ConflictWaits)
	if e, p := r.EspoField(id, "email"), r.AdvoField(advo, "geburtsdatum"); e != "later@example.de" || !strings.HasPrefix(p, "1980-02-01") {
		t.Errorf("email %v, geburtsdatum %q", e, p)
	}
	r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "emailGesch"); got != "later@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.Clean(id)
}

func TestResolveWithoutConflict(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.Outcome(r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.Skipped)
}

func TestUndoPutsBackAndSyncs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy reconcile.Policy
		edit   func(r *rig.Rig, id string, advo int64)
		email  string
		phone  string
	}{
		{"overwritten in Advoware by a conflict", reconcile.EspoCRMWins, func(r *rig.Rig, id string, advo int64) {
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		}, "advo@example.de", ""},
		{"overwritten in EspoCRM by a conflict", reconcile.AdvowareWins, func(r *rig.Rig, id string, advo int64) {
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		}, "espo@example.de", ""},
		{"espocrm newer", reconcile.EspoCRMWins, func(r *rig.Rig, id string, _ int64) {
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		}, "anna@example.de", ""},
		{"advoware newer", reconcile.EspoCRMWins, func(r *rig.Rig, _ string, advo int64) {
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
		}, "anna@example.de", ""},
		{"merged", reconcile.Merge, func(r *rig.Rig, id string, advo int64) {
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"telGesch": "0511"})
		}, "anna@example.de", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = tt.policy })
			id, advo := r.Linked()
			r.Next()
			tt.edit(r, id, advo)
			if res := r.Sync(id); res.Error != nil {
				t.Fatalf("set-up: %+v", res.Error)
			}
			espoAfter, phoneAfter := r.EspoField(id, "email"), r.EspoField(id, "phone")
			notes := len(r.Espo.Posts())
			run := r.Next()
			r.Outcome(r.Undo(id, run, func(q *desk.UndoRequest) { q.DryRun = true }), result.Planned)
			res := r.Undo(id, run)
			if res.Error != nil || res.Outcome == result.Skipped {
				t.Fatalf("undo: %s %+v %+v", res.Outcome, res.Reason, res.Error)
			}
			both := func(email string, phone any) {
				t.Helper()
				if a, b := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); a != email || b != email {
					t.Errorf("email: EspoCRM %v, Advoware %v, want %s", a, b, email)
				}
				if a, b := r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"); (a != phone && !(a == nil && phone == "")) || (b != phone && !(b == "" && phone == nil)) {
					t.Errorf("phone: EspoCRM %v, Advoware %v, want %v", a, b, phone)
				}
			}
			both(tt.email, tt.phone)
			if len(r.Espo.Posts()) != notes {
				t.Error("an undo is no conflict to tell of")
			}
			r.Quiet(id)
			// The undo is a run like any other: it can be undone.
			undone := r.Next()
			if res := r.Undo(id, undone); res.Error != nil || res.Outcome == result.Skipped {
				t.Fatalf("undo of the undo: %s %+v %+v", res.Outcome, res.Reason, res.Error)
			}
			both(espoAfter.(string), phoneAfter)
			r.Quiet(id)
		})
	}
}

func TestUndoRefusesWhereTheRecordMovedOn(t *testing.T) {
	for _, side := range []string{"the same side", "the other side, not synced yet"} {
		t.Run(side, func(t *testing.T) {
			r := rig.New(t)
			id, advo := r.Linked()
			r.Next()
			r.EditEspo(id, map[string]any{"email": "espo@example.de"})
			r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			r.Sync(id)
			run := r.Next()
			if side == "the same side" {
				r.EditAdvo(advo, map[string]any{"emailGesch": "later@example.de"})
				r.Sync(id)
			} else {
				r.EditEspo(id, map[string]any{"email": "later@example.de"})
			}
			r.Next()
			res := r.Undo(id, run)
			r.Outcome(res, result.Skipped)
			if res.Reason.Code != "moved_on" || len(res.Fields) != 1 || *res.Fields[0].Undo.Before != "advo@example.de" || r.EspoField(id, "email") != "later@example.de" {
				t.Errorf("%+v %+v", res.Reason, res.Fields)
			}
			r.Decided(func() { res = r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true }) })
			if res.Error != nil || r.EspoField(id, "email") != "advo@example.de" || r.AdvoField(advo, "emailGesch") != "advo@example.de" {
				t.Errorf("forced: %s %+v, %v %v", res.Outcome, res.Error, r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"))
			}
			r.Quiet(id)
		})
	}
}

// Somebody has typed again what the run had written, after the field had been
// something else: that is an edit, not what the run left.
func TestUndoMeetsTheRunsValueTypedAgain(t *testing.T) {
	for _, between := range []string{"later@example.de", "anna@example.de"} { // or what the run overwrote
		r := rig.New(t, rig.Policy(reconcile.Merge))
		id, advo := r.Linked()
		r.Next()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.Next()
		r.EditAdvo(advo, map[string]any{"emailGesch": between})
		r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		r.Next()
		r.EditAdvo(advo, map[string]any{"emailGesch": "espo@example.de"})
		res := r.Undo(id, run)
		r.Outcome(res, result.Skipped)
		if res.Reason.Code != "moved_on" {
			t.Errorf("%s: %+v", between, res.Reason)
		}
		r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "espo@example.de" || a != e {
			t.Errorf("%s: EspoCRM %v, Advoware %q", between, e, a)
		}
		r.Quiet(id)
	}
}

// Somebody made the record a company in EspoCRM, before the undo or while it works,
// and the run to be undone wrote the person's name. A company has no such field, so
// nothing shows there but the other kind.
func TestUndoMeetsAChangeOfKind(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		for _, during := range []bool{false, true} {
			r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = policy })
			id, advo := r.Linked()
			r.Next()
			r.EditEspo(id, map[string]any{"lastName": "Neu"})
			r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			run := r.Next()
			company := func() { r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"}) }
			if during {
				r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { company(); return simulation.Passes })
			} else {
				company()
			}
			res := r.Undo(id, run)
			if res.Outcome == result.Skipped == during || !during && res.Reason.Code != "moved_on" {
				t.Errorf("%s, while it works %v: %s %+v %+v", policy, during, res.Outcome, res.Reason, res.Error)
			}
			if !during {
				r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			}
			if e, a := r.EspoField(id, "firmenname"), r.AdvoField(advo, "name"); e != "Alt GmbH" || a != "Alt GmbH" {
				t.Errorf("%s, while it works %v: EspoCRM %v, Advoware %q", policy, during, e, a)
			}
			r.Clean(id)
		}
	}
}

// The run took back that EspoCRM had made the record a company. The person's name has
// been edited since, and a company has no such field.
func TestUndoOfAKindMeetsAnEditOfTheName(t *testing.T) {
	for _, where := range []string{"nowhere", "in Advoware", "in EspoCRM"} {
		t.Run(where, func(t *testing.T) {
			r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
			id, advo := r.Linked()
			r.Next()
			r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
			r.EditAdvo(advo, map[string]any{"telGesch": "0511"})
			r.Want(r.Sync(id), result.Conflict, result.UpdatedEspocrm)
			run := r.Next()
			switch where {
			case "in Advoware":
				r.EditAdvo(advo, map[string]any{"name": "Berg"})
			case "in EspoCRM":
				r.EditEspo(id, map[string]any{"lastName": "Berg"})
			}
			res := r.Undo(id, run)
			if where == "nowhere" {
				if res.Error != nil || r.EspoField(id, "firmenname") != "Alt GmbH" || r.AdvoField(advo, "name") != "Alt GmbH" {
					t.Errorf("%s %+v %+v: %v %q", res.Outcome, res.Reason, res.Error, r.EspoField(id, "firmenname"), r.AdvoField(advo, "name"))
				}
				r.Quiet(id)
				return
			}
			r.Outcome(res, result.Skipped)
			if res.Reason.Code != "moved_on" {
				t.Errorf("%+v", res.Reason)
			}
			r.Sync(id)
			if e, a := r.EspoField(id, "lastName"), r.AdvoField(advo, "name"); e != "Berg" || a != "Berg" {
				t.Errorf("EspoCRM %v, Advoware %q", e, a)
			}
			r.Quiet(id)
		})
	}
}

func TestUndoOfAKindSwitch(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.Next()
	r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	run := r.Next()
	res := r.Undo(id, run)
	if res.Error != nil || res.Outcome == result.Skipped {
		t.Fatalf("%s %+v %+v", res.Outcome, res.Reason, res.Error)
	}
	if r.AdvoField(advo, "vorname") != "Anna" || r.AdvoField(advo, "name") != "Alt" || r.EspoField(id, "firmenname") != nil || r.EspoField(id, "lastName") != "Alt" {
		t.Errorf("not a person again: %q %q %v %v", r.AdvoField(advo, "vorname"), r.AdvoField(advo, "name"), r.EspoField(id, "firmenname"), r.EspoField(id, "lastName"))
	}
	r.Quiet(id)
}

// An undo --force makes the record a person again, over an edit of the company's name in
// Advoware. The kind is wished as well, so it goes with its fields, also where the policy
// is Advoware's: a person without a name was left in EspoCRM, which it refuses for ever.
func TestUndoOfAKindSwitchOverAnEditOfTheName(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.AdvowareWins, reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		r := rig.New(t, rig.Policy(p))
		id, advo := r.Linked()
		r.Next()
		r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.Next()
		r.EditAdvo(advo, map[string]any{"name": "Berg GmbH"})
		r.Decided(func() { r.Outcome(r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true }), result.Merged) })
		if e, a := r.EspoField(id, "lastName"), r.AdvoField(advo, "name"); e != "Alt" || a != "Alt" || r.EspoField(id, "firmenname") != nil || r.AdvoField(advo, "vorname") != "Anna" {
			t.Errorf("%s: lastName %v, name %q, firmenname %v, vorname %q", p, e, a, r.EspoField(id, "firmenname"), r.AdvoField(advo, "vorname"))
		}
		r.Quiet(id)
	}
}

// An undo that died had put the company's name back in EspoCRM; another run made the
// record a company in Advoware, and cleared the person's names. Undoing the first
// run alone would leave a person without a name, on both sides.
func TestUndoLeavesNoPersonWithoutAName(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
	id, advo := r.Linked()
	r.Next()
	r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511"})
	r.Sync(id)
	run := r.Next()
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	r.Undo(id, run)
	dead := r.Cfg.Run
	r.Tick(10 * time.Minute)
	r.Start()
	r.Next()
	r.Sync(id)
	company := func(when string) {
		if r.EspoField(id, "firmenname") != "Alt GmbH" || r.EspoField(id, "lastName") != nil || r.AdvoField(advo, "name") != "Alt GmbH" || r.AdvoField(advo, "vorname") != "" {
			t.Fatalf("%s: no company: %v %v, %q %q", when, r.EspoField(id, "firmenname"), r.EspoField(id, "lastName"), r.AdvoField(advo, "name"), r.AdvoField(advo, "vorname"))
		}
	}
	company("before")
	r.Next()
	r.Outcome(r.Undo(id, dead), result.Skipped) // a run since has carried it on
	company("without force")
	r.Outcome(r.Undo(id, dead, func(q *desk.UndoRequest) { q.Force = true }), result.Merged)
	if e, a := r.EspoField(id, "lastName"), r.AdvoField(advo, "name"); e != "Alt" || a != "Alt" || r.EspoField(id, "firmenname") != nil || r.AdvoField(advo, "vorname") != "Anna" {
		t.Errorf("lastName %v, name %q, firmenname %v, vorname %q", e, a, r.EspoField(id, "firmenname"), r.AdvoField(advo, "vorname"))
	}
	r.Quiet(id)
}

func TestUndoOfACreateDeletesNothing(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	run := r.Next()
	r.Outcome(r.Undo(id, run), result.Skipped)
	if r.AdvoField(advo, "vorname") != "Anna" {
		t.Error("deleted")
	}
	r.Outcome(r.Undo(id, "no-such-run"), result.Failed)
}

// An edit in EspoCRM while the undo works ends it, whatever the policy: the PUT that EspoCRM
// has refused leaves nothing behind that a later run would ask about, and the edit is one
// like any other.
func TestUndoMeetsAnEditWhileItWorks(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.Merge, reconcile.Manual} {
		r := rig.New(t, rig.Policy(policy))
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		r.Sync(id)
		run := r.Next()
		r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Before: func(*http.Request) { r.EditEspo(id, map[string]any{"email": "later@example.de"}) }})
		r.Decided(func() {
			if res := r.Undo(id, run); res.Reason.Code != "moved_on" {
				t.Errorf("%s: the undo: %s %+v", policy, res.Outcome, res.Reason)
			}
		})
		if open := r.MemoryOf(id).Open; open != nil {
			t.Errorf("%s: the refused PUT is announced still: %+v", policy, open)
		}
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "later@example.de" || a != "later@example.de" {
			t.Errorf("%s: EspoCRM holds %v, Advoware %q", policy, e, a)
		}
		r.Clean(id)
	}
}

// Under manual, an undo decides about what it puts back and nothing else: a clash in
// another field, which came up while it worked, waits for a person.
func TestUndoLeavesAConflictToAPerson(t *testing.T) {
	for _, force := range []bool{false, true} {
		r := rig.New(t, rig.Policy(reconcile.Manual))
		id, advo := r.Linked()
		r.Next()
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.Next()
		r.EditAdvo(advo, map[string]any{"emailGesch": "bert@example.de"})
		r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Before: func(*http.Request) { r.EditEspo(id, map[string]any{"email": "anna2@example.de"}) }})
		r.Decided(func() {
			r.Outcome(r.Undo(id, run, func(u *desk.UndoRequest) { u.Force = force }), result.ConflictWaits)
		})
		if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "anna2@example.de" || a != "bert@example.de" {
			t.Errorf("EspoCRM holds %v, Advoware %q", e, a)
		}
		r.Next()
		r.Outcome(r.Desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.M, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}}), result.UpdatedAdvoware)
		if e, a := r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"); e != nil || a != "" {
			t.Errorf("the undone phone is %v in EspoCRM, %q in Advoware", e, a)
		}
		r.Clean(id)
	}
}

// The history calls an interrupted create interrupted, not created; its writes
// filled a new record all the same, and undoing them would empty it.
func TestUndoOfAnInterruptedCreateEmptiesNothing(t *testing.T) {
	r := rig.New(t, rig.Listing)
	id := r.Person(nil)
	run := r.Cfg.Run
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate { return simulation.DiesBefore }) // the link, after the mark
	r.Sync(id)
	r.Tick(10 * time.Minute)
	r.Start()
	advo := *r.Sync(id).AdvowareID
	r.Next()
	r.Outcome(r.Undo(id, run), result.Skipped)
	if got := r.AdvoField(advo, "vorname"); got != "Anna" {
		t.Errorf("the first name is %q", got)
	}
	r.Quiet(id)
}

// An undo --force types two values into EspoCRM, one over somebody's edit, and Advoware
// refuses them: they are on their way as any edit there is.
func TestUndoHalfRefused(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.Next()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.EditAdvo(advo, map[string]any{"name": "Berg"})
	r.Want(r.Sync(id), result.Conflict, result.Merged)
	run := r.Next()
	r.EditEspo(id, map[string]any{"email": nil})
	r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 1})
	r.Decided(func() {
		r.Outcome(r.Undo(id, run, func(u *desk.UndoRequest) { u.Force = true }), result.Failed)
	})
	if r.EspoField(id, "lastName") != "Alt" {
		t.Fatalf("set-up: %v", r.EspoField(id, "lastName"))
	}
	r.Next()
	r.Sync(id)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "anna@example.de" || a != e || r.AdvoField(advo, "name") != "Alt" {
		t.Errorf("email %v, emailGesch %q, name %q", e, a, r.AdvoField(advo, "name"))
	}
	r.Clean(id)
}

// An undo of a value that every kind has decides nothing about the kind, which
// somebody has changed in EspoCRM since, and somebody else in Advoware.
func TestUndoTakesNoKind(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge} {
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = policy })
		id, advo := r.Linked()
		r.Next()
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.Next()
		r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH", "firstName": nil, "lastName": nil})
		r.EditAdvo(advo, map[string]any{"vorname": "Anne"})
		r.Undo(id, run)
		if e, a := r.EspoField(id, "firmenname"), r.AdvoField(advo, "name"); e != "Alt GmbH" || a != "Alt GmbH" {
			t.Errorf("%s: EspoCRM %v, Advoware %q", policy, e, a)
		}
		r.Clean(id)
	}
}

// An interrupted write is waited for, and meanwhile the record is deleted.
func TestRepairsOfARecordDeletedWhileTheyWait(t *testing.T) {
	for name, repair := range map[string]func(*rig.Rig, string, string) result.Record{
		"undo": func(r *rig.Rig, id, run string) result.Record { return r.Undo(id, run) },
		"resolve": func(r *rig.Rig, id, _ string) result.Record {
			return r.Resolve(id, map[string]record.Side{"*": record.EspoCRM})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t)
			id, _ := r.Linked()
			r.EditEspo(id, map[string]any{"email": "neu@example.de"})
			r.Sync(id)
			run := r.Next()
			r.EditEspo(id, map[string]any{"email": "neuer@example.de"})
			r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
			r.Sync(id)
			r.Espo.SetField(rig.Type, id, "syncStatus", record.StatusConflict) // a question for resolve
			r.Tick(r.Cfg.WriteTimeout - 10*time.Millisecond)
			r.Start()
			r.Proc.Plan = rig.On("GET /api/v1/"+rig.Type, 2, func() simulation.Fate {
				_ = r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") })
				return simulation.Passes
			})
			res := repair(r, id, run)
			if res.Outcome != result.Skipped && res.Error == nil {
				t.Errorf("%s: %+v", res.Outcome, res)
			}
			if r.Remembered(id).Open == nil {
				t.Error("the announcement is gone")
			}
		})
	}
	t.Run("link", func(t *testing.T) {
		r := rig.New(t)
		id := r.Person(nil)
		r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
		r.Sync(id)
		r.Tick(r.Cfg.WriteTimeout - 10*time.Millisecond)
		r.Start()
		r.Proc.Plan = rig.On("GET /api/v1/"+rig.Type, 2, func() simulation.Fate {
			_ = r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") })
			return simulation.Passes
		})
		if res := r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: 1}); res.Error == nil {
			t.Errorf("%s: %+v", res.Outcome, res)
		}
		if r.Remembered(id).Open == nil {
			t.Error("the announcement is gone")
		}
	})
}

// Stopping the undo at every write of either system, with and without the write
// done, leads to the same end: both sides agree, nothing is stuck, no value is
// lost from the history.
func TestUndoCrashes(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.AdvowareWins} {
		for n := 1; n <= 5; n++ {
			for _, drop := range []sandbox.Drop{sandbox.DropBefore, sandbox.DropAfter} {
				r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = policy })
				id, advo := r.Linked()
				r.Next()
				r.EditEspo(id, map[string]any{"email": "espo@example.de"})
				r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
				r.Sync(id)
				run := r.Next()
				faults := []*sandbox.Faults{r.Espo.Faults(), r.Advo.Faults()}
				for _, f := range faults {
					f.Add(sandbox.Fault{Method: "PUT", Drop: drop, Skip: n - 1, Count: 100})
				}
				r.Undo(id, run)
				for _, f := range faults {
					f.Clear("")
				}
				r.Next()
				r.Tick(10 * time.Minute)
				res := r.Sync(id)
				if res.Error != nil {
					t.Fatalf("%s, write %d, %s: %+v", policy, n, drop, res.Error)
				}
				for _, pair := range [][2]string{{"email", "emailGesch"}, {"phone", "telGesch"}} {
					a, b := r.EspoField(id, pair[0]), r.AdvoField(advo, pair[1])
					if a == nil {
						a = ""
					}
					if a != b {
						t.Errorf("%s, write %d, %s: %s is %v and %v", policy, n, drop, pair[0], a, b)
					}
				}
				r.Quiet(id)
			}
		}
	}
}

func TestUnlock(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	key := store.LockKey(r.M.Entity(), id)
	take := func(run string) {
		t.Helper()
		if _, _, err := r.Store.Acquire(context.Background(), []string{key}, store.Owner{Host: "elsewhere", PID: 7, User: "u", Command: "sync", Run: run}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	lock := func() desk.HeldLock {
		t.Helper()
		l, err := r.Desk.LockOf(context.Background(), r.M, id)
		if err != nil || l == nil {
			t.Fatalf("no lock: %v", err)
		}
		return *l
	}
	if l, _ := r.Desk.LockOf(context.Background(), r.M, id); l != nil {
		t.Fatal("a lock from nowhere")
	}

	take(r.Cfg.Run) // the rig takes other runs for dead
	live := lock()
	if got := r.Desk.Unlock(context.Background(), live, false); got.Freed || got.Error == nil || got.Error.Code != "locked" {
		t.Fatalf("a live lock was freed: %+v", got)
	}
	r.Espo.SetField(rig.Type, id, "syncStatus", "syncing")
	got := r.Desk.Unlock(context.Background(), live, true)
	if !got.Freed || got.Status != "dirty" || r.EspoField(id, "syncStatus") != "dirty" {
		t.Fatalf("by force: %+v %v", got, r.EspoField(id, "syncStatus"))
	}
	take("dead run")
	stale := lock()
	if stale.State != result.LockStale {
		t.Fatalf("state %s", stale.State)
	}
	if got := r.Desk.Unlock(context.Background(), stale, false); !got.Freed {
		t.Fatalf("stale: %+v", got)
	}
	// It changed hands meanwhile: the new holder keeps it.
	take(r.Cfg.Run)
	if got := r.Desk.Unlock(context.Background(), stale, true); got.Freed || got.Error == nil {
		t.Fatalf("somebody else's lock was freed: %+v", got)
	}
	if l := lock(); l.State != result.LockLive {
		t.Fatal("gone")
	}
	audits := 0
	_ = r.Store.Entries(context.Background(), store.HistoryFilter{ID: id}, func(e store.Entry) error {
		if e.Outcome == "unlocked" {
			audits++
		}
		return nil
	})
	if audits != 2 {
		t.Errorf("%d audit lines, want 2", audits)
	}
}

func TestLink(t *testing.T) {
	r := rig.New(t)
	ctx := context.Background()
	id := r.Person(nil)
	same := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
	link := func(id string, n int64, change ...func(*desk.LinkRequest)) result.Record {
		q := desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: n}
		for _, c := range change {
			c(&q)
		}
		return r.Desk.Link(ctx, q)
	}
	r.Outcome(link(id, 999999), result.Failed)
	r.Outcome(link(id, same, func(q *desk.LinkRequest) { q.DryRun = true }), result.Planned)
	if r.EspoField(id, "advowareId") != nil {
		t.Fatal("a dry run wrote")
	}
	r.Outcome(link(id, same), result.Adopted)
	if r.EspoField(id, "advowareRowId") != r.Advo.RowID(sandbox.BeteiligtePath, same) || r.EspoField(id, "syncStatus") != "clean" {
		t.Error("sync fields not set")
	}
	r.Quiet(id)
	r.Outcome(link(id, same), result.Unchanged)

	other := r.Person(map[string]any{"firstName": "Otto", "name": "Otto Alt", "email": "otto@example.de"})
	res := link(other, same)
	r.Outcome(res, result.Failed)
	if !strings.Contains(res.Error.Message, id) {
		t.Errorf("does not name the holder: %s", res.Error.Message)
	}
	r.Outcome(link(other, same, func(q *desk.LinkRequest) { q.Force = true }), result.Failed)
	differs := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Otto","name":"Alt","emailGesch":"alt@example.de"}`))
	r.Outcome(link(other, differs), result.UpdatedEspocrm)
	if r.Remembered(other).Base != nil || r.EspoField(other, "advowareLastSync") != nil {
		t.Error("a base of contents that differ")
	}
	r.Want(r.Sync(other), result.Initial, result.UpdatedAdvoware)
	r.Quiet(other)
	r.Outcome(link(other, same), result.Failed)
}

// TestAnUndoneFieldIsNotInStep: an undo --force puts a value back over an edit of
// the other side and dies, and so does the run that carries it on. Somebody sets it
// back to what stood there: that pair was never in step, so the two sides may not
// stay as they are.
func TestAnUndoneFieldIsNotInStep(t *testing.T) {
	for name, c := range map[string]struct {
		edit, foreign func(r *rig.Rig, id string, advo int64, v string)
		dies          string // the request before which the undo and the next run die
	}{
		"in EspoCRM": {
			edit:    func(r *rig.Rig, _ string, advo int64, v string) { r.EditAdvo(advo, map[string]any{"emailGesch": v}) },
			foreign: func(r *rig.Rig, id string, _ int64, v string) { r.EditEspo(id, map[string]any{"email": v}) },
			dies:    "PUT /relay",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Policy(reconcile.Merge))
			id, advo := r.Linked()
			c.edit(r, id, advo, "neu@example.de")
			r.Sync(id)
			run := r.Next()
			c.edit(r, id, advo, "amt@example.de")
			r.Tick(time.Minute)
			r.Decided(func() {
				r.Proc.Plan = rig.On(c.dies, 1, func() simulation.Fate { return simulation.DiesBefore })
				r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
			})
			if !r.Proc.Dead() {
				t.Fatal("the undo came through")
			}
			r.Tick(10 * time.Minute)
			r.Start()
			r.Dies(id, c.dies, 1, simulation.DiesBefore, nil)
			r.Decided(func() {
				c.foreign(r, id, advo, "neu@example.de")
				r.UntilQuiet(id, rig.Operation{}, "set back")
			})
			if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != a || e != "neu@example.de" {
				t.Errorf("email %v, emailGesch %v", e, a)
			}
		})
	}
}

// TestAnUndoThatArrivedInEspoCRMOnly: a value was to come back on both sides, over an
// edit in Advoware, and Advoware refuses it, or the undo dies before. What has come back
// in EspoCRM is the only edit, also where the policy is Advoware's.
func TestAnUndoThatArrivedInEspoCRMOnly(t *testing.T) {
	for name, interrupt := range map[string]func(*rig.Rig){
		"refused": func(r *rig.Rig) { r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 1}) },
		"dies":    func(r *rig.Rig) { r.Proc.Plan = rig.Before("PUT /relay", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Policy(reconcile.AdvowareWins))
			id, advo := r.Linked()
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
			r.Sync(id)
			first := r.Next()
			r.Undo(id, first)
			undone := r.Next() // has overwritten the number on both sides
			r.EditAdvo(advo, map[string]any{"telGesch": "0512 2"})
			r.Tick(time.Minute)
			r.Decided(func() {
				interrupt(r)
				r.Undo(id, undone, func(q *desk.UndoRequest) { q.Force = true })
			})
			if e, a := r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch"); e != "0511 1" || a != "0512 2" {
				t.Fatalf("set-up: phone %v, telGesch %q", e, a)
			}
			r.Tick(10 * time.Minute)
			r.Start()
			r.Decided(func() { r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware) })
			r.Phones(id, advo, "0511 1")
			r.Quiet(id)
		})
	}
}

// TestAnEditAfterAnInterruptedUndo: an undo --force puts two values back over edits of
// the other side and dies before it can carry them there. Somebody edits both on the
// side that had lost them: it is an edit as the undo's own values are. One in Advoware,
// after a PUT that nobody has read back, may be a form of the value: a conflict, told.
func TestAnEditAfterAnInterruptedUndo(t *testing.T) {
	for name, c := range map[string]struct {
		policy reconcile.Policy
		espo   bool // the side that gets its values back
		dies   string
	}{
		"in EspoCRM":  {reconcile.Merge, true, "PUT /api/v1/" + rig.Type},
		"in Advoware": {reconcile.EspoCRMWins, false, "PUT /relay"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, rig.Policy(c.policy))
			id, advo := r.Linked()
			edit := func(espo bool, phone, email string) {
				if espo {
					r.EditEspo(id, map[string]any{"phone": phone, "email": email})
				} else {
					r.EditAdvo(advo, map[string]any{"telGesch": phone, "emailGesch": email})
				}
			}
			edit(!c.espo, "0511 2", "neu@example.de")
			r.Sync(id)
			run := r.Next()
			edit(!c.espo, "0511 3", "amt@example.de")
			r.Tick(time.Minute)
			r.Decided(func() {
				r.Proc.Plan = rig.On(c.dies, 1, func() simulation.Fate { return simulation.DiesAfter })
				r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
			})
			if !r.Proc.Dead() {
				t.Fatal("the undo came through")
			}
			edit(c.espo, "0511 4", "anna@example.de")
			r.Tick(10 * time.Minute)
			r.Start()
			r.Decided(func() { r.UntilQuiet(id, rig.Operation{}, "edited") })
			if c.espo {
				r.Phones(id, advo, "0511 4")
			} else {
				r.Phones(id, advo, "")
				r.Overruled("phone", "0511 4")
			}
			for attr, v := range map[string][2]any{
				"email": {r.EspoField(id, "email"), "anna@example.de"}, "emailGesch": {r.AdvoField(advo, "emailGesch"), "anna@example.de"}} {
				if v[0] != v[1] {
					t.Errorf("%s is %v, want %v", attr, v[0], v[1])
				}
			}
		})
	}
}

// TestARefusedUndoKeepsWhatItFoundOut: an interrupted write to Advoware had arrived.
// The undo that finds this out is refused; that write stays known as the tool's own.
// A run has overwritten one field on both sides, and its undo gives both their values
// back: whoever edits the field from then on edits one side, also where the undo has
// died. A save in Advoware after a PUT that nobody has read back may be Advoware's form
// of the value: a conflict, told.
func TestAnEditAfterAnUndoOfBothSides(t *testing.T) {
	for name, c := range map[string]struct {
		policy reconcile.Policy // the edit of the other side would win
		edit   func(r *rig.Rig, id string, advo int64)
	}{
		"in EspoCRM":  {reconcile.AdvowareWins, func(r *rig.Rig, id string, _ int64) { r.EditEspo(id, map[string]any{"phone": "0511 9"}) }},
		"in Advoware": {reconcile.EspoCRMWins, func(r *rig.Rig, _ string, advo int64) { r.EditAdvo(advo, map[string]any{"telGesch": "0511 9"}) }},
	} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dies %v", name, dies), func(t *testing.T) {
				r := rig.New(t, rig.Policy(c.policy))
				id, advo := r.Linked()
				r.EditAdvo(advo, map[string]any{"telGesch": "0511 1", "emailGesch": "neu@example.de"})
				r.Sync(id)
				first := r.Next()
				r.Undo(id, first)
				undone := r.Next() // has overwritten both values on both sides
				r.Decided(func() {
					if dies {
						r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
						r.Undo(id, undone)
						c.edit(r, id, advo)
						r.Tick(10 * time.Minute)
						r.Start()
					} else {
						r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, After: func(*http.Request) { c.edit(r, id, advo) }})
						r.Undo(id, undone)
					}
					r.UntilQuiet(id, rig.Operation{}, "edited")
				})
				if name == "in Advoware" {
					r.Phones(id, advo, "0511 1")
					r.Overruled("phone", "0511 9")
					return
				}
				r.Phones(id, advo, "0511 9")
			})
		}
	}
}

// One run has made a company a person and a company again, under another name. Undone
// with force, it gives each side another name back, which is no pair in step.
func TestUndoOfTwoChangesOfKind(t *testing.T) {
	for _, dies := range []bool{false, true} {
		r := rig.New(t)
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"firmenname": "Neu AG"})
		r.Sync(id)
		r.Next()
		r.EditAdvo(advo, map[string]any{"vorname": "Anna", "name": "Alt"})
		r.Want(r.Sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		r.EditEspo(id, map[string]any{"firmenname": "Alt GmbH"})
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.Next()
		r.Decided(func() {
			if dies {
				r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
			}
			r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
			if dies {
				r.Tick(10 * time.Minute)
				r.Start()
			}
			r.UntilQuiet(id, rig.Operation{}, "undone")
		})
		name := r.EspoField(id, "firmenname")
		if r.AdvoField(advo, "vorname") != "" {
			name = r.EspoField(id, "lastName")
		}
		if a := r.AdvoField(advo, "name"); name != a {
			t.Errorf("dies %v: EspoCRM holds %v, Advoware %q", dies, name, a)
		}
	}
}

func TestARefusedUndoKeepsWhatItFoundOut(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Sync(id)
	run := r.Next()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Path: "*/" + rig.Type + "/*", Status: 400, Count: 1})
	r.Outcome(r.Undo(id, run, func(q *desk.UndoRequest) { q.Force = true }), result.Failed)
	r.Next()
	r.EditEspo(id, map[string]any{"email": "anna@example.de"}) // as it was before all that
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.AdvoField(advo, "emailGesch"); got != "anna@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.Quiet(id)
}

// TestLinkLooksAgainAfterItsWait: what somebody does to a record while link waits
// for an interrupted create counts.
func TestLinkLooksAgainAfterItsWait(t *testing.T) {
	for name, c := range map[string]struct {
		edit map[string]any
		want result.Outcome
	}{
		"linked by hand": {map[string]any{"advowareId": 4711}, result.Failed},
		"edited":         {map[string]any{"email": "neu@example.de"}, result.UpdatedEspocrm},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t)
			id := r.Person(nil)
			advo := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
			r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
			r.Sync(id)
			r.Tick(r.Cfg.WriteTimeout - 10*time.Millisecond)
			r.Start()
			reads := 0
			r.Proc.Plan = rig.On("GET /api/v1/"+rig.Type+"/"+id, 2, func() simulation.Fate {
				reads++
				r.EditEspo(id, c.edit)
				return simulation.Passes
			})
			r.Outcome(r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: advo}), c.want)
			if reads != 1 {
				t.Fatal("it was not read after the wait")
			}
			if v := fmt.Sprint(r.EspoField(id, "advowareId")); c.want == result.Failed && v != "4711" {
				t.Errorf("linked to %v", v)
			}
			if b := r.Remembered(id).Base; b != nil {
				t.Errorf("a base of contents that differ: %v", b)
			}
		})
	}
}

func TestLinkEndsAnUncertainCreate(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/Beteiligte", Drop: sandbox.DropAfter, Count: 1})
	r.Outcome(r.Sync(id), result.Failed)
	r.Next()
	r.Tick(time.Minute)
	made := gjson.GetBytes(r.Advo.All(sandbox.BeteiligtePath)[0], "betNr").Int()
	r.Outcome(r.Desk.Link(context.Background(), desk.LinkRequest{Mapping: r.M, ID: id, AdvowareID: made}), result.Adopted)
	r.Quiet(id)
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Errorf("%d records in Advoware", n)
	}
}

func TestPruneHistory(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	ctx := context.Background()
	if n, err := r.Desk.PruneHistory(ctx, 0); n != 0 || err != nil {
		t.Fatalf("0 keeps for ever: %d %v", n, err)
	}
	if n, err := r.Desk.PruneHistory(ctx, 24*time.Hour); n != 0 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	r.Tick(25 * time.Hour)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.Sync(id)
	if n, err := r.Desk.PruneHistory(ctx, 24*time.Hour); n != 1 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := r.Desk.CountHistory(ctx, r.M, id); n != 1 || err != nil {
		t.Fatalf("%d left, %v", n, err)
	}
}
