package watch

import (
	"context"

	"advosync/internal/record"
)

// withoutLog is how many looks the list is asked after the log could not be read.
const withoutLog = 20

// changeLog is how far EspoCRM's log of changes was read.
type changeLog struct {
	at record.Place
	// heard are the rows behind at that were told: they come once more.
	heard map[int64]bool
	// isNew: what was modified before at, the list tells once more.
	isNew bool
	// sure: something was read behind a place. Where none ever holds (PostgreSQL) a gap
	// says nothing, and the list tells.
	sure  bool
	rests int // looks for which it is not asked
}

// lookLog reads what stands in the log behind the last look; false: the list has to tell
// it, this time.
func (l *espoList) lookLog(ctx context.Context, ear Ear) bool {
	if l.log.rests > 0 {
		l.log.rests--
		return false
	}
	for range mostPages {
		c, err := l.espo.Changes(ctx, l.m.EspoType(), l.log.at)
		if err != nil || c == nil {
			l.log = changeLog{rests: withoutLog}
			return false
		}
		begins, isNew := l.log.at.IsZero(), l.log.isNew
		l.log.isNew = false
		if l.log.at = c.Next; begins {
			return false
		}
		if c.Gap && !l.log.sure {
			l.log = changeLog{rests: withoutLog}
			return false
		}
		if c.Gap {
			l.log.sure = false
			l.log.heard = nil // numbers may be given anew
			ear.Missed("EspoCRM's log of changes has a gap")
			return true
		}
		l.log.sure = true
		l.tellChanges(ear, c.Rows)
		if isNew {
			return false
		}
		if !c.More {
			return true
		}
	}
	ear.Missed("more was edited in EspoCRM than one look reads")
	return true
}

// tellChanges speaks of what somebody else has saved. What our own save shows was read
// before it, and by its answer. Whoever is not heard is left to a pass, which comes
// before hints are followed again.
func (l *espoList) tellChanges(ear Ear, rows []record.Change) {
	server, heard := l.espo.ServerTime(), map[int64]bool{}
	for _, row := range rows {
		if row.Number > l.log.at.Number {
			heard[row.Number] = true
		}
		if !l.log.heard[row.Number] && !row.Own && !row.Removed {
			ear.Hear(Hint{Entity: l.m.Entity(), ID: row.ID, Source: FromList, Edited: onThisClock(row.At, server)})
		}
	}
	l.log.heard = heard
}
