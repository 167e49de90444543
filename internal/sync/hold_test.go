package sync_test

import (
	"context"
	"strings"
	"testing"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
)

func (r *rig) hold(id, reason string) result.Record {
	return r.desk.Hold(context.Background(), desk.HoldRequest{Mapping: r.m, ID: id, Reason: reason, Release: reason == ""})
}

// TestOnHold: of a record on hold nothing is written by whatever is begun with it, and
// once it is released both edits are found.
func TestOnHold(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Policy = reconcile.Merge })
	id, advo := r.linked()
	r.want(r.sync(id), result.NoChange, result.Unchanged)
	r.outcome(r.hold(id, "Erbfall"), result.Adopted)
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "4711"})
	e, a := r.espo.Moves(ct), r.advo.Moves(sandbox.BeteiligtePath)
	for name, do := range map[string]func() result.Record{
		"sync":   func() result.Record { return r.sync(id) },
		"a pass": func() result.Record { return r.sync(id, func(q *sync.Request) { q.Pass = true }) },
		"delete": func() result.Record { return r.sync(id, func(q *sync.Request) { q.Action = sync.ActionDelete }) },
		"plan":   func() result.Record { return r.plan(id) },
		"reset":  func() result.Record { return r.reset(id, func(q *desk.ResetRequest) { q.Forget = true }) },
		"undo":   func() result.Record { return r.undo(id, "run-001") },
		"resolve": func() result.Record {
			return r.desk.Resolve(context.Background(), desk.ResolveRequest{Mapping: r.m, ID: id, Take: map[string]record.Side{"*": record.EspoCRM}})
		},
	} {
		res := do()
		if res.Outcome != result.Skipped || res.Reason.Code != sync.ReasonOnHold || strings.Contains(res.Reason.Text, "Erbfall") {
			t.Errorf("%s: %s, %+v", name, res.Outcome, res.Reason)
		}
	}
	if r.espo.Moves(ct) != e || r.advo.Moves(sandbox.BeteiligtePath) != a {
		t.Error("something was written")
	}
	if got := r.plan(id); len(got.Fields) != 2 {
		t.Errorf("what differs is not shown: %+v", got.Fields)
	}
	r.outcome(r.hold(id, ""), result.Adopted)
	if m := r.remembered(id); m.Hold != nil || m.Pending != sync.PendingReleased || m.Base == nil {
		t.Errorf("%+v", m)
	}
	r.outcome(r.sync(id), result.Merged)
	if m := r.remembered(id); m.Pending != "" {
		t.Errorf("it is still left over: %q", m.Pending)
	}
	r.outcome(r.hold(id, ""), result.Unchanged)
}
