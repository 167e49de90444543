package cmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/tidwall/gjson"

	"advosync/internal/console"
	"advosync/internal/lease"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
)

var everything = flag.Bool("everything", false, "kills and broken stores: all operations (minutes)")

// TestKilledProgram kills the built program with SIGKILL at each of its HTTP
// requests, before and after the system has worked, for every kind of operation
// and on both stores; without -everything only some of them. Then the next run goes on, until a cron-run writes nothing:
// no edit is lost, nothing is made twice, nothing is left behind.
func TestKilledProgram(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "advosync")
	build := exec.Command("go", "build", "-o", program, "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	drivers, addr := []string{"embedded", "redis"}, ""
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Log("redis-server is not installed: the embedded store only")
		drivers = drivers[:1]
	} else {
		addr = storetest.StartRedis(t, "--databases", "100").Addr
	}
	var kills atomic.Int32
	t.Cleanup(func() { t.Logf("%d kills", kills.Load()) })
	db := 0
	for _, job := range killJobs() {
		for _, driver := range drivers {
			for _, drop := range []sandbox.Drop{sandbox.DropBefore, sandbox.DropAfter} {
				if !*everything && !(job.short && driver == "embedded" && drop == sandbox.DropAfter) {
					continue
				}
				db++
				s := &stage{driver: driver, redis: addr}
				s.last.Store(int32(db))
				t.Run(strings.Join([]string{job.name, driver, string(drop)}, "/"), func(t *testing.T) {
					t.Parallel()
					for n, slow := 1, 0; !t.Failed(); {
						switch end := newKill(t, s, job).at(program, n, drop); {
						case end == ranThrough:
							return
						case end == timedOut && slow < 20: // the machine is busy: once more
							slow++
						case end == timedOut:
							t.Fatalf("request %d is never reached", n)
						default:
							kills.Add(1)
							n++
						}
					}
				})
			}
		}
	}
}

// killJob is one kind of operation.
type killJob struct {
	name string
	// sync is the section of that name in the configuration.
	sync    string
	prepare func(k *kill)
	args    func(k *kill) []string
	// then takes over, before the passes; nil: the same command again.
	then func(k *kill) []string
	// want are the values that may stand on both sides in the end, by EspoCRM's
	// field; kept those of which the history must hold one as overwritten, unless
	// they stand there still.
	want map[string][]string
	kept []string
	// open: a person has to decide, so both sides may differ.
	open  bool
	short bool
}

