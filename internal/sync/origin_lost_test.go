package sync_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
	"advosync/internal/test/rig"
	"advosync/internal/test/simulation"
)

// TestALostAnswerIsNotPostedAgainByANewStore (first week, 2): after a POST whose
// answer was lost the record is not one that waits for its first sync any more, or
// a store that takes the place of a lost one would post it a second time.
func TestALostAnswerIsNotPostedAgainByANewStore(t *testing.T) {
	for _, status := range []string{"pending_sync", ""} {
		r := rig.New(t)
		id := r.Person(nil)
		r.Espo.SetField(rig.Type, id, "syncStatus", status)
		r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
		if res := r.Sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
			t.Fatalf("%s %+v", res.Outcome, res.Error)
		}
		if got := r.EspoField(id, "syncStatus"); got != "dirty" {
			t.Errorf("status %v", got)
		}
		r.Tick(time.Hour)
		r.ForgetStore()
		r.WantError(r.Sync(id), "uncertain_create")
		if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
			t.Errorf("%d records in Advoware", n)
		}
	}
}

// TestAnOlderStorePostsNothingAgain: an older copy of the store comes back, from before a
// record was made in EspoCRM and a POST of it was interrupted. The store is older than the
// record and knows of no POST, but a run has left its status there.
func TestAnOlderStorePostsNothingAgain(t *testing.T) {
	dies := func(r *rig.Rig) {
		r.Proc.Plan = rig.On("POST /relay", 1, func() simulation.Fate { return simulation.DiesAfter })
	}
	loses := func(r *rig.Rig) {
		r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Drop: sandbox.DropAfter})
	}
	for name, tt := range map[string]struct {
		change func(*rig.Rig)
		fails  func(*rig.Rig)
		allNew bool
		want   string // an error; "": it is found and linked
	}{
		"the process died":                            {func(*rig.Rig) {}, dies, false, "uncertain_create"},
		"it died, and Advoware can be searched":       {rig.Listing, dies, false, ""},
		"the answer got lost, and it can be searched": {rig.Listing, loses, false, ""},
		"all that was there before was new":           {func(*rig.Rig) {}, dies, true, "uncertain_create"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rig.New(t, tt.change)
			r.Eng.Sync(t.Context(), sync.Request{Mapping: r.M, ID: "nobody"}) // EspoCRM has answered
			r.Eng.Born(t.Context())
			if tt.allNew {
				if err := r.Eng.SayAllNew(t.Context(), r.M); err != nil {
					t.Fatal(err)
				}
			}
			r.Tick(time.Minute)
			id := r.Person(nil)
			tt.fails(r)
			r.Sync(id)
			r.Tick(time.Hour)
			r.Start()
			r.PutMemory(id, store.Memory{})
			if res := r.Sync(id); tt.want == "" {
				r.Outcome(res, result.Adopted)
			} else {
				r.WantError(res, tt.want)
			}
			if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 1 {
				t.Errorf("%d records in Advoware", n)
			}
		})
	}
}

// TestNotSentStaysNew: where nothing was announced in the end, the status from
// before comes back.
func TestNotSentStaysNew(t *testing.T) {
	r := rig.New(t)
	id := r.Person(nil)
	r.Advo.Faults().Add(sandbox.Fault{Method: "POST", Path: "*/advonet/*", Count: 1, Status: 429})
	r.Sync(id)
	if got := r.EspoField(id, "syncStatus"); got != "pending_sync" {
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
	r := rig.New(t)
	if err := r.Store.Put(context.Background(), "birth/a", []byte(`"2026-11-01 00:00:00"`), 0); err != nil {
		t.Fatal(err)
	}
	id := r.Person(nil)
	s := &nameless{r.Eng.Store, true}
	r.OnStore(s)
	if res := r.Sync(id); res.Outcome != result.Failed || res.Error.Owner != "system" {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	r.WantStatus(id, "pending_sync", 0)
	s.silent = false
	r.WantError(r.Sync(id), "uncertain_create")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 0 {
		t.Errorf("%d records in Advoware", n)
	}
}

// TestAFileThatKnowsOfAReplacedServer: what a Redis server may have lost stays in doubt
// when its memory was taken along into a store that does not say which server keeps it.
func TestAFileThatKnowsOfAReplacedServer(t *testing.T) {
	r := rig.New(t)
	if err := r.Store.Put(context.Background(), "birth/a", []byte(`"2026-11-01 00:00:00"`), 0); err != nil {
		t.Fatal(err)
	}
	id := r.Person(nil)
	r.WantError(r.Sync(id), "uncertain_create")
	if n := len(r.Advo.All(sandbox.BeteiligtePath)); n != 0 {
		t.Errorf("%d records in Advoware", n)
	}
}
