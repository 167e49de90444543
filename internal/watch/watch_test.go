package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/store/memory"
)

// office is a store, and what a watch does in it.
type office struct {
	t     *testing.T
	store *memory.Store
	start time.Time

	mu     sync.Mutex
	did    []string // "pass" or an id, with the second in which it was begun
	now    map[string]bool
	takes  time.Duration
	sync   func(id string) result.Record
	pass   func() error
	linked int
	also   []*mapping.Mapping // beside Beteiligte
	deps   func(d *Deps)      // what else is needed
}

func newOffice(t *testing.T) *office {
	return &office{t: t, store: memory.New(nil), start: time.Now(), now: map[string]bool{}, takes: 100 * time.Millisecond}
}

// Sync and Pass make it a Tool.
func (o *office) Sync(_ context.Context, entity, id string) result.Record {
	o.begins(id)
	defer o.ends(id)
	if o.sync != nil {
		return o.sync(id)
	}
	return result.Record{Entity: entity, ID: id, Outcome: result.UpdatedAdvoware}
}

func (o *office) begins(what string) {
	o.mu.Lock()
	o.did = append(o.did, fmt.Sprintf("%s@%.0f", what, time.Since(o.start).Seconds()))
	if o.now[what] {
		o.t.Errorf("two are at work on %s", what)
	}
	o.now[what] = true
	o.mu.Unlock()
	time.Sleep(o.takes)
}

func (o *office) ends(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now[what] = false
}

func (o *office) Pass(_ context.Context, held map[string]*lease.Lease) (batch.Report, error) {
	if l := held["Beteiligte"]; l == nil || l.Check() != nil {
		o.t.Error("a pass without its lock")
	}
	o.begins("pass")
	defer o.ends("pass")
	o.passed()
	if held["Beteiligte"].Context().Err() != nil {
		o.t.Error("a signal has taken the lock of a pass that is being made")
	}
	if o.pass != nil {
		return batch.Report{}, o.pass()
	}
	return batch.Report{}, nil
}

// passed leaves what a pass leaves.
func (o *office) passed() {
	raw, _ := json.Marshal(batch.EntityState{Entity: "Beteiligte", Linked: o.linked, LastRun: time.Now()})
	if err := o.store.Put(context.Background(), "pass:beteiligte", raw, 0); err != nil {
		o.t.Error(err)
	}
}

// watch starts one; what is done to it is done by drive.
func (o *office) watch(name string, drive func(w *Watch)) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	deps := Deps{
		Begin: func() (Tool, error) { return o, nil }, Store: o.store,
		Leases: lease.New(o.store, store.Owner{Host: name, PID: 1}, 5*time.Minute, lease.Options{Dead: func(store.Owner) bool { return false }}),
	}
	if o.deps != nil {
		o.deps(&deps)
	}
	w := New(Config{Entities: append([]*mapping.Mapping{mapping.Builtin()}, o.also...), Workers: 4}, deps)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	drive(w)
	cancel()
	if err := <-ended; err != nil {
		o.t.Error(err)
	}
}

func (o *office) wants(want ...string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	second := func(did string) string { _, at, _ := strings.Cut(did, "@"); return at }
	slices.SortStableFunc(o.did, func(a, b string) int { // of those that begin together nobody is the first
		if second(a) == second(b) && !strings.HasPrefix(a, "pass") && !strings.HasPrefix(b, "pass") {
			return strings.Compare(a, b)
		}
		return 0
	})
	if !slices.Equal(o.did, want) {
		o.t.Errorf("it did %v, want %v", o.did, want)
	}
}

func hintOf(id string) Hint { return Hint{Entity: "Beteiligte", ID: id, Source: FromList} }

// TestWatchFollowsHints: a pass, then each record once it is quiet, then the next pass.
func TestWatchFollowsHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			w.Hear(hintOf("a"))
			time.Sleep(2 * time.Second)
			w.Hear(hintOf("a")) // typed on
			w.Hear(hintOf("b"))
			time.Sleep(3050 * time.Millisecond)
			w.Hear(hintOf("a")) // while it is synced
			time.Sleep(15 * time.Minute)
		})
		o.wants("pass@0", "a@15", "b@15", "a@18", "pass@900")
		locks, err := o.store.Locks(t.Context())
		if err != nil || len(locks) > 0 {
			t.Errorf("locks left: %v %v", locks, err)
		}
	})
}

