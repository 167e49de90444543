package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
)

// scripted answers the n-th request with the n-th step; the last one stays.
type scripted struct {
	steps []step
	n     int
	at    []time.Time
}

type step func(*http.Request) (*http.Response, error)

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	i := min(s.n, len(s.steps)-1)
	s.n++
	s.at = append(s.at, time.Now())
	if r.Body != nil {
		defer r.Body.Close()
	}
	return s.steps[i](r)
}

func status(code int, header ...string) step {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
	}
}

func fails(err error) step {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func refusedConn() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.AddrError{Err: syscall.ECONNREFUSED.Error()}}
}

func resetConn() error { return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET} }

func fake(system fault.System, s *scripted, o Options) *Client {
	o.Base = s
	if o.Rand == nil {
		o.Rand = func() float64 { return 0.5 }
	}
	spec := Spec{System: system}
	if system == fault.EspoCRM {
		spec.Refuses503 = reasonHeader
	}
	return New(spec, o)
}

// reasonHeader is that in which EspoCRM says that it is in maintenance mode.
const reasonHeader = "X-Status-Reason"

// TestWhatIsRepeated is the table in retry.go, row by row.
func TestWhatIsRepeated(t *testing.T) {
	rows := []struct {
		name                string
		first               step
		get, put, post      int  // requests seen, EspoCRM; the second step succeeds
		advoPut             int  // the same for a PUT to Advoware
		putDoubt, advoDoubt bool // when the PUT was not repeated
		postDoubt           bool
	}{
		{"connection refused", fails(refusedConn()), 2, 2, 2, 2, false, false, false},
		{"unknown host", fails(&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsNotFound: true}}), 1, 1, 1, 1, false, false, false},
		{"connection reset", fails(resetConn()), 2, 1, 1, 1, true, true, true},
		{"end of file", fails(io.ErrUnexpectedEOF), 2, 1, 1, 1, true, true, true},
		{"time-out", hangs, 2, 1, 1, 1, true, true, true},
		{"429", status(429), 2, 2, 1, 2, false, false, false},
		{"503 of EspoCRM", status(503, reasonHeader, "Application is in maintenance mode."), 2, 2, 1, 1, false, true, false},
		{"503 of the web server", status(503), 2, 1, 1, 1, true, true, true},
		{"502", status(502), 2, 1, 1, 1, true, true, true},
		{"408", status(408), 2, 1, 1, 1, true, true, true},
		{"504", status(504), 2, 1, 1, 1, true, true, true},
		{"500", status(500), 2, 1, 1, 1, true, true, true},
		{"501", status(501), 1, 1, 1, 1, true, true, true},
		{"400", status(400), 1, 1, 1, 1, false, false, false},
		{"401", status(401), 1, 1, 1, 1, false, false, false},
		{"404", status(404), 1, 1, 1, 1, false, false, false},
		{"200", status(200), 1, 1, 1, 1, false, false, false},
	}
	for _, row := range rows {
		for _, c := range []struct {
			system fault.System
			method string
			want   int
			doubt  bool
		}{
			{fault.EspoCRM, "GET", row.get, false},
			{fault.EspoCRM, "PUT", row.put, row.putDoubt},
			{fault.EspoCRM, "POST", row.post, row.postDoubt},
			{fault.Advoware, "GET", row.get, false},
			{fault.Advoware, "PUT", row.advoPut, row.advoDoubt},
			{fault.Advoware, "DELETE", row.advoPut, row.advoDoubt},
		} {
			t.Run(fmt.Sprintf("%s/%s/%s", row.name, c.system, c.method), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &scripted{steps: []step{row.first, status(200)}}
					a, err := fake(c.system, s, Options{}).Do(context.Background(), call(t, c.method, "https://h/x", "{}"))
					if s.n != c.want {
						t.Fatalf("%d requests, want %d", s.n, c.want)
					}
					doubt := false
					if f := fault.As(err); f != nil {
						doubt = f.Doubt
					} else if a != nil {
						doubt = a.Doubt
					}
					if doubt != c.doubt {
						t.Fatalf("doubt %v, want %v (%v)", doubt, c.doubt, err)
					}
				})
			})
		}
	}
}

func TestThreeTriesThenTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []step{status(503)}}
		a, err := fake(fault.EspoCRM, s, Options{}).Do(context.Background(), call(t, "GET", "https://h/x", ""))
		if err != nil || a.Status != 503 || s.n != 3 {
			t.Fatalf("%v %v after %d", a, err, s.n)
		}
		got := []time.Duration{s.at[1].Sub(s.at[0]), s.at[2].Sub(s.at[1])}
		if want := []time.Duration{250 * time.Millisecond, 500 * time.Millisecond}; !slices.Equal(got, want) {
			t.Fatalf("waited %v, want %v", got, want)
		}
	})
}

func TestA500IsRepeatedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []step{status(500)}}
		if a, _ := fake(fault.EspoCRM, s, Options{}).Do(context.Background(), call(t, "GET", "https://h/x", "")); a.Status != 500 || s.n != 2 {
			t.Fatalf("%d after %d", a.Status, s.n)
		}
	})
}

func TestJitterSpreads(t *testing.T) {
	for _, r := range []struct {
		rand float64
		want time.Duration
	}{{0, 125 * time.Millisecond}, {1, 375 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{steps: []step{status(502), status(200)}}
			c := fake(fault.EspoCRM, s, Options{Rand: func() float64 { return r.rand }})
			if _, err := c.Do(context.Background(), call(t, "GET", "https://h/x", "")); err != nil {
				t.Fatal(err)
			}
			if got := s.at[1].Sub(s.at[0]); got != r.want {
				t.Fatalf("waited %v, want %v", got, r.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	date := "Mon, 23 Nov 2026 17:10:17 GMT"
	rows := []struct {
		name     string
		header   []string
		deadline time.Duration
		requests int
		wait     time.Duration
	}{
		{"seconds", []string{"Retry-After", "7"}, 0, 2, 7 * time.Second},
		{"date, relative to the server's clock", []string{"Retry-After", "Mon, 23 Nov 2026 17:10:22 GMT", "Date", date}, 0, 2, 5 * time.Second},
		{"a date that has passed", []string{"Retry-After", "Mon, 23 Nov 2026 17:10:00 GMT", "Date", date}, 0, 2, 250 * time.Millisecond},
		{"nonsense", []string{"Retry-After", "soon"}, 0, 2, 250 * time.Millisecond},
		{"negative", []string{"Retry-After", "-5"}, 0, 2, 250 * time.Millisecond},
		{"beyond the bound", []string{"Retry-After", "3600"}, 0, 1, 0},
		{"beyond the deadline", []string{"Retry-After", "7"}, 8 * time.Second, 1, 0},
		{"within the deadline", []string{"Retry-After", "7"}, 20 * time.Second, 2, 7 * time.Second},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				if row.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.deadline)
					defer cancel()
				}
				s := &scripted{steps: []step{status(429, row.header...), status(200)}}
				start := time.Now()
				a, err := fake(fault.Advoware, s, Options{Rand: func() float64 { return 0.5 }}).Do(ctx, call(t, "PUT", "https://h/x", "{}"))
				if err != nil || s.n != row.requests {
					t.Fatalf("%d requests, %v", s.n, err)
				}
				if row.requests == 1 {
					if a.Status != 429 || a.RetryAfter == 0 || time.Since(start) != 0 {
						t.Fatalf("%+v after %v", a, time.Since(start))
					}
					return
				}
				if got := s.at[1].Sub(s.at[0]); got < row.wait || got > row.wait+250*time.Millisecond {
					t.Fatalf("waited %v, want %v", got, row.wait)
				}
			})
		})
	}
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []step{hangs}}
		c := fake(fault.Advoware, s, Options{Timeout: 3 * time.Second})
		start := time.Now()
		_, err := c.Do(context.Background(), call(t, "PUT", "https://h/x", "{}"))
		f := fault.As(err)
		if f == nil || f.Code != fault.Timeout || !f.Transient || !f.Doubt || time.Since(start) != 3*time.Second {
			t.Fatalf("%#v after %v", err, time.Since(start))
		}
		if !strings.Contains(f.Message, "3s") || f.Hint == "" {
			t.Fatalf("message %q hint %q", f.Message, f.Hint)
		}

		// The caller's deadline is the smaller one: one try, and no pause.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.n, start = 0, time.Now()
		_, err = c.Do(ctx, call(t, "GET", "https://h/x", ""))
		if !fault.Is(err, fault.Timeout) || s.n != 1 || time.Since(start) != time.Second {
			t.Fatalf("%v, %d requests after %v", err, s.n, time.Since(start))
		}
	})
}

