package batch_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
)

// A stuck field over many passes: writes, notes, and what travels beside it.
func TestStuckOverPasses(t *testing.T) {
	for _, side := range []string{"espo", "advo"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, sandbox.WorldOptions{}, func(r *rig) {
				r.cfg.RetryBackoff = 5 * time.Minute
				r.cfg.Engine.MaxRetries = 5
				r.m = r.mapping(strings.Replace(r.w.Mapping(), "advoware: emailGesch}", "advoware: emailGesch, type: email}", 1))
			})
			r.settled()
			p := r.linked()[0]
			if side == "espo" {
				r.editEspo(p.espo, map[string]any{"email": "a@example.de; b@example.de"})
			} else {
				r.editAdvo(p.advo, map[string]any{"emailGesch": "a@example.de; b@example.de"})
			}
			before := r.writes()
			for i := range 60 {
				time.Sleep(5 * time.Minute)
				r.pass(batch.Options{})
				_ = i
			}
			t.Logf("%s: %d writes in 60 passes, status %v, notes %d", side, r.writes()-before, r.field(p.espo, "syncStatus"), len(r.w.EspoCRM.Posts()))
			for i := range 8 {
				if i%2 == 0 {
					r.editAdvo(p.advo, map[string]any{"telGesch": fmt.Sprintf("0511 12%d45", i)})
				} else {
					r.editEspo(p.espo, map[string]any{"phone": fmt.Sprintf("0511 12%d45", i)})
				}
				time.Sleep(5 * time.Minute)
				r.pass(batch.Options{})
				e, a := fmt.Sprint(r.field(p.espo, "phone")), r.advoField(p.advo, "telGesch")
				t.Logf("%d: %v %v %v", i, e, a, r.field(p.espo, "syncStatus"))
				if want := fmt.Sprintf("12%d45", i); len(e) < 5 || e[len(e)-5:] != want || len(a) < 5 || a[len(a)-5:] != want {
					t.Errorf("%s %d: an edit beside the stuck field did not travel: %v %v", side, i, e, a)
				}
			}
			before = r.writes()
			for range 30 {
				time.Sleep(time.Hour)
				r.pass(batch.Options{})
			}
			t.Logf("%s: %d writes in 30 passes, notes %d", side, r.writes()-before, len(r.w.EspoCRM.Posts()))
			if side == "espo" {
				r.editEspo(p.espo, map[string]any{"email": "gut@example.de"})
			} else {
				r.editAdvo(p.advo, map[string]any{"emailGesch": "gut@example.de"})
			}
			time.Sleep(5 * time.Minute)
			r.pass(batch.Options{})
			if e, a := r.field(p.espo, "email"), r.advoField(p.advo, "emailGesch"); e != "gut@example.de" || a != "gut@example.de" || r.field(p.espo, "syncStatus") != "clean" {
				t.Errorf("%v %v %v", e, a, r.field(p.espo, "syncStatus"))
			}
			r.still()
		})
	}
}
