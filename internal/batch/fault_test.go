package batch_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// edited makes the first n linked records dirty with an edit.
func (r *rig) edited(n int) []pairID {
	r.t.Helper()
	ids := r.linked()[:n]
	for _, p := range ids {
		r.editEspo(p.espo, map[string]any{"email": "neu@example.de", "syncStatus": "dirty"})
		time.Sleep(2 * time.Second)
	}
	return ids
}

func (r *rig) advoPath(p pairID) string { return "*/Beteiligte/" + itoa(p.advo) }

func TestPoisonRecordDisturbsNobody(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"refused":    {Method: "PUT", Status: 400, Body: "abgelehnt"},
		"500 on PUT": {Method: "PUT", Status: 500},
		"500 on GET": {Method: "GET", Status: 500},
		"504 on GET": {Method: "GET", Status: 504},
	} {
		for _, workers := range []int{1, 8} {
			t.Run(name+"/"+itoa(int64(workers)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, sandbox.WorldOptions{})
					r.settled()
					ids := r.edited(20)
					f := f
					f.System, f.Path = "advoware", r.advoPath(ids[0])
					r.w.Faults.Add(f)
					rep := r.pass(batch.Options{Concurrency: workers})
					r.want(rep, result.Summary{UpdatedAdvoware: 19, Failed: 1})
					if r.field(ids[0].espo, "syncStatus") != "failed" || r.field(ids[0].espo, "syncRetryCount") != int64(1) {
						t.Errorf("status %v, count %v", r.field(ids[0].espo, "syncStatus"), r.field(ids[0].espo, "syncRetryCount"))
					}
					if len(rep.Failed) != 1 || rep.Oldest.IsZero() {
						t.Errorf("failed %d, oldest %v", len(rep.Failed), rep.Oldest)
					}
					// Not before its back-off, whatever an announcement says.
					time.Sleep(10 * time.Minute)
					r.want(r.pass(batch.Options{}), result.Summary{})
					r.w.Faults.Clear("")
					time.Sleep(6 * time.Minute)
					rep = r.pass(batch.Options{})
					if got := looked(rep); got.Total != 1 || got.Failed != 0 {
						t.Fatalf("%+v\n%s", got, short(rep.Document))
					}
					if r.advoField(ids[0].advo, "emailGesch") != "neu@example.de" {
						t.Error("the edit did not travel in the end")
					}
					time.Sleep(15 * time.Minute)
					r.still()
				})
			})
		}
	}
}

func TestPoisonInEspoCRM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.edited(20)
		for _, p := range ids { // Advoware's edits travel by one PUT to EspoCRM
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 9"})
		}
		r.w.Faults.Add(sandbox.Fault{System: "espocrm", Method: "PUT", Path: "/api/v1/" + ct + "/" + ids[3].espo, Status: 500, Count: 2})
		rep := r.pass(batch.Options{})
		if s := looked(rep); s.Failed != 1 || s.Merged != 19 {
			t.Fatalf("%+v\n%s", s, short(rep.Document))
		}
	})
}

