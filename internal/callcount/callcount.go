// Package callcount carries HTTP call counters in a context, so that the
// transport can count without knowing for whom, and the engine can report
// calls per record and per run (JSON `calls`).
package callcount

import (
	"context"
	"sync/atomic"
)

// Counter counts HTTP requests per system. Safe for concurrent use. Auth holds
// sign-in, URL discovery and `GET App/user`.
type Counter struct {
	parent                  *Counter
	EspoCRM, Advoware, Auth atomic.Int64
	EspoWrites, AdvoWrites  atomic.Int64 // the part of the above that are not GETs
}

// Kind says which counter a request belongs to.
type Kind int

// The kinds of request.
const (
	EspoCRM Kind = iota
	Advoware
	Auth
)

type key struct{}

// With returns a context whose requests count in a new Counter and in every
// Counter that ctx already carries.
func With(ctx context.Context) (context.Context, *Counter) {
	c := &Counter{parent: From(ctx)}
	return context.WithValue(ctx, key{}, c), c
}

// From returns the innermost Counter of ctx, or nil.
func From(ctx context.Context) *Counter {
	c, _ := ctx.Value(key{}).(*Counter)
	return c
}

// Add counts one request. write is true for anything but GET. A context
// without a counter is fine.
func Add(ctx context.Context, kind Kind, write bool) {
	for c := From(ctx); c != nil; c = c.parent {
		switch kind {
		case EspoCRM:
			c.EspoCRM.Add(1)
			if write {
				c.EspoWrites.Add(1)
			}
		case Advoware:
			c.Advoware.Add(1)
			if write {
				c.AdvoWrites.Add(1)
			}
		case Auth:
			c.Auth.Add(1)
		}
	}
}
