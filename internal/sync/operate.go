package sync

import (
	"context"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// Record is one record in the hands of an operator's command. What it shows is as of the
// last read. It is good until the function that was given it returns.
type Record struct {
	// Result is what is told of the record; a function that changes nothing says so here.
	Result *result.Record
	w      *work
}

// Operate runs one operation of an operator's on one record, under its lock; a dry run
// takes none, and must write nothing. An error is told, and never counted against the
// record: it is the operator's command that failed.
func (e *Engine) Operate(ctx context.Context, req Request, dry bool, fn func(context.Context, *Record) error) result.Record {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	w := e.newWork(ctx, req)
	do := func(ctx context.Context, w *work) error { return fn(ctx, &Record{Result: &w.res, w: w}) }
	if dry {
		w.refuse(do(ctx, w))
	} else {
		w.underLock(ctx, do)
	}
	return w.finish(start, calls)
}

// Read loads what is remembered and reads EspoCRM. A record on hold ends the operation,
// unless the request was EvenOnHold.
func (r *Record) Read(ctx context.Context) error {
	if err := r.w.load(ctx); err != nil {
		return err
	}
	return r.w.readEspo(ctx)
}

// ReadStatus is Read for an operation on the sync fields alone: a record whose contents
// the mapping cannot read can be repaired all the same.
func (r *Record) ReadStatus(ctx context.Context) error {
	err := r.Read(ctx)
	if r.w.espo != nil && fault.Is(err, fault.MappingFail) {
		return nil
	}
	return err
}

// ReadAdvoware reads a record of Advoware, which need not be the linked one. One that is
// not there: fault.NotFound.
func (r *Record) ReadAdvoware(ctx context.Context, id int64) error {
	s, err := r.w.getAdvo(ctx, id)
	if err != nil {
		return err
	}
	r.w.advo = s
	r.Result.AdvowareID, r.Result.RowID.Current = &id, s.RowID
	return nil
}

// Espo is the last read of EspoCRM; nil: the record is not there.
func (r *Record) Espo() *sides.Espo { return r.w.espo }

// Advo is the last read of Advoware; nil: it was not read, or the record is not there.
func (r *Record) Advo() *sides.Advo { return r.w.advo }

// Mapping is the request's, with what this store knows of the records that fields lead to.
func (r *Record) Mapping() *mapping.Mapping { return r.w.m }

// Memory is what the store remembers.
func (r *Record) Memory() store.Memory { return r.w.mem }

// Proven reports whether the link that EspoCRM carries needs no other proof than what is
// remembered.
func (r *Record) Proven() bool { return r.w.proven() }

// Doubtful is why nobody can believe the link that EspoCRM carries, once both sides were
// read; "": nothing speaks against it.
func (r *Record) Doubtful(ctx context.Context) (reconcile.Belief, error) { return r.w.doubtful(ctx) }

// Number is the Advoware record that this one is linked to, or, not linked yet, was made
// for it by an interrupted run; 0: none.
func (r *Record) Number() (id int64, linked bool) { return r.w.advowareID(), r.w.did.linkID == 0 }

// InAdvoware reports whether a record of Advoware is there.
func (r *Record) InAdvoware(ctx context.Context, id int64) (bool, error) {
	_, err := r.w.getAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Base is what the record is compared with, under the mapping in force; nil: nothing.
func (r *Record) Base() *store.Base { return r.w.base }

// OwnForm reports whether read is what a system is known to make of sent in a field
// (docs/design/protocol.md, "Own form").
func (r *Record) OwnForm(key string, sent, read record.Value) bool {
	return r.w.ownForm(key, sent, read)
}

// SkipDoubtful ends the operation over a link that nobody can believe.
func (r *Record) SkipDoubtful(why reconcile.Belief) { r.w.skipDoubtful(why) }

// Carriers are other EspoCRM records, a few of them, that carry an Advoware number.
func (r *Record) Carriers(ctx context.Context, id int64) ([]string, error) {
	return r.w.carriers(ctx, id)
}

// Edited reports whether EspoCRM's stamps show that somebody has saved the record since
// it was last in step.
func (r *Record) Edited(ctx context.Context) (bool, error) {
	status, err := r.w.unedited(ctx, record.StatusClean)
	return status != record.StatusClean, err
}

// ConfirmedLink is a person's word on the link, as it is remembered: it holds for as long
// as Advoware shows the same natural key.
func (r *Record) ConfirmedLink() *store.Link {
	return &store.Link{AdvowareID: r.w.advo.ID, Key: keyPrint(r.w.m.MatchValues(r.w.advo.View, record.Advoware))}
}

// AwaitOpen waits until the announced write of an interrupted run can land no more. again:
// it has waited, and EspoCRM was read anew.
func (r *Record) AwaitOpen(ctx context.Context) (again bool, err error) {
	seen := r.w.espo
	err = r.w.waitForDeadline(ctx, r.w.mem.Open)
	return r.w.espo != seen, err
}

// EndOpen says in the history what is known of an announced write that nobody looks after
// any more, and owes the notes that it owed; the next commit stores it.
func (r *Record) EndOpen(ctx context.Context) error {
	in := r.w.mem.Open
	r.w.owe(in)
	advo, espo := r.w.leftStates(in)
	r.w.closeRun(ctx, in, bySide(advo, espo))
	r.w.knows.recovered = true
	return r.w.tells.closeErr
}

// LinkTo links the record, as d without a base says of both sides: where they are inStep
// they are from now on, else the next sync decides as at any first contact.
func (r *Record) LinkTo(ctx context.Context, id int64, d reconcile.Decision, inStep bool) error {
	return r.w.setLink(ctx, id, d, inStep)
}

// Commit ends the operation's history entry with the result's outcome, and stores it
// with what is to be remembered from now on.
func (r *Record) Commit(ctx context.Context, next store.Memory) error {
	r.w.closeEntry(r.Result.Outcome)
	return r.w.commit(ctx, next)
}

// Put writes sync fields into EspoCRM. version non-nil: only while nobody has saved the
// record since, else fault.Modified. What EspoCRM answers without having taken it is
// fault.NotAccepted.
func (r *Record) Put(ctx context.Context, p record.Patch, version *int64) (record.Object, error) {
	o, err := r.w.putEspo(ctx, p, version)
	if err != nil {
		return o, err
	}
	if refused := notTaken(p, o); len(refused) > 0 {
		return o, r.w.notAccepted(fault.EspoCRM, refused)
	}
	return o, nil
}

// Forget drops what is remembered of the record, keeping its history.
func (r *Record) Forget(ctx context.Context) error {
	r.w.closeEntry(r.Result.Outcome)
	return r.w.dropMemory(ctx)
}

// Say sets the result's reason.
func (r *Record) Say(code, text string) { r.w.say(code, text) }

// Skip is Say of a record that is left as it is.
func (r *Record) Skip(code, text string) { r.w.skip(code, text) }

// Warn adds a warning to the result.
func (r *Record) Warn(format string, args ...any) { r.w.warn(format, args...) }

// WarnLeftOver names what an interrupted create has made for a record that is linked to
// another one.
func (r *Record) WarnLeftOver() { r.w.warnLeftOver(r.w.mem.Open) }

// SayOnHold says since when the record is on hold, and by whom.
func (r *Record) SayOnHold() { r.w.sayOnHold() }

// What names the record.
func (r *Record) What() string { return r.w.what() }

// Hint is a command for this record.
func (r *Record) Hint(command string) string { return r.w.hint(command) }

// NotThere is the failure of an id that EspoCRM does not know.
func (r *Record) NotThere() error { return r.w.unknownRecord() }

func (w *work) underLock(ctx context.Context, fn func(context.Context, *work) error) {
	held, err := w.e.Leases.Acquire(ctx, w.key.LockKey())
	if err != nil {
		w.locked(err)
		return
	}
	defer func() {
		if err := held.Release(); err != nil {
			w.warn("the lock could not be released; it is given back later, or runs out: %v", err)
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

// unknownRecord is the failure of an id that EspoCRM does not know, and the store
// mostly neither.
func (w *work) unknownRecord() error {
	text := "there is no such record in EspoCRM"
	if w.mem.Base == nil && w.mem.Open == nil {
		text += ", and the store knows none either"
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + w.what(),
		Message: text, Hint: "check the id; it is the last part of the record's address in EspoCRM"}
}

func (w *work) skip(code, text string) {
	w.res.Outcome = result.Skipped
	w.say(code, text)
}

// say sets the result's reason.
func (w *work) say(code, text string) { w.res.Reason = result.Reason{Code: code, Text: text} }

// By names who runs this process, for the history.
func (e *Engine) By() string {
	o := e.Leases.Owner()
	if o.User == "" && o.Host == "" {
		return ""
	}
	return o.User + "@" + o.Host
}
