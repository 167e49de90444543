package transport

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"advosync/internal/fault"
)

// TestLostAnswerUnderTLS: the count of bytes is taken below the encryption, on
// a fresh connection and on a reused one.
func TestLostAnswerUnderTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == "GET" {
			io.WriteString(w, "{}")
			return
		}
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
	}))
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	for _, warm := range []bool{false, true} {
		c := client(t, Options{})
		c.pool.(*http.Transport).TLSClientConfig.RootCAs = roots
		if warm {
			if _, err := c.Do(context.Background(), call(t, "GET", srv.URL, "")); err != nil {
				t.Fatal(err)
			}
		}
		_, err := c.Do(context.Background(), call(t, "PUT", srv.URL, "{}"))
		if f := fault.As(err); f == nil || !f.Doubt || f.Code != fault.Unreachable {
			t.Fatalf("warm %v: %#v", warm, err)
		}
	}
}
