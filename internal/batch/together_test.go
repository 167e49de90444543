package batch_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

// together is a rig whose EspoCRM has the module.
func together(t *testing.T) *rig {
	t.Helper()
	return newRig(t, sandbox.WorldOptions{More: 140, Unlinked: -1, Companion: true})
}

// espoWrites counts the calls that write to EspoCRM.
func espoWrites(r *rig) int {
	return r.w.Log.Count(func(e sandbox.LogEntry) bool { return e.System == "espocrm" && isWrite(e) })
}

// TestHundredWithAFewCalls: a hundred records that were edited in EspoCRM, and a hundred
// conflicts with their notes, cost a few calls; every edit travels, every user is told.
func TestHundredWithAFewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := together(t)
		r.settled()
		ids := r.linked()[:100]
		for _, p := range ids {
			r.editEspo(p.espo, map[string]any{"email": p.espo + "@example.de"})
		}
		before := espoWrites(r)
		rep := r.pass(batch.Options{AllowMassChange: true})
		r.want(rep, result.Summary{UpdatedAdvoware: 100})
		if n := espoWrites(r) - before; n > 12 {
			t.Errorf("%d calls that write to EspoCRM", n)
		}
		for _, p := range ids {
			if r.advoField(p.advo, "emailGesch") != p.espo+"@example.de" || r.field(p.espo, "syncStatus") != "clean" {
				t.Fatalf("%s did not travel", p.espo)
			}
		}
		r.still()

		for _, p := range ids {
			r.editEspo(p.espo, map[string]any{"email": "e" + p.espo + "@example.de"})
			r.editAdvo(p.advo, map[string]any{"emailGesch": "a@example.de"})
		}
		before = espoWrites(r)
		notes := len(r.w.EspoCRM.Notes())
		r.pass(batch.Options{AllowMassChange: true})
		if n := espoWrites(r) - before; n > 20 {
			t.Errorf("%d calls that write to EspoCRM", n)
		}
		if n := len(r.w.EspoCRM.Notes()) - notes; n != 100 {
			t.Errorf("%d notes about 100 conflicts", n)
		}
		r.still()
	})
}

// TestOneOfManyIsRefused: whoever cannot be written disturbs none of those that share
// the call.
func TestOneOfManyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := together(t)
		r.settled()
		ids := r.linked()[:40]
		for _, p := range ids {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 7"})
		}
		r.editAdvo(ids[7].advo, map[string]any{"telGesch": strings.Repeat("1", 120)}) // longer than EspoCRM takes
		rep := r.pass(batch.Options{AllowMassChange: true})
		if s := looked(rep); s.Failed != 1 || s.UpdatedEspocrm != 39 {
			t.Fatalf("%+v\n%s", s, short(rep.Document))
		}
		if r.field(ids[8].espo, "phone") != "0511 7" || r.field(ids[7].espo, "syncStatus") != "failed" {
			t.Error("the others, or the failure, did not arrive")
		}
	})
}

// TestEditWhileManyAreWritten: somebody saves a record in the moment of the call; his
// edit stands, and both sides agree in the end.
func TestEditWhileManyAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := together(t)
		r.settled()
		ids := r.linked()[:20]
		for _, p := range ids {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 8"})
		}
		edited := false
		r.w.EspoCRM.BetweenCheckAndSave(func(_, id string) {
			if id == ids[3].espo && !edited {
				edited = true
				if err := r.w.EspoCRM.Put(ct, id, "anna", map[string]any{"email": "jetzt@example.de"}); err != nil {
					t.Error(err)
				}
			}
		})
		r.pass(batch.Options{AllowMassChange: true})
		r.w.EspoCRM.BetweenCheckAndSave(nil)
		r.pass(batch.Options{AllowMassChange: true})
		if !edited || r.field(ids[3].espo, "email") != "jetzt@example.de" || r.advoField(ids[3].advo, "emailGesch") != "jetzt@example.de" ||
			r.field(ids[3].espo, "phone") != "0511 8" {
			t.Errorf("edited %v: %v, %v, %v", edited, r.field(ids[3].espo, "email"), r.advoField(ids[3].advo, "emailGesch"), r.field(ids[3].espo, "phone"))
		}
		r.still()
	})
}

// TestLostAnswerOfMany: nobody knows what became of any of them; nothing is lost, and
// the next pass finds out.
func TestLostAnswerOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := together(t)
		r.settled()
		ids := r.linked()[:30]
		for _, p := range ids {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 9"})
		}
		r.w.Faults.Add(sandbox.Fault{Name: "lost", System: "espocrm", Method: "POST", Path: "*/Advosync/write", Count: 1, Drop: sandbox.DropAfter})
		if _, err := r.run(t.Context(), batch.Options{AllowMassChange: true}); err != nil {
			t.Errorf("one call was lost, others were answered: %v", err)
		}
		time.Sleep(20 * time.Minute)
		r.pass(batch.Options{AllowMassChange: true})
		for _, p := range ids {
			if r.field(p.espo, "phone") != "0511 9" || r.field(p.espo, "syncStatus") != "clean" {
				t.Fatalf("%s: %v, %v", p.espo, r.field(p.espo, "phone"), r.field(p.espo, "syncStatus"))
			}
		}
		r.still()
	})
}

// TestQuietNotes: what the sync notes for itself moves neither stamp nor version, and
// makes no record a candidate of the next pass.
func TestQuietNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := together(t)
		r.settled()
		p := r.linked()[0]
		was, version := r.field(p.espo, "modifiedAt"), r.field(p.espo, "versionNumber")
		if err := r.w.Advoware.Resave(path, p.advo); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r.want(r.pass(batch.Options{}), result.Summary{Adopted: 1})
		if r.field(p.espo, "modifiedAt") != was || r.field(p.espo, "versionNumber") != version {
			t.Errorf("modifiedAt %v, was %v; version %v, was %v", r.field(p.espo, "modifiedAt"), was, r.field(p.espo, "versionNumber"), version)
		}
		r.still()
	})
}
