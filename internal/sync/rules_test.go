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
	"advosync/internal/session"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// Cases in which one rule alone keeps a write from harm.

// TestMarksBeforeItWrites: whoever looks at the record while Advoware is written
// sees it.
func TestMarksBeforeItWrites(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	status := any(nil)
	r.Proc.Plan = rig.On("PUT /relay", 1, func() simulation.Fate {
		status = r.EspoField(id, "syncStatus")
		return simulation.Passes
	})
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if status != "syncing" {
		t.Errorf("status %v", status)
	}
}

// TestALinkMadeMeanwhileStays: while we create the record, somebody links it to
// one that is there already.
func TestALinkMadeMeanwhileStays(t *testing.T) {
	r := rig.New(t)
	theirs := r.Advo.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt"}`))
	id := r.Person(nil)
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 2, func() simulation.Fate { // the first one marks
		r.EditEspo(id, map[string]any{"advowareId": theirs})
		return simulation.Passes
	})
	r.WantError(r.Sync(id), "duplicate")
	if n := r.LinkOf(id); n != theirs {
		t.Errorf("linked to %d", n)
	}
}

// TestLinkToATakenRecordWritesNothing: it is seen before anything is sent, also
// where the type has no unique index to refuse it.
func TestLinkToATakenRecordWritesNothing(t *testing.T) {
	r := rig.New(t)
	_, advo := r.Linked()
	other := r.Person(map[string]any{"email": "otto@example.de"})
	before := r.Espo.Log().Count(rig.IsWrite)
	res := r.Desk.Link(t.Context(), desk.LinkRequest{Mapping: r.M, ID: other, AdvowareID: advo})
	r.WantError(res, "duplicate")
	if n := r.Espo.Log().Count(rig.IsWrite); n != before {
		t.Errorf("%d writes", n-before)
	}
}

// TestADeadlineIsWithinTheLease, however long a write may take.
func TestADeadlineIsWithinTheLease(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.WriteTimeout = time.Hour })
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	announced := 0
	r.Proc.Plan = func(e simulation.Effect) simulation.Fate {
		if in := r.MemoryOf(id).Open; in != nil {
			announced++
			if left := in.Deadline.Sub(r.Time); left > 5*time.Minute {
				t.Errorf("%s: a write may land for %s", e.What, left)
			}
		}
		return simulation.Passes
	}
	r.Want(r.Sync(id), result.EspocrmNewer, result.UpdatedAdvoware)
	if announced == 0 {
		t.Error("no write was announced")
	}
}

// TestADeleteHasToBeConfirmed, whatever the configuration says.
func TestADeleteHasToBeConfirmed(t *testing.T) {
	r := rig.New(t, func(r *rig.Rig) { r.Cfg.OnMissingInEspocrm = sync.MissingDelete })
	id, advo := r.Linked()
	if err := r.Oracle.Person("anna", func() error { return r.Espo.Delete(rig.Type, id, "anna") }); err != nil {
		t.Fatal(err)
	}
	res := r.Sync(id, func(q *sync.Request) { q.NoDelete = true })
	r.Want(res, result.MissingInEspocrm, result.Skipped)
	if _, there := r.Advo.Get(sandbox.BeteiligtePath, advo); !there || res.Reason.Code != sync.ReasonNeedsYes {
		t.Errorf("there %v, %s", there, res.Reason.Code)
	}
}

// TestUndoMeetsAnEditBetweenItsWrites: it has typed a value into EspoCRM, and
// somebody edits in Advoware what it is about to carry there: two edits, which the
// policy decides, and somebody is told.
func TestUndoMeetsAnEditBetweenItsWrites(t *testing.T) {
	r := rig.New(t, rig.Policy(reconcile.Merge))
	id, advo := r.Linked()
	r.EditEspo(id, map[string]any{"email": "espo@example.de"})
	r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
	r.Start()
	run := r.Cfg.Run
	r.Want(r.Sync(id), result.Conflict, result.Merged)
	r.Tick(time.Minute)
	r.Start()
	r.Proc.Plan = rig.On("GET /relay", 2, func() simulation.Fate {
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		return simulation.Passes
	})
	told := len(r.Espo.Notes())
	r.Outcome(r.Desk.Undo(t.Context(), desk.UndoRequest{Mapping: r.M, ID: id, Run: run}), result.Merged)
	if e, a := r.EspoField(id, "email"), r.AdvoField(advo, "emailGesch"); e != "anna@example.de" || a != e {
		t.Errorf("email %v, emailGesch %q", e, a)
	}
	if len(r.Espo.Notes()) != told+1 {
		t.Error("nobody is told of the edit in Advoware")
	}
	for _, e := range r.History() {
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
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	writes := r.AdvowareWrites()
	r.OnStore(&afterCommit{r.Eng.Store, func() { r.Tick(time.Hour) }})
	if res := r.Sync(id); res.Outcome != result.Locked || r.AdvowareWrites() != writes {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, r.AdvowareWrites()-writes)
	}
	r.Start()
	r.UntilQuiet(id, rig.Operation{}, "slept")
}

