package batch_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// dirty marks the first n linked records as edited, each at a later second.
func (r *rig) dirty(n int) []pairID {
	r.t.Helper()
	ids := r.linked()[:n]
	for i, p := range ids {
		r.editEspo(p.espo, map[string]any{"email": fmt.Sprintf("neu%d@example.de", i), "syncStatus": "dirty"})
		time.Sleep(time.Second)
	}
	return ids
}

// whileLooking delays Advoware's list, and calls fn before it is answered: the other
// lists, and what is read early, are there by then.
func (r *rig) whileLooking(d time.Duration, fn func()) {
	r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "GET", Path: "/" + path, Count: 1, Latency: d, After: func(*http.Request) { fn() }})
}

// chunkReads counts the list calls that name records by their ids and want their contents.
func (r *rig) chunkReads() int {
	return r.w.Log.Count(func(e sandbox.LogEntry) bool {
		query, _ := url.QueryUnescape(e.Query)
		return strings.Contains(query, `"type":"in","attribute":"id"`) && strings.Contains(query, "email")
	})
}

// The first chunk is locked and read while the look goes on; it is not written before
// the guards were asked, and where one of them halts the pass, nothing stays locked.
func TestWhatIsReadEarlyIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.dirty(3)
		for _, p := range r.linked()[3:] {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		}
		looked := false
		r.whileLooking(500*time.Millisecond, func() {
			looked = true
			locks, err := r.store.Locks(t.Context())
			for _, p := range ids {
				key := store.Key{Entity: r.m.Entity(), ID: p.espo}.LockKey()
				if err != nil || !slices.ContainsFunc(locks, func(l store.Lock) bool { return l.Key == key }) {
					t.Errorf("%s is not locked while the pass looks: %v", p.espo, err)
				}
			}
			if r.chunkReads() != 1 || r.writes() != 0 {
				t.Errorf("%d chunks read, %d writes while the pass looks", r.chunkReads(), r.writes())
			}
		})
		_, err := r.run(t.Context(), batch.Options{})
		defer r.lm.ReleaseAll()
		if g := guardOf(t, err); g.Guard != reconcile.GuardMassChange || !looked {
			t.Fatalf("%v; looked: %v", g, looked)
		}
		if r.writes() != 0 {
			t.Errorf("%d writes", r.writes())
		}
		r.tidy()
		r.w.Faults.Clear("")
		r.pass(batch.Options{AllowMassChange: true})
		r.tidy()
	})
}

// Nor does anything stay locked where the look fails.
func TestALookThatFailsFreesWhatItHasLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.dirty(3)
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "GET", Path: "/" + path, Latency: 500 * time.Millisecond, Status: 400})
		_, err := r.run(t.Context(), batch.Options{})
		systemOf(t, err)
		if r.chunkReads() != 1 || r.writes() != 0 {
			t.Errorf("%d chunks read, %d writes", r.chunkReads(), r.writes())
		}
		r.tidy()
	})
}

// What was read early is read anew when the look has taken long; the lock stays.
func TestWhatIsReadEarlyGrowsOld(t *testing.T) {
	for name, c := range map[string]struct {
		look  time.Duration
		reads int
	}{"quick": {500 * time.Millisecond, 1}, "slow": {3 * time.Second, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{})
				r.settled()
				ids := r.dirty(3)
				r.whileLooking(c.look, func() { r.editEspo(ids[0].espo, map[string]any{"phone": "0511 77"}) })
				r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 3})
				if n := r.chunkReads(); n != c.reads {
					t.Errorf("the chunk was read %d times, want %d", n, c.reads)
				}
				r.pass(batch.Options{})
				if got := r.advoField(ids[0].advo, "telGesch"); got != "0511 77" {
					t.Errorf("what was typed while the pass looked: %q", got)
				}
				r.still()
			})
		})
	}
}

// What else the look finds joins in: the oldest edit first, each record once, and of
// each what was known last. Somebody's lock that is gone by then does not matter.
func TestWhatIsReadEarlyKeepsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		moved := r.linked()[20:22]
		for _, p := range moved {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		}
		want := []string{moved[0].espo, moved[1].espo} // of an edit in Advoware it is known that the last pass had not seen it
		slices.Sort(want)
		ids := r.dirty(5)
		for _, p := range ids {
			want = append(want, p.espo)
		}
		busy := store.Key{Entity: r.m.Entity(), ID: ids[1].espo}.LockKey()
		other, _, err := r.store.Acquire(t.Context(), []string{busy}, store.Owner{Host: "elsewhere", PID: 1, Run: "x"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r.whileLooking(500*time.Millisecond, func() {
			if err := r.store.Release(t.Context(), other); err != nil {
				t.Error(err)
			}
		})
		var got []string
		r.sink = begun(func(id string) { got = append(got, id) })
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 5, UpdatedEspocrm: 2})
		if !slices.Equal(got, want) {
			t.Errorf("begun\n got %v\nwant %v", got, want)
		}
		r.sink = nil
		r.still()
	})
}

// A list ends where its last record stands, however many pages that are, and whatever
// its server gives on one: records of one second, and one that is hidden behind them.
func TestAListEndsWithItsLastRecord(t *testing.T) {
	for _, most := range []int{1, 3, 0} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{More: 230, Unlinked: -1})
				r.settled()
				ids := r.linked()
				last := ids[len(ids)-1]
				for _, p := range ids[:len(ids)-1] { // all in one second, most of them without a mark
					r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
				}
				r.editEspo(ids[0].espo, map[string]any{"syncStatus": "dirty"})
				r.w.EspoCRM.SetField(ct, last.espo, "(hidden)", true)
				body := strings.NewReader(fmt.Sprintf(`{"listMax": %d}`, most))
				req := httptest.NewRequest(http.MethodPost, "/_sandbox/behaviour", body)
				req.Header.Set("Content-Type", "application/json")
				answer := httptest.NewRecorder()
				if r.w.EspoCRM.ServeHTTP(answer, req); answer.Code >= 300 {
					t.Fatal(answer.Body)
				}
				rep := r.pass(batch.Options{AllowMassChange: true})
				if rep.Linked != len(ids)-1 || looked(rep).UpdatedAdvoware != len(ids)-1 {
					t.Fatalf("%d linked, want %d; %+v\n%s", rep.Linked, len(ids)-1, looked(rep), short(rep.Document))
				}
				r.w.EspoCRM.SetField(ct, last.espo, "(hidden)", nil)
				r.editEspo(last.espo, map[string]any{"email": "zuletzt@example.de"})
				r.editEspo(ids[0].espo, map[string]any{"email": "zuerst@example.de", "syncStatus": "dirty"})
				r.w.Faults.Add(sandbox.Fault{System: "espocrm", Method: "GET", Path: "/api/v1/" + ct, Query: `"order":"desc"`, Count: 2, Before: func(*http.Request) {
					// It has become the last one since: not the end of what was read.
					r.editEspo(ids[5].espo, map[string]any{"email": "dazwischen@example.de"})
					time.Sleep(time.Second)
				}})
				r.pass(batch.Options{AllowMassChange: true})
				r.pass(batch.Options{AllowMassChange: true})
				for p, want := range map[pairID]string{last: "zuletzt@example.de", ids[0]: "zuerst@example.de", ids[5]: "dazwischen@example.de"} {
					if got := r.advoField(p.advo, "emailGesch"); got != want {
						t.Errorf("%s: %q, want %q", p.espo, got, want)
					}
				}
			})
		})
	}
}
