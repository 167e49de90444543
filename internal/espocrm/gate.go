package espocrm

import (
	"context"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/transport"
)

// gate keeps bad credentials from locking this address out: eleven refusals in
// a minute and EspoCRM refuses everybody behind it, with good keys too. Until the
// credentials have once been accepted one call goes at a
// time, and after one refusal none goes for transport.RefusedFor.
type gate struct {
	turn chan struct{} // holds one token while nobody is trying

	mu     sync.Mutex
	open   bool
	denied transport.Refusal
}

func newGate() *gate {
	g := &gate{turn: make(chan struct{}, 1)}
	g.turn <- struct{}{}
	return g
}

// state is what the gate says now: open, denied, or neither.
func (g *gate) state() (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if denied := g.denied.Stands(time.Now()); denied != nil {
		return false, denied
	}
	return g.open, nil
}

// enter waits for leave to send. The function it returns must be called with
// the call's end: the refusal, if it was one, and whether the answer proves the
// credentials.
func (g *gate) enter(ctx context.Context) (leave func(denied *fault.Error, proven bool), err error) {
	open, err := g.state()
	if err != nil {
		return nil, err
	}
	if open {
		return func(denied *fault.Error, _ bool) { g.settle(denied, false) }, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-g.turn:
	}
	if open, err = g.state(); open || err != nil {
		g.turn <- struct{}{}
		return func(denied *fault.Error, _ bool) { g.settle(denied, false) }, err
	}
	return func(denied *fault.Error, proven bool) {
		g.settle(denied, proven)
		g.turn <- struct{}{}
	}, nil
}

func (g *gate) settle(denied *fault.Error, proven bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if denied != nil {
		g.denied.Keep(denied, time.Now())
		g.open = false
	}
	g.open = g.open || proven
}
