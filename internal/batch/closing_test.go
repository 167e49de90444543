package batch

import (
	"testing"
	"time"

	"advosync/internal/record"
	"advosync/internal/result"
)

// TestPlaceMovesWithTheWatermark: both stay where they are as long as something has not ended that nobody knows by its
// id; and a pass that has not read the log leaves no place behind its watermark.
func TestPlaceMovesWithTheWatermark(t *testing.T) {
	before := EntityState{Watermark: "2026-03-02 06:00:00", Log: record.Place{Number: 3, Mark: "a:b"}}
	read := record.Place{Number: 9, Mark: "a:c"}
	for name, tc := range map[string]struct {
		change func(c *closing)
		moves  bool
	}{
		"all has ended":                          {func(*closing) {}, true},
		"some wait":                              {func(c *closing) { c.Outcome.Waiting = 1 }, false},
		"some wait, at a bound":                  {func(c *closing) { c.Outcome.Waiting, c.Bounded = 1, true }, true},
		"some wait and are not known, at one":    {func(c *closing) { c.Outcome.Waiting, c.Outcome.Left, c.Bounded = 1, true, true }, false},
		"something has not ended":                {func(c *closing) { c.Outcome.Left = true }, false},
		"more was found than a pass holds":       {func(c *closing) { c.Over = true }, false},
		"the log was not read":                   {func(c *closing) { c.Log = record.Place{} }, true},
		"the log was only asked where it stands": {func(c *closing) { c.LogNew = true }, true},
	} {
		c := closing{Prior: before, Began: time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC), Log: read}
		tc.change(&c)
		next, _ := c.next(c.Began, result.Summary{}, nil, false)
		want := before
		if tc.moves {
			want = EntityState{Watermark: "2026-03-02 07:00:00", Log: c.Log, LogNew: c.LogNew}
		}
		if next.Watermark != want.Watermark || next.Log != want.Log || next.LogNew != want.LogNew {
			t.Errorf("%s: %s, %+v, %v", name, next.Watermark, next.Log, next.LogNew)
		}
	}
}
