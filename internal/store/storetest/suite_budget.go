package storetest

import (
	"testing"
	"time"

	"advosync/internal/store"
)

// testBudget looks at what does not depend on how much time passes in between.
func testBudget(t *testing.T, b Backend) {
	one, other := b.open(t), b.open(t)
	drawing := func(s store.Store, system string, d store.Drawing) store.Drawn {
		t.Helper()
		budgets, ok := store.BudgetsOf(s)
		if !ok {
			t.Fatal("it keeps no budgets")
		}
		got, err := budgets.DrawCalls(t.Context(), system, d)
		must(t, err)
		return got
	}
	draw := func(s store.Store, system string, pace store.Pace, want int, back ...int64) store.Drawn {
		t.Helper()
		return drawing(s, system, store.Drawing{Pace: pace, Want: want, Back: back})
	}

	if got := draw(one, "burst", store.Pace{PerSecond: 1, Burst: 3}, 2); got.Granted != 2 || got.Wait != 0 {
		t.Errorf("2 of a burst of 3: %+v", got)
	}
	if got := draw(store.ReadOnly(other), "burst", store.Pace{PerSecond: 1, Burst: 3}, 5); got.Granted < 1 || got.Granted > 2 || got.Wait <= 0 || got.Wait > time.Second {
		t.Errorf("5 of what is left: %+v", got)
	}
	if got := draw(one, "other", store.Pace{PerSecond: 1, Burst: 3}, 3); got.Granted != 3 {
		t.Errorf("another system has a budget of its own: %+v", got)
	}
	// More than the window holds is never drawn, whatever the burst.
	wide := store.Pace{PerSecond: 1, Burst: 100}
	if got := draw(one, "window", wide, 50); got.Granted != 10 || got.Wait < 5*time.Second || got.Wait > store.BudgetWindow+time.Second {
		t.Errorf("50 where 10 fit into the window: %+v", got)
	} else if more := draw(other, "window", wide, 2, got.Mark, got.Mark); more.Granted != 2 {
		t.Errorf("2 that were given back: %+v", more)
	} else if more := draw(other, "window", wide, 1, got.Mark-1000); more.Granted != 0 {
		t.Errorf("what was never drawn cannot be given back: %+v", more)
	}
	if got := drawing(one, "pair", store.Drawing{Pace: store.Pace{PerSecond: 1, Burst: 1}, Want: 1}); got.Granted != 1 {
		t.Errorf("1 of a pair: %+v", got)
	} else if got := drawing(other, "pair", store.Drawing{Pace: store.Pace{PerSecond: 1, Burst: 1}, Want: 5, Least: 2}); got.Granted != 0 || got.Wait <= 0 || got.Wait > time.Second {
		t.Errorf("2 or none, where only one is left: %+v", got)
	}
	testPausedBudget(t, one, other, draw)
}

func testPausedBudget(t *testing.T, one, other store.Store, draw func(store.Store, string, store.Pace, int, ...int64) store.Drawn) {
	t.Helper()
	budgets, _ := store.BudgetsOf(store.ReadOnly(other))
	pace := store.Pace{PerSecond: 100, Burst: 10}
	must(t, budgets.PauseCalls(t.Context(), "paused", time.Hour))
	must(t, budgets.PauseCalls(t.Context(), "paused", time.Minute))
	if got := draw(one, "paused", pace, 1); got.Granted != 0 || got.Paused < 59*time.Minute || got.Paused > time.Hour || got.Wait != got.Paused {
		t.Errorf("while it is paused for an hour: %+v", got)
	}
	if got := draw(one, "free", pace, 1); got.Granted != 1 || got.Paused != 0 {
		t.Errorf("a pause is of one system: %+v", got)
	}
}
