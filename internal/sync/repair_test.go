package sync_test

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
	"advosync/internal/test/simulation"
)

func (r *rig) reset(id string, change ...func(*desk.ResetRequest)) result.Record {
	req := desk.ResetRequest{Mapping: r.m, ID: id}
	for _, c := range change {
		c(&req)
	}
	return r.desk.Reset(context.Background(), req)
}

func (r *rig) undo(id, run string, change ...func(*desk.UndoRequest)) result.Record {
	req := desk.UndoRequest{Mapping: r.m, ID: id, Run: run}
	for _, c := range change {
		c(&req)
	}
	return r.desk.Undo(context.Background(), req)
}

func (r *rig) remembered(id string) store.Memory {
	r.t.Helper()
	mem, err := r.store.Load(context.Background(), store.Key{Entity: r.m.Entity(), ID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	return mem
}

// next is a new process with a run of its own; it returns the run before.
func (r *rig) next() string {
	before := r.cfg.Run
	r.tick(10 * time.Second)
	r.build()
	return before
}

// decided is what an operator has decided: the oracle, who knows persons and
// policies only, must not judge it.
func (r *rig) decided(fn func()) { r.o.Excuse("decided by the operator", fn) }

func (r *rig) outcome(res result.Record, o result.Outcome) {
	r.t.Helper()
	if res.Outcome != o {
		r.t.Fatalf("outcome %s, want %s: %+v %+v", res.Outcome, o, res.Reason, res.Error)
	}
}

func TestResetRearms(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.MaxRetries = 1 })
	id, advo := r.linked()
	r.advo.Delete(sandbox.BeteiligtePath, advo)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.outcome(r.sync(id), result.PermanentlyFailed)
	base := r.remembered(id).Base

	r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.DryRun = true }), result.Planned)
	if r.espoField(id, "syncStatus") != "permanently_failed" || r.remembered(id).Failure == nil {
		t.Fatal("a dry run wrote")
	}
	res := r.reset(id)
	r.outcome(res, result.UpdatedEspocrm)
	if !strings.Contains(res.Reason.Text, "not_found") {
		t.Errorf("the cause is not told: %s", res.Reason.Text)
	}
	mem := r.remembered(id)
	if r.espoField(id, "syncStatus") != "dirty" || r.espoField(id, "syncErrorMessage") != nil || mem.Failure != nil {
		t.Errorf("not re-armed: %v %v %+v", r.espoField(id, "syncStatus"), r.espoField(id, "syncErrorMessage"), mem.Failure)
	}
	if mem.Base == nil || len(mem.Base.Fields) != len(base.Fields) || r.espoField(id, "advowareLastSync") == nil {
		t.Error("reset touched the base")
	}
	r.outcome(r.reset(id), result.Unchanged)
	r.clean(id)
}

func TestResetForgetMakesTheNextSyncInitial(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	if r.espoField(id, "syncStatus") != "clean" || r.espoField(id, "advowareLastSync") != nil || r.remembered(id).Base != nil {
		t.Fatal("not forgotten")
	}
	r.decided(func() { r.want(r.sync(id), result.Initial, result.UpdatedAdvoware) })
	if got := r.advoField(advo, "emailGesch"); got != "anna@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.quiet(id)
}

// A first contact that is cut off, or refused, before anything arrived is a first
// contact still: what agreed then is no base by which Advoware's old values are
// newer.
func TestInterruptedFirstContactStaysOne(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.AdvowareWins, reconcile.Manual} {
		for _, mark := range []bool{true, false} {
			for name, happens := range map[string]func(r *rig, id string, advo int64){
				"dies": func(r *rig, id string, _ int64) { r.dies(id, "PUT /relay", 1, simulation.DiesBefore, nil) },
				"dies, then something unmapped is saved": func(r *rig, id string, advo int64) {
					r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() { r.editAdvo(advo, map[string]any{"bemerkung": "angerufen"}) })
				},
				"refused": func(r *rig, id string, _ int64) {
					r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Path: "*/advonet/Beteiligte*", Status: 400, Count: 1})
					r.outcome(r.sync(id), result.Failed)
					r.tick(time.Hour)
				},
			} {
				r := newRig(t, flat(emailField, phoneField), func(r *rig) { r.cfg.Policy, r.cfg.MarkSyncing = policy, mark })
				id, advo := r.linked()
				r.editAdvo(advo, map[string]any{"bemerkung": "neu"}) // EspoCRM's rowId is an old one
				r.tick(time.Minute)
				r.editEspo(id, map[string]any{"email": "neu@example.de"})
				r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
				r.tick(time.Minute)
				happens(r, id, advo)
				res := r.sync(id)
				if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); res.Verdict != result.Initial || e != "neu@example.de" || a != e {
					t.Fatalf("%s, marking %v, %s: %s/%s, email %v, emailGesch %q", policy, mark, name, res.Verdict, res.Outcome, e, a)
				}
				r.quiet(id)
				r.close()
			}
		}
	}
}

// The PUT of a first contact is in doubt, and Advoware has moved in one of the
// fields that were sent: a conflict there, and there alone.
func TestInterruptedFirstContactMeetsAnEdit(t *testing.T) {
	r := newRig(t, policy(reconcile.Manual), flat(emailField, phoneField))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de", "phone": "0511 1"})
	r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	r.tick(time.Minute)
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() { r.editAdvo(advo, map[string]any{"telGesch": "0511 2"}) })
	r.want(r.sync(id), result.Conflict, result.ConflictWaits)
	r.next()
	r.decided(func() { r.resolve(id, map[string]record.Side{"*": record.Advoware}) })
	if e, a, p := r.espoField(id, "email"), r.advoField(advo, "emailGesch"), r.espoField(id, "phone"); e != "neu@example.de" || a != e || p != "0511 2" {
		t.Errorf("email %v, emailGesch %q, phone %v", e, a, p)
	}
	r.quiet(id)
}

