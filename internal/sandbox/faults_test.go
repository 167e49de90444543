package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// bench is one record behind both ways to reach it.
type bench struct {
	*World
	id string
}

func newBench() bench {
	w := NewWorld(WorldOptions{Empty: true})
	return bench{w, w.EspoCRM.Seed("CBeteiligte", map[string]any{"name": "A", "phone": "0"})}
}

func (b bench) put(ctx context.Context, client *http.Client, phone string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "PUT", b.EspoURL+"/api/v1/CBeteiligte/"+b.id, strings.NewReader(`{"phone":"`+phone+`"}`))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", KeyA)
	return client.Do(req)
}

func (b bench) phone() any {
	r, _ := b.EspoCRM.Get("CBeteiligte", b.id)
	return r["phone"]
}

// bothWays runs a test in memory and over loopback.
func bothWays(t *testing.T, test func(t *testing.T, b bench, client *http.Client)) {
	t.Run("memory", func(t *testing.T) {
		b := newBench()
		test(t, b, b.Client())
	})
	t.Run("loopback", func(t *testing.T) {
		b := newBench()
		if err := b.Start(t.Context(), "127.0.0.1:0", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		test(t, b, &http.Client{Transport: transport})
	})
}

func TestDrops(t *testing.T) {
	bothWays(t, func(t *testing.T, b bench, client *http.Client) {
		for _, c := range []struct {
			drop    Drop
			arrives bool
		}{{DropBefore, false}, {DropAfter, true}, {DropMiddle, true}} {
			b.EspoCRM.SetField("CBeteiligte", b.id, "phone", "0")
			b.Faults.Add(Fault{Name: string(c.drop), Method: "PUT", Drop: c.drop, Count: 1})
			res, err := b.put(t.Context(), client, "1")
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s: the client saw an answer", c.drop)
			}
			if arrived := b.phone() == "1"; arrived != c.arrives {
				t.Errorf("%s: arrived %v", c.drop, arrived)
			}
		}
		log := b.Log.Entries()
		if log[0].Status != 0 || log[0].Processed || !log[1].Processed || log[1].Fault != "after" {
			t.Errorf("log: %+v", log)
		}
	})
}

func TestMemoryDropLooksLikeAReset(t *testing.T) {
	b := newBench()
	b.Faults.Add(Fault{Drop: DropBefore})
	if _, err := b.put(t.Context(), b.Client(), "1"); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

func TestForgedAnswers(t *testing.T) {
	bothWays(t, func(t *testing.T, b bench, client *http.Client) {
		b.Faults.Add(Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Count: 1})
		b.Faults.Add(Fault{Status: 503, Body: "<html>Wartung</html>", Processed: true, Count: 1})
		b.Faults.Add(Fault{Truncate: 10, Count: 1})
		b.Faults.Add(Fault{Status: 200, BodySize: 10 << 20, Count: 1})
		read := func() (*http.Response, string) {
			res, err := b.put(t.Context(), client, "1")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			raw, _ := io.ReadAll(res.Body)
			return res, string(raw)
		}
		if res, _ := read(); res.StatusCode != 429 || res.Header.Get("Retry-After") != "7" || b.phone() != "0" {
			t.Errorf("429: %v, phone %v", res, b.phone())
		}
		if res, body := read(); res.StatusCode != 503 || !strings.Contains(res.Header.Get("Content-Type"), "html") || b.phone() != "1" {
			t.Errorf("503 after the work: %s, phone %v", body, b.phone())
		}
		if res, body := read(); res.StatusCode != 200 || len(body) != 10 {
			t.Errorf("truncated: %d %q", res.StatusCode, body)
		}
		if _, body := read(); len(body) < 10<<20 {
			t.Errorf("oversized: %d bytes", len(body))
		}
		if res, body := read(); res.StatusCode != 200 || !json.Valid([]byte(body)) {
			t.Errorf("used-up rules still act: %d %s", res.StatusCode, body)
		}
	})
}

func TestRedirectToAnotherHost(t *testing.T) {
	b := newBench()
	b.Faults.Add(Fault{Status: 307, Header: http.Header{"Location": {"https://elsewhere.test/"}}})
	client := b.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if res, err := b.put(t.Context(), client, "1"); err != nil || res.StatusCode != 307 {
		t.Error(res, err)
	}
}

// TestHookMeetsARead injects a person's edit between a client's read and its write.
func TestHookMeetsARead(t *testing.T) {
	b := newBench()
	edit := func(*http.Request) {
		if err := b.EspoCRM.Put("CBeteiligte", b.id, "anna", map[string]any{"phone": "7"}); err != nil {
			t.Error(err)
		}
	}
	b.Faults.Add(Fault{System: "espocrm", Method: "GET", Path: "/api/v1/CBeteiligte/*", Skip: 1, Count: 1, After: edit})
	read := func() string {
		_, body := send(t, b.Client(), "GET", b.EspoURL+"/api/v1/CBeteiligte/"+b.id, "", "X-Api-Key", KeyA)
		return body
	}
	for i, want := range []string{"0", "0", "7"} {
		if body := read(); !strings.Contains(body, `"phone":"`+want+`"`) {
			t.Errorf("read %d: %s", i, body)
		}
	}
}

// TestLatencyInABubble needs no real time: the transport works inside synctest.
func TestLatencyInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.Faults.Add(Fault{Latency: time.Hour, Count: 1})
		b.Faults.Add(Fault{Latency: time.Hour, LandsLate: true, Count: 1})
		b.Faults.Add(Fault{Latency: time.Hour, Count: 1})
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := b.put(short, b.Client(), "1"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		time.Sleep(2 * time.Hour)
		if b.phone() != "0" {
			t.Error("a request that was given up arrived")
		}
		short, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.put(short, b.Client(), "2"); err == nil {
			t.Error("no time-out")
		}
		time.Sleep(2 * time.Hour)
		if b.phone() != "2" {
			t.Error("the late write did not land")
		}
		if res, err := b.put(t.Context(), b.Client(), "3"); err != nil || res.StatusCode != 200 || b.phone() != "3" {
			t.Error(res, err)
		}
	})
}

// TestHeld: a request waits until its rule is removed, or its client gives up.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.Faults.Add(Fault{Name: "held", Held: true, Latency: time.Minute})
		short, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := b.put(short, b.Client(), "1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up: %v", err)
		}
		start, done := time.Now(), make(chan error)
		go func() {
			_, err := b.put(t.Context(), b.Client(), "2")
			done <- err
		}()
		time.Sleep(24 * time.Hour)
		if b.Faults.Acted("held") != 2 || b.phone() != "0" {
			t.Error("it was not held")
		}
		b.Faults.Clear("held")
		if err := <-done; err != nil || b.phone() != "2" || time.Since(start) != 24*time.Hour+time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"/a/*", "/a/b/c", true}, {"/a/*", "/b", false}, {"*", "", true}, {"/a", "/a", true}, {"/a", "/ab", false},
		{"*/CBeteiligte", "/api/v1/CBeteiligte", true}, {"/a*b*c", "/axbxc", true}, {"/a*b*c", "/axc", false}, {"/ab*bc", "/abc", false},
	} {
		if got := wildcard(c.pattern, c.s); got != c.want {
			t.Errorf("wildcard(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}
