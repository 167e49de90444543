package batch_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	gosync "sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/batch"
	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/redis"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
	"advosync/internal/sync"
	"advosync/internal/test/oracle"
	"advosync/internal/test/simulation"
)

// crowd is a pass over records of every kind that dies on the way, on a clock
// that only the test moves.
type crowd struct {
	*rig
	o     *oracle.Oracle
	proc  *simulation.Process
	plan  func(simulation.Effect) simulation.Fate
	moved time.Time
}

// newCrowd is a world with one record for every case, ready for the pass.
func newCrowd(t *testing.T, open func(now func() time.Time) store.Store, workers int) *crowd {
	t.Helper()
	c := &crowd{moved: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return c.moved }
	c.rig = newRig(t, sandbox.WorldOptions{Empty: true, Clock: sandbox.NewClock(now)}, func(r *rig) {
		r.now, r.cfg.Concurrency = now, workers
		r.cfg.Engine = sync.Config{Policy: reconcile.EspoCRMWins, MarkSyncing: true, OnMissingInAdvoware: sync.MissingRecreate, WriteTimeout: 5 * time.Second}
	})
	c.store = open(now)
	c.o = oracle.New(c.m, c.w.EspoCRM, c.w.Advoware, string(c.cfg.Engine.Policy))
	c.watch = func(run string, rt http.RoundTripper, st store.Store) (http.RoundTripper, store.Store) {
		c.proc = &simulation.Process{Plan: c.plan}
		return c.proc.Transport(byRecord{c.o, run, rt}), c.proc.Store(st)
	}
	for _, name := range []string{"espo", "advo", "conflict", "resaved", "gone", "syncing", "quiet"} {
		c.person(name, map[string]any{"syncStatus": "pending_sync"})
	}
	if rep := c.once(); looked(rep).Created != 7 {
		t.Fatalf("set-up: %s", short(rep.Document))
	}
	c.moved = c.moved.Add(time.Hour)
	ids := map[string]pairID{}
	for _, p := range c.linked() {
		ids[fmt.Sprint(c.field(p.espo, "lastName"))] = p
	}
	stranger := c.w.Advoware.Insert(path, []byte(`{"vorname":"Anna","name":"stranger","emailGesch":"alt@example.de","unbekannt":{"a":1.50}}`))
	c.w.Advoware.Delete(path, ids["gone"].advo) // not the last one: the next id is a new one
	c.w.EspoCRM.SetField(ct, ids["syncing"].espo, "syncStatus", "syncing")
	if err := c.w.Advoware.Resave(path, ids["resaved"].advo); err != nil {
		t.Fatal(err)
	}
	c.o.Forget()
	c.person("new", map[string]any{"syncStatus": "pending_sync"})
	c.person("stranger", map[string]any{"advowareId": stranger, "syncStatus": "dirty"})
	c.espoEdit(ids["espo"], map[string]any{"email": "espo@example.de", "syncStatus": "dirty"})
	c.advoEdit(ids["advo"], map[string]any{"telGesch": "0511 1"})
	c.espoEdit(ids["conflict"], map[string]any{"email": "espo@example.de", "syncStatus": "dirty"})
	c.advoEdit(ids["conflict"], map[string]any{"emailGesch": "advo@example.de"})
	c.moved = c.moved.Add(time.Minute)
	return c
}

// byRecord tells the oracle of every record's requests apart: those of several
// records may alternate, what is promised holds for each.
type byRecord struct {
	o    *oracle.Oracle
	run  string
	next http.RoundTripper
}

func (b byRecord) RoundTrip(r *http.Request) (*http.Response, error) {
	return b.o.Transport(b.run+" "+r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], b.next).RoundTrip(r)
}

func (c *crowd) person(name string, more map[string]any) {
	c.t.Helper()
	v := map[string]any{"name": "Anna " + name, "firstName": "Anna", "lastName": name, "email": name + "@example.de"}
	for k, x := range more {
		v[k] = x
	}
	c.moved = c.moved.Add(time.Second)
	if err := c.o.Person("anna", func() error { _, err := c.w.EspoCRM.Create(ct, "anna", v); return err }); err != nil {
		c.t.Fatal(err)
	}
}

func (c *crowd) espoEdit(p pairID, values map[string]any) {
	c.moved = c.moved.Add(time.Second)
	_ = c.o.Person("anna", func() error { c.editEspo(p.espo, values); return nil })
}

func (c *crowd) advoEdit(p pairID, values map[string]any) {
	c.moved = c.moved.Add(time.Second)
	_ = c.o.Person("bert", func() error { c.editAdvo(p.advo, values); return nil })
}