// The PUT of a first contact did not arrive, and a backup brings Advoware back to
// where both sides were in step before, but for the name: two of the three values
// that were sent stand there, and nobody remembers that they did before. The name of
// the backup is no later edit on that account.
func TestAFirstContactIsNotProvenByABackup(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id := r.person(map[string]any{"phone": "0511 1"})
	advo := *r.sync(id).AdvowareID
	r.tick(time.Minute)
	r.editEspo(id, map[string]any{"lastName": "Neu"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0512 2", "name": "Berg"})
	r.outcome(r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }), result.UpdatedEspocrm)
	r.tick(time.Minute)
	r.dies(id, "PUT /relay", 1, simulation.DiesBefore, func() {
		r.editAdvo(advo, map[string]any{"emailGesch": "anna@example.de", "telGesch": "0511 1", "name": "Alt"})
	})
	r.want(r.sync(id), result.Conflict, result.UpdatedAdvoware)
	if e, a := r.espoField(id, "lastName"), r.advoField(advo, "name"); e != "Neu" || a != "Neu" {
		t.Errorf("lastName %v, name %q", e, a)
	}
	r.quiet(id)
}

// A create whose answer was lost must survive --forget: forgetting it would
// create the record a second time.
func TestResetForgetKeepsAnUncertainCreate(t *testing.T) {
	r := newRig(t)
	id := r.person(nil)
	r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/Beteiligte", Drop: sandbox.DropAfter, Count: 1})
	r.outcome(r.sync(id), result.Failed)
	if r.remembered(id).Open == nil {
		t.Fatal("set-up: no announcement")
	}
	r.next()
	r.reset(id, func(q *desk.ResetRequest) { q.Forget = true })
	if in := r.remembered(id).Open; in == nil || !in.Makes {
		t.Fatal("the create was forgotten")
	}
	if s := r.espoField(id, "syncStatus"); s == "clean" {
		t.Error("an unlinked record is clean: no pass would create it")
	}
}

func TestResetLeavesAConflict(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Manual })
	id, _ := r.conflict()
	r.outcome(r.reset(id), result.Unchanged)
	if r.espoField(id, "syncStatus") != "conflict" {
		t.Error("a conflict was reset")
	}
}

func TestResetUnknownAndLocked(t *testing.T) {
	r := newRig(t)
	res := r.reset("00000000000000000")
	r.outcome(res, result.Failed)
	if res.Error.Code != "not_found" {
		t.Errorf("%+v", res.Error)
	}
	id, _ := r.linked()
	other := store.Owner{Host: "test", PID: 7, Run: r.cfg.Run}
	if _, _, err := r.store.Acquire(context.Background(), []string{store.LockKey(r.m.Entity(), id)}, other, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.outcome(r.reset(id), result.Locked)
}

// conflict is a record with a conflict that waits.
func (r *rig) conflict() (string, int64) {
	r.t.Helper()
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.outcome(r.sync(id), result.ConflictWaits)
	r.next()
	return id, advo
}

func (r *rig) resolve(id string, take map[string]record.Side) result.Record {
	return r.desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.m, ID: id, Take: take})
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
			r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Manual })
			id, advo := r.conflict()
			r.decided(func() { r.want(r.resolve(id, tt.take), result.Conflict, tt.outcome) })
			overruled := 0
			for _, e := range r.history() {
				for _, w := range e.Writes {
					if e.Run == r.cfg.Run && w.State == store.WriteDone {
						overruled++
					}
				}
			}
			if overruled != 2 {
				t.Errorf("%d overruled values in the history, want 2", overruled)
			}
			for _, got := range []any{r.espoField(id, "email"), r.advoField(advo, "emailGesch")} {
				if got != tt.email {
					t.Errorf("email %v", got)
				}
			}
			for _, got := range []any{r.espoField(id, "phone"), r.advoField(advo, "telGesch")} {
				if got != tt.phone {
					t.Errorf("phone %v", got)
				}
			}
			if r.remembered(id).Parked != nil || r.espoField(id, "syncStatus") != "clean" {
				t.Error("still parked")
			}
			r.quiet(id)
		})
	}
}

func TestResolveAsksForEveryField(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Manual })
	id, advo := r.conflict()
	notes := len(r.espo.Notes())
	r.decided(func() {
		res := r.resolve(id, map[string]record.Side{desk.FieldKeys(r.m, "email")[0]: record.EspoCRM})
		r.outcome(res, result.ConflictWaits)
		if !strings.Contains(res.Reason.Text, "phone") {
			t.Errorf("%s", res.Reason.Text)
		}
	})
	if r.advoField(advo, "emailGesch") != "espo@example.de" {
		t.Error("what was decided is not written")
	}
	if r.espoField(id, "phone") != "0511 1" || r.advoField(advo, "telGesch") != "0511 2" || r.espoField(id, "syncStatus") != "conflict" {
		t.Errorf("phone %v, telGesch %q, %v", r.espoField(id, "phone"), r.advoField(advo, "telGesch"), r.espoField(id, "syncStatus"))
	}
	if n := len(r.espo.Notes()); n != notes {
		t.Errorf("%d notes, there were %d: the other field was asked about before", n, notes)
	}
	r.decided(func() { r.outcome(r.resolve(id, map[string]record.Side{"*": record.Advoware}), result.UpdatedEspocrm) })
	if r.espoField(id, "email") != "espo@example.de" || r.espoField(id, "phone") != "0511 2" {
		t.Errorf("email %v, phone %v", r.espoField(id, "email"), r.espoField(id, "phone"))
	}
	r.quiet(id)
}

