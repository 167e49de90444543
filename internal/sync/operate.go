package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/store"
)

// Record is one record in the hands of an operator's command: its session, and what the
// protocol does with it for him. It is good until the function that was given it returns.
type Record struct{ *work }

// Operate runs one operation of an operator's on one record, under its lock; a dry run
// takes none, and must write nothing. An error is told, and never counted against the
// record: it is the operator's command that failed.
func (e *Engine) Operate(ctx context.Context, req Request, dry bool, fn func(context.Context, *Record) error) result.Record {
	ctx, w := e.newWork(ctx, req)
	if !dry {
		locked, unlock, err := w.Lock(ctx, nil)
		defer unlock()
		if err != nil {
			w.locked(err)
			return w.End()
		}
		ctx = locked
	}
	w.Refuse(fn(ctx, &Record{w}))
	return w.End()
}

// AwaitOpen waits until the announced write of an interrupted run can land no more. again:
// it has waited, and EspoCRM was read anew.
func (r *Record) AwaitOpen(ctx context.Context) (again bool, err error) {
	seen := r.Espo
	err = r.WaitForDeadline(ctx, r.Memory.Open)
	return r.Espo != seen, err
}

// Remember ends the operation's history entry with the result's outcome, and stores it
// with what is to be remembered from now on.
func (r *Record) Remember(ctx context.Context, next store.Memory) error {
	r.CloseEntry(r.Result.Outcome)
	return r.Commit(ctx, next)
}

// Put writes sync fields into EspoCRM. version non-nil: only while nobody has saved the
// record since, else fault.Modified. What EspoCRM answers without having taken it is
// fault.NotAccepted.
func (r *Record) Put(ctx context.Context, p record.Patch, version *int64) (record.Object, error) {
	o, err := r.PutEspo(ctx, p, version)
	if err != nil {
		return o, err
	}
	if refused := session.NotTaken(p, o); len(refused) > 0 {
		return o, r.NotAccepted(fault.EspoCRM, refused)
	}
	return o, nil
}

// Forget drops what is remembered of the record, keeping its history.
func (r *Record) Forget(ctx context.Context) error {
	r.CloseEntry(r.Result.Outcome)
	return r.Drop(ctx)
}
