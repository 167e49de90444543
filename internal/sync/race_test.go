package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/test/simulation"
)

// TestEveryRace lets people edit right before every single effect of every
// operation, in the same second; nothing else goes wrong.
func TestEveryRace(t *testing.T) {
	races, counts := 0, map[string]int{}
	for _, op := range operations() {
		for _, who := range meddlings() {
			if !*everything && !strings.HasSuffix(who.name, "same field") && !strings.HasSuffix(who.name, "unmapped") {
				continue
			}
			t.Run(op.name+"/"+who.name, func(t *testing.T) {
				for n := 1; ; n++ {
					r, id := op.prepared(t, inMemory)
					at := ""
					r.proc.Plan = func(e simulation.Effect) simulation.Fate {
						if e.N == r.before+n && at == "" {
							at = e.What
							who.do(r, id)
						}
						return simulation.Passes
					}
					r.sync(id)
					if at == "" {
						break
					}
					r.proc.Plan = nil
					races++
					r.tick(time.Second)
					r.untilQuiet(id, op, fmt.Sprintf("edit before effect %d (%s)", n, at))
					for k, v := range r.o.Counts() {
						counts[k] += v
					}
					if t.Failed() {
						break
					}
				}
			})
		}
	}
	t.Logf("%d races, counts: %v", races, counts)
}

// TestEveryRaceAndCrash adds a death at every later cut.
func TestEveryRaceAndCrash(t *testing.T) {
	if !*everything {
		t.Skip("takes minutes: go test -run TestEveryRaceAndCrash ./internal/sync -everything")
	}
	runs := 0
	for _, op := range operations() {
		for _, who := range meddlings() {
			t.Run(op.name+"/"+who.name, func(t *testing.T) {
				for n, more := 1, true; more; n++ {
					more = raceAndCrash(t, op, who, n, &runs)
				}
			})
		}
	}
	t.Logf("%d runs", runs)
}

func raceAndCrash(t *testing.T, op operation, who meddling, n int, runs *int) (more bool) {
	t.Helper()
	for cut := 1; ; cut++ {
		r, id := op.prepared(t, inMemory)
		r.killAt(cut)
		kill, at := r.proc.Plan, ""
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if e.N == r.before+n && at == "" {
				at = e.What
				who.do(r, id)
			}
			return kill(e)
		}
		r.sync(id)
		if at == "" && !r.proc.Dead() {
			return false // neither
		}
		if !r.proc.Dead() {
			return true
		}
		if at == "" {
			continue // died before anybody edited
		}
		*runs++
		r.tick(10 * time.Minute)
		r.start()
		r.untilQuiet(id, op, fmt.Sprintf("edit before effect %d (%s), then cut %d", n, at, cut))
		if t.Failed() {
			return false
		}
	}
}

// TestOnlyTheAnnouncementLiesBetween the read of Advoware and the PUT that rests on it
// (docs/design/protocol.md, "One order of effects").
func TestOnlyTheAnnouncementLiesBetween(t *testing.T) {
	puts := 0
	for _, op := range operations() {
		r, id := op.prepared(t, inMemory)
		var calls []string
		r.proc.Plan = func(e simulation.Effect) simulation.Fate {
			if e.N > r.before && strings.Contains(e.What, " /") {
				calls = append(calls, e.What)
			}
			return simulation.Passes
		}
		r.sync(id)
		for i, call := range calls {
			if !strings.HasPrefix(call, "PUT /relay") {
				continue
			}
			if puts++; i == 0 || !strings.HasPrefix(calls[i-1], "GET /relay") {
				t.Errorf("%s: before %s: %s", op.name, call, calls[max(i-1, 0)])
			}
		}
		r.close()
	}
	if puts < 5 {
		t.Errorf("%d PUTs", puts)
	}
}