func TestResolveOnChangedContentsAsksAgain(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Manual })
	id, advo := r.conflict()
	r.editAdvo(advo, map[string]any{"emailGesch": "later@example.de"})
	res := r.resolve(id, map[string]record.Side{"*": record.EspoCRM})
	r.outcome(res, result.ConflictWaits)
	if r.advoField(advo, "emailGesch") != "later@example.de" || len(res.Warnings) == 0 {
		t.Error("resolved on stale contents")
	}
	r.next()
	r.decided(func() {
		r.outcome(r.resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.UpdatedAdvoware)
	})
	r.quiet(id)
}

// Somebody edits between the look and the write: the decision was not about
// that.
func TestResolveMeetsAnEditWhileItWorks(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Manual })
	id, advo := r.conflict()
	r.espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, After: func(*http.Request) { r.editAdvo(advo, map[string]any{"emailGesch": "later@example.de"}) }})
	r.outcome(r.resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.ConflictWaits)
	if got := r.advoField(advo, "emailGesch"); got != "later@example.de" {
		t.Errorf("an edit was lost: %q", got)
	}
	r.clean(id)
}

// The decision was to take Advoware's e-mail. Another field is written to Advoware
// first, and meanwhile somebody types a new e-mail in EspoCRM, which the operator has
// never seen (seed 47427 of the simulation).
func TestResolveMeetsAnEditWhileItWritesAnotherField(t *testing.T) {
	r := newRig(t, policy(reconcile.Manual))
	id, advo := r.conflict()
	r.editEspo(id, map[string]any{"geburtsdatum": "1980-02-01"})
	r.outcome(r.sync(id), result.ConflictWaits)
	r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Before: func(*http.Request) { r.editEspo(id, map[string]any{"email": "later@example.de"}) }})
	r.outcome(r.resolve(id, map[string]record.Side{"*": record.Advoware}), result.ConflictWaits)
	if e, p := r.espoField(id, "email"), r.advoField(advo, "geburtsdatum"); e != "later@example.de" || !strings.HasPrefix(p, "1980-02-01") {
		t.Errorf("email %v, geburtsdatum %q", e, p)
	}
	r.outcome(r.resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.UpdatedAdvoware)
	if got := r.advoField(advo, "emailGesch"); got != "later@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.clean(id)
}

func TestResolveWithoutConflict(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.outcome(r.resolve(id, map[string]record.Side{"*": record.EspoCRM}), result.Skipped)
}

func TestUndoPutsBackAndSyncs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy reconcile.Policy
		edit   func(r *rig, id string, advo int64)
		email  string
		phone  string
	}{
		{"overwritten in Advoware by a conflict", reconcile.EspoCRMWins, func(r *rig, id string, advo int64) {
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		}, "advo@example.de", ""},
		{"overwritten in EspoCRM by a conflict", reconcile.AdvowareWins, func(r *rig, id string, advo int64) {
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		}, "espo@example.de", ""},
		{"espocrm newer", reconcile.EspoCRMWins, func(r *rig, id string, _ int64) {
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
		}, "anna@example.de", ""},
		{"advoware newer", reconcile.EspoCRMWins, func(r *rig, _ string, advo int64) {
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
		}, "anna@example.de", ""},
		{"merged", reconcile.Merge, func(r *rig, id string, advo int64) {
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"telGesch": "0511"})
		}, "anna@example.de", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.cfg.Policy = tt.policy })
			id, advo := r.linked()
			r.next()
			tt.edit(r, id, advo)
			if res := r.sync(id); res.Error != nil {
				t.Fatalf("set-up: %+v", res.Error)
			}
			espoAfter, phoneAfter := r.espoField(id, "email"), r.espoField(id, "phone")
			notes := len(r.espo.Posts())
			run := r.next()
			r.outcome(r.undo(id, run, func(q *desk.UndoRequest) { q.DryRun = true }), result.Planned)
			res := r.undo(id, run)
			if res.Error != nil || res.Outcome == result.Skipped {
				t.Fatalf("undo: %s %+v %+v", res.Outcome, res.Reason, res.Error)
			}
			both := func(email string, phone any) {
				t.Helper()
				if a, b := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); a != email || b != email {
					t.Errorf("email: EspoCRM %v, Advoware %v, want %s", a, b, email)
				}
				if a, b := r.espoField(id, "phone"), r.advoField(advo, "telGesch"); (a != phone && !(a == nil && phone == "")) || (b != phone && !(b == "" && phone == nil)) {
					t.Errorf("phone: EspoCRM %v, Advoware %v, want %v", a, b, phone)
				}
			}
			both(tt.email, tt.phone)
			if len(r.espo.Posts()) != notes {
				t.Error("an undo is no conflict to tell of")
			}
			r.quiet(id)
			// The undo is a run like any other: it can be undone.
			undone := r.next()
			if res := r.undo(id, undone); res.Error != nil || res.Outcome == result.Skipped {
				t.Fatalf("undo of the undo: %s %+v %+v", res.Outcome, res.Reason, res.Error)
			}
			both(espoAfter.(string), phoneAfter)
			r.quiet(id)
		})
	}
}

func TestUndoRefusesWhereTheRecordMovedOn(t *testing.T) {
	for _, side := range []string{"the same side", "the other side, not synced yet"} {
		t.Run(side, func(t *testing.T) {
			r := newRig(t)
			id, advo := r.linked()
			r.next()
			r.editEspo(id, map[string]any{"email": "espo@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
			r.sync(id)
			run := r.next()
			if side == "the same side" {
				r.editAdvo(advo, map[string]any{"emailGesch": "later@example.de"})
				r.sync(id)
			} else {
				r.editEspo(id, map[string]any{"email": "later@example.de"})
			}
			r.next()
			res := r.undo(id, run)
			r.outcome(res, result.Skipped)
			if res.Reason.Code != "moved_on" || len(res.Fields) != 1 || *res.Fields[0].Undo.Before != "advo@example.de" || r.espoField(id, "email") != "later@example.de" {
				t.Errorf("%+v %+v", res.Reason, res.Fields)
			}
			r.decided(func() { res = r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true }) })
			if res.Error != nil || r.espoField(id, "email") != "advo@example.de" || r.advoField(advo, "emailGesch") != "advo@example.de" {
				t.Errorf("forced: %s %+v, %v %v", res.Outcome, res.Error, r.espoField(id, "email"), r.advoField(advo, "emailGesch"))
			}
			r.quiet(id)
		})
	}
}

