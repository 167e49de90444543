package simulation

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"advosync/internal/advoware"
	"advosync/internal/espocrm"
	"advosync/internal/lease"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/oracle"
	"advosync/internal/test/witness"
	"advosync/internal/transport"
)

// Tool is one tool process.
type Tool struct {
	Run     string
	Process *Process
	Engine  Engine
	Leases  *lease.Manager
	Random  *rand.Rand

	sim  *Sim
	rate float64
	mu   sync.Mutex
	// nth counts equal effects, for their dice.
	nth map[string]int
	// readAt is when the last read of an Advoware record was answered.
	readAt map[string]time.Time
}

// newTool starts a process whose clock is off by skew. At rate its effects meet
// faults; 0: none.
func (s *Sim) newTool(r *rand.Rand, command string, skew time.Duration, rate float64) *Tool {
	s.mu.Lock()
	s.runs++
	n := s.runs
	s.mu.Unlock()
	t := &Tool{Run: fmt.Sprintf("run-%03d", n), Process: &Process{}, Random: r, sim: s, rate: rate, nth: map[string]int{}, readAt: map[string]time.Time{}}
	now := func() time.Time { return time.Now().Add(skew) }
	if rate > 0 {
		t.Process.Plan = t.fate
	}
	// The oracle stands behind the guard: it judges a late landing by what its sender knew.
	inner := s.guard(t.Run, s.Oracle.Transport(t.Run, sandbox.NewTransport("crm.test", s.Espo, "advo.test", s.Advo)))
	opts := transport.Options{Timeout: tryTimeout, Base: t.prompt(t.onTheWay(t.Process.Transport(t.network(inner)))), MaxWait: 5 * time.Second, Rand: func() float64 { return 0.5 }}
	ec, err := espocrm.New(espocrm.Config{URL: "https://crm.test", APIKey: sandbox.KeyA, Notify: espocrm.Notify{Users: []string{"admin"}}, Companion: s.companion, Options: opts})
	if err != nil {
		panic(err)
	}
	ac, err := advoware.New(advoware.Config{Kanzlei: sandbox.Kanzlei, Database: sandbox.Database, User: sandbox.AdvowareUser, Password: sandbox.AdvowarePass,
		AppID: sandbox.AppID, APIKey: sandbox.AdvowareKey, ConfiguratorURL: sandbox.ConfiguratorURL("https://advo.test"), Now: now, Options: opts})
	if err != nil {
		panic(err)
	}
	st := apartStore{t.Process.Store(skewed{s.Store, skew}), t}
	owner := store.Owner{Host: "test", PID: n, Start: t.Run, User: "u", Command: command, Run: t.Run}
	t.Leases = lease.New(st, owner, lockTTL, lease.Options{Now: now, Dead: s.dead})
	t.Engine = t.newEngine(n, command, ec, ac, st, t.Leases, now)
	return t
}

// end stops the process, wherever it is.
func (t *Tool) end() {
	t.Process.Kill()
	_ = t.Leases.ReleaseAll()
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.sim.ended[t.Run] = true
}

// dead is what a process can tell of another one that holds a lock.
func (s *Sim) dead(o store.Owner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sameHost && s.ended[o.Run]
}

// dice are one effect's own: a pass has several calls under way, and which of
// them comes first must not decide what becomes of them.
func (t *Tool) dice(what string) *rand.Rand {
	t.mu.Lock()
	t.nth[what]++
	n := t.nth[what]
	t.mu.Unlock()
	return t.diceOf(what, n)
}

// question are the dice for what several records may ask in the same words at the
// same instant, such as one list for a chunk: all fare alike, for none of them is
// the first. What they do afterwards in their own names sets them apart.
func (t *Tool) question(what string) *rand.Rand {
	return t.diceOf(what, int(time.Since(t.sim.start)))
}

func (t *Tool) diceOf(what string, n int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d", t.Run, what, n)
	return rand.New(rand.NewPCG(t.sim.Seed, h.Sum64()))
}

// prompt watches that nothing but the local store, which takes no time here, lies
// between a read of Advoware and the write that rests on it.
func (t *Tool) prompt(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		id, ok := t.sim.advoID(q)
		if !ok {
			return next.RoundTrip(q)
		}
		t.mu.Lock()
		at, read := t.readAt[id]
		delete(t.readAt, id)
		t.mu.Unlock()
		waited, again := time.Since(at), at.IsZero()
		switch {
		case q.Method != http.MethodPut || read && again: // a PUT that was refused may be sent once more
		case !read:
			t.sim.wrong("%s: no read of Advoware %s stands before its PUT", t.Run, id)
		case waited > 0:
			t.sim.wrong("%s: the PUT of Advoware %s waited for %s after the read that it rests on", t.Run, id, waited)
		}
		resp, err := next.RoundTrip(q)
		if q.Method == http.MethodPut {
			at = time.Time{}
		} else if at = time.Now(); q.Method != http.MethodGet || err != nil {
			return resp, err
		}
		if true {
			t.mu.Lock()
			t.readAt[id] = at
			t.mu.Unlock()
		}
		return resp, err
	})
}

