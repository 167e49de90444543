package simulation

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"advosync/internal/result"
	"advosync/internal/test/oracle"
)

// watcher is a place where the tool watches: when it dies, it is started anew. Its hints
// are an actor's; in some worlds all of them are lost.
func (s *Sim) watcher() {
	r := s.random("watcher", 0)
	skew := time.Duration(r.IntN(4000)-2000) * time.Millisecond
	h := hinter{sim: s, r: s.random("hinter", 0), lost: []float64{0, 0.3, 0.3, 1}[r.IntN(4)]}
	nap(r, 20*time.Second)
	for !s.over() {
		s.watches(s.newTool(r, "watch", skew, s.rate), h)
		nap(r, 20*time.Second)
	}
}

// watches has a process watch until it dies, or the storm is over.
func (s *Sim) watches(t *Tool, h hinter) {
	defer t.end()
	ctx, cancel := context.WithTimeout(context.Background(), s.lasts-time.Since(s.start))
	defer cancel()
	died := func() {
		if t.Process.Dead() {
			cancel()
		}
	}
	t.Engine.Watch(ctx, func(ctx context.Context, tell func(string, bool)) {
		h.speaks(ctx, func(id string, webhook bool) { died(); tell(id, webhook) })
	},
		func(r result.Record) {
			s.count("synced by a watch")
			s.heard(t, r)
			died()
		}, func(end PassEnd) {
			s.count("passes of a watch that " + string(end))
			s.Oracle.Note("%s: pass %s", t.Run, end)
			died()
		})
}

// speak remembers an edit, for the hints.
func (s *Sim) speak(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoken = append(s.spoken, id)
}

// hinter makes hints of what people do: late, in another order, twice, or never, and
// some of what nobody has done.
type hinter struct {
	sim  *Sim
	r    *rand.Rand
	lost float64 // how many hints are
}

// speaks tells hints until ctx ends.
func (h hinter) speaks(ctx context.Context, tell func(id string, webhook bool)) {
	var late []string
	for ctx.Err() == nil {
		nap(h.r, 2*time.Second)
		h.sim.mu.Lock()
		late = append(late, h.sim.spoken...)
		h.sim.spoken = nil
		h.sim.mu.Unlock()
		var now []string
		now, late = h.drawn(late)
		if id, ok := h.sim.pick(h.r); ok && h.r.IntN(20) == 0 {
			h.sim.count("hints forged")
			now = append(now, id, "0123456789abcdef0")
		}
		h.r.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
		for _, id := range now {
			if ctx.Err() == nil {
				tell(id, h.r.IntN(3) == 0)
			}
		}
	}
}

// drawn throws the dice for each hint: what is told now, and what later.
func (h hinter) drawn(hints []string) (now, late []string) {
	for _, id := range hints {
		switch {
		case h.r.Float64() < h.lost:
			h.sim.count("hints lost")
		case h.r.IntN(3) == 0:
			h.sim.count("hints late")
			late = append(late, id)
		case h.r.IntN(6) == 0:
			h.sim.count("hints doubled")
			now = append(now, id, id)
		default:
			h.sim.count("hints told")
			now = append(now, id)
		}
	}
	return now, late
}

// RunDeaths plays a long day of a watch with its own sources of hints, on a host where it
// is killed every minute, and started anew, while people edit.
func RunDeaths(seed uint64, lasts time.Duration) Report {
	s := newSim(seed)
	s.lasts, s.rate, s.sameHost, s.Mapping, s.backups = lasts, 0, true, mappings()[1], ""
	s.Oracle = oracle.New(s.Mapping, s.Espo, s.Advo, string(s.Policy))
	s.Oracle.History = s.history
	s.Oracle.Rough() // a process that dies learns of nothing
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { s.person(i) })
	}
	all.Go(func() {
		for r := s.random("watcher", 1); !s.over(); {
			s.watchesFor(s.newTool(r, "watch", 0, 0), time.Duration(1+r.Int64N(int64(2*time.Minute))))
		}
	})
	all.Wait()
	s.settleDown()
	maps.Copy(s.counts, s.Oracle.Counts())
	return Report{Seed: seed, Problems: append(s.trouble, s.Oracle.Problems()...), Counts: s.counts}
}

// watchesFor has a process watch by its own sources until it is killed.
func (s *Sim) watchesFor(t *Tool, life time.Duration) {
	defer t.end()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		time.Sleep(min(life, s.lasts-time.Since(s.start)+1))
		t.Process.Kill()
		cancel()
		s.count("deaths")
	})
	t.Engine.Watch(ctx, nil, func(r result.Record) {
		s.count("synced by a watch")
		s.heard(t, r)
	}, func(end PassEnd) { s.count("passes of a watch that " + string(end)) })
}