// Somebody has typed again what the run had written, after the field had been
// something else: that is an edit, not what the run left.
func TestUndoMeetsTheRunsValueTypedAgain(t *testing.T) {
	for _, between := range []string{"later@example.de", "anna@example.de"} { // or what the run overwrote
		r := newRig(t, policy(reconcile.Merge))
		id, advo := r.linked()
		r.next()
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.next()
		r.editAdvo(advo, map[string]any{"emailGesch": between})
		r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		r.next()
		r.editAdvo(advo, map[string]any{"emailGesch": "espo@example.de"})
		res := r.undo(id, run)
		r.outcome(res, result.Skipped)
		if res.Reason.Code != "moved_on" {
			t.Errorf("%s: %+v", between, res.Reason)
		}
		r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "espo@example.de" || a != e {
			t.Errorf("%s: EspoCRM %v, Advoware %q", between, e, a)
		}
		r.quiet(id)
	}
}

// Somebody made the record a company in EspoCRM, before the undo or while it works,
// and the run to be undone wrote the person's name. A company has no such field, so
// nothing shows there but the other kind.
func TestUndoMeetsAChangeOfKind(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		for _, during := range []bool{false, true} {
			r := newRig(t, func(r *rig) { r.cfg.Policy = policy })
			id, advo := r.linked()
			r.next()
			r.editEspo(id, map[string]any{"lastName": "Neu"})
			r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			run := r.next()
			company := func() { r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"}) }
			if during {
				r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { company(); return simulation.Passes })
			} else {
				company()
			}
			res := r.undo(id, run)
			if res.Outcome == result.Skipped == during || !during && res.Reason.Code != "moved_on" {
				t.Errorf("%s, while it works %v: %s %+v %+v", policy, during, res.Outcome, res.Reason, res.Error)
			}
			if !during {
				r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
			}
			if e, a := r.espoField(id, "firmenname"), r.advoField(advo, "name"); e != "Alt GmbH" || a != "Alt GmbH" {
				t.Errorf("%s, while it works %v: EspoCRM %v, Advoware %q", policy, during, e, a)
			}
			r.clean(id)
		}
	}
}

// The run took back that EspoCRM had made the record a company. The person's name has
// been edited since, and a company has no such field.
func TestUndoOfAKindMeetsAnEditOfTheName(t *testing.T) {
	for _, where := range []string{"nowhere", "in Advoware", "in EspoCRM"} {
		t.Run(where, func(t *testing.T) {
			r := newRig(t, policy(reconcile.AdvowareWins))
			id, advo := r.linked()
			r.next()
			r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
			r.editAdvo(advo, map[string]any{"telGesch": "0511"})
			r.want(r.sync(id), result.Conflict, result.UpdatedEspocrm)
			run := r.next()
			switch where {
			case "in Advoware":
				r.editAdvo(advo, map[string]any{"name": "Berg"})
			case "in EspoCRM":
				r.editEspo(id, map[string]any{"lastName": "Berg"})
			}
			res := r.undo(id, run)
			if where == "nowhere" {
				if res.Error != nil || r.espoField(id, "firmenname") != "Alt GmbH" || r.advoField(advo, "name") != "Alt GmbH" {
					t.Errorf("%s %+v %+v: %v %q", res.Outcome, res.Reason, res.Error, r.espoField(id, "firmenname"), r.advoField(advo, "name"))
				}
				r.quiet(id)
				return
			}
			r.outcome(res, result.Skipped)
			if res.Reason.Code != "moved_on" {
				t.Errorf("%+v", res.Reason)
			}
			r.sync(id)
			if e, a := r.espoField(id, "lastName"), r.advoField(advo, "name"); e != "Berg" || a != "Berg" {
				t.Errorf("EspoCRM %v, Advoware %q", e, a)
			}
			r.quiet(id)
		})
	}
}

func TestUndoOfAKindSwitch(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.next()
	r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	run := r.next()
	res := r.undo(id, run)
	if res.Error != nil || res.Outcome == result.Skipped {
		t.Fatalf("%s %+v %+v", res.Outcome, res.Reason, res.Error)
	}
	if r.advoField(advo, "vorname") != "Anna" || r.advoField(advo, "name") != "Alt" || r.espoField(id, "firmenname") != nil || r.espoField(id, "lastName") != "Alt" {
		t.Errorf("not a person again: %q %q %v %v", r.advoField(advo, "vorname"), r.advoField(advo, "name"), r.espoField(id, "firmenname"), r.espoField(id, "lastName"))
	}
	r.quiet(id)
}

// An undo --force makes the record a person again, over an edit of the company's name in
// Advoware. The kind is wished as well, so it goes with its fields, also where the policy
// is Advoware's: a person without a name was left in EspoCRM, which it refuses for ever.
func TestUndoOfAKindSwitchOverAnEditOfTheName(t *testing.T) {
	for _, p := range []reconcile.Policy{reconcile.AdvowareWins, reconcile.EspoCRMWins, reconcile.Merge, reconcile.Manual} {
		r := newRig(t, policy(p))
		id, advo := r.linked()
		r.next()
		r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.next()
		r.editAdvo(advo, map[string]any{"name": "Berg GmbH"})
		r.decided(func() { r.outcome(r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true }), result.Merged) })
		if e, a := r.espoField(id, "lastName"), r.advoField(advo, "name"); e != "Alt" || a != "Alt" || r.espoField(id, "firmenname") != nil || r.advoField(advo, "vorname") != "Anna" {
			t.Errorf("%s: lastName %v, name %q, firmenname %v, vorname %q", p, e, a, r.espoField(id, "firmenname"), r.advoField(advo, "vorname"))
		}
		r.quiet(id)
	}
}