// TestFloodMakesAPass: many records at once are judged as a whole, before any of them
// is synced.
func TestFloodMakesAPass(t *testing.T) {
	for linked, most := range map[int]int{0: 20, 5000: 100} {
		synctest.Test(t, func(t *testing.T) {
			o := newOffice(t)
			o.linked = linked
			o.watch("a", func(w *Watch) {
				time.Sleep(10 * time.Second)
				for n := range most + 1 {
					w.Hear(hintOf(fmt.Sprint(n)))
				}
				time.Sleep(2 * time.Minute)
				for n := range most {
					w.Hear(hintOf(fmt.Sprint(n)))
				}
				time.Sleep(30 * time.Second)
				if f := w.Figures(); f.Floods != 1 || f.Passes != 2 || f.Hints[FromList] != uint64(2*most+1) {
					t.Errorf("figures %+v", f)
				}
				w.Hear(hintOf("one more within the minute"))
				time.Sleep(2 * time.Minute)
			})
			passes, synced := 0, 0
			for _, d := range o.did {
				if len(d) > 4 && d[:4] == "pass" {
					passes++
				} else {
					synced++
				}
			}
			if passes != 3 || synced != most || o.did[1] != "pass@60" {
				t.Errorf("%d linked: %d passes, %d synced, %v", linked, passes, synced, o.did[:2])
			}
		})
	}
}

// TestWatchWaitsOutTrouble: a locked record comes again, not for ever; a system's
// failure stops the stream until a pass has run, and nobody is kept from the lock.
func TestWatchWaitsOutTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		var broken atomic.Bool
		broken.Store(true)
		o.sync = func(id string) result.Record {
			switch id {
			case "locked":
				return result.Record{Outcome: result.Locked, Error: &result.Error{Owner: "record"}}
			case "system":
				return result.Record{Outcome: result.Failed, Error: &result.Error{Owner: string(fault.OwnerSystem)}}
			}
			return result.Record{Outcome: result.Failed, Error: &result.Error{Owner: string(fault.OwnerRecord)}}
		}
		o.pass = func() error {
			if time.Since(o.start) > 70*time.Second && broken.Load() {
				return &fault.Error{System: fault.Advoware, Code: fault.Unreachable, Owner: fault.OwnerSystem}
			}
			return nil
		}
		o.watch("a", func(w *Watch) {
			time.Sleep(5 * time.Second)
			w.Hear(hintOf("locked"))
			w.Hear(hintOf("own fault"))
			time.Sleep(time.Minute)
			w.Hear(hintOf("system"))
			time.Sleep(5 * time.Second)
			if locks, _ := o.store.Locks(t.Context()); len(locks) > 0 {
				t.Errorf("others are kept out: %v", locks)
			}
			w.Hear(hintOf("meanwhile"))
			time.Sleep(2 * time.Minute)
			broken.Store(false)
			time.Sleep(4 * time.Minute)
		})
		o.wants("pass@0", "locked@8", "own fault@8", "locked@18", "locked@28", "locked@38", "locked@48", "system@68", "pass@98", "pass@128", "pass@188", "pass@308", "meanwhile@308")
	})
}

// TestHaltedEntityIsLetGo: until the operator's pass has run.
func TestHaltedEntityIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		var guard error = &batch.GuardError{Entity: "Beteiligte", Guard: reconcile.GuardMassChange}
		o.pass = func() error { return guard }
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			w.Hear(hintOf("a"))
			time.Sleep(time.Minute)
			o.wants("pass@0")
			key := []string{store.LockKey("Beteiligte", "cron-run")}
			mine, held, err := o.store.Acquire(t.Context(), key, store.Owner{Host: "operator"}, time.Minute)
			if err != nil || len(held) > 0 {
				t.Errorf("the operator's pass meets %v %v", held, err)
			}
			guard = &batch.GuardError{Entity: "Beteiligte", Guard: reconcile.GuardCreates} // halts nothing else
			o.passed()
			if err := o.store.Release(t.Context(), mine); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Second)
			w.Hear(hintOf("b"))
			time.Sleep(10 * time.Second)
		})
		o.wants("pass@0", "pass@70", "a@70", "b@83")
	})
}

