package batch_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"advosync/internal/advoware"
	"advosync/internal/batch"
	"advosync/internal/espocrm"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/sync"
	"advosync/internal/transport"
)

const (
	ct   = "CBeteiligte"
	path = sandbox.BeteiligtePath
)

// rig is both simulators and a store, on the bubble's clock. Each pass is a
// process of its own.
type rig struct {
	t       testing.TB
	w       *sandbox.World
	store   store.Store
	lm      *lease.Manager // of the last process
	m       *mapping.Mapping
	cfg     batch.Config
	latency atomic.Int64 // of every call, nanoseconds
	runs    int
	sink    batch.Sink
	base    http.RoundTripper // nil: the simulators
	now     func() time.Time  // nil: time.Now
	fleet   batch.Fleet       // nil: none
	command string            // of the next process; "": cron-run
	// watch, where set, stands between each process and the world.
	// dead is the run that was killed; its locks are free for anybody to take.
	dead  string
	watch func(run string, rt http.RoundTripper, st store.Store) (http.RoundTripper, store.Store)
}

func newRig(t testing.TB, o sandbox.WorldOptions, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t}
	pace := func(*http.Request, int) time.Duration { return time.Duration(r.latency.Load()) }
	o.EspoCRM.Pace, o.Advoware.Pace = pace, pace
	r.w = sandbox.NewWorld(o)
	r.store = memory.New(nil)
	r.m = r.mapping(r.w.Mapping())
	r.cfg = batch.Config{Engine: sync.Config{MarkSyncing: true}, Concurrency: 8, MaxChangedShare: 0.5, MaxCreates: 50}
	for _, c := range change {
		c(r)
	}
	return r
}

// moving lets time pass between two looks at the clock, as it does outside a
// bubble.
func moving(r *rig) {
	var looks atomic.Int64
	r.now = func() time.Time { return time.Now().Add(time.Duration(looks.Add(1))) }
}

