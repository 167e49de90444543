package transport

import (
	"context"
	"sync"
)

// Once keeps a value that is fetched when it is first needed, by one caller at
// a time. A failure is not kept: the next caller tries again. Waiting for
// another's fetch ends with the context, with ctx.Err().
type Once[T any] struct {
	turn chan struct{} // holds one token while nobody is fetching

	mu    sync.Mutex
	val   T
	known bool
}

// NewOnce makes one that knows nothing yet.
func NewOnce[T any]() *Once[T] {
	o := &Once[T]{turn: make(chan struct{}, 1)}
	o.turn <- struct{}{}
	return o
}

// Get returns the value, fetching it when it is not known.
func (o *Once[T]) Get(ctx context.Context, fetch func(context.Context) (T, error)) (T, error) {
	if v, ok := o.Known(); ok {
		return v, nil
	}
	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case <-o.turn:
	}
	defer func() { o.turn <- struct{}{} }()
	if v, ok := o.Known(); ok {
		return v, nil
	}
	v, err := fetch(ctx)
	if err != nil {
		return none, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.val, o.known = v, true
	return v, nil
}

// Renew fetches a value anew that is known, while everybody else goes on with that one; a
// failure leaves it. Where somebody is fetching already, he is not waited for.
func (o *Once[T]) Renew(ctx context.Context, fetch func(context.Context) (T, error)) {
	if _, ok := o.Known(); !ok {
		return
	}
	select {
	case <-o.turn:
	default:
		return
	}
	defer func() { o.turn <- struct{}{} }()
	if v, err := fetch(ctx); err == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.val, o.known = v, true
	}
}

// Known is the value, where somebody has fetched it.
func (o *Once[T]) Known() (T, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.val, o.known
}

// Forget drops the value: it is fetched again when it is next needed.
func (o *Once[T]) Forget() {
	var none T
	o.mu.Lock()
	defer o.mu.Unlock()
	o.val, o.known = none, false
}