func killJobs() []killJob {
	syncOne := func(k *kill) []string { return []string{"sync", "--id", k.ids[0]} }
	passes := func(*kill) []string { return []string{"cron-run"} }
	inEspo := func(k *kill) { k.espo(0, "email", "espo@example.de") }
	inAdvo := func(k *kill) { k.advo(0, "emailGesch", "advo@example.de") }
	both := func(k *kill) { k.known(); inEspo(k); inAdvo(k) }
	undo := func(k *kill) []string { return []string{"undo", "--run", k.lastRun, "--id", k.ids[0], "--yes"} }
	mail := func(values ...string) map[string][]string { return map[string][]string{"email": values} }
	overruled := []string{"espo@example.de", "advo@example.de"}
	return []killJob{
		{name: "create", prepare: func(k *kill) { k.person("Alt", nil) }, args: syncOne, want: mail("Alt@example.de"), short: true},
		{name: "espocrm newer", prepare: func(k *kill) { k.known(); inEspo(k) }, args: syncOne, want: mail("espo@example.de"), kept: []string{"Alt@example.de"}, short: true},
		{name: "advoware newer", prepare: func(k *kill) { k.known(); inAdvo(k) }, args: syncOne, want: mail("advo@example.de"), kept: []string{"Alt@example.de"}},
		{name: "conflict, espocrm", prepare: both, args: syncOne, want: mail("espo@example.de"), kept: overruled},
		{name: "conflict, advoware", sync: "conflict: advoware", prepare: both, args: syncOne, want: mail("advo@example.de"), kept: overruled},
		{name: "conflict, merge", sync: "conflict: merge", prepare: func(k *kill) { both(k); k.advo(0, "telGesch", "0511 1") }, args: syncOne,
			want: map[string][]string{"email": {"espo@example.de"}, "phone": {"0511 1"}}, kept: overruled},
		{name: "conflict, manual", sync: "conflict: manual", prepare: both, args: syncOne, kept: overruled, open: true},
		{name: "initial", prepare: func(k *kill) { k.stranger("fremd@example.de") }, args: syncOne, want: mail("Alt@example.de"), kept: []string{"fremd@example.de"}},
		{name: "recreate", sync: "on_missing_in_advoware: recreate", args: syncOne, want: mail("espo@example.de"),
			prepare: func(k *kill) {
				k.known()
				k.twin() // so that the next number is a new one
				inEspo(k)
				k.w.Advoware.Delete(sandbox.BeteiligtePath, k.number(0))
			}},
		{name: "undo of espocrm newer", args: undo, then: syncOne, want: mail("Alt@example.de", "espo@example.de"), kept: []string{"Alt@example.de"},
			prepare: func(k *kill) { k.known(); inEspo(k); k.must("sync", "--id", k.ids[0]) }},
		{name: "undo of advoware newer", args: undo, then: syncOne, want: mail("Alt@example.de", "advo@example.de"), kept: []string{"Alt@example.de"},
			prepare: func(k *kill) { k.known(); inAdvo(k); k.must("sync", "--id", k.ids[0]) }},
		{name: "resolve", sync: "conflict: manual", kept: overruled, open: true,
			prepare: func(k *kill) { both(k); k.run("sync", "--id", k.ids[0]) },
			args:    func(k *kill) []string { return []string{"resolve", "--id", k.ids[0], "--take", "espocrm", "--yes"} }, then: syncOne},
		{name: "link", want: mail("Alt@example.de", "other@example.de", "only@example.de"), kept: []string{"anders@example.de"},
			prepare: func(k *kill) {
				k.person("Alt", map[string]any{"geburtsdatum": "1980-01-01"})
				k.person("other", map[string]any{"geburtsdatum": "1980-01-02"})
				k.insert("Alt", "1980-01-01", "Alt@example.de")
				k.insert("other", "1980-01-02", "anders@example.de")
				k.insert("only", "1980-01-03", "only@example.de")
			},
			args: func(*kill) []string { return []string{"link", "--apply", "--import", "--yes"} }},
		{name: "cron-run", sync: "on_missing_in_advoware: recreate", args: passes, then: passes, short: true, kept: []string{"advo@example.de", "fremd@example.de"},
			prepare: func(k *kill) {
				for i, name := range []string{"espo", "advo", "conflict", "resaved", "gone", "syncing", "quiet"} {
					k.person(name, nil)
					k.must("sync", "--id", k.ids[i])
				}
				k.espo(0, "email", "espo@example.de")
				k.advo(1, "telGesch", "0511 1")
				k.espo(2, "email", "espo@example.de")
				k.advo(2, "emailGesch", "advo@example.de")
				k.advo(3, "bemerkung", "angerufen")
				k.w.Advoware.Delete(sandbox.BeteiligtePath, k.number(4))
				k.w.EspoCRM.SetField(sandboxType, k.ids[5], "syncStatus", "syncing")
				k.person("new", nil)
				k.stranger("fremd@example.de")
			}},
	}
}

// kill is one world in which the program is killed once.
type kill struct {
	t       *testing.T
	w       *world
	job     killJob
	dir     string
	ids     []string // in EspoCRM
	lastRun string
	asked   []string // what the program had asked for when it died
}

func newKill(t *testing.T, s *stage, job killJob) *kill {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	k := &kill{t: t, job: job, dir: dir, w: &world{World: sandbox.NewWorld(sandbox.WorldOptions{Seed: 7, Empty: true}), stage: s, dir: dir, db: int(s.last.Load())}}
	return k
}

// ending is how a program ended that was to be killed at its n-th request.
type ending int

const (
	wasKilled  ending = iota
	ranThrough        // it makes fewer requests
	timedOut          // a request took longer than the victim's short time-out
)

// slow reports whether a program says that a time-out ended it.
func slow(out string) bool {
	return strings.Contains(out, "did not answer within") || strings.Contains(out, "in time") || strings.Contains(out, "time for this step is used up")
}

// at makes the world, kills the program at its n-th request, and lets the next
// run go on.
func (k *kill) at(program string, n int, drop sandbox.Drop) ending {
	t := k.t
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.start(ctx)
	k.job.prepare(k)
	k.w.Log.Clear()

	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	victim := exec.CommandContext(ctx, program, append([]string{"--config", filepath.Join(k.dir, "victim.yaml")}, k.job.args(k)...)...)
	victim.Dir = k.dir
	started, dead := make(chan struct{}), make(chan struct{})
	var killed atomic.Bool
	die := func(*http.Request) {
		<-started
		killed.Store(true)
		_ = victim.Process.Kill()
		<-dead
	}
	fault := sandbox.Fault{Skip: n - 1, Count: 1, Before: die, Drop: drop}
	if drop == sandbox.DropAfter {
		fault.Before, fault.After = nil, die
	}
	k.w.Faults.Add(fault)
	var out strings.Builder
	victim.Stdout, victim.Stderr = &out, &out
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	err := victim.Wait()
	close(dead)
	k.w.Faults.Clear("")
	var exit *exec.ExitError
	end := wasKilled
	switch {
	case killed.Load():
	case err == nil, errors.As(err, &exit) && exit.ExitCode() == exitConflict:
		end = ranThrough
	case slow(out.String()):
		end = timedOut
	default:
		t.Fatalf("request %d was not reached: %v\n%s", n, err, out.String())
	}
	for _, e := range k.w.Log.Entries() {
		k.asked = append(k.asked, e.Method+" "+e.Path)
	}
	k.heal()
	if bad := k.unsound(); len(bad) > 0 {
		t.Errorf("killed %s request %d of\n  %s\n- %s", drop, n, strings.Join(k.asked, "\n  "), strings.Join(bad, "\n- "))
	}
	return end
}

