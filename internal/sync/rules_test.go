package sync_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"advosync/internal/desk"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/test/simulation"
)

// Cases in which one rule alone keeps a write from harm.

// TestMarksBeforeItWrites: whoever looks at the record while Advoware is written
// sees it.
func TestMarksBeforeItWrites(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	status := any(nil)
	r.proc.Plan = on("PUT /relay", 1, func() simulation.Fate {
		status = r.espoField(id, "syncStatus")
		return simulation.Passes
	})
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if status != "syncing" {
		t.Errorf("status %v", status)
	}
}

// TestALinkMadeMeanwhileStays: while we create the record, somebody links it to
// one that is there already.
func TestALinkMadeMeanwhileStays(t *testing.T) {
	r := newRig(t)
	theirs := r.advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt"}`))
	id := r.person(nil)
	r.proc.Plan = on("PUT /api/v1/"+ct, 2, func() simulation.Fate { // the first one marks
		r.editEspo(id, map[string]any{"advowareId": theirs})
		return simulation.Passes
	})
	r.wantError(r.sync(id), "duplicate")
	if n := r.linkOf(id); n != theirs {
		t.Errorf("linked to %d", n)
	}
}

// TestLinkToATakenRecordWritesNothing: it is seen before anything is sent, also
// where the type has no unique index to refuse it.
func TestLinkToATakenRecordWritesNothing(t *testing.T) {
	r := newRig(t)
	_, advo := r.linked()
	other := r.person(map[string]any{"email": "otto@example.de"})
	before := r.espo.Log().Count(isWrite)
	res := r.desk.Link(t.Context(), desk.LinkRequest{Mapping: r.m, ID: other, AdvowareID: advo})
	r.wantError(res, "duplicate")
	if n := r.espo.Log().Count(isWrite); n != before {
		t.Errorf("%d writes", n-before)
	}
}

// TestADeadlineIsWithinTheLease, however long a write may take.
func TestADeadlineIsWithinTheLease(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.WriteTimeout = time.Hour })
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	announced := 0
	r.proc.Plan = func(e simulation.Effect) simulation.Fate {
		if in := r.memoryOf(id).Open; in != nil {
			announced++
			if left := in.Deadline.Sub(r.now); left > 5*time.Minute {
				t.Errorf("%s: a write may land for %s", e.What, left)
			}
		}
		return simulation.Passes
	}
	r.want(r.sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if announced == 0 {
		t.Error("no write was announced")
	}
}

