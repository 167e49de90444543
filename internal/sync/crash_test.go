package sync_test

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

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

// operation is one kind of sync: how the world is prepared for it.
type operation struct {
	name    string
	setup   []func(*rig)
	prepare func(*rig) string
	// human: a person has to decide at the end, so both sides may differ.
	human bool
}

func policy(p reconcile.Policy) func(*rig) { return func(r *rig) { r.cfg.Policy = p } }

func operations() []operation {
	both := func(r *rig) string {
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo1@example.de"})
		r.editAdvo(advo, map[string]any{"emailGesch": "advo1@example.de", "telGesch": "0511 1"})
		return id
	}
	disjoint := func(r *rig) string {
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo1@example.de"})
		r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
		return id
	}
	gone := func(r *rig) string {
		id, advo := r.linked()
		r.linked() // so that the next id is a new one
		r.editEspo(id, map[string]any{"email": "espo1@example.de"})
		r.advo.Delete(sandbox.BeteiligtePath, advo)
		r.o.Forget()
		return id
	}
	espoNewer := func(r *rig) string {
		id, _ := r.linked()
		r.editEspo(id, map[string]any{"email": "espo1@example.de", "lastName": "Neu"})
		return id
	}
	advoNewer := func(r *rig) string {
		id, advo := r.linked()
		r.editAdvo(advo, map[string]any{"emailGesch": "advo1@example.de", "name": "Neu"})
		return id
	}
	missing := func(how string) func(*rig) { return func(r *rig) { r.cfg.OnMissingInAdvoware = how } }
	return []operation{
		{name: "create", setup: []func(*rig){listing}, prepare: func(r *rig) string { return r.person(nil) }},
		{name: "create firm", setup: []func(*rig){listing}, prepare: func(r *rig) string {
			return r.person(map[string]any{"firmenname": "Alt GmbH", "name": "Alt GmbH", "firstName": nil, "lastName": nil})
		}},
		{name: "create without list", human: true, prepare: func(r *rig) string { return r.person(nil) }},
		{name: "espocrm newer", prepare: espoNewer},
		{name: "espocrm newer, policy advoware", setup: []func(*rig){policy(reconcile.AdvowareWins)}, prepare: espoNewer},
		{name: "espocrm newer, policy merge", setup: []func(*rig){policy(reconcile.Merge)}, prepare: espoNewer},
		{name: "espocrm newer, policy manual", setup: []func(*rig){policy(reconcile.Manual)}, prepare: espoNewer, human: true},
		{name: "create, policy advoware", setup: []func(*rig){listing, policy(reconcile.AdvowareWins)}, prepare: func(r *rig) string { return r.person(nil) }},
		{name: "create, policy manual", setup: []func(*rig){listing, policy(reconcile.Manual)}, prepare: func(r *rig) string { return r.person(nil) }, human: true},
		{name: "advoware newer, policy advoware", setup: []func(*rig){policy(reconcile.AdvowareWins)}, prepare: advoNewer},
		{name: "advoware newer, policy merge", setup: []func(*rig){policy(reconcile.Merge)}, prepare: advoNewer},
		{name: "advoware newer, policy manual", setup: []func(*rig){policy(reconcile.Manual)}, prepare: advoNewer, human: true},
		{name: "espocrm newer, cleared", prepare: func(r *rig) string {
			id, _ := r.linked()
			r.editEspo(id, map[string]any{"email": nil})
			return id
		}},
		{name: "advoware newer", prepare: advoNewer},
		{name: "advoware newer, cleared", prepare: func(r *rig) string {
			id, advo := r.linked()
			r.editAdvo(advo, map[string]any{"emailGesch": nil})
			return id
		}},
		{name: "conflict espocrm", prepare: both},
		{name: "conflict advoware", setup: []func(*rig){policy(reconcile.AdvowareWins)}, prepare: both},
		{name: "conflict merge", setup: []func(*rig){policy(reconcile.Merge)}, prepare: both},
		{name: "conflict manual", setup: []func(*rig){policy(reconcile.Manual)}, prepare: both, human: true},
		{name: "disjoint merge", setup: []func(*rig){policy(reconcile.Merge)}, prepare: disjoint},
		{name: "disjoint espocrm", prepare: disjoint},
		{name: "initial", prepare: func(r *rig) string {
			id, advo := r.strangers()
			_ = advo
			return id
		}},
		{name: "rowId moved", prepare: func(r *rig) string {
			id, advo := r.linked()
			_ = r.advo.Resave(sandbox.BeteiligtePath, advo)
			return id
		}},
		{name: "same edit", prepare: func(r *rig) string {
			id, advo := r.linked()
			r.editEspo(id, map[string]any{"email": "gleich@example.de"})
			r.editAdvo(advo, map[string]any{"emailGesch": "gleich@example.de"})
			return id
		}},
		{name: "gone, fail", setup: []func(*rig){missing(sync.MissingFail)}, prepare: gone, human: true},
		{name: "gone, unlink", setup: []func(*rig){listing, missing(sync.MissingUnlink)}, prepare: gone},
		{name: "gone, recreate", setup: []func(*rig){listing, missing(sync.MissingRecreate)}, prepare: gone},
		{name: "kind switch in EspoCRM", prepare: func(r *rig) string {
			id, _ := r.linked()
			r.editEspo(id, map[string]any{"firmenname": "Alt GmbH"})
			return id
		}},
		{name: "kind switch in Advoware", prepare: func(r *rig) string {
			id, advo := r.linked()
			r.editAdvo(advo, map[string]any{"vorname": nil, "name": "Alt GmbH"})
			return id
		}},
	}
}

