package sync_test

import (
	"testing"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/rig"
)

// TestAWebServers503IsADoubt: Apache answers 503 where PHP-FPM has done the work and died,
// or was too slow. What it replaced is in the history as replaced.
func TestAWebServers503IsADoubt(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 2"})
	r.Espo.Faults().Add(sandbox.Fault{Method: "PUT", Count: 9, Status: 503, Processed: true, Body: "<html>Service Unavailable</html>"})
	if res := r.Sync(id); res.Error == nil {
		t.Fatal("nobody says that the answer was lost")
	}
	r.Espo.Faults().Clear("")
	r.Tick(10 * time.Minute)
	r.Next()
	r.Start()
	if res := r.Sync(id); res.Error != nil {
		t.Fatal(res.Error)
	}
	r.Phones(id, advo, "0511 2")
	states := map[store.WriteState]int{}
	for _, e := range r.History() {
		for _, w := range e.Writes {
			if w.Side == record.EspoCRM && w.Espocrm == "phone" {
				states[w.State]++
			}
		}
	}
	if len(states) != 1 || states[store.WriteDone] != 1 {
		t.Errorf("the write that happened is in the history as %v", states)
	}
}

// TestATimeOutInAnAnswerIsADoubt: a relay answers 408 where the office's server was too slow,
// and has made the record all the same. It is not made twice.
func TestATimeOutInAnAnswerIsADoubt(t *testing.T) {
	r := rig.New(t, rig.Listing)
	id := r.Person(nil)
	r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Status: 408, Processed: true, Body: `{"message":"Request Timeout"}`})
	if res := r.Sync(id); res.Error == nil || res.Error.Owner != "system" {
		t.Errorf("%+v", res.Error)
	}
	r.Tick(time.Hour)
	r.Next()
	r.Start()
	if res := r.Sync(id); res.Error != nil {
		t.Error(res.Error)
	}
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
		t.Errorf("%d records in Advoware", n)
	}
}
