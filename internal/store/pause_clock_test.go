package store_test

import (
	"testing"
	"time"

	"advosync/internal/store"
)

// The host's clock is set back between a draw and the 429 that answers the call.
func TestPauseAfterTheClockWasSetBack(t *testing.T) {
	var b store.Bucket
	now := time.Unix(1_000_000, 0)
	d := store.Drawing{Pace: store.Pace{PerSecond: 5, Burst: 10}, Want: 1}
	b.Draw(d, now)
	now = now.Add(-time.Minute)
	b.Pause(30*time.Second, now)
	if got := b.Draw(d, now.Add(time.Second)); got.Paused < 28*time.Second {
		t.Errorf("29 s of a pause of 30 s are left: %+v", got)
	}
}