// TestWorkEndsWithItsLease: the lock is lost in the middle of a request. Nothing
// is asked any more, not even a read: what it would show is somebody else's.
func TestWorkEndsWithItsLease(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	r.EditEspo(id, map[string]any{"email": "neu@example.de"})
	lost := 0
	r.Proc.Plan = rig.On("PUT /api/v1/"+rig.Type, 1, func() simulation.Fate { // it marks; Advoware is read next
		if err := r.Leases.ReleaseAll(); err != nil {
			t.Fatal(err)
		}
		lost = len(r.Proc.Effects())
		return simulation.Passes
	})
	if res := r.Sync(id); res.Error == nil || lost == 0 {
		t.Fatalf("%s", res.Outcome)
	}
	for _, e := range r.Proc.Effects()[lost:] {
		if e.HTTP {
			t.Errorf("%s after the lock was lost", e.What)
		}
	}
}

// TestALostLockEndsItsContext: whatever is asked meanwhile ends with the lease's cause.
func TestALostLockEndsItsContext(t *testing.T) {
	r := rig.New(t)
	id, _ := r.Linked()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ctx, s := r.Eng.Begin(ctx, r.M, id, session.Given{})
	ctx, unlock, err := s.Lock(ctx, nil)
	defer unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Leases.ReleaseAll(); err != nil {
		t.Fatal(err)
	}
	if <-ctx.Done(); errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		t.Error("the context outlives the lock")
	}
}

// TestAGuardIsAskedBeforeTheFirstWrite: its refusal leaves the record as it is.
func TestAGuardIsAskedBeforeTheFirstWrite(t *testing.T) {
	r := rig.New(t)
	id, advo := r.Linked()
	r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
	version, refuses := r.EspoField(id, "versionNumber"), errors.New("halt")
	var asked []result.Verdict
	r.Sync(id, func(q *sync.Request) {
		q.Judge = func(v result.Verdict) error { asked = append(asked, v); return refuses }
	})
	if len(asked) != 1 || asked[0] != result.AdvowareNewer || r.EspoField(id, "versionNumber") != version || r.EspoField(id, "email") != "anna@example.de" {
		t.Errorf("asked %v, version %v, was %v, email %v", asked, r.EspoField(id, "versionNumber"), version, r.EspoField(id, "email"))
	}
	if r.MemoryOf(id).Open != nil || r.EspoField(id, "syncStatus") != "clean" {
		t.Errorf("announcement %+v, status %v", r.MemoryOf(id).Open, r.EspoField(id, "syncStatus"))
	}
}

// TestAPassLeavesWhatAPersonWasAskedAbout: a conflict was parked under manual, and the
// policy is another one by now. A pass, and whoever follows a hint, leaves it while it is
// as it was; an edit of a mapped field opens it again, and a sync by name decides it.
func TestAPassLeavesWhatAPersonWasAskedAbout(t *testing.T) {
	for _, edited := range []bool{false, true} {
		r := rig.New(t, rig.Policy(reconcile.Manual))
		id, advo := r.Linked()
		r.EditEspo(id, map[string]any{"email": "espo@example.de"})
		r.EditAdvo(advo, map[string]any{"emailGesch": "advo@example.de"})
		r.Want(r.Sync(id), result.Conflict, result.ConflictWaits)
		r.Cfg.Policy = reconcile.Merge
		r.Next()
		r.EditAdvo(advo, map[string]any{"bemerkung": "angerufen"})
		want := result.ConflictWaits
		if edited {
			r.EditAdvo(advo, map[string]any{"telGesch": "0511 1"})
			want = result.Merged
		}
		r.Decided(func() {
			if res := r.Sync(id, func(q *sync.Request) { q.Pass = true }); res.Outcome != want {
				t.Errorf("edited %v: %s (%s)", edited, res.Outcome, res.Reason.Text)
			}
			r.Sync(id)
		})
		if a := r.AdvoField(advo, "emailGesch"); a != "espo@example.de" {
			t.Errorf("emailGesch %q", a)
		}
	}
}