// TestADeleteHasToBeConfirmed, whatever the configuration says.
func TestADeleteHasToBeConfirmed(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.linked()
	if err := r.o.Person("anna", func() error { return r.espo.Delete(ct, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	res := r.sync(id, func(q *sync.Request) { q.NoDelete = true })
	r.want(res, result.MissingInEspocrm, result.Skipped)
	if _, there := r.advo.Get(sandbox.BeteiligtePath, advo); !there || res.Reason.Code != sync.ReasonNeedsYes {
		t.Errorf("there %v, %s", there, res.Reason.Code)
	}
}

// TestUndoMeetsAnEditBetweenItsWrites: it has typed a value into EspoCRM, and
// somebody edits in Advoware what it is about to carry there: two edits, which the
// policy decides, and somebody is told.
func TestUndoMeetsAnEditBetweenItsWrites(t *testing.T) {
	r := newRig(t, policy(reconcile.Merge))
	id, advo := r.linked()
	r.editEspo(id, map[string]any{"email": "espo@example.de"})
	r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.start()
	run := r.cfg.Run
	r.want(r.sync(id), result.Conflict, result.Merged)
	r.tick(time.Minute)
	r.start()
	r.proc.Plan = on("GET /relay", 2, func() simulation.Fate {
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		return simulation.Passes
	})
	told := len(r.espo.Notes())
	r.outcome(r.desk.Undo(t.Context(), desk.UndoRequest{Mapping: r.m, ID: id, Run: run}), result.Merged)
	if e, a := r.espoField(id, "email"), r.advoField(advo, "emailGesch"); e != "anna@example.de" || a != e {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	if len(r.espo.Notes()) != told+1 {
		t.Error("nobody is told of the edit in Advoware")
	}
	for _, e := range r.history() {
		if slices.ContainsFunc(e.Writes, func(w store.Write) bool { return w.Side == record.Advoware && w.Before == record.Of("advo@example.de") }) {
			return
		}
	}
	t.Error("the edit is not in the history")
}

// afterCommit does something once, right after the first commit of an announcement.
type afterCommit struct {
	store.Store
	do func()
}

func (s *afterCommit) Commit(ctx context.Context, c store.Commit) (int64, error) {
	rev, err := s.Store.Commit(ctx, c)
	if do := s.do; err == nil && do != nil && c.Memory != nil && c.Memory.Open != nil {
		s.do = nil
		do()
	}
	return rev, err
}

// TestALeaseThatEndsBeforeThePut: the machine sleeps between the announcement and the
// PUT to Advoware.
func TestALeaseThatEndsBeforeThePut(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	writes := r.advowareWrites()
	r.onStore(&afterCommit{r.eng.Store, func() { r.tick(time.Hour) }})
	if res := r.sync(id); res.Outcome != result.Locked || r.advowareWrites() != writes {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, r.advowareWrites()-writes)
	}
	r.start()
	r.untilQuiet(id, operation{}, "slept")
}

// TestWorkEndsWithItsLease: the lock is lost in the middle of a request. Nothing
// is asked any more, not even a read: what it would show is somebody else's.
func TestWorkEndsWithItsLease(t *testing.T) {
	r := newRig(t)
	id, _ := r.linked()
	r.editEspo(id, map[string]any{"email": "neu@example.de"})
	lost := 0
	r.proc.Plan = on("PUT /api/v1/"+ct, 1, func() simulation.Fate { // it marks; Advoware is read next
		if err := r.lm.ReleaseAll(); err != nil {
			t.Fatal(err)
		}
		lost = len(r.proc.Effects())
		return simulation.Passes
	})
	if res := r.sync(id); res.Error == nil || lost == 0 {
		t.Fatalf("%s", res.Outcome)
	}
	for _, e := range r.proc.Effects()[lost:] {
		if e.HTTP {
			t.Errorf("%s after the lock was lost", e.What)
		}
	}
}

// TestAGuardIsAskedBeforeTheFirstWrite: its refusal leaves the record as it is.
func TestAGuardIsAskedBeforeTheFirstWrite(t *testing.T) {
	r := newRig(t)
	id, advo := r.linked()
	r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	version, refuses := r.espoField(id, "versionNumber"), errors.New("halt")
	var asked []result.Verdict
	r.sync(id, func(q *sync.Request) {
		q.Judge = func(v result.Verdict) error { asked = append(asked, v); return refuses }
	})
	if len(asked) != 1 || asked[0] != result.AdvowareNewer || r.espoField(id, "versionNumber") != version || r.espoField(id, "email") != "anna@example.de" {
		t.Errorf("asked %v, version %v, was %v, email %v", asked, r.espoField(id, "versionNumber"), version, r.espoField(id, "email"))
	}
	if r.memoryOf(id).Open != nil || r.espoField(id, "syncStatus") != "clean" {
		t.Errorf("announcement %+v, status %v", r.memoryOf(id).Open, r.espoField(id, "syncStatus"))
	}
}

// TestAPassLeavesWhatAPersonWasAskedAbout: a conflict was parked under manual, and the
// policy is another one by now. A pass, and whoever follows a hint, leaves it while it is
// as it was; an edit of a mapped field opens it again, and a sync by name decides it.
func TestAPassLeavesWhatAPersonWasAskedAbout(t *testing.T) {
	for _, edited := range []bool{false, true} {
		r := newRig(t, policy(reconcile.Manual))
		id, advo := r.linked()
		r.editEspo(id, map[string]any{"email": "espo@example.de"})
		r.editAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.want(r.sync(id), result.Conflict, result.ConflictWaits)
		r.cfg.Policy = reconcile.Merge
		r.next()
		r.editAdvo(advo, map[string]any{"bemerkung": "angerufen"})
		want := result.ConflictWaits
		if edited {
			r.editAdvo(advo, map[string]any{"telGesch": "0511 1"})
			want = result.Merged
		}
		r.decided(func() {
			if res := r.sync(id, func(q *sync.Request) { q.Pass = true }); res.Outcome != want {
				t.Errorf("edited %v: %s (%s)", edited, res.Outcome, res.Reason.Text)
			}
			r.sync(id)
		})
		if a := r.advoField(advo, "emailGesch"); a != "espo@example.de" {
			t.Errorf("emailGesch %q", a)
		}
	}
}
