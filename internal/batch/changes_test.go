package batch_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/espocrm"
	"advosync/internal/result"
	"advosync/internal/sandbox"
)

// logged is a rig whose EspoCRM keeps a log of changes that two passes have found out about.
func logged(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, sandbox.WorldOptions{More: 40, Unlinked: -1, Companion: true})
	r.settled()
	r.pass(batch.Options{})
	time.Sleep(10 * time.Minute)
	r.w.Log.Clear()
	return r
}

// silently edits a record as an import does: only the log shows it.
func (r *rig) silently(p pairID, email string) {
	r.t.Helper()
	if err := r.w.EspoCRM.SilentSave(ct, p.espo, map[string]any{"email": email}); err != nil {
		r.t.Fatal(err)
	}
}

// unlogged edits a record past EspoCRM's hooks: only its stamp shows it.
func (r *rig) unlogged(p pairID, email string) {
	r.w.EspoCRM.SetField(ct, p.espo, "email", email)
	r.w.EspoCRM.SetField(ct, p.espo, "modifiedAt", r.w.Clock.Now().UTC().Format("2006-01-02 15:04:05"))
}

// arrives makes a pass and checks what Advoware has of the records' addresses then.
func (r *rig) arrives(email string, ps ...pairID) batch.Report {
	r.t.Helper()
	rep := r.pass(batch.Options{})
	for _, p := range ps {
		if got := r.advoField(p.advo, "emailGesch"); got != email {
			r.t.Fatalf("%s: Advoware has %q\n%s", p.espo, got, short(rep.Document))
		}
	}
	return rep
}

// asked counts calls for the list of what was modified, and for the log.
func (r *rig) asked() (list, log int) {
	list = r.w.Log.Count(func(e sandbox.LogEntry) bool {
		return strings.HasSuffix(e.Path, "/"+ct) && strings.Contains(e.Query, "greaterThanOrEquals") && strings.Contains(e.Query, "modifiedAt%22%2C%22value")
	})
	log = r.w.Log.Count(func(e sandbox.LogEntry) bool { return strings.HasSuffix(e.Path, "/Advosync/changes") })
	return list, log
}

// TestLogIsReadInPlaceOfTheList: with one call, which also brings what has left no stamp; of our own writes it makes
// no candidates.
func TestLogIsReadInPlaceOfTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := logged(t)
		r.arrives("")
		if list, log := r.asked(); list != 0 || log != 1 {
			t.Errorf("%d calls for the list, %d for the log", list, log)
		}
		p := r.linked()[3]
		r.silently(p, "still@example.de")
		r.want(r.arrives("still@example.de", p), result.Summary{UpdatedAdvoware: 1})
		if err := r.w.EspoCRM.Put(ct, p.espo, "api-apikey", map[string]any{"email": "auch@example.de"}); err != nil { // a program with our key
			t.Fatal(err)
		}
		r.want(r.arrives("auch@example.de", p), result.Summary{UpdatedAdvoware: 1})
		r.editAdvo(p.advo, map[string]any{"telGesch": "0511 3"})
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedEspocrm: 1})
		r.still()
		ps := r.linked()
		for i := range espocrm.MaxChanges + 1 { // one more than one call brings
			r.silently(ps[1+i%3], "x"+itoa(int64(i))+"@example.de")
		}
		r.silently(ps[0], "last@example.de")
		r.arrives("last@example.de", ps[0])
		r.still()
	})
}

// TestPlaceOfTheLogIsNew: until a pass has read the log from a place on, the list tells as well what was modified since
// the place was taken, and since the pass began that has taken it.
func TestPlaceOfTheLogIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 40, Unlinked: -1, Companion: true})
		r.settled()
		a, b := r.linked()[3], r.linked()[4]
		r.unlogged(a, "a@example.de")
		r.silently(b, "a@example.de")
		r.arrives("a@example.de", a, b)
		if list, log := r.asked(); list == 0 || log == 0 {
			t.Errorf("%d calls for the list, %d for the log", list, log)
		}
	})
}

// TestGapInTheLog: rows were cleaned up, or the module was installed again: the list tells.
func TestGapInTheLog(t *testing.T) {
	for name, gap := range map[string]func(r *rig){
		"cleaned up":      func(r *rig) { r.w.EspoCRM.DropChanges() },
		"installed again": func(r *rig) { r.w.EspoCRM.InstallCompanion() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := logged(t)
				a, b := r.linked()[3], r.linked()[4]
				r.silently(b, "gone@example.de")
				r.unlogged(a, "a@example.de")
				r.silently(b, "b@example.de")
				gap(r)
				r.arrives("a@example.de", a)
				r.unlogged(a, "once@example.de") // while nobody knows what was read before the new place
				r.silently(b, "once@example.de")
				r.arrives("once@example.de", a, b)
				r.w.Log.Clear()
				r.silently(b, "b2@example.de")
				r.arrives("b2@example.de", b)
				if list, _ := r.asked(); list != 0 {
					t.Error("the list was asked, too")
				}
			})
		})
	}
}

// TestLogOfARestoredBackup: the log's numbers are given anew; what was edited since shows all the same.
func TestLogOfARestoredBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := logged(t)
		ps := r.linked()[3:13]
		backup := r.w.EspoCRM.Backup(ct)
		for _, p := range ps[:4] {
			r.silently(p, "lost@example.de")
		}
		r.arrives("lost@example.de", ps[:4]...)
		r.w.EspoCRM.RestoreBackup(ct, backup)
		for _, p := range ps[4:] { // others, under the numbers of those that are lost, and more
			r.silently(p, "new@example.de")
			r.unlogged(p, "new@example.de")
		}
		time.Sleep(time.Minute)
		if _, err := r.run(t.Context(), batch.Options{AllowMassChange: true}); err != nil {
			t.Fatal(err)
		}
		for _, p := range ps[4:] {
			if got := r.advoField(p.advo, "emailGesch"); got != "new@example.de" {
				t.Errorf("%s: Advoware has %q", p.espo, got)
			}
		}
	})
}

// TestLogCannotBeRead: the list is read in its place, and so it is until a place is known again.
func TestLogCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := logged(t)
		a := r.linked()[3]
		r.unlogged(a, "a@example.de")
		r.w.Faults.Add(sandbox.Fault{Name: "gone", System: "espocrm", Method: "POST", Path: "*/Advosync/changes", Count: 2, Status: 500})
		rep := r.arrives("a@example.de", a)
		if !strings.Contains(strings.Join(rep.Warnings, "\n"), "log of changes of Beteiligte could not be read") {
			t.Errorf("not a word of it: %v", rep.Warnings)
		}
		r.unlogged(a, "b@example.de")
		r.arrives("b@example.de", a)
		r.unlogged(a, "c@example.de") // the place that this pass has taken is new
		r.arrives("c@example.de", a)
		r.silently(a, "d@example.de")
		r.arrives("d@example.de", a)
	})
}
