package transport

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"advosync/internal/callcount"
	"advosync/internal/fault"
)

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func call(t *testing.T, method, raw, body string) Call {
	c := Call{Op: "test", Method: method, URL: mustURL(t, raw), Kind: callcount.EspoCRM}
	if body != "" {
		c.Body = []byte(body)
	}
	return c
}

// TestWriteNeverResentOnDeadConnection is the case that net/http would repeat
// on its own for a request with GetBody: the server reads the request on a
// kept-alive connection and hangs up without an answer.
func TestWriteNeverResentOnDeadConnection(t *testing.T) {
	for _, method := range []string{"PUT", "POST", "DELETE"} {
		t.Run(method, func(t *testing.T) {
			var writes atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "GET" {
					io.WriteString(w, "{}")
					return
				}
				io.Copy(io.Discard, r.Body)
				writes.Add(1)
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					conn.Close()
				}
			}))
			defer srv.Close()
			c := New(Spec{System: fault.EspoCRM, Refuses503: reasonHeader}, Options{Rand: func() float64 { return 0 }})
			defer c.Close()
			if _, err := c.Do(context.Background(), call(t, "GET", srv.URL+"/x", "")); err != nil {
				t.Fatal(err)
			}
			ctx, count := callcount.With(context.Background())
			body := "{}"
			if method == "DELETE" {
				body = ""
			}
			_, err := c.Do(ctx, call(t, method, srv.URL+"/x?where=secret", body))
			f := fault.As(err)
			if f == nil || !f.Doubt || f.Code != fault.Unreachable || f.Owner != fault.OwnerSystem {
				t.Fatalf("got %#v", err)
			}
			if n := writes.Load(); n != 1 {
				t.Fatalf("server saw %d writes", n)
			}
			if count.EspoCRM.Load() != 1 || count.EspoWrites.Load() != 1 {
				t.Fatalf("counted %d", count.EspoCRM.Load())
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(f.Err.Error(), "secret") {
				t.Fatalf("query in %q", err)
			}
		})
	}
}