// TestOneWatches: another host stands by, and takes over when the first one is gone.
func TestOneWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, other := newOffice(t), newOffice(t)
		other.store = o.store
		var all sync.WaitGroup
		defer all.Wait()
		all.Go(func() { o.watch("a", func(*Watch) { time.Sleep(62 * time.Second) }) })
		time.Sleep(time.Second)
		other.watch("b", func(w *Watch) {
			time.Sleep(time.Minute)
			other.wants()
			w.Hear(hintOf("a")) // what is heard meanwhile is kept
			time.Sleep(10 * time.Second)
		})
		o.wants("pass@0")
		other.wants("pass@66", "a@66")
	})
}

// TestFailedRecordsAreLeftToThePass where a webhook speaks of them: it may tell of the
// failure's own note, and every attempt counts.
func TestFailedRecordsAreLeftToThePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		leases, _, err := o.store.Acquire(t.Context(), []string{store.LockKey("Beteiligte", "a")}, store.Owner{}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.store.Commit(t.Context(), store.Commit{Key: store.Key{Entity: "Beteiligte", ID: "a"}, Lease: leases[0],
			Memory: &store.Memory{Failure: &store.Failure{Count: 1, At: time.Now()}}}); err != nil {
			t.Fatal(err)
		}
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			for _, id := range []string{"a", "b"} {
				w.Hear(Hint{Entity: "Beteiligte", ID: id, Source: FromWebhook})
			}
			time.Sleep(10 * time.Second)
			w.Hear(Hint{Entity: "Beteiligte", ID: "a", Source: FromWebhook})
			w.Hear(hintOf("a")) // somebody has edited it
			time.Sleep(10 * time.Second)
		})
		o.wants("pass@0", "b@13", "a@23")
	})
}

// TestLostLockEndsTheStream: who has taken the lock by force watches, and nobody else.
func TestLostLockEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			key := store.LockKey("Beteiligte", "cron-run")
			lock, err := o.store.Holder(t.Context(), key)
			if err != nil || lock == nil {
				t.Fatal(lock, err)
			}
			if ok, err := o.store.Break(t.Context(), *lock); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if _, held, err := o.store.Acquire(t.Context(), []string{key}, store.Owner{Host: "b"}, time.Hour); err != nil || len(held) > 0 {
				t.Fatal(held, err)
			}
			time.Sleep(2 * time.Minute) // it is told when it renews the lock
			w.Hear(hintOf("a"))
			time.Sleep(30 * time.Minute)
		})
		o.wants("pass@0")
	})
}

// TestNoRoomMakesAPass: what there is no room for is not lost.
func TestNoRoomMakesAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.linked = 100 * maxWaiting
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			for n := range maxWaiting {
				w.Hear(hintOf(fmt.Sprint(n)))
			}
			if w.Hear(hintOf("one more")) {
				t.Error("room for more than there is")
			}
			time.Sleep(2 * time.Minute)
		})
		o.wants("pass@0", "pass@60")
	})
}

// TestSignalInAPass: the pass ends under its lock, and nothing is followed any more.
func TestSignalInAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.takes = 5 * time.Second
		o.watch("a", func(w *Watch) {
			time.Sleep(time.Second)
			w.Hear(hintOf("a"))
			time.Sleep(3 * time.Second)
		})
		o.wants("pass@0")
		locks, err := o.store.Locks(t.Context())
		if err != nil || len(locks) > 0 {
			t.Errorf("locks left: %v %v", locks, err)
		}
	})
}

// TestARecordIsSyncedByOne: what is spoken of while it is at work is synced after that.
func TestARecordIsSyncedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.takes = 5 * time.Second
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			w.Hear(hintOf("a"))
			time.Sleep(4 * time.Second)
			w.Hear(hintOf("a"))
			time.Sleep(20 * time.Second)
		})
		o.wants("pass@0", "a@13", "a@18")
	})
}

