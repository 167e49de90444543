package batch_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/mapping"
	"advosync/internal/sandbox"
)

// A pass that a bound has ended, with candidates left, is no success (docs/operations.md,
// advosync_last_success_timestamp_seconds: "that left nothing open").
func TestBoundedPassIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.edited(5)
		rep := r.pass(batch.Options{Limit: 2})
		runs, err := batch.Runs(t.Context(), r.store)
		if err != nil || rep.LeftOver != 3 || runs[0].Success {
			t.Errorf("%d left over, success %v %v", rep.LeftOver, runs[0].Success, err)
		}
	})
}

// Two entities and --limit: the first one has creates that are held back pass by pass, as
// many as the limit; the second one has its turn all the same.
func TestLimitGivesEachEntityItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		second := r.mapping(strings.Replace(r.w.Mapping(), "entity: Beteiligte", "entity: Zweite", 1))
		both := []*mapping.Mapping{r.m, second}
		if second.Entity() == r.m.Entity() {
			t.Fatal("set-up")
		}
		for range 3 {
			r.edited(3) // three edits before each pass: as many as the limit
			rep, err := r.process().Run(t.Context(), both, batch.Options{Limit: 3}, nil)
			t.Log(rep.Skipped, err)
			time.Sleep(time.Hour)
		}
		if _, ran, err := batch.LoadState(t.Context(), r.store, "Zweite"); err != nil || !ran {
			t.Errorf("the second entity has never had its turn: %v %v", ran, err)
		}
	})
}

// More than a page was modified. The last record of the first page is saved between the read
// of that page and that of the list's end.
func TestSavedBetweenPageAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 260, Unlinked: -1, OnlyAdvoware: -1})
		r.cfg.MaxChangedShare = 1
		r.settled()
		ids := r.linked()[:240]
		for _, p := range ids {
			r.editEspo(p.espo, map[string]any{"email": "neu@example.de"}) // the status stays clean
			time.Sleep(time.Second)
		}
		r.w.EspoCRM.SetField(ct, ids[0].espo, "syncStatus", "dirty") // so that the end is asked for
		time.Sleep(time.Hour)
		last := ids[199]
		paged := make(chan struct{})
		done := false
		base := r.transport()
		r.base = tripper(func(q *http.Request) (*http.Response, error) {
			s := q.URL.Query().Get("searchParams")
			switch {
			case !strings.Contains(s, `"orderBy":"modifiedAt"`) || done:
			case strings.Contains(s, `"order":"desc"`): // behind the first page
				<-paged
				done = true
				r.editEspo(last.espo, map[string]any{"phone": "0511 77"})
			default:
				a, err := base.RoundTrip(q)
				close(paged)
				time.Sleep(time.Second)
				return a, err
			}
			return base.RoundTrip(q)
		})
		r.pass(batch.Options{})
		if !done {
			t.Fatal("set-up: the end was not asked for")
		}
		for range 3 {
			time.Sleep(time.Hour)
			r.pass(batch.Options{})
		}
		n := 0
		for _, p := range ids {
			if r.advoField(p.advo, "emailGesch") != "neu@example.de" {
				n++
			}
		}
		if n > 0 {
			t.Errorf("%d edits are overlooked three hours later", n)
		}
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

var _ = slices.Sort[[]int]
