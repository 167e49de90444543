package advoware

import (
	"context"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/transport"
)

// TokenCache keeps the token outside the process: fetching one is slow and
// limited. expires is the moment until which it may be used; it
// already leaves out the last bit of its life. One cache belongs to one set of
// credentials.
type TokenCache interface {
	Get(ctx context.Context) (token string, expires time.Time, ok bool)
	Put(ctx context.Context, token string, expires time.Time)
	// Drop forgets the token if it is still this one.
	Drop(ctx context.Context, token string)
	// Lock keeps other processes from fetching at the same time.
	Lock(ctx context.Context) (unlock func(), err error)
}

// grant is a fresh token and until when it may be used.
type grant struct {
	token string
	until time.Time
}

// tokens hands out one valid token. However many calls need a new one, one of
// them fetches it and the others share what came of it.
type tokens struct {
	cache TokenCache // nil: memory only
	now   func() time.Time
	fetch func(context.Context) (grant, error)

	mu      sync.Mutex
	current grant
	flight  *renewal
	// denied: the credentials were refused.
	denied transport.Refusal
}

// renewal is one fetch under way.
type renewal struct {
	done chan struct{}
	got  grant
	err  error
	dead bool // ended because its caller's context did
}

func newTokens(cache TokenCache, now func() time.Time, fetch func(context.Context) (grant, error)) *tokens {
	return &tokens{cache: cache, now: now, fetch: fetch}
}

// readAhead is how much longer than now the token of a read has to do: a write
// may rest on it, and no sign-in may come between the two. writeAhead is what has
// to be left of it when the read has been answered.
const (
	readAhead  = 5 * time.Second
	writeAhead = time.Second
)

// get returns a token that is not the refused one ("" when none was) and may be
// used for so much longer.
func (t *tokens) get(ctx context.Context, refused string, ahead time.Duration) (string, error) {
	for {
		t.mu.Lock()
		if denied := t.denied.Stands(t.now()); denied != nil {
			defer t.mu.Unlock()
			return "", denied
		}
		if t.usable(t.current, refused, ahead) {
			defer t.mu.Unlock()
			return t.current.token, nil
		}
		r := t.flight
		lead := r == nil
		if lead {
			r = &renewal{done: make(chan struct{})}
			t.flight = r
		}
		t.mu.Unlock()
		if lead {
			t.lead(ctx, r, refused, ahead)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		switch {
		case r.err == nil && (lead || r.got.token != refused):
			// The leader takes even the refused token: a service that issues the
			// same one again would be asked for ever.
			return r.got.token, nil
		case r.err != nil && (lead || !r.dead):
			return "", r.err
		}
	}
}

// last reports whether the token in use may be used for so much longer.
func (t *tokens) last(ahead time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.usable(t.current, "", ahead)
}

func (t *tokens) usable(g grant, refused string, ahead time.Duration) bool {
	now := t.now()
	return g.token != "" && g.token != refused && now.Add(ahead).Before(g.until) && g.until.Sub(now) <= longest // else fetched by a clock that was ahead
}

// lead carries out a renewal and publishes its end, also when it panics.
func (t *tokens) lead(ctx context.Context, r *renewal, refused string, ahead time.Duration) {
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if r.err == nil {
			t.current = r.got
		}
		if f := fault.As(r.err); f != nil && f.Code == fault.Unauthorized {
			t.denied.Keep(f, t.now())
		}
		t.flight = nil
		close(r.done)
	}()
	r.got, r.err = t.renew(ctx, refused, ahead)
	r.dead = r.err != nil && ctx.Err() != nil
}

// renew looks into the shared cache before it fetches, and once more under its
// lock: another process may have been quicker. Without the lock (the store is
// in trouble) two processes may fetch at once, which does no harm.
func (t *tokens) renew(ctx context.Context, refused string, ahead time.Duration) (grant, error) {
	if t.cache == nil {
		return t.fetch(ctx)
	}
	if refused != "" {
		t.cache.Drop(ctx, refused)
	}
	if g, ok := t.cached(ctx, refused, ahead); ok {
		return g, nil
	}
	unlock, err := t.cache.Lock(ctx)
	if err == nil {
		defer unlock()
		if g, ok := t.cached(ctx, refused, ahead); ok {
			return g, nil
		}
	}
	if ctx.Err() != nil {
		return grant{}, ctx.Err()
	}
	g, err := t.fetch(ctx)
	if err == nil {
		t.cache.Put(ctx, g.token, g.until)
	}
	return g, err
}

func (t *tokens) cached(ctx context.Context, refused string, ahead time.Duration) (grant, bool) {
	token, until, ok := t.cache.Get(ctx)
	g := grant{token: token, until: until}
	return g, ok && t.usable(g, refused, ahead)
}
