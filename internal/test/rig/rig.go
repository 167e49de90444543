// Package rig is the bench on which the tests of one record stand: both systems simulated, a
// real store, an engine and a desk over them, one clock, people who edit, a process that dies
// where it is told to, and an oracle that watches.
package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"advosync/internal/advoware"
	"advosync/internal/desk"
	"advosync/internal/espocrm"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/store/redis"
	"advosync/internal/store/sqlite"
	"advosync/internal/sync"
	"advosync/internal/test/oracle"
	"advosync/internal/test/simulation"
	"advosync/internal/transport"
)

// Type is the EspoCRM type of the records.
const Type = "CBeteiligte"

// Rig is both simulators, a real SQLite store and an engine over them, on one
// clock that only the test moves.
type Rig struct {
	T     *testing.T
	Time  time.Time // what the clock shows
	Espo  *sandbox.EspoCRM
	Advo  *sandbox.Advoware
	Store store.Store
	Path  string // of the SQLite file
	M     *mapping.Mapping
	Cfg   sync.Config
	Eng   *sync.Engine
	Desk  *desk.Desk
	// Leases are the process's locks.
	Leases *lease.Manager
	runs   int
	// Oracle watches both systems; Proc stands between the process and the world.
	Oracle *oracle.Oracle
	Proc   *simulation.Process
	// Before is how many effects the process had when the operation was prepared.
	Before int
	// Memory replaces the SQLite file, where a test needs thousands of stores;
	// Redis is the URL of a server that does.
	Memory *memory.Store
	Redis  string
	// Forgetful: the store has lost history, so what was overwritten need not be in
	// it, nor closed.
	Forgetful bool
	// Loose are differences that may be left at the end.
	Loose map[string]bool
}

// New is a rig, changed by the options before anything is made.
func New(t *testing.T, change ...func(*Rig)) *Rig {
	t.Helper()
	r := &Rig{T: t, Time: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), M: mapping.Builtin()}
	r.Espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: sandbox.NewClock(r.Clock)})
	r.Advo = sandbox.NewAdvoware(sandbox.AdvowareOptions{Clock: sandbox.NewClock(r.Clock), Resources: []sandbox.Resource{{Path: sandbox.BeteiligtePath}}})
	r.Cfg = sync.Config{Policy: reconcile.EspoCRMWins, MaxRetries: 5, MarkSyncing: true, WriteTimeout: 5 * time.Second}
	r.Path = filepath.Join(t.TempDir(), "state.db")
	for _, c := range change {
		c(r)
	}
	r.Oracle = oracle.New(r.M, r.Espo, r.Advo, string(r.Cfg.Policy))
	r.Oracle.Clock = func() string { return "" }
	r.Start()
	t.Cleanup(r.Close)
	return r
}

// Close ends the process; a test with hundreds of rigs does not wait for its own
// end with that.
func (r *Rig) Close() {
	_ = r.Leases.ReleaseAll()
	_ = r.Store.Close()
}

// Clock is the time that every part of the rig reads.
func (r *Rig) Clock() time.Time { return r.Time }

// Tick lets time pass.
func (r *Rig) Tick(d time.Duration) { r.Time = r.Time.Add(d) }

// Start makes a new process: new clients, a new owner, the same store file.
func (r *Rig) Start() {
	r.T.Helper()
	if r.Leases != nil {
		_ = r.Leases.ReleaseAll() // of a dead process: ends its timers, without effect on the store
	}
	if r.Memory != nil {
		r.Store = r.Memory
		r.Build()
		return
	}
	if r.Store != nil {
		r.Store.Close()
	}
	var err error
	if r.Redis != "" {
		r.Store, err = redis.Open(context.Background(), r.Redis, redis.Options{Now: r.Clock})
	} else {
		r.Store, err = sqlite.Open(context.Background(), r.Path, sqlite.Options{Now: r.Clock})
	}
	if err != nil {
		r.T.Fatal(err)
	}
	r.Build()
}

