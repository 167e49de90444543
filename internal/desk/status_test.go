package desk_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// TestOldestEditStaysWhatItWas: what we note about a failure, a conflict or an
// outage moves EspoCRM's modifiedAt, not the time since when the edit waits.
func TestOldestEditStaysWhatItWas(t *testing.T) {
	edited := func(r *rig.Rig) (string, int64) {
		id, advo := r.Linked()
		r.WantOldest("in step", "none")
		r.Time = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
		r.EditEspo(id, map[string]any{"email": "neu@example.de"})
		r.Espo.SetField(rig.Type, id, "syncStatus", "dirty") // as the extension's formula does
		r.WantOldest("after the edit", "09:00:00")
		r.Tick(time.Hour)
		return id, advo
	}
	t.Run("failures, an edit, a reset", func(t *testing.T) {
		r := rig.New(t)
		id, _ := edited(r)
		r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400, Body: "Das Feld ist zu lang."})
		for n := range 6 {
			r.Sync(id)
			r.WantOldest(fmt.Sprintf("after failure %d", n+1), "09:00:00")
			r.Tick(time.Hour)
		}
		r.EditEspo(id, map[string]any{"phone": "0511 9"})
		r.Sync(id)
		r.WantOldest("after another edit", "09:00:00")
		r.Outcome(r.Reset(id), result.UpdatedEspocrm)
		r.WantOldest("after a reset", "09:00:00")
		if st, err := r.Desk.StatusFromStore(context.Background(), r.M); err != nil || st.OldestUnsynced == nil || st.OldestUnsynced.Hour() != 9 {
			t.Errorf("of the store alone: %+v, %v", st, err)
		}
		r.Advo.Faults().Clear("")
		r.Tick(time.Hour)
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.WantOldest("synced", "none")
		r.EditEspo(id, map[string]any{"phone": "0511 10"})
		r.Espo.SetField(rig.Type, id, "syncStatus", "dirty")
		if r.Oldest() == "09:00:00" {
			t.Error("an edit made after the sync is shown with the time of one before")
		}
	})
	t.Run("an outage in the middle", func(t *testing.T) {
		r := rig.New(t)
		id, _ := edited(r)
		r.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = true })
		for n := range 3 {
			r.Sync(id) // marks, and takes the mark away
			r.WantOldest(fmt.Sprintf("after outage %d", n+1), "09:00:00")
			r.Tick(time.Hour)
		}
		r.Advo.SetBehaviour(func(b *sandbox.Behaviour) { b.OfficeDown = false })
		r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
		r.WantOldest("synced", "none")
	})
	t.Run("a parked conflict", func(t *testing.T) {
		r := rig.New(t, rig.Policy(reconcile.Manual))
		id, advo := edited(r)
		r.EditAdvo(advo, map[string]any{"emailGesch": "dort@example.de"})
		r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
		r.WantOldest("parked", "09:00:00")
		r.Tick(time.Hour)
		r.Decided(func() { r.Resolve(id, map[string]record.Side{"*": record.EspoCRM}) })
		r.WantOldest("decided", "none")
	})
	t.Run("set clean by hand", func(t *testing.T) {
		r := rig.New(t)
		id, _ := edited(r)
		r.Advo.Faults().Add(sandbox.Fault{Method: "PUT", Status: 400})
		r.Sync(id)
		r.Espo.SetField(rig.Type, id, "syncStatus", "clean")
		r.WantOldest("EspoCRM shows nothing that waits", "none")
		r.Time = r.Time.Add(time.Hour)
		other := r.Person(nil)
		r.WantOldest("another one waits", r.ClockOf(other))
	})
	t.Run("an edit in Advoware", func(t *testing.T) {
		r := rig.New(t)
		id, advo := r.Linked()
		r.Tick(30 * 24 * time.Hour) // its modifiedAt is a month old
		r.Time = time.Date(2026, 12, 24, 9, 0, 0, 0, time.UTC)
		r.EditAdvo(advo, map[string]any{"emailGesch": "dort@example.de"})
		r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 1, Status: 400})
		r.Sync(id)
		r.WantOldest("seen now", "09:00:00")
		r.Tick(time.Hour)
	})
}
