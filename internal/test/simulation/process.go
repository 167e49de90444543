package simulation

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
)

// Effect is one thing that a process asks of the world.
type Effect struct {
	N    int    // counts from 1
	What string // "PUT /api/v1/…" or "store Commit"
	Key  string // the query, or what the store is asked about
	// HTTP is true for a request, false for a call of the store.
	HTTP bool
	// Write is true where something may change: a request that is no GET, a call
	// of the store that stores.
	Write bool
	// SignIn is true for requests that no record depends on: token, address.
	SignIn bool
}

// Fate is what becomes of an effect.
type Fate int

// The fates. After a death every later call of the process fails and has no
// effect, clean-up included.
const (
	Passes       Fate = iota
	DiesBefore        // the effect does not happen
	DiesAfter         // it happens, the process never learns of it
	BreaksBefore      // it does not happen; the process sees a broken connection, or a failing store
	BreaksAfter       // it happens; the process sees the same
	Answers400        // refused
	Answers401
	Answers404
	Answers429
	Answers500      // refused with a server error
	Answers500After // done, and answered with a server error
	Answers503
)

var fateNames = map[Fate]string{Passes: "none", DiesBefore: "dies before", DiesAfter: "dies after", BreaksBefore: "breaks before", BreaksAfter: "breaks after",
	Answers400: "400", Answers401: "401", Answers404: "404", Answers429: "429", Answers500: "500", Answers500After: "done and 500", Answers503: "503"}

// String names the fate.
func (f Fate) String() string { return fateNames[f] }

// ErrDead is what a dead process gets from every call.
var ErrDead = errors.New("this process is dead")

var errBroken = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// ErrStoreDown is what a failing store answers.
var ErrStoreDown = errors.New("the disk is full")

// Process stands between one tool process and the world.
type Process struct {
	// Plan decides each effect's fate; nil: all pass. It is asked without a lock.
	Plan func(Effect) Fate

	mu      sync.Mutex
	n       int
	dead    bool
	effects []Effect
}

// Dead reports whether the process has died.
func (p *Process) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Kill ends the process between two effects.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// Effects lists what the process has asked for.
func (p *Process) Effects() []Effect {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Effect(nil), p.effects...)
}

// next counts an effect and tells its fate; ok is false for a dead process.
func (p *Process) next(e Effect) (fate Fate, ok bool) {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return 0, false
	}
	p.n++
	e.N = p.n
	p.effects = append(p.effects, e)
	plan := p.Plan
	p.mu.Unlock()
	if plan != nil {
		fate = plan(e)
	}
	if fate == DiesBefore || fate == DiesAfter {
		p.Kill()
	}
	return fate, true
}

// Transport puts the process in front of next.
func (p *Process) Transport(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		fate, ok := p.next(Effect{What: r.Method + " " + r.URL.Path, Key: r.URL.RawQuery, HTTP: true, Write: r.Method != http.MethodGet, SignIn: signIn(r)})
		if !ok {
			return nil, ErrDead
		}
		if s := fate.status(); s != 0 && fate != Answers500After {
			return answer(r, s), nil
		}
		switch fate {
		case DiesBefore:
			return nil, ErrDead
		case BreaksBefore:
			return nil, errBroken
		}
		resp, err := next.RoundTrip(r)
		switch fate {
		case DiesAfter:
			return nil, ErrDead
		case BreaksAfter:
			return nil, errBroken
		case Answers500After:
			return answer(r, http.StatusInternalServerError), nil
		}
		if p.Dead() { // killed while it waited
			return nil, ErrDead
		}
		return resp, err
	})
}

func (f Fate) status() int {
	switch f {
	case Answers400:
		return http.StatusBadRequest
	case Answers401:
		return http.StatusUnauthorized
	case Answers404:
		return http.StatusNotFound
	case Answers429:
		return http.StatusTooManyRequests
	case Answers500, Answers500After:
		return http.StatusInternalServerError
	case Answers503:
		return http.StatusServiceUnavailable
	default:
		return 0
	}
}

func answer(r *http.Request, status int) *http.Response {
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}
}

func signIn(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/Token") || strings.Contains(r.URL.Path, "/AdvonetConfigurator/") || strings.HasSuffix(r.URL.Path, "/App/user")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
