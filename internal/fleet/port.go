// Package fleet carries chunks of passes to workers on several hosts. It is a queue and
// no more: what it loses or doubles costs time, for locks, announcements and bases of
// single records are the only safety (docs/design/decisions/019-fleet.md).
package fleet

import (
	"context"
	"errors"
	"time"
)

// Queue is the port behind which the queue could be another one: four verbs.
type Queue interface {
	// Put hands a chunk over to the workers of an office: once, however often it is
	// called with the same id while that is not done.
	Put(ctx context.Context, office, id string, body []byte) error
	// Work carries out chunks of offices until ctx ends, and then waits for those that
	// were begun.
	Work(ctx context.Context, w Work) error
	// Look says how an office's part stands.
	Look(ctx context.Context, office string) (State, error)
	// Turn pauses an office's part, or lets it go on: while it is paused no chunk is
	// begun.
	Turn(ctx context.Context, office string, on bool) error
}

// Work is what one worker does.
type Work struct {
	Offices []string
	// Slots is how many chunks are in work at the same time.
	Slots int
	// Do carries out a chunk. An error that wraps ErrAgain says that it is tried again
	// soon, any other one that it could not run; last: such an error is the last one.
	// When ctx ends, what was begun is to end within Grace.
	Do    func(ctx context.Context, office string, body []byte, last bool) error
	Grace time.Duration
	// Ready is called once chunks are taken.
	Ready func()
	// Trouble is told what goes wrong with the queue itself.
	Trouble func(text string)
}

// ErrAgain has a chunk tried again without counting against it.
var ErrAgain = errors.New("again")

// State is how an office's part of the queue stands.
type State struct {
	Paused  bool
	Waiting int // chunks that no worker has begun
	Active  int // in work, orphaned ones included
	Again   int // could not run, and are tried again
	Dead    int // could not run as often as they may, and were not reported either
	// Orphaned are in the hands of a worker that is gone; they are given to another one
	// within two minutes.
	Orphaned int
	// Oldest is how long the oldest chunk has waited.
	Oldest  time.Duration
	Workers []Worker // of the office
}

// Slots is how many chunks the workers can have in work.
func (s State) Slots() (n int) {
	for _, w := range s.Workers {
		n += w.Slots
	}
	return n
}

// Worker is one process that takes chunks.
type Worker struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Slots   int       `json:"slots"`
	Busy    int       `json:"busy"` // slots in use, for any office
	Offices []string  `json:"offices"`
}
