package batch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	engine "advosync/internal/sync"
)

// tray is a queue as bad as the test wants it.
type tray struct {
	mu    sync.Mutex
	tasks []task
	put   int
	slots int
	held  string
	// drained: held, but what is out comes to its end.
	drained bool
	busy    int
	// loses says which chunks get lost; twice has each of them carried out twice.
	loses func(n int) bool
	twice bool
	most  int // that waited at a time
	// onPut is called before a chunk is taken; nil: nothing is.
	onPut func(n int)
}

type task struct {
	n, tries int
	body     []byte
}

func (q *tray) Put(_ context.Context, _ string, n int, body []byte) error {
	if q.onPut != nil {
		q.onPut(n)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put++
	if q.loses != nil && q.loses(n) {
		return nil
	}
	q.tasks = append(q.tasks, task{n: n, body: body})
	if q.twice {
		q.tasks = append(q.tasks, task{n: n, body: body})
	}
	q.most = max(q.most, len(q.tasks))
	return nil
}

func (q *tray) Look(context.Context) (batch.FleetState, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return batch.FleetState{Slots: q.slots, Waiting: len(q.tasks), Active: q.busy, Out: len(q.tasks) + q.busy, Held: q.held, Drained: q.drained}, nil
}

func (q *tray) take() (t task, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) == 0 {
		return t, false
	}
	t, q.tasks = q.tasks[0], q.tasks[1:]
	q.busy++
	return t, true
}

func (q *tray) done(t task, again bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	if again {
		q.tasks = append(q.tasks, t)
	}
}

// work is one worker's slot, until ctx ends.
func (q *tray) work(ctx context.Context, w *batch.Worker, ended func(*batch.Report)) {
	for ctx.Err() == nil {
		t, ok := q.take()
		if !ok {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		rep, err := w.Work(ctx, t.body, t.tries == 2)
		if err != nil && !errors.Is(err, batch.ErrGivenBack) && !errors.Is(err, batch.ErrElsewhere) && !errors.Is(err, batch.ErrOtherMapping) {
			t.tries++
		}
		q.done(t, err != nil)
		if err != nil {
			time.Sleep(time.Second)
		}
		if rep != nil && ended != nil {
			ended(rep)
		}
	}
}

// withWorkers runs fn while so many workers, processes of their own, are at work.
func (r *rig) withWorkers(q *tray, n int, fn func()) (ended []*batch.Report) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var mu sync.Mutex
	q.slots = n
	for range n {
		w := r.worker()
		all.Go(func() {
			q.work(ctx, w, func(rep *batch.Report) { mu.Lock(); defer mu.Unlock(); ended = append(ended, rep) })
		})
	}
	fn()
	cancel()
	all.Wait()
	return ended
}

func (r *rig) worker() *batch.Worker {
	r.command = "worker"
	defer func() { r.command = "" }()
	return r.process().Worker(func(string) (*mapping.Mapping, error) { return r.m, nil })
}

// settleAlone settles the world without a fleet, and then has one.
func (r *rig) settleAlone(q *tray) {
	r.t.Helper()
	r.fleet = nil
	r.settled()
	r.fleet = q
}

func (r *rig) watermark() string {
	r.t.Helper()
	s, _, err := batch.LoadState(r.t.Context(), r.store, r.m.Entity())
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Watermark
}

