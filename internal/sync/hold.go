package sync

import (
	"errors"

	"advosync/internal/result"
)

// ReasonOnHold is the reason of a record that an operator has put on hold.
const ReasonOnHold = "on_hold"

// PendingReleased is Memory.Pending of a record that was on hold: whatever was edited
// meanwhile, the next pass looks at it.
const PendingReleased = "released"

// errOnHold ends whatever was begun with a record on hold, right after its memory was
// loaded: nothing has been read or written then.
var errOnHold = errors.New("the record is on hold")

func (w *work) sayOnHold() {
	h := w.mem.Hold
	by := ""
	if h.By != "" {
		by = " by " + h.By
	}
	w.say(ReasonOnHold, "On hold"+by+" since "+h.At.UTC().Format("2006-01-02 15:04 UTC")+": nobody syncs it until it is released.")
}

// leftOnHold ends a record that is on hold, whatever was to be done with it.
func (w *work) leftOnHold(err error) bool {
	if !errors.Is(err, errOnHold) {
		return false
	}
	w.res.Outcome = result.Skipped
	w.sayOnHold()
	return true
}
