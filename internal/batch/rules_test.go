package batch_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// Cases in which one rule alone lets a pass find an edit, or keeps it from
// harm.

const stamp = "2006-01-02 15:04:05"

// TestAnAnnouncementIsACandidate: nothing else about the record asks for a look.
func TestAnAnnouncementIsACandidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		key := store.Key{Entity: r.m.Entity(), ID: r.linked()[3].espo}
		mem, err := r.store.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		mem.Open = &store.Announcement{Side: record.Advoware, AdvowareID: mem.Base.AdvowareID, Run: "dead", RowBefore: mem.Base.RowID}
		r.remember(key, mem)
		r.pass(batch.Options{})
		r.tidy() // nothing announced is left
	})
}

// remember puts a memory in the place of what stands in the store.
func (r *rig) remember(key store.Key, mem store.Memory) {
	r.t.Helper()
	ctx := context.Background()
	lock, _, err := r.store.Acquire(ctx, []string{key.LockKey()}, store.Owner{Host: "test", PID: 1}, time.Minute)
	if err != nil {
		r.t.Fatal(err)
	}
	now, err := r.store.Load(ctx, key)
	if err != nil {
		r.t.Fatal(err)
	}
	mem.Rev = now.Rev
	if _, err := r.store.Commit(ctx, store.Commit{Key: key, Lease: lock[0], Memory: &mem}); err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.Release(ctx, lock); err != nil {
		r.t.Fatal(err)
	}
}

// TestALockedRecordKeepsTheWatermark: it was edited long before the pass that
// could not have it, and the next one finds it all the same.
func TestALockedRecordKeepsTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		p := r.linked()[3]
		r.editEspo(p.espo, map[string]any{"email": "neu@example.de"}) // the status stays clean
		time.Sleep(time.Hour)
		key := store.Key{Entity: r.m.Entity(), ID: p.espo}.LockKey()
		lock, _, err := r.store.Acquire(t.Context(), []string{key}, store.Owner{Host: "other", PID: 1, Run: "alive"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		r.want(r.pass(batch.Options{}), result.Summary{Locked: 1})
		if err := r.store.Release(t.Context(), lock); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
	})
}

// TestAnOutageKeepsTheWatermark of the one record that it has hit.
func TestAnOutageKeepsTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		p := r.linked()[3]
		r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
		r.cfg.Engine.MarkSyncing = false // else the mark would tell
		time.Sleep(time.Hour)
		// Before anything is announced: else the announcement would tell.
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "GET", Path: r.advoPath(p), Status: 503})
		rep, err := r.run(t.Context(), batch.Options{})
		// One failure among good answers ends nothing, and is said (audit and scale, 35).
		if err != nil || rep.LeftOver != 1 || len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "left to the next pass") {
			t.Fatalf("%v, %d left, %q", err, rep.LeftOver, rep.Warnings)
		}
		r.w.Faults.Clear("")
		time.Sleep(time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
	})
}

// TestAnEditWhileAPassRuns: the watermark is the moment when the pass began to
// look, however long it takes.
func TestAnEditWhileAPassRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		busy, p := r.edited(40), r.linked()[45]
		edited := time.Time{}
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "PUT", Count: 1, Before: func(*http.Request) {
			edited = time.Now()
			r.editEspo(p.espo, map[string]any{"email": "mitten@example.de"})
		}})
		r.latency.Store(int64(8 * time.Second))
		r.want(r.pass(batch.Options{Concurrency: 1}), result.Summary{UpdatedAdvoware: len(busy)})
		if time.Since(edited) < 20*time.Minute {
			t.Fatalf("the pass took only %s more", time.Since(edited))
		}
		r.latency.Store(0)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
	})
}

// TestAnEditThatWasCommittedLate: it carries a stamp of before the last pass,
// which could not see it yet.
func TestAnEditThatWasCommittedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.want(r.pass(batch.Options{}), result.Summary{})
		p := r.linked()[3]
		r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
		r.w.EspoCRM.SetField(ct, p.espo, "modifiedAt", time.Now().UTC().Add(-2*time.Minute).Format(stamp))
		time.Sleep(15 * time.Minute)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
	})
}

// TestAnUnlinkedRecordIsNotGone: it is not among the linked ones any more, but it
// is there. Nothing is counted as a delete.
func TestAnUnlinkedRecordIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1})
		r.cfg.Engine.OnMissingInEspocrm = sync.MissingDelete
		r.settled()
		for _, p := range r.linked()[:3] {
			r.w.EspoCRM.SetField(ct, p.espo, "advowareId", nil)
		}
		time.Sleep(25 * time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{})
	})
}

// TestACutTextIsReadSingly: EspoCRM cuts long texts in lists. Taken for an edit,
// the rest would be lost in Advoware; taken for a record that is not there, a
// delete.
func TestACutTextIsReadSingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, func(r *rig) {
			phone := "  - {espocrm: phone, advoware: telGesch}\n"
			r.m = r.mapping(strings.Replace(r.w.Mapping(), phone, phone+"  - {espocrm: description, advoware: bemerkung}\n", 1))
		})
		r.cfg.Engine.OnMissingInEspocrm = sync.MissingDelete
		r.cfg.Engine.MarkSyncing = false // whose answer would be whole
		p, long := r.linked()[3], strings.Repeat("Akte ", 3000)+"Ende"
		r.editEspo(p.espo, map[string]any{"description": long})
		r.settled()
		for _, mail := range []string{"neu@example.de", "neuer@example.de"} {
			r.editEspo(p.espo, map[string]any{"email": mail})
			r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
			if got := r.advoField(p.advo, "bemerkung"); got != long || r.advoField(p.advo, "emailGesch") != mail {
				t.Fatalf("%d characters of %d, emailGesch %q", len(got), len(long), r.advoField(p.advo, "emailGesch"))
			}
			time.Sleep(time.Hour)
		}
	})
}

// TestARefusedPOSTIsLeftToTheNextPass, whatever pause Advoware asks for.
func TestARefusedPOSTIsLeftToTheNextPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: 1})
		posts := func() int {
			return r.w.Log.Count(func(e sandbox.LogEntry) bool { return e.Method == "POST" && strings.Contains(e.Path, "/advonet/") })
		}
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "POST", Path: "*/advonet/*", Status: 429, Header: http.Header{"Retry-After": {"1"}}, Count: 1})
		_, err := r.run(t.Context(), batch.Options{})
		systemOf(t, err)
		if n := posts(); n != 1 {
			t.Errorf("%d POSTs", n)
		}
		time.Sleep(15 * time.Minute)
		if rep := r.pass(batch.Options{}); looked(rep).Created != 1 || posts() != 2 {
			t.Errorf("%+v, %d POSTs", looked(rep), posts())
		}
		r.tidy()
	})
}
