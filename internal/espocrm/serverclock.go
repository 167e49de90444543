package espocrm

import (
	"net/http"
	"sync"
	"time"
)

// serverClock keeps the newest Date that the server has answered with since its clock was
// set back last. All comparisons with modifiedAt use server stamps, never our clock.
type serverClock struct {
	mu   sync.Mutex
	date time.Time
	here time.Time // our clock when that answer came
}

// setBack is by how much the server's clock goes back when somebody sets it.
const setBack = 2 * time.Minute

func (s *serverClock) note(h http.Header, here time.Time) {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.After(s.date) || s.date.Sub(t) > setBack { // answers that overtake each other differ by less
		s.date, s.here = t.UTC(), here
	}
}

// ServerTime is the newest Date that the server has answered with, zero before
// the first answer.
func (c *Client) ServerTime() time.Time {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	return c.clock.date
}

// Skew is how far the server's clock is ahead of ours, to about a second; false
// before the first answer.
func (c *Client) Skew() (time.Duration, bool) {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	if c.clock.date.IsZero() {
		return 0, false
	}
	return c.clock.date.Sub(c.clock.here.Truncate(time.Second)), true
}
