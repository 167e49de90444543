package watch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"advosync/internal/mapping"
)

// ears notes what it hears, up to its room.
type ears struct {
	mu    sync.Mutex
	room  int
	hints []Hint
	why   []string
}

func (e *ears) Hear(h Hint) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.hints) >= e.room {
		return false
	}
	e.hints = append(e.hints, h)
	return true
}

func (e *ears) Missed(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.why = append(e.why, why)
}

func (e *ears) ids() (out []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.hints {
		out = append(out, h.ID)
	}
	return out
}

// delivery is one recorded request of a real EspoCRM.
type delivery struct {
	Note    string
	Webhook struct{ ID, Event, SecretKey string }
	Request struct {
		Headers map[string]string
		RawBody string
	}
}

// deliveries are all that were recorded: of every kind of event, a portion of twenty and
// the rest that follows two minutes later, and such as a receiver has refused.
func deliveries(t *testing.T) (out []delivery) {
	t.Helper()
	for name, many := range map[string]int{"12-webhooks": 5, "12-webhooks-portions": 2, "12-webhooks-failures": 4} {
		raw, err := os.ReadFile("../sandbox/testdata/espocrm/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var recorded struct{ Deliveries []delivery }
		if err := json.Unmarshal(raw, &recorded); err != nil || len(recorded.Deliveries) != many {
			t.Fatalf("%s: %d deliveries, %v", name, len(recorded.Deliveries), err)
		}
		out = append(out, recorded.Deliveries...)
	}
	return out
}

const secret = "bf55612f1efc63eae5594312986bb4ee"

// inbox is a receiver on loopback.
func inbox(t *testing.T, each time.Duration, e Ear, hooks ...Hook) string {
	t.Helper()
	return inboxSaying(t, each, e, slog.DiscardHandler, hooks...)
}

// inboxSaying is one that says what it refuses.
func inboxSaying(t *testing.T, each time.Duration, e Ear, says slog.Handler, hooks ...Hook) string {
	t.Helper()
	r := Webhooks("", hooks, []*mapping.Mapping{mapping.Builtin()}, slog.New(says)).(*receiver)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, &few{Listener: l, room: make(chan struct{}, maxConns)}, r.handler(e), each)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

func signature(body []byte) string {
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write(body)
	return base64.StdEncoding.EncodeToString([]byte("6b046eddbb42560ee:" + hex.EncodeToString(sum.Sum(nil))))
}

func post(t *testing.T, url string, header map[string]string, body io.Reader) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		q.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0 // cut off
	}
	defer func() { _ = resp.Body.Close() }()
	if said, _ := io.ReadAll(resp.Body); len(said) > 0 {
		t.Errorf("the answer says %q", said)
	}
	return resp.StatusCode
}

// TestRecordedWebhooks: what a real EspoCRM has sent is taken, with either of its
// signatures, and means no more than the ids.
func TestRecordedWebhooks(t *testing.T) {
	for _, d := range deliveries(t) {
		var sent []struct{ ID string }
		if err := json.Unmarshal([]byte(d.Request.RawBody), &sent); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, s := range sent {
			want = append(want, s.ID)
		}
		for _, name := range []string{"Signature", "X-Signature"} {
			e := &ears{room: 100}
			url := inbox(t, bodyTime, e, Hook{Event: d.Webhook.Event, Secret: d.Webhook.SecretKey})
			only := map[string]string{"Content-Type": "application/json", name: d.Request.Headers[name]}
			if code := post(t, url+"/hooks/"+d.Webhook.Event, only, strings.NewReader(d.Request.RawBody)); code != 204 || !slices.Equal(e.ids(), want) {
				t.Errorf("%s, %s: %d, heard %v, want %v", d.Note, name, code, e.ids(), want)
			}
			for _, h := range e.hints {
				if h.Entity != "Beteiligte" || h.Source != FromWebhook || !h.Edited.IsZero() {
					t.Errorf("%s: %+v", d.Note, h)
				}
			}
		}
	}
}

// TestHostileWebhooks: whatever comes is answered with 503, or not at all, and nobody
// hears of it.
func TestHostileWebhooks(t *testing.T) {
	e := &ears{room: 100}
	url := inbox(t, bodyTime, e, Hook{Event: "CBeteiligte.update", Secret: secret}, Hook{Event: "Account.update", Secret: secret})
	good := []byte(`[{"id":"6b046ede01e2e3965"}]`)
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write(good)
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, tt := range map[string]struct {
		path, sign string
		body       []byte
	}{
		"no signature":        {"/CBeteiligte.update", "", good},
		"no base64":           {"/CBeteiligte.update", "%%%", good},
		"no colon":            {"/CBeteiligte.update", encoded(hex.EncodeToString(sum.Sum(nil))), good},
		"no hex":              {"/CBeteiligte.update", encoded("6b046eddbb42560ee:zz"), good},
		"cut":                 {"/CBeteiligte.update", encoded("6b046eddbb42560ee:" + hex.EncodeToString(sum.Sum(nil))[:40]), good},
		"of another body":     {"/CBeteiligte.update", signature([]byte("[]")), good},
		"empty secret's":      {"/CBeteiligte.update", encoded("x:" + hex.EncodeToString(hmac.New(sha256.New, nil).Sum(nil))), good},
		"another path":        {"/CBeteiligte.delete", signature(good), good},
		"a path below":        {"/CBeteiligte.update/..", signature(good), good},
		"a path that goes on": {"/CBeteiligte.update/", signature(good), good},
		"no path":             {"", signature(good), good},
	} {
		if code := post(t, url+tt.path, map[string]string{"Signature": tt.sign}, bytes.NewReader(tt.body)); code != 503 {
			t.Errorf("%s: %d", name, code)
		}
	}
	for _, body := range []string{"", "null", "{}", "[{}]", `[{"id":7}]`, `[{"id":"a/../b"}]`, `[{"id":"` + strings.Repeat("a", 41) + `"}]`, "[", `[{"id":"x\u0000"}]`} {
		if code := post(t, url+"/CBeteiligte.update", map[string]string{"Signature": signature([]byte(body))}, strings.NewReader(body)); code != 204 {
			t.Errorf("%q, signed: %d", body, code) // sent again it would be the same
		}
	}
	if code := post(t, url+"/Account.update", map[string]string{"Signature": signature(good)}, bytes.NewReader(good)); code != 204 {
		t.Errorf("a type that no entity has: %d", code)
	}
	resp, err := http.Get(url + "/CBeteiligte.update")
	if err != nil || resp.StatusCode != 503 {
		t.Errorf("GET: %v %v", resp, err)
	}
	if err == nil {
		_ = resp.Body.Close()
	}
	if got := e.ids(); len(got) > 0 {
		t.Errorf("heard %v", got)
	}
}

