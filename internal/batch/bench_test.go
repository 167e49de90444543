package batch_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/desk"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/redis"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
	"advosync/internal/sync"
)

// latencies are what a call takes in the measurements of virtual time.
func latencies() []time.Duration {
	return []time.Duration{50 * time.Millisecond, 100 * time.Millisecond}
}

// change is a kind of edit to a hundred records, and what a record's sync then
// costs: calls that depend on each other.
type change struct {
	name      string
	dependent int
	edit      func(r *rig, p pairID)
}

func changes() []change {
	return []change{
		{"espocrm_newer", 5, func(r *rig, p pairID) {
			r.editEspo(p.espo, map[string]any{"email": "neu@example.de", "syncStatus": "dirty"})
		}},
		{"advoware_newer", 2, func(r *rig, p pairID) { r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"}) }},
		{"conflict", 6, func(r *rig, p pairID) {
			r.editEspo(p.espo, map[string]any{"email": "e@example.de", "syncStatus": "dirty"})
			r.editAdvo(p.advo, map[string]any{"emailGesch": "a@example.de"})
		}},
		{"adopted", 1, func(r *rig, p pairID) { r.editEspo(p.espo, map[string]any{"syncStatus": "dirty"}) }},
		{"row_id_moved", 2, func(r *rig, p pairID) {
			if err := r.w.Advoware.Resave(path, p.advo); err != nil {
				r.t.Fatal(err)
			}
		}},
	}
}

// measured is one pass over a hundred changed records.
type measured struct {
	took  time.Duration
	calls result.Calls
	per   result.Calls // of the records themselves, summed
	done  int
}

func hundred(t testing.TB, c change, workers int, latency time.Duration) (m measured) {
	run := func(t *testing.T) {
		r := newRig(t, sandbox.WorldOptions{More: 300, Unlinked: -1}, func(r *rig) { r.cfg.Concurrency = workers })
		r.settled()
		for _, p := range r.linked()[:100] {
			c.edit(r, p)
		}
		r.latency.Store(int64(latency))
		start := time.Now()
		rep := r.pass(batch.Options{AllowMassChange: true})
		m = measured{took: time.Since(start), calls: rep.Document.Calls, done: looked(rep).Total - looked(rep).Unchanged}
		for _, res := range rep.Document.Results {
			m.per.Espocrm += res.Calls.Espocrm
			m.per.Advoware += res.Calls.Advoware
		}
		if m.done != 100 || looked(rep).Failed > 0 {
			t.Fatalf("%+v\n%s", looked(rep), short(rep.Document))
		}
	}
	switch t := t.(type) {
	case *testing.T:
		synctest.Test(t, run)
	case *testing.B:
		ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: c.name, F: func(t *testing.T) { synctest.Test(t, run) }}})
		if !ok {
			t.Fatal("the pass failed")
		}
	}
	return m
}

func ideal(c change, workers int, latency time.Duration) time.Duration {
	return time.Duration(100*c.dependent) * latency / time.Duration(workers)
}

// TestHundredChangedRecords holds the speed that was promised, in virtual time:
// the machine has no part in it. What lies above the ideal, where a record needs many
// calls, are two round trips: EspoCRM's first answer, and everything else that the look
// reads, the first chunk among it.
func TestHundredChangedRecords(t *testing.T) {
	const workers, start, efficiency = 16, 2, 0.90
	for _, latency := range latencies() {
		for _, c := range changes() {
			t.Run(fmt.Sprint(c.name, "/", latency), func(t *testing.T) {
				m := hundred(t, c, workers, latency)
				want := ideal(c, workers, latency)
				t.Logf("%v, ideal %v, ratio %.3f, efficiency %.3f; EspoCRM %d, Advoware %d, auth %d calls", m.took, want,
					float64(m.took)/float64(want), float64(want)/float64(m.took), m.calls.Espocrm, m.calls.Advoware, m.calls.Auth)
				// The calls of the records fill rounds; those of one record are made one after the other.
				rounds := (100*c.dependent+workers-1)/workers + start
				if c.dependent >= 5 && (m.took > time.Duration(rounds)*latency || float64(want)/float64(m.took) < efficiency) {
					t.Errorf("took %v, ideal %v", m.took, want)
				}
				if c.dependent < 5 && m.took > want+8*latency {
					t.Errorf("took %v, ideal %v", m.took, want)
				}
			})
		}
	}
}

