package batch

import "advosync/internal/result"

// Phase is a part of an entity's pass.
type Phase string

// The phases, in their order.
const (
	PhaseLook  Phase = "looking"  // finding candidates, comparing row ids
	PhaseGuard Phase = "guarding" // asking the guards
	PhaseSync  Phase = "syncing"
	PhaseDone  Phase = "done"
)

// Sink is told how a run gets on, one call at a time. It must not block for
// long: the run waits.
type Sink interface {
	// Phase begins a part of an entity's pass.
	Phase(entity string, p Phase)
	// Planned says how many records will be looked at; known is false while the
	// number can still grow.
	Planned(entity string, total int, known bool)
	// Begun says that work on a record begins.
	Begun(entity, id string)
	// Ended says what became of it.
	Ended(r result.Record)
	// Warned is a sentence for the operator that changes nothing.
	Warned(text string)
}

// nobody listens.
type nobody struct{}

func (nobody) Phase(string, Phase)       {}
func (nobody) Planned(string, int, bool) {}
func (nobody) Begun(string, string)      {}
func (nobody) Ended(result.Record)       {}
func (nobody) Warned(string)             {}
