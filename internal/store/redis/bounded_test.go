package redis_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"advosync/internal/fault"
	"advosync/internal/store/redis"
	"advosync/internal/store/storetest"
)

// answering is a server that answers every request with the same bytes, over and
// over when they are endless.
func answering(t *testing.T, text string, endless bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		request := make([]byte, 4096)
		for {
			if _, err := conn.Read(request); err != nil {
				return
			}
			for again := true; again; again = endless {
				if _, err := conn.Write([]byte(text)); err != nil {
					return
				}
			}
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

// One line of a broken or hostile server made the client ask for 16 GB and more,
// which ends the process (audit, 27).
func TestAnnouncedTooMuch(t *testing.T) {
	const most = 64 << 20
	for name, answer := range map[string]struct {
		text    string
		endless bool
	}{
		"a map":                  {text: "%1000000000\r\n"},
		"an array":               {text: "*1000000000\r\n"},
		"a set":                  {text: "~1000000000\r\n"},
		"a push":                 {text: ">1000000000\r\n"},
		"an attribute":           {text: "|1000000000\r\n"},
		"a string":               {text: "$9000000000\r\n"},
		"a verbatim string":      {text: "=9000000000\r\n"},
		"a number beyond all":    {text: "*99999999999999999999\r\n"},
		"a negative one":         {text: "*-5\r\n"},
		"in an array":            {text: "*2\r\n$1\r\nx\r\n*1000000000\r\n"},
		"arrays in arrays":       {text: "*2\r\n$1\r\nx\r\n" + strings.Repeat("*1\r\n", 1000)},
		"a line without an end":  {text: strings.Repeat("x", 1<<16), endless: true},
		"something else (HTTP)":  {text: "HTTP/1.1 400 Bad Request\r\n\r\n"},
		"split into single ones": {text: "*", endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			addr := answering(t, answer.text, answer.endless)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, err := redis.Open(t.Context(), "redis://"+addr, redis.Options{Timeout: 2 * time.Second})
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("opened", s.Close())
			}
			if f := fault.As(err); f == nil || f.Code != fault.StoreBroken || f.Transient || !strings.Contains(err.Error(), "answers what no store answers") {
				t.Errorf("%v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("%d MiB were asked for", took>>20)
			}
		})
	}
}

// TestEndedConnectionsAreNoOutage: whether one under TLS has ended is seen when it is used. After
// a restart all in the pool have, and no call fails for that.
func TestEndedConnectionsAreNoOutage(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	web.Close()
	m, err := miniredis.RunTLS(&tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	w := storetest.NewWire(t, m.Addr())
	s := open(t, "rediss://"+w.Addr+"?skip_verify=true", redis.Options{})
	defer func() { _ = s.Close() }()
	for name, call := range map[string]func() error{
		"write": func() error { return s.Put(t.Context(), "key", nil, 0) },
		"read":  func() error { _, _, err := s.Get(t.Context(), "key"); return err },
	} {
		var all sync.WaitGroup
		for range 300 {
			all.Go(func() { _ = s.Put(t.Context(), "key", nil, 0) })
		}
		all.Wait()
		if n := m.CurrentConnectionCount(); n < 5 {
			t.Fatalf("%d connections are no crowd", n)
		}
		w.Cut()
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A call over TLS goes by the connection of the one before: each new one costs a
// handshake.
func TestTLSConnectionsAreKept(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	web.Close()
	m, err := miniredis.RunTLS(&tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := open(t, "rediss://"+m.Addr()+"?skip_verify=true", redis.Options{})
	defer func() { _ = s.Close() }()
	for range 20 {
		if err := s.Put(t.Context(), "key", []byte("value"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.TotalConnectionCount(); n > 3 { // the pool may dial ahead
		t.Errorf("%d connections were made", n)
	}
}
