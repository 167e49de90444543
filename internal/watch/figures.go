package watch

import (
	"maps"
	"sync"
	"time"

	"advosync/internal/batch"
	"advosync/internal/record"
	"advosync/internal/result"
)

// buckets are the upper ends, in seconds, in which arrivals are counted.
var buckets = [...]float64{2, 4, 7, 10, 15, 30, 60, 120, 300, 900}

// Arrivals are edits by how long they took to the other side.
type Arrivals struct {
	Count   uint64
	Seconds float64            // all together
	Within  map[float64]uint64 // by upper end, cumulative
}

// Figures are what a watch has seen and done since it was started. They hold counts and
// times only.
type Figures struct {
	Hints    map[Source]uint64
	Arrivals map[record.Side]Arrivals // by the side that got the edit
	// OnlyPass are the writes of passes for which no hint was there, by the side that
	// got the edit. The first pass is not counted: nobody had listened before it.
	OnlyPass map[record.Side]uint64
	Passes   uint64
	Floods   uint64
}

type figures struct {
	mu    sync.Mutex
	f     Figures
	first bool // a pass was made
}

// Figures gives a copy.
func (w *Watch) Figures() Figures {
	w.figures.mu.Lock()
	defer w.figures.mu.Unlock()
	f := w.figures.f
	f.Hints, f.OnlyPass = maps.Clone(f.Hints), maps.Clone(f.OnlyPass)
	f.Arrivals = map[record.Side]Arrivals{}
	for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
		a := w.figures.f.Arrivals[side]
		within := map[float64]uint64{}
		for _, end := range buckets {
			within[end] = a.Within[end]
		}
		a.Within = within
		f.Arrivals[side] = a
	}
	return f
}

func (g *figures) heard(s Source) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.f.Hints == nil {
		g.f.Hints = map[Source]uint64{}
	}
	g.f.Hints[s]++
}

func (g *figures) flooded() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Floods++
}

// passed counts what only the pass has found.
func (g *figures) passed(rep batch.Report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Passes++
	if !g.first {
		g.first = true
		return
	}
	if g.f.OnlyPass == nil {
		g.f.OnlyPass = map[record.Side]uint64{}
	}
	g.f.OnlyPass[record.Advoware] += uint64(rep.WrittenAdvoware)
	g.f.OnlyPass[record.EspoCRM] += uint64(rep.WrittenEspocrm)
}

// synced counts an edit that has arrived, where it is known when it was made.
func (g *figures) synced(r *waiting, res result.Record, now time.Time) {
	if r.hint.Edited.IsZero() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, side := range arrived(res.Outcome) {
		g.arrive(side, now.Sub(r.hint.Edited).Seconds())
	}
}

func (g *figures) arrive(side record.Side, seconds float64) {
	if g.f.Arrivals == nil {
		g.f.Arrivals = map[record.Side]Arrivals{}
	}
	a := g.f.Arrivals[side]
	if a.Within == nil {
		a.Within = map[float64]uint64{}
	}
	a.Count++
	a.Seconds += seconds
	for _, end := range buckets {
		if seconds <= end {
			a.Within[end]++
		}
	}
	g.f.Arrivals[side] = a
}

// arrived are the sides that were written.
func arrived(o result.Outcome) []record.Side {
	switch o {
	case result.CreatedAdvoware, result.UpdatedAdvoware:
		return []record.Side{record.Advoware}
	case result.UpdatedEspocrm:
		return []record.Side{record.EspoCRM}
	case result.Merged:
		return []record.Side{record.Advoware, record.EspoCRM}
	}
	return nil
}