// An undo that died had put the company's name back in EspoCRM; another run made the
// record a company in Advoware, and cleared the person's names. Undoing the first
// run alone would leave a person without a name, on both sides.
func TestUndoLeavesNoPersonWithoutAName(t *testing.T) {
	r := newRig(t, policy(reconcile.AdvowareWins))
	id, advo := r.linked()
	r.next()
	r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511"})
	r.sync(id)
	run := r.next()
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
	r.undo(id, run)
	dead := r.cfg.Run
	r.tick(10 * time.Minute)
	r.start()
	r.next()
	r.sync(id)
	company := func(when string) {
		if r.espoField(id, "firmenname") != "Alt GmbH" || r.espoField(id, "lastName") != nil || r.advoField(advo, "name") != "Alt GmbH" || r.advoField(advo, "vorname") != "" {
			t.Fatalf("%s: no company: %v %v, %q %q", when, r.espoField(id, "firmenname"), r.espoField(id, "lastName"), r.advoField(advo, "name"), r.advoField(advo, "vorname"))
		}
	}
	company("before")
	r.next()
	r.outcome(r.undo(id, dead), result.Skipped) // a run since has carried it on
	company("without force")
	r.outcome(r.undo(id, dead, func(q *desk.UndoRequest) { q.Force = true }), result.Merged)
	if e, a := r.espoField(id, "lastName"), r.advoField(advo, "name"); e != "Alt" || a != "Alt" || r.espoField(id, "firmenname") != nil || r.advoField(advo, "vorname") != "Anna" {
		t.Errorf("lastName %v, name %q, firmenname %v, vorname %q", e, a, r.espoField(id, "firmenname"), r.advoField(advo, "vorname"))
	}
	r.quiet(id)
}

func TestUndoOfACreateDeletesNothing(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	run := r.next()
	r.outcome(r.undo(id, run), result.Skipped)
	if r.advoField(advo, "vorname") != "Anna" {
		t.Error("deleted")
	}
	r.outcome(r.undo(id, "no-such-run"), result.Failed)
}

// An edit of the other side while the undo works is none that the operator has
// decided about: the policy does.
func TestUndoMeetsAnEditWhileItWorks(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.sync(id)
	run := r.next()
	r.espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Before: func(*http.Request) { r.editEspo(id, map[string]any{"email": "later@example.de"}) }})
	r.decided(func() { r.undo(id, run) })
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "later@example.de" || a != "later@example.de" {
		t.Errorf("EspoCRM holds %v, Advoware %q", e, a)
	}
	r.clean(id)
}

// Under manual, an undo decides about what it puts back and nothing else: a clash in
// another field, which came up while it worked, waits for a person.
func TestUndoLeavesAConflictToAPerson(t *testing.T) {
	for _, force := range []bool{false, true} {
		r := newRig(t, policy(reconcile.Manual))
		id, advo := r.linked()
		r.next()
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.next()
		r.editAdvo(advo, map[string]any{"emailGesch": "bert@example.de"})
		r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Before: func(*http.Request) { r.editEspo(id, map[string]any{"email": "anna2@example.de"}) }})
		r.decided(func() {
			r.outcome(r.undo(id, run, func(u *desk.UndoRequest) { u.Force = force }), result.ConflictWaits)
		})
		if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "anna2@example.de" || a != "bert@example.de" {
			t.Errorf("EspoCRM holds %v, Advoware %q", e, a)
		}
		r.next()
		r.outcome(r.desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.m, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}}), result.UpdatedAdvoware)
		if e, a := r.espoField(id, "phone"), r.advoField(advo, "telGesch"); e != nil || a != "" {
			t.Errorf("the undone phone is %v in EspoCRM, %q in Advoware", e, a)
		}
		r.clean(id)
	}
}

// The history calls an interrupted create interrupted, not created; its writes
// filled a new record all the same, and undoing them would empty it.
func TestUndoOfAnInterruptedCreateEmptiesNothing(t *testing.T) {
	r := newRig(t, listing)
	id := r.person(nil)
	run := r.cfg.Run
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { return simulation.DiesBefore }) // the link, after the mark
	r.sync(id)
	r.tick(10 * time.Minute)
	r.start()
	advo := *r.sync(id).AdvowareID
	r.next()
	r.outcome(r.undo(id, run), result.Skipped)
	if got := r.advoField(advo, "vorname"); got != "Anna" {
		t.Errorf("the first name is %q", got)
	}
	r.quiet(id)
}

// An undo --force types two values into EspoCRM, one over somebody's edit, and Advoware
// refuses them: they are on their way as any edit there is.
func TestUndoHalfRefused(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.next()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.editAdvo(advo, map[string]any{"name": "Berg"})
	r.want(r.sync(id), result.Conflict, result.Merged)
	run := r.next()
	r.editEspo(id, map[string]any{"email": nil})
	r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 1})
	r.decided(func() {
		r.outcome(r.undo(id, run, func(u *desk.UndoRequest) { u.Force = true }), result.Failed)
	})
	if r.espoField(id, "lastName") != "Alt" {
		t.Fatalf("set-up: %v", r.espoField(id, "lastName"))
	}
	r.next()
	r.sync(id)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "anna@example.de" || a != e || r.advoField(advo, "name") != "Alt" {
		t.Errorf("email %v, emailGesch %q, name %q", e, a, r.advoField(advo, "name"))
	}
	r.clean(id)
}

