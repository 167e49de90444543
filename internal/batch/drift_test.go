package batch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/sync"
)

// calls of the last pass besides sign-in.
func callsOf(rep batch.Report) int { return rep.Document.Calls.Espocrm + rep.Document.Calls.Advoware }

func budget(n int) int { return 2*((n+199)/200) + 10 }

func TestDriftSweepCostsPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 1946, OnlyAdvoware: -1, Unlinked: -1})
		n := len(r.linked())
		r.pass(batch.Options{})
		for _, pass := range []struct {
			name string
			wait time.Duration
		}{{"second", 15 * time.Minute}, {"with contents", 25 * time.Hour}, {"after it", 15 * time.Minute}} {
			time.Sleep(pass.wait)
			r.w.Log.Clear()
			rep := r.pass(batch.Options{})
			if c := callsOf(rep); c > budget(n) || r.writes() != 0 || rep.Linked != n {
				t.Errorf("%s pass over %d: %d calls (at most %d), %d writes, %d compared", pass.name, n, c, budget(n), r.writes(), rep.Linked)
			}
		}
	})
}

// The first pass over records that agree, on a store that knows nothing, costs
// pages too.
func TestLostStoreComparesEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 546, OnlyAdvoware: -1, Unlinked: -1})
		r.settled()
		ids := r.linked()
		r.store = memory.New(nil)
		r.editEspo(ids[5].espo, map[string]any{"email": "neu@example.de"}) // nobody made it dirty
		r.editAdvo(ids[6].advo, map[string]any{"telGesch": "0511 1"})
		rep := r.pass(batch.Options{})
		if s := looked(rep); s.UpdatedAdvoware != 1 || s.UpdatedEspocrm != 1 || s.Total > 20 {
			t.Fatalf("%+v\n%s", s, short(rep.Document))
		}
		if c := callsOf(rep); c > budget(len(ids))+40 {
			t.Errorf("%d calls for %d records", c, len(ids))
		}
		time.Sleep(time.Hour)
		r.still()
	})
}

func TestSilentEditIsFoundByContents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		p := r.linked()[4]
		if err := r.w.EspoCRM.SilentSave(ct, p.espo, map[string]any{"email": "import@example.de"}); err != nil {
			t.Fatal(err)
		}
		r.want(r.pass(batch.Options{}), result.Summary{})
		time.Sleep(24 * time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestAPassKeepsNoBaseOlderThanTheLast: what both sides held when a pass listed them is
// not remembered over the base of a sync that came between the lists and the store. With
// the old base, a later edit of one side would be a conflict.
func TestAPassKeepsNoBaseOlderThanTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		p := r.linked()[4]
		time.Sleep(25 * time.Hour) // contents are compared again
		sync := func() {
			time.Sleep(time.Minute) // until everything has been listed
			r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
			ec, ac := r.clients(r.w.Transport(), 0)
			owner := store.Owner{Host: "test", PID: 99, Start: "s99", Command: "sync", Run: "between"}
			e := sync.New(sync.Config{Run: "between"}, sync.Deps{EspoCRM: ec, Advoware: ac, Store: r.store,
				Leases: lease.New(r.store, owner, 5*time.Minute, lease.Options{})})
			if res := e.Sync(t.Context(), sync.Request{Mapping: r.m, ID: p.espo}); res.Outcome != result.UpdatedAdvoware {
				t.Errorf("between: %s %+v", res.Outcome, res.Error)
			}
		}
		var once atomic.Bool
		r.watch = func(_ string, rt http.RoundTripper, st store.Store) (http.RoundTripper, store.Store) {
			return rt, beforeLoad{st, func(ids []string) {
				if slices.Contains(ids, p.espo) && once.CompareAndSwap(false, true) {
					sync()
				}
			}}
		}
		r.pass(batch.Options{})
		if !once.Load() {
			t.Fatal("nothing came between")
		}
		r.watch = nil
		r.editAdvo(p.advo, map[string]any{"emailGesch": "spaeter@example.de"})
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedEspocrm: 1})
		if v := r.field(p.espo, "email"); v != "spaeter@example.de" {
			t.Errorf("EspoCRM holds %v", v)
		}
	})
}

// beforeLoad is a store in whose way something comes before memories are loaded.
type beforeLoad struct {
	store.Store
	fn func(ids []string)
}

