package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/store"
)

// PruneHistory deletes what the history holds longer than retention; 0 keeps
// everything. The earlier of our clock and EspoCRM's counts. It returns how many entries were deleted.
func (d *Desk) PruneHistory(ctx context.Context, retention time.Duration) (int, error) {
	if retention <= 0 {
		return 0, nil
	}
	now := d.engine.Now()
	if server := d.engine.EspoCRM.ServerTime(); !server.IsZero() && server.Before(now) {
		now = server // our clock may be ahead, and what is deleted does not come back
	}
	n, err := d.engine.Store.Prune(ctx, now.Add(-retention))
	if err != nil {
		return n, store.Fault("prune the history", err)
	}
	return n, nil
}

// CountHistory is how many entries the history has of one record.
func (d *Desk) CountHistory(ctx context.Context, m *mapping.Mapping, id string) (int, error) {
	n := 0
	err := d.engine.Store.Entries(ctx, store.HistoryFilter{Entity: m.Entity(), ID: id}, func(store.Entry) error { n++; return nil })
	if err != nil {
		return 0, store.Fault("read the history", err)
	}
	return n, nil
}

// ForgetHistory erases the history of one record, with all values it holds, for
// a person who asks for it. It takes the record's lock: a sync at work would
// bring an entry back. What is left says that something was erased, not of
// whom. The remembered base stays while the record is synced; Reset with Forget
// drops it.
func (d *Desk) ForgetHistory(ctx context.Context, m *mapping.Mapping, id string) (int, error) {
	key := store.Key{Entity: m.Entity(), ID: id}
	held, err := d.engine.Leases.Acquire(ctx, key.LockKey())
	if err != nil {
		var busy *lease.HeldError
		if errors.As(err, &busy) {
			return 0, &fault.Error{System: fault.Local, Code: "locked", Owner: fault.OwnerRecord, Transient: true, Op: "erase the history",
				Message: fmt.Sprintf("%s %s is %s", key.Entity, id, busy.Error()), Hint: fmt.Sprintf("advosync unlock --entity %s --id %s", key.Entity, id), Err: err}
		}
		return 0, store.Fault("lock the record", err)
	}
	defer func() { _ = held.Release() }() // it runs out by itself
	n, err := d.engine.Store.Forget(ctx, key)
	if err != nil {
		return n, store.Fault("erase the history", err)
	}
	if n == 0 {
		return 0, nil
	}
	erased := d.engine.Entry(m.Entity(), "")
	erased.Outcome, erased.ReasonCode = "erased", "history_erased"
	erased.ReasonText = fmt.Sprintf("The history of one record was erased: %d entries.", n)
	if err := d.engine.Store.Append(ctx, erased); err != nil {
		return n, store.Fault("write the history", err)
	}
	return n, nil
}
