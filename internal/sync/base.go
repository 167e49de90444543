package sync

import (
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// setBase stores one field's pair.
func (w *work) setBase(b *store.Base, key string, p record.Pair) { sides.Set(w.m, b, key, p) }

// agree takes the fields whose contents agree into the working base at the
// decision: exactly the two values compared.
func (w *work) agree(d reconcile.Decision) {
	if len(d.Agreed) == 0 {
		return
	}
	w.knows.baseless = w.knows.baseless || w.base == nil
	w.base = sides.Clone(w.base)
	for key, p := range d.Agreed {
		w.setBase(w.base, key, p)
	}
}

// advance moves the working base after a write to Advoware and its read-back, for
// the fields that were sent only. A value that was not accepted is the record's
// failure.
func (w *work) advance(sent map[string]record.Value, before, after *sides.Advo) error {
	next, refused := w.settle(w.base, written{side: record.Advoware, espo: w.espo, advo: before, sent: sent, now: after.View.Values})
	if k := w.espo.View.Kind; len(refused) == 0 && k != "" && k == after.View.Kind && sides.OwnInStep(w.m, w.base, &w.espo.View, &before.View, sent) {
		next.Kind = record.Pair{Espo: record.Of(k), Advo: record.Of(k)}
	}
	if len(refused) == 0 || w.base != nil && !w.knows.baseless { // a first contact stays one until it succeeds
		w.base, w.knows.baseless = next, false
	}
	if len(refused) > 0 {
		tell.CloseUntaken(w.tells.entry, &before.View, &after.View)
		return w.notAccepted(fault.Advoware, refused)
	}
	return nil
}