// An undo of a value that every kind has decides nothing about the kind, which
// somebody has changed in EspoCRM since, and somebody else in Advoware.
func TestUndoTakesNoKind(t *testing.T) {
	for _, policy := range []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge} {
		r := newRig(t, func(r *rig) { r.cfg.Policy = policy })
		id, advo := r.linked()
		r.next()
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.next()
		r.editEspo(id, map[string]any{"firmenname": "Alt GmbH", "firstName": nil, "lastName": nil})
		r.editAdvo(advo, map[string]any{"vorname": "Anne"})
		r.undo(id, run)
		if e, a := r.espoField(id, "firmenname"), r.advoField(advo, "name"); e != "Alt GmbH" || a != "Alt GmbH" {
			t.Errorf("%s: EspoCRM %v, Advoware %q", policy, e, a)
		}
		r.clean(id)
	}
}

// An interrupted write is waited for, and meanwhile the record is deleted.
func TestRepairsOfARecordDeletedWhileTheyWait(t *testing.T) {
	for name, repair := range map[string]func(*rig, string, string) result.Record{
		"undo": func(r *rig, id, run string) result.Record { return r.undo(id, run) },
		"resolve": func(r *rig, id, _ string) result.Record {
			return r.resolve(id, map[string]record.Side{"*": record.EspoCRM})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id, _ := r.linked()
			r.editEspo(id, map[string]any{"email": "neu@example.de"})
			r.sync(id)
			run := r.next()
			r.editEspo(id, map[string]any{"email": "neuer@example.de"})
			r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
			r.sync(id)
			r.espo.SetField(ct, id, "syncStatus", record.StatusConflict) // a question for resolve
			r.tick(r.cfg.WriteTimeout - 10*time.Millisecond)
			r.start()
			r.proc.Plan = on("GET /api/v1/"+ct, 2, func() simulation.Fate {
				_ = r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") })
				return simulation.Passes
			})
			res := repair(r, id, run)
			if res.Outcome != result.Skipped && res.Error == nil {
				t.Errorf("%s: %+v", res.Outcome, res)
			}
			if r.remembered(id).Open == nil {
				t.Error("the announcement is gone")
			}
		})
	}
	t.Run("link", func(t *testing.T) {
		r := newRig(t)
		id := r.person(nil)
		r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
		r.sync(id)
		r.tick(r.cfg.WriteTimeout - 10*time.Millisecond)
		r.start()
		r.proc.Plan = on("GET /api/v1/"+ct, 2, func() simulation.Fate {
			_ = r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") })
			return simulation.Passes
		})
		if res := r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: 1}); res.Error == nil {
			t.Errorf("%s: %+v", res.Outcome, res)
		}
		if r.remembered(id).Open == nil {
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
				r := newRig(t, func(r *rig) { r.cfg.Policy = policy })
				id, advo := r.linked()
				r.next()
				r.editEspo(id, map[string]any{"email": "espo@example.de"})
				r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511"})
				r.sync(id)
				run := r.next()
				faults := []*sandbox.Faults{r.espo.Faults(), r.advo.Faults()}
				for _, f := range faults {
					f.Add(sandbox.Fault{Method: "PUT", Drop: drop, Skip: n - 1, Count: 100})
				}
				r.undo(id, run)
				for _, f := range faults {
					f.Clear("")
				}
				r.next()
				r.tick(10 * time.Minute)
				res := r.sync(id)
				if res.Error != nil {
					t.Fatalf("%s, write %d, %s: %+v", policy, n, drop, res.Error)
				}
				for _, pair := range [][2]string{{"email", "emailGesch"}, {"phone", "telGesch"}} {
					a, b := r.espoField(id, pair[0]), r.advoField(advo, pair[1])
					if a == nil {
						a = ""
					}
					if a != b {
						t.Errorf("%s, write %d, %s: %s is %v and %v", policy, n, drop, pair[0], a, b)
					}
				}
				r.quiet(id)
			}
		}
	}
}

