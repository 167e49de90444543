package desk_test

import (
	"context"
	"strings"
	"testing"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/session"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
)

// TestOnHold: of a record on hold nothing is written by whatever is begun with it, and
// once it is released both edits are found.
func TestOnHold(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.Policy = reconcile.Merge })
	id, advo := r.Linked()
	r.Want(r.Sync(id), result.NoChange, result.Unchanged)
	r.Outcome(r.Hold(id, "Erbfall"), result.Unchanged)
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	r.EditAdvo(advo, map[string]any{"telGesch": "4711"})
	e, a := r.Espo.Moves(rig.Type), r.Advo.Moves(sandbox.BeteiligtePath)
	for name, do := range map[string]func() result.Record{
		"sync":   func() result.Record { return r.Sync(id) },
		"a pass": func() result.Record { return r.Sync(id, func(q *sync.Request) { q.Pass = true }) },
		"delete": func() result.Record { return r.Sync(id, func(q *sync.Request) { q.Action = sync.ActionDelete }) },
		"plan":   func() result.Record { return r.Plan(id) },
		"reset":  func() result.Record { return r.Reset(id, func(q *desk.ResetRequest) { q.Forget = true }) },
		"undo":   func() result.Record { return r.Undo(id, "run-001") },
		"resolve": func() result.Record {
			return r.Desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.M, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}})
		},
	} {
		res := do()
		if res.Outcome != result.Skipped || res.Reason.Code != sync.ReasonOnHold || strings.Contains(res.Reason.Text, "Erbfall") {
			t.Errorf("%s: %s, %+v", name, res.Outcome, res.Reason)
		}
	}
	if r.Espo.Moves(rig.Type) != e || r.Advo.Moves(sandbox.BeteiligtePath) != a {
		t.Error("something was written")
	}
	if got := r.Plan(id); len(got.Fields) != 2 {
		t.Errorf("what differs is not shown: %+v", got.Fields)
	}
	r.Outcome(r.Hold(id, ""), result.Unchanged)
	if m := r.Remembered(id); m.Hold != nil || m.Pending != session.PendingReleased || m.Base == nil {
		t.Errorf("%+v", m)
	}
	r.Outcome(r.Sync(id), result.Merged)
	if m := r.Remembered(id); m.Pending != "" {
		t.Errorf("it is still left over: %q", m.Pending)
	}
	r.Outcome(r.Hold(id, ""), result.Unchanged)
}