// onTheWay lets every request take a moment of its own, also one that fails at
// once. Whoever asks for the same thing at the same instant, such as a token,
// shares its end, and does not come after it now and then; and of calls that were
// held back together (a system has asked for a pause) it is the seed that says
// which one goes first.
func (t *Tool) onTheWay(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		t.moment(q.Method, q.URL.Path, q.URL.RawQuery)
		return next.RoundTrip(q)
	})
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
func (t *Tool) fate(e Effect) Fate {
	what := "fate of " + e.What + " " + e.Key
	r := t.question(what)
	if e.Write && !strings.HasPrefix(e.Key, "lastpage:") { // where a list ends: several creates have shared it
		r = t.dice(what)
	}
	x := r.Float64()
	if x >= t.rate {
		return Passes
	}
	f := DiesBefore
	if e.HTTP {
		f = []Fate{DiesBefore, DiesAfter, BreaksBefore, BreaksAfter, Answers400, Answers401, Answers429, Answers500, Answers500After, Answers503, BreaksAfter, DiesAfter}[r.IntN(12)]
	} else {
		f = []Fate{DiesBefore, DiesAfter, DiesAfter, BreaksBefore, BreaksAfter}[r.IntN(5)]
	}
	if f == Answers400 && (!e.Write || e.SignIn) {
		f = BreaksBefore
	}
	t.sim.count("fault: " + f.String())
	if refused := f == Answers400 || f == Answers401 || f == Answers429; f == DiesBefore || f == DiesAfter || e.Write && !e.SignIn && !refused {
		t.sim.Oracle.Rough()
	}
	return f
}

// network takes time on both ways. A request whose sender has given up may be
// carried out all the same, now and then after its deadline.
func (t *Tool) network(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(q *http.Request) (*http.Response, error) {
		what := "way of " + q.Method + " " + q.URL.Path + " " + q.URL.RawQuery
		r := t.question(what)
		if q.Method != http.MethodGet {
			r = t.dice(what)
		}
		there, back := latency(r, t.rate), latency(r, t.rate)
		late := r.IntN(2) == 0
		sent := time.Now()
		var known witness.Records
		if q.Method != http.MethodGet {
			known = t.sim.Oracle.Known(t.Run)
		}
		if err := wait(q.Context(), there); err != nil {
			t.sim.Oracle.Rough()
			if late && q.Method != http.MethodGet {
				t.landLate(q, next, there-time.Since(sent), sent, known)
			}
			return nil, err
		}
		resp, err := next.RoundTrip(q)
		if werr := wait(q.Context(), back); werr != nil {
			t.sim.Oracle.Rough()
			return nil, werr
		}
		return resp, err
	})
}

// landLate carries a request out whose sender has given it up. known is what the
// sender had read when it sent it.
func (t *Tool) landLate(q *http.Request, next http.RoundTripper, rest time.Duration, sent time.Time, known witness.Records) {
	again := q.Clone(context.WithValue(context.WithoutCancel(q.Context()), witness.Landing{}, known))
	go func() {
		time.Sleep(rest)
		land := func() { _, _ = next.RoundTrip(again) }
		t.sim.count("late landings")
		if time.Since(sent) >= writeTime-5*time.Second { // less what two clocks may differ
			t.sim.Oracle.Excuse(oracle.LateWrite, land)
			return
		}
		land()
	}()
}

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
func latency(r *rand.Rand, rate float64) time.Duration {
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
		s.Oracle.Excuse(oracle.LostLease, func() { resp, err = next.RoundTrip(q) })
		return resp, err
	})
}

// advoID is the Advoware record that a request is about.
func (s *Sim) advoID(q *http.Request) (string, bool) {
	_, id, ok := strings.Cut(q.URL.Path, s.Mapping.AdvoPath()+"/")
	return id, ok && id != "" && !strings.Contains(id, "/")
}

// recordOf is the EspoCRM record that a request is about; "": none is linked yet.
func (s *Sim) recordOf(q *http.Request) string {
	advo, ok := s.advoID(q)
	if !ok {
		if strings.Contains(q.URL.Path, "/Advosync/") {
			return onlyItem(q)
		}
		_, id, _ := strings.Cut(q.URL.Path, "/api/v1/"+entityType+"/")
		return id
	}
	for _, row := range s.Espo.Backup(entityType).Rows {
		if fmt.Sprint(row["advowareId"]) == advo {
			return fmt.Sprint(row["id"])
		}
	}
	return ""
}

// onlyItem is the record that a call of the module is about: here each is about one.
func onlyItem(q *http.Request) string {
	body, err := io.ReadAll(q.Body)
	q.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return ""
	}
	return gjson.GetBytes(body, "items.0.id").String()
}

// holds reports whether the run still holds the lock of the record that it
// writes. A create names none: there it must not have lost any.
func (s *Sim) holds(run string, q *http.Request) bool {
	locks, err := s.Store.Locks(context.Background())
	if err != nil {
		return true // the store is gone; nobody can have taken it
	}
	held := 0
	id := s.recordOf(q)
	imports := q.Method == http.MethodPost && strings.HasSuffix(q.URL.Path, "/api/v1/"+entityType) // under the lock of the pass
	for _, l := range locks {
		if l.Owner.Run != run || !l.Expires.After(time.Now()) || isPassLock(l.Key) != imports {
			continue
		}
		if id != "" && strings.HasSuffix(l.Key, ":"+id) {
			return true
		}
		held++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return id == "" && held > 0 && !s.robbed[run]
}