func TestUnlock(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	key := store.LockKey(r.m.Entity(), id)
	take := func(run string) {
		t.Helper()
		if _, _, err := r.store.Acquire(context.Background(), []string{key}, store.Owner{Host: "elsewhere", PID: 7, User: "u", Command: "sync", Run: run}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	lock := func() desk.HeldLock {
		t.Helper()
		l, err := r.desk.LockOf(context.Background(), r.m, id)
		if err != nil || l == nil {
			t.Fatalf("no lock: %v", err)
		}
		return *l
	}
	if l, _ := r.desk.LockOf(context.Background(), r.m, id); l != nil {
		t.Fatal("a lock from nowhere")
	}

	take(r.cfg.Run) // the rig takes other runs for dead
	live := lock()
	if got := r.desk.Unlock(context.Background(), live, false); got.Freed || got.Error == nil || got.Error.Code != "locked" {
		t.Fatalf("a live lock was freed: %+v", got)
	}
	r.espo.SetField(ct, id, "syncStatus", "syncing")
	got := r.desk.Unlock(context.Background(), live, true)
	if !got.Freed || got.Status != "dirty" || r.espoField(id, "syncStatus") != "dirty" {
		t.Fatalf("by force: %+v %v", got, r.espoField(id, "syncStatus"))
	}
	take("dead run")
	stale := lock()
	if stale.State != result.LockStale {
		t.Fatalf("state %s", stale.State)
	}
	if got := r.desk.Unlock(context.Background(), stale, false); !got.Freed {
		t.Fatalf("stale: %+v", got)
	}
	// It changed hands meanwhile: the new holder keeps it.
	take(r.cfg.Run)
	if got := r.desk.Unlock(context.Background(), stale, true); got.Freed || got.Error == nil {
		t.Fatalf("somebody else's lock was freed: %+v", got)
	}
	if l := lock(); l.State != result.LockLive {
		t.Fatal("gone")
	}
	audits := 0
	_ = r.store.Entries(context.Background(), store.HistoryFilter{ID: id}, func(e store.Entry) error {
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
	r := newRig(t)
	ctx := context.Background()
	id := r.person(nil)
	same := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
	link := func(id string, n int64, change ...func(*desk.LinkRequest)) result.Record {
		q := desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: n}
		for _, c := range change {
			c(&q)
		}
		return r.desk.Link(ctx, q)
	}
	r.outcome(link(id, 999999), result.Failed)
	r.outcome(link(id, same, func(q *desk.LinkRequest) { q.DryRun = true }), result.Planned)
	if r.espoField(id, "advowareId") != nil {
		t.Fatal("a dry run wrote")
	}
	r.outcome(link(id, same), result.Adopted)
	if r.espoField(id, "advowareRowId") != r.advo.RowID(sandbox.BeteiligtePath, same) || r.espoField(id, "syncStatus") != "clean" {
		t.Error("sync fields not set")
	}
	r.quiet(id)
	r.outcome(link(id, same), result.Unchanged)

	other := r.person(map[string]any{"firstName": "Otto", "name": "Otto Alt", "email": "otto@example.de"})
	res := link(other, same)
	r.outcome(res, result.Failed)
	if !strings.Contains(res.Error.Message, id) {
		t.Errorf("does not name the holder: %s", res.Error.Message)
	}
	r.outcome(link(other, same, func(q *desk.LinkRequest) { q.Force = true }), result.Failed)
	differs := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Otto","name":"Alt","emailGesch":"alt@example.de"}`))
	r.outcome(link(other, differs), result.UpdatedEspocrm)
	if r.remembered(other).Base != nil || r.espoField(other, "advowareLastSync") != nil {
		t.Error("a base of contents that differ")
	}
	r.want(r.sync(other), result.Initial, result.UpdatedAdvoware)
	r.quiet(other)
	r.outcome(link(other, same), result.Failed)
}

// TestAnUndoneFieldIsNotInStep: an undo --force puts a value back over an edit of
// the other side and dies, and so does the run that carries it on. Somebody sets it
// back to what stood there: that pair was never in step, so the two sides may not
// stay as they are.
func TestAnUndoneFieldIsNotInStep(t *testing.T) {
	for name, c := range map[string]struct {
		edit, foreign func(r *rig, id string, advo int64, v string)
		dies          string // the request before which the undo and the next run die
	}{
		"in EspoCRM": {
			edit:    func(r *rig, _ string, advo int64, v string) { r.editAdvo(advo, map[string]any{"emailGesch": v}) },
			foreign: func(r *rig, id string, _ int64, v string) { r.editEspo(id, map[string]any{"email": v}) },
			dies:    "PUT /relay",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, policy(reconcile.Merge))
			id, advo := r.linked()
			c.edit(r, id, advo, "neu@example.de")
			r.sync(id)
			run := r.next()
			c.edit(r, id, advo, "amt@example.de")
			r.tick(time.Minute)
			r.decided(func() {
				r.proc.Plan = on(c.dies, 1, func() simulation.Fate { return simulation.DiesBefore })
				r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
			})
			if !r.proc.Dead() {
				t.Fatal("the undo came through")
			}
			r.tick(10 * time.Minute)
			r.start()
			r.dies(id, c.dies, 1, simulation.DiesBefore, nil)
			r.decided(func() {
				c.foreign(r, id, advo, "neu@example.de")
				r.untilQuiet(id, operation{}, "set back")
			})
			if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != a || e != "neu@example.de" {
				t.Errorf("email %v, emailGesch %v", e, a)
			}
		})
	}
}

// TestAnUndoThatArrivedInEspoCRMOnly: a value was to come back on both sides, over an
// edit in Advoware, and Advoware refuses it, or the undo dies before. What has come back
// in EspoCRM is the only edit, also where the policy is Advoware's.
func TestAnUndoThatArrivedInEspoCRMOnly(t *testing.T) {
	for name, interrupt := range map[string]func(*rig){
		"refused": func(r *rig) { r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Count: 1}) },
		"dies":    func(r *rig) { r.proc.Plan = before("PUT /relay", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, policy(reconcile.AdvowareWins))
			id, advo := r.linked()
			r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
			r.sync(id)
			first := r.next()
			r.undo(id, first)
			undone := r.next() // has overwritten the number on both sides
			r.editAdvo(advo, map[string]any{"telGesch": "0512 2"})
			r.tick(time.Minute)
			r.decided(func() {
				interrupt(r)
				r.undo(id, undone, func(q *desk.UndoRequest) { q.Force = true })
			})
			if e, a := r.espoField(id, "phone"), r.advoField(advo, "telGesch"); e != "0511 1" || a != "0512 2" {
				t.Fatalf("set-up: phone %v, telGesch %q", e, a)
			}
			r.tick(10 * time.Minute)
			r.start()
			r.decided(func() { r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware) })
			r.phones(id, advo, "0511 1")
			r.quiet(id)
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
		"in EspoCRM":  {reconcile.Merge, true, "PUT /api/v1/" + ct},
		"in Advoware": {reconcile.EspoCRMWins, false, "PUT /relay"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, policy(c.policy))
			id, advo := r.linked()
			edit := func(espo bool, phone, email string) {
				if espo {
					r.editEspo(id, map[string]any{"phone": phone, "email": email})
				} else {
					r.editAdvo(advo, map[string]any{"telGesch": phone, "emailGesch": email})
				}
			}
			edit(!c.espo, "0511 2", "neu@example.de")
			r.sync(id)
			run := r.next()
			edit(!c.espo, "0511 3", "amt@example.de")
			r.tick(time.Minute)
			r.decided(func() {
				r.proc.Plan = on(c.dies, 1, func() simulation.Fate { return simulation.DiesAfter })
				r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
			})
			if !r.proc.Dead() {
				t.Fatal("the undo came through")
			}
			edit(c.espo, "0511 4", "anna@example.de")
			r.tick(10 * time.Minute)
			r.start()
			r.decided(func() { r.untilQuiet(id, operation{}, "edited") })
			if c.espo {
				r.phones(id, advo, "0511 4")
			} else {
				r.phones(id, advo, "")
				r.overruled("phone", "0511 4")
			}
			for attr, v := range map[string][2]any{
				"email": {r.espoField(id, "email"), "anna@example.de"}, "emailGesch": {r.advoField(advo, "emailGesch"), "anna@example.de"}} {
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
		edit   func(r *rig, id string, advo int64)
	}{
		"in EspoCRM":  {reconcile.AdvowareWins, func(r *rig, id string, _ int64) { r.editEspo(id, map[string]any{"phone": "0511 9"}) }},
		"in Advoware": {reconcile.EspoCRMWins, func(r *rig, _ string, advo int64) { r.editAdvo(advo, map[string]any{"telGesch": "0511 9"}) }},
	} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dies %v", name, dies), func(t *testing.T) {
				r := newRig(t, policy(c.policy))
				id, advo := r.linked()
				r.editAdvo(advo, map[string]any{"telGesch": "0511 1", "emailGesch": "neu@example.de"})
				r.sync(id)
				first := r.next()
				r.undo(id, first)
				undone := r.next() // has overwritten both values on both sides
				r.decided(func() {
					if dies {
						r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
						r.undo(id, undone)
						c.edit(r, id, advo)
						r.tick(10 * time.Minute)
						r.start()
					} else {
						r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, After: func(*http.Request) { c.edit(r, id, advo) }})
						r.undo(id, undone)
					}
					r.untilQuiet(id, operation{}, "edited")
				})
				if name == "in Advoware" {
					r.phones(id, advo, "0511 1")
					r.overruled("phone", "0511 9")
					return
				}
				r.phones(id, advo, "0511 9")
			})
		}
	}
}

