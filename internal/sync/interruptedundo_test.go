package sync_test

import (
	"strings"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// An undo dies after its value was typed into EspoCRM, and before Advoware has it.
func TestInterruptedUndo(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	r.Next()
	r.Sync(id)
	run := r.Cfg.Run
	r.Tick(10 * time.Minute)
	r.Next()
	r.Start()
	n := 0
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if strings.HasPrefix(e.What, "PUT /relay") {
			n++
			return simulation.DiesBefore
		}
		return simulation.Passes
	}
	t.Log(run, r.Undo(id, run))
	if n == 0 {
		t.Fatal("set-up")
	}
	r.Tick(10 * time.Minute)
	r.Start()
	for _, e := range r.History() {
		t.Log("before", e.Run, e.Command, e.Outcome, len(e.Writes))
	}
	r.Sync(id)
	for _, e := range r.History() {
		for _, w := range e.Writes {
			t.Log(e.Run, e.Command, e.Outcome, w.Side, w.Espocrm, w.State)
			if w.State == "not_done" && e.Outcome != "interrupted" {
				t.Errorf("the history says %s of a run that was interrupted", e.Outcome)
			}
		}
	}
}
