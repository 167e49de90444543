package batch_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
)

// Room to grow, 30: both lists are read side by side, 20,000 records at 50 ms a page in
// well under a second (one page after the other: five), for no more calls than are
// allowed, and with no more of them in flight than for each system its share.
func TestListsAreReadSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		c := &sandbox.Catalogue{N: n}
		r := newRig(t, sandbox.WorldOptions{Empty: true})
		r.base = c.Transport()
		r.pass(batch.Options{})
		c.Delay = 50 * time.Millisecond
		for range 2 {
			start := time.Now()
			rep := r.pass(batch.Options{})
			if took := time.Since(start); took > 800*time.Millisecond {
				t.Errorf("took %v", took)
			}
			if rep.Linked != n || looked(rep).Total != 0 {
				t.Errorf("%d linked, %+v", rep.Linked, looked(rep))
			}
			if calls := callsOf(rep); calls > budget(n) {
				t.Errorf("%d calls, allowed %d", calls, budget(n))
			}
		}
		if most := c.MostAtOnce(); most > 16 {
			t.Errorf("%d calls at the same time", most)
		}
	})
}

// What is side by side must show what one after the other does: records that were
// linked, unlinked, made and deleted since the ranges were cut, at their bounds too.
func TestRangesShowEveryRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 2500, Unlinked: -1})
		r.settled()
		r.settled() // the ranges are cut
		linked := r.linked()
		slices.SortFunc(linked, func(a, b pairID) int { return int(a.advo - b.advo) })
		bound := linked[389]                // the last record of the first range
		for _, p := range linked[390:401] { // share its number, and do not fit into its range's pages
			r.w.EspoCRM.SetField(ct, p.espo, "advowareId", bound.advo)
		}
		if rep := r.pass(batch.Options{AllowMassChange: true}); rep.Linked != len(linked) {
			t.Errorf("%d linked, want %d", rep.Linked, len(linked))
		} else if got := looked(rep); got.Failed != 12 {
			t.Errorf("twelve with one number: %+v", got)
		}
		for _, p := range linked[390:401] {
			r.w.EspoCRM.SetField(ct, p.espo, "advowareId", p.advo)
		}
		r.pass(batch.Options{AllowMassChange: true})
		for _, at := range []int{0, 388, 389, 390, 779, 780, len(linked) - 1} {
			r.w.EspoCRM.SetField(ct, linked[at].espo, "advowareId", nil)
			if rep := r.pass(batch.Options{AllowMassChange: true, DryRun: true}); rep.Linked != len(linked)-1 {
				t.Errorf("without record %d: %d linked, want %d", at, rep.Linked, len(linked)-1)
			}
			r.w.EspoCRM.SetField(ct, linked[at].espo, "advowareId", linked[at].advo)
		}
	})
}

// Room to grow, 30: the look alone does not use up every pass. Each begins some, and
// after a few nothing is left.
func TestAShortPassBeginsSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 300, Unlinked: -1})
		r.settled()
		for i, p := range r.linked()[:20] {
			r.editEspo(p.espo, map[string]any{"email": fmt.Sprintf("neu%d@example.de", i), "syncStatus": "dirty"})
		}
		r.latency.Store(int64(50 * time.Millisecond))
		for left, passes := 20, 0; left > 0; passes++ {
			rep := r.pass(batch.Options{MaxDuration: 10 * time.Millisecond})
			if rep.LeftOver >= left || passes > 4 {
				t.Fatalf("pass %d: %d left, of %d", passes, rep.LeftOver, left)
			}
			left = rep.LeftOver
		}
	})
}

// Room to grow, 30: what a bound has left over is kept by its id. The next pass does not
// compare everything anew to find it, and loses none of it.
func TestWhatABoundLeavesIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 60, Unlinked: -1, OnlyAdvoware: -1})
		r.settled()
		pairs := r.linked()
		for i, p := range pairs[:50] {
			r.editEspo(p.espo, map[string]any{"email": fmt.Sprintf("neu%d@example.de", i), "syncStatus": "dirty"})
		}
		time.Sleep(time.Hour)
		rep := r.pass(batch.Options{Limit: 10, AllowMassChange: true})
		if rep.LeftOver != 40 {
			t.Fatalf("%d left, want 40", rep.LeftOver)
		}
		state, _, err := batch.LoadState(t.Context(), r.store, r.m.Entity())
		if err != nil || state.Watermark == "" || state.ComparedAt.IsZero() || !state.LastSuccess.Before(state.LastRun) || state.Waiting != 40 {
			t.Fatalf("%+v, %v", state, err)
		}
		for i, p := range pairs[:50] { // nothing but the store knows of them now
			r.w.EspoCRM.SetField(ct, p.espo, "syncStatus", "clean")
			if i == 49 {
				r.w.EspoCRM.Remove(ct, p.espo)
			}
		}
		for left := 40; left > 0; {
			rep := r.pass(batch.Options{Limit: 10})
			if rep.LeftOver >= left || looked(rep).Failed > 0 {
				t.Fatalf("%d left, of %d\n%s", rep.LeftOver, left, short(rep.Document))
			}
			left = rep.LeftOver
		}
		for i, p := range pairs[:49] {
			if got, want := r.advoField(p.advo, "emailGesch"), fmt.Sprintf("neu%d@example.de", i); got != want {
				t.Errorf("record %d: %s, want %s", i, got, want)
			}
		}
		if state, _, err := batch.LoadState(t.Context(), r.store, r.m.Entity()); err != nil || !state.LastSuccess.Equal(state.LastRun) {
			t.Errorf("%+v, %v", state, err)
		}
	})
}
