package batch_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
)

// Both sides of a record agree, its status is dirty, and EspoCRM takes no save of it (a field
// became required, say). Somebody is told, and the watermark of the entity moves.
func TestACleanThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		p := r.linked()[0]
		r.w.EspoCRM.SetField(ct, p.espo, "syncStatus", "dirty")
		r.w.Faults.Add(sandbox.Fault{System: "espocrm", Method: "POST", Path: "*/MassAction", Status: 200, Body: `{"count": 0, "ids": []}`})
		r.w.Faults.Add(sandbox.Fault{Method: http.MethodPut, Path: "*/" + p.espo, Status: http.StatusBadRequest, Body: `{"messageTranslation":{"label":"fieldRequired"}}`})
		before, _, _ := batch.LoadState(t.Context(), r.store, r.m.Entity())
		failed, deep := 0, 0
		for range 300 { // three days
			r.w.Log.Clear()
			rep := r.pass(batch.Options{})
			if len(rep.Failed)+len(rep.Warnings) > 0 || rep.LeftOver > 0 || rep.Document.StillOpen.Any() {
				failed++
			}
			if s, _, _ := batch.LoadState(t.Context(), r.store, r.m.Entity()); time.Since(s.ComparedAt) > 24*time.Hour {
				deep++
			}
			time.Sleep(15 * time.Minute)
		}
		after, _, _ := batch.LoadState(t.Context(), r.store, r.m.Entity())
		if failed == 0 || before.Watermark == after.Watermark {
			t.Error("nobody is told, or the watermark stands still")
		}
	})
}
