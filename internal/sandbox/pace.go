package sandbox

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Pace is how long a system takes for a request when nothing is wrong. inFlight counts this request and those that it
// works on already, so that a system can get slower under load. It is slept away, so a bubble's clock serves it too.
type Pace func(r *http.Request, inFlight int) time.Duration

// RecordedPace is the speed that EspoCRM was measured at on two cores with eight workers (design, 3-espocrm): 19 ms a
// read, 30 ms a write alone, about 120 reads or 72 writes a second at eight together.
func RecordedPace(r *http.Request, inFlight int) time.Duration {
	alone, together := 19*time.Millisecond, time.Second/120
	if r.Method != http.MethodGet {
		alone, together = 30*time.Millisecond, time.Second/72
	}
	return max(alone, time.Duration(inFlight)*together)
}

// pacer counts what is in flight.
type pacer struct {
	pace     Pace
	inFlight atomic.Int64
}

func (p *pacer) begin(r *http.Request) time.Duration {
	n := p.inFlight.Add(1)
	if p.pace == nil {
		return 0
	}
	return p.pace(r, int(n))
}

func (p *pacer) end() { p.inFlight.Add(-1) }
