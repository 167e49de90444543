package batch

import (
	"hash/maphash"
	"time"

	"advosync/internal/engine"
	"advosync/internal/result"
)

// sayAgain is after how long a pass that nobody watches says once more what is
// still open, although nothing of it has changed.
const sayAgain = 24 * time.Hour

// opened takes note of a record that an earlier pass has left open, and when it
// is tried again.
func (e *entityRun) opened(id, status string, again time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		e.open = map[uint64]string{}
	}
	e.open[maphash.String(e.seed, id)] = status
	if !again.IsZero() && (e.again.IsZero() || again.Before(e.again)) {
		e.again = again
	}
}

// becomes is how a record ends: of one that is only planned, as it would.
func becomes(res result.Record) result.Outcome {
	switch {
	case res.Waits:
		return result.ConflictWaits
	case res.Outcome == result.Planned && res.Planned != "":
		return res.Planned
	}
	return res.Outcome
}

// closes follows what this pass has made of an open record.
func (e *entityRun) closes(id string, o result.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	hash := maphash.String(e.seed, id)
	if _, known := e.open[hash]; !known {
		return
	}
	switch o {
	case result.Failed:
		e.open[hash] = engine.StatusFailed
	case result.PermanentlyFailed:
		e.open[hash] = engine.StatusPermanentlyFailed
	case result.ConflictWaits:
		e.open[hash] = engine.StatusConflict
	case result.Locked, result.Skipped, result.Planned: // as it was
	default:
		delete(e.open, hash)
	}
}

// stillOpen counts what was open when the pass began, and is so still, and the
// creates that are held back.
func (e *entityRun) stillOpen() (n result.StillOpen) {
	tooMany, matching := e.holding()
	n.Held = tooMany + matching
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, status := range e.open {
		switch status {
		case engine.StatusConflict:
			n.Conflicts++
		case engine.StatusFailed:
			n.Failed++
		case engine.StatusPermanentlyFailed:
			n.PermanentlyFailed++
		}
	}
	return n
}

// reportOpen says what is still open, and whether it is news to somebody who
// reads only what has changed.
func (e *entityRun) reportOpen(next *EntityState, now time.Time) {
	next.StillOpen, next.NewInAdvoware = e.stillOpen(), e.newcomers-e.imports.made
	r := e.run
	r.mu.Lock()
	defer r.mu.Unlock()
	doc := &r.report.Document
	doc.StillOpen, doc.NewInAdvoware = doc.StillOpen.Plus(next.StillOpen), doc.NewInAdvoware+next.NewInAdvoware
	if t := e.again; next.StillOpen.Failed > 0 && !t.IsZero() && (r.report.NextRetry.IsZero() || t.Before(r.report.NextRetry)) {
		r.report.NextRetry = t
	}
	if next.StillOpen.Any() && (next.StillOpen != next.SaidOpen || !now.Before(next.SaidAt.Add(sayAgain))) {
		r.report.OpenIsNews, next.SaidAt = true, now
	}
	next.SaidOpen = next.StillOpen
}
