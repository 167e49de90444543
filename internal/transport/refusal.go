package transport

import (
	"sync"
	"time"

	"advosync/internal/fault"
)

// RefusedFor is how long credentials that were refused are not tried again: no more often
// than a timer begins a pass, so that neither an account nor an address gets locked.
const RefusedFor = 15 * time.Minute

// Refusal remembers that credentials were refused. The zero value has seen none. Safe for
// concurrent use.
type Refusal struct {
	mu    sync.Mutex
	fault *fault.Error
	at    time.Time
}

// Keep remembers a refusal at a moment.
func (r *Refusal) Keep(f *fault.Error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.at = f, now
}

// Stands is the refusal while it keeps everybody from trying again; nil: there is none, or
// it is RefusedFor old. A process that lives for weeks goes on so, once the key is mended.
func (r *Refusal) Stands(now time.Time) *fault.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.at); age < 0 || age >= RefusedFor {
		return nil
	}
	return r.fault
}
