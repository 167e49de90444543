package batch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

func TestFirstPassThenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		rep := r.pass(batch.Options{})
		if s := looked(rep); s.Created != 6 || s.Failed != 0 {
			t.Fatalf("%+v\n%s", s, short(rep.Document))
		}
		t.Logf("first: %+v calls %+v", looked(rep), rep.Document.Calls)
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

func TestMixedPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 140})
		r.settled()
		ids := r.linked()
		for i, p := range ids[:100] {
			switch {
			case i < 30: // EspoCRM
				r.editEspo(p.espo, map[string]any{"email": "neu@example.de", "syncStatus": "dirty"})
			case i < 60: // Advoware
				r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
			case i < 70: // both, different fields
				r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
				r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
			case i < 80: // both, the same
				r.editEspo(p.espo, map[string]any{"email": "gleich@example.de"})
				r.editAdvo(p.advo, map[string]any{"emailGesch": "gleich@example.de"})
			case i < 90: // only saved
				if err := r.w.Advoware.Resave(path, p.advo); err != nil {
					t.Fatal(err)
				}
			default: // only the status
				r.editEspo(p.espo, map[string]any{"syncStatus": "dirty"})
			}
		}
		rep := r.pass(batch.Options{})
		r.want(rep, result.Summary{UpdatedAdvoware: 30, UpdatedEspocrm: 30, Merged: 10, Adopted: 30})
		if r.field(ids[0].espo, "syncStatus") != "clean" || r.advoField(ids[0].advo, "emailGesch") != "neu@example.de" {
			t.Error("an EspoCRM edit did not travel")
		}
		if r.field(ids[30].espo, "phone") != "0511 1" {
			t.Error("an Advoware edit did not travel")
		}
		for _, p := range ids[90:100] {
			if r.field(p.espo, "syncStatus") != "clean" {
				t.Error("an adopted record is not clean")
			}
		}
		time.Sleep(15 * time.Minute)
		r.still()
	})
}