// Build makes the parts of one process over the store that is there.
func (r *Rig) Build() {
	r.T.Helper()
	r.runs++
	run := fmt.Sprintf("run-%03d", r.runs)
	r.Proc = &simulation.Process{}
	rt := r.Proc.Transport(r.Oracle.Transport(run, sandbox.NewTransport("crm.test", r.Espo, "advo.test", r.Advo)))
	st := r.Proc.Store(r.Store)
	opts := transport.Options{Timeout: 5 * time.Second, Base: rt, MaxWait: time.Millisecond}
	ec, err := espocrm.New(espocrm.Config{URL: "https://crm.test", APIKey: sandbox.KeyA, Notify: espocrm.Notify{Users: []string{"admin"}}, Options: opts})
	if err != nil {
		r.T.Fatal(err)
	}
	ac, err := advoware.New(advoware.Config{Kanzlei: sandbox.Kanzlei, Database: sandbox.Database, User: sandbox.AdvowareUser, Password: sandbox.AdvowarePass,
		AppID: sandbox.AppID, APIKey: sandbox.AdvowareKey, ConfiguratorURL: sandbox.ConfiguratorURL("https://advo.test"), Now: r.Clock, Options: opts})
	if err != nil {
		r.T.Fatal(err)
	}
	r.Cfg.Run, r.Cfg.Command = run, "sync"
	owner := store.Owner{Host: "test", PID: 100 + r.runs, Start: "s" + strconv.Itoa(r.runs), User: "u", Command: "sync", Run: run}
	r.Leases = lease.New(st, owner, 5*time.Minute, lease.Options{Now: r.Clock, Dead: func(o store.Owner) bool { return o.Run != run }})
	r.Eng = sync.New(r.Cfg, sync.Deps{EspoCRM: ec, Advoware: ac, Store: st, Leases: r.Leases, Now: r.Clock})
	r.Desk = desk.New(r.Eng)
}

// OnStore puts the engine on another store.
func (r *Rig) OnStore(st store.Store) {
	deps := r.Eng.Deps
	deps.Store = st
	r.Eng = sync.New(r.Cfg, deps)
	r.Desk = desk.New(r.Eng)
}

// Sync syncs one record and lets the oracle look.
func (r *Rig) Sync(id string, change ...func(*sync.Request)) result.Record {
	r.T.Helper()
	req := sync.Request{Mapping: r.M, ID: id}
	for _, c := range change {
		c(&req)
	}
	res := r.Eng.Sync(context.Background(), req)
	r.Oracle.Settle()
	return res
}

// Plan says what a sync would do.
func (r *Rig) Plan(id string) result.Record {
	return r.Eng.Plan(context.Background(), sync.Request{Mapping: r.M, ID: id})
}

// Person is a new EspoCRM record that nobody has synced.
func (r *Rig) Person(values map[string]any) string {
	v := map[string]any{"name": "Anna Alt", "firstName": "Anna", "lastName": "Alt", "email": "anna@example.de", "syncStatus": "pending_sync"}
	for k, x := range values {
		v[k] = x
	}
	r.Tick(time.Second)
	var id string
	err := r.Oracle.Person("anna", func() (err error) { id, err = r.Espo.Create(Type, "anna", v); return err })
	if err != nil {
		r.T.Fatal(err)
	}
	r.Tick(time.Second)
	return id
}

// Linked is a record that is in step on both sides.
func (r *Rig) Linked() (id string, advo int64) {
	r.T.Helper()
	id = r.Person(nil)
	res := r.Sync(id)
	if res.Outcome != result.CreatedAdvoware {
		r.T.Fatalf("set-up: %s %+v", res.Outcome, res.Error)
	}
	r.Tick(10 * time.Second)
	return id, *res.AdvowareID
}

// EditEspo is a person's edit in EspoCRM.
func (r *Rig) EditEspo(id string, values map[string]any) {
	r.T.Helper()
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Put(Type, id, "anna", values) }); err != nil {
		r.T.Fatal(err)
	}
}

// EditAdvo is a person's edit in Advoware.
func (r *Rig) EditAdvo(id int64, values map[string]any) {
	r.T.Helper()
	if err := r.Oracle.Person("bert", func() error { return r.Advo.Edit(sandbox.BeteiligtePath, id, values) }); err != nil {
		r.T.Fatal(err)
	}
}

// EspoField is what EspoCRM holds in a field.
func (r *Rig) EspoField(id, name string) any {
	rec, ok := r.Espo.Get(Type, id)
	if !ok {
		r.T.Fatalf("no EspoCRM record %s", id)
	}
	return rec[name]
}