func (r *rig) underway() *batch.Underway {
	r.t.Helper()
	u, err := batch.LoadUnderway(r.t.Context(), r.store, r.m.Entity())
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

// mixed edits so many records on one side or the other.
func (r *rig) mixed(n int) {
	for i, p := range r.linked()[:n] {
		if i%2 == 0 {
			r.editEspo(p.espo, map[string]any{"email": "neu@example.de", "syncStatus": "dirty"})
		} else {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 1"})
		}
	}
}

// TestAFleetMakesTheSamePass: what a pass does does not depend on who syncs.
func TestAFleetMakesTheSamePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var docs []result.Document
		var worlds [][]string
		for _, q := range []*tray{nil, {}, {twice: true}} {
			r := newRig(t, sandbox.WorldOptions{More: 440})
			r.settleAlone(q)
			r.mixed(430)
			if q == nil {
				r.fleet = nil
			}
			var rep batch.Report
			if q == nil {
				rep = r.pass(batch.Options{AllowMassChange: true})
			} else {
				ended := r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
				if len(ended) > 0 {
					t.Error("a worker has ended a pass whose planner waits for it")
				}
				if q.put != 5 {
					t.Errorf("%d chunks were handed out", q.put)
				}
			}
			if r.underway() != nil {
				t.Error("the pass is still under way")
			}
			if rep.Document.Calls.Espocrm == 0 || rep.Document.Calls.Advoware < 400 {
				t.Errorf("calls %+v", rep.Document.Calls)
			}
			docs = append(docs, rep.Document)
			worlds = append(worlds, contents(r))
			time.Sleep(15 * time.Minute)
			r.fleet = nil
			r.still()
		}
		for i, d := range docs[1:] {
			if d.Summary != docs[0].Summary || d.StillOpen != docs[0].StillOpen || len(d.Results) != len(docs[0].Results) {
				t.Errorf("fleet %d: %+v, %d results; alone %+v, %d", i, d.Summary, len(d.Results), docs[0].Summary, len(docs[0].Results))
			}
			if !slices.Equal(worlds[i+1], worlds[0]) {
				t.Errorf("fleet %d has left another world", i)
			}
		}
	})
}

// TestRounds: a planner that finds more than it holds hands out the oldest, and looks again,
// until all is synced. What it tells is what it would have told of one round, and what may
// be created is counted over all of them.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var docs []result.Document
		var worlds [][]string
		for _, most := range []int{0, 100} {
			q := &tray{}
			r := newRig(t, sandbox.WorldOptions{More: 440}, func(r *rig) { r.cfg.MaxCandidates = most })
			r.settleAlone(q)
			r.mixed(430)
			before := r.watermark()
			var rep batch.Report
			r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
			if q.put != 5 || rep.LeftOver > 0 || rep.Linked != len(r.linked()) || r.watermark() == before || r.underway() != nil {
				t.Errorf("%d at a time: %d chunks, %d left, %d linked", most, q.put, rep.LeftOver, rep.Linked)
			}
			docs, worlds = append(docs, rep.Document), append(worlds, contents(r))
			time.Sleep(15 * time.Minute)
			r.fleet = nil
			r.still()
		}
		if a, b := docs[0], docs[1]; a.Summary != b.Summary || a.StillOpen != b.StillOpen || len(a.Results) != len(b.Results) || !slices.Equal(worlds[0], worlds[1]) {
			t.Errorf("in one round %+v, %d results; in five %+v, %d", a.Summary, len(a.Results), b.Summary, len(b.Results))
		}
	})
}

// TestRoundsCreateNoMore: the guard's number is the pass's, not each round's.
func TestRoundsCreateNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 20}, func(r *rig) { r.cfg.MaxCandidates, r.cfg.MaxCreates = 50, 60 })
		r.settleAlone(q)
		for n := range 120 { // no two agree by match: one that is just being made holds nobody back
			r.w.EspoCRM.Seed(ct, map[string]any{"firstName": "Nina", "lastName": fmt.Sprint("Neu", n), "name": fmt.Sprint("Nina Neu", n), "geburtsdatum": "1990-01-01", "syncStatus": "pending_sync"})
		}
		var rep batch.Report
		var err error
		r.withWorkers(q, 2, func() { rep, err = r.run(t.Context(), batch.Options{}) })
		if n := rep.Document.Summary.Created; n > 60 || n == 0 || guardOf(t, err).Guard != "creates" {
			t.Errorf("%d created of 60, %v", n, err)
		}
	})
}

