package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"advosync/internal/store"
	"advosync/internal/store/memory"
)

// mailbox is a target that keeps what it is sent.
type mailbox struct {
	name string
	deaf bool
	got  []string
}

func (m *mailbox) Name() string { return m.name }

func (m *mailbox) Send(_ context.Context, title, body string) error {
	if m.deaf {
		return errors.New("deaf")
	}
	m.got = append(m.got, title+"\n"+body)
	return nil
}

func (m *mailbox) taken() (out []string) { out, m.got = m.got, nil; return out }

// office is a keeper with a clock that is set by hand.
type office struct {
	*Keeper
	at time.Time
}

func newOffice(values store.Values, targets ...Target) *office {
	o := &office{at: time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)}
	o.Keeper = &Keeper{Values: values, Targets: targets, Now: func() time.Time { return o.at },
		Config: Config{After: 15 * time.Minute, Repeat: 24 * time.Hour}}
	return o
}

func (o *office) pass(t *testing.T, later time.Duration, now ...Condition) {
	t.Helper()
	o.at = o.at.Add(later)
	if err := o.Pass(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

func TestOneMessageForEachChangeOfState(t *testing.T) {
	m := &mailbox{name: "m"}
	o := newOffice(memory.New(nil), m)
	down := Condition{Key: "system/advoware", Text: "Advoware does not answer", Patient: true, Since: o.at}
	waits := Condition{Key: "conflict/B/1", Text: "B 1: a conflict waits"}
	for _, step := range []struct {
		later time.Duration
		now   []Condition
		want  []string // what the message holds; none: there is none
	}{
		{0, []Condition{down}, nil},
		{10 * time.Minute, []Condition{down}, nil},
		{10 * time.Minute, []Condition{down}, []string{"1 need attention", "Advoware does not answer (since 2026-03-02 07:00)"}},
		{15 * time.Minute, []Condition{down}, nil},
		{15 * time.Minute, []Condition{down, waits}, []string{"a conflict waits"}},
		{24 * time.Hour, []Condition{down, waits}, []string{"still: Advoware", "still: B 1"}},
		{15 * time.Minute, []Condition{waits}, []string{"over: Advoware does not answer"}},
		{15 * time.Minute, nil, []string{"all is well again", "over: B 1"}},
		{15 * time.Minute, nil, nil},
	} {
		o.pass(t, step.later, step.now...)
		got := strings.Join(m.taken(), "\n---\n")
		if (got == "") != (step.want == nil) {
			t.Fatalf("at %s: %q, want %q", o.at, got, step.want)
		}
		for _, w := range step.want {
			if !strings.Contains(got, w) {
				t.Errorf("at %s: %q does not hold %q", o.at, got, w)
			}
		}
	}
	if keys, _ := o.Values.Keys(t.Context(), keyPrefix); len(keys) > 0 {
		t.Errorf("nothing is wrong, and the store still remembers %q", keys)
	}
}

// A short outage is nobody's business, one that was over before anybody could be told
// is.
func TestOutagesThatAreOver(t *testing.T) {
	m := &mailbox{name: "m", deaf: true}
	o := newOffice(memory.New(nil), m)
	down := Condition{Key: "system/x", Text: "x is down", Patient: true, Since: o.at}
	o.pass(t, 0, down)
	o.pass(t, 5*time.Minute)
	down.Since = o.at
	o.pass(t, 0, down)
	_ = o.Pass(t.Context(), nil)
	o.at = o.at.Add(time.Hour)
	if err := o.Pass(t.Context(), []Condition{down}); err == nil || strings.Contains(err.Error(), "deaf") {
		t.Errorf("a target that takes nothing is said, without its words: %v", err)
	}
	m.deaf = false
	o.pass(t, 0)
	if got := m.taken(); len(got) != 1 || !strings.Contains(got[0], "over: x is down") {
		t.Errorf("%q", got)
	}
}

func TestQuietHours(t *testing.T) {
	m := &mailbox{name: "m"}
	o := newOffice(memory.New(nil), m)
	o.Config.Quiet = Quiet{From: 20 * time.Hour, To: 7 * time.Hour}
	waits := Condition{Key: "conflict/B/1", Text: "B 1: a conflict waits"}
	for _, c := range []struct {
		later time.Duration
		told  bool
	}{{13 * time.Hour, false}, {8 * time.Hour, false}, {2*time.Hour + 59*time.Minute, false}, {time.Minute, true}} {
		o.pass(t, c.later, waits)
		if got := m.taken(); (len(got) > 0) != c.told {
			t.Errorf("%s: %q", o.at, got)
		}
	}
}

// TestAClockThatWasAhead: what was noticed or told by a clock that was a year ahead is
// told as ever once the clock is right.
func TestAClockThatWasAhead(t *testing.T) {
	m := &mailbox{name: "m"}
	o := newOffice(memory.New(nil), m)
	down := Condition{Key: "system/x", Text: "x is down", Patient: true}
	waits := Condition{Key: "conflict/B/1", Text: "B 1: a conflict waits"}
	const year = 365 * 24 * time.Hour
	o.pass(t, year, down, waits)
	if got := m.taken(); len(got) != 1 || strings.Contains(got[0], "x is down") {
		t.Fatalf("%q", got)
	}
	o.pass(t, -year, down, waits)
	o.pass(t, 15*time.Minute, down, waits)
	if got := m.taken(); len(got) != 1 || !strings.Contains(got[0], "x is down") {
		t.Errorf("of the outage: %q", got)
	}
	o.pass(t, 24*time.Hour, down, waits)
	if got := m.taken(); len(got) != 1 || !strings.Contains(got[0], "still: B 1") {
		t.Errorf("a day later: %q", got)
	}
}

// A target that takes nothing keeps nothing from the others, and hears of it later.
func TestEachTargetHearsOnce(t *testing.T) {
	good, bad := &mailbox{name: "good"}, &mailbox{name: "bad", deaf: true}
	o := newOffice(memory.New(nil), good, bad)
	waits := Condition{Key: "conflict/B/1", Text: "B 1: a conflict waits"}
	for range 3 {
		if err := o.Pass(t.Context(), []Condition{waits}); err == nil {
			t.Error("nobody says that a target took nothing")
		}
	}
	bad.deaf = false
	o.pass(t, 0, waits)
	if len(good.got) != 1 || len(bad.got) != 1 {
		t.Errorf("good %q, bad %q", good.got, bad.got)
	}
}

// death is the end of a process at one operation of its store.
type death struct{}

// mortal is a store under which the process dies.
type mortal struct {
	store.Values
	in int // operations left; below 0: it lives
}

func (m *mortal) op() {
	if m.in--; m.in == 0 {
		panic(death{})
	}
}

func (m *mortal) Put(ctx context.Context, key string, v []byte, ttl time.Duration) error {
	m.op()
	return m.Values.Put(ctx, key, v, ttl)
}

func (m *mortal) Delete(ctx context.Context, key string) error {
	m.op()
	return m.Values.Delete(ctx, key)
}

func (m *mortal) Get(ctx context.Context, key string) ([]byte, bool, error) {
	m.op()
	return m.Values.Get(ctx, key)
}

// passOrDie is one pass that may die; it reports whether it lived.
func (o *office) passOrDie(t *testing.T, now ...Condition) (lived bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, died := r.(death); !died {
				panic(r)
			}
		}
	}()
	if err := o.Pass(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestAThousandOutages: with deaths at any operation of the store no outage is
// missed, none is told twice but where the process died between sending and
// remembering, and no recovery is missed.
func TestAThousandOutages(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	m := &mailbox{name: "m"}
	values := &mortal{Values: memory.New(nil), in: -1}
	o := newOffice(values, m)
	deaths, told, doubled := 0, 0, 0
	run := func(now ...Condition) bool {
		values.in = -1
		if r.IntN(3) == 0 {
			values.in = 1 + r.IntN(6)
		}
		before := len(m.got)
		lived := o.passOrDie(t, now...)
		if !lived {
			deaths++
			if len(m.got) > before {
				doubled++ // it may be told once more
			}
		}
		return lived
	}
	for n := range 1000 {
		down := Condition{Key: fmt.Sprintf("system/%d", n), Text: fmt.Sprintf("outage %d of a system", n), Patient: true, Since: o.at}
		allowed := doubled
		for range 1 + r.IntN(8) {
			run(down)
			o.at = o.at.Add(5 * time.Minute)
		}
		values.in = -1
		raw, seen, _ := values.Get(t.Context(), keyPrefix+down.Key)
		must := seen && o.at.Sub(down.Since) >= o.Config.After
		for !run() {
			o.at = o.at.Add(5 * time.Minute)
			must = must || seen && o.at.Sub(down.Since) >= o.Config.After && strings.Contains(string(raw), `"due":true`)
		}
		allowed = doubled - allowed
		wrong, over := 0, 0
		for _, text := range m.taken() {
			for l := range strings.Lines(text) {
				switch {
				case strings.HasPrefix(l, "over: "+down.Text):
					over++
				case strings.HasPrefix(l, down.Text):
					wrong++
				case strings.Contains(l, "outage"):
					t.Fatalf("outage %d: %q is of another one", n, l)
				}
			}
		}
		if must && over == 0 {
			t.Fatalf("outage %d was missed (told %d times that it began)", n, wrong)
		}
		if wrong > 0 && over == 0 {
			t.Fatalf("outage %d: nobody was told that it is over", n)
		}
		if wrong+over > 2+allowed {
			t.Fatalf("outage %d: told %d times that it began and %d times that it is over, with %d deaths behind a message", n, wrong, over, allowed)
		}
		if must {
			told++
		}
	}
	if deaths < 300 || told < 300 || doubled < 20 {
		t.Errorf("%d deaths, %d outages told, %d deaths behind a message: too few to mean anything", deaths, told, doubled)
	}
}

// TestSlowTargetsDelayLittle: a target that never answers costs its time and no
// more, and its address, which is a secret, is in no error.
func TestSlowTargetsDelayLittle(t *testing.T) {
	release := make(chan struct{})
	var pings atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pings.Add(1); <-release }))
	defer slow.Close()
	defer close(release)
	var got atomic.Value
	quick := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(string(b))
	}))
	defer quick.Close()
	generic := func(s *httptest.Server) string { return "generic+" + s.URL + "/s3cr3t" }
	o := newOffice(memory.New(nil), Shout(generic(slow)), Shout(generic(quick)), Shout("nonsense://s3cr3t@host"))
	began := time.Now()
	o.within = 200 * time.Millisecond
	err := o.Pass(t.Context(), []Condition{{Key: "x", Text: "x is wrong"}})
	if err == nil || strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), "address 1, 3 of 3") {
		t.Errorf("%v", err)
	}
	if text, _ := got.Load().(string); !strings.Contains(text, "x is wrong") {
		t.Errorf("the quick one got %q", text)
	}
	wait := Ping{URL: slow.URL + "/s3cr3t", within: o.within}.Start(t.Context())
	if err := wait(t.Context()); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if pings.Load() != 2 {
		t.Errorf("%d calls", pings.Load())
	}
	if Check("nonsense://s3cr3t@host") == nil || Check(generic(quick)) != nil {
		t.Error("an address is not checked")
	}
}

