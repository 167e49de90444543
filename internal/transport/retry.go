package transport

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What is repeated, at most maxTries in all (docs/operations.md, "Outages"):
//
//	                      GET    PUT, DELETE          POST
//	nothing was sent      yes    yes                  yes
//	broken off, no answer yes    no, doubt            no, doubt
//	429                   yes    yes                  no
//	503                   yes    where it says that   no
//	                             nothing was done
//	408, 502, 504         yes    no, doubt            no, doubt
//	500                   once   no, doubt            no, doubt
//	anything else         no     no                   no
const (
	maxTries  = 3
	firstWait = 250 * time.Millisecond
)

// repeat tries the call until it is done, and returns its last outcome, also the answer
// that arrives in the moment of cancellation: it says that a write was carried out.
func (c *Client) repeat(ctx context.Context, call Call) *outcome {
	seen500 := false
	for attempt := 1; ; attempt++ {
		o := c.try(ctx, call, attempt)
		o.again = attempt < maxTries && c.repeatable(ctx, call, o, seen500) && c.fits(ctx, c.waitFor(o))
		if !o.again || sleep(ctx, c.jittered(o)) != nil {
			return o
		}
		seen500 = seen500 || o.answer != nil && o.answer.Status == http.StatusInternalServerError
	}
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) repeatable(ctx context.Context, call Call, o *outcome, seen500 bool) bool {
	if ctx.Err() != nil {
		return false
	}
	if o.err != nil {
		return worthwhile(o.err) && (o.unsent || !call.write())
	}
	switch o.answer.Status {
	case http.StatusTooManyRequests:
		return !call.creates() && !(call.Prompt && o.wait > 0)
	case http.StatusServiceUnavailable:
		return !call.write() || !call.creates() && c.untouched(o.answer)
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		return !call.write()
	case http.StatusInternalServerError:
		return !call.write() && !seen500
	}
	return false
}

// worthwhile is false for errors that the next try would meet again.
func worthwhile(err error) bool {
	var redirect *redirectError
	return !errors.As(err, &redirect) && !errors.Is(err, errTooLarge) && !errors.Is(err, errPaused) &&
		!errors.Is(err, errForeignOrigin) && !isTrustError(err) && !isUnknownName(err) && !isNotTLS(err)
}

// waitFor is the pause after a try, before jitter.
func (c *Client) waitFor(o *outcome) time.Duration {
	if o.wait > 0 {
		return o.wait
	}
	return firstWait << (o.attempt - 1)
}

// jittered spreads the pause over half of it to one and a half, but never below
// what the server asked for.
func (c *Client) jittered(o *outcome) time.Duration {
	d := c.waitFor(o)
	if o.wait > 0 {
		return d + time.Duration(c.opts.Rand()*float64(firstWait))
	}
	return d/2 + time.Duration(c.opts.Rand()*float64(d))
}

// fits reports whether a pause is short enough: within the bound, and with
// something left of the caller's deadline, which is the lease's where there is
// one. A pause that does not fit is not begun.
func (c *Client) fits(ctx context.Context, d time.Duration) bool {
	if d > c.opts.MaxWait {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > d+d/2
}

// retryAfter reads both forms of the header; 0 when it is missing or senseless.
// The date form is taken relative to the answer's own Date, so that two clocks
// that differ do no harm.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}