// once makes one pass by a process of its own.
func (c *crowd) once() batch.Report {
	c.t.Helper()
	rep, _ := c.run(context.Background(), batch.Options{})
	if c.proc.Dead() {
		c.dead = rep.Document.Run.ID
		_ = c.lm.ReleaseAll() // ends its timers, without effect on the store
	}
	c.o.Settle()
	return rep
}

var everyStore = flag.Bool("stores", false, "crash tests: all of them on every store")

// TestEveryCrashPointOfAPass stops a pass over records of every kind before and
// after each of its side effects, lock operations included, and lets the next
// pass go on.
func TestEveryCrashPointOfAPass(t *testing.T) {
	cuts := map[string]int{}
	for _, b := range stores(t) {
		for _, workers := range []int{1, 4} {
			if testing.Short() && (workers > 1 || b.name == "Redis") || !*everyStore && workers > 1 && b.name == "Redis" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d workers", b.name, workers), func(t *testing.T) {
				for n := 1; passCrashAt(t, b, workers, n) && !t.Failed(); n++ {
					cuts[b.name]++
				}
			})
		}
	}
	t.Logf("cuts: %v", cuts)
}

type backend struct {
	name string
	open func(t *testing.T, now func() time.Time) store.Store
}

// stores are both as they are in use: a SQLite file, and a database of a
// redis-server that is emptied for every world.
func stores(t *testing.T) []backend {
	t.Helper()
	out := []backend{{"SQLite", func(t *testing.T, now func() time.Time) store.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), sqlite.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}}}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("redis-server is not installed: SQLite only")
		return out
	}
	url := storetest.StartRedis(t).URL()
	return append(out, backend{"Redis", func(t *testing.T, now func() time.Time) store.Store {
		o, err := goredis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		c := goredis.NewClient(o)
		defer func() { _ = c.Close() }()
		if err := c.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		s, err := redis.Open(t.Context(), url, redis.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

// passCrashAt kills the pass at its n-th cut; false: it never came so far. Every
// write counts twice, before and after.
func passCrashAt(t *testing.T, b backend, workers, n int) bool {
	t.Helper()
	c := newCrowd(t, func(now func() time.Time) store.Store { return b.open(t, now) }, workers)
	defer func() { _ = c.store.Close() }()
	var mu gosync.Mutex
	seen, what := 0, ""
	c.plan = func(e simulation.Effect) simulation.Fate {
		mu.Lock()
		defer mu.Unlock()
		if !e.Write || e.SignIn {
			return simulation.Passes
		}
		switch seen += 2; n {
		case seen - 1:
			what = "before " + e.What
			return simulation.DiesBefore
		case seen:
			what = "after " + e.What
			return simulation.DiesAfter
		}
		return simulation.Passes
	}
	c.once()
	dead := c.proc.Dead()
	c.plan = nil
	c.moved = c.moved.Add(10 * time.Minute)
	var rep batch.Report
	for pass := 1; ; pass++ {
		c.w.Log.Clear()
		rep = c.once()
		c.moved = c.moved.Add(15 * time.Minute)
		if c.writes() == 0 {
			break
		}
		if pass == 5 {
			t.Fatalf("cut %d (%s): no end\n%s\ntrace:\n  %s", n, what, short(rep.Document), strings.Join(c.o.Trace(), "\n  "))
		}
	}
	if bad := c.unsound(); len(bad) > 0 {
		t.Errorf("cut %d (%s):\n- %s\nlast pass:\n%s\ntrace:\n  %s", n, what, strings.Join(bad, "\n- "), short(rep.Document), strings.Join(c.o.Trace(), "\n  "))
	}
	c.still()
	return dead
}

func (c *crowd) unsound() []string {
	bad := slices.Concat(c.o.Problems(), c.o.Differences())
	var history []store.Entry
	err := c.store.Entries(c.t.Context(), store.HistoryFilter{}, func(e store.Entry) error {
		history = append(history, e)
		for _, w := range e.Writes {
			if w.State == store.WritePlanned {
				bad = append(bad, fmt.Sprintf("history %s: the write of %s to %s is still planned", e.Run, w.Field, w.Side))
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	bad = append(bad, c.o.Overwritten(history)...)
	err = c.store.Scan(c.t.Context(), c.m.Entity(), store.ScanFilter{WithNotes: true}, func(id string, _ store.Memory) error {
		bad = append(bad, "a notification is owed: "+id)
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, rec := range c.w.EspoCRM.Records(ct) {
		if rec["syncStatus"] != "clean" {
			bad = append(bad, fmt.Sprintf("%v is %v: %v", rec["lastName"], rec["syncStatus"], rec["syncErrorMessage"]))
		}
	}
	return bad
}
