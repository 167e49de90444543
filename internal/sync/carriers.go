package sync

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/store"
)

// linkedElsewhere: while we created or found a record for this one, somebody
// linked it to another.
func (w *work) linkedElsewhere() error {
	id := w.espo.AdvowareID
	if w.did.linkID == 0 || id == 0 || id == w.did.linkID || id == w.did.prevID {
		return nil
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(),
		Message: fmt.Sprintf("was linked to Advoware %d meanwhile; record %d was created for it too", id, w.did.linkID),
		Hint:    fmt.Sprintf("look at both in Advoware and remove the one that is wrong; then %s", w.hint("sync"))}
}

// stillOurs asks after a 409 whether memory and lock are as we left them.
func (w *work) stillOurs(ctx context.Context) error {
	mem, err := w.e.Store.Load(ctx, w.key)
	if err != nil {
		return store.Fault("load what is remembered of "+w.what(), err)
	}
	if err := w.lease.Check(); err != nil {
		return err
	}
	if mem.Rev == w.mem.Rev {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: fault.LeaseLost, Owner: fault.OwnerSystem, Transient: true, Op: "sync " + w.what(),
		Message: "another process has worked on the record meanwhile", Hint: w.hint("sync")}
}

// clash500 explains EspoCRM's empty 500 for an advowareId that another record
// carries already: that is this record's failure, not the server's.
func (w *work) clash500(ctx context.Context, err error) error {
	if w.did.linkID == 0 || !fault.Is(err, fault.ServerError) {
		return err
	}
	if cerr := w.carriedElsewhere(ctx, w.did.linkID, err); cerr != nil && fault.Is(cerr, fault.Duplicate) {
		w.did.fate = fateNotDone // the unique index has refused it
		return cerr
	}
	return err
}

// carriedElsewhere is the failure of a record that is about to be linked to what
// another EspoCRM record carries.
func (w *work) carriedElsewhere(ctx context.Context, id int64, cause error) error {
	ids, err := w.carriers(ctx, id)
	if err != nil || len(ids) == 0 {
		return err
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(), Field: record.FieldAdvowareID,
		Message: fmt.Sprintf("advowareId %d belongs to %s %s already", id, w.key.Entity, strings.Join(ids, ", ")),
		Hint:    "remove the link from the record that is wrong, then " + w.hint("sync"), Err: cause}
}

// carriers are the other EspoCRM records that carry an Advoware id.
func (w *work) carriers(ctx context.Context, id int64) ([]string, error) {
	all, known, err := w.req.Listed.carriers(id)
	if err != nil {
		return nil, err
	}
	if !known {
		return w.e.Carriers(ctx, w.m, id, w.key.ID)
	}
	ids := slices.DeleteFunc(slices.Clone(all), func(other string) bool { return other == w.key.ID })
	return ids[:min(len(ids), directory.MostNamed)], nil
}
