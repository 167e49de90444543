package batch

import (
	"testing"
	"time"
)

// TestOver (first week, 11): what a clock that was ahead has stamped is waited for
// by nobody.
func TestOver(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		began time.Duration
		want  bool
	}{{-time.Hour, true}, {-15 * time.Minute, true}, {-14 * time.Minute, false}, {0, false}, {30 * time.Second, false}, {2 * time.Hour, true}, {365 * 24 * time.Hour, true}} {
		if got := over(now.Add(row.began), 15*time.Minute, now); got != row.want {
			t.Errorf("began %s from now: over is %v", row.began, got)
		}
	}
}
