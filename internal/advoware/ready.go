package advoware

import (
	"context"
	"net/http"
	"sync"
	"time"

	"advosync/internal/fault"
)

// freshFor is how long an answer shows that a POST is worth sending: it is the
// one call that cannot be looked up afterwards everywhere.
const freshFor = time.Minute

// pulse is what this process has seen of the system's answers.
type pulse struct {
	mu       sync.Mutex
	answered time.Time // the last success; zero: none
	lost     bool      // the answer to a POST was lost, and nothing has been read since
}

// note takes how a call ended; now is when.
func (p *pulse) note(method string, ok, doubt bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok {
		p.answered = now
		p.lost = p.lost && method != http.MethodGet
	}
	p.lost = p.lost || doubt && method == http.MethodPost
}

func (p *pulse) state(now time.Time) (fresh, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := now.Sub(p.answered)
	return !p.answered.IsZero() && age >= 0 && age <= freshFor, p.lost
}

// Ready makes sure that a record can be posted to path: the addresses are known,
// there is a token that outlives the call, and the system has answered with a
// success within the last minute, else it is asked to sign in anew. After a POST
// whose answer was lost a read has to succeed first; one is made where nobody else
// has read. Usually it sends nothing. An error: nothing was posted.
func (c *Client) Ready(ctx context.Context, path string) error {
	op := "create " + resource(path)
	if _, err := c.apiBase(ctx); err != nil {
		return c.forOp(ctx, op, err)
	}
	_, lost := c.pulse.state(c.cfg.Now())
	if lost {
		// Whether it finds a record does not matter, only that it is Advoware that says so.
		if _, err := c.Get(ctx, path, "0"); err != nil && !fault.Is(err, fault.NotFound) {
			return c.forOp(ctx, op, err)
		}
		c.pulse.note(http.MethodGet, true, false, c.cfg.Now())
	}
	ahead := c.http.Timeout() + writeAhead
	token, err := c.tokens.get(ctx, "", ahead)
	if err != nil {
		return c.forOp(ctx, op, err)
	}
	if fresh, _ := c.pulse.state(c.cfg.Now()); fresh {
		return nil
	}
	if _, err := c.tokens.get(ctx, token, ahead); err != nil {
		return c.forOp(ctx, op, err)
	}
	return nil
}
