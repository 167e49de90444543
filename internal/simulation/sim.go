package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"advosync/internal/advoware"
	"advosync/internal/engine"
	"advosync/internal/espocrm"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/storetest"
	"advosync/internal/transport"
)

const (
	entityType = "CBeteiligte"
	storm      = 7 * time.Minute // how long people edit and faults happen
	tryTimeout = 5 * time.Second
	writeTime  = 20 * time.Second
	lockTTL    = 2 * time.Minute
)

// Worker is one tool process as the simulation drives it. Work is called again
// and again until the process dies; it returns what it has done to which record.
type Worker interface {
	Work(ctx context.Context) []result.Record
}

// NewWorker makes the work of one process; a pass over everything can stand in
// for it.
type NewWorker func(s *Sim, p *Tool) Worker

// Sim is one run of the world. It lives in a testing/synctest bubble: time is
// virtual, and no two actors wake at the same instant, so that equal seeds give
// equal runs.
type Sim struct {
	Seed    uint64
	Espo    *sandbox.EspoCRM
	Advo    *sandbox.Advoware
	Store   *storetest.Memory
	Mapping *mapping.Mapping
	Oracle  *Oracle
	Policy  reconcile.Policy

	start   time.Time
	storing []sandbox.StoredForm
	rate    float64 // how often an effect meets a fault
	worker  NewWorker

	mu      sync.Mutex
	down    bool // the store is gone
	ids     []string
	edits   int
	runs    int
	counts  map[string]int
	gone    map[string]bool // deleted in EspoCRM
	trouble []string
}

// Report is the end of one run.
type Report struct {
	Seed     uint64
	Problems []string
	Excused  map[string]int
	Counts   map[string]int
	Trace    []string
}

// Run plays one seed. It has to be called inside a synctest bubble. Only where
// trace is set the report tells what happened.
func Run(seed uint64, worker NewWorker, trace bool) Report {
	s := newSim(seed, worker)
	s.Oracle.Quiet = !trace
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { s.person(i) })
	}
	for i := range 3 {
		all.Go(func() { s.process(i) })
	}
	all.Go(s.operator)
	all.Wait()
	s.settleDown()
	return Report{Seed: seed, Problems: append(s.trouble, s.Oracle.Problems()...), Excused: s.Oracle.Excused(), Counts: s.counts, Trace: s.Oracle.Trace()}
}

func newSim(seed uint64, worker NewWorker) *Sim {
	if worker == nil {
		worker = newSyncer
	}
	m, err := mapping.Parse("sandbox.yaml", []byte(new(sandbox.World).Mapping()))
	if err != nil {
		panic(err)
	}
	s := &Sim{Seed: seed, Mapping: m, start: time.Now(), worker: worker, counts: map[string]int{}, gone: map[string]bool{}}
	r := s.random("world", 0)
	s.Policy = []reconcile.Policy{reconcile.EspoCRMWins, reconcile.Merge, reconcile.AdvowareWins, reconcile.Merge}[r.IntN(4)]
	s.rate = []float64{0, 0.01, 0.04, 0.12}[r.IntN(4)]
	s.Espo = sandbox.NewEspoCRM(sandbox.EspoCRMOptions{})
	if r.IntN(3) == 0 {
		s.Espo.SetFormula(sandbox.DirtyFormula(entityType, "api-apikey", "", sandbox.BeteiligteFields()...))
	}
	b := sandbox.Behaviour{GetAsList: r.IntN(2) == 0, PostAnswer: []sandbox.PostAnswer{sandbox.PostObject, sandbox.PostList, sandbox.PostID}[r.IntN(3)],
		NotThere: []sandbox.NotThere{sandbox.NotThere404, sandbox.NotThereEmpty, sandbox.NotThereNull}[r.IntN(3)], TokenSeconds: 60 + r.IntN(600)}
	switch r.IntN(5) {
	case 0:
		b.Storing = []sandbox.StoredForm{{Field: "emailGesch", Do: "upper"}, {Field: "telGesch", Do: "phone"}}
	case 1:
		b.Storing = []sandbox.StoredForm{{Field: "emailGesch", Do: "cut", N: 9}}
	}
	s.storing = b.Storing
	s.Advo = sandbox.NewAdvoware(sandbox.AdvowareOptions{Seed: seed, Behaviour: b})
	s.Store = storetest.NewMemory(nil)
	s.Store.FailWith(func(context.Context, string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down {
			return ErrStoreDown
		}
		return nil
	})
	s.Oracle = NewOracle(m, s.Espo, s.Advo, s.Policy)
	s.Oracle.Cuts = len(b.Storing) == 1
	s.Oracle.Clock = func() string { return time.Since(s.start).String() }
	return s
}

