package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// HeldLock is a lock as it was seen. Unlock frees exactly this one.
type HeldLock struct {
	result.Lock
	// Mapping is the entity's; nil for a lock of no configured entity.
	Mapping  *mapping.Mapping
	observed store.Lock
}

// Live reports whether somebody may be at work under the lock: only force frees
// it then.
func (l HeldLock) Live() bool { return l.State != result.LockStale }

// Locks lists all locks there are, sorted by key.
func (d *Desk) Locks(ctx context.Context, ms []*mapping.Mapping) ([]HeldLock, error) {
	locks, err := d.engine.Store.Locks(ctx)
	if err != nil {
		return nil, store.Fault("list the locks", err)
	}
	out := make([]HeldLock, 0, len(locks))
	for _, l := range locks {
		out = append(out, d.judged(l, ms))
	}
	return out, nil
}

// LockOf is the lock of one record, or of a word such as cron-run; nil: nobody
// holds it.
func (d *Desk) LockOf(ctx context.Context, m *mapping.Mapping, id string) (*HeldLock, error) {
	l, err := d.engine.Store.Holder(ctx, store.LockKey(m.Entity(), id))
	if err != nil {
		return nil, store.Fault("look at the lock", err)
	}
	if l == nil {
		return nil, nil
	}
	held := d.judged(*l, []*mapping.Mapping{m})
	return &held, nil
}

// judged puts a lock in the words of the operator.
func (d *Desk) judged(l store.Lock, ms []*mapping.Mapping) HeldLock {
	out := HeldLock{observed: l}
	rest, isRecord := strings.CutPrefix(l.Key, "sync_lock:")
	if !isRecord {
		rest = l.Key
	}
	if i := strings.Index(rest, ":"); i >= 0 {
		out.Entity, out.ID = rest[:i], rest[i+1:]
	} else {
		out.ID = rest
	}
	for _, m := range ms {
		if isRecord && strings.EqualFold(m.Entity(), out.Entity) {
			out.Entity, out.Mapping = m.Entity(), m
		}
	}
	switch d.engine.Leases.Judge(l) {
	case lease.OldHandler:
		out.State = result.LockOldHandler
	case lease.Stale:
		out.State = result.LockStale
	default:
		out.State = result.LockLive
	}
	if !l.Expires.IsZero() {
		t := l.Expires.UTC().Truncate(time.Second)
		out.ExpiresAt = &t
	}
	if !l.Foreign {
		o := l.Owner
		out.Holder = result.LockHolder{Host: o.Host, PID: o.PID, User: o.User, Command: o.Command}
		if !o.Since.IsZero() {
			since := o.Since.UTC().Truncate(time.Second)
			out.Holder.Since = &since
		}
	}
	return out
}

// Unlock frees a lock, if it still is the one that was seen. A record that its
// holder left in status syncing becomes dirty, so that the next pass takes it.
// What was done, or why not, is in the result.
func (d *Desk) Unlock(ctx context.Context, l HeldLock, force bool) result.Lock {
	out := l.Lock
	if l.Live() && !force {
		out.Error = &result.Error{Code: "locked", Message: fmt.Sprintf("%s %s is %s", l.Entity, l.ID, (&lease.HeldError{Lock: l.observed}).Error()),
			Hint: "wait until it has ended; if you know that it is not at work any more: --force", Owner: string(fault.OwnerRecord), Transient: true}
		return out
	}
	ok, err := d.engine.Store.Break(ctx, l.observed)
	switch {
	case err != nil:
		out.Error = result.FromFault(store.Fault("free the lock", err))
		return out
	case !ok:
		out.Error = &result.Error{Code: "locked", Message: fmt.Sprintf("the lock of %s %s has changed hands, or was freed, meanwhile; nothing was done", l.Entity, l.ID),
			Hint: "look again: advosync unlock --list", Owner: string(fault.OwnerRecord), Transient: true}
		return out
	}
	out.Freed = true
	if err := d.engine.Store.Append(ctx, d.unlockEntry(l)); err != nil {
		out.Warnings = append(out.Warnings, "the lock is free, but the history could not be written: "+fault.Clean(err.Error(), 200))
	}
	d.Unstick(ctx, l.Mapping, l.ID, &out)
	return out
}

// unlockEntry is the audit line.
func (d *Desk) unlockEntry(l HeldLock) store.Entry {
	code, text := "lock_stale", "A stale lock was freed; it was "
	if l.Live() {
		code, text = "lock_forced", "A lock was freed by force; it was "
	}
	e := d.engine.Entry(l.Entity, l.ID)
	e.Outcome, e.ReasonCode, e.ReasonText = "unlocked", code, text+(&lease.HeldError{Lock: l.observed}).Error()+"."
	return e
}

// Unstick makes a record dirty that a dead run left in status syncing. It takes
// the record's lock, so it never touches one that is being synced. Where that
// cannot be done it is a warning: a pass finds such a record by itself.
func (d *Desk) Unstick(ctx context.Context, m *mapping.Mapping, id string, out *result.Lock) {
	if m == nil || id == store.PassLock || !recordID(id) {
		return
	}
	res := d.engine.Operate(ctx, sync.Request{Mapping: m, ID: id}, false, func(ctx context.Context, r *sync.Record) error {
		if err := r.ReadStatus(ctx); err != nil || r.Espo == nil {
			return err
		}
		r.Result.Outcome = result.Unchanged
		if r.Espo.Status != record.StatusSyncing {
			return nil
		}
		if _, err := r.Put(ctx, statusPatch(record.StatusDirty), r.Espo.Version); err != nil {
			return err
		}
		r.Result.Outcome = result.UpdatedEspocrm
		return nil
	})
	switch {
	case res.Outcome == result.Locked: // somebody is at work on it again
	case res.Error != nil && res.Error.Code != string(fault.NotFound):
		out.Warnings = append(out.Warnings, "whether the record was left in status syncing could not be looked at; the next pass does: "+res.Error.Message)
	case res.Outcome == result.UpdatedEspocrm:
		out.Status = record.StatusDirty
	}
}

// recordID reports whether an id can be one of EspoCRM's: a lock's key may hold
// anything.
func recordID(id string) bool {
	return id != "" && strings.IndexFunc(id, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	}) < 0
}
