package redis_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"advosync/internal/store"
	"advosync/internal/store/redis"
)

// budget is one on a server whose clock the test sets, and a way to draw from it at a time.
func budget(t *testing.T, d store.Drawing) (*miniredis.Miniredis, store.Budgets, func(time.Time) store.Drawn) {
	t.Helper()
	m := miniredis.RunT(t)
	s, ok := store.BudgetsOf(open(t, "redis://"+m.Addr(), redis.Options{}))
	if !ok {
		t.Fatal("it keeps no budgets")
	}
	return m, s, func(at time.Time) store.Drawn {
		t.Helper()
		m.SetTime(at)
		got, err := s.DrawCalls(t.Context(), "Advoware", d)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
}

// TestBudgetAfterTheServersClockWasSetBack: as store.Bucket has it.
func TestBudgetAfterTheServersClockWasSetBack(t *testing.T) {
	_, s, draw := budget(t, store.Drawing{Pace: store.Pace{PerSecond: 1, Burst: 2}, Want: 2})
	now := time.Unix(1_700_000_000, 0)
	if got := draw(now); got.Granted != 2 {
		t.Errorf("at first: %+v", got)
	}
	if err := s.PauseCalls(t.Context(), "Advoware", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := draw(now.Add(-time.Hour)); got.Granted != 0 || got.Paused != 10*time.Second {
		t.Errorf("paused, an hour back: %+v", got)
	}
	if got := draw(now.Add(-time.Hour + 11*time.Second)); got.Granted != 2 {
		t.Errorf("when the pause is over: %+v", got)
	}
}

// TestPauseAfterTheServersClockWasSetBack: between a draw and the 429 that answers the call.
func TestPauseAfterTheServersClockWasSetBack(t *testing.T) {
	m, s, draw := budget(t, store.Drawing{Pace: store.Pace{PerSecond: 1, Burst: 4}, Want: 1})
	now := time.Unix(1_700_000_000, 0)
	draw(now)
	back := now.Add(-time.Hour)
	m.SetTime(back)
	if err := s.PauseCalls(t.Context(), "Advoware", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := draw(back.Add(time.Second)); got.Granted != 0 || got.Paused != 9*time.Second {
		t.Errorf("in the pause: %+v", got)
	}
	if got := draw(back.Add(11 * time.Second)); got.Granted != 1 {
		t.Errorf("when the pause is over: %+v", got)
	}
}