func (r *rig) mapping(yaml string) *mapping.Mapping {
	r.t.Helper()
	m, err := mapping.Parse("test.yaml", []byte(yaml))
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// unlisted takes the list endpoint out of the mapping.
func unlisted(r *rig) {
	yaml := r.w.Mapping()
	i := strings.Index(yaml, "  list:")
	j := strings.Index(yaml[i:], "\n")
	r.m = r.mapping(yaml[:i] + yaml[i+j+1:])
}

func (r *rig) transport() http.RoundTripper {
	if r.base != nil {
		return r.base
	}
	return r.w.Transport()
}

// clients are a process's own; wait is the longest pause they keep before they
// repeat a call, 0: as by default.
func (r *rig) clients(base http.RoundTripper, wait time.Duration) (*espocrm.Client, *advoware.Client) {
	r.t.Helper()
	opts := transport.Options{Timeout: 10 * time.Second, Base: base, MaxWait: wait, Rand: func() float64 { return 0.5 }}
	ec, err := espocrm.New(espocrm.Config{URL: r.w.EspoURL, APIKey: sandbox.KeyA, Notify: espocrm.Notify{Users: []string{"admin"}}, Companion: true, Options: opts})
	if err != nil {
		r.t.Fatal(err)
	}
	ac, err := advoware.New(advoware.Config{Kanzlei: sandbox.Kanzlei, Database: sandbox.Database, User: sandbox.AdvowareUser, Password: sandbox.AdvowarePass,
		AppID: sandbox.AppID, APIKey: sandbox.AdvowareKey, URL: r.w.AdvoURL, SecurityGateway: sandbox.SecurityGatewayURL(r.w.AdvoURL), Now: r.now, Options: opts})
	if err != nil {
		r.t.Fatal(err)
	}
	return ec, ac
}

func (r *rig) process() *batch.Pass {
	r.t.Helper()
	r.runs++
	run, base, st, wait := fmt.Sprintf("run-%03d", r.runs), r.transport(), r.store, time.Duration(0)
	dead := func(o store.Owner) bool { return o.Run == "dead" }
	if r.watch != nil {
		base, st = r.watch(run, base, st)
		wait, dead = time.Millisecond, func(o store.Owner) bool { return o.Run != run }
	}
	ec, ac := r.clients(base, wait)
	cfg := r.cfg
	cfg.Engine.Run = run
	owner := store.Owner{Host: "test", PID: 100 + r.runs, Start: "s" + strconv.Itoa(r.runs), User: "u", Command: cmp.Or(r.command, "cron-run"), Run: run}
	r.lm = lease.New(st, owner, 5*time.Minute, lease.Options{Now: r.now, Dead: dead})
	deps := batch.Deps{EspoCRM: ec, Advoware: ac, Store: st, Now: r.now, Leases: r.lm, Fleet: r.fleet}
	if os.Getenv("BATCH_LOG") != "" {
		deps.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return batch.New(cfg, deps)
}

func (r *rig) run(ctx context.Context, o batch.Options) (batch.Report, error) {
	r.t.Helper()
	return r.process().Run(ctx, []*mapping.Mapping{r.m}, o, r.sink)
}

// pass runs to the end without an error of the run.
func (r *rig) pass(o batch.Options) batch.Report {
	r.t.Helper()
	rep, err := r.run(r.t.Context(), o)
	if err != nil {
		r.t.Fatalf("pass: %v", err)
	}
	return rep
}

// settled is a world in which a pass has dealt with everything, some time ago.
func (r *rig) settled() {
	r.t.Helper()
	rep := r.pass(batch.Options{AllowMassChange: true})
	if s := looked(rep); s.Failed+s.PermanentlyFailed+s.Skipped+s.Locked > 0 {
		r.t.Fatalf("set-up: %s", short(rep.Document))
	}
	time.Sleep(time.Hour)
	r.w.Log.Clear()
}

func (r *rig) want(rep batch.Report, want result.Summary) {
	r.t.Helper()
	if want.Total == 0 {
		want.Total = want.Created + want.UpdatedAdvoware + want.UpdatedEspocrm + want.Merged + want.Adopted + want.Unchanged + want.Conflicts +
			want.Failed + want.PermanentlyFailed + want.Locked + want.Skipped + want.Planned
	}
	if got := looked(rep); got != want {
		r.t.Fatalf("summary\n got %+v\nwant %+v\n%s", got, want, short(rep.Document))
	}
}

// looked are the records that the pass looked at one by one; those that the lists
// have shown to be as they were are not among them.
func looked(rep batch.Report) result.Summary {
	s := rep.Document.Summary
	s.Total -= rep.Still
	s.Unchanged -= rep.Still
	return s
}

func short(d result.Document) string {
	var b strings.Builder
	for i, res := range d.Results {
		if i == 6 {
			fmt.Fprintf(&b, "… %d more\n", len(d.Results)-i)
			break
		}
		fmt.Fprintf(&b, "%s %s/%s %s", res.ID, res.Verdict, res.Outcome, res.Reason.Text)
		if res.Error != nil {
			fmt.Fprintf(&b, " [%s %s: %s]", res.Error.Owner, res.Error.Code, res.Error.Message)
		}
		b.WriteByte('\n')
	}
	if d.Error != nil {
		fmt.Fprintf(&b, "error: %+v", *d.Error)
	}
	return b.String()
}

// linked lists the ids of linked clean records, sorted.
func (r *rig) linked() (out []pairID) {
	for _, rec := range r.w.EspoCRM.Records(ct) {
		if id, ok := rec["advowareId"].(int64); ok {
			out = append(out, pairID{rec["id"].(string), id})
		}
	}
	return out
}

type pairID struct {
	espo string
	advo int64
}

func (r *rig) editEspo(id string, values map[string]any) {
	r.t.Helper()
	if err := r.w.EspoCRM.Put(ct, id, "anna", values); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) editAdvo(id int64, values map[string]any) {
	r.t.Helper()
	if err := r.w.Advoware.Edit(path, id, values); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) field(id, name string) any {
	r.t.Helper()
	rec, ok := r.w.EspoCRM.Get(ct, id)
	if !ok {
		r.t.Fatalf("no EspoCRM record %s", id)
	}
	return rec[name]
}

func (r *rig) advoField(id int64, name string) string { return r.w.Advoware.Value(path, id, name) }

func isWrite(e sandbox.LogEntry) bool {
	return e.Method != "GET" && !strings.HasSuffix(e.Path, "/Token") && !strings.HasSuffix(e.Path, "/Advosync/read") &&
		!strings.HasSuffix(e.Path, "/Advosync/changes")
}

func (r *rig) writes() int { return r.w.Log.Count(isWrite) }

// still checks that a further pass writes nothing, moves nothing and leaves no
// lock, announcement or mark.
func (r *rig) still() {
	r.t.Helper()
	before := stamps(r)
	r.w.Log.Clear()
	rep := r.pass(batch.Options{})
	if n := r.writes(); n != 0 {
		r.t.Fatalf("the next pass wrote %d times:\n%s", n, short(rep.Document))
	}
	if after := stamps(r); !slices.Equal(before, after) {
		r.t.Fatal("the next pass moved modifiedAt")
	}
	r.tidy()
}

func (r *rig) tidy() {
	r.t.Helper()
	locks, err := r.store.Locks(context.Background())
	locks = slices.DeleteFunc(locks, func(l store.Lock) bool { return r.stale(l) })
	if err != nil || len(locks) > 0 {
		r.t.Fatalf("locks are left: %+v %v", locks, err)
	}
	for _, rec := range r.w.EspoCRM.Records(ct) {
		if rec["syncStatus"] == "syncing" {
			r.t.Fatalf("%v is left in syncing", rec["id"])
		}
	}
	err = r.store.Scan(context.Background(), r.m.Entity(), store.ScanFilter{WithOpen: true}, func(id string, m store.Memory) error {
		return fmt.Errorf("an announcement is left: %s %+v", id, m.Open)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stale(l store.Lock) bool { return r.dead != "" && l.Owner.Run == r.dead }

func stamps(r *rig) (out []string) {
	for _, rec := range r.w.EspoCRM.Records(ct) {
		out = append(out, fmt.Sprint(rec["id"], rec["modifiedAt"], rec["versionNumber"]))
	}
	for _, raw := range r.w.Advoware.All(path) {
		out = append(out, string(raw))
	}
	return out
}

func guardOf(t testing.TB, err error) *batch.GuardError {
	t.Helper()
	var g *batch.GuardError
	if !errors.As(err, &g) {
		t.Fatalf("no guard halted: %v", err)
	}
	return g
}

func systemOf(t testing.TB, err error) *fault.Error {
	t.Helper()
	f := fault.As(err)
	if f == nil || f.Owner != fault.OwnerSystem {
		t.Fatalf("no system's failure: %v", err)
	}
	return f
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// idOf reads the id out of a raw Advoware record.
func idOf(raw []byte) int64 {
	var o struct {
		BetNr int64 `json:"betNr"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		panic(err)
	}
	return o.BetNr
}
