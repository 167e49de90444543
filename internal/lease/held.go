package lease

import (
	"fmt"
	"time"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// HeldError says that somebody alive holds a lock.
type HeldError struct{ Lock store.Lock }

// Error says who holds the lock and how long.
func (e *HeldError) Error() string {
	s := "locked by " + Holder(e.Lock)
	if e.Lock.Expires.IsZero() {
		return s + ", without an end"
	}
	return s + ", lease until " + e.Lock.Expires.UTC().Format(time.RFC3339)
}

// Holder names who holds a lock, since when; everything in it came out of the store.
func Holder(l store.Lock) string {
	if l.Foreign {
		return "the old handler, or another program that writes this key"
	}
	o := l.Owner
	return fault.Clean(fmt.Sprintf("%s@%s pid %d (%s) since %s",
		o.User, o.Host, o.PID, o.Command, o.Since.UTC().Format(time.RFC3339)), 200)
}

// State is what can be said of a lock from outside, in the words of
// `unlock --list`.
type State string

// The states of a lock.
const (
	Live       State = "live"
	Stale      State = "stale" // its holder is dead, or its lease has run out
	OldHandler State = "old handler"
)

// StateOf judges a lock. dead is Dead as seen by the caller's own owner.
func StateOf(l store.Lock, dead func(store.Owner) bool, now time.Time) State {
	switch {
	case l.Foreign:
		return OldHandler
	case !l.Expires.IsZero() && !l.Expires.Round(0).After(now.Round(0)), dead(l.Owner):
		return Stale
	default:
		return Live
	}
}
