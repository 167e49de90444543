package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// attempts is how often a call is sent at most when no connection can be made, or no
// answer comes.
const attempts = 3

// call is one run of a script.
type call struct {
	keys []string
	args []any
}

// answer is what came back for one call.
type answer struct {
	value any
	err   error
}

// run is runAll for one call.
func (s *Store) run(ctx context.Context, op string, lua script, c call) (any, error) {
	a := s.runAll(ctx, op, lua, []call{c})[0]
	return a.value, a.err
}

// runAll sends all calls of a script in one round trip. Calls whose answer got
// lost, or whose script the server does not know, are sent again; so a script
// must have no other effect when it runs twice, and must then answer as if it
// had run once. A call that has been begun does not end with ctx, so that the
// caller is not left in doubt; its deadline holds.
func (s *Store) runAll(ctx context.Context, op string, lua script, calls []call) []answer {
	answers := make([]answer, len(calls))
	if err := store.Interruption(ctx, op); err != nil {
		for i := range answers {
			answers[i].err = err
		}
		return answers
	}
	begun, cancel := s.detach(ctx)
	defer cancel()
	open := make([]int, len(calls))
	for i := range open {
		open[i] = i
	}
	var t tries
	for len(open) > 0 {
		s.send(begun, lua, calls, answers, open)
		open = unsettled(answers, open)
		if len(open) == 0 || !t.another(begun, answers[open[0]].err) {
			break
		}
	}
	for i := range answers {
		answers[i].err = s.failure(ctx, op, answers[i].err)
	}
	return answers
}

// detach bounds a call by its own time and by ctx's deadline, not by its end.
func (s *Store) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(attempts * s.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

func (s *Store) send(ctx context.Context, lua script, calls []call, answers []answer, open []int) {
	pipe := s.c.Pipeline()
	cmds := make([]*redis.Cmd, len(open))
	unknown := false
	for _, n := range open {
		unknown = unknown || replyCode(answers[n].err) == "NOSCRIPT"
	}
	if unknown {
		pipe.ScriptLoad(ctx, lua.text)
	}
	for i, n := range open {
		cmds[i] = pipe.EvalSha(ctx, lua.digest, calls[n].keys, calls[n].args...)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for i, n := range open {
		doubted := errors.Is(answers[n].err, errDoubt)
		value, err := cmds[i].Result()
		if errors.Is(err, redis.Nil) {
			value, err = nil, nil
		}
		if err != nil && replyCode(err) == "" && (doubted || !neverSent(err)) {
			err = fmt.Errorf("%w: %w", errDoubt, err)
		}
		answers[n] = answer{value: value, err: err}
	}
}

// neverSent: there was no connection to send over.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout)
}

// unsettled are the calls that may be sent again.
func unsettled(answers []answer, open []int) []int {
	var left []int
	for _, n := range open {
		if answers[n].err != nil && again(answers[n].err) {
			left = append(left, n)
		}
	}
	return left
}

// again reports whether another attempt may help: the connection failed, or the
// server has just been started.
func again(err error) bool {
	switch replyCode(err) {
	case "":
		return fault.As(err) == nil && !errors.Is(err, errHostile)
	case "NOSCRIPT", "LOADING":
		return true
	default:
		return false
	}
}

// tries counts how often a call was sent.
type tries struct{ made, ended int }

// another reports whether a call that may be sent again is sent once more, after a pause where
// one helps. A connection that has ended while it lay in the pool, as all have after a restart,
// is no attempt: there may be as many of them as the pool holds.
func (t *tries) another(ctx context.Context, err error) bool {
	if t.ended < poolSize && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		t.ended++
		return ctx.Err() == nil
	}
	t.made++
	return t.made < attempts && (replyCode(err) == "NOSCRIPT" || pause(ctx, t.made))
}

// pause waits before the next attempt; false: there is no time for one.
func pause(ctx context.Context, attempt int) bool {
	t := time.NewTimer(time.Duration(attempt*attempt) * 50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// read runs fn, which must only read, and runs it again when the connection
// fails.
func (s *Store) read(ctx context.Context, op string, fn func(ctx context.Context) error) error {
	if err := store.Interruption(ctx, op); err != nil {
		return err
	}
	for t := (tries{}); ; {
		err := fn(ctx)
		if err == nil || !again(err) || !t.another(ctx, err) {
			return s.failure(ctx, op, err)
		}
	}
}

// pipeline sends several reads in one round trip. A missing key is no error.
func (s *Store) pipeline(ctx context.Context, queue func(p redis.Pipeliner)) error {
	pipe := s.c.Pipeline()
	queue(pipe)
	if pipe.Len() == 0 {
		return nil
	}
	cmds, _ := pipe.Exec(ctx)
	for _, c := range cmds {
		if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}