// TestRoundsTellOnce: a create that every round holds back is told once, and a bar does not
// pass its end.
func TestRoundsTellOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 240}, func(r *rig) { r.cfg.MaxCandidates, r.cfg.MaxCreates = 100, 10 })
		r.settleAlone(q)
		for n := range 20 {
			r.w.EspoCRM.Seed(ct, map[string]any{"firstName": "Nina", "lastName": fmt.Sprint("Neu", n), "name": fmt.Sprint("Nina Neu", n), "geburtsdatum": "1990-01-01", "syncStatus": "pending_sync"})
		}
		time.Sleep(time.Minute) // the oldest come first, in every round
		r.mixed(230)
		bar := &barSink{}
		r.sink = bar
		var rep batch.Report
		r.withWorkers(q, 2, func() { rep, _ = r.run(t.Context(), batch.Options{AllowMassChange: true}) })
		held := map[string]int{}
		for _, res := range rep.Document.Results {
			if res.Reason.Code == engine.ReasonHeld {
				held[res.ID]++
			}
		}
		if s := rep.Document.Summary; q.put < 3 || s.Skipped != 20 || len(held) != 20 || rep.Document.StillOpen.Held != 20 {
			t.Errorf("%d chunks, %d held back in results: %+v", q.put, len(held), s)
		}
		for id, n := range held {
			if n != 1 {
				t.Errorf("%s is told %d times", id, n)
			}
		}
		if bar.over > 0 || bar.steps != bar.total || bar.held != 20 {
			t.Errorf("a bar of %d made %d steps, %d beyond its end, and told of %d that were held back", bar.total, bar.steps, bar.over, bar.held)
		}
	})
}

// TestRoundsCountOnce: what one round has made is not unchanged in the next one, and what
// each only names is named once.
func TestRoundsCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reps []batch.Report
		for _, most := range []int{0, 100} {
			q := &tray{}
			r := newRig(t, sandbox.WorldOptions{More: 240}, func(r *rig) { r.cfg.MaxCandidates = most })
			r.settleAlone(q)
			r.m = r.mapping(strings.Replace(r.w.Mapping(), "match:", "import: always\nmatch:", 1))
			for n := range 30 {
				r.w.Advoware.Insert(path, []byte(fmt.Sprintf(`{"vorname":"Nina","name":"Neu%d","geburtsdatum":"1990-01-01"}`, n)))
			}
			twin := map[string]any{"firstName": "Nora", "lastName": "Doppelt", "name": "Nora Doppelt", "geburtsdatum": "1991-01-01", "syncStatus": "clean"}
			r.w.EspoCRM.Seed(ct, twin)
			r.w.Advoware.Insert(path, []byte(`{"vorname":"Nora","name":"Doppelt","geburtsdatum":"1991-01-01"}`))
			r.mixed(230)
			bar := &barSink{}
			r.sink = bar
			var rep batch.Report
			r.withWorkers(q, 2, func() { rep, _ = r.run(t.Context(), batch.Options{AllowMassChange: true, AllowMappingChange: true}) })
			if s := rep.Document.Summary; bar.held != s.Skipped || bar.held == 0 {
				t.Errorf("%d at a time: told of %d that agree by match, counted %d", most, bar.held, s.Skipped)
			}
			reps = append(reps, rep)
		}
		if a, b := reps[0], reps[1]; a.Document.Summary != b.Document.Summary || a.Seen != b.Seen || b.Document.Summary.CreatedEspocrm < 30 {
			t.Errorf("in one round %+v, %d seen; in several %+v, %d", a.Document.Summary, a.Seen, b.Document.Summary, b.Seen)
		}
	})
}

// barSink is a progress bar of one entity.
type barSink struct {
	mu                 sync.Mutex
	total, steps, over int
	held               int // creates that are held back, and told of
}

func (b *barSink) Phase(string, batch.Phase) {}
func (b *barSink) Begun(string, string)      {}
func (b *barSink) Warned(string)             {}

func (b *barSink) Planned(_ string, total int, _ bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total = total
}

func (b *barSink) Ended(r result.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Reason.Code == engine.ReasonHeld || r.Reason.Code == engine.ReasonMatches {
		b.held++
	}
	if b.steps++; b.steps > b.total {
		b.over++
	}
}

// TestRoundsSayWhatIsOpen: no round but the last one says what is still open, so none takes
// note that it was said.
func TestRoundsSayWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 240}, func(r *rig) { r.cfg.MaxCandidates, r.cfg.Engine.Policy = 100, "manual" })
		r.settleAlone(q)
		waits := r.linked()[len(r.linked())-1]
		r.editEspo(waits.espo, map[string]any{"email": "neu@example.de", "syncStatus": "dirty"})
		r.editAdvo(waits.advo, map[string]any{"emailGesch": "anders@example.de"})
		r.withWorkers(q, 2, func() { r.pass(batch.Options{}) })
		for _, news := range []bool{true, false} {
			time.Sleep(time.Hour)
			r.mixed(230)
			q.put = 0
			var rep batch.Report
			r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
			if q.put != 3 || rep.Document.StillOpen.Conflicts != 1 || rep.OpenIsNews != news {
				t.Errorf("%d chunks, open %+v, news: %v", q.put, rep.Document.StillOpen, rep.OpenIsNews)
			}
		}
	})
}