// random is one actor's own source.
func (s *Sim) random(actor string, n int) *rand.Rand {
	var h uint64 = 14695981039346656037
	for _, c := range []byte(actor) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s.Seed, h+uint64(n)*7919))
}

func (s *Sim) over() bool { return time.Since(s.start) > storm }

func (s *Sim) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

func (s *Sim) pick(r *rand.Rand) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) == 0 {
		return "", false
	}
	return s.ids[r.IntN(len(s.ids))], true
}

// nap waits a random time around d, to the nanosecond, so that no two actors
// wake together.
func nap(r *rand.Rand, d time.Duration) { time.Sleep(d/2 + time.Duration(r.Int64N(int64(d))) + 1) }

// person edits on both sides.
func (s *Sim) person(n int) {
	r := s.random("person", n)
	name := []string{"anna", "bert"}[n]
	for !s.over() {
		nap(r, 40*time.Second)
		for range 1 + r.IntN(2)*r.IntN(3) {
			s.act(r, name)
			if r.IntN(3) > 0 {
				nap(r, 300*time.Millisecond)
			} else {
				time.Sleep(time.Duration(1 + r.IntN(1000))) // in the same second
			}
		}
	}
}

// value is new each time, or one of a few that come again. No value is the
// beginning of another one: such a pair could not be told from a cut one.
func (s *Sim) value(r *rand.Rand, what string) any {
	switch r.IntN(10) {
	case 0:
		return nil
	case 1:
		return "11" + what
	case 2:
		return " 22 " + what + " "
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edits++
	return fmt.Sprintf("%d%s", 100+s.edits, what)
}

func (s *Sim) act(r *rand.Rand, name string) {
	id, ok := s.pick(r)
	if !ok || len(s.ids) < 3 && r.IntN(4) == 0 {
		s.newRecord(r, name)
		return
	}
	rec, _ := s.Espo.Get(entityType, id)
	if rec["deleted"] == true {
		if r.IntN(2) == 0 {
			_ = s.Oracle.Person(name, func() error { return s.Espo.Restore(entityType, id) })
		}
		return
	}
	advo, _ := rec["advowareId"].(int64)
	switch k := r.IntN(20); {
	case k == 0:
		s.count("deletes")
		_ = s.Oracle.Person(name, func() error { return s.Espo.Delete(entityType, id, "anna") })
	case k < 9 || advo == 0:
		values := map[string]any{}
		for range 1 + r.IntN(2) {
			switch r.IntN(7) {
			case 0, 1:
				values["email"] = s.value(r, "e@x.de")
			case 2, 3:
				values["phone"] = s.value(r, "0511")
			case 4:
				values["lastName"] = s.text(r, "Alt")
			case 5:
				values["description"] = s.value(r, "notiz")
			case 6:
				if r.IntN(3) == 0 {
					if values["firmenname"] = []any{nil, "Alt GmbH", "Neu AG"}[r.IntN(3)]; values["firmenname"] == nil {
						values["firstName"], values["lastName"] = "Anna", s.text(r, "Alt") // a person has a name
					}
				} else {
					values["geburtsdatum"] = fmt.Sprintf("19%02d-03-04", 40+r.IntN(60))
				}
			}
		}
		s.count("edits in EspoCRM")
		if err := s.Oracle.Person(name, func() error { return s.Espo.Put(entityType, id, "anna", values) }); err != nil {
			s.count("refused edits")
		}
	default:
		values := map[string]any{}
		for range 1 + r.IntN(2) {
			switch r.IntN(7) {
			case 0, 1:
				values["emailGesch"] = s.value(r, "a@x.de")
			case 2, 3:
				values["telGesch"] = s.value(r, "0512")
			case 4:
				values["name"] = s.text(r, "Berg")
			case 5:
				values["bemerkung"] = s.value(r, "notiz")
			}
		}
		for _, f := range s.storing { // what a person saves is stored in the same form
			v, ok := values[f.Field].(string)
			switch {
			case !ok:
			case f.Do == "upper":
				values[f.Field] = strings.ToUpper(v)
			case f.Do == "cut":
				values[f.Field] = string([]rune(v)[:min(f.N, len([]rune(v)))])
			case f.Do == "phone":
				values[f.Field] = strings.ReplaceAll(v, " ", "")
			}
		}
		s.count("edits in Advoware")
		_ = s.Oracle.Person(name, func() error { return s.Advo.Edit(sandbox.BeteiligtePath, advo, values) })
	}
}

// text is never empty: a record without a name is of no kind.
func (s *Sim) text(r *rand.Rand, what string) string {
	if v, ok := s.value(r, what).(string); ok {
		return v
	}
	return what
}

func (s *Sim) newRecord(r *rand.Rand, name string) {
	last := s.text(r, "Alt")
	_ = s.Oracle.Person(name, func() error {
		id, err := s.Espo.Create(entityType, "anna", map[string]any{"name": "Anna " + strings.TrimSpace(last), "firstName": "Anna", "lastName": last,
			"email": s.value(r, "n@x.de"), "syncStatus": "pending_sync"})
		if err == nil {
			s.mu.Lock()
			s.ids = append(s.ids, id)
			s.mu.Unlock()
		}
		return err
	})
	s.count("records")
}

// operator is what happens to the whole: a store that is gone for a while, locks
// freed by force, tokens withdrawn, an office that is down.
func (s *Sim) operator() {
	r := s.random("operator", 0)
	for !s.over() {
		nap(r, 90*time.Second)
		if r.Float64() > 4*s.rate {
			continue
		}
		switch r.IntN(4) {
		case 0:
			s.count("store outages")
			s.setDown(true)
			nap(r, 20*time.Second)
			s.setDown(false)
		case 1:
			locks, _ := s.Store.Locks(context.Background())
			for _, l := range locks {
				s.count("locks freed by force")
				s.Oracle.Note("the operator frees %s", l.Key)
				_, _ = s.Store.Break(context.Background(), l)
			}
		case 2:
			s.Advo.WithdrawTokens()
			s.count("tokens withdrawn")
		case 3:
			s.count("offices down")
			s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = true })
			nap(r, 20*time.Second)
			s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
		}
	}
	s.setDown(false)
}