// start begins both systems and writes the configurations: the victim's has short
// time-outs, because an announcement is not judged before they are over.
func (k *kill) start(ctx context.Context) {
	k.t.Helper()
	if err := k.w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		k.t.Fatal(err)
	}
	if k.w.driver == "redis" {
		o, err := goredis.ParseURL(k.w.redisURL())
		if err != nil {
			k.t.Fatal(err)
		}
		c := goredis.NewClient(o)
		defer func() { _ = c.Close() }()
		if err := c.FlushDB(ctx).Err(); err != nil {
			k.t.Fatal(err)
		}
	}
	config := strings.Replace(k.w.config(), "entities/*.yaml", "beteiligte.yaml", 1)
	sync := "late_write: 0s" // nothing lands later than the victim's time-out
	if k.job.sync != "" {
		sync += ", " + k.job.sync
	}
	config += "sync: {" + sync + "}\n"
	write(k.t, filepath.Join(k.dir, "victim.yaml"), strings.ReplaceAll(config, "timeout: 10s", "timeout: 300ms"))
	write(k.t, filepath.Join(k.dir, "advosync.yaml"), config)
	write(k.t, filepath.Join(k.dir, "beteiligte.yaml"), k.w.Mapping())
}

// run is one command in this process: all that the next run shares with the
// killed one is the store.
func (k *kill) run(args ...string) (code int, out string) {
	c, b := console.Test(80, false, false)
	d := system(Build{})
	d.console = c
	d.load = func(l loadOptions) (project, error) { return loadConfig(l, c) }
	code = run(context.Background(), d, append([]string{"--config", filepath.Join(k.dir, "advosync.yaml"), "-o", "json"}, args...))
	k.lastRun = gjson.Get(b.Out.String(), "run.id").String()
	return code, b.Out.String() + b.Err.String()
}

func (k *kill) must(args ...string) {
	k.t.Helper()
	if code, out := k.run(args...); code != exitOK {
		k.t.Fatalf("%v: exit code %d\n%s", args, code, out)
	}
}

// heal is the next run, and passes until one has nothing to write and leaves
// nothing.
func (k *kill) heal() {
	k.t.Helper()
	next := k.job.then
	if next == nil {
		next = k.job.args
	}
	code, out := k.run(next(k)...)
	if code != exitOK && code != exitConflict {
		k.t.Errorf("next run: exit code %d\n%s", code, out)
	}
	for end := time.Now().Add(30 * time.Second); ; {
		k.w.Log.Clear()
		code, out = k.run("cron-run")
		writes := k.w.Log.Count(func(e sandbox.LogEntry) bool { return e.Method != "GET" && !strings.HasSuffix(e.Path, "/Token") })
		if code != exitOK && code != exitConflict {
			k.t.Errorf("pass: exit code %d\n%s", code, out)
			return
		}
		if writes == 0 && len(k.left()) == 0 {
			return
		}
		if time.Now().After(end) {
			k.t.Errorf("passes find no end, the last one wrote %d times: %v\n%s", writes, k.left(), out)
			return
		}
	}
}

// left are live locks, announcements, and records in syncing.
func (k *kill) left() (bad []string) {
	st := k.store()
	defer func() { _ = st.Close() }()
	locks, err := st.Locks(k.t.Context())
	if err != nil {
		return []string{err.Error()}
	}
	self := lease.Self("test", "test")
	for _, l := range locks {
		if lease.StateOf(l, func(o store.Owner) bool { return lease.Dead(o, self) }, time.Now()) == lease.Live {
			bad = append(bad, "lock "+l.Key)
		}
	}
	err = st.Scan(k.t.Context(), "Beteiligte", store.ScanFilter{WithOpen: true, WithNotes: true}, func(id string, m store.Memory) error {
		bad = append(bad, fmt.Sprintf("%s: an announcement (%v) or %d notifications", id, m.Open != nil, len(m.Notes)))
		return nil
	})
	if err != nil {
		bad = append(bad, err.Error())
	}
	for _, r := range k.w.EspoCRM.Records(sandboxType) {
		if r["syncStatus"] == "syncing" {
			bad = append(bad, fmt.Sprint(r["id"], " in syncing"))
		}
	}
	return bad
}

