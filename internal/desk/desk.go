// Package desk is what an operator asks of the records and what he decides: link, undo,
// resolve, reset, hold, unlock, and the questions behind status, history and retention.
// Whatever it changes of one record it changes through the engine, under the record's
// lock.
package desk

import (
	"advosync/internal/intake"
	"advosync/internal/sync"
)

// Desk carries out an operator's commands with an engine. Safe for concurrent use.
type Desk struct {
	engine *sync.Engine
	intake *intake.Intake
}

// New makes a Desk.
func New(e *sync.Engine) *Desk { return &Desk{engine: e, intake: intake.New(e)} }