func (s *Sim) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// process is one place where the tool runs: when it dies, it is started anew.
func (s *Sim) process(n int) {
	r := s.random("process", n)
	skew := time.Duration(r.IntN(4000)-2000) * time.Millisecond
	nap(r, 10*time.Second)
	for !s.over() {
		t := s.newTool(r, skew, s.rate)
		w := s.worker(s, t)
		for !s.over() && !t.Process.Dead() {
			s.heard(t, w.Work(context.Background()))
			nap(r, 5*time.Second)
		}
		t.Process.Kill()
		_ = t.Leases.ReleaseAll()
		nap(r, 30*time.Second)
	}
}

// heard tells the oracle what a process says it has done.
func (s *Sim) heard(t *Tool, results []result.Record) {
	s.Oracle.Settle()
	for _, res := range results {
		s.count("syncs")
		s.tellOf(t, res)
		if t.Process.Dead() {
			s.count("crashes")
			s.Oracle.InDoubt(res.ID)
			continue
		}
		s.count("outcome " + string(res.Outcome))
		switch res.Outcome {
		case result.Unchanged, result.Adopted, result.CreatedAdvoware, result.UpdatedAdvoware, result.UpdatedEspocrm, result.Merged:
			s.Oracle.InSync(res.ID)
		case result.Locked:
		default:
			s.Oracle.InDoubt(res.ID)
		}
	}
}

// tellOf puts a result into the trace.
func (s *Sim) tellOf(t *Tool, res result.Record) {
	if s.Oracle.Quiet {
		return
	}
	code := ""
	if res.Error != nil {
		code = res.Error.Code + ": " + res.Error.Message
	}
	for _, f := range res.Fields {
		code += fmt.Sprintf(" [%s/%s %s]", f.Espocrm, f.Advoware, f.Changed)
	}
	s.Oracle.Note("%s: %s is %s/%s (%s) %s", t.Run, res.ID, res.Verdict, res.Outcome, res.Reason.Code, code)
}

// Tool is one tool process.
type Tool struct {
	Run     string
	Process *Process
	Engine  *engine.Engine
	Leases  *lease.Manager
	Now     func() time.Time
	Random  *rand.Rand
}

