package sync

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// load reads the memory and the base that is still usable.
func (w *work) load(ctx context.Context) error {
	if w.req.Memory != nil {
		w.mem = *w.req.Memory
	} else {
		mem, err := w.e.Store.Load(ctx, w.key)
		if err != nil {
			return store.Fault("load what is remembered of "+w.what(), err)
		}
		w.mem = mem
	}
	if w.req.Linked != 0 {
		w.mem.Link = &store.Link{AdvowareID: w.req.Linked}
	}
	w.base = sides.Usable(w.m, w.mem.Base)
	if w.mem.Lost {
		w.warn("the store has lost what was remembered of this record; it is compared as if for the first time. Redis must not evict: advosync doctor")
	}
	if w.mem.Hold != nil && !w.req.EvenOnHold {
		return errOnHold
	}
	return nil
}

// readEspo reads EspoCRM afresh; a record that is not there leaves w.espo nil.
func (w *work) readEspo(ctx context.Context) error {
	if w.req.Fresh != nil { // read under the lock by the pass; good for once
		o := *w.req.Fresh
		w.req.Fresh = nil
		set := w.setRead
		if w.did.ownAnswer {
			set, w.did.ownAnswer = w.setEspo, false
		}
		err := set(ctx, o, w.req.FreshAt)
		if !w.req.FreshAt.IsZero() {
			w.espo.ReadAt = w.req.FreshAt
		}
		return err
	}
	began := w.e.Now()
	o, err := w.e.EspoCRM.Get(ctx, w.m.EspoType(), w.key.ID)
	if fault.Is(err, fault.NotFound) {
		w.espo = nil
		return nil
	}
	if err != nil {
		return w.hidden(err)
	}
	return w.setRead(ctx, o, began)
}

// readAgain reads EspoCRM for another round. marked: that read shows our own mark already.
func (w *work) readAgain(ctx context.Context) (marked bool, err error) {
	if w.did.attempt <= 1 {
		return false, nil
	}
	marked = w.did.marked && w.req.Fresh != nil
	return marked, w.readEspo(ctx)
}

// setRead takes a read of EspoCRM that is no answer to a PUT of mapped values.
func (w *work) setRead(ctx context.Context, o record.Object, began time.Time) error {
	err := w.setEspo(ctx, o, began)
	w.syncedSince()
	w.readAnswers()
	return err
}

// hidden explains a record that this store knows as linked, and that EspoCRM
// refuses to show: it exists, but not for the API user.
func (w *work) hidden(err error) error {
	if !fault.Is(err, fault.Forbidden) || !fault.OwnedByRecord(err) || w.mem.Base == nil {
		return err
	}
	f := *fault.As(err)
	f.Message = fmt.Sprintf("its rights hide the record from the API user, so it is not synced any more (linked to Advoware %d): %s", w.mem.Base.AdvowareID, f.Message)
	f.Hint = "give the API user's role read and edit on all records of the type (advosync doctor), or delete the record in EspoCRM"
	f.Err = err
	return &f
}

// setEspo takes a read of EspoCRM, or an answer that is one. began is when it was
// asked for; zero: now.
func (w *work) setEspo(ctx context.Context, o record.Object, began time.Time) error {
	now := w.e.Now()
	if began.IsZero() {
		began = now
	}
	s, err := sides.ReadEspo(w.m, o, now)
	s.AsOf = w.e.serverAt(began, now)
	if w.espo == nil && w.did.prior == "" {
		w.found(s)
	}
	w.espo = s
	w.res.Name, _ = o.Text(w.m.Title())
	w.linkMoved()
	w.res.RetryCount, w.res.RowID.Stored, w.res.Timestamps.LastSync = s.Retries, s.RowID, rfc3339(s.LastSync)
	if id := w.advowareID(); id != 0 {
		w.res.AdvowareID = &id
	}
	if oerr := w.seeOrigin(ctx); oerr != nil && err == nil {
		err = oerr
	}
	return err
}

// found keeps what EspoCRM shows before this sync has written anything there.
func (w *work) found(s *sides.Espo) {
	w.did.prior, w.did.priorStamp = s.Status, [2]string{s.ModifiedAt, s.ModifiedBy}
	w.res.Status, w.res.Timestamps.ModifiedAt = s.Status, rfc3339(s.ModifiedAt)
}

