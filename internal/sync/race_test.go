package sync_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// TestEveryRace lets people edit right before every single effect of every
// operation, in the same second; nothing else goes wrong.
func TestEveryRace(t *testing.T) {
	races, counts := 0, map[string]int{}
	for _, op := range operations() {
		for _, who := range rig.Meddlings() {
			if !*rig.Everything && !strings.HasSuffix(who.Name, "same field") && !strings.HasSuffix(who.Name, "unmapped") {
				continue
			}
			t.Run(op.Name+"/"+who.Name, func(t *testing.T) {
				for n := 1; ; n++ {
					r, id := op.Prepared(t, rig.InMemory)
					at := ""
					r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
						if e.N == r.Before+n && at == "" {
							at = e.What
							who.Do(r, id)
						}
						return simulation.Passes
					}
					r.Sync(id)
					if at == "" {
						break
					}
					r.Proc.Plan = nil
					races++
					r.Tick(time.Second)
					r.UntilQuiet(id, op, fmt.Sprintf("edit before effect %d (%s)", n, at))
					for k, v := range r.Oracle.Counts() {
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
	if !*rig.Everything {
		t.Skip("takes minutes: go test -run TestEveryRaceAndCrash ./internal/sync -everything")
	}
	runs := 0
	for _, op := range operations() {
		for _, who := range rig.Meddlings() {
			t.Run(op.Name+"/"+who.Name, func(t *testing.T) {
				for n, more := 1, true; more; n++ {
					more = raceAndCrash(t, op, who, n, &runs)
				}
			})
		}
	}
	t.Logf("%d runs", runs)
}

func raceAndCrash(t *testing.T, op rig.Operation, who rig.Meddling, n int, runs *int) (more bool) {
	t.Helper()
	for cut := 1; ; cut++ {
		r, id := op.Prepared(t, rig.InMemory)
		r.KillAt(cut)
		kill, at := r.Proc.Plan, ""
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if e.N == r.Before+n && at == "" {
				at = e.What
				who.Do(r, id)
			}
			return kill(e)
		}
		r.Sync(id)
		if at == "" && !r.Proc.Dead() {
			return false // neither
		}
		if !r.Proc.Dead() {
			return true
		}
		if at == "" {
			continue // died before anybody edited
		}
		*runs++
		r.Tick(10 * time.Minute)
		r.Start()
		r.UntilQuiet(id, op, fmt.Sprintf("edit before effect %d (%s), then cut %d", n, at, cut))
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
		r, id := op.Prepared(t, rig.InMemory)
		var calls []string
		r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
			if e.N > r.Before && strings.Contains(e.What, " /") {
				calls = append(calls, e.What)
			}
			return simulation.Passes
		}
		r.Sync(id)
		for i, call := range calls {
			if !strings.HasPrefix(call, "PUT /relay") {
				continue
			}
			if puts++; i == 0 || !strings.HasPrefix(calls[i-1], "GET /relay") {
				t.Errorf("%s: before %s: %s", op.Name, call, calls[max(i-1, 0)])
			}
		}
		r.Close()
	}
	if puts < 5 {
		t.Errorf("%d PUTs", puts)
	}
}
