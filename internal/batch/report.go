package batch

import (
	"cmp"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// Bounds of what a report keeps.
const (
	maxResults     = 10_000 // results in the document
	maxFirstFailed = 10
)

// Report is what became of a run.
type Report struct {
	// Document is the JSON document. Results are the records that something was
	// done to or that need attention, sorted, at most 10,000 of them; unchanged
	// ones are only counted.
	Document result.Document
	// Entities are the summaries by entity.
	Entities map[string]result.Summary
	// Linked is how many linked records were compared by row id, list against
	// list; Still those of them that were as they were. These are in the summaries
	// as unchanged. Seen is how many records were looked at one by one.
	Linked, Still, Seen int
	// WrittenEspocrm and WrittenAdvoware are the records written on each side.
	WrittenEspocrm, WrittenAdvoware int
	// Failed are the first ten that failed, with their reason.
	Failed []result.Record
	// LeftOver is how many candidates wait for the next pass: over the limit or
	// the time, locked, or not reached.
	LeftOver int
	// Oldest is the oldest change that still waits; zero: none does.
	Oldest time.Time
	// NextRetry is when the first of the failed records that are still open is tried
	// again; zero: none is.
	NextRetry time.Time
	// OpenIsNews: what is still open has changed since it was said last, or was said
	// a day ago.
	OpenIsNews bool
	// Skipped are the entities that were not begun.
	Skipped []string
	// Interrupted: a signal ended it; what was begun is finished.
	Interrupted bool
	// Ended says why it stopped before the last candidate; "" it did not.
	Ended Stop
	// Out is how many chunks of the pass others still sync; what they report is not in
	// here.
	Out int
	// Dropped is how many results did not fit into the document.
	Dropped int
	// Warnings are sentences for the operator, each once.
	Warnings []string

	planned map[fault.Awaited]bool // of a dry run
}

// Stop is why a run begins no further record.
type Stop string

// The reasons to stop.
const (
	StopLimit    Stop = "limit"
	StopTime     Stop = "max_duration"
	StopSignal   Stop = "signal"
	StopSystem   Stop = "system"
	StopGuard    Stop = "guard"
	StopPassLock Stop = "pass_lock_lost"
	StopDrained  Stop = "fleet_drained"
)

// add counts a result and keeps it where it is worth telling.
func (r *Report) add(res result.Record) {
	r.Document.Summary.Add(res.Outcome)
	s := r.Entities[res.Entity]
	s.Add(res.Outcome)
	r.Entities[res.Entity] = s
	switch res.Outcome {
	case result.CreatedAdvoware, result.UpdatedAdvoware:
		r.WrittenAdvoware++
	case result.UpdatedEspocrm, result.CreatedEspocrm:
		r.WrittenEspocrm++
	case result.Merged:
		r.WrittenAdvoware++
		r.WrittenEspocrm++
	}
	if res.Outcome != result.Locked {
		r.Seen++
	}
	if res.Outcome == result.Planned {
		r.plans(res.Entity, res.ID, res.AdvowareID)
	}
	r.keep(res)
}

// plans takes note of a record that a dry run foresees as linked; number: Advoware's, nil
// where it has none yet.
func (r *Report) plans(entity, id string, number *int64) {
	if r.planned == nil {
		r.planned = map[fault.Awaited]bool{}
	}
	r.planned[fault.Awaited{Entity: entity, ID: id}] = true
	if number != nil {
		r.planned[fault.Awaited{Entity: entity, Number: *number}] = true
	}
}

// forgetAgainLocked forgets the records of an entity to which the round that follows comes
// again: those that somebody else held, and the creates that were held back, so many.
func (r *Report) forgetAgainLocked(entity string, heldBack int) {
	r.Document.Results = slices.DeleteFunc(r.Document.Results, func(x result.Record) bool {
		return x.Entity == entity && (x.Outcome == result.Locked || isHeldBack(x))
	})
	own := r.Entities[entity]
	n := own.Locked
	r.Seen -= heldBack
	for _, s := range []*result.Summary{&own, &r.Document.Summary} {
		s.Total, s.Locked, s.Skipped = s.Total-n-heldBack, s.Locked-n, s.Skipped-heldBack
	}
	r.Entities[entity] = own
}

// isHeldBack: the record is a create that the pass did not make.
func isHeldBack(x result.Record) bool {
	return x.Outcome == result.Skipped && (x.Reason.Code == sync.ReasonHeld || x.Reason.Code == sync.ReasonMatches)
}

// keep keeps a result where it is worth telling.
func (r *Report) keep(res result.Record) {
	if (res.Outcome == result.Failed || res.Outcome == result.PermanentlyFailed) && len(r.Failed) < maxFirstFailed {
		r.Failed = append(r.Failed, res)
	}
	if res.Outcome == result.Unchanged && len(res.Warnings) == 0 {
		return
	}
	if len(r.Document.Results) >= maxResults {
		r.Dropped++
		return
	}
	r.Document.Results = append(r.Document.Results, res)
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Document.Results, func(a, b result.Record) int {
		return cmp.Or(cmp.Compare(a.Entity, b.Entity), cmp.Compare(a.ID, b.ID))
	})
}
