package batch_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// halts runs a pass that a guard has to stop before its first write, and again
// with its flag.
func (r *rig) halts(want reconcile.GuardName, flag string, allow batch.Options) batch.Report {
	r.t.Helper()
	r.w.Log.Clear()
	before := stamps(r)
	rep, err := r.run(r.t.Context(), batch.Options{})
	g := guardOf(r.t, err)
	if g.Guard != want || !strings.Contains(g.Error(), flag) || rep.Document.Error == nil || !strings.Contains(rep.Document.Error.Hint, flag) {
		r.t.Fatalf("halted by %s: %v\n%+v", g.Guard, g, rep.Document.Error)
	}
	if r.writes() != 0 || len(before) != len(stamps(r)) || looked(rep).Total != 0 {
		r.t.Fatalf("it wrote before it halted: %+v", looked(rep))
	}
	r.tidy()
	// The flags of the other guards do not help.
	others := batch.Options{AllowMassChange: true, AllowDeletes: 1000, AllowEmpty: true, AllowMappingChange: true, AllowRegress: true}
	if allow.AllowMassChange {
		others.AllowMassChange = false
	}
	if allow.AllowDeletes > 0 {
		others.AllowDeletes = 0
	}
	if allow.AllowEmpty {
		others.AllowEmpty = false
	}
	if allow.AllowMappingChange {
		others.AllowMappingChange = false
	}
	if allow.AllowRegress {
		others.AllowRegress = false
	}
	if _, err := r.run(r.t.Context(), others); guardOf(r.t, err).Guard != want {
		r.t.Fatalf("another guard's flag let it pass: %v", err)
	}
	return r.pass(allow)
}

func TestGuardMassChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		for _, p := range ids[:len(ids)/2+1] {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		}
		rep := r.halts(reconcile.GuardMassChange, "--allow-mass-change", batch.Options{AllowMassChange: true})
		r.want(rep, result.Summary{UpdatedEspocrm: len(ids)/2 + 1})
	})
}

func TestGuardMassChangeLetsFewPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.cfg.MaxChangedShare = 0
		for _, p := range r.linked()[:20] {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		}
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedEspocrm: 20})
	})
}

func TestGuardMassChangeWithoutList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{Unlinked: -1, More: 100}, unlisted)
		r.settled()
		ids := r.linked()
		for _, p := range ids {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		}
		time.Sleep(24 * time.Hour)
		rep, err := r.run(t.Context(), batch.Options{Concurrency: 4})
		if g := guardOf(t, err); g.Guard != reconcile.GuardMassChange {
			t.Fatal(err)
		}
		if n := looked(rep).UpdatedEspocrm; n >= 20 || looked(rep).Failed > 0 {
			t.Errorf("%d were written before it judged\n%s", n, short(rep.Document))
		}
		r.tidy()
		done := looked(rep).UpdatedEspocrm
		r.want(r.pass(batch.Options{AllowMassChange: true}), result.Summary{UpdatedEspocrm: len(ids) - done})
	})
}

func TestGuardEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		for _, p := range ids {
			r.w.Advoware.Delete(path, p.advo)
		}
		for _, raw := range r.w.Advoware.All(path) { // also those that EspoCRM does not know
			r.w.Advoware.Delete(path, idOf(raw))
		}
		rep := r.halts(reconcile.GuardEmpty, "--allow-empty", batch.Options{AllowEmpty: true, AllowMassChange: true})
		r.want(rep, result.Summary{Failed: len(ids)})
	})
}

func TestGuardEmptyEspoCRM(t *testing.T) {
	for name, change := range map[string]func(*rig){"list": func(*rig) {}, "no list": unlisted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, change)
				r.settled()
				ids := r.linked()
				for _, p := range ids {
					r.w.EspoCRM.SetField(ct, p.espo, "advowareId", nil)
					r.w.EspoCRM.SetField(ct, p.espo, "syncStatus", "clean")
				}
				r.w.Log.Clear()
				_, err := r.run(t.Context(), batch.Options{})
				if g := guardOf(t, err); g.Guard != reconcile.GuardEmpty || r.writes() != 0 {
					t.Fatal(err, r.writes())
				}
			})
		})
	}
}

