package transport

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// errPaused marks a call that was not sent because the system has asked for a
// pause that does not fit into the call's time.
var errPaused = errors.New("the system has asked for a pause")

// pause is what a system has asked for with Retry-After. It holds for every call
// of this process to that system, whoever made the one that was answered so; where there
// is a budget, for those of the other processes too.
type pause struct {
	mu    sync.Mutex
	until time.Time
}

// longestPause is how long one answer may keep everybody from calling. Who wants a longer
// one is asked again then; a wrong number must not stop a service, or all hosts, for years.
const longestPause = time.Hour

// note takes an answer's Retry-After where it is one of a system that asks to slow
// down.
func (p *pause) note(a *Answer) (lasts time.Duration) {
	if a.RetryAfter <= 0 || a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
		return 0
	}
	d := min(a.RetryAfter, longestPause)
	p.lasts(d)
	return d
}

// lasts makes the pause last for d from now at least.
func (p *pause) lasts(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

// left is how long the pause still lasts; 0: there is none.
func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until.IsZero() {
		return 0
	}
	return max(0, time.Until(p.until))
}

// await sleeps out the pause that the system has asked for. One that does not fit,
// or that a call may not wait for, is not begun: errPaused, and how long it lasts.
func (c *Client) await(ctx context.Context, prompt bool) (time.Duration, error) {
	for {
		d := c.pause.left()
		if d == 0 {
			return 0, nil
		}
		if prompt || !c.fits(ctx, d) {
			return d, errPaused
		}
		if err := sleep(ctx, d); err != nil {
			return 0, err
		}
	}
}