// BenchmarkHundred prints what a hundred changed records cost, by verdict: calls
// per record of each system, and the virtual time against the ideal one.
func BenchmarkHundred(b *testing.B) {
	for _, latency := range latencies() {
		for _, c := range changes() {
			b.Run(fmt.Sprint(c.name, "/", latency), func(b *testing.B) {
				var m measured
				for b.Loop() {
					m = hundred(b, c, 16, latency)
				}
				b.ReportMetric(float64(m.calls.Espocrm)/100, "espocrm-calls/record")
				b.ReportMetric(float64(m.calls.Advoware)/100, "advoware-calls/record")
				b.ReportMetric(m.took.Seconds(), "virtual-s")
				b.ReportMetric(float64(ideal(c, 16, latency))/float64(m.took), "efficiency")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkDriftSweep prints what a pass over clean linked records costs: calls,
// writes, CPU, the heap's peak and the process's peak resident memory. first is
// the pass that knows nothing yet and stores every base; sweep the one every 15
// minutes; contents the daily one that compares contents too. Both systems are
// made up on the fly, so that memory and CPU are the tool's own (and that of
// making up the answers). Run one size at a time for the resident memory:
//
//	go test -run '^$' -bench 'DriftSweep/sweep/100000' -benchtime 1x ./internal/batch
func BenchmarkDriftSweep(b *testing.B) {
	for _, kind := range []string{"first", "sweep", "contents"} {
		for _, n := range []int{10_000, 100_000} {
			b.Run(kind+"/"+strconv.Itoa(n), func(b *testing.B) { sweep(b, kind, n) })
		}
	}
}

func sweep(b *testing.B, kind string, n int) {
	c := &sandbox.Catalogue{N: n}
	now := time.Now()
	r := newRig(b, sandbox.WorldOptions{Empty: true})
	st, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "state.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	r.store, r.base, r.now = st, c.Transport(), func() time.Time { return now }
	if kind != "first" {
		if rep := r.pass(batch.Options{}); rep.Linked != n || looked(rep).Total != 0 {
			b.Fatalf("set-up: %d linked, %+v", rep.Linked, looked(rep))
		}
	}
	runtime.GC()
	var rep batch.Report
	peak, cpu, runs := watchHeap(), cpuTime(), 0
	for b.Loop() {
		if kind == "contents" {
			now = now.Add(25 * time.Hour)
		}
		rep = r.pass(batch.Options{})
		runs++
	}
	used := cpuTime() - cpu
	if rep.Linked != n || looked(rep).Total != 0 {
		b.Fatalf("%d linked, %+v", rep.Linked, looked(rep))
	}
	b.ReportMetric(float64(callsOf(rep)), "calls")
	b.ReportMetric(float64(budget(n)), "calls-allowed")
	b.ReportMetric(float64(c.Writes.Load()), "writes")
	b.ReportMetric(used.Seconds()/float64(runs), "cpu-s/pass")
	b.ReportMetric(float64(peak())/(1<<20), "peak-heap-MiB")
	b.ReportMetric(peakRSS(), "peak-rss-MiB")
}

// BenchmarkPlanner prints what a planner needs that finds n edited records, all of them,
// and hands them out, a hundred thousand in a round. Workers are made up: a chunk is
// reported when it is put, into a Redis of its own.
//
//	go test -run '^$' -bench 'Planner/1000000' -benchtime 1x ./internal/batch
func BenchmarkPlanner(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			handed := &reporting{done: make([]atomic.Bool, n)}
			c := &sandbox.Catalogue{N: n, Moved: func(i int) bool { return !handed.done[i].Load() }}
			r := newRig(b, sandbox.WorldOptions{Empty: true})
			st, err := redis.Open(b.Context(), "redis://"+storetest.StartRedis(b).Addr, redis.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			handed.tallies, _ = store.TalliesOf(st)
			r.store, r.base, r.fleet = st, c.Transport(), handed
			runtime.GC()
			var rep batch.Report
			peak, cpu := watchHeap(), cpuTime()
			for b.Loop() {
				rep = r.pass(batch.Options{AllowMassChange: true})
			}
			if s := rep.Document.Summary; s.UpdatedEspocrm != n || s.Total != n || rep.Linked != n || rep.LeftOver > 0 || handed.chunks != n/100 {
				b.Fatalf("%d chunks, %d left, %+v", handed.chunks, rep.LeftOver, s)
			}
			b.ReportMetric((cpuTime() - cpu).Seconds(), "cpu-s/pass")
			b.ReportMetric(float64(peak())/(1<<20), "peak-heap-MiB")
			b.ReportMetric(peakRSS(), "peak-rss-MiB")
		})
	}
}

// reporting is a fleet whose workers take no time.
type reporting struct {
	tallies store.Tallies
	chunks  int
	done    []atomic.Bool // records
}

func (f *reporting) Put(ctx context.Context, pass string, n int, body []byte) error {
	var order struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(body, &order); err != nil {
		return err
	}
	f.chunks++
	results := []result.Record{}
	for _, item := range order.Items {
		i, err := strconv.ParseInt(item.ID, 16, 64)
		if err != nil {
			return err
		}
		f.done[i].Store(true)
		if n < 100 { // as workers do: of the first ten thousand
			results = append(results, result.Record{Entity: "Beteiligte", ID: item.ID, Outcome: result.UpdatedEspocrm})
		}
	}
	doc, err := json.Marshal(map[string]any{"summary": result.Summary{Total: len(order.Items), UpdatedEspocrm: len(order.Items)}, "results": results})
	if err == nil {
		_, err = f.tallies.Report(ctx, pass, n, doc)
	}
	return err
}

func (f *reporting) Look(context.Context) (batch.FleetState, error) {
	return batch.FleetState{Slots: 12}, nil
}

// BenchmarkLink prints what a first contact keeps in mind that reads n unlinked
// records of each system and pairs them all.
//
//	go test -run '^$' -bench 'Link/100000' -benchtime 1x ./internal/batch
func BenchmarkLink(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := &sandbox.Catalogue{N: n, Unlinked: true}
			r := newRig(b, sandbox.WorldOptions{Empty: true})
			r.base = c.Transport()
			ec, ac := r.clients(r.transport(), 0)
			e := sync.New(sync.Config{}, sync.Deps{EspoCRM: ec, Advoware: ac, Store: r.store})
			runtime.GC()
			peak, cpu, runs := watchHeap(), cpuTime(), 0
			for b.Loop() {
				found, err := desk.New(e).Match(context.Background(), r.m, func(int, int) {})
				if err != nil || len(found.Pairs) != n {
					b.Fatalf("%+v, %v", found, err)
				}
				runs++
			}
			used := cpuTime() - cpu
			b.ReportMetric(used.Seconds()/float64(runs), "cpu-s/link")
			b.ReportMetric(float64(peak())/(1<<20), "peak-heap-MiB")
			b.ReportMetric(peakRSS(), "peak-rss-MiB")
		})
	}
}

// watchHeap samples the heap in use until it is asked for the highest.
func watchHeap() func() uint64 {
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var top uint64
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapAlloc)
			select {
			case <-stop:
				done <- top
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(stop); return <-done }
}

// peakRSS is the process's highest resident memory in MiB, where the system
// tells.
func peakRSS() float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			var kb float64
			fmt.Sscan(rest, &kb)
			return kb / 1024
		}
	}
	return 0
}