func (s beforeLoad) LoadMany(ctx context.Context, entity string, ids []string) ([]store.Memory, error) {
	s.fn(ids)
	return s.Store.LoadMany(ctx, entity, ids)
}

func TestExtensionMarksEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Extension: true})
		r.settled()
		st, _, err := batch.LoadState(t.Context(), r.store, r.m.Entity())
		if err != nil || !st.Marker {
			t.Fatalf("the marker was not seen: %+v %v", st, err)
		}
		p := r.linked()[4]
		r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
		// The field goes: the pass does without.
		time.Sleep(time.Hour)
		r.w.EspoCRM.ChangeDef(ct, func(d *sandbox.EntityDef) {
			for i, f := range d.Fields {
				if f.Name == "advowareEditedAt" {
					d.Fields = append(d.Fields[:i:i], d.Fields[i+1:]...)
					break
				}
			}
		})
		r.w.EspoCRM.SetFormula(nil)
		r.editEspo(p.espo, map[string]any{"email": "noch-neuer@example.de"})
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

func TestMissingInAdvowareIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 600})
		r.settled()
		ids := r.linked()
		// One is gone; of another the list does not tell, because paging moved.
		r.w.Advoware.Delete(path, ids[3].advo)
		rep := r.pass(batch.Options{})
		r.want(rep, result.Summary{Failed: 1})
		if rep.Document.Results[0].Verdict != result.MissingInAdvoware || rep.Document.Results[0].ID != ids[3].espo {
			t.Error(short(rep.Document))
		}
		time.Sleep(5 * time.Minute)
		r.want(r.pass(batch.Options{}), result.Summary{})
	})
}

func TestAnIncompleteListIsAnError(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"500 on page 2": {Query: "page=2", Status: 500},
		"half a page":   {Query: "page=2", Truncate: 500},
		"same page":     {Query: "page=2", Status: 200, Body: ""},
		"no ids":        {Query: "page=2", Status: 200, Body: `[{"betNr": 9999999, "rowId": "x"}, {"name": "x"}]`},
		"wrong order":   {Query: "page=2", Status: 200, Body: `[{"betNr": 1, "rowId": "x"}]`},
		"a page":        {Query: "page=1", Status: 200, Body: `<html></html>`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{More: 600})
				r.settled()
				f := f
				f.System, f.Path = "advoware", "*/Beteiligte"
				if name == "same page" {
					all := r.w.Advoware.All(path)[:500]
					raw, _ := json.Marshal(asRaw(all))
					f.Body = string(raw)
				}
				r.w.Faults.Add(f)
				r.editEspo(r.linked()[0].espo, map[string]any{"email": "neu@example.de"})
				rep, err := r.run(t.Context(), batch.Options{})
				down := systemOf(t, err)
				if down.System != fault.Advoware || name == "no ids" && !strings.Contains(down.Message, "no betNr") {
					t.Error(down)
				}
				if r.writes() != 0 || looked(rep).Total != 0 {
					t.Errorf("%d writes\n%s", r.writes(), short(rep.Document))
				}
				r.tidy()
			})
		})
	}
}

func asRaw(in [][]byte) (out []json.RawMessage) {
	for _, b := range in {
		out = append(out, b)
	}
	return out
}

