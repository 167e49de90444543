package alert

import "time"

// Quiet is a time of the day in which nothing is told; the pass after it tells what
// has not been told. The zero value never holds.
type Quiet struct{ From, To time.Duration } // since midnight; To before From: over midnight

// Holds reports whether t, in its own zone, is quiet.
func (q Quiet) Holds(t time.Time) bool {
	if q.From == q.To {
		return false
	}
	now := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	if q.From < q.To {
		return now >= q.From && now < q.To
	}
	return now >= q.From || now < q.To
}
