package sync

import (
	"context"

	"advosync/internal/record"
	"advosync/internal/store"
)

// seeOrigin fixes what the store can know of earlier POSTs of a record that is
// not linked, when it first sees it. Whatever fails later does not change it;
// only another server in the store's place makes it see the record anew, and one
// that does not say which it is may be another.
func (w *work) seeOrigin(ctx context.Context) error {
	server, later, err := w.e.Server(ctx)
	if w.espo.AdvowareID != 0 {
		return nil
	}
	if err != nil {
		return store.Fault("ask which server keeps the store", err)
	}
	if o := w.mem.Origin; o != nil && o.Server == server {
		return nil
	}
	w.mem.Origin = &store.Origin{New: w.newHere(ctx, later), At: w.e.Now(), Server: server}
	w.did.originDue = true
	return nil
}

// newHere reports whether nobody can have posted a record before: it is younger
// than the store, an operator has said so, or it carries a status that every POST
// would have moved on. later: another server kept the store before.
func (w *work) newHere(ctx context.Context, later bool) bool {
	switch {
	case w.mem.Lost:
		return false
	case w.e.OlderThan(ctx, w.espo.CreatedAt), !w.e.SaidAllNew(ctx, w.key.Entity).IsZero():
		return true
	}
	return w.e.cfg.MarkSyncing && !later && w.mem.Base == nil && (w.did.prior == "" || w.did.prior == record.StatusPending)
}

// keepOrigin stores what seeOrigin has fixed, before the mark takes away the
// status that it may rest on. An announcement knows more.
func (w *work) keepOrigin(ctx context.Context) error {
	if !w.did.originDue || w.mem.Open != nil {
		return nil
	}
	if err := w.commit(ctx, w.mem); err != nil {
		return err
	}
	w.did.originDue = false
	return nil
}

// isNew reports whether a record can be posted without a look at what is in
// Advoware already.
func (w *work) isNew(ctx context.Context) bool {
	o := w.mem.Origin
	return o != nil && (o.New || w.e.SaidAllNew(ctx, w.key.Entity).After(o.At))
}