func (s *Sim) newTool(r *rand.Rand, skew time.Duration, rate float64) *Tool {
	s.mu.Lock()
	s.runs++
	n := s.runs
	s.mu.Unlock()
	t := &Tool{Run: fmt.Sprintf("run-%03d", n), Process: &Process{}, Random: r}
	t.Now = func() time.Time { return time.Now().Add(skew) }
	t.Process.Plan = func(e Effect) Fate { return s.fate(r, e, rate) }
	inner := s.Oracle.Transport(t.Run, s.guard(t.Run, sandbox.NewTransport("crm.test", s.Espo, "advo.test", s.Advo)))
	opts := transport.Options{Timeout: tryTimeout, Base: t.Process.Transport(s.network(r, rate, inner)), MaxWait: 5 * time.Second, Rand: r.Float64}
	ec, err := espocrm.New(espocrm.Config{URL: "https://crm.test", APIKey: sandbox.KeyA, Notify: espocrm.Notify{Users: []string{"admin"}}, Options: opts})
	if err != nil {
		panic(err)
	}
	ac, err := advoware.New(advoware.Config{Kanzlei: sandbox.Kanzlei, Database: sandbox.Database, User: sandbox.AdvowareUser, Password: sandbox.AdvowarePass,
		AppID: sandbox.AppID, APIKey: sandbox.AdvowareKey, ConfiguratorURL: sandbox.ConfiguratorURL("https://advo.test"), Now: t.Now, Options: opts})
	if err != nil {
		panic(err)
	}
	st := t.Process.Store(skewed{s.Store, skew})
	owner := store.Owner{Host: "test", PID: n, Start: t.Run, User: "u", Command: "sync", Run: t.Run}
	t.Leases = lease.New(st, owner, lockTTL, lease.Options{Now: t.Now, Dead: func(store.Owner) bool { return false }})
	t.Engine = engine.New(engine.Config{Policy: s.Policy, MaxRetries: 5, MarkSyncing: n%4 != 0, WriteTimeout: writeTime, Run: t.Run, Command: "sync",
		OnMissingInAdvoware: engine.MissingFail, OnMissingInEspocrm: engine.MissingKeep},
		engine.Deps{EspoCRM: ec, Advoware: ac, Store: st, Leases: t.Leases, Now: t.Now})
	return t
}

// skewed shows a store's times on a process's own clock, as the stores do.
type skewed struct {
	store.Store
	skew time.Duration
}

func (k skewed) Acquire(ctx context.Context, keys []string, owner store.Owner, ttl time.Duration) ([]store.Lease, []store.Lock, error) {
	g, h, err := k.Store.Acquire(ctx, keys, owner, ttl)
	for i := range g {
		g[i].Expires = g[i].Expires.Add(k.skew)
	}
	for i := range h {
		h[i].Expires = h[i].Expires.Add(k.skew)
	}
	return g, h, err
}

// fate throws the dice for one effect.
func (s *Sim) fate(r *rand.Rand, e Effect, rate float64) Fate {
	x := r.Float64()
	if x >= rate {
		return Passes
	}
	f := DiesBefore
	if e.HTTP {
		f = []Fate{DiesBefore, DiesAfter, BreaksBefore, BreaksAfter, Answers400, Answers429, Answers500, Answers500After, Answers503, BreaksAfter, DiesAfter}[r.IntN(11)]
	} else {
		f = []Fate{DiesBefore, DiesAfter, DiesAfter, BreaksBefore, BreaksAfter}[r.IntN(5)]
	}
	if f == Answers400 && (!e.Write || e.SignIn) {
		f = BreaksBefore
	}
	s.count("faults")
	return f
}

// network takes time on both ways. A request whose sender has given up may be
// carried out all the same, now and then after its deadline.
func (s *Sim) network(r *rand.Rand, rate float64, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		there, back := s.latency(r, rate), s.latency(r, rate)
		late := r.IntN(2) == 0
		sent := time.Now()
		if err := wait(q.Context(), there); err != nil {
			if late && q.Method != http.MethodGet {
				rest := there - time.Since(sent)
				again := q.Clone(context.WithValue(context.WithoutCancel(q.Context()), lateKey{}, true))
				go func() {
					time.Sleep(rest)
					land := func() { _, _ = next.RoundTrip(again) }
					s.count("late landings")
					if time.Since(sent) >= writeTime-5*time.Second { // less what two clocks may differ
						s.Oracle.Excuse(LateWrite, land)
						return
					}
					land()
				}()
			}
			return nil, err
		}
		resp, err := next.RoundTrip(q)
		if werr := wait(q.Context(), back); werr != nil {
			return nil, werr
		}
		return resp, err
	})
}

// lateKey marks a request that lands after its sender has given it up.
type lateKey struct{}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// latency is mostly short; with faults a way takes longer than anybody waits.
func (s *Sim) latency(r *rand.Rand, rate float64) time.Duration {
	d := time.Millisecond + time.Duration(r.Int64N(int64(80*time.Millisecond)))
	switch x := r.Float64(); {
	case x < rate/20:
		d += writeTime + time.Duration(r.Int64N(int64(time.Minute)))
	case x < rate/3:
		d += time.Duration(r.Int64N(int64(8 * time.Second)))
	}
	return d
}

