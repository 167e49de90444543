package sync_test

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

const ct = "CBeteiligte"

// rig is both simulators, a real SQLite store and an engine over them, on one
// clock that only the test moves.
type rig struct {
	t     *testing.T
	now   time.Time
	espo  *sandbox.EspoCRM
	advo  *sandbox.Advoware
	store store.Store
	path  string
	m     *mapping.Mapping
	cfg   sync.Config
	eng   *sync.Engine
	desk  *desk.Desk
	lm    *lease.Manager
	runs  int
	// o watches both systems; proc stands between the process and the world.
	o    *oracle.Oracle
	proc *simulation.Process
	// before is how many effects the process had when the operation was prepared.
	before int
	// memory replaces the SQLite file, where a test needs thousands of stores;
	// redis is the URL of a server that does.
	memory *memory.Store
	redis  string
	// forgetful: the store has lost history, so what was overwritten need not be in
	// it, nor closed.
	forgetful bool
	// created are the Advoware records that may be linked to nothing at the end.
	loose map[string]bool
}

// inMemory keeps the store in memory.
func inMemory(r *rig) { r.memory = memory.New(r.clock) }

// listing uses the mapping with a list endpoint.
func listing(r *rig) {
	m, err := mapping.Parse("sandbox.yaml", []byte(new(sandbox.World).Mapping()))
	if err != nil {
		r.t.Fatal(err)
	}
	r.m = m
}

func newRig(t *testing.T, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), m: mapping.Builtin()}
	r.espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: sandbox.NewClock(r.clock)})
	r.advo = sandbox.NewAdvoware(sandbox.AdvowareOptions{Clock: sandbox.NewClock(r.clock), Resources: []sandbox.Resource{{Path: sandbox.BeteiligtePath}}})
	r.cfg = sync.Config{Policy: reconcile.EspoCRMWins, MaxRetries: 5, MarkSyncing: true, WriteTimeout: 5 * time.Second}
	r.path = filepath.Join(t.TempDir(), "state.db")
	for _, c := range change {
		c(r)
	}
	r.o = oracle.New(r.m, r.espo, r.advo, string(r.cfg.Policy))
	r.o.Clock = func() string { return "" }
	r.start()
	t.Cleanup(r.close)
	return r
}

// close ends the process; a test with hundreds of rigs does not wait for its own
// end with that.
func (r *rig) close() {
	_ = r.lm.ReleaseAll()
	_ = r.store.Close()
}

func (r *rig) clock() time.Time { return r.now }

func (r *rig) tick(d time.Duration) { r.now = r.now.Add(d) }

