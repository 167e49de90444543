package batch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
)

// A linked record was given up, somebody corrects it, and EspoCRM answers every save of it
// with 500 for one pass, also that of the failure.
func TestGivenUpEditedAndFailureUntold(t *testing.T) {
	for _, c := range []struct {
		name    string
		givenUp bool
	}{{"given up before", true}, {"in step before", false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{})
				r.settled()
				p := r.linked()[0]
				if c.givenUp {
					r.editEspo(p.espo, map[string]any{"email": "falsch@example.de"})
					r.w.Faults.Add(sandbox.Fault{Name: "refused", System: "advoware", Method: "PUT", Path: r.advoPath(p), Status: 400, Body: "abgelehnt"})
					for range 100 {
						r.pass(batch.Options{})
						time.Sleep(15 * time.Minute)
					}
					if r.field(p.espo, "syncStatus") != "permanently_failed" {
						t.Fatal(r.field(p.espo, "syncStatus"))
					}
					r.w.Faults.Clear("refused")
				}
				r.editEspo(p.espo, map[string]any{"email": "richtig@example.de"})
				for _, q := range r.linked()[1:6] {
					r.editEspo(q.espo, map[string]any{"email": "neu@example.de"})
				}
				time.Sleep(10 * time.Minute)
				r.w.Faults.Add(sandbox.Fault{Name: "500", System: "espocrm", Method: "PUT", Path: "*/" + p.espo, Status: 500})
				rep := r.pass(batch.Options{})
				t.Log(short(rep.Document))
				r.w.Faults.Clear("500")
				for range 5 * 24 * 4 {
					time.Sleep(15 * time.Minute)
					r.pass(batch.Options{})
					if r.advoField(p.advo, "emailGesch") == "richtig@example.de" {
						return
					}
				}
				t.Errorf("the edit did not travel within five days: %v", r.field(p.espo, "syncStatus"))
			})
		})
	}
}
