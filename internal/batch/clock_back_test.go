package batch_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/mapping"
	"advosync/internal/sandbox"
)

// A watch makes its passes with one client. EspoCRM's clock is two hours ahead, and is set
// right between two passes.
func TestClockSetBackUnderAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		ahead, base := 2*time.Hour, r.transport()
		r.base = tripper(func(q *http.Request) (*http.Response, error) {
			a, err := base.RoundTrip(q)
			if err == nil {
				a.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			}
			return a, err
		})
		r.settled()
		p := r.process()
		pass := func() {
			if _, err := p.Run(t.Context(), []*mapping.Mapping{r.m}, batch.Options{AllowMassChange: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
		pass()
		ahead = 0
		time.Sleep(10 * time.Minute)
		id := r.linked()[0]
		r.editEspo(id.espo, map[string]any{"email": "neu@example.de"}) // the status stays clean
		for i := range 150 {
			time.Sleep(15 * time.Minute)
			pass()
			if r.advoField(id.advo, "emailGesch") == "neu@example.de" {
				if after := time.Duration(i+1) * 15 * time.Minute; after > time.Hour {
					t.Errorf("the edit has travelled after %v", after)
				}
				return
			}
		}
		t.Error("the edit has not travelled")
	})
}