// start makes a new process: new clients, a new owner, the same store file.
func (r *rig) start() {
	r.t.Helper()
	if r.lm != nil {
		_ = r.lm.ReleaseAll() // of a dead process: ends its timers, without effect on the store
	}
	if r.memory != nil {
		r.store = r.memory
		r.build()
		return
	}
	if r.store != nil {
		r.store.Close()
	}
	var err error
	if r.redis != "" {
		r.store, err = redis.Open(context.Background(), r.redis, redis.Options{Now: r.clock})
	} else {
		r.store, err = sqlite.Open(context.Background(), r.path, sqlite.Options{Now: r.clock})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.build()
}

func (r *rig) build() {
	r.t.Helper()
	r.runs++
	run := fmt.Sprintf("run-%03d", r.runs)
	r.proc = &simulation.Process{}
	rt := r.proc.Transport(r.o.Transport(run, sandbox.NewTransport("crm.test", r.espo, "advo.test", r.advo)))
	st := r.proc.Store(r.store)
	opts := transport.Options{Timeout: 5 * time.Second, Base: rt, MaxWait: time.Millisecond}
	ec, err := espocrm.New(espocrm.Config{URL: "https://crm.test", APIKey: sandbox.KeyA, Notify: espocrm.Notify{Users: []string{"admin"}}, Options: opts})
	if err != nil {
		r.t.Fatal(err)
	}
	ac, err := advoware.New(advoware.Config{Kanzlei: sandbox.Kanzlei, Database: sandbox.Database, User: sandbox.AdvowareUser, Password: sandbox.AdvowarePass,
		AppID: sandbox.AppID, APIKey: sandbox.AdvowareKey, ConfiguratorURL: sandbox.ConfiguratorURL("https://advo.test"), Now: r.clock, Options: opts})
	if err != nil {
		r.t.Fatal(err)
	}
	r.cfg.Run, r.cfg.Command = run, "sync"
	owner := store.Owner{Host: "test", PID: 100 + r.runs, Start: "s" + strconv.Itoa(r.runs), User: "u", Command: "sync", Run: run}
	r.lm = lease.New(st, owner, 5*time.Minute, lease.Options{Now: r.clock, Dead: func(o store.Owner) bool { return o.Run != run }})
	r.eng = sync.New(r.cfg, sync.Deps{EspoCRM: ec, Advoware: ac, Store: st, Leases: r.lm, Now: r.clock})
	r.desk = desk.New(r.eng)
}

// onStore puts the engine on another store.
func (r *rig) onStore(st store.Store) {
	deps := r.eng.Deps
	deps.Store = st
	r.eng = sync.New(r.cfg, deps)
	r.desk = desk.New(r.eng)
}

func (r *rig) sync(id string, change ...func(*sync.Request)) result.Record {
	r.t.Helper()
	req := sync.Request{Mapping: r.m, ID: id}
	for _, c := range change {
		c(&req)
	}
	res := r.eng.Sync(context.Background(), req)
	r.o.Settle()
	return res
}

func (r *rig) plan(id string) result.Record {
	return r.eng.Plan(context.Background(), sync.Request{Mapping: r.m, ID: id})
}

// person is a new EspoCRM record that nobody has synced.
func (r *rig) person(values map[string]any) string {
	v := map[string]any{"name": "Anna Alt", "firstName": "Anna", "lastName": "Alt", "email": "anna@example.de", "syncStatus": "pending_sync"}
	for k, x := range values {
		v[k] = x
	}
	r.tick(time.Second)
	var id string
	err := r.o.Person("anna", func() (err error) { id, err = r.espo.Create(ct, "anna", v); return err })
	if err != nil {
		r.t.Fatal(err)
	}
	r.tick(time.Second)
	return id
}

// linked is a record that is in step on both sides.
func (r *rig) linked() (id string, advo int64) {
	r.t.Helper()
	id = r.person(nil)
	res := r.sync(id)
	if res.Outcome != result.CreatedAdvoware {
		r.t.Fatalf("set-up: %s %+v", res.Outcome, res.Error)
	}
	r.tick(10 * time.Second)
	return id, *res.AdvowareID
}

func (r *rig) editEspo(id string, values map[string]any) {
	r.t.Helper()
	if err := r.o.Person("anna", func() error { return r.espo.Put(ct, id, "anna", values) }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) editAdvo(id int64, values map[string]any) {
	r.t.Helper()
	if err := r.o.Person("bert", func() error { return r.advo.Edit(sandbox.BeteiligtePath, id, values) }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) espoField(id, name string) any {
	rec, ok := r.espo.Get(ct, id)
	if !ok {
		r.t.Fatalf("no EspoCRM record %s", id)
	}
	return rec[name]
}

func (r *rig) advoField(id int64, name string) string {
	return r.advo.Value(sandbox.BeteiligtePath, id, name)
}

// phones wants both sides to hold one number.
func (r *rig) phones(id string, advo int64, want string) {
	r.t.Helper()
	e, a := r.espoField(id, "phone"), r.advoField(advo, "telGesch")
	if e == nil {
		e = ""
	}
	if e != want || a != want {
		r.t.Errorf("phone %v, telGesch %q, want %q", e, a, want)
	}
}

// overruled wants an edit of Advoware to have given way: told, and in the history.
func (r *rig) overruled(field, value string) {
	r.t.Helper()
	n := r.espo.Posts()
	if len(n) == 0 || !strings.Contains(n[len(n)-1], field+": kept") || !strings.Contains(n[len(n)-1], "overruled: Advoware's edit") {
		r.t.Error("nobody was told")
	}
	for _, e := range r.history() {
		for _, w := range e.Writes {
			if w.Espocrm == field && w.Side == record.Advoware && w.Before == record.Of(value) {
				return
			}
		}
	}
	r.t.Error("what gave way is not in the history")
}

func (r *rig) want(res result.Record, v result.Verdict, o result.Outcome) {
	r.t.Helper()
	if res.Verdict != v || res.Outcome != o {
		b, _ := json.MarshalIndent(res, "", " ")
		r.t.Fatalf("want %s/%s, got %s/%s\n%s", v, o, res.Verdict, res.Outcome, b)
	}
}

// quiet checks that nothing is left to do: a second sync writes nothing, no
// announcement and no lock is left.
func (r *rig) quiet(id string) {
	r.t.Helper()
	before, _ := r.espo.Get(ct, id)
	res := r.sync(id)
	if res.Outcome != result.Unchanged {
		b, _ := json.MarshalIndent(res, "", " ")
		r.t.Fatalf("a second sync did something: %s", b)
	}
	after, _ := r.espo.Get(ct, id)
	if fmt.Sprint(before["versionNumber"]) != fmt.Sprint(after["versionNumber"]) {
		r.t.Fatal("a second sync wrote to EspoCRM")
	}
	r.clean(id)
	r.sound()
}

// sound asks the oracle: nothing lost, nothing touched, both sides agree.
func (r *rig) sound() {
	r.t.Helper()
	bad := append(r.o.Overwritten(r.history()), r.o.Problems()...)
	for _, d := range r.o.Differences() {
		if !r.loose[d] {
			bad = append(bad, d)
		}
	}
	if len(bad) > 0 {
		r.t.Errorf("%s\ntrace:\n  %s", strings.Join(bad, "\n"), strings.Join(r.o.Trace(), "\n  "))
	}
}

func (r *rig) history() []store.Entry {
	r.t.Helper()
	var out []store.Entry
	if err := r.store.Entries(context.Background(), store.HistoryFilter{}, func(e store.Entry) error { out = append(out, e); return nil }); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) memoryOf(id string) store.Memory {
	r.t.Helper()
	mem, err := r.store.Load(context.Background(), store.Key{Entity: r.m.Entity(), ID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	return mem
}

func (r *rig) clean(id string) {
	r.t.Helper()
	mem, err := r.store.Load(context.Background(), store.Key{Entity: r.m.Entity(), ID: id})
	if err != nil {
		r.t.Fatal(err)
	}
	if mem.Open != nil {
		r.t.Fatalf("an announcement is left: %+v", mem.Open)
	}
	if locks, _ := r.store.Locks(context.Background()); len(locks) != 0 {
		r.t.Fatalf("locks are left: %+v", locks)
	}
	if s := r.espoField(id, "syncStatus"); s == "syncing" {
		r.t.Fatal("left in syncing")
	}
}
