package batch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/desk"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/sync"
)

// givenUp makes a new record in EspoCRM that Advoware refuses until it is given up.
func (r *rig) givenUp() string {
	r.t.Helper()
	id, err := r.w.EspoCRM.Create(ct, "anna", map[string]any{"name": "Neumann-Kurz", "firstName": "Berta", "lastName": "Neumann-Kurz", "email": "b@example.de"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.w.Faults.Add(sandbox.Fault{Name: "refused", System: "advoware", Method: "POST", Path: "*/Beteiligte", Status: 400, Body: "abgelehnt"})
	for range 60 {
		r.pass(batch.Options{})
		time.Sleep(5 * time.Minute)
	}
	for range 10 {
		r.pass(batch.Options{})
		time.Sleep(time.Hour)
	}
	if r.field(id, "syncStatus") != "permanently_failed" || r.field(id, "advowareId") != nil {
		r.t.Fatalf("set-up: %v %v", r.field(id, "syncStatus"), r.field(id, "advowareId"))
	}
	r.w.Faults.Clear("refused")
	return id
}

func (r *rig) laterCreated(id string) {
	r.t.Helper()
	for range 5 {
		time.Sleep(26 * time.Hour) // recheck_after goes by
		r.pass(batch.Options{})
	}
	if r.field(id, "advowareId") == nil {
		r.t.Errorf("the edit is overlooked for ever: status %v", r.field(id, "syncStatus"))
	}
}

// A record that was given up is corrected; a pass finds that, and leaves it to the next one
// because of --limit.
func TestLeftOverGivenUpAndEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		id := r.givenUp()
		for _, p := range r.linked()[:2] { // marked by hand, their stamps are older
			r.w.EspoCRM.SetField(ct, p.espo, "syncStatus", "dirty")
		}
		r.editEspo(id, map[string]any{"email": "richtig@example.de"})
		time.Sleep(10 * time.Minute)
		rep := r.pass(batch.Options{Limit: 2})
		if rep.LeftOver != 1 {
			t.Fatalf("set-up: left over %d\n%s", rep.LeftOver, short(rep.Document))
		}
		r.laterCreated(id)
	})
}

func (r *rig) desk() *desk.Desk {
	ec, ac := r.clients(r.transport(), 0)
	r.process()
	return desk.New(sync.New(r.cfg.Engine, sync.Deps{EspoCRM: ec, Advoware: ac, Store: r.store, Leases: r.lm}))
}

// A record that was given up is put on hold, corrected while a pass looks, and released.
func TestReleasedGivenUpAndEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		id := r.givenUp()
		d := r.desk()
		if res := d.Hold(t.Context(), desk.HoldRequest{Mapping: r.m, ID: id, Reason: "ask Anna"}); res.Error != nil {
			t.Fatal(res.Error)
		}
		r.editEspo(id, map[string]any{"email": "richtig@example.de"})
		time.Sleep(10 * time.Minute)
		r.pass(batch.Options{})
		time.Sleep(time.Hour)
		res := d.Hold(t.Context(), desk.HoldRequest{Mapping: r.m, ID: id, Release: true})
		if res.Error != nil {
			t.Fatal(res.Error)
		}
		t.Log(res.Reason.Text)
		r.laterCreated(id)
	})
}

// A record that was given up is corrected, and the guard over creates holds it back.
func TestHeldBackGivenUpAndEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		id := r.givenUp()
		r.editEspo(id, map[string]any{"email": "richtig@example.de"})
		time.Sleep(10 * time.Minute)
		r.cfg.MaxCreates = 0
		rep, err := r.run(t.Context(), batch.Options{})
		guardOf(t, err)
		t.Log(short(rep.Document))
		r.cfg.MaxCreates = 50
		r.laterCreated(id)
	})
}

// Somebody types 0 as advowareId, which the engine takes for no link.
func TestNumberZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.w.EspoCRM.Seed(ct, map[string]any{"firstName": "Nulla", "lastName": "Zero", "advowareId": int64(0), "syncStatus": "clean"})
		p := r.linked()[1]
		r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
		time.Sleep(10 * time.Minute)
		rep, err := r.run(t.Context(), batch.Options{})
		if err != nil || r.advoField(p.advo, "emailGesch") != "neu@example.de" {
			t.Errorf("%v\n%s", err, short(rep.Document))
		}
	})
}

var _ = mapping.Both
var _ = result.Failed
