package cmd

import (
	"log/slog"
	"testing"
	"time"

	"advosync/internal/config"
	"advosync/internal/fault"
	"advosync/internal/store/memory"
)

// A rate for some hours only: at other times a pause that another process was asked for
// (Retry-After) holds as well.
func TestPauseHoldsWithoutARate(t *testing.T) {
	now := time.Now()
	since := time.Duration(now.Hour()) * time.Hour
	rate := config.RateSettings{Burst: 10, Hours: []config.HourRate{{From: (since + 6*time.Hour) % (24 * time.Hour), To: (since + 7*time.Hour) % (24 * time.Hour), PerSecond: 5}}}
	st := memory.New(nil)
	one := newBucket(fault.Advoware, rate, st, slog.Default())
	other := newBucket(fault.Advoware, rate, st, slog.Default())
	one.Pause(t.Context(), time.Minute)
	if got := other.Draw(t.Context(), 1, 1, nil); got.Granted != 0 || got.Paused < 50*time.Second {
		t.Errorf("another process was asked for a pause of a minute: %+v", got)
	}
}
