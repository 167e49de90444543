package storetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Wire sits between client and server. It can lose answers: the server has done
// what it was asked, and nobody is told. And it can lead to another server, as a
// name does after a fail-over.
type Wire struct {
	Addr string
	// Lose is how many answers get lost from here on, each with its connection.
	Lose atomic.Int32

	mu     sync.Mutex
	server string
	conns  []net.Conn
	wg     sync.WaitGroup
}

// NewWire leads to server until the test ends.
func NewWire(t testing.TB, server string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Addr: l.Addr().String(), server: server}
	w.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.wg.Go(func() { w.carry(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.Cut()
		w.wg.Wait()
	})
	return w
}

// Cut breaks all connections.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// Lead leads new connections to another server and breaks those there are.
func (w *Wire) Lead(server string) {
	w.mu.Lock()
	w.server = server
	w.mu.Unlock()
	w.Cut()
}

func (w *Wire) carry(c net.Conn) {
	defer func() { _ = c.Close() }()
	w.mu.Lock()
	server := w.server
	w.mu.Unlock()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	w.mu.Lock()
	w.conns = append(w.conns, c, s)
	w.mu.Unlock()
	w.wg.Go(func() { _, _ = io.Copy(s, c); _ = s.Close() })
	b := make([]byte, 64<<10)
	for {
		n, err := s.Read(b)
		if err != nil {
			return
		}
		if w.Lose.Load() > 0 && w.Lose.Add(-1) >= 0 {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}
