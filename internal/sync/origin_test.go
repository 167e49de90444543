package sync_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

// extended installs the formula of the extension.
func extended(r *rig) {
	r.espo.SetFormula(sandbox.ExtensionFormula(ct, "api-apikey", "", sandbox.BeteiligteFields()...))
}

// TestOriginIsFixedOnce (first week, 2): what a store may know of earlier POSTs is
// fixed when it first sees a record, and no failure of ours changes it.
func TestOriginIsFixedOnce(t *testing.T) {
	t.Run("the first record of a store that was born before", func(t *testing.T) {
		r := newRig(t)
		r.eng.Sync(context.Background(), sync.Request{Mapping: r.m, ID: "nobody"}) // EspoCRM has answered
		r.eng.Born(context.Background())
		r.tick(time.Minute)
		id := r.person(map[string]any{"syncStatus": "dirty"})
		r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	})
	t.Run("edited today, never linked", func(t *testing.T) {
		r := newRig(t, extended)
		id := r.person(nil)
		r.espo.SetField(ct, id, "syncStatus", "dirty") // as the recorded formula left it
		r.tick(24 * time.Hour)
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		if got := r.espoField(id, "syncStatus"); got != "pending_sync" {
			t.Fatalf("status %v", got)
		}
		r.want(r.sync(id), result.Create, result.CreatedAdvoware)
		r.quiet(id)
	})
	t.Run("refused, then corrected", func(t *testing.T) {
		for name, change := range map[string]func(r *rig, id string){
			"by an edit with the formula":    func(r *rig, id string) { extended(r); r.editEspo(id, map[string]any{"phone": "0511 1"}) },
			"by an edit without the formula": func(r *rig, id string) { r.editEspo(id, map[string]any{"phone": "0511 1"}) },
			"in Advoware's settings":         func(*rig, string) {},
			"and reset": func(r *rig, id string) {
				r.desk.Reset(context.Background(), desk.ResetRequest{Mapping: r.m, ID: id})
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t)
				id := r.person(nil) // older than the store
				r.tick(time.Hour)
				r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Status: 400, Body: `{"message":"zu lang"}`})
				if res := r.sync(id); res.Outcome != result.Failed || res.Error.Owner != "record" {
					t.Fatalf("%s %+v", res.Outcome, res.Error)
				}
				r.tick(time.Hour)
				change(r, id)
				r.start()
				r.want(r.sync(id), result.Create, result.CreatedAdvoware)
				r.quiet(id)
			})
		}
	})
	t.Run("a run that dies between the mark and the POST", func(t *testing.T) {
		r := newRig(t)
		id := r.person(nil)
		r.tick(time.Hour)
		r.proc.Plan = on("PUT", 1, func() simulation.Fate { return simulation.DiesAfter })
		r.sync(id)
		r.tick(time.Hour)
		r.start()
		if got := r.espoField(id, "syncStatus"); got != "syncing" {
			t.Fatalf("status %v: it did not die where it should", got)
		}
		r.want(r.sync(id), result.Create, result.CreatedAdvoware)
		r.quiet(id)
	})
	t.Run("old stays old, whatever the formula says", func(t *testing.T) {
		r := newRig(t, extended)
		id := r.person(nil)
		r.espo.SetField(ct, id, "syncStatus", "failed") // of another store
		r.tick(time.Hour)
		r.wantError(r.sync(id), "uncertain_create")
		r.editEspo(id, map[string]any{"phone": "0511 1"})
		r.tick(time.Hour)
		r.wantError(r.sync(id), "uncertain_create")
	})
	t.Run("without the mark no status says anything", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.cfg.MarkSyncing = false })
		id := r.person(nil)
		r.tick(time.Hour)
		r.wantError(r.sync(id), "uncertain_create")
	})
}

// TestAllNew (first week, 2): an operator says once that nothing unlinked is in
// Advoware yet.
func TestAllNew(t *testing.T) {
	r := newRig(t)
	var ids []string
	for range 3 {
		ids = append(ids, r.person(map[string]any{"syncStatus": "failed"}))
	}
	r.tick(time.Hour)
	res := r.sync(ids[0])
	r.wantError(res, "uncertain_create")
	if !strings.Contains(res.Error.Hint, "--all-new") {
		t.Errorf("hint %q", res.Error.Hint)
	}
	r.tick(time.Minute)
	r.start()
	if err := r.eng.SayAllNew(context.Background(), r.m); err != nil {
		t.Fatal(err)
	}
	r.tick(time.Hour)
	r.start()
	for _, id := range ids {
		r.want(r.sync(id), result.Create, result.CreatedAdvoware)
	}
	// It is no answer to a create that was interrupted.
	late := r.person(nil)
	r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
	r.sync(late)
	r.tick(time.Hour)
	r.wantError(r.sync(late), "uncertain_create")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 4 {
		t.Errorf("%d records in Advoware", n)
	}
}