func TestCancellation(t *testing.T) {
	lost := &fault.Error{System: fault.Store, Code: fault.LeaseLost, Owner: fault.OwnerSystem, Message: "the lock was lost"}
	for _, row := range []struct {
		name  string
		cause error
		steps []step
		code  fault.Code
		doubt bool
	}{
		{"by a signal, during a write", nil, []step{hangs}, fault.Interrupted, true},
		{"by a lost lease, during a write", fmt.Errorf("renew: %w", lost), []step{hangs}, fault.LeaseLost, true},
		{"while waiting after a 429", nil, []step{status(429, "Retry-After", "20")}, fault.Interrupted, false},
		{"while waiting after a refused connection", nil, []step{fails(refusedConn())}, fault.Interrupted, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				after := 100 * time.Millisecond
				time.AfterFunc(after, func() { cancel(row.cause) })
				s := &scripted{steps: row.steps}
				start := time.Now()
				_, err := fake(fault.Advoware, s, Options{}).Do(ctx, call(t, "PUT", "https://h/x", "{}"))
				f := fault.As(err)
				if f == nil || f.Code != row.code || f.Doubt != row.doubt || f.Owner != fault.OwnerSystem || s.n != 1 || time.Since(start) != after {
					t.Fatalf("%#v, %d requests after %v", err, s.n, time.Since(start))
				}
			})
		})
	}
}

func TestNothingIsSentWithADeadContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ctx, count := callcount.With(ctx)
	s := &scripted{steps: []step{status(200)}}
	_, err := fake(fault.EspoCRM, s, Options{}).Do(ctx, call(t, "PUT", "https://h/x", "{}"))
	if f := fault.As(err); s.n != 0 || f == nil || f.Doubt || f.Code != fault.Interrupted || count.EspoCRM.Load() != 0 {
		t.Fatalf("%d requests, %v", s.n, err)
	}
}

// TestAnswerInTheMomentOfCancellation: what was carried out is not forgotten.
func TestAnswerInTheMomentOfCancellation(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &scripted{steps: []step{func(r *http.Request) (*http.Response, error) {
		resp, err := status(200)(r)
		cancel()
		return resp, err
	}}}
	a, err := fake(fault.Advoware, s, Options{}).Do(ctx, call(t, "PUT", "https://h/x", "{}"))
	if err != nil || a.Status != 200 {
		t.Fatalf("%v %v", a, err)
	}
}

func TestCountsWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, count := callcount.With(context.Background())
		s := &scripted{steps: []step{fails(refusedConn()), status(429), status(200)}}
		if _, err := fake(fault.EspoCRM, s, Options{}).Do(ctx, call(t, "PUT", "https://h/x", "{}")); err != nil {
			t.Fatal(err)
		}
		if count.EspoCRM.Load() != 2 || count.EspoWrites.Load() != 2 {
			t.Fatalf("counted %d, %d writes", count.EspoCRM.Load(), count.EspoWrites.Load())
		}
	})
}

