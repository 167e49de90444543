package rig

import (
	"context"
	"fmt"
	"strings"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/simulation"
)

// Hold puts a record on hold for a reason; "" releases it.
func (r *Rig) Hold(id, reason string) result.Record {
	return r.Desk.Hold(context.Background(), desk.HoldRequest{Mapping: r.M, ID: id, Reason: reason, Release: reason == ""})
}

// OddPairs are pairs that agree, differ, or may not be linked, each for another
// reason.
func (r *Rig) OddPairs() (pairs []reconcile.Pair) {
	r.T.Helper()
	n := 0
	pair := func(espo map[string]any, advo string) (string, int64) {
		n++
		last := fmt.Sprintf("Nr%d", n)
		v := map[string]any{"name": "Uwe " + last, "firstName": "Uwe", "lastName": last, "email": last + "@example.de"}
		for k, x := range espo {
			v[k] = x
		}
		id := r.Person(v)
		number := r.Advo.Insert(sandbox.BeteiligtePath, fmt.Appendf(nil, `{"vorname":"Uwe","name":%q,"emailGesch":"%s@example.de"%s}`, last, last, advo))
		pairs = append(pairs, reconcile.Pair{ID: id, Candidates: []int64{number}})
		return id, number
	}
	r.Proc.Plan = On("PUT /api/v1/"+Type, 2, func() simulation.Fate { return simulation.DiesBefore })
	made := r.Person(map[string]any{"name": "Ida Made", "lastName": "Made", "email": "ida@example.de"})
	r.Sync(made)
	r.Tick(10 * time.Minute)
	r.Start()

	pair(nil, "")
	pair(nil, `,"telGesch":"0511 7"`)
	pair(map[string]any{"phone": "0511 8"}, "")
	long := strings.Repeat("Akte ", 3000) + "Ende"
	pair(map[string]any{"description": long}, `,"bemerkung":"`+long+`"`)
	gone, _ := pair(nil, "")
	if err := r.Espo.Delete(Type, gone, "anna"); err != nil {
		r.T.Fatal(err)
	}
	linked, _ := pair(nil, "")
	r.Espo.SetField(Type, linked, "advowareId", int64(4711))
	right, number := pair(nil, "")
	r.Espo.SetField(Type, right, "advowareId", number)
	_, taken := pair(nil, "")
	thief := r.Person(map[string]any{"name": "Dieb"})
	r.Espo.SetField(Type, thief, "advowareId", taken)
	_, deleted := pair(nil, "")
	r.Advo.Delete(sandbox.BeteiligtePath, deleted)
	another := r.Person(map[string]any{"name": "Ida Zwei"})
	return append(pairs, reconcile.Pair{ID: another, Candidates: []int64{r.MemoryOf(made).Open.AdvowareID}},
		reconcile.Pair{ID: made, Candidates: []int64{number}})
}

// Reset clears the attempts of a record.
func (r *Rig) Reset(id string, change ...func(*desk.ResetRequest)) result.Record {
	req := desk.ResetRequest{Mapping: r.M, ID: id}
	for _, c := range change {
		c(&req)
	}
	return r.Desk.Reset(context.Background(), req)
}

// Undo takes back what a run has written.
func (r *Rig) Undo(id, run string, change ...func(*desk.UndoRequest)) result.Record {
	req := desk.UndoRequest{Mapping: r.M, ID: id, Run: run}
	for _, c := range change {
		c(&req)
	}
	return r.Desk.Undo(context.Background(), req)
}

// Remembered is what the store remembers of a record.
func (r *Rig) Remembered(id string) store.Memory {
	r.T.Helper()
	mem, err := r.Store.Load(context.Background(), store.Key{Entity: r.M.Entity(), ID: id})
	if err != nil {
		r.T.Fatal(err)
	}
	return mem
}

// Next is a new process with a run of its own; it returns the run before.
func (r *Rig) Next() string {
	before := r.Cfg.Run
	r.Tick(10 * time.Second)
	r.Build()
	return before
}

// Decided is what an operator has decided: the oracle, who knows persons and
// policies only, must not judge it.
func (r *Rig) Decided(fn func()) { r.Oracle.Excuse("decided by the operator", fn) }

// Outcome checks how a command has ended.
func (r *Rig) Outcome(res result.Record, o result.Outcome) {
	r.T.Helper()
	if res.Outcome != o {
		r.T.Fatalf("outcome %s, want %s: %+v %+v", res.Outcome, o, res.Reason, res.Error)
	}
}

// Conflict is a record with a conflict that waits.
func (r *Rig) Conflict() (string, int64) {
	r.T.Helper()
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de", "phone": "0511 1"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de", "telGesch": "0511 2"})
	r.Outcome(r.Sync(id), result.ConflictWaits)
	r.Next()
	return id, advo
}

// Resolve decides a conflict.
func (r *Rig) Resolve(id string, take map[string]record.Side) result.Record {
	return r.Desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.M, ID: id, Take: take})
}

// Oldest is when the oldest edit that waits was made; "none".
func (r *Rig) Oldest() string {
	r.T.Helper()
	st, err := r.Desk.Status(context.Background(), r.M, r.Eng.EspoCRM.(desk.Counter))
	if err != nil {
		r.T.Fatal(err)
	}
	if st.OldestUnsynced == nil {
		return "none"
	}
	return st.OldestUnsynced.UTC().Format(time.TimeOnly)
}

// WantOldest checks Oldest.
func (r *Rig) WantOldest(when, want string) {
	r.T.Helper()
	if got := r.Oldest(); got != want {
		r.T.Errorf("%s: the oldest edit is of %s, want %s", when, got, want)
	}
}

// ClockOf is the time of a record's modifiedAt.
func (r *Rig) ClockOf(id string) string {
	s, _ := r.EspoField(id, "modifiedAt").(string)
	return s[len(s)-len(time.TimeOnly):]
}
