package sync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// TestALostAnswerIsNotPostedAgainByANewStore (first week, 2): after a POST whose
// answer was lost the record is not one that waits for its first sync any more, or
// a store that takes the place of a lost one would post it a second time.
func TestALostAnswerIsNotPostedAgainByANewStore(t *testing.T) {
	for _, status := range []string{"pending_sync", ""} {
		r := newRig(t)
		id := r.person(nil)
		r.espo.SetField(ct, id, "syncStatus", status)
		r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
		if res := r.sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
			t.Fatalf("%s %+v", res.Outcome, res.Error)
		}
		if got := r.espoField(id, "syncStatus"); got != "dirty" {
			t.Errorf("status %v", got)
		}
		r.tick(time.Hour)
		r.forgetStore()
		r.wantError(r.sync(id), "uncertain_create")
		if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Errorf("%d records in Advoware", n)
		}
	}
}

// TestNotSentStaysNew: where nothing was announced in the end, the status from
// before comes back.
func TestNotSentStaysNew(t *testing.T) {
	r := newRig(t)
	id := r.person(nil)
	r.advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Status: 429})
	r.sync(id)
	if got := r.espoField(id, "syncStatus"); got != "pending_sync" {
		t.Errorf("status %v", got)
	}
}

// nameless is a store whose server does not say which it is, for a while.
type nameless struct {
	store.Store
	silent bool
}

func (s *nameless) Incarnation(context.Context) (string, error) {
	if s.silent {
		return "", errors.New("LOADING")
	}
	return "b", nil
}

// TestAServerThatDoesNotSayWhichItIs: a server that took the place of another one
// may have lost the announcement of a POST. Until it has said which it is, nothing
// counts as new; nothing is counted against the record either.
func TestAServerThatDoesNotSayWhichItIs(t *testing.T) {
	r := newRig(t)
	if err := r.store.Put(context.Background(), "birth/a", []byte(`"2026-11-01 00:00:00"`), 0); err != nil {
		t.Fatal(err)
	}
	id := r.person(nil)
	s := &nameless{r.eng.Store, true}
	r.onStore(s)
	if res := r.sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.wantStatus(id, "pending_sync", 0)
	s.silent = false
	r.wantError(r.sync(id), "uncertain_create")
	if n := len(r.advo.All(sandbox.BeteiligtePath)); n != 0 {
		t.Errorf("%d records in Advoware", n)
	}
}