// TestRoundsEnd: what none of them brings on is left to the next pass.
func TestRoundsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 240}, func(r *rig) { r.cfg.MaxCandidates = 100 })
		r.settleAlone(q)
		r.mixed(230)
		others := r.lm
		for _, p := range r.linked()[:230] {
			held, err := others.Acquire(t.Context(), store.Key{Entity: r.m.Entity(), ID: p.espo}.LockKey())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Release() }()
		}
		before := r.watermark()
		var rep batch.Report
		r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
		if q.put > 2 || rep.LeftOver != 230 || r.watermark() != before || rep.Document.Summary.Locked != 100 {
			t.Errorf("%d chunks, %d left, %d locked", q.put, rep.LeftOver, rep.Document.Summary.Locked)
		}
	})
}

// contents is what both systems hold, but for stamps and the numbers of new records.
func contents(r *rig) (out []string) {
	for _, rec := range r.w.EspoCRM.Records(ct) {
		out = append(out, strings.Join([]string{rec["id"].(string), text(rec["email"]), text(rec["phone"]), text(rec["syncStatus"])}, " "))
	}
	for _, raw := range r.w.Advoware.All(path) {
		id := idOf(raw)
		out = append(out, strings.Join([]string{r.advoField(id, "emailGesch"), r.advoField(id, "telGesch")}, " "))
	}
	slices.Sort(out)
	return out
}

func text(v any) string { s, _ := v.(string); return s }

// TestChunksAreHandedOutAsTheyAreTaken: no more wait than workers can soon take.
func TestChunksAreHandedOutAsTheyAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 1200})
		r.settleAlone(q)
		r.latency.Store(int64(20 * time.Millisecond))
		r.mixed(1200)
		r.withWorkers(q, 1, func() { r.pass(batch.Options{AllowMassChange: true}) })
		if q.put != 12 || q.most > 4 {
			t.Errorf("%d chunks, up to %d waited for one slot", q.put, q.most)
		}
	})
}