// strangers are two records that somebody linked by hand; they were never synced.
func (r *rig) strangers() (id string, advo int64) {
	r.t.Helper()
	_ = r.o.Person("bert", func() error {
		advo = r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"alt@example.de","telGesch":"0511 9","unbekannt":{"a":1.50}}`))
		return nil
	})
	id = r.person(map[string]any{"advowareId": advo, "syncStatus": "dirty"})
	r.tick(10 * time.Second)
	return id, advo
}

// meddling is what a person does between a crash and the recovery.
type meddling struct {
	name string
	do   func(r *rig, id string)
}

func (r *rig) linkOf(id string) int64 {
	n, _ := r.espoField(id, "advowareId").(int64)
	return n
}

func meddlings() []meddling {
	inAdvo := func(values map[string]any) func(*rig, string) {
		return func(r *rig, id string) {
			n := r.linkOf(id)
			if _, ok := r.advo.Get(sandbox.BeteiligtePath, n); ok {
				r.editAdvo(n, values)
			}
		}
	}
	return []meddling{
		{"nobody", func(*rig, string) {}},
		{"EspoCRM, same field", func(r *rig, id string) { r.editEspo(id, map[string]any{"email": "espo2@example.de"}) }},
		{"EspoCRM, other field", func(r *rig, id string) { r.editEspo(id, map[string]any{"phone": "0511 2"}) }},
		{"EspoCRM, back", func(r *rig, id string) { r.editEspo(id, map[string]any{"email": "anna@example.de"}) }},
		{"Advoware, same field", inAdvo(map[string]any{"emailGesch": "advo2@example.de"})},
		{"Advoware, other field", inAdvo(map[string]any{"telGesch": "0511 2"})},
		{"Advoware, back", inAdvo(map[string]any{"emailGesch": "anna@example.de"})},
		{"Advoware, unmapped", inAdvo(map[string]any{"bemerkung": "angerufen"})},
		{"both, same field", func(r *rig, id string) {
			r.editEspo(id, map[string]any{"email": "espo2@example.de"})
			inAdvo(map[string]any{"emailGesch": "advo2@example.de"})(r, id)
		}},
		{"both, other fields", func(r *rig, id string) {
			r.editEspo(id, map[string]any{"phone": "0511 3"})
			inAdvo(map[string]any{"geburtsdatum": "1980-02-03"})(r, id)
		}},
	}
}

// prepared is a world in front of the operation, everything in it settled.
func (op operation) prepared(t *testing.T, more ...func(*rig)) (*rig, string) {
	t.Helper()
	r := newRig(t, slices.Concat(op.setup, more)...)
	id := op.prepare(r)
	r.tick(10 * time.Second)
	r.before = len(r.proc.Effects())
	return r, id
}

// backend is a store that crash points are tried on.
type backend struct {
	name string
	use  func(*rig)
}

// realStores are both stores as they are in use: a SQLite file, and a database of
// a redis-server that is emptied for every world.
func realStores(t *testing.T) []backend {
	t.Helper()
	out := []backend{{"SQLite", func(*rig) {}}}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("redis-server is not installed: SQLite only")
		return out
	}
	url := storetest.StartRedis(t).URL()
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return append(out, backend{"Redis", func(r *rig) {
		r.redis = url
		if err := c.FlushDB(context.Background()).Err(); err != nil {
			r.t.Fatal(err)
		}
	}})
}

var everyStore = flag.Bool("stores", false, "crash tests: all operations on every store; fault tests: once and for the rest")

// TestEveryCrashPoint stops every operation before and after each of its side
// effects, lock operations included, and lets a new process go on: on both
// stores, and where people edit in between on a store in memory.
func TestEveryCrashPoint(t *testing.T) {
	cuts := map[string]int{}
	try := func(b backend, op operation, who meddling) {
		t.Run(b.name+"/"+op.name+"/"+who.name, func(t *testing.T) {
			for n := 1; crashAt(t, b, op, who, n); n++ {
				cuts[b.name]++
			}
		})
	}
	stores, nobody := realStores(t), meddlings()[0]
	for i, op := range operations() {
		for n, b := range stores {
			if !*everyStore && !*everything && n > 0 && i%5 != 0 {
				continue // a fifth of the operations on the second store, but for -stores
			}
			try(b, op, nobody)
		}
		for _, who := range meddlings()[1:] {
			if !*everything && !strings.HasSuffix(who.name, "same field") {
				continue
			}
			try(backend{"memory", inMemory}, op, who)
			if !*everything {
				continue
			}
			for _, b := range stores {
				try(b, op, who)
			}
		}
	}
	t.Logf("cuts: %v", cuts)
}

// crashAt kills the process at its n-th cut; false: it never came so far.
func crashAt(t *testing.T, b backend, op operation, who meddling, n int) bool {
	t.Helper()
	r, id := op.prepared(t, b.use)
	defer r.close()
	at := r.killAt(n)
	r.sync(id)
	if !r.proc.Dead() {
		return false
	}
	what := fmt.Sprintf("cut %d (%s)", n, at())
	r.tick(10 * time.Minute)
	who.do(r, id)
	r.tick(time.Second)
	r.start()
	r.untilQuiet(id, op, what)
	return !t.Failed()
}

// killAt makes the n-th cut deadly: every write counts twice, before and after.
func (r *rig) killAt(n int) (at func() string) {
	seen, where := 0, ""
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if !e.Write || e.SignIn {
			return simulation.Passes
		}
		seen += 2
		if n == seen-1 || n == seen {
			r.o.Rough()
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

// untilQuiet syncs until nothing changes and checks the six invariants.
func (r *rig) untilQuiet(id string, op operation, what string) {
	t := r.t
	t.Helper()
	var res result.Record
	var seen []string
	for pass := 1; ; pass++ {
		res = r.sync(id)
		r.tick(time.Hour)
		seen = append(seen, string(res.Outcome))
		if res.Outcome == result.Unchanged {
			break
		}
		if res.Reason.Code == reconcile.ReasonLinkDoubtful { // nothing is known any more, and the name was edited
			r.outcome(r.desk.Confirm(context.Background(), r.m, id, false), result.UpdatedEspocrm)
			continue
		}
		waits := res.Outcome == result.ConflictWaits || res.Outcome == result.Failed || res.Outcome == result.PermanentlyFailed
		if pass > 2 && waits && (op.human || res.Error == nil) {
			break
		}
		if res.Outcome == result.Skipped && pass > 2 && op.name == "gone, unlink" {
			break
		}
		if pass == 7 {
			b, _ := json.MarshalIndent(res, "", " ")
			t.Fatalf("%s: no end: %v\n%s\ntrace:\n  %s", what, seen, b, strings.Join(r.o.Trace(), "\n  "))
		}
	}
	var bad []string
	mem := r.memoryOf(id)
	if mem.Open != nil && !(op.human && mem.Open.Makes) {
		bad = append(bad, fmt.Sprintf("an announcement is left: %+v", *mem.Open))
	}
	if len(mem.Notes) > 0 {
		bad = append(bad, "a notification is owed")
	}
	if locks, _ := r.store.Locks(t.Context()); len(locks) > 0 {
		bad = append(bad, "a lock is left")
	}
	status, _ := r.espoField(id, "syncStatus").(string)
	switch {
	case status == "syncing":
		bad = append(bad, "stuck in syncing")
	case res.Outcome == result.Unchanged && status != "clean":
		bad = append(bad, "unchanged, but status "+status)
	}
	if !r.forgetful {
		for _, e := range r.history() {
			for _, w := range e.Writes {
				if w.State == store.WritePlanned {
					bad = append(bad, fmt.Sprintf("history %s: the write of %s to %s is still planned (outcome %s)", e.Run, w.Field, w.Side, e.Outcome))
				}
			}
		}
		bad = append(bad, r.o.Overwritten(r.history())...)
	}
	bad = append(bad, r.o.Problems()...)
	if !op.human {
		bad = append(bad, r.o.Differences()...)
	} else if n := len(r.advo.All(sandbox.BeteiligtePath)); n > 1 && !strings.HasPrefix(op.name, "gone") {
		bad = append(bad, fmt.Sprintf("%d records in Advoware", n))
	}
	// The last pass writes nothing.
	writes := r.espo.Log().Count(isWrite) + r.advo.Log().Count(isWrite)
	again := r.sync(id)
	if after := r.espo.Log().Count(isWrite) + r.advo.Log().Count(isWrite); after != writes && res.Outcome == result.Unchanged {
		bad = append(bad, fmt.Sprintf("one more sync wrote (%s)", again.Outcome))
	}
	if len(bad) > 0 {
		b, _ := json.Marshal(res)
		t.Errorf("%s: outcomes %v\n- %s\nlast %s\ntrace:\n  %s", what, seen, strings.Join(bad, "\n- "), b, strings.Join(r.o.Trace(), "\n  "))
	}
}