func TestGuardMappingChange(t *testing.T) {
	for name, change := range map[string]func(*rig){"list": func(*rig) {}, "no list": unlisted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, change)
				r.settled()
				yaml := strings.Replace(r.w.Mapping(), "advoware: telGesch}", "advoware: telGesch, direction: to_advoware}", 1)
				r.m = r.mapping(yaml)
				if name == "no list" {
					i := strings.Index(yaml, "  list:")
					r.m = r.mapping(yaml[:i] + yaml[i+strings.Index(yaml[i:], "\n")+1:])
				}
				rep := r.halts(reconcile.GuardMapping, "--allow-mapping-change", batch.Options{AllowMappingChange: true})
				if s := looked(rep); s.Failed+s.UpdatedAdvoware+s.UpdatedEspocrm > 0 {
					t.Errorf("%+v\n%s", s, short(rep.Document))
				}
				time.Sleep(15 * time.Minute)
				r.still()
			})
		})
	}
}

func TestGuardDeletes(t *testing.T) {
	for name, change := range map[string]func(*rig){"list": func(*rig) {}, "no list": unlisted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, change)
				r.cfg.Engine.OnMissingInEspocrm = sync.MissingDelete
				r.settled()
				ids := r.linked()
				for _, p := range ids[:3] {
					if err := r.w.EspoCRM.Delete(ct, p.espo, "anna"); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(25 * time.Hour)
				if name == "list" {
					r.halts(reconcile.GuardDeletes, "--allow-deletes 3", batch.Options{AllowDeletes: 3})
				} else {
					_, err := r.run(t.Context(), batch.Options{})
					if g := guardOf(t, err); g.Guard != reconcile.GuardDeletes || g.Flag != "--allow-deletes 3" {
						t.Fatal(err)
					}
					r.w.Log.Clear()
					_, err = r.run(t.Context(), batch.Options{AllowDeletes: 2})
					if g := guardOf(t, err); g.Guard != reconcile.GuardDeletes || r.writes() > 0 {
						t.Fatal(err, r.writes())
					}
					rep := r.pass(batch.Options{AllowDeletes: 3})
					if looked(rep).UpdatedAdvoware != 3 {
						t.Fatal(short(rep.Document))
					}
				}
				for _, p := range ids[:3] {
					if _, there := r.w.Advoware.Get(path, p.advo); there {
						t.Errorf("%d is still there", p.advo)
					}
				}
				time.Sleep(15 * time.Minute)
				r.still()
			})
		})
	}
}

func TestGoneFromEspoCRMIsSaidOnce(t *testing.T) {
	for name, change := range map[string]func(*rig){"list": func(*rig) {}, "no list": unlisted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{Unlinked: -1}, change, moving)
				r.settled()
				p := r.linked()[0]
				if err := r.w.EspoCRM.Delete(ct, p.espo, "anna"); err != nil {
					t.Fatal(err)
				}
				said := 0
				for range 4 {
					time.Sleep(25 * time.Hour)
					rep := r.pass(batch.Options{})
					said += looked(rep).Skipped
					if rep.LeftOver != 0 || looked(rep).Failed > 0 {
						t.Errorf("left %d\n%s", rep.LeftOver, short(rep.Document))
					}
				}
				if said != 1 {
					t.Errorf("said %d times", said)
				}
				if _, there := r.w.Advoware.Get(path, p.advo); !there {
					t.Error("it was deleted in Advoware")
				}
			})
		})
	}
}