// TestTheWatermarkWaitsForEveryChunk: the planner goes at its bound; the pass goes on, and
// whoever reports the last chunk ends it.
func TestTheWatermarkWaitsForEveryChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 1}
		r := newRig(t, sandbox.WorldOptions{More: 240})
		r.settleAlone(q)
		r.mixed(230)
		before := r.watermark()
		rep := r.pass(batch.Options{AllowMassChange: true, MaxDuration: 5 * time.Second})
		u := r.underway()
		if rep.Out != 3 || rep.LeftOver != 0 || rep.Ended != batch.StopTime || u == nil || !u.Whole || u.Chunks != 3 {
			t.Fatalf("out %d, left %d, ended %q, under way %+v", rep.Out, rep.LeftOver, rep.Ended, u)
		}
		w := r.worker()
		for i := range 3 {
			if r.watermark() != before {
				t.Errorf("the watermark has moved with %d chunks out", 3-i)
			}
			tk, _ := q.take()
			ended, err := w.Work(t.Context(), tk.body, false)
			if err != nil || (ended != nil) != (i == 2) {
				t.Fatalf("chunk %d: %v, ended %v", i, err, ended)
			}
			q.done(tk, false)
			if ended != nil && (ended.Document.Summary.UpdatedAdvoware != 115 || ended.Document.Run.ID != rep.Document.Run.ID || ended.Entities[r.m.Entity()].UpdatedEspocrm != 115) {
				t.Errorf("the summary of the whole: %+v", ended.Document.Summary)
			}
		}
		if r.watermark() == before || r.underway() != nil {
			t.Error("the pass was not ended by who reported last")
		}
		runs, err := batch.Runs(t.Context(), r.store)
		if err != nil || runs[0].ID != rep.Document.Run.ID || runs[0].Entities[r.m.Entity()].UpdatedAdvoware != 115 || !runs[0].Success {
			t.Errorf("remembered: %+v, %v", runs[0], err)
		}
		r.fleet = nil
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestTheNextPlannerWaits: a pass that is under way is not begun a second time.
func TestTheNextPlannerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 1}
		r := newRig(t, sandbox.WorldOptions{More: 240})
		r.settleAlone(q)
		r.mixed(230)
		first := r.pass(batch.Options{AllowMassChange: true, MaxDuration: time.Second})
		second := r.pass(batch.Options{AllowMassChange: true, MaxDuration: time.Second})
		if second.Out != 3 || second.Document.Summary.Total != 0 || q.put != 3 {
			t.Fatalf("%d out, %d put: %+v", second.Out, q.put, second.Document.Summary)
		}
		var third batch.Report
		r.withWorkers(q, 2, func() { third = r.pass(batch.Options{}) })
		if s := looked(third); s.UpdatedAdvoware+s.UpdatedEspocrm > 0 || r.underway() != nil {
			t.Errorf("the third pass: %+v", s)
		}
		runs, err := batch.Runs(t.Context(), r.store)
		if i := slices.IndexFunc(runs, func(o batch.RunRecord) bool { return o.ID == first.Document.Run.ID }); err != nil || i < 0 || runs[i].Entities[r.m.Entity()].UpdatedAdvoware != 115 {
			t.Errorf("remembered of the first: %+v, %v", runs, err)
		}
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestLostChunks: what the queue loses costs time. The watermark stays, and the next pass
// syncs what was lost.
func TestLostChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{loses: func(n int) bool { return n == 1 }}
		r := newRig(t, sandbox.WorldOptions{More: 240})
		r.settleAlone(q)
		r.mixed(230)
		before := r.watermark()
		var rep batch.Report
		var err error
		r.withWorkers(q, 2, func() { rep, err = r.run(t.Context(), batch.Options{AllowMassChange: true}) })
		if f := fault.As(err); f == nil || f.Code != "chunks_lost" || rep.LeftOver != 100 || looked(rep).Total != 130 {
			t.Fatalf("%v; %d left, %+v", err, rep.LeftOver, looked(rep))
		}
		if r.watermark() != before {
			t.Error("the watermark has moved over a chunk that was lost")
		}
		q.loses = nil
		r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{}) })
		if s := looked(rep); s.UpdatedAdvoware+s.UpdatedEspocrm != 100 || r.watermark() == before {
			t.Errorf("the next pass: %+v", s)
		}
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestAPlannerThatDies: its pass never completes; the next planner drops it and looks at
// everything again. Chunks that were out are not begun any more.
func TestAPlannerThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 1}
		r := newRig(t, sandbox.WorldOptions{More: 240})
		r.settleAlone(q)
		r.mixed(230)
		before := r.watermark()
		q.onPut = func(n int) {
			if n == 2 {
				runtime.Goexit()
			}
		}
		died := make(chan struct{})
		go func() {
			defer close(died)
			_, _ = r.run(context.Background(), batch.Options{AllowMassChange: true})
		}()
		<-died
		q.onPut = nil
		if u := r.underway(); u == nil || u.Whole || q.put != 2 {
			t.Fatalf("%+v, %d put", u, q.put)
		}
		tk, _ := q.take()
		if _, err := r.worker().Work(t.Context(), tk.body, false); err != nil {
			t.Fatal(err)
		}
		q.done(tk, false)
		var rep batch.Report
		r.withWorkers(q, 1, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
		// What a worker takes of the dead planner's second chunk before that pass is dropped it
		// syncs, and this pass finds it done.
		if s := looked(rep); s.UpdatedAdvoware+s.UpdatedEspocrm+s.Unchanged != 130 || s.Unchanged%100 != 0 || len(rep.Warnings) != 1 || !strings.Contains(rep.Warnings[0], "was not finished") {
			t.Errorf("%+v %q", s, rep.Warnings)
		}
		if r.watermark() == before || r.underway() != nil {
			t.Error("the next pass has not completed")
		}
		r.w.Log.Clear()
		if _, err := r.worker().Work(t.Context(), tk.body, false); err != nil || r.w.Log.Count(func(sandbox.LogEntry) bool { return true }) > 0 {
			t.Errorf("a chunk of a pass that is over was begun: %v", err)
		}
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestGuardsAreThePlanners: a guard halts before anything is handed out; what may be
// created was counted out; a worker judges nothing.
func TestGuardsAreThePlanners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 1}
		r := newRig(t, sandbox.WorldOptions{More: 240})
		r.settleAlone(q)
		r.mixed(230)
		for _, p := range r.linked() {
			r.editAdvo(p.advo, map[string]any{"telGesch": "0511 2"})
		}
		_, err := r.run(t.Context(), batch.Options{})
		if g := guardOf(t, err); g.Guard != "mass_change" || q.put != 0 || r.underway() != nil {
			t.Fatalf("%v, %d put", g, q.put)
		}
		var rep batch.Report
		r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
		if s := looked(rep); s.UpdatedEspocrm+s.Merged+s.UpdatedAdvoware < 230 {
			t.Errorf("what the planner has let pass was not synced: %+v", s)
		}
	})
}

