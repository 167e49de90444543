package simulation

import (
	"flag"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/test/oracle"
)

var (
	seeds = flag.Int("seeds", 0, "how many seeds to run (0: 600, with -short 50)")
	after = flag.Uint64("after", 0, "skip the seeds up to this one: a long run can be cut into pieces")
	day   = flag.Bool("day", false, "have TestADayOfDeaths last 24 hours")
	only  = flag.Uint64("seed", 0, "run this seed only and print its trace")
)

// TestMain lets garbage grow: a world is small and lives for milliseconds, and
// collecting it at the usual pace is a sixth of the work.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// play runs one seed in a bubble of its own.
func play(t *testing.T, run func(uint64, bool) Report, seed uint64, trace bool) (r Report) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { r = run(seed, trace) })
	return r
}

// everyKind is what has to happen at least once: an actor or a fault that does
// nothing any more must not go unnoticed.
var everyKind = []string{
	"edits in EspoCRM", "edits in Advoware", "deletes", "deletes in Advoware", "deletes taken back in Advoware", "records made in Advoware",
	"backups restored: espocrm", "backups restored: advoware", "store outages", "offices down", "tokens withdrawn", "locks freed by force", "late landings", "crashes",
	"passes that ran through", "passes that died", "passes that met another one", "passes that a system ended", "passes that ended a run", "synced by a pass",
	"undo: merged", "undo: skipped", "link: updated_espocrm", "link: failed", "reset --forget: updated_espocrm", "reset: updated_espocrm",
	"undo --force: merged", "resolve: merged", "resolve: updated_advoware", "resolve: updated_espocrm", "sync --create-anyway",
	"outcome unchanged", "outcome adopted", "outcome created_advoware", "outcome created_espocrm", "outcome updated_advoware", "outcome updated_espocrm", "outcome merged", "outcome conflict",
	"outcome failed", "outcome permanently_failed", "outcome skipped", "outcome locked",
	"fault: dies before", "fault: dies after", "fault: breaks before", "fault: breaks after", "fault: 400", "fault: 401", "fault: 429", "fault: 500", "fault: done and 500", "fault: 503",
	oracle.LostLease, oracle.UnseenSave, oracle.JudgedKept, oracle.JudgedTold, oracle.JudgedFair, oracle.Imported,
}

// rarely is what has to happen in a long run: less than once in 600 seeds, or hardly more.
var rarely = []string{oracle.LateWrite, oracle.GoneBeforeTold, oracle.OrderedBeforeTold}

// TestNothingIsLost plays many seeds. A seed that fails is printed; -seed N
// plays it again with its trace.
func TestNothingIsLost(t *testing.T) {
	n := 600
	if testing.Short() {
		n = 50
	}
	kinds := everyKind
	if *seeds >= 20000 {
		kinds = slices.Concat(everyKind, rarely)
	}
	playMany(t, Run, n, 300, kinds)
}

// withHints is what has to happen beside that where the tool watches, too.
var withHints = []string{
	"hints told", "hints lost", "hints late", "hints doubled", "hints forged", "synced by a watch", "passes of a watch that ran through", "passes of a watch that a system ended",
	"crashes", "outcome updated_advoware", "outcome updated_espocrm", "outcome unchanged",
}

// TestNothingIsLostWithHints plays the same worlds, and in each the tool watches: its
// hints come late, in another order, twice, forged, or never. Nothing else is promised
// for them than without.
func TestNothingIsLostWithHints(t *testing.T) {
	playMany(t, RunWatched, 12, 100, withHints)
}

// playMany plays as many seeds as the flags say, else usual ones. With enough of them
// every kind has to happen.
func playMany(t *testing.T, run func(uint64, bool) Report, usual, enough int, kinds []string) {
	t.Helper()
	if *only != 0 {
		r := play(t, run, *only, true)
		t.Logf("seed %d: %v\n%s", r.Seed, r.Counts, strings.Join(r.Trace, "\n"))
		if len(r.Problems) > 0 {
			t.Errorf("seed %d:\n%s", r.Seed, strings.Join(r.Problems, "\n"))
		}
		return
	}
	n := *seeds
	if n == 0 {
		n = usual
	}
	start := time.Now()
	next := make(chan uint64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts, bad := map[string]int{}, 0
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range next {
				r := play(t, run, seed, false)
				mu.Lock()
				for k, v := range r.Counts {
					counts[k] += v
				}
				if len(r.Problems) > 0 {
					if bad++; bad <= 50 {
						t.Errorf("seed %d:\n- %s", seed, strings.Join(r.Problems, "\n- "))
					}
				}
				mu.Unlock()
			}
		})
	}
	for seed := range uint64(n) {
		next <- *after + seed + 1
	}
	close(next)
	wg.Wait()
	t.Logf("%d seeds after %d in %s, %d with trouble", n, *after, time.Since(start).Round(time.Millisecond), bad)
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%8d %s", counts[k], k)
	}
	if n < enough {
		return // too few for the rare kinds
	}
	for _, k := range kinds {
		if counts[k] == 0 {
			t.Errorf("it never happened: %s", k)
		}
	}
}

// TestADayOfDeaths: a watch that is killed every minute, for a day with -day, loses
// nothing, and follows edits all the same.
func TestADayOfDeaths(t *testing.T) {
	lasts := 30 * time.Minute
	if *day {
		lasts = 24 * time.Hour
	}
	synctest.Test(t, func(t *testing.T) {
		r := RunDeaths(1, lasts)
		for _, p := range r.Problems {
			t.Error(p)
		}
		minutes := int(lasts / time.Minute)
		if r.Counts["deaths"] < minutes*2/3 || r.Counts["synced by a watch"] < minutes/2 || r.Counts["passes of a watch that ran through"] < minutes/2 {
			t.Errorf("too little happened: %v", r.Counts)
		}
		t.Log(r.Counts)
	})
}

// inOrder sorts what was noted at the same instant: a pass tells of several
// records at once.
func inOrder(trace []string) {
	instant := func(line string) string { at, _, _ := strings.Cut(line, " "); return at }
	for from := 0; from < len(trace); {
		to := from + 1
		for to < len(trace) && instant(trace[to]) == instant(trace[from]) {
			to++
		}
		slices.Sort(trace[from:to])
		from = to
	}
}

// TestSameSeedSameRun: a seed that fails can be played again.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		run := Run
		if seed > 36 {
			run = RunWatched
		}
		a, b := play(t, run, seed, true), play(t, run, seed, true)
		inOrder(a.Trace)
		inOrder(b.Trace)
		if len(a.Trace) < 50 {
			t.Errorf("seed %d: a trace of %d lines", seed, len(a.Trace))
		}
		for i := range min(len(a.Trace), len(b.Trace)) {
			if a.Trace[i] != b.Trace[i] {
				t.Errorf("seed %d differs at line %d:\n%s\n%s", seed, i, a.Trace[i], b.Trace[i])
				break
			}
		}
		if len(a.Trace) != len(b.Trace) {
			t.Errorf("seed %d: %d and %d lines", seed, len(a.Trace), len(b.Trace))
		}
	}
}