func TestListForms(t *testing.T) {
	zero := 0
	for name, form := range map[string]struct {
		form sandbox.ListForm
		yaml string
	}{
		"offset from 0, items, fixed parameters": {
			sandbox.ListForm{Page: "seite", Size: "anzahl", First: &zero, Max: 50, Items: "daten", Params: map[string]string{"art": "alle"}},
			`{page: seite, size: anzahl, first: 0, max: 50, params: {art: alle}, items: daten}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{More: 300})
				r.w.Advoware.SetBehaviour(func(b *sandbox.Behaviour) { b.List = form.form })
				yaml := r.w.Mapping()
				i := strings.Index(yaml, "  list: ") + len("  list: ")
				j := strings.Index(yaml[i:], "\n")
				r.m = r.mapping(yaml[:i] + form.yaml + yaml[i+j:])
				r.settled()
				r.editAdvo(r.linked()[100].advo, map[string]any{"telGesch": "0511 1"})
				r.want(r.pass(batch.Options{}), result.Summary{UpdatedEspocrm: 1})
				time.Sleep(15 * time.Minute)
				r.still()
			})
		})
	}
}

func TestTwinsAreNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		r.editEspo(ids[1].espo, map[string]any{"email": "zwilling@example.de"})
		r.w.EspoCRM.SetField(ct, ids[1].espo, "advowareId", ids[0].advo)
		before := r.advoField(ids[0].advo, "emailGesch")
		rep := r.pass(batch.Options{})
		if looked(rep).Failed != 2 || r.advoField(ids[0].advo, "emailGesch") != before {
			t.Errorf("%+v\n%s", looked(rep), short(rep.Document))
		}
	})
}

func TestMassUpdate(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		t.Run(fmt.Sprint(allowed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{More: 200})
				r.settled()
				r.w.EspoCRM.ChangeUser("api-apikey", func(u *sandbox.User) { u.Role.MassUpdate = allowed })
				ids := r.linked()[:150]
				for _, p := range ids {
					r.editEspo(p.espo, map[string]any{"syncStatus": "dirty"})
				}
				r.w.Log.Clear()
				rep := r.pass(batch.Options{})
				r.want(rep, result.Summary{Adopted: 150})
				for _, p := range ids {
					if r.field(p.espo, "syncStatus") != "clean" {
						t.Fatalf("%s is %v", p.espo, r.field(p.espo, "syncStatus"))
					}
				}
				if allowed && (r.writes() != 2 || len(rep.Warnings) != 0) {
					t.Errorf("%d writes, %v", r.writes(), rep.Warnings)
				}
				if !allowed && (r.writes() > 153 || len(rep.Warnings) != 1) { // two chunks may have asked at once
					t.Errorf("%d writes, %v", r.writes(), rep.Warnings)
				}
				time.Sleep(15 * time.Minute)
				r.still()
			})
		})
	}
}

// A mass update that skips a record without a word leaves it to a single one.
func TestMassUpdateSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()[:10]
		for _, p := range ids {
			r.editEspo(p.espo, map[string]any{"syncStatus": "dirty"})
		}
		r.w.Faults.Add(sandbox.Fault{System: "espocrm", Method: "POST", Path: "*/MassAction", Status: 200, Body: `{"count": 0, "ids": []}`, Count: 1})
		r.want(r.pass(batch.Options{}), result.Summary{Adopted: 10})
		for _, p := range ids {
			if r.field(p.espo, "syncStatus") != "clean" {
				t.Errorf("%s is %v", p.espo, r.field(p.espo, "syncStatus"))
			}
		}
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// Records that move while they are listed are looked at once, and none is lost.
func TestPagingWhileRecordsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 700})
		r.settled()
		ids := r.linked()
		for _, p := range ids[:450] {
			r.editEspo(p.espo, map[string]any{"email": "neu@example.de"})
			if p.advo%10 == 0 {
				time.Sleep(time.Second)
			}
		}
		var edits atomic.Int32 // pages are asked for side by side
		r.w.Faults.Add(sandbox.Fault{System: "espocrm", Method: "GET", Path: "/api/v1/" + ct, Query: "greaterThan", After: func(*http.Request) {
			// Behind each page somebody saves a record that was listed, one that was
			// not yet, and deletes one that was.
			n := edits.Add(1)
			if n > 6 {
				return
			}
			r.editEspo(ids[n].espo, map[string]any{"phone": "1"})
			r.editEspo(ids[440-n].espo, map[string]any{"phone": "2"})
			_ = r.w.EspoCRM.Delete(ct, ids[10+n].espo, "anna")
		}})
		seen := map[string]int{}
		r.sink = begun(func(id string) { seen[id]++ })
		rep := r.pass(batch.Options{})
		for i, p := range ids[:450] {
			if gone := i > 10 && i <= 16; gone {
				continue
			}
			if seen[p.espo] != 1 || r.advoField(p.advo, "emailGesch") != "neu@example.de" {
				t.Fatalf("record %d was begun %d times: %s", i, seen[p.espo], r.advoField(p.advo, "emailGesch"))
			}
		}
		if looked(rep).Failed > 0 {
			t.Error(short(rep.Document))
		}
		r.w.Faults.Clear("")
		r.sink = nil
		for range 3 {
			time.Sleep(25 * time.Hour)
			r.pass(batch.Options{})
		}
		for i := 1; i <= 6; i++ {
			if r.advoField(ids[i].advo, "telGesch") != "1" || r.advoField(ids[440-i].advo, "telGesch") != "2" {
				t.Error("an edit made while listing is lost")
			}
		}
		r.still()
	})
}

// begun is a sink that hears which records are begun.
type begun func(id string)

func (begun) Phase(string, batch.Phase) {}
func (begun) Planned(string, int, bool) {}
func (b begun) Begun(_, id string)      { b(id) }
func (begun) Ended(result.Record)       {}
func (begun) Warned(string)             {}

// What is left over by a limit is still found when nothing points to it but the
// time of its edit.
func TestLeftOverKeepsTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		for _, p := range r.linked()[:6] {
			r.editEspo(p.espo, map[string]any{"email": "neu@example.de"}) // the status stays clean
		}
		for range 3 {
			r.want(r.pass(batch.Options{Limit: 2}), result.Summary{UpdatedAdvoware: 2})
			time.Sleep(time.Hour)
		}
		r.still()
	})
}

func TestUnlistedRechecksWhatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, unlisted)
		r.settled()
		n := len(r.linked())
		p := r.linked()[2]
		r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		r.want(r.pass(batch.Options{}), result.Summary{})
		time.Sleep(24 * time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedEspocrm: 1, Unchanged: n - 1})
		time.Sleep(15 * time.Minute)
		r.want(r.pass(batch.Options{}), result.Summary{})
		r.still()
	})
}

// TestUnlistedFindsARestoredRecord: a restored record brings its old stamp and its
// old contents back, so nothing in EspoCRM tells that it is there again.
func TestUnlistedFindsARestoredRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, unlisted, moving)
		r.settled()
		p := r.linked()[2]
		r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		if err := r.w.EspoCRM.Delete(ct, p.espo, "anna"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{Skipped: 1, Unchanged: len(r.linked())})
		time.Sleep(15 * time.Minute)
		r.w.Log.Clear()
		r.want(r.pass(batch.Options{}), result.Summary{})
		if n := r.w.Log.Count(func(e sandbox.LogEntry) bool { return strings.HasSuffix(e.Path, "/"+p.espo) }); n != 0 {
			t.Errorf("what is gone was read %d times", n)
		}
		if err := r.w.EspoCRM.Restore(ct, p.espo); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedEspocrm: 1, Unchanged: len(r.linked()) - 1})
		if got := r.field(p.espo, "phone"); got != "0511 1" {
			t.Errorf("phone is %v", got)
		}
		r.still()
	})
}

// A record whose memory was dropped, because it was deleted in Advoware after it was
// deleted in EspoCRM, is found again when it is restored: it says "clean" and links
// to nothing.
func TestUnlistedFindsARestoredRecordThatIsGoneFromAdvoware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, unlisted)
		r.cfg.Engine.OnMissingInEspocrm = sync.MissingDelete
		r.settled()
		n := len(r.linked())
		p := r.linked()[2]
		if err := r.w.EspoCRM.Delete(ct, p.espo, "anna"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		r.want(r.pass(batch.Options{AllowDeletes: 1}), result.Summary{UpdatedAdvoware: 1, Unchanged: n - 1})
		if err := r.w.EspoCRM.Restore(ct, p.espo); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour)
		r.want(r.pass(batch.Options{}), result.Summary{Failed: 1, Unchanged: n - 1})
	})
}

func TestRunsAndStateAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		for range 53 {
			r.pass(batch.Options{})
			time.Sleep(time.Minute)
		}
		runs, err := batch.Runs(t.Context(), r.store)
		if err != nil || len(runs) != 50 || runs[0].ID != "run-053" || !runs[0].Success {
			t.Fatalf("%d runs, %v", len(runs), err)
		}
		keys, err := r.store.Keys(t.Context(), "run:")
		if err != nil || len(keys) != 50 {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		st, ok, err := batch.LoadState(t.Context(), r.store, "beteiligte")
		if err != nil || !ok || st.Watermark == "" || st.LastSuccess.IsZero() || st.Linked == 0 {
			t.Errorf("%+v %v %v", st, ok, err)
		}
		var _ store.Values = r.store
	})
}
