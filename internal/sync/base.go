package sync

import (
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/tell"
)

// advance moves the working base after a write to Advoware and its read-back, for
// the fields that were sent only. A value that was not accepted is the record's
// failure.
func (w *work) advance(sent map[string]record.Value, before, after *sides.Advo) error {
	next, refused := w.Settle(w.Base, session.Written{Side: record.Advoware, Espo: w.Espo, Advo: before, Sent: sent, Now: after.View.Values})
	if k := w.Espo.View.Kind; len(refused) == 0 && k != "" && k == after.View.Kind && sides.OwnInStep(w.Mapping, w.Base, &w.Espo.View, &before.View, sent) {
		next.Kind = record.Pair{Espo: record.Of(k), Advo: record.Of(k)}
	}
	if len(refused) == 0 || w.Base != nil && !w.Knows.Baseless { // a first contact stays one until it succeeds
		w.Base, w.Knows.Baseless = next, false
	}
	if len(refused) > 0 {
		tell.CloseUntaken(w.Tells.Entry, &before.View, &after.View)
		return w.NotAccepted(fault.Advoware, refused)
	}
	return nil
}
