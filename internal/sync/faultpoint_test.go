package sync_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"advosync/internal/result"
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

// everything makes the crash and fault tests go through all combinations.
var everything = flag.Bool("everything", false, "crash and fault tests: all combinations (minutes)")

// fates are what can befall an effect while the process lives on.
func fates(e simulation.Effect) map[string]simulation.Fate {
	if !e.HTTP {
		return map[string]simulation.Fate{"store fails": simulation.BreaksBefore, "store fails, but stored": simulation.BreaksAfter}
	}
	out := map[string]simulation.Fate{
		"not sent": simulation.BreaksBefore, "answer lost": simulation.BreaksAfter, "429": simulation.Answers429,
		"500": simulation.Answers500, "500, but done": simulation.Answers500After, "503": simulation.Answers503,
	}
	if e.Write && !e.SignIn {
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
		for _, who := range meddlings() {
			if !*everything && who.name != "nobody" {
				continue
			}
			t.Run(op.name+"/"+who.name, func(t *testing.T) {
				r, id := op.prepared(t, inMemory)
				r.sync(id)
				for _, e := range r.proc.Effects()[r.before:] {
					for name, fate := range fates(e) {
						for i, stays := range []bool{false, true} {
							if !*everyStore && !*everything && (e.N+len(name)+i)%2 == 0 {
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

func faultAt(t *testing.T, op operation, who meddling, e simulation.Effect, name string, fate simulation.Fate, stays bool) {
	t.Helper()
	r, id := op.prepared(t, inMemory)
	over := false
	r.proc.Plan = func(now simulation.Effect) simulation.Fate {
		if over || now.N < e.N || now.N > e.N && (!stays || now.HTTP != e.HTTP) {
			return simulation.Passes
		}
		return fate
	}
	what := fmt.Sprintf("%s at effect %d (%s), stays %v", name, e.N, e.What, stays)
	status, retries := r.espoField(id, "syncStatus"), r.espoField(id, "syncRetryCount")
	res := r.sync(id)
	over = true
	if res.Error != nil && res.Error.Owner == "system" {
		if got := r.espoField(id, "syncRetryCount"); fmt.Sprint(got) != fmt.Sprint(retries) && got != int64(0) {
			t.Errorf("%s: a system's failure cost an attempt: %v, was %v", what, got, retries)
		}
		if got := r.espoField(id, "syncStatus"); got == "failed" && status != "failed" {
			t.Errorf("%s: a system's failure made the record failed", what)
		}
	}
	r.tick(time.Second)
	pass := r.sync(id, func(q *sync.Request) { q.Pass = true }) // before the deadline of what was in doubt
	if pass.Outcome == result.Failed && pass.Error.Owner == "system" {
		t.Errorf("%s: a pass right after it failed: %+v", what, pass.Error)
	}
	r.tick(10 * time.Minute)
	who.do(r, id)
	r.tick(time.Second)
	r.untilQuiet(id, op, what+" then pass: "+string(pass.Outcome))
}
