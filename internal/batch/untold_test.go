package batch_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
)

// EspoCRM takes no save of a record at all, not even its status (a field became
// required, say): the passes keep to the back-off, and give it up, as they would if the
// status stood there. An edit by a person ends that.
func TestAStatusThatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		both bool
	}{{"edited in Advoware", false}, {"edited on both sides", true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{}, func(r *rig) {
					r.cfg.RetryBackoff = 15 * time.Minute
					r.cfg.Engine.MaxRetries = 5
				})
				r.settled()
				p := r.linked()[0]
				r.editAdvo(p.advo, map[string]any{"telGesch": "0511 777"})
				if c.both {
					r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
				}
				tried := 0
				r.w.Faults.Add(sandbox.Fault{Name: "no", Method: http.MethodPut, Path: "*/" + p.espo, Status: http.StatusBadRequest, Body: `{"messageTranslation":{"label":"fieldRequired"}}`,
					Before: func(*http.Request) { tried++ }})
				for range 30 { // seven hours and a half
					r.pass(batch.Options{})
					time.Sleep(15 * time.Minute)
				}
				// Five attempts, of a save and the failure each, and one more in which Advoware
				// is not read.
				if tried == 0 || tried > 15 {
					t.Errorf("%d saves were tried", tried)
				}
				if rep := r.pass(batch.Options{}); rep.Document.StillOpen.PermanentlyFailed != 1 {
					t.Errorf("the pass says %+v of what is open", rep.Document.StillOpen)
				}
				before := tried
				r.w.Faults.Clear("no")
				r.editEspo(p.espo, map[string]any{"phone": "0511 888"})
				r.pass(batch.Options{})
				if got := r.field(p.espo, "syncStatus"); got != "clean" {
					t.Errorf("after an edit the status is %v (%v), %d saves more", got, r.field(p.espo, "syncErrorMessage"), tried-before)
				}
				r.still()
			})
		})
	}
}

// Once EspoCRM has taken a failure, its own count is what counts: somebody may set it back.
func TestAStatusThatIsTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{}, func(r *rig) {
			r.cfg.RetryBackoff = time.Minute
			r.cfg.Engine.MaxRetries = 9
		})
		r.settled()
		p := r.linked()[0]
		r.editAdvo(p.advo, map[string]any{"telGesch": "0511 777"})
		refuse := func(saves int) {
			r.w.Faults.Add(sandbox.Fault{Name: "no", Method: http.MethodPut, Path: "*/" + p.espo, Status: http.StatusBadRequest, Body: `{"messageTranslation":{"label":"fieldRequired"}}`, Count: saves})
			r.pass(batch.Options{})
			r.w.Faults.Clear("no")
			time.Sleep(time.Hour)
		}
		refuse(2) // the values, and the failure
		refuse(1) // the values alone
		if got := r.field(p.espo, "syncRetryCount"); fmt.Sprint(got) != "2" {
			t.Fatalf("EspoCRM shows %v attempts", got)
		}
		r.editEspo(p.espo, map[string]any{"syncRetryCount": 0})
		refuse(1)
		if got := r.field(p.espo, "syncRetryCount"); fmt.Sprint(got) != "1" {
			t.Errorf("EspoCRM shows %v attempts after its count was set back", got)
		}
	})
}

// One outage while a failure that EspoCRM refuses is told does not have it counted anew.
func TestAnOutageBesideARefusedStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{}, func(r *rig) {
			r.cfg.RetryBackoff = 15 * time.Minute
			r.cfg.Engine.MaxRetries = 5
		})
		r.settled()
		p := r.linked()[0]
		r.editAdvo(p.advo, map[string]any{"telGesch": "0511 777"})
		refused, tried := `{"messageTranslation":{"label":"fieldRequired"}}`, 0
		r.w.Faults.Add(sandbox.Fault{Name: "no", Method: http.MethodPut, Path: "*/" + p.espo, Status: http.StatusBadRequest, Body: refused, Count: 5})
		r.w.Faults.Add(sandbox.Fault{Name: "outage", Method: http.MethodPut, Path: "*/" + p.espo, Status: http.StatusInternalServerError, Count: 1})
		r.w.Faults.Add(sandbox.Fault{Name: "then", Method: http.MethodPut, Path: "*/" + p.espo, Status: http.StatusBadRequest, Body: refused, Before: func(*http.Request) { tried++ }})
		for range 40 { // ten hours
			r.pass(batch.Options{})
			time.Sleep(15 * time.Minute)
		}
		if rep := r.pass(batch.Options{}); rep.Document.StillOpen.PermanentlyFailed != 1 || tried > 8 {
			t.Errorf("%d saves were tried after the outage, and the pass says %+v of what is open", tried, rep.Document.StillOpen)
		}
	})
}