// AdvoField is what Advoware holds in a field.
func (r *Rig) AdvoField(id int64, name string) string {
	return r.Advo.Value(sandbox.BeteiligtePath, id, name)
}

// Phones wants both sides to hold one number.
func (r *Rig) Phones(id string, advo int64, want string) {
	r.T.Helper()
	e, a := r.EspoField(id, "phone"), r.AdvoField(advo, "telGesch")
	if e == nil {
		e = ""
	}
	if e != want || a != want {
		r.T.Errorf("phone %v, telGesch %q, want %q", e, a, want)
	}
}

// Overruled wants an edit of Advoware to have given way: told, and in the history.
func (r *Rig) Overruled(field, value string) {
	r.T.Helper()
	n := r.Espo.Posts()
	if len(n) == 0 || !strings.Contains(n[len(n)-1], field+": kept") || !strings.Contains(n[len(n)-1], "overruled: Advoware's edit") {
		r.T.Error("nobody was told")
	}
	for _, e := range r.History() {
		for _, w := range e.Writes {
			if w.Espocrm == field && w.Side == record.Advoware && w.Before == record.Of(value) {
				return
			}
		}
	}
	r.T.Error("what gave way is not in the history")
}

// Want checks verdict and outcome.
func (r *Rig) Want(res result.Record, v result.Verdict, o result.Outcome) {
	r.T.Helper()
	if res.Verdict != v || res.Outcome != o {
		b, _ := json.MarshalIndent(res, "", " ")
		r.T.Fatalf("want %s/%s, got %s/%s\n%s", v, o, res.Verdict, res.Outcome, b)
	}
}

// Quiet checks that nothing is left to do: a second sync writes nothing, no
// announcement and no lock is left.
func (r *Rig) Quiet(id string) {
	r.T.Helper()
	before, _ := r.Espo.Get(Type, id)
	res := r.Sync(id)
	if res.Outcome != result.Unchanged {
		b, _ := json.MarshalIndent(res, "", " ")
		r.T.Fatalf("a second sync did something: %s", b)
	}
	after, _ := r.Espo.Get(Type, id)
	if fmt.Sprint(before["versionNumber"]) != fmt.Sprint(after["versionNumber"]) {
		r.T.Fatal("a second sync wrote to EspoCRM")
	}
	r.Clean(id)
	r.Sound()
}

// Sound asks the oracle: nothing lost, nothing touched, both sides agree.
func (r *Rig) Sound() {
	r.T.Helper()
	bad := append(r.Oracle.Overwritten(r.History()), r.Oracle.Problems()...)
	for _, d := range r.Oracle.Differences() {
		if !r.Loose[d] {
			bad = append(bad, d)
		}
	}
	if len(bad) > 0 {
		r.T.Errorf("%s\ntrace:\n  %s", strings.Join(bad, "\n"), strings.Join(r.Oracle.Trace(), "\n  "))
	}
}

// History is all that the store tells of the past.
func (r *Rig) History() []store.Entry {
	r.T.Helper()
	var out []store.Entry
	if err := r.Store.Entries(context.Background(), store.HistoryFilter{}, func(e store.Entry) error { out = append(out, e); return nil }); err != nil {
		r.T.Fatal(err)
	}
	return out
}

// MemoryOf is what the store remembers of a record.
func (r *Rig) MemoryOf(id string) store.Memory {
	r.T.Helper()
	mem, err := r.Store.Load(context.Background(), store.Key{Entity: r.M.Entity(), ID: id})
	if err != nil {
		r.T.Fatal(err)
	}
	return mem
}

// Clean checks that a finished sync has left no announcement, no lock and no mark.
func (r *Rig) Clean(id string) {
	r.T.Helper()
	mem, err := r.Store.Load(context.Background(), store.Key{Entity: r.M.Entity(), ID: id})
	if err != nil {
		r.T.Fatal(err)
	}
	if mem.Open != nil {
		r.T.Fatalf("an announcement is left: %+v", mem.Open)
	}
	if locks, _ := r.Store.Locks(context.Background()); len(locks) != 0 {
		r.T.Fatalf("locks are left: %+v", locks)
	}
	if s := r.EspoField(id, "syncStatus"); s == "syncing" {
		r.T.Fatal("left in syncing")
	}
}
