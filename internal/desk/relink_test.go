package desk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

func TestEveryOtherNumberInARepair(t *testing.T) {
	seen, runs := map[string]bool{}, 0
	for _, op := range repairOperations() {
		for n := 1; ; n++ {
			r, id := op.Prepared(t, rig.InMemory)
			other := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Dora","name":"Fremd","emailGesch":"dora@fremd.de","telGesch":"030 1","geburtsdatum":"1950-01-01"}`))
			was, _ := r.Advo.Get(sandbox.BeteiligtePath, other)
			r.Before = len(r.Proc.Effects())
			at := ""
			r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
				if e.N == r.Before+n && at == "" {
					at = e.What
					r.EditEspo(id, map[string]any{"advowareId": other})
				}
				return simulation.Passes
			}
			op.do(r, id)
			if at == "" {
				r.Close()
				break
			}
			runs++
			r.Proc.Plan = nil
			for range 3 {
				r.Tick(5 * time.Minute)
				r.Sync(id)
			}
			now, _ := r.Advo.Get(sandbox.BeteiligtePath, other)
			bad := ""
			if string(now) != string(was) {
				bad = "CHANGED " + string(now)
			}
			o, _ := r.Espo.Get(rig.Type, id)
			if s := fmt.Sprint(o) + r.Notes(); strings.Contains(s, "fremd.de") || strings.Contains(s, "030 1") {
				bad += " REACHED"
			}
			if bad != "" && !seen[op.Name+at] {
				seen[op.Name+at] = true
				t.Errorf("%s: before effect %d %s: %s", op.Name, n, at, bad)
			}
			r.Close()
		}
	}
}

func TestADryUndoOfAWrongNumber(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id := r.Person(nil)
	r.Dies(id, "GET /relay", 1, simulation.DiesBefore, func() {
		r.EditAdvo(1, map[string]any{"name": "Berg", "geburtsdatum": "1950-01-01"})
		r.Oracle.Loose(1)
	})
	r.WantError(r.Undo(id, "run-001", func(q *desk.UndoRequest) { q.DryRun = true }), "uncertain_create")
}
