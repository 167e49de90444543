package engine

import (
	"context"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/result"
)

// repair runs one operation of the repair desk on one record, under its lock; a
// dry run takes none and must write nothing. A failure is told, and never
// counted against the record: it is the operator's command that failed.
func (e *Engine) repair(ctx context.Context, req Request, dry bool, fn func(context.Context, *work) error) result.Record {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	w := e.newWork(ctx, req)
	if dry {
		w.refuse(fn(ctx, w))
	} else {
		w.underLock(ctx, fn)
	}
	return w.finish(start, calls)
}

func (w *work) underLock(ctx context.Context, fn func(context.Context, *work) error) {
	held, err := w.e.Leases.Acquire(ctx, w.key.LockKey())
	if err != nil {
		w.locked(err)
		return
	}
	defer func() {
		if err := held.Release(); err != nil {
			w.warn("the lock could not be released and lives until it runs out: %v", err)
		}
	}()
	w.lease = held
	ctx, stop := within(ctx, held)
	defer stop()
	w.refuse(fn(ctx, w))
}

// refuse tells a failure.
func (w *work) refuse(err error) {
	if err == nil || w.leftOnHold(err) {
		return
	}
	w.res.Outcome, w.res.Planned, w.res.Error = result.Failed, "", result.FromFault(err)
	if fault.Is(err, fault.LeaseLost) {
		w.res.Outcome = result.Locked
	}
	w.res.Reason = result.Reason{Code: w.res.Error.Code, Text: fault.Clean(err.Error(), 500)}
}

// readStanding reads EspoCRM for its sync fields: a record whose contents the
// mapping cannot read can be repaired all the same.
func (w *work) readStanding(ctx context.Context) error {
	err := w.readEspo(ctx)
	if w.espo != nil && fault.Is(err, fault.MappingFail) {
		return nil
	}
	return err
}

// unknownRecord is the failure of an id that neither EspoCRM nor the store
// knows.
func (w *work) unknownRecord() error {
	return &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + w.what(),
		Message: "there is no such record in EspoCRM, and the store knows none either", Hint: "check the id; it is the last part of the record's address in EspoCRM"}
}

// say sets the result's reason.
func (w *work) say(code, text string) { w.res.Reason = result.Reason{Code: code, Text: text} }

// by names who runs this process, for the history.
func (e *Engine) by() string {
	o := e.Leases.Owner()
	if o.User == "" && o.Host == "" {
		return ""
	}
	return o.User + "@" + o.Host
}
