package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"advosync/internal/callcount"
)

// flight follows one try of one call down the decorators, and knows whether a
// byte of it may have left this machine.
type flight struct {
	kind      callcount.Kind
	attempt   int
	origin    *url.URL
	authorize func(*http.Request) error

	mu       sync.Mutex
	asked    bool         // the pool was asked for a connection
	got      bool         // and gave one
	conn     *meteredConn // nil when it is not one of our own pool's
	atHandup int64        // bytes written on conn before this request
	carried  []string     // the credentials of all hops
}

type flightKey struct{}

func withFlight(ctx context.Context, f *flight) context.Context {
	ctx = context.WithValue(ctx, flightKey{}, f)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GetConn: f.getConn, GotConn: f.gotConn})
}

func flightOf(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

func (f *flight) carries(credentials []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.carried = append(f.carried, credentials...)
}

func (f *flight) credentials() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.carried)
}

func (f *flight) getConn(string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = true
}

func (f *flight) gotConn(info httptrace.GotConnInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = true
	f.conn = metered(info.Conn)
	if f.conn != nil {
		f.atHandup = f.conn.written.Load()
	}
}

// unsent reports whether it is certain that nothing of the request was sent.
// err is the try's error. Unknown counts as sent.
func (f *flight) unsent(err error) bool {
	if isDialError(err) || isTrustError(err) {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.got {
		return f.asked
	}
	return f.conn != nil && f.conn.written.Load() == f.atHandup
}

// isDialError recognises a connection that was never made, also from a base
// that runs no trace (the in-memory systems of tests).
func isDialError(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// meteredConn counts what is written. The count moves before the write
// and is put right after it, so that a write under way counts as sent: net/http's own "connection went
// away while idle" error is the same with and without bytes on the wire, and
// only the count tells the harmless case from the doubtful one.
type meteredConn struct {
	net.Conn
	written atomic.Int64
}

func (c *meteredConn) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n - len(b)))
	return n, err
}

// metered digs our connection out from under TLS.
func metered(conn net.Conn) *meteredConn {
	for conn != nil {
		if m, ok := conn.(*meteredConn); ok {
			return m
		}
		under, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = under.NetConn()
	}
	return nil
}
