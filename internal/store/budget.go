package store

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"
)

// Pace is how many calls to a system may be made, by all who share the store.
type Pace struct {
	PerSecond float64 // more than 0
	Burst     int     // so many may be made at once; a read and the write that rests on it always may
}

// pair is a read and the write that rests on it.
const pair = 2

func (p Pace) most() int { return max(p.Burst, pair) }

// BudgetWindow is the span in which never more than its length times PerSecond calls
// are drawn, whatever Burst allows.
const BudgetWindow = 10 * time.Second

// Drawing asks the budget of a system for calls.
type Drawing struct {
	Pace
	Want int
	// Least: fewer than so many are no use, and none is granted then; 0 and 1: any is.
	Least int
	// Back are marks of calls that were drawn and not made.
	Back []int64
}

// Drawn is what the budget gave.
type Drawn struct {
	Granted int   // of Want
	Mark    int64 // of what was granted, for Drawing.Back
	// Wait is when it is worth to ask again; 0 where all was granted.
	Wait time.Duration
	// Paused: nobody draws for so long, because the system has asked for it.
	Paused time.Duration
}

// Budgets is a store that keeps the budgets of calls, on a clock that all its users
// share. A draw whose answer is lost may count twice: less is called then, never more.
// A budget is no memory: a store that is opened for reading only keeps it, too.
type Budgets interface {
	DrawCalls(ctx context.Context, system string, d Drawing) (Drawn, error)
	// PauseCalls has nobody draw for a while, because the system has asked for it.
	PauseCalls(ctx context.Context, system string, pause time.Duration) error
}

// BudgetsOf are the budgets of a store; false: it keeps none.
func BudgetsOf(s Store) (Budgets, bool) {
	b, ok := Unwrap(s).(Budgets)
	return b, ok
}

// slot is the grain in which the window forgets, in milliseconds. The window holds one
// slot more than it is long, so that a call that is sent a moment after it was drawn
// still counts where it arrives.
const slot = 250

// slots is the length of the window in slots.
const slots = int64(BudgetWindow/time.Millisecond)/slot + 1

// Bucket is the budget of one system as it is stored: tokens that come back with time,
// at most Burst of them, and what was drawn within the window. The script of the Redis
// store does the same.
type Bucket struct {
	At    int64         `json:"at"`    // when Level held, in Unix milliseconds
	Level float64       `json:"level"` // tokens
	Until int64         `json:"until"` // nobody draws before
	Drawn map[int64]int `json:"drawn"` // calls by slot
}

// Draw takes calls out of the bucket.
func (b *Bucket) Draw(d Drawing, now time.Time) Drawn {
	b.refill(d, now.UnixMilli())
	mark := b.At / slot
	if b.Until > b.At {
		left := time.Duration(b.Until-b.At) * time.Millisecond
		return Drawn{Mark: mark, Wait: left, Paused: left}
	}
	inWindow := 0
	for _, n := range b.Drawn {
		inWindow += n
	}
	room := max(int(d.PerSecond*BudgetWindow.Seconds()+1e-9), pair) - inWindow
	granted, least := min(d.Want, int(b.Level+1e-9), room), max(d.Least, 1)
	if granted < least {
		granted = 0
	}
	b.Level -= float64(granted)
	if granted > 0 {
		b.Drawn[mark] += granted
		room -= granted
	}
	out := Drawn{Granted: granted, Mark: mark}
	if granted < d.Want {
		out.Wait = b.wait(d.PerSecond, room, least)
	}
	return out
}

// refill brings the bucket to now and takes back what was not called.
func (b *Bucket) refill(d Drawing, now int64) {
	if b.At == 0 {
		b.At, b.Level = now, float64(d.most())
	}
	if back := b.At - now; back > 0 { // a clock was set back: nothing is given for that, and a pause lasts no longer
		b.Until -= back
	}
	b.Level += float64(max(now-b.At, 0)) / 1000 * d.PerSecond
	b.At = now
	if b.Drawn == nil {
		b.Drawn = map[int64]int{}
	}
	for _, mark := range d.Back {
		if b.Drawn[mark] > 0 {
			b.Drawn[mark]--
			b.Level++
		}
	}
	b.Level = min(b.Level, float64(d.most()))
	for s, n := range b.Drawn {
		if s > now/slot { // of a clock that was set back
			b.Drawn[now/slot] += n
		}
	}
	maps.DeleteFunc(b.Drawn, func(s int64, n int) bool { return s <= now/slot-slots || s > now/slot || n == 0 })
}

// wait is how long it takes until there may be so many more calls.
func (b *Bucket) wait(perSecond float64, room, least int) time.Duration {
	ms := int64(math.Ceil((float64(least) - b.Level) / perSecond * 1000))
	if room < least {
		ms = max(ms, (slices.Min(slices.Collect(maps.Keys(b.Drawn)))+slots)*slot-b.At)
	}
	return time.Duration(max(ms, 1)) * time.Millisecond
}

// Pause has nobody draw for a while; a longer pause that was asked for before holds.
func (b *Bucket) Pause(pause time.Duration, now time.Time) {
	ms := now.UnixMilli()
	if back := b.At - ms; back > 0 { // a clock was set back since the last draw
		b.At, b.Until = ms, b.Until-back
	}
	b.Until = max(b.Until, ms+pause.Milliseconds())
}
