package advoware

import (
	"context"
	"strings"
	"testing"
	"time"

	"net/http"

	"advosync/internal/fault"
)

// TestReady (first week, 1): nothing is posted into the dark.
func TestReady(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	clock := func(cfg *Config) { cfg.Now = func() time.Time { return now } }
	ctx := context.Background()

	o := newOffice()
	c := newClient(t, o, clock)
	ready := func(signIns, calls int, after string) {
		t.Helper()
		if err := c.Ready(ctx, path); err != nil {
			t.Fatal(err)
		}
		if api := len(o.seen) - o.discoveries - o.signIns; o.signIns != signIns || api != calls {
			t.Errorf("%s: %d sign-ins and %d calls, want %d and %d", after, o.signIns, api, signIns, calls)
		}
	}
	ready(1, 0, "at the start")
	ready(1, 0, "right after the sign-in")
	now = now.Add(2 * time.Minute)
	ready(2, 0, "after two minutes without an answer")
	now = now.Add(50 * time.Second)
	if _, err := c.Get(ctx, path, "1"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(50 * time.Second)
	ready(2, 1, "50 seconds after a read")
	now = now.Add(7 * time.Minute) // of the 540 seconds that it is used for, 520 are over
	if _, err := c.Get(ctx, path, "1"); err != nil {
		t.Fatal(err)
	}
	ready(3, 2, "with a token that would die under way")
	now = now.Add(-time.Hour)
	ready(4, 2, "with a clock that was set back")

	// A POST whose answer is lost: a read has to succeed first.
	o.api = func(r *http.Request, _ string) (int, string) {
		if r.Method == http.MethodPost {
			return 504, ""
		}
		return 404, ""
	}
	if _, err := c.Create(ctx, path, "betNr", object(t, `{"a":1}`)); fault.As(err) == nil || !fault.As(err).Doubt {
		t.Fatal(err)
	}
	ready(4, 4, "after a lost answer")
	if last := o.seen[len(o.seen)-1]; last.Method != "GET" || !strings.HasSuffix(last.URL.Path, "/Beteiligte/0") {
		t.Errorf("asked with %s %s", last.Method, last.URL.Path)
	}
	ready(4, 4, "and only once")
	if _, err := c.Create(ctx, path, "betNr", object(t, `{"a":1}`)); fault.As(err) == nil {
		t.Fatal("no error")
	}
	o.api = func(*http.Request, string) (int, string) { return 503, "" }
	c.cfg.MaxWait = 1
	if err := c.Ready(ctx, path); fault.As(err) == nil || fault.As(err).Doubt {
		t.Errorf("nothing can be read, and it is ready: %v", err)
	}
}
