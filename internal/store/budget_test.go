package store_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"advosync/internal/store"
)

// TestBudgetHolds: whatever is asked for, in no ten seconds more is drawn than ten
// times what a second may have; and who always asks gets nearly all of it.
func TestBudgetHolds(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		pace := store.Pace{PerSecond: []float64{0.3, 1, 5, 20}[r.IntN(4)], Burst: []int{1, 10, 100}[r.IntN(3)]}
		greedy := r.IntN(2) == 0
		var b store.Bucket
		start := time.Unix(1_000_000, 0)
		now := start
		var at []time.Time
		for now.Sub(start) < 2*time.Minute {
			got := b.Draw(store.Drawing{Pace: pace, Want: 1 + r.IntN(4)}, now)
			for range got.Granted {
				at = append(at, now)
			}
			switch {
			case greedy:
				now = now.Add(max(got.Wait, time.Millisecond))
			case r.IntN(5) == 0:
				now = now.Add(time.Duration(r.IntN(20_000)) * time.Millisecond)
			default:
				now = now.Add(time.Duration(r.IntN(300)) * time.Millisecond)
			}
		}
		most := max(int(10*pace.PerSecond), 1)
		for i := range at {
			n := slices.IndexFunc(at[i:], func(o time.Time) bool { return o.Sub(at[i]) >= store.BudgetWindow })
			if n < 0 {
				n = len(at) - i
			}
			if n > most {
				t.Fatalf("seed %d, %+v: %d calls in ten seconds from %s", seed, pace, n, at[i].Sub(start))
			}
		}
		if least := int(0.9 * 120 * pace.PerSecond); greedy && len(at) < least {
			t.Errorf("seed %d, %+v: only %d calls in two minutes, want at least %d", seed, pace, len(at), least)
		}
	}
}

// TestBudgetAfterTheClockWasSetBack: nothing is given for time that did not pass.
func TestBudgetAfterTheClockWasSetBack(t *testing.T) {
	var b store.Bucket
	now := time.Unix(1_000_000, 0)
	pace := store.Pace{PerSecond: 1, Burst: 2}
	b.Draw(store.Drawing{Pace: pace, Want: 2}, now)
	if got := b.Draw(store.Drawing{Pace: pace, Want: 1}, now.Add(-time.Hour)); got.Granted != 0 || got.Wait > time.Second {
		t.Errorf("an hour back: %+v", got)
	}
	if got := b.Draw(store.Drawing{Pace: pace, Want: 1}, now.Add(time.Second-time.Hour)); got.Granted != 1 {
		t.Errorf("a second later: %+v", got)
	}
	if got := b.Draw(store.Drawing{Pace: pace, Want: 20}, now.Add(time.Minute)); got.Granted != 2 {
		t.Errorf("when the clock was put right: %+v", got)
	}
	b.Pause(10*time.Second, now.Add(time.Minute))
	if got := b.Draw(store.Drawing{Pace: pace, Want: 1}, now.Add(-time.Hour)); got.Granted != 0 || got.Paused != 10*time.Second {
		t.Errorf("paused, an hour back: %+v", got)
	}
	if got := b.Draw(store.Drawing{Pace: pace, Want: 1}, now.Add(-time.Hour+11*time.Second)); got.Granted != 1 {
		t.Errorf("when the pause is over: %+v", got)
	}
}
