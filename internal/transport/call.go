package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
)

// Call is one request to a system.
type Call struct {
	Op     string // what is being done, for messages: "read CBeteiligte/6b04…"
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte // nil: none
	Kind   callcount.Kind
	// Authorize adds credentials; it runs for every try and every hop.
	Authorize func(*http.Request) error
	// Secret is what the body holds that nobody may read in an error message,
	// besides what Authorize adds and the client's own secrets; "": nothing.
	Secret string
	// Prompt: the call rests on a read that a pause would make old. It is not sent
	// after one that the system has asked for: RateLimited, with RetryAfter.
	Prompt bool
	// Again: a POST that may be sent again after a definite refusal, as a PUT may: what
	// it writes it writes once.
	Again bool
	// Ahead: a Prompt call may rest on what this one reads. It waits until the budget
	// has room for both.
	Ahead bool
}

// write reports whether the call changes something.
func (c Call) write() bool { return c.Method != http.MethodGet }

// creates reports whether sending it again could do it twice.
func (c Call) creates() bool { return c.Method == http.MethodPost && !c.Again }

// Answer is what a system said, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	// Doubt: a write was answered with an error that does not say whether it was
	// carried out: 5xx, and 408, which relays say of a time-out behind them, too.
	Doubt bool
	// RetryAfter is what the server asked for, 0 when it did not.
	RetryAfter time.Duration

	secrets secrets // of the call, not to be told should the server echo them
}

// SlowDown is what a 429 says, with the pause where the server has named one.
func (a *Answer) SlowDown() string {
	if a.RetryAfter <= 0 {
		return "asks to slow down"
	}
	return "asks to slow down for " + a.RetryAfter.Round(time.Second).String()
}

// OK reports a 2xx.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// errCallTimeout marks the end of one try's time, as against the end of the
// caller's.
var errCallTimeout = errors.New("no answer in time")

// errTooLarge marks an answer beyond the cap.
var errTooLarge = errors.New("answer too large")

// Do sends the call, repeats it where the table in retry.go allows, and returns
// the last answer, whatever its status below 300 or from 400. Redirects that
// are not followed are errors.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	last := c.repeat(ctx, call)
	if last.err != nil || last.again && ctx.Err() != nil {
		// The second: stopped while waiting for the next try. An outcome that may
		// be repeated is one that changed nothing.
		return nil, c.sendFault(ctx, call, last)
	}
	if s := last.answer.Status; s >= 300 && s < 400 {
		return nil, c.redirectFault(call, last.answer)
	}
	return last.answer, nil
}

// outcome is the end of one try: an answer or an error.
type outcome struct {
	attempt int
	answer  *Answer
	err     error
	secrets secrets
	unsent  bool // certain that nothing was sent
	again   bool
	wait    time.Duration // what the server asked for
}

// try sends the call once.
func (c *Client) try(ctx context.Context, call Call, attempt int) *outcome {
	if err := ctx.Err(); err != nil {
		return &outcome{attempt: attempt, err: err, unsent: true}
	}
	if left, err := c.admit(ctx, call); err != nil {
		return &outcome{attempt: attempt, err: err, unsent: true, wait: left}
	}
	f := &flight{kind: call.Kind, attempt: attempt, origin: call.URL, authorize: call.Authorize}
	tctx, cancel := context.WithTimeoutCause(ctx, c.opts.Timeout, errCallTimeout)
	defer cancel()
	resp, err := c.http.Do(newRequest(withFlight(tctx, f), call))
	if err != nil {
		return &outcome{attempt: attempt, err: inTime(ctx, tctx, err), unsent: f.unsent(err), secrets: c.known(call, f)}
	}
	defer resp.Body.Close()
	body, err := readCapped(resp.Body, c.opts.MaxBody)
	if err != nil {
		return &outcome{attempt: attempt, err: inTime(ctx, tctx, err), secrets: c.known(call, f)}
	}
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, secrets: c.known(call, f)}
	a.RetryAfter = retryAfter(resp.Header)
	c.budget.pauses(ctx, c.pause.note(a))
	a.Doubt = call.write() && c.doubtful(a)
	return &outcome{attempt: attempt, answer: a, wait: a.RetryAfter}
}

// known are the secrets that a call carries.
func (c *Client) known(call Call, f *flight) secrets {
	return append(newSecrets(append(f.credentials(), call.Secret)...), c.secrets...)
}

// inTime tells the end of this try's time from every other failure.
func inTime(ctx, tctx context.Context, err error) error {
	if tctx.Err() != nil && ctx.Err() == nil && errors.Is(context.Cause(tctx), errCallTimeout) {
		return fmt.Errorf("%w: %w", errCallTimeout, err)
	}
	return err
}

// newRequest builds the request for one try. There is no GetBody: net/http then
// has no way to send a write a second time on its own (it would, on a kept-alive
// connection that dies). The body is one that net/http knows to be in memory, so it
// leaves with the header in one write.
func newRequest(ctx context.Context, call Call) *http.Request {
	req := (&http.Request{
		Method: call.Method, URL: call.URL, Host: call.URL.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {"advosync"}},
	}).WithContext(ctx)
	for k, v := range call.Header {
		req.Header[k] = v
	}
	if call.Body != nil {
		req.Body = io.NopCloser(bytes.NewReader(call.Body))
		req.ContentLength = int64(len(call.Body))
		if len(call.Body) == 0 {
			req.Body = http.NoBody
		}
	}
	return req
}

func readCapped(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errTooLarge
	}
	return b, nil
}

// doubtful reports whether a write answered so may have been carried out all the same.
func (c *Client) doubtful(a *Answer) bool {
	return a.Status == http.StatusRequestTimeout || a.Status >= 500 && !c.untouched(a)
}

// untouched: the system says that it is not available, and has not looked at the request.
func (c *Client) untouched(a *Answer) bool {
	return a.Status == http.StatusServiceUnavailable && c.refuses503 != "" && a.Said(c.refuses503) != ""
}

// Fault starts a *fault.Error for this system. The message is our own: what a
// server said comes into it through Answer.Text, Answer.Said or Clean, which know
// the secrets.
func (c *Client) Fault(op string, code fault.Code, owner fault.Owner, message string) *fault.Error {
	return &fault.Error{System: c.system, Code: code, Owner: owner, Op: op, Message: fault.Clean(message, maxMessage)}
}
