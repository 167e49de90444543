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
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// extended installs the formula of the extension.
func extended(r *rig.Rig) {
	r.Espo.SetFormula(sandbox.ExtensionFormula(rig.Type, "api-apikey", "", sandbox.BeteiligteFields()...))
}

// TestOriginIsFixedOnce (first week, 2): what a store may know of earlier POSTs is
// fixed when it first sees a record, and no failure of ours changes it.
func TestOriginIsFixedOnce(t *testing.T) {
	t.Run("the first record of a store that was born before", func(t *testing.T) {
		r := rig.New(t)
		r.Eng.Sync(context.Background(), sync.Request{Mapping: r.M, ID: "nobody"}) // EspoCRM has answered
		r.Eng.Born(context.Background())
		r.Tick(time.Minute)
		id := r.Person(map[string]any{"syncStatus": "dirty"})
		r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	})
	t.Run("edited today, never linked", func(t *testing.T) {
		r := rig.New(t, extended)
		id := r.Person(nil)
		r.Espo.SetField(rig.Type, id, "syncStatus", "dirty") // as the recorded formula left it
		r.Tick(24 * time.Hour)
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		if got := r.EspoField(id, "syncStatus"); got != "pending_sync" {
			t.Fatalf("status %v", got)
		}
		r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
		r.Quiet(id)
	})
	t.Run("refused, then corrected", func(t *testing.T) {
		for name, change := range map[string]func(r *rig.Rig, id string){
			"by an edit with the formula":    func(r *rig.Rig, id string) { extended(r); r.EditEspo(id, map[string]any{"phone": "0511 1"}) },
			"by an edit without the formula": func(r *rig.Rig, id string) { r.EditEspo(id, map[string]any{"phone": "0511 1"}) },
			"in Advoware's settings":         func(*rig.Rig, string) {},
			"and reset": func(r *rig.Rig, id string) {
				r.Desk.Reset(context.Background(), desk.ResetRequest{Mapping: r.M, ID: id})
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := rig.New(t)
				id := r.Person(nil) // older than the store
				r.Tick(time.Hour)
				r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Status: 400, Body: `{"message":"zu lang"}`})
				if res := r.Sync(id); res.Outcome != result.Failed || res.Error.Owner != "record" {
					t.Fatalf("%s %+v", res.Outcome, res.Error)
				}
				r.Tick(time.Hour)
				change(r, id)
				r.Start()
				r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
				r.Quiet(id)
			})
		}
	})
	t.Run("a run that dies between the mark and the POST", func(t *testing.T) {
		r := rig.New(t)
		id := r.Person(nil)
		r.Tick(time.Hour)
		r.Proc.Plan = rig.On("PUT", 1, func() simulation.Fate { return simulation.DiesAfter })
		r.Sync(id)
		r.Tick(time.Hour)
		r.Start()
		if got := r.EspoField(id, "syncStatus"); got != "syncing" {
			t.Fatalf("status %v: it did not die where it should", got)
		}
		r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
		r.Quiet(id)
	})
	t.Run("old stays old, whatever the formula says", func(t *testing.T) {
		r := rig.New(t, extended)
		id := r.Person(nil)
		r.Espo.SetField(rig.Type, id, "syncStatus", "failed") // of another store
		r.Tick(time.Hour)
		r.WantError(r.Sync(id), "uncertain_create")
		r.EditEspo(id, map[string]any{"phone": "0511 1"})
		r.Tick(time.Hour)
		r.WantError(r.Sync(id), "uncertain_create")
	})
	t.Run("without the mark no status says anything", func(t *testing.T) {
		r := rig.New(t, func(r *rig.Rig) { r.Cfg.MarkSyncing = false })
		id := r.Person(nil)
		r.Tick(time.Hour)
		r.WantError(r.Sync(id), "uncertain_create")
	})
}

// TestAllNew (first week, 2): an operator says once that nothing unlinked is in
// Advoware yet.
func TestAllNew(t *testing.T) {
	r := rig.New(t)
	var ids []string
	for range 3 {
		ids = append(ids, r.Person(map[string]any{"syncStatus": "failed"}))
	}
	r.Tick(time.Hour)
	res := r.Sync(ids[0])
	r.WantError(res, "uncertain_create")
	if !strings.Contains(res.Error.Hint, "--all-new") {
		t.Errorf("hint %q", res.Error.Hint)
	}
	r.Tick(time.Minute)
	r.Start()
	if err := r.Eng.SayAllNew(context.Background(), r.M); err != nil {
		t.Fatal(err)
	}
	r.Tick(time.Hour)
	r.Start()
	for _, id := range ids {
		r.Want(r.Sync(id), result.Create, result.CreatedAdvoware)
	}
	// It is no answer to a create that was interrupted.
	late := r.Person(nil)
	r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
	r.Sync(late)
	r.Tick(time.Hour)
	r.WantError(r.Sync(late), "uncertain_create")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 4 {
		t.Errorf("%d records in Advoware", n)
	}
}