func TestOutageInTheMiddle(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"dropped": {Drop: sandbox.DropBefore}, "500": {Status: 500}, "503": {Status: 503}, "answers lost": {Drop: sandbox.DropAfter}, "401": {Status: 401}, "429": {Status: 429},
		"html": {Status: 200, Body: "<html>Wartung</html>"},
	} {
		for _, system := range []string{"espocrm", "advoware"} {
			for _, workers := range []int{1, 8} {
				t.Run(name+"/"+system+"/"+itoa(int64(workers)), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := newRig(t, sandbox.WorldOptions{})
						r.latency.Store(int64(50 * time.Millisecond))
						r.settled()
						ids := r.edited(40)
						f := f
						f.System, f.Skip = system, 30
						r.w.Faults.Add(f)
						rep, err := r.run(t.Context(), batch.Options{Concurrency: workers})
						down := systemOf(t, err)
						if string(down.System) != system {
							t.Errorf("%s is blamed: %v", down.System, err)
						}
						if rep.Document.Error == nil || rep.Document.Error.Owner != "system" || rep.Ended != batch.StopSystem {
							t.Errorf("document error %+v, ended %q", rep.Document.Error, rep.Ended)
						}
						if s := looked(rep); s.Failed+s.PermanentlyFailed > 0 {
							t.Errorf("attempts were counted: %+v\n%s", s, short(rep.Document))
						}
						open, err := batch.Breakers(t.Context(), r.store)
						if err != nil || open[system].Message == "" {
							t.Errorf("breakers %+v %v", open, err)
						}
						r.w.Faults.Clear("")
						time.Sleep(15 * time.Minute)
						for range 3 {
							r.pass(batch.Options{})
							time.Sleep(15 * time.Minute)
						}
						for _, p := range ids {
							if r.field(p.espo, "syncRetryCount") != nil && r.field(p.espo, "syncRetryCount") != int64(0) {
								t.Errorf("%s has %v attempts", p.espo, r.field(p.espo, "syncRetryCount"))
							}
							if r.field(p.espo, "syncStatus") != "clean" || r.advoField(p.advo, "emailGesch") != "neu@example.de" {
								t.Errorf("%s did not catch up: %v", p.espo, r.field(p.espo, "syncStatus"))
							}
						}
						if open, _ := batch.Breakers(t.Context(), r.store); len(open) != 0 {
							t.Errorf("breakers stay open: %+v", open)
						}
						r.still()
					})
				})
			}
		}
	}
}

func TestFifthFailureNotifiesOnceAndAnEditRearms(t *testing.T) {
	for _, side := range []string{"espocrm", "advoware"} {
		t.Run(side, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, sandbox.WorldOptions{})
				r.settled()
				p := r.edited(1)[0]
				r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "PUT", Path: r.advoPath(p), Status: 400, Body: "abgelehnt"})
				attempts := 0
				start := time.Now()
				var at []time.Duration
				for time.Since(start) < 10*time.Hour {
					rep := r.pass(batch.Options{})
					if s := looked(rep); s.Failed+s.PermanentlyFailed > 0 {
						attempts++
						at = append(at, time.Since(start))
					}
					time.Sleep(5 * time.Minute)
				}
				if attempts != 5 {
					t.Fatalf("%d attempts at %v", attempts, at)
				}
				for i, pause := range []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour} {
					if got := at[i+1] - at[i]; got < pause || got > pause+11*time.Minute {
						t.Errorf("pause %d was %v, want %v", i+1, got, pause)
					}
				}
				if r.field(p.espo, "syncStatus") != "permanently_failed" || len(r.w.EspoCRM.Posts()) != 1 {
					t.Fatalf("status %v, posts %v", r.field(p.espo, "syncStatus"), r.w.EspoCRM.Posts())
				}
				r.still()
				r.w.Faults.Clear("")
				if side == "espocrm" {
					r.editEspo(p.espo, map[string]any{"email": "besser@example.de"})
				} else {
					r.editAdvo(p.advo, map[string]any{"telGesch": "0511 3"})
				}
				rep := r.pass(batch.Options{})
				if s := looked(rep); s.Total != 1 || s.UpdatedAdvoware+s.Merged != 1 || s.Failed+s.PermanentlyFailed > 0 {
					t.Fatalf("not re-armed: %+v\n%s", s, short(rep.Document))
				}
				time.Sleep(15 * time.Minute)
				r.still()
			})
		})
	}
}

func TestLeftInSyncingByADeadRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		for _, p := range ids[:3] {
			r.w.EspoCRM.SetField(ct, p.espo, "syncStatus", "syncing")
		}
		key := store.Key{Entity: r.m.Entity(), ID: ids[0].espo}.LockKey()
		if _, _, err := r.store.Acquire(t.Context(), []string{key}, store.Owner{Host: "test", PID: 1, Run: "dead"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		live := store.Key{Entity: r.m.Entity(), ID: ids[1].espo}.LockKey()
		granted, _, err := r.store.Acquire(t.Context(), []string{live}, store.Owner{Host: "other", PID: 1, Run: "alive"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		rep := r.pass(batch.Options{})
		r.want(rep, result.Summary{Adopted: 2, Locked: 1})
		if r.field(ids[0].espo, "syncStatus") != "clean" || r.field(ids[1].espo, "syncStatus") != "syncing" || r.field(ids[2].espo, "syncStatus") != "clean" {
			t.Error("wrong statuses")
		}
		if err := r.store.Release(t.Context(), granted); err != nil {
			t.Fatal(err)
		}
		r.want(r.pass(batch.Options{}), result.Summary{Adopted: 1})
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

func TestRateLimitIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.edited(20)
		// Longer than the transport waits by itself, shorter than a pass does.
		r.w.Faults.Add(sandbox.Fault{Name: "slow down", System: "advoware", Method: "PUT", Status: 429, Header: http.Header{"Retry-After": {"20"}}, Count: 1})
		start := time.Now()
		rep := r.pass(batch.Options{})
		r.want(rep, result.Summary{UpdatedAdvoware: len(ids)})
		if d := time.Since(start); d < 20*time.Second || d > 40*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// TestAnEditDuringThePause (first week, 13): a write to Advoware rests on a read. While
// it would have waited for a system's pause to end, somebody may have saved the record;
// so it is not sent after the pause, but decided anew.
func TestAnEditDuringThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		pairs := r.edited(20)
		var once sync.Once
		saved := func(*http.Request) {
			once.Do(func() {
				time.AfterFunc(10*time.Second, func() {
					for _, p := range pairs {
						r.editAdvo(p.advo, map[string]any{"telGesch": "0511 pause"})
					}
				})
			})
		}
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "PUT", Status: 429, Header: http.Header{"Retry-After": {"20"}}, Count: 1, After: saved})
		if rep := r.pass(batch.Options{}); rep.Document.Error != nil || rep.Document.Summary.Failed > 0 {
			t.Fatalf("%+v %+v", rep.Document.Error, rep.Document.Summary)
		}
		time.Sleep(time.Minute)
		r.pass(batch.Options{})
		for _, p := range pairs {
			if got := r.advoField(p.advo, "telGesch"); got != "0511 pause" {
				t.Errorf("Advoware %d: %q", p.advo, got)
			}
			if got := r.field(p.espo, "phone"); got != "0511 pause" {
				t.Errorf("EspoCRM %s: %q", p.espo, got)
			}
		}
		r.still()
	})
}

func TestRateLimitBeyondTheTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.edited(5)
		r.w.Faults.Add(sandbox.Fault{System: "espocrm", Method: "GET", Status: 429, Header: http.Header{"Retry-After": {"60"}}, Count: 1})
		start := time.Now()
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 5})
		if d := time.Since(start); d < 60*time.Second {
			t.Errorf("took only %v", d)
		}
	})
}

func TestPassLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		key := store.LockKey(r.m.Entity(), "cron-run")
		granted, _, err := r.store.Acquire(t.Context(), []string{key}, store.Owner{Host: "other", PID: 7, User: "root", Command: "cron-run", Run: "alive"}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := r.run(t.Context(), batch.Options{})
		var locked *batch.LockedError
		var held *lease.HeldError
		if !errors.As(err, &locked) || !errors.As(err, &held) || held.Lock.Owner.PID != 7 {
			t.Fatalf("not locked: %v", err)
		}
		if r.w.Log.Count(nil) != 0 || rep.Document.Error == nil {
			t.Error("it went on all the same")
		}
		if err := r.store.Release(t.Context(), granted); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.store.Acquire(t.Context(), []string{key}, store.Owner{Host: "test", PID: 7, Run: "dead"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		if rep := r.pass(batch.Options{}); looked(rep).Created != 6 || len(rep.Warnings) != 1 {
			t.Errorf("a dead holder was not taken over: %+v %v", looked(rep), rep.Warnings)
		}
		r.tidy()
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.edited(40)
		r.latency.Store(int64(50 * time.Millisecond))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		rep, err := r.run(ctx, batch.Options{Concurrency: 4})
		if !rep.Interrupted || !fault.Is(err, fault.Interrupted) || rep.Ended != batch.StopSignal {
			t.Fatalf("not interrupted: %v %q", err, rep.Ended)
		}
		s := looked(rep)
		if s.UpdatedAdvoware == 0 || s.UpdatedAdvoware == 40 || s.UpdatedAdvoware != s.Total || rep.LeftOver != 40-s.Total {
			t.Errorf("%+v, left %d\n%s", s, rep.LeftOver, short(rep.Document))
		}
		r.tidy()
		r.latency.Store(0)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 40 - s.Total})
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

func TestDrainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.edited(4)
		r.cfg.Grace = 2 * time.Second
		r.w.Faults.Add(sandbox.Fault{System: "advoware", Method: "PUT", Latency: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		rep, err := r.run(ctx, batch.Options{})
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("took %v", d)
		}
		if !rep.Interrupted || looked(rep).Failed > 0 {
			t.Errorf("%v\n%s", err, short(rep.Document))
		}
		r.w.Faults.Clear("")
		time.Sleep(15 * time.Minute)
		r.want(r.pass(batch.Options{}), result.Summary{UpdatedAdvoware: 4})
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

func TestLimitTakesTheOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		ids := r.linked()
		order := []int{7, 3, 9, 1, 5, 0, 8, 2, 6, 4}
		for _, i := range order {
			r.editEspo(ids[i].espo, map[string]any{"email": "neu@example.de", "syncStatus": "dirty"})
			time.Sleep(time.Minute)
		}
		for step := 0; step < 10; step += 4 {
			rep := r.pass(batch.Options{Limit: 4})
			want := min(4, 10-step)
			r.want(rep, result.Summary{UpdatedAdvoware: want})
			if rep.LeftOver != 10-step-want {
				t.Errorf("left over %d", rep.LeftOver)
			}
			for n, i := range order {
				if clean := r.field(ids[i].espo, "syncStatus") == "clean"; clean != (n < step+want) {
					t.Errorf("after %d: record %d of the order is clean: %v", step+want, n, clean)
				}
			}
			if (rep.Ended == batch.StopLimit) != (step+4 <= 10 && want == 4) {
				t.Errorf("ended %q", rep.Ended)
			}
			if rep.Oldest.IsZero() != (step+want == 10) {
				t.Errorf("oldest %v", rep.Oldest)
			}
		}
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

func TestMaxDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		r.settled()
		r.edited(40)
		r.latency.Store(int64(50 * time.Millisecond))
		start := time.Now()
		rep := r.pass(batch.Options{Concurrency: 2, MaxDuration: 2 * time.Second})
		if d := time.Since(start); d > 3*time.Second || rep.Ended != batch.StopTime {
			t.Errorf("took %v, ended %q", d, rep.Ended)
		}
		if n := looked(rep).Total; n == 0 || n+rep.LeftOver != 40 {
			t.Errorf("%d done, %d left", n, rep.LeftOver)
		}
		r.tidy()
	})
}

func TestSeveralEntities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{})
		other := r.mapping("entity: Zweite\n" + r.w.Mapping()[len("entity: Beteiligte\n"):])
		rep, err := r.process().Run(t.Context(), []*mapping.Mapping{r.m, other}, batch.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if rep.Entities["Beteiligte"].Created != 6 || rep.Entities["Zweite"].Created != 0 || rep.Entities["Zweite"].Failed != 0 {
			t.Errorf("%+v", rep.Entities)
		}
		// One entity's guard does not keep the other from running.
		time.Sleep(time.Hour)
		r.edited(2)
		if _, _, err := r.store.Acquire(t.Context(), []string{store.LockKey("Beteiligte", "cron-run")}, store.Owner{Host: "other", Run: "alive"}, time.Minute); err != nil {
			t.Fatal(err)
		}
		rep, err = r.process().Run(t.Context(), []*mapping.Mapping{r.m, other}, batch.Options{}, nil)
		var locked *batch.LockedError
		if !errors.As(err, &locked) || locked.Entity != "Beteiligte" || rep.Entities["Zweite"].UpdatedAdvoware != 2 {
			t.Errorf("%v %+v", err, rep.Entities)
		}
	})
}