// TestRefusedWebhooksAreSaid: once an hour for each thing that is wrong, however many come,
// and with nothing of what they hold.
func TestRefusedWebhooksAreSaid(t *testing.T) {
	var log bytes.Buffer
	e := &ears{room: 100}
	url := inboxSaying(t, bodyTime, e, slog.NewTextHandler(&log, nil), Hook{Event: "CBeteiligte.update", Secret: secret}, Hook{Event: "CBeteiligte.delete", Secret: secret})
	for n := range 5 {
		for _, path := range []string{"/CBeteiligte.update", "/hooks/CBeteiligte.update", "/CBeteiligte.delete", "/hooks", fmt.Sprint("/x", n)} {
			body := fmt.Sprintf(`[{"id":"%017d","email":"anna@example.de"}]`, n)
			if code := post(t, url+path, map[string]string{"Signature": "x"}, strings.NewReader(body)); code != 503 {
				t.Errorf("%s: %d", path, code)
			}
		}
	}
	for says, want := range map[string]int{
		"": 3, "CBeteiligte.update is not signed with its secret key": 1, "CBeteiligte.delete is not signed": 1, "ends in no event of watch.webhooks": 1,
		"example.de": 0, "00000": 0, secret: 0, "x1": 0,
	} {
		if got := strings.Count(log.String(), cmp.Or(says, "\n")); got != want {
			t.Errorf("%q is said %d times, want %d:\n%s", says, got, want, &log)
		}
	}
	body := []byte(`[{"id":"6b046ede01e2e3965"}]`) // a proxy may leave its own path before it
	if code := post(t, url+"/hooks/CBeteiligte.update", map[string]string{"Signature": signature(body)}, bytes.NewReader(body)); code != 204 || len(e.ids()) != 1 {
		t.Errorf("%d, heard %v", code, e.ids())
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("a"), len(p))), nil }

// TestWebhookFloods: large bodies, and more of them than there is room for, leave memory
// as it is; who is full says 503, so that EspoCRM comes again.
func TestWebhookFloods(t *testing.T) {
	e := &ears{room: 30}
	url := inbox(t, bodyTime, e, Hook{Event: "CBeteiligte.update", Secret: secret}) + "/CBeteiligte.update"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	for range 4 * maxConns {
		all.Go(func() {
			if code := post(t, url, map[string]string{"Signature": "x"}, io.LimitReader(endless{}, 10<<20)); code != 503 && code != 0 {
				t.Errorf("10 MB: %d", code)
			}
		})
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 8<<20 {
		t.Errorf("%d bytes more are in use", grown)
	}
	codes := map[int]int{}
	for n := range 40 {
		body := fmt.Appendf(nil, `[{"id":"%017d"}]`, n)
		codes[post(t, url, map[string]string{"Signature": signature(body)}, bytes.NewReader(body))]++
	}
	if codes[204] != 30 || codes[503] != 10 {
		t.Errorf("answers %v, want 30 × 204, then 503", codes)
	}
}

// TestSlowWebhook: who sends a byte now and then is cut off, and keeps nobody out.
func TestSlowWebhook(t *testing.T) {
	const each = 300 * time.Millisecond
	e := &ears{room: 30}
	url := inbox(t, each, e, Hook{Event: "CBeteiligte.update", Secret: secret})
	addr := strings.TrimPrefix(url, "http://")
	var slow []net.Conn
	for range maxConns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(c, "POST /CBeteiligte.update HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n["); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	start := time.Now()
	body := []byte(`[{"id":"6b046ede01e2e3965"}]`)
	if code := post(t, url+"/CBeteiligte.update", map[string]string{"Signature": signature(body)}, bytes.NewReader(body)); code != 204 {
		t.Errorf("behind the slow ones: %d", code)
	}
	if waited := time.Since(start); waited > 3*each+time.Second {
		t.Errorf("it waited for %s", waited)
	}
	for _, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(bodyTime))
		if said, _ := io.ReadAll(c); len(said) > 0 && !bytes.HasPrefix(said, []byte("HTTP/1.1 503")) {
			t.Errorf("a slow one is told %q", said)
		}
	}
}
