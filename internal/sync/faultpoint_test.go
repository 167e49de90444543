package sync_test

import (
	"fmt"
	"testing"
	"time"

	"advosync/internal/result"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// fates are what can befall an effect while the process lives on.
func fates(e simulation.Effect) map[string]simulation.Fate {
	if !e.HTTP {
		return map[string]simulation.Fate{"store fails": simulation.BreaksBefore, "store fails, but stored": simulation.BreaksAfter}
	}
	out := map[string]simulation.Fate{
		"not sent": simulation.BreaksBefore, "answer lost": simulation.BreaksAfter, "429": simulation.Answers429,
		"500": simulation.Answers500, "500, but done": simulation.Answers500After, "503": simulation.Answers503,
	}
	if !e.SignIn {
		out["400"] = simulation.Answers400
	}
	return out
}

// TestEveryFaultPoint lets every single effect of every operation fail in every
// way, once or for the rest of that sync (in the short form one of the two), while the
// process lives on; people edit before it tries again.
func TestEveryFaultPoint(t *testing.T) {
	points := 0
	for _, op := range operations() {
		for _, who := range rig.Meddlings() {
			if !*rig.Everything && who.Name != "nobody" {
				continue
			}
			t.Run(op.Name+"/"+who.Name, func(t *testing.T) {
				r, id := op.Prepared(t, rig.InMemory)
				r.Sync(id)
				for _, e := range r.Proc.Effects()[r.Before:] {
					for name, fate := range fates(e) {
						for i, stays := range []bool{false, true} {
							if !*rig.EveryStore && !*rig.Everything && (e.N+len(name)+i)%2 == 0 {
								continue // one of the two
							}
							faultAt(t, op, who, e, name, fate, stays)
							points++
							if t.Failed() {
								return
							}
						}
					}
				}
			})
		}
	}
	t.Logf("%d fault points", points)
}

func faultAt(t *testing.T, op rig.Operation, who rig.Meddling, e simulation.Effect, name string, fate simulation.Fate, stays bool) {
	t.Helper()
	r, id := op.Prepared(t, rig.InMemory)
	over := false
	r.Proc.Plan = func(now simulation.Effect) simulation.Fate {
		if over || now.N < e.N || now.N > e.N && (!stays || now.HTTP != e.HTTP) {
			return simulation.Passes
		}
		return fate
	}
	what := fmt.Sprintf("%s at effect %d (%s), stays %v", name, e.N, e.What, stays)
	status, retries := r.EspoField(id, "syncStatus"), r.EspoField(id, "syncRetryCount")
	res := r.Sync(id)
	over = true
	if res.Error != nil && res.Error.Owner == "system" {
		if got := r.EspoField(id, "syncRetryCount"); fmt.Sprint(got) != fmt.Sprint(retries) && got != int64(0) {
			t.Errorf("%s: a system's failure cost an attempt: %v, was %v", what, got, retries)
		}
		if got := r.EspoField(id, "syncStatus"); got == "failed" && status != "failed" {
			t.Errorf("%s: a system's failure made the record failed", what)
		}
	}
	r.Tick(time.Second)
	pass := r.Sync(id, func(q *sync.Request) { q.Pass = true }) // before the deadline of what was in doubt
	if pass.Outcome == result.Failed && pass.Error.Owner == "system" {
		t.Errorf("%s: a pass right after it failed: %+v", what, pass.Error)
	}
	r.Tick(10 * time.Minute)
	who.Do(r, id)
	r.Tick(time.Second)
	r.UntilQuiet(id, op, what+" then pass: "+string(pass.Outcome))
}
