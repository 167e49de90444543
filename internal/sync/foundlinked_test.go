package sync_test

import (
	"net/http"
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/sandbox"
	"advosync/internal/test/rig"
)

// A record was found equal; EspoCRM refuses the PUT of the link once, and takes the number
// with the failure. What somebody edits in Advoware from then on is an edit.
func TestFoundAndLinkedByItsFailure(t *testing.T) {
	r := rig.New(t, rig.Listing, rig.Policy(reconcile.Merge))
	id := r.Person(map[string]any{"syncStatus": "dirty"}) // older than the store
	advo := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de"}`))
	r.Tick(time.Minute)
	r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Skip: 1, Count: 1, Status: 403, Header: http.Header{"X-Status-Reason": {"No edit access."}}})
	res := r.Sync(id)
	t.Log(res.Outcome, res.Reason, res.Error, "link", r.LinkOf(id), "base", r.MemoryOf(id).Base != nil)
	r.Espo.Faults().Clear("")
	r.EditAdvo(advo, map[string]any{"emailGesch": "new@example.de"})
	r.Tick(2 * time.Hour)
	r.Next()
	res = r.Sync(id)
	t.Log(res.Outcome, res.Reason, res.Error)
	if e := r.AdvoField(advo, "emailGesch"); e != "new@example.de" {
		t.Errorf("somebody's edit in Advoware was overwritten: %q; told %q", e, r.Notes())
	}
}
