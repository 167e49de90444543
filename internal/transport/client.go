// Package transport carries the HTTP calls of both adapters: one client builder
// around http.RoundTripper decorators that add credentials, count, observe and
// log, and one loop that repeats a call only where that cannot do harm.
//
// Every error is a *fault.Error. None of them, and no log line, holds a query
// string, a header or a body: queries carry client data, headers credentials.
package transport

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"advosync/internal/fault"
)

// Defaults of Options.
const (
	DefaultTimeout = 30 * time.Second
	DefaultMaxBody = 32 << 20
	DefaultMaxWait = 30 * time.Second
)

// Options are the settings that both adapters share. The zero value is usable.
type Options struct {
	// Timeout bounds each try; the context's deadline bounds all of them.
	Timeout time.Duration
	// MaxBody is the largest answer that is read, in bytes, after unpacking.
	MaxBody int64
	// MaxWait is the longest pause between two tries. A Retry-After beyond it is
	// not slept out: it is handed up in the fault.
	MaxWait time.Duration
	// Base sends the requests; nil makes a connection pool of its own.
	Base http.RoundTripper
	// Rand gives numbers in [0,1) for the jitter; nil takes a random source.
	Rand func() float64
	// Budget says when a call may be made; nil: at once.
	Budget Bucket
	// Logger gets one debug line per try: method, path, status, duration.
	Logger *slog.Logger
}

// Client sends calls to one system. Safe for concurrent use.
type Client struct {
	system fault.System
	opts   Options
	http   *http.Client
	pool   interface{ CloseIdleConnections() } // nil when the base was given
	// refuses503 is the header of a 503 that was sent before anything was touched; "": no
	// 503 says that.
	refuses503 string
	secrets    secrets
	pause      pause
	budget     *budget
}

// Spec says what is particular to one system.
type Spec struct {
	System fault.System
	// Refuses503 is the header of a 503 that the system sends before it processes a
	// request (EspoCRM's maintenance mode): a write that met one may be repeated. Without
	// the header it is a web server's, which says so too of a request whose answer it lost:
	// Apache of one that PHP-FPM has died over, or has not answered in time.
	Refuses503 string
	// Secrets are blotted out of all that a server says, should it echo them.
	Secrets []string
}

// New builds the client of one system.
func New(spec Spec, opts Options) *Client {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.MaxBody <= 0 {
		opts.MaxBody = DefaultMaxBody
	}
	if opts.MaxWait <= 0 {
		opts.MaxWait = DefaultMaxWait
	}
	if opts.Rand == nil {
		opts.Rand = rand.Float64
	}
	c := &Client{system: spec.System, opts: opts, refuses503: spec.Refuses503, secrets: newSecrets(spec.Secrets...)}
	base := opts.Base
	if base == nil {
		pool := newPool()
		c.pool, base = pool, pool
	}
	c.http = &http.Client{
		Transport:     observed{c, counted{authorized{base}}},
		CheckRedirect: c.follow,
	}
	c.budget = &budget{bucket: opts.Budget, pause: &c.pause, gone: make(chan struct{}, 1)}
	return c
}

// Timeout is how long one try may take.
func (c *Client) Timeout() time.Duration { return c.opts.Timeout }

// Close drops idle connections. Calls under way end on their own.
func (c *Client) Close() {
	if c.pool != nil {
		c.pool.CloseIdleConnections()
	}
}
