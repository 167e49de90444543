package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/store"
)

// PruneHistory deletes what the history holds longer than retention; 0 keeps
// everything. The earlier of our clock and EspoCRM's counts. It returns how many entries were deleted.
func (e *Engine) PruneHistory(ctx context.Context, retention time.Duration) (int, error) {
	if retention <= 0 {
		return 0, nil
	}
	now := e.Now()
	if server := e.EspoCRM.ServerTime(); !server.IsZero() && server.Before(now) {
		now = server // our clock may be ahead, and what is deleted does not come back
	}
	n, err := e.Store.Prune(ctx, now.Add(-retention))
	if err != nil {
		return n, storeFault("prune the history", err)
	}
	return n, nil
}

// CountHistory is how many entries the history has of one record.
func (e *Engine) CountHistory(ctx context.Context, m *mapping.Mapping, id string) (int, error) {
	n := 0
	err := e.Store.Entries(ctx, store.HistoryFilter{Entity: m.Entity(), ID: id}, func(store.Entry) error { n++; return nil })
	if err != nil {
		return 0, storeFault("read the history", err)
	}
	return n, nil
}

// ForgetHistory erases the history of one record, with all values it holds, for
// a person who asks for it. It takes the record's lock: a sync at work would
// bring an entry back. What is left says that something was erased, not of
// whom. The remembered base stays while the record is synced; Reset with Forget
// drops it.
func (e *Engine) ForgetHistory(ctx context.Context, m *mapping.Mapping, id string) (int, error) {
	key := store.Key{Entity: m.Entity(), ID: id}
	held, err := e.Leases.Acquire(ctx, key.LockKey())
	if err != nil {
		var busy *lease.HeldError
		if errors.As(err, &busy) {
			return 0, &fault.Error{System: fault.Local, Code: "locked", Owner: fault.OwnerRecord, Transient: true, Op: "erase the history",
				Message: fmt.Sprintf("%s %s is %s", key.Entity, id, busy.Error()), Hint: fmt.Sprintf("advosync unlock --entity %s --id %s", key.Entity, id), Err: err}
		}
		return 0, storeFault("lock the record", err)
	}
	defer func() { _ = held.Release() }() // it runs out by itself
	n, err := e.Store.Forget(ctx, key)
	if err != nil {
		return n, storeFault("erase the history", err)
	}
	if n == 0 {
		return 0, nil
	}
	err = e.Store.Append(ctx, store.Entry{ID: uuid.Must(uuid.NewV7()).String(), At: e.Now(), Run: e.cfg.Run, Command: e.cfg.Command, By: e.by(),
		Entity: m.Entity(), Outcome: "erased", ReasonCode: "history_erased", ReasonText: fmt.Sprintf("The history of one record was erased: %d entries.", n)})
	if err != nil {
		return n, storeFault("write the history", err)
	}
	return n, nil
}