func TestPing(t *testing.T) {
	var calls []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { calls = append(calls, r.URL.Path) }))
	defer s.Close()
	p := Ping{URL: s.URL + "/uuid/"}
	if err := p.Start(t.Context())(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.End(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(calls, " "); got != "/uuid/start /uuid/3" {
		t.Errorf("%q", got)
	}
	if err := (Ping{}).End(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

// TestWhoseItIs: where there are several offices the message says whose it is, and how to
// look there.
func TestWhoseItIs(t *testing.T) {
	for name, want := range map[string][2]string{
		"":     {"advosync: 1 need attention\nB 1 (since 2026-03-02 07:00)\nlook with: advosync status", "advosync: all is well again\n"},
		"bonn": {"advosync bonn: 1 need attention\nB 1 (since 2026-03-02 07:00)\nlook with: advosync status --office bonn", "advosync bonn: all is well again\n"},
	} {
		m := &mailbox{name: "m"}
		o := newOffice(memory.New(nil), m)
		o.Config.Office = name
		o.pass(t, 0, Condition{Key: "conflict/B/1", Text: "B 1"})
		if got := m.taken(); len(got) != 1 || got[0] != want[0] {
			t.Errorf("%q, want %q", got, want[0])
		}
		o.pass(t, time.Minute)
		if got := m.taken(); len(got) != 1 || !strings.HasPrefix(got[0], want[1]) {
			t.Errorf("%q, want %q", got, want[1])
		}
	}
}