// TestCreatesAreCountedOut: too many are held back, one more is not made by any worker.
func TestCreatesAreCountedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ most, made int }{{50, 0}, {150, 120}} {
			q := &tray{}
			r := newRig(t, sandbox.WorldOptions{More: 20})
			r.settleAlone(q)
			for n := range 120 { // no two agree by match: one that is just being made holds nobody back
				r.w.EspoCRM.Seed(ct, map[string]any{"firstName": "Nina", "lastName": fmt.Sprint("Neu", n), "name": fmt.Sprint("Nina Neu", n), "geburtsdatum": "1990-01-01", "syncStatus": "pending_sync"})
			}
			r.cfg.MaxCreates = tt.most
			var rep batch.Report
			var err error
			r.withWorkers(q, 2, func() { rep, err = r.run(t.Context(), batch.Options{}) })
			if n := rep.Document.Summary.Created; n != tt.made || (err != nil) != (tt.made == 0) {
				t.Errorf("at most %d: %d created, %v", tt.most, n, err)
			}
			if tt.made == 0 {
				if g := guardOf(t, err); g.Guard != "creates" || rep.Document.StillOpen.Held != 120 {
					t.Errorf("%v, %+v", g, rep.Document.StillOpen)
				}
			}
		}
	})
}

// TestASystemThatIsDown: chunks could not run and are tried again; then the pass ends as
// it would in one process.
func TestASystemThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 440})
		r.settleAlone(q)
		r.mixed(430)
		before := r.watermark()
		q.onPut = func(int) { r.w.Advoware.Faults().Add(sandbox.Fault{Name: "down", System: "advoware", Status: 503}) }
		var rep batch.Report
		var err error
		r.withWorkers(q, 2, func() { rep, err = r.run(t.Context(), batch.Options{AllowMassChange: true}) })
		if f := systemOf(t, err); f.System != fault.Advoware || rep.Document.Error == nil || r.watermark() != before || r.underway() != nil {
			t.Fatalf("%v, %+v", f, rep.Document.Error)
		}
		r.w.Advoware.Faults().Clear("down")
		q.onPut = nil
		time.Sleep(15 * time.Minute)
		r.withWorkers(q, 2, func() { rep = r.pass(batch.Options{AllowMassChange: true}) })
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestAWorkerThatIsAskedToEnd gives its chunk back, and another one syncs it.
func TestAWorkerThatIsAskedToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 1}
		r := newRig(t, sandbox.WorldOptions{More: 110})
		r.settleAlone(q)
		r.mixed(100)
		r.latency.Store(int64(50 * time.Millisecond))
		r.pass(batch.Options{AllowMassChange: true, MaxDuration: 5 * time.Second})
		tk, _ := q.take()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if rep, err := r.worker().Work(ctx, tk.body, true); !errors.Is(err, batch.ErrGivenBack) || rep != nil {
			t.Fatalf("%v, %v", rep, err)
		}
		locks, err := r.store.Locks(t.Context())
		if err != nil || len(locks) > 0 {
			t.Errorf("locks are left: %v %v", locks, err)
		}
		if u := r.underway(); u == nil || u.Reported != 0 {
			t.Errorf("%+v", u)
		}
		if rep, err := r.worker().Work(t.Context(), tk.body, false); err != nil || rep == nil {
			t.Fatalf("the other worker: %v %v", rep, err)
		}
		r.fleet = nil
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestAStoreThatWasAway: a chunk that was in work begins again when the store answers, not
// when the locks run out that its worker could not give back.
func TestAStoreThatWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{}
		r := newRig(t, sandbox.WorldOptions{More: 110})
		r.settleAlone(q)
		r.mixed(100)
		r.latency.Store(int64(50 * time.Millisecond))
		st := r.store.(*memory.Store)
		var back time.Time
		q.onPut = func(int) {
			time.AfterFunc(time.Second, func() {
				st.FailWith(func(context.Context, string) error { return errors.New("no connection") })
			})
			time.AfterFunc(21*time.Second, func() { st.FailWith(nil); back = time.Now() })
		}
		r.withWorkers(q, 1, func() { r.pass(batch.Options{AllowMassChange: true}) })
		if back.IsZero() || time.Since(back) > time.Minute {
			t.Errorf("the pass has ended %v after the store was back", time.Since(back))
		}
		if locks, err := r.store.Locks(t.Context()); err != nil || len(locks) > 0 {
			t.Errorf("locks are left: %v %v", locks, err)
		}
		r.fleet = nil
		time.Sleep(15 * time.Minute)
		r.pass(batch.Options{}) // settles what was being written when the store went
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestAWorkerWithAnotherMapping leaves chunks to the others, however often it takes them;
// where there is no other, the pass ends and says whose mapping it is.
func TestAWorkerWithAnotherMapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 4}
		r := newRig(t, sandbox.WorldOptions{More: 440})
		r.settleAlone(q)
		r.mixed(430)
		r.latency.Store(int64(20 * time.Millisecond))
		other := r.mapping(strings.Replace(r.w.Mapping(), "advoware: telGesch}", "advoware: telGesch, direction: to_advoware}", 1))
		if other.Fingerprint() == r.m.Fingerprint() {
			t.Fatal("the same mapping")
		}
		ctx, end := context.WithCancel(t.Context())
		defer end()
		for range 3 {
			r.command = "worker"
			w := r.process().Worker(func(string) (*mapping.Mapping, error) { return other, nil })
			r.command = ""
			go q.work(ctx, w, nil)
		}
		before := r.watermark()
		began := time.Now()
		_, err := r.run(t.Context(), batch.Options{AllowMassChange: true})
		if f := fault.As(err); f == nil || f.Code != batch.CodeOtherMapping || r.underway() != nil || r.watermark() != before || time.Since(began) > 90*time.Second {
			t.Errorf("none has the mapping: %v after %v", err, time.Since(began))
		}
		// ... and the fleet is drained in the middle, which waits for what is out
		q.onPut = func(int) {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.held, q.drained = "the fleet is drained", true
		}
		began = time.Now()
		_, err = r.run(t.Context(), batch.Options{AllowMassChange: true})
		if f := fault.As(err); f == nil || f.Code != batch.CodeOtherMapping || r.underway() != nil || time.Since(began) > 90*time.Second {
			t.Errorf("none has the mapping, and drained: %v after %v", err, time.Since(began))
		}
		q.onPut, q.held, q.drained = nil, "", false
		good := r.worker()
		go func() { // it begins anew, which is waited for as where there is no worker at all
			time.Sleep(50 * time.Second)
			q.work(ctx, good, nil)
		}()
		rep := r.pass(batch.Options{AllowMassChange: true})
		if s := looked(rep); s.UpdatedAdvoware+s.UpdatedEspocrm != 430 || r.watermark() == before {
			t.Errorf("one of four has it: %+v", s)
		}
		end()
		r.fleet = nil
		time.Sleep(15 * time.Minute)
		r.still()
	})
}

// TestOrdersHoldNoValues: what goes through the queue is ids.
func TestOrdersHoldNoValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &tray{slots: 1}
		r := newRig(t, sandbox.WorldOptions{More: 30})
		r.settleAlone(q)
		r.mixed(20)
		r.pass(batch.Options{AllowMassChange: true, MaxDuration: time.Second})
		var order map[string]any
		if err := json.Unmarshal(q.tasks[0].body, &order); err != nil {
			t.Fatal(err)
		}
		for _, item := range order["items"].([]any) {
			for key := range item.(map[string]any) {
				if !slices.Contains([]string{"id", "since", "why", "was"}, key) {
					t.Errorf("an order holds %s", key)
				}
			}
		}
		if strings.Contains(string(q.tasks[0].body), "neu@example.de") {
			t.Error("an order holds a value")
		}
	})
}