// linkMoved drops what is known of another Advoware record than the one that
// EspoCRM names: somebody has changed the link by hand, a backup has brought the
// old one back, or a `link --force` ended before the memory followed. It tells
// nothing of this one.
func (w *work) linkMoved() {
	id := w.espo.AdvowareID
	if b := w.base; b != nil && b.AdvowareID != 0 && w.did.linkID == 0 && id != 0 && id != w.did.prevID && id != b.AdvowareID {
		w.base, w.knows.baseless, w.knows.relinked = nil, false, true
		if p := w.mem.Parked; p != nil && p.AdvowareID != id {
			w.mem.Parked = nil
		}
	}
}

// readAdvo reads Advoware afresh; a record that is not there leaves w.advo nil.
func (w *work) readAdvo(ctx context.Context) error {
	id := w.advowareID()
	s, err := w.getAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		w.advo = nil
		return nil
	}
	if err != nil {
		return err
	}
	w.advo = s
	w.res.AdvowareID = &id
	w.res.RowID.Current = s.RowID
	return nil
}

func (w *work) getAdvo(ctx context.Context, id int64) (*sides.Advo, error) {
	o, known := w.req.Listed.advo(id)
	if !known {
		var err error
		if o, err = w.e.Advoware.Get(ctx, w.m.ReadPath(), strconv.FormatInt(id, 10)); err != nil {
			return nil, err
		}
	}
	if err := directory.IsNumber(w.m, id, o, "read "+w.what()); err != nil {
		return nil, err
	}
	return sides.ReadAdvo(w.m, id, o)
}

// readToDecide reads Advoware for a decision that a PUT may rest on: between the
// two nothing but the local store may lie. So where no base can decide, who we
// are in EspoCRM is asked before; once in a process.
func (w *work) readToDecide(ctx context.Context) error {
	if !w.firstContact() && sides.Lacks(w.m, w.base, w.espo.View.Kind) {
		if _, err := w.e.Ours(ctx, ""); err != nil {
			return err
		}
	}
	if _, err := w.sharers(ctx); err != nil {
		return err
	}
	if w.lease != nil { // its context ends a moment later than the lease
		if err := w.lease.Check(); err != nil {
			return err
		}
	}
	return w.readAdvo(ctx)
}

// readBack learns the new rowId and what Advoware made of the values.
func (w *work) readBack(ctx context.Context) error {
	id := w.advowareID()
	s, err := w.getAdvo(ctx, id)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			return &fault.Error{System: fault.Advoware, Code: fault.Uncertain, Owner: fault.OwnerSystem, Transient: true, Op: "read back " + w.what(),
				Message: fmt.Sprintf("record %d was written, but is not there when read back", id), Hint: w.hint("check"), Err: err}
		}
		return err
	}
	w.advo = s
	w.res.RowID.After = s.RowID
	return nil
}

// staleRead guards a type without optimistic concurrency: mapped values resting
// on a read older than a second are sent only after another look.
func (w *work) staleRead(ctx context.Context, d reconcile.Decision) (again bool, err error) {
	if w.espo.Version != nil || len(d.ToEspo) == 0 || w.e.Now().Sub(w.espo.ReadAt) <= time.Second {
		return false, nil
	}
	old := w.espo
	if err := w.readEspo(ctx); err != nil || w.espo == nil {
		return true, err
	}
	for key, v := range old.View.Values {
		if w.espo.View.Values[key] != v {
			return true, nil
		}
	}
	return false, nil
}

// mark sets the status syncing; its answer is a fresh read, and what is decided
// on from here.
func (w *work) mark(ctx context.Context) error {
	w.did.marked = true // also where the answer gets lost: better unmarked once too often
	began := w.e.Now()
	o, err := w.putEspo(ctx, statusPatch(record.StatusSyncing), nil)
	if err != nil {
		return err
	}
	if err := w.setRead(ctx, o, began); err != nil {
		return err
	}
	if w.espo.Status != record.StatusSyncing {
		return w.notAcceptedField(record.FieldStatus)
	}
	return nil
}

// rfc3339 shows EspoCRM's stamp the way results do; "" stays "".
func rfc3339(stamp string) string {
	t, err := time.Parse(record.StampLayout, stamp)
	if err != nil {
		return stamp
	}
	return t.Format(time.RFC3339)
}

// serverAt is EspoCRM's time at a moment of ours, in its format and never too
// late: its newest answer came at the latest now. "" before the first answer.
func (e *Engine) serverAt(began, now time.Time) string {
	server := e.EspoCRM.ServerTime()
	if server.IsZero() || now.Before(began) {
		return ""
	}
	return server.Add(began.Sub(now)).UTC().Format(record.StampLayout)
}
