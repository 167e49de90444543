package rig

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
	"advosync/internal/test/simulation"
)

// Operation is one kind of sync: how the world is prepared for it.
type Operation struct {
	Name    string
	Setup   []func(*Rig)
	Prepare func(*Rig) string
	// Human: a person has to decide at the end, so both sides may differ.
	Human bool
}

// Strangers are two records that somebody linked by hand; they were never synced.
func (r *Rig) Strangers() (id string, advo int64) {
	r.T.Helper()
	_ = r.Oracle.Person("bert", func() error {
		advo = r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"alt@example.de","telGesch":"0511 9","unbekannt":{"a":1.50}}`))
		return nil
	})
	id = r.Person(map[string]any{"advowareId": advo, "syncStatus": "dirty"})
	r.Tick(10 * time.Second)
	return id, advo
}

// Meddling is what a person does between a crash and the recovery.
type Meddling struct {
	Name string
	Do   func(r *Rig, id string)
}

// LinkOf is the Advoware number that an EspoCRM record carries; 0: none.
func (r *Rig) LinkOf(id string) int64 {
	n, _ := r.EspoField(id, "advowareId").(int64)
	return n
}

// Meddlings are what people may do between a crash and the recovery, nothing included.
func Meddlings() []Meddling {
	inAdvo := func(values map[string]any) func(*Rig, string) {
		return func(r *Rig, id string) {
			n := r.LinkOf(id)
			if _, ok := r.Advo.Get(sandbox.BeteiligtePath, n); ok {
				r.EditAdvo(n, values)
			}
		}
	}
	return []Meddling{
		{"nobody", func(*Rig, string) {}},
		{"EspoCRM, same field", func(r *Rig, id string) { r.EditEspo(id, map[string]any{"email": "espo2@example.de"}) }},
		{"EspoCRM, other field", func(r *Rig, id string) { r.EditEspo(id, map[string]any{"phone": "0511 2"}) }},
		{"EspoCRM, back", func(r *Rig, id string) { r.EditEspo(id, map[string]any{"email": "anna@example.de"}) }},
		{"Advoware, same field", inAdvo(map[string]any{"emailGesch": "advo2@example.de"})},
		{"Advoware, other field", inAdvo(map[string]any{"telGesch": "0511 2"})},
		{"Advoware, back", inAdvo(map[string]any{"emailGesch": "anna@example.de"})},
		{"Advoware, unmapped", inAdvo(map[string]any{"bemerkung": "angerufen"})},
		{"both, same field", func(r *Rig, id string) {
			r.EditEspo(id, map[string]any{"email": "espo2@example.de"})
			inAdvo(map[string]any{"emailGesch": "advo2@example.de"})(r, id)
		}},
		{"both, other fields", func(r *Rig, id string) {
			r.EditEspo(id, map[string]any{"phone": "0511 3"})
			inAdvo(map[string]any{"geburtsdatum": "1980-02-03"})(r, id)
		}},
	}
}

// Prepared is a world in front of the operation, everything in it settled.
func (op Operation) Prepared(t *testing.T, more ...func(*Rig)) (*Rig, string) {
	t.Helper()
	r := New(t, slices.Concat(op.Setup, more)...)
	id := op.Prepare(r)
	r.Tick(10 * time.Second)
	r.Before = len(r.Proc.Effects())
	return r, id
}

// Backend is a store that crash points are tried on.
type Backend struct {
	Name string
	Use  func(*Rig)
}

// RealStores are both stores as they are in use: a SQLite file, and a database of
// a redis-server that is emptied for every world.
func RealStores(t *testing.T) []Backend {
	t.Helper()
	out := []Backend{{"SQLite", func(*Rig) {}}}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("redis-server is not installed: SQLite only")
		return out
	}
	server := storetest.StartRedis(t)
	return append(out, Backend{"Redis", func(r *Rig) {
		server.Empty(r.T)
		r.Redis = server.URL()
	}})
}

// EveryStore makes crash tests play all operations on every store, and fault tests once and for the rest.
var EveryStore = flag.Bool("stores", false, "crash tests: all operations on every store; fault tests: once and for the rest")

// KillAt makes the n-th cut deadly: every write counts twice, before and after.
func (r *Rig) KillAt(n int) (at func() string) {
	seen, where := 0, ""
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if !e.Write || e.SignIn {
			return simulation.Passes
		}
		seen += 2
		if n == seen-1 || n == seen {
			r.Oracle.Rough()
		}
		switch n {
		case seen - 1:
			where = "before " + e.What
			return simulation.DiesBefore
		case seen:
			where = "after " + e.What
			return simulation.DiesAfter
		}
		return simulation.Passes
	}
	return func() string { return where }
}

// UntilQuiet syncs until nothing changes and checks the six invariants.
func (r *Rig) UntilQuiet(id string, op Operation, what string) {
	t := r.T
	t.Helper()
	var res result.Record
	var seen []string
	for pass := 1; ; pass++ {
		res = r.Sync(id)
		r.Tick(time.Hour)
		seen = append(seen, string(res.Outcome))
		if res.Outcome == result.Unchanged {
			break
		}
		if res.Reason.Code == reconcile.ReasonLinkDoubtful { // nothing is known any more, and the name was edited
			r.Outcome(r.Desk.Confirm(context.Background(), r.M, id, false), result.UpdatedEspocrm)
			continue
		}
		waits := res.Outcome == result.ConflictWaits || res.Outcome == result.Failed || res.Outcome == result.PermanentlyFailed
		if pass > 2 && waits && (op.Human || res.Error == nil) {
			break
		}
		if res.Outcome == result.Skipped && pass > 2 && op.Name == "gone, unlink" {
			break
		}
		if pass == 7 {
			b, _ := json.MarshalIndent(res, "", " ")
			t.Fatalf("%s: no end: %v\n%s\ntrace:\n  %s", what, seen, b, strings.Join(r.Oracle.Trace(), "\n  "))
		}
	}
	var bad []string
	mem := r.MemoryOf(id)
	if mem.Open != nil && !(op.Human && mem.Open.Makes) {
		bad = append(bad, fmt.Sprintf("an announcement is left: %+v", *mem.Open))
	}
	if len(mem.Notes) > 0 {
		bad = append(bad, "a notification is owed")
	}
	if locks, _ := r.Store.Locks(t.Context()); len(locks) > 0 {
		bad = append(bad, "a lock is left")
	}
	status, _ := r.EspoField(id, "syncStatus").(string)
	switch {
	case status == "syncing":
		bad = append(bad, "stuck in syncing")
	case res.Outcome == result.Unchanged && status != "clean":
		bad = append(bad, "unchanged, but status "+status)
	}
	if !r.Forgetful {
		for _, e := range r.History() {
			for _, w := range e.Writes {
				if w.State == store.WritePlanned {
					bad = append(bad, fmt.Sprintf("history %s: the write of %s to %s is still planned (outcome %s)", e.Run, w.Field, w.Side, e.Outcome))
				}
			}
		}
		bad = append(bad, r.Oracle.Overwritten(r.History())...)
	}
	bad = append(bad, r.Oracle.Problems()...)
	if !op.Human {
		bad = append(bad, r.Oracle.Differences()...)
	} else if n := len(r.Advo.All(sandbox.BeteiligtePath)); n > 1 && !strings.HasPrefix(op.Name, "gone") {
		bad = append(bad, fmt.Sprintf("%d records in Advoware", n))
	}
	// The last pass writes nothing.
	writes := r.Espo.Log().Count(IsWrite) + r.Advo.Log().Count(IsWrite)
	again := r.Sync(id)
	if after := r.Espo.Log().Count(IsWrite) + r.Advo.Log().Count(IsWrite); after != writes && res.Outcome == result.Unchanged {
		bad = append(bad, fmt.Sprintf("one more sync wrote (%s)", again.Outcome))
	}
	if len(bad) > 0 {
		b, _ := json.Marshal(res)
		t.Errorf("%s: outcomes %v\n- %s\nlast %s\ntrace:\n  %s", what, seen, strings.Join(bad, "\n- "), b, strings.Join(r.Oracle.Trace(), "\n  "))
	}
}

// Everything makes the crash and fault tests go through all combinations.
var Everything = flag.Bool("everything", false, "crash and fault tests: all combinations (minutes)")

// On calls do before the n-th effect of that kind.
func On(what string, n int, do func() simulation.Fate) func(simulation.Effect) simulation.Fate {
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

// ReadsBeforePuts checks that a read of the same record stands directly before each PUT to
// Advoware, with nothing but the local store in between.
func (r *Rig) ReadsBeforePuts() {
	r.T.Helper()
	last, puts := "", 0
	for _, e := range r.Proc.Effects() {
		if path, ok := strings.CutPrefix(e.What, "PUT /relay"); ok {
			if puts++; last != "GET /relay"+path {
				r.T.Errorf("%s was sent right after %s", e.What, last)
			}
		}
		if e.HTTP {
			last = e.What
		}
	}
	if puts == 0 {
		r.T.Error("nothing was written to Advoware")
	}
}

// Must is for what a test does to a server.
func Must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// At does something before the n-th effect of the operation; false: it never came
// so far. The process lives on; after it a new one goes on until nothing changes.
func (r *Rig) At(n int, id string, op Operation, what string, do func()) bool {
	r.T.Helper()
	where := ""
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if e.N == r.Before+n {
			where = e.What
			do()
		}
		return simulation.Passes
	}
	res := r.Sync(id)
	if where == "" {
		return false
	}
	if res.Outcome == result.Failed && res.Error.Owner == "record" {
		r.T.Errorf("%s before effect %d (%s): the record is blamed: %+v", what, n, where, res.Error)
	}
	r.Tick(10 * time.Minute)
	r.Start()
	r.UntilQuiet(id, op, fmt.Sprintf("%s before effect %d (%s); it said %s", what, n, where, res.Reason.Text))
	return !r.T.Failed()
}

// Dies ends the process at the n-th effect of that kind, and lets a new one
// start when nothing of it can land any more.
func (r *Rig) Dies(id, what string, n int, how simulation.Fate, meanwhile func()) {
	r.T.Helper()
	r.Proc.Plan = On(what, n, func() simulation.Fate { return how })
	r.Sync(id)
	if !r.Proc.Dead() {
		r.T.Fatalf("there was no %s", what)
	}
	r.Tick(time.Second)
	if meanwhile != nil {
		meanwhile()
	}
	r.Tick(10 * time.Minute)
	r.Start()
}

// Before is a plan that kills the process before its n-th effect of that kind.
func Before(what string, n int) func(simulation.Effect) simulation.Fate {
	return On(what, n, func() simulation.Fate { return simulation.DiesBefore })
}
