package sync_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

func (r *rig) oldest() string {
	r.t.Helper()
	st, err := r.desk.Status(context.Background(), r.m, r.eng.EspoCRM.(desk.Counter))
	if err != nil {
		r.t.Fatal(err)
	}
	if st.OldestUnsynced == nil {
		return "none"
	}
	return st.OldestUnsynced.UTC().Format(time.TimeOnly)
}

func (r *rig) wantOldest(when, want string) {
	r.t.Helper()
	if got := r.oldest(); got != want {
		r.t.Errorf("%s: the oldest edit is of %s, want %s", when, got, want)
	}
}

// TestOldestEditStaysWhatItWas: what we note about a failure, a conflict or an
// outage moves EspoCRM's modifiedAt, not the time since when the edit waits.
func TestOldestEditStaysWhatItWas(t *testing.T) {
	edited := func(r *rig) (string, int64) {
		id, advo := r.linked()
		r.wantOldest("in step", "none")
		r.now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
		r.editEspo(id, map[string]any{"email": "neu@example.de"})
		r.espo.SetField(ct, id, "syncStatus", "dirty") // as the extension's formula does
		r.wantOldest("after the edit", "09:00:00")
		r.tick(time.Hour)
		return id, advo
	}
	t.Run("failures, an edit, a reset", func(t *testing.T) {
		r := newRig(t)
		id, _ := edited(r)
		r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Body: "Das Feld ist zu lang."})
		for n := range 6 {
			r.sync(id)
			r.wantOldest(fmt.Sprintf("after failure %d", n+1), "09:00:00")
			r.tick(time.Hour)
		}
		r.editEspo(id, map[string]any{"phone": "0511 9"})
		r.sync(id)
		r.wantOldest("after another edit", "09:00:00")
		r.outcome(r.reset(id), result.UpdatedEspocrm)
		r.wantOldest("after a reset", "09:00:00")
		if st, err := r.desk.StatusFromStore(context.Background(), r.m); err != nil || st.OldestUnsynced == nil || st.OldestUnsynced.Hour() != 9 {
			t.Errorf("of the store alone: %+v, %v", st, err)
		}
		r.advo.Faults().Clear("")
		r.tick(time.Hour)
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.wantOldest("synced", "none")
		r.editEspo(id, map[string]any{"phone": "0511 10"})
		r.espo.SetField(ct, id, "syncStatus", "dirty")
		if r.oldest() == "09:00:00" {
			t.Error("an edit made after the sync is shown with the time of one before")
		}
	})
	t.Run("an outage in the middle", func(t *testing.T) {
		r := newRig(t)
		id, _ := edited(r)
		r.advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = true })
		for n := range 3 {
			r.sync(id) // marks, and takes the mark away
			r.wantOldest(fmt.Sprintf("after outage %d", n+1), "09:00:00")
			r.tick(time.Hour)
		}
		r.advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
		r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.wantOldest("synced", "none")
	})
	t.Run("a parked conflict", func(t *testing.T) {
		r := newRig(t, policy(reconcile.Manual))
		id, advo := edited(r)
		r.editAdvo(advo, map[string]any{"emailGesch": "dort@example.de"})
		r.want(r.sync(id), result.Conflict, result.ConflictWaits)
		r.wantOldest("parked", "09:00:00")
		r.tick(time.Hour)
		r.decided(func() { r.resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
		r.wantOldest("decided", "none")
	})
	t.Run("set clean by hand", func(t *testing.T) {
		r := newRig(t)
		id, _ := edited(r)
		r.advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400})
		r.sync(id)
		r.espo.SetField(ct, id, "syncStatus", "clean")
		r.wantOldest("EspoCRM shows nothing that waits", "none")
		r.now = r.now.Add(time.Hour)
		other := r.person(nil)
		r.wantOldest("another one waits", r.clockOf(other))
	})
	t.Run("an edit in Advoware", func(t *testing.T) {
		r := newRig(t)
		id, advo := r.linked()
		r.tick(30 * 24 * time.Hour) // its modifiedAt is a month old
		r.now = time.Date(2026, 12, 24, 9, 0, 0, 0, time.UTC)
		r.editAdvo(advo, map[string]any{"emailGesch": "dort@example.de"})
		r.espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Status: 400})
		r.sync(id)
		r.wantOldest("seen now", "09:00:00")
		r.tick(time.Hour)
	})
}

// clockOf is the time of a record's modifiedAt.
func (r *rig) clockOf(id string) string {
	s, _ := r.espoField(id, "modifiedAt").(string)
	return s[len(s)-len(time.TimeOnly):]
}