func (k *kill) store() store.Store {
	k.t.Helper()
	st, err := k.w.openStore()
	if err != nil {
		k.t.Fatal(err)
	}
	return st
}

// unsound is what the invariants say against both systems and the history.
func (k *kill) unsound() []string {
	bad := k.left()
	linked := map[int64]int{}
	stands := map[string]bool{}
	for _, r := range k.w.EspoCRM.Records(sandboxType) {
		n, _ := r["advowareId"].(int64)
		linked[n]++
		if status := r["syncStatus"]; status != "clean" && !(k.job.open && status == "conflict") {
			bad = append(bad, fmt.Sprintf("%v is %v: %v", r["lastName"], status, r["syncErrorMessage"]))
		}
		for espo, advo := range map[string]string{"email": "emailGesch", "phone": "telGesch", "lastName": "name"} {
			mine, _ := r[espo].(string)
			theirs := k.w.Advoware.Value(sandbox.BeteiligtePath, n, advo)
			stands[mine], stands[theirs] = true, true
			if mine != theirs && r["syncStatus"] != "conflict" {
				bad = append(bad, fmt.Sprintf("%v: %s is %q in EspoCRM, %q in Advoware", r["lastName"], espo, mine, theirs))
			}
			if want := k.job.want[espo]; want != nil && !slices.Contains(want, mine) {
				bad = append(bad, fmt.Sprintf("%v: %s is %q, want one of %q", r["lastName"], espo, mine, want))
			}
		}
	}
	for _, raw := range k.w.Advoware.All(sandbox.BeteiligtePath) {
		if n := gjson.GetBytes(raw, "betNr").Int(); linked[n] != 1 {
			bad = append(bad, fmt.Sprintf("%d records are linked to Advoware %d", linked[n], n))
		}
	}
	kept := k.kept()
	for _, v := range k.job.kept {
		if !stands[v] && !kept[v] {
			bad = append(bad, fmt.Sprintf("%q is gone, and not in the history", v))
		}
	}
	return bad
}

// kept are the overwritten values that the history holds.
func (k *kill) kept() map[string]bool {
	st := k.store()
	defer func() { _ = st.Close() }()
	out := map[string]bool{}
	err := st.Entries(k.t.Context(), store.HistoryFilter{}, func(e store.Entry) error {
		for _, w := range e.Writes {
			switch w.State {
			case store.WriteDone, store.WriteUnknown:
				out[w.Before.Text()] = true
			case store.WritePlanned:
				k.t.Errorf("history %s: the write of %s to %s is still planned", e.Run, w.Field, w.Side)
			}
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return out
}

// person is a new record in EspoCRM.
func (k *kill) person(last string, more map[string]any) {
	v := map[string]any{"name": "Anna " + last, "firstName": "Anna", "lastName": last, "email": last + "@example.de", "syncStatus": "pending_sync", "createdById": sandbox.AnnaID}
	for name, x := range more {
		v[name] = x
	}
	k.ids = append(k.ids, k.w.EspoCRM.Seed(sandboxType, v))
}

// insert is a new record in Advoware.
func (k *kill) insert(last, born, mail string) int64 {
	return k.w.Advoware.Insert(sandbox.BeteiligtePath, fmt.Appendf(nil, `{"betNr":0,"rowId":"","vorname":"Anna","name":%q,"geburtsdatum":%q,"emailGesch":%q,"rest":1.50}`, last, born, mail))
}

// known is a person whom the program has synced.
func (k *kill) known() {
	k.person("Alt", nil)
	k.must("sync", "--id", k.ids[0])
}

// twin is another one.
func (k *kill) twin() {
	k.person("Zweit", map[string]any{"email": "espo@example.de"})
	k.must("sync", "--id", k.ids[1])
}

// stranger was linked by hand and never synced.
func (k *kill) stranger(mail string) {
	k.person("Alt", map[string]any{"advowareId": k.insert("Alt", "", mail), "syncStatus": "dirty"})
}

func (k *kill) number(i int) int64 {
	r, _ := k.w.EspoCRM.Get(sandboxType, k.ids[i])
	n, _ := r["advowareId"].(int64)
	return n
}

func (k *kill) espo(i int, field, value string) {
	k.t.Helper()
	if err := k.w.EspoCRM.Put(sandboxType, k.ids[i], "anna", map[string]any{field: value, "syncStatus": "dirty"}); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kill) advo(i int, field, value string) {
	k.t.Helper()
	if err := k.w.Advoware.Edit(sandbox.BeteiligtePath, k.number(i), map[string]any{field: value}); err != nil {
		k.t.Fatal(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