// TestARetryAfterHoldsForAllCallers (first week, 13): what one call was told is the
// system's pause, not that call's.
func TestARetryAfterHoldsForAllCallers(t *testing.T) {
	for _, code := range []int{429, 503} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var mu sync.Mutex
			var at []time.Duration
			first := true
			c := New(Spec{System: fault.Advoware}, Options{Rand: func() float64 { return 0 }, Base: roundTrip(func(*http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Since(start))
				status, h := 200, http.Header{}
				if first {
					status, first = code, false
					h.Set("Retry-After", "5")
				}
				return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("{}"))}, nil
			})})
			do := func(method string) error {
				_, err := c.Do(context.Background(), call(t, method, "https://h/x", ""))
				return err
			}
			var wg sync.WaitGroup
			wg.Go(func() { _ = do("GET") })
			time.Sleep(time.Second)
			for range 8 {
				wg.Go(func() { _ = do("GET") })
				wg.Go(func() { _ = do("POST") })
			}
			wg.Wait()
			if len(at) != 18 || at[0] != 0 || slices.ContainsFunc(at[1:], func(d time.Duration) bool { return d < 5*time.Second }) {
				t.Errorf("%d: asked after %v", code, at)
			}
		})
	}
}

// TestALongPauseIsNotSleptOut: what cannot wait so long is told, and not sent.
func TestALongPauseIsNotSleptOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []step{status(429, "Retry-After", "600"), status(200)}}
		c := fake(fault.Advoware, s, Options{})
		if a, err := c.Do(context.Background(), call(t, "GET", "https://h/x", "")); err != nil || a.Status != 429 {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		_, err := c.Do(context.Background(), call(t, "POST", "https://h/x", "{}"))
		if f := fault.As(err); f == nil || f.Code != fault.RateLimited || f.Doubt || f.RetryAfter != 9*time.Minute || s.n != 1 {
			t.Errorf("%#v after %d requests", err, s.n)
		}
		time.Sleep(9 * time.Minute)
		if _, err := c.Do(context.Background(), call(t, "POST", "https://h/x", "{}")); err != nil || s.n != 2 {
			t.Errorf("%v after %d requests", err, s.n)
		}
	})
}

// TestAPromptCallWaitsForNoPause: what rests on a read is told that there is a pause,
// its own or another call's, and is not sent after it.
func TestAPromptCallWaitsForNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []step{status(429, "Retry-After", "5"), status(200)}}
		c := fake(fault.Advoware, s, Options{})
		put := call(t, "PUT", "https://h/x", "{}")
		put.Prompt = true
		if a, err := c.Do(context.Background(), put); err != nil || a.Status != 429 || a.RetryAfter != 5*time.Second || s.n != 1 {
			t.Fatalf("%v after %d requests", err, s.n)
		}
		_, err := c.Do(context.Background(), put)
		if f := fault.As(err); f == nil || f.Code != fault.RateLimited || f.Doubt || f.RetryAfter != 5*time.Second || s.n != 1 {
			t.Errorf("%#v after %d requests", err, s.n)
		}
		time.Sleep(5 * time.Second)
		if a, err := c.Do(context.Background(), put); err != nil || a.Status != 200 {
			t.Errorf("%v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestForeignOriginGetsNoCredentials(t *testing.T) {
	s := &scripted{steps: []step{status(200)}}
	c := fake(fault.EspoCRM, s, Options{})
	f := &flight{origin: mustURL(t, "https://here/"), authorize: func(r *http.Request) error { r.Header.Set("X-Api-Key", "k"); return nil }}
	req, _ := http.NewRequestWithContext(withFlight(context.Background(), f), "GET", "https://there/", nil)
	if _, err := c.http.Transport.RoundTrip(req); !errors.Is(err, errForeignOrigin) || s.n != 0 {
		t.Fatalf("%v, %d requests", err, s.n)
	}
}