// failing is a source that cannot tell anything so many times.
type failing struct{ left int }

func (f *failing) Run(ctx context.Context, ear Ear) error {
	if f.left > 0 {
		f.left--
		return errors.New("another program has the port")
	}
	ear.Hear(hintOf("a"))
	<-ctx.Done()
	return ctx.Err()
}

// TestASourceComesBack: what keeps one from telling may pass; it is said once.
func TestASourceComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		var log bytes.Buffer
		o.deps = func(d *Deps) {
			d.Listeners, d.Log = []Listener{&failing{left: 3}}, slog.New(slog.NewTextHandler(&log, nil))
		}
		o.watch("a", func(*Watch) { time.Sleep(10 * time.Minute) })
		o.wants("pass@0", "a@183")
		if n := strings.Count(log.String(), "another program has the port"); n != 1 {
			t.Errorf("it is said %d times:\n%s", n, &log)
		}
	})
}

// TestWhatTakesLongIsNoHang: a record that a slow system keeps at work when the next pass
// is due does not have the service killed, and one that is followed no more does.
func TestWhatTakesLongIsNoHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		var last time.Time
		longest := time.Duration(0)
		o.deps = func(d *Deps) {
			d.Alive = func() {
				if now := time.Now(); !last.IsZero() {
					longest = max(longest, now.Sub(last))
				}
				last = time.Now()
			}
		}
		o.sync = func(string) result.Record {
			time.Sleep(5 * time.Minute)
			return result.Record{Outcome: result.Unchanged}
		}
		o.watch("a", func(w *Watch) {
			time.Sleep(14*time.Minute + 50*time.Second)
			w.Hear(hintOf("a"))
			time.Sleep(10 * time.Minute)
		})
		o.wants("pass@0", "a@893", "pass@1193")
		if longest > 3*pulse {
			t.Errorf("not alive for %s", longest)
		}
		w := New(Config{}, Deps{Store: o.store})
		w.follow["Beteiligte"] = true
		if w.turns(false); !w.getsOn() {
			t.Error("it has just turned")
		}
		if time.Sleep(61 * time.Second); w.getsOn() {
			t.Error("the stream has not turned for a minute")
		}
	})
}

// TestOneOfTwoIsHalted: the other one is followed, and the first one again when the
// operator's pass has run, not only when the next pass is due.
func TestOneOfTwoIsHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		akten, err := mapping.Parse("akten.yaml", []byte("entity: Akten\nespocrm: {type: CAkten}\nadvoware: {path: api/v1/advonet/Akten, id: id, row_id: rowId}\nfields: [{espocrm: name, advoware: az}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		o.also = []*mapping.Mapping{akten}
		halt := &batch.GuardError{Entity: "Akten", Guard: reconcile.GuardMassChange}
		o.pass = func() error {
			if halt != nil {
				return halt
			}
			return nil
		}
		akte := Hint{Entity: "Akten", ID: "x", Source: FromList}
		o.watch("a", func(w *Watch) {
			time.Sleep(10 * time.Second)
			w.Hear(hintOf("a"))
			if w.Hear(akte) {
				t.Error("a hint of what is halted is taken")
			}
			time.Sleep(time.Minute)
			key := []string{store.LockKey("Akten", "cron-run")}
			mine, held, err := o.store.Acquire(t.Context(), key, store.Owner{Host: "operator"}, time.Minute)
			if err != nil || len(held) > 0 {
				t.Fatalf("the operator's pass meets %v %v", held, err)
			}
			halt = nil
			raw, _ := json.Marshal(batch.EntityState{Entity: "Akten", LastRun: time.Now()})
			if err := errors.Join(o.store.Put(t.Context(), "pass:akten", raw, 0), o.store.Release(t.Context(), mine)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if !w.Hear(akte) {
				t.Error("it is not followed again")
			}
			time.Sleep(20 * time.Minute)
		})
		o.wants("pass@0", "a@13", "pass@73", "x@83", "pass@973")
	})
}
