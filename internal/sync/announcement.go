package sync

import (
	"context"
	"slices"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// announcement describes a write before it is sent, so that a later run can tell
// whether it happened.
func (w *work) announcement(side record.Side, d reconcile.Decision) *store.Announcement {
	in := &store.Announcement{Side: side, AdvowareID: w.advowareID(), PrevID: w.did.prevID, RowBefore: w.espo.RowID, Run: w.e.cfg.Run,
		At: w.e.Now(), Deadline: w.deadline(), Fields: map[string]store.Announced{}}
	for key, v := range d.To(side) {
		if _, ok := w.m.Field(key); ok {
			in.Fields[key] = store.Announced{Shown: w.shown(key), Target: v}
		}
	}
	if kinds := w.kinds(); d.Kind != "" && kinds.On(side) != record.Of(d.Kind) && kinds.On(side.Other()) == record.Of(d.Kind) {
		in.Fields[reconcile.KindKey] = store.Announced{Shown: kinds, Target: record.Of(d.Kind)}
	}
	return in
}

// shown is what both sides hold of a field.
func (w *work) shown(key string) record.Pair {
	p := record.Pair{Espo: w.espo.View.Values[key]}
	if w.advo != nil {
		p.Advo = w.advo.View.Values[key]
	}
	return p
}

// kinds is what kind each side is of; absent halves where there are none.
func (w *work) kinds() (p record.Pair) {
	if k := w.espo.View.Kind; k != "" {
		p.Espo = record.Of(k)
	}
	if w.advo != nil && w.advo.View.Kind != "" {
		p.Advo = record.Of(w.advo.View.Kind)
	}
	return p
}

// clashesAnew reports whether an edit gives way to a write to the side, of which this run
// has not told yet.
func (w *work) clashesAnew(side record.Side, d reconcile.Decision) (anew bool) {
	for _, c := range d.Changes {
		if c.Overruled() != side || !d.Clash {
			continue
		}
		anew = anew || !slices.Contains(w.tells.toldOf, c.Field.Key)
		w.tells.toldOf = append(w.tells.toldOf, c.Field.Key)
	}
	return anew
}

// inForce is the working base as the store keeps it beside an announcement: true
// whatever becomes of the write. A first contact stays one until it succeeds.
func (w *work) inForce() *store.Base {
	if w.base == nil || w.knows.baseless {
		return nil
	}
	b := sides.Clone(w.base)
	b.Mapping, b.AdvowareID, b.StoredAt = w.m.Fingerprint(), w.advowareID(), w.e.Now()
	if w.did.wroteAdvo || w.did.created {
		b.RowID = "" // EspoCRM has not been told of the new one
	}
	return b
}

// commit writes memory and history in one transaction, and keeps in mind what
// stands in the store now.
func (w *work) commit(ctx context.Context, next store.Memory) error {
	if w.did.linkID != 0 && (next.Link == nil || next.Link.AdvowareID != w.did.linkID) {
		next.Link = &store.Link{AdvowareID: w.did.linkID}
	}
	c := store.Commit{Key: w.key, Lease: w.lease.Handle(), Memory: &next, History: w.tells.closing}
	if w.tells.entry != nil {
		c.History = append(slices.Clone(c.History), *w.tells.entry)
	}
	rev, err := w.e.Store.Commit(ctx, c)
	if err != nil {
		return store.Fault("remember "+w.what(), err)
	}
	next.Rev, next.Lost = rev, false
	w.mem, w.tells.closing = next, nil
	return nil
}

// deadline is when a write that starts now can no longer land: recovery relies on
// it.
func (w *work) deadline() time.Time {
	d := w.e.Now().Add(w.e.cfg.WriteTimeout)
	if until := w.lease.Until(); until.Before(d) {
		d = until
	}
	return d.Add(w.e.cfg.LateWrite)
}

// givesUp is when this run gives an announced write up.
func (w *work) givesUp(in *store.Announcement) time.Time { return in.Deadline.Add(-w.e.cfg.LateWrite) }

// until bounds ctx by a moment of our wall clock, which need not be the one that
// timers run on.
func (w *work) until(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, t.Sub(w.e.Now()))
}