// guard excuses what a process writes after its lock is somebody else's.
func (s *Sim) guard(run string, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		if q.Method == http.MethodGet || signIn(q) || s.holds(run, q) {
			return next.RoundTrip(q)
		}
		var resp *http.Response
		var err error
		s.Oracle.Excuse(LostLease, func() { resp, err = next.RoundTrip(q) })
		return resp, err
	})
}

// holds reports whether the run holds any lock; each works on one record at a
// time.
func (s *Sim) holds(run string, q *http.Request) bool {
	locks, err := s.Store.Locks(context.Background())
	if err != nil {
		return true // the store is gone; nobody can have taken it
	}
	return slices.ContainsFunc(locks, func(l store.Lock) bool { return l.Owner.Run == run && l.Expires.After(time.Now()) })
}

// syncer syncs one record after the other, as somebody at the keyboard does.
type syncer struct {
	s *Sim
	t *Tool
}

func newSyncer(s *Sim, t *Tool) Worker { return syncer{s, t} }

func (w syncer) Work(ctx context.Context) []result.Record {
	id, ok := w.s.pick(w.t.Random)
	if !ok {
		return nil
	}
	return []result.Record{w.t.Engine.Sync(ctx, engine.Request{Mapping: w.s.Mapping, ID: id, Pass: w.t.Random.IntN(2) == 0})}
}

// settleDown runs passes without faults until nothing changes, and checks what
// has to hold then.
func (s *Sim) settleDown() {
	s.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
	time.Sleep(10 * time.Minute)
	r := s.random("end", 0)
	for _, id := range s.ids {
		if rec, _ := s.Espo.Get(entityType, id); rec["deleted"] == true {
			_ = s.Oracle.Person("admin", func() error { return s.Espo.Restore(entityType, id) })
		}
	}
	const most = 8
	for pass := 1; ; pass++ {
		time.Sleep(time.Hour)
		t := s.newTool(r, 0, 0)
		t.Process.Plan = nil
		before := s.writes()
		all := true
		for _, id := range s.ids {
			res := t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id})
			s.heard(t, []result.Record{res})
			all = all && res.Outcome == result.Unchanged
			if pass == most && res.Outcome != result.Unchanged {
				s.trouble = append(s.trouble, fmt.Sprintf("no end after %d passes: %s is %s/%s %+v", pass, id, res.Verdict, res.Outcome, res.Error))
			}
		}
		if all && s.writes() == before || pass == most {
			s.counts["passes"] += pass
			break
		}
	}
	s.check()
}

func (s *Sim) writes() int {
	n := 0
	for _, l := range []*sandbox.Log{s.Espo.Log(), s.Advo.Log()} {
		n += l.Count(func(e sandbox.LogEntry) bool {
			return e.Method != http.MethodGet && !strings.HasSuffix(e.Path, "/Token")
		})
	}
	return n
}

func (s *Sim) check() {
	ctx := context.Background()
	var entries []store.Entry
	_ = s.Store.Entries(ctx, store.HistoryFilter{}, func(e store.Entry) error { entries = append(entries, e); return nil })
	s.trouble = append(s.trouble, s.Oracle.Overwritten(entries)...)
	s.trouble = append(s.trouble, s.Oracle.Differences()...)
	for _, e := range entries {
		for _, w := range e.Writes {
			if w.State == store.WritePlanned {
				s.trouble = append(s.trouble, fmt.Sprintf("history %s %s: the write of %s to %s is still planned (outcome %s)", e.Run, e.RecordID, w.Field, w.Side, e.Outcome))
			}
		}
	}
	for _, id := range s.ids {
		mem, err := s.Store.Load(ctx, store.Key{Entity: s.Mapping.Entity(), ID: id})
		rec, _ := s.Espo.Get(entityType, id)
		switch {
		case err != nil:
			s.trouble = append(s.trouble, err.Error())
		case mem.Intent != nil:
			s.trouble = append(s.trouble, id+": an intent is left: "+string(mem.Intent.Kind))
		case len(mem.Notes) > 0:
			s.trouble = append(s.trouble, id+": a notification is owed")
		case rec["syncStatus"] != "clean":
			s.trouble = append(s.trouble, fmt.Sprintf("%s: status %v", id, rec["syncStatus"]))
		}
	}
	locks, _ := s.Store.Locks(ctx)
	for _, l := range locks {
		if l.Expires.After(time.Now()) {
			s.trouble = append(s.trouble, "a lock is left: "+l.Key)
		}
	}
}
