package batch

import (
	"hash/maphash"
	"time"

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
		e.open = map[uint64]openAs{}
	}
	e.open[maphash.String(e.seed, id)] = openStatus(status)
	if again.After(e.run.now()) && (e.again.IsZero() || again.Before(e.again)) {
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

// openAs says of the candidates as what they are open.
func (e *entityRun) openAs(list []candidate) {
	for i := range list {
		list[i].was = e.open[maphash.String(e.seed, list[i].id)]
	}
}

// reportOpen says what is still open, and whether it is news to somebody who reads only
// what has changed.
func (r *run) reportOpen(c closing, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, doc := c.stillOpen(), &r.report.Document
	doc.StillOpen, doc.NewInAdvoware = doc.StillOpen.Plus(n), doc.NewInAdvoware+c.Newcomers-c.Imported
	if t := c.Again; n.Failed > 0 && !t.IsZero() && (r.report.NextRetry.IsZero() || t.Before(r.report.NextRetry)) {
		r.report.NextRetry = t
	}
	r.report.OpenIsNews = r.report.OpenIsNews || c.isNews(now)
}

// reportLeft says what waits for the next pass.
func (r *run) reportLeft(c closing, next EntityState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.LeftOver += c.Outcome.Waiting
	if t := next.Oldest(); !t.IsZero() && (r.report.Oldest.IsZero() || t.Before(r.report.Oldest)) {
		r.report.Oldest = t
	}
}

func (r *run) summaryOf(entity string) result.Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report.Entities[entity]
}
