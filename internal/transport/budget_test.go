package transport

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// shared is the budget of a store, as processes that share it see it.
type shared struct {
	pace store.Pace

	mu     sync.Mutex
	bucket store.Bucket
	draws  int
}

func (s *shared) Draw(_ context.Context, want, least int, back []int64) Drawn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draws++
	d := s.bucket.Draw(store.Drawing{Pace: s.pace, Want: want, Least: least, Back: back}, time.Now())
	return Drawn{Granted: d.Granted, Mark: d.Mark, Wait: d.Wait, Paused: d.Paused}
}

func (s *shared) Pause(_ context.Context, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket.Pause(d, time.Now())
}

// tracker notes when which call arrived, 20 ms after it was sent.
type tracker struct {
	mu   sync.Mutex
	at   []time.Time
	what []string
	say  func(r *http.Request) (int, string)
}

func (s *tracker) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(20 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.what = append(s.at, time.Now()), append(s.what, r.Method+" "+r.URL.Path)
	if s.say != nil {
		if code, wait := s.say(r); code != 0 {
			return status(code, "Retry-After", wait)(r)
		}
	}
	return status(200)(r)
}

func (s *tracker) client(b Bucket) *Client {
	return New(Spec{System: fault.Advoware}, Options{Base: s, Budget: b, Rand: func() float64 { return 0.5 }})
}

func callOf(method, path string) Call {
	return Call{Op: "test", Method: method, URL: &url.URL{Scheme: "https", Host: "advo.test", Path: path},
		Prompt: method == http.MethodPut, Ahead: method == http.MethodGet && path != "/list"}
}

// TestBudgetIsShared: three processes that want all they can get keep to one budget, use
// it up, and none of their writes waits after the read that it rests on.
func TestBudgetIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, srv := &shared{pace: store.Pace{PerSecond: 5, Burst: 10}}, &tracker{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for process := range 3 {
			c := srv.client(b)
			for range 4 {
				all.Go(func() {
					for ctx.Err() == nil {
						if _, err := c.Do(ctx, callOf(http.MethodGet, "/one")); err != nil {
							return
						}
						if process == 0 { // this one finds nothing to write
							continue
						}
						read := time.Now()
						if _, err := c.Do(context.WithoutCancel(ctx), callOf(http.MethodPut, "/one")); err != nil {
							t.Error(err)
						} else if waited := time.Since(read); waited > 20*time.Millisecond {
							t.Errorf("a write waited for %s after its read", waited)
						}
					}
				})
			}
		}
		all.Wait()
		for i, from := range srv.at {
			n := 0
			for _, at := range srv.at[i:] {
				if at.Sub(from) < 10*time.Second {
					n++
				}
			}
			if n > 50 {
				t.Fatalf("%d calls in ten seconds, from the %d-th", n, i)
			}
		}
		if n := len(srv.at); n < 250 { // what finds nothing to write gives back two seconds later
			t.Errorf("%d calls in a minute at 5 per second", n)
		}
	})
}

// TestPauseOfOneIsEverybodys: what one process was asked for holds for all.
func TestPauseOfOneIsEverybodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shared{pace: store.Pace{PerSecond: 5, Burst: 10}}
		srv := &tracker{say: func(r *http.Request) (int, string) {
			if r.URL.Path == "/slow" {
				return 429, "7"
			}
			return 0, ""
		}}
		one, other := srv.client(b), srv.client(b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := one.Do(ctx, callOf(http.MethodGet, "/slow")); err != nil { // its own time is too short for the pause
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := other.Do(t.Context(), callOf(http.MethodGet, "/list")); err != nil || time.Since(start) < 7*time.Second {
			t.Errorf("the other process called after %s: %v", time.Since(start), err)
		}
		b.Pause(t.Context(), time.Hour)
		_, err := other.Do(t.Context(), callOf(http.MethodGet, "/list"))
		if f := fault.As(err); f == nil || f.Code != fault.RateLimited || f.RetryAfter < 59*time.Minute || f.Doubt {
			t.Errorf("a pause that is too long to be slept out: %+v", err)
		}
	})
}

// TestAWrongRetryAfterStopsNobodyForYears: an hour at most, then it is asked for again.
func TestAWrongRetryAfterStopsNobodyForYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &shared{pace: store.Pace{PerSecond: 5, Burst: 10}}
		srv := &tracker{say: func(*http.Request) (int, string) { return 503, "999999999" }}
		one, other := srv.client(b), srv.client(b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := one.Do(ctx, callOf(http.MethodGet, "/list")); err != nil {
			t.Fatal(err)
		}
		srv.say = nil
		for _, c := range []*Client{one, other} {
			if _, err := c.Do(t.Context(), callOf(http.MethodGet, "/list")); fault.As(err) == nil || fault.As(err).Code != fault.RateLimited {
				t.Errorf("within the hour: %v", err)
			}
		}
		time.Sleep(longestPause)
		for _, c := range []*Client{one, other} {
			if a, err := c.Do(t.Context(), callOf(http.MethodGet, "/list")); err != nil || a.Status != 200 {
				t.Errorf("after an hour: %+v, %v", a, err)
			}
		}
	})
}

// TestLazyCallsComeLast: and a write that nothing was drawn ahead for waits a second at
// most.
func TestLazyCallsComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, srv := &shared{pace: store.Pace{PerSecond: 1, Burst: 1}}, &tracker{}
		c := srv.client(b)
		b.Draw(t.Context(), 2, 1, nil)
		var all sync.WaitGroup
		all.Go(func() { _, _ = c.Do(Lazy(t.Context()), callOf(http.MethodGet, "/list")) })
		synctest.Wait()
		all.Go(func() { _, _ = c.Do(t.Context(), callOf(http.MethodGet, "/one")) })
		all.Go(func() { _, _ = c.Do(t.Context(), callOf(http.MethodPost, "/new")) })
		all.Wait()
		if c.BudgetWait() < 4*time.Second { // a second for the first, one more for each that stands before
			t.Errorf("they waited for %s together", c.BudgetWait())
		}
		if want := []string{"POST /new", "GET /one", "GET /list"}; !slices.Equal(srv.what, want) {
			t.Errorf("called %v, want %v", srv.what, want)
		}
		time.Sleep(ahead) // what was drawn ahead is there no longer
		b.Draw(t.Context(), 9, 1, nil)
		start := time.Now()
		for range 3 {
			all.Go(func() { _, _ = c.Do(t.Context(), callOf(http.MethodPost, "/new")) })
		}
		synctest.Wait()
		_, err := c.Do(t.Context(), callOf(http.MethodPut, "/one"))
		if f := fault.As(err); f == nil || f.Code != fault.RateLimited || f.Doubt || time.Since(start) > promptWait {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		all.Wait()
	})
}

// TestGivenUpTurnIsGivenBack: who does not wait any longer leaves his turn to others.
func TestGivenUpTurnIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, srv := &shared{pace: store.Pace{PerSecond: 0.2, Burst: 1}}, &tracker{}
		c := srv.client(b)
		b.Draw(t.Context(), 2, 1, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		if _, err := c.Do(ctx, callOf(http.MethodGet, "/one")); err == nil {
			t.Fatal("it needs room for two calls")
		}
		start := time.Now()
		if _, err := c.Do(t.Context(), callOf(http.MethodGet, "/list")); err != nil || time.Since(start) > 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}
