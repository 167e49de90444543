package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bucket is a budget of calls that several processes share. It always answers: where
// the others cannot be asked, for this process alone.
type Bucket interface {
	// Draw asks for calls, of which fewer than least are no use; back are marks of such as
	// were drawn and not made.
	Draw(ctx context.Context, want, least int, back []int64) Drawn
	// Pause has nobody draw for a while.
	Pause(ctx context.Context, pause time.Duration)
}

// Drawn is what a bucket gave.
type Drawn struct {
	Granted int
	Mark    int64         // of what was granted
	Wait    time.Duration // until it is worth to ask again
	Paused  time.Duration // nobody draws for so long: the system has asked for it
}

// ahead is how long a call that was drawn for a write waits for it; a read that is not
// followed by one by then has shown that there is nothing to write.
const ahead = 2 * time.Second

// promptWait is how long a write that rests on a read, and for which nothing was drawn
// ahead, waits for its turn.
const promptWait = time.Second

// errAgain: the system's pause has to be waited for first.
var errAgain = errors.New("the system has asked others for a pause")

// errNoTurn is a write that rests on a read and had no turn in time: it is decided anew
// on a fresh read, as after a pause.
var errNoTurn = fmt.Errorf("no turn in the budget of calls: %w", errPaused)

// lazyKey marks a context whose calls let all others go first.
type lazyKey struct{}

// Lazy is a context whose calls wait until no other call of this process waits for the
// system's budget.
func Lazy(ctx context.Context) context.Context { return context.WithValue(ctx, lazyKey{}, true) }

// budget is one process's only asker of one system's bucket. Whoever wants to call
// waits in its queue: writes first, for they end what was begun, lazy calls last.
//
// A read that a write may rest on draws for both, so that nothing lies between the
// two; what is not used is given back.
type budget struct {
	bucket Bucket
	pause  *pause // of the client

	mu     sync.Mutex
	queue  [3][]*waiter
	asking bool
	kept   []keptCall // drawn ahead
	back   []int64    // to be given back
	gone   chan struct{}
	waited atomic.Int64 // nanoseconds, of all calls
}

// BudgetWait is how long the calls of this client have waited for their turn in the
// budget, together.
func (c *Client) BudgetWait() time.Duration { return time.Duration(c.budget.waited.Load()) }

type waiter struct {
	need int
	turn chan error
	mark int64
	has  bool // its turn has come
}

type keptCall struct {
	mark int64
	at   time.Time
}

// admit waits until a call may be made: for the end of the pause that the system has
// asked for, and for the call's turn in the budget. The error is the context's, or
// errPaused, and how long it is worth to wait.
func (c *Client) admit(ctx context.Context, call Call) (time.Duration, error) {
	for {
		if left, err := c.await(ctx, call.Prompt); err != nil {
			return left, err
		}
		if err := c.budget.take(ctx, call); !errors.Is(err, errAgain) {
			return promptWait, err
		}
	}
}

// take waits for a call's turn. The error is the context's, errAgain or errNoTurn.
func (b *budget) take(ctx context.Context, call Call) error {
	if b.bucket == nil {
		return nil
	}
	b.mu.Lock()
	b.expire(time.Now())
	w := &waiter{need: 1, turn: make(chan error, 1)}
	n := len(b.kept)
	ahead := call.Prompt && n > 0
	if ahead { // it counts when it is made: what was drawn ahead is given back by the draw that it makes, and so is granted
		b.back, b.kept = append(b.back, b.kept[n-1].mark), b.kept[:n-1]
	}
	class := 1
	switch lazy, _ := ctx.Value(lazyKey{}).(bool); {
	case call.write():
		class = 0
	case lazy:
		class = 2
	}
	if call.Ahead {
		w.need = 2
	}
	if b.queue[class] = append(b.queue[class], w); ahead {
		b.queue[class] = slices.Insert(b.queue[class][:len(b.queue[class])-1], 0, w)
		select {
		case b.gone <- struct{}{}: // it need not wait for what the others wait for
		default:
		}
	}
	if !b.asking {
		b.asking = true
		go b.ask(context.WithoutCancel(ctx))
	}
	b.mu.Unlock()
	since := time.Now()
	defer func() { b.waited.Add(int64(time.Since(since))) }()
	return b.await(ctx, call, w)
}

func (b *budget) await(ctx context.Context, call Call, w *waiter) error {
	var late <-chan time.Time
	if call.Prompt {
		t := time.NewTimer(promptWait)
		defer t.Stop()
		late = t.C
	}
	var err error
	select {
	case err = <-w.turn:
		if err == nil && call.Ahead {
			b.mu.Lock()
			b.kept = append(b.kept, keptCall{w.mark, time.Now()})
			b.mu.Unlock()
		}
		return err
	case <-ctx.Done():
		err = ctx.Err()
	case <-late:
		err = errNoTurn
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for class := range b.queue {
		b.queue[class] = slices.DeleteFunc(b.queue[class], func(o *waiter) bool { return o == w })
	}
	if w.has {
		b.leave(Drawn{Granted: w.need, Mark: w.mark})
	}
	select {
	case b.gone <- struct{}{}: // perhaps nobody waits any more
	default:
	}
	return err
}

// expire gives back what was drawn ahead for writes that did not come.
func (b *budget) expire(now time.Time) {
	n := 0
	for n < len(b.kept) && now.Sub(b.kept[n].at) >= ahead {
		b.back = append(b.back, b.kept[n].mark)
		n++
	}
	b.kept = b.kept[n:]
}

// ask draws for all that wait, until nobody does.
func (b *budget) ask(ctx context.Context) {
	for {
		b.mu.Lock()
		b.expire(time.Now())
		want, least := b.wanted()
		if want == 0 {
			b.asking = false
			b.mu.Unlock()
			return
		}
		back := b.back
		b.back = nil
		b.mu.Unlock()
		got := b.bucket.Draw(ctx, want, least, back)
		b.give(got)
		if got.Wait > 0 && got.Paused == 0 {
			select {
			case <-time.After(got.Wait):
			case <-b.gone:
			}
		}
	}
}

// wanted is how many calls those want that wait, and the first of them; lazy ones ask
// only when nobody else does.
func (b *budget) wanted() (all, first int) {
	for class, ws := range b.queue {
		if class == 2 && all > 0 {
			break
		}
		for _, w := range ws {
			if all == 0 {
				first = w.need
			}
			all += w.need
		}
	}
	return all, first
}

// give hands out what was drawn. While the system's pause lasts nobody waits here:
// whether a call may wait for its end is the client's to say.
func (b *budget) give(got Drawn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if got.Paused > 0 {
		b.pause.lasts(got.Paused)
	}
	for class := range b.queue {
		for len(b.queue[class]) > 0 {
			w := b.queue[class][0]
			switch {
			case got.Paused > 0:
				w.turn <- errAgain
			case got.Granted >= w.need:
				got.Granted -= w.need
				w.mark, w.has = got.Mark, true
				w.turn <- nil
			default:
				b.leave(got)
				return
			}
			b.queue[class] = b.queue[class][1:]
		}
	}
	b.leave(got)
}

// leave gives back what nobody takes.
func (b *budget) leave(got Drawn) {
	for range got.Granted {
		b.back = append(b.back, got.Mark)
	}
}

// pauses tells the others of a pause that the system has asked this process for.
func (b *budget) pauses(ctx context.Context, d time.Duration) {
	if b.bucket == nil || d <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promptWait)
	defer cancel()
	b.bucket.Pause(ctx, d)
}