// One run has made a company a person and a company again, under another name. Undone
// with force, it gives each side another name back, which is no pair in step.
func TestUndoOfTwoChangesOfKind(t *testing.T) {
	for _, dies := range []bool{false, true} {
		r := newRig(t)
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"firmenname": "Neu AG"})
		r.sync(id)
		r.next()
		r.editAdvo(advo, map[string]any{"vorname": "Anna", "name": "Alt"})
		r.want(r.sync(id), result.AdvowareNewer, result.UpdatedEspocrm)
		r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		run := r.next()
		r.decided(func() {
			if dies {
				r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
			}
			r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true })
			if dies {
				r.tick(10 * time.Minute)
				r.start()
			}
			r.untilQuiet(id, operation{}, "undone")
		})
		name := r.espoField(id, "firmenname")
		if r.advoField(advo, "vorname") != "" {
			name = r.espoField(id, "lastName")
		}
		if a := r.advoField(advo, "name"); name != a {
			t.Errorf("dies %v: EspoCRM holds %v, Advoware %q", dies, name, a)
		}
	}
}

func TestARefusedUndoKeepsWhatItFoundOut(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.sync(id)
	run := r.next()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.dies(id, "PUT /relay", 1, simulation.DiesAfter, nil)
	r.espo.Faults().Add(sandbox.Fault{Method: "PUT", Path: "*/" + ct + "/*", Status: 400, Count: 1})
	r.outcome(r.undo(id, run, func(q *desk.UndoRequest) { q.Force = true }), result.Failed)
	r.next()
	r.editEspo(id, map[string]any{"email": "anna@example.de"}) // as it was before all that
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if got := r.advoField(advo, "emailGesch"); got != "anna@example.de" {
		t.Errorf("emailGesch %q", got)
	}
	r.quiet(id)
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
			r := newRig(t)
			id := r.person(nil)
			advo := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
			r.proc.Plan = on("POST /relay", 1, func() simulation.Fate { return simulation.DiesBefore })
			r.sync(id)
			r.tick(r.cfg.WriteTimeout - 10*time.Millisecond)
			r.start()
			reads := 0
			r.proc.Plan = on("GET /api/v1/"+ct+"/"+id, 2, func() simulation.Fate {
				reads++
				r.editEspo(id, c.edit)
				return simulation.Passes
			})
			r.outcome(r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: advo}), c.want)
			if reads != 1 {
				t.Fatal("it was not read after the wait")
			}
			if v := fmt.Sprint(r.espoField(id, "advowareId")); c.want == result.Failed && v != "4711" {
				t.Errorf("linked to %v", v)
			}
			if b := r.remembered(id).Base; b != nil {
				t.Errorf("a base of contents that differ: %v", b)
			}
		})
	}
}

func TestLinkEndsAnUncertainCreate(t *testing.T) {
	r := newRig(t)
	id := r.person(nil)
	r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/Beteiligte", Drop: sandbox.DropAfter, Count: 1})
	r.outcome(r.sync(id), result.Failed)
	r.next()
	r.tick(time.Minute)
	made := gjson.GetBytes(r.advo.All(sandbox.BeteiligtePath)[0], "betNr").Int()
	r.outcome(r.desk.Link(context.Background(), desk.LinkRequest{Mapping: r.m, ID: id, AdvowareID: made}), result.Adopted)
	r.quiet(id)
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Errorf("%d records in Advoware", n)
	}
}

func TestPruneHistory(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	ctx := context.Background()
	if n, err := r.desk.PruneHistory(ctx, 0); n != 0 || err != nil {
		t.Fatalf("0 keeps for ever: %d %v", n, err)
	}
	if n, err := r.desk.PruneHistory(ctx, 24*time.Hour); n != 0 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	r.tick(25 * time.Hour)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.sync(id)
	if n, err := r.desk.PruneHistory(ctx, 24*time.Hour); n != 1 || err != nil {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := r.desk.CountHistory(ctx, r.m, id); n != 1 || err != nil {
		t.Fatalf("%d left, %v", n, err)
	}
}
