package console

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// activityAfter is how long a command may take without a word.
	activityAfter = time.Second
	// activityEvery is how often the line is drawn anew.
	activityEvery = 200 * time.Millisecond
	eraseLine     = "\r\x1b[K"
)

// Activity is the line on stderr that a command shows which takes longer than a
// second: what it does, how far it is, how long it has taken, how long it will take,
// and what it waits for. Nothing of it stays. A nil Activity shows nothing, so callers
// need not ask.
type Activity struct {
	file   io.Writer
	stream *stream // gives way to the line; nil in tests
	facts  Facts
	began  time.Time

	mu          sync.Mutex
	what, waits string
	until       time.Time // until when it waits
	done, total int
	shown       bool // a line stands there
	paused      int
	ended       chan struct{}
}

// NewActivity begins to count the time; nil off a terminal. What is written to c.Err
// meanwhile appears above the line.
func (c *Console) NewActivity(what string) *Activity {
	if !c.ErrFacts.Terminal || c.ErrFacts.Dumb {
		return nil
	}
	a := &Activity{file: c.Err, facts: c.ErrFacts, began: time.Now(), what: what, ended: make(chan struct{})}
	if s, ok := c.Err.(*stream); ok {
		a.stream, a.file = s, s.file
		s.redirect(a)
	}
	go a.run()
	return a
}

func (a *Activity) run() {
	timer := time.NewTimer(activityAfter)
	defer timer.Stop()
	for {
		select {
		case <-a.ended:
			return
		case <-timer.C:
			a.draw()
			timer.Reset(activityEvery)
		}
	}
}

func (a *Activity) draw() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.ended:
		return
	default:
	}
	if a.paused > 0 {
		return
	}
	_, _ = io.WriteString(a.file, eraseLine+a.line(time.Now()))
	a.shown = true
}

// line is what is said now, in one line.
func (a *Activity) line(now time.Time) string {
	gone := now.Sub(a.began)
	parts := []string{a.what}
	switch {
	case a.total > 0:
		parts[0] += fmt.Sprintf(" %d of %d", a.done, a.total)
	case a.done > 0:
		parts[0] += fmt.Sprintf(" %d", a.done)
	}
	clock := clockOf(gone)
	if a.done > 0 && a.done < a.total {
		clock += ", " + clockOf(gone*time.Duration(a.total-a.done)/time.Duration(a.done)) + " left"
	}
	parts = append(parts, clock)
	if left := a.until.Sub(now); left > 0 {
		parts = append(parts, fmt.Sprintf("waits %d s for %s", int(left.Seconds()+0.999), a.waits))
	}
	more := "..."
	if a.facts.UTF8 {
		more = "…"
	}
	return cut(strings.Join(parts, "  "), a.facts.Width-1, more)
}

// erase takes the line away; with the lock held.
func (a *Activity) erase() {
	if a.shown {
		_, _ = io.WriteString(a.file, eraseLine)
		a.shown = false
	}
}

// Write is what appears above the line.
func (a *Activity) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.erase()
	return a.file.Write(b)
}

// Doing says what is done now, from 0 on.
func (a *Activity) Doing(what string, total int) {
	a.change(func() { a.what, a.done, a.total = what, 0, total })
}

// Total says how many there will be.
func (a *Activity) Total(n int) { a.change(func() { a.total = n }) }

// Step counts one as done.
func (a *Activity) Step() { a.change(func() { a.done++ }) }

// Waits says for what the command waits, and how long at most.
func (a *Activity) Waits(what string, d time.Duration) {
	a.change(func() { a.waits, a.until = what, time.Now().Add(d) })
}

// Pause takes the line away while somebody is asked; the returned function lets it
// come back.
func (a *Activity) Pause() (resume func()) {
	a.change(func() { a.paused++; a.erase() })
	return func() { a.change(func() { a.paused-- }) }
}

func (a *Activity) change(f func()) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// Done takes the line away for good.
func (a *Activity) Done() {
	if a == nil {
		return
	}
	if a.stream != nil {
		a.stream.redirect(nil)
	}
	a.change(func() {
		select {
		case <-a.ended:
		default:
			a.erase()
			close(a.ended)
		}
	})
}

// WithActivity is the same console, which gives way to a line of activity: it ends
// with the first word on stdout, and makes room for questions.
func (c *Console) WithActivity(a *Activity) *Console {
	out := *c
	out.activity, out.Out = a, &lastWord{c.Out, a}
	return &out
}

// lastWord is stdout, whose first word ends the line.
type lastWord struct {
	io.Writer
	activity *Activity
}

func (l *lastWord) Write(b []byte) (int, error) {
	l.activity.Done()
	return l.Writer.Write(b)
}