func TestGuardRegressEspoCRM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		backup := map[string]map[string]any{}
		for _, p := range ids {
			backup[p.espo], _ = r.w.EspoCRM.Get(ct, p.espo)
		}
		for _, p := range ids[:10] {
			r.editEspo(p.espo, map[string]any{"email": "nach-der-sicherung@example.de"})
		}
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 10})
		time.Sleep(time.Hour)
		r.pass(batch.Options{})
		for id, rec := range backup {
			for name, v := range rec {
				r.w.EspoCRM.SetField(ct, id, name, v)
			}
		}
		rep := r.halts(reconcile.GuardRegress, "--allow-regress", batch.Options{AllowRegress: true})
		t.Logf("%+v", looked(rep))
		time.Sleep(time.Hour)
		r.still()
	})
}

func TestGuardRegressAdvoware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		p := r.linked()[0]
		backup, _ := r.w.Advoware.Get(path, p.advo)
		r.editEspo(p.espo, map[string]any{"email": "nach-der-sicherung@example.de"})
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 1})
		time.Sleep(time.Hour)
		r.w.Advoware.Restore(path, p.advo, backup)
		r.halts(reconcile.GuardRegress, "--allow-regress", batch.Options{AllowRegress: true})
	})
}

func TestDryRunWritesNothingAndShowsThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		r.editEspo(ids[0].espo, map[string]any{"email": "neu@example.de"})
		r.editAdvo(ids[1].advo, map[string]any{"telGesch": "0511 1"})
		rw := r.store
		r.store = store.ReadOnly(rw)
		r.w.Log.Clear()
		before := stamps(r)
		rep, err := r.run(t.Context(), batch.Options{DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		if r.writes() != 0 || strings.Join(before, "") != strings.Join(stamps(r), "") {
			t.Error("a dry run wrote")
		}
		r.want(rep, result.Summary{Planned: 2})
		r.store = rw
		done := r.pass(batch.Options{})
		if len(done.Document.Results) != len(rep.Document.Results) {
			t.Fatalf("planned %d, did %d", len(rep.Document.Results), len(done.Document.Results))
		}
		for i, p := range rep.Document.Results {
			if did := done.Document.Results[i]; did.ID != p.ID || did.Verdict != p.Verdict || did.Outcome != p.Planned {
				t.Errorf("planned %s %s/%s, did %s %s/%s", p.ID, p.Verdict, p.Planned, did.ID, did.Verdict, did.Outcome)
			}
		}
	})
}

func TestDryRunOfAFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		rw := r.store
		r.store = store.ReadOnly(rw)
		rep, err := r.run(t.Context(), batch.Options{DryRun: true})
		if err != nil || r.writes() != 0 {
			t.Fatal(err, r.writes())
		}
		if s := looked(rep); s.Planned < 6 || s.Failed > 0 {
			t.Errorf("%+v\n%s", s, short(rep.Document))
		}
	})
}

// TestGuardRegressStore: more than three records were synced by another store since what
// this one remembers: it is an older copy.
func TestGuardRegressStore(t *testing.T) {
	for n, halts := range map[int]bool{3: false, 4: true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, sandbox.WorldOptions{})
			r.settled()
			ids := r.linked()[:n]
			olds := map[string]store.Memory{}
			for _, p := range ids {
				m, err := r.store.Load(t.Context(), store.Key{Entity: r.m.Entity(), ID: p.espo})
				if err != nil {
					t.Fatal(err)
				}
				olds[p.espo] = m
				r.editEspo(p.espo, map[string]any{"email": "anderswo@example.de"})
			}
			r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: n})
			for _, p := range ids { // as a restored store knows them
				r.remember(store.Key{Entity: r.m.Entity(), ID: p.espo}, olds[p.espo])
				r.editEspo(p.espo, map[string]any{"phone": "0511 1"})
			}
			if !halts {
				r.pass(batch.Options{})
				return
			}
			r.halts(reconcile.GuardRegress, "--allow-regress", batch.Options{AllowRegress: true})
		})
	}
}
