package engine

import (
	"context"
	"math"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// recover takes what a dead run announced and finds out what of it happened,
// with fresh reads of both sides, before anything is decided. It starts from
// the intent's base in force, never from the stored base. Nothing is written
// here: the intent is replaced by the next one, or cleared by the end of this
// attempt (R7).
func (w *work) recover(ctx context.Context) error {
	in := w.mem.Intent
	if err := w.waitForDeadline(ctx, in); err != nil || w.espo == nil {
		return err
	}
	if in.Kind != store.IntentCreate && in.AdvowareID != 0 && in.AdvowareID != w.espo.advowareID { // linked to another since
		w.base, w.mem.Parked = nil, nil
		advo, espo := w.leftStates(in)
		w.closeRun(ctx, in, advo, espo)
		w.recovered = true
		return w.closeErr
	}
	if in.Kind == store.IntentDelete { // the record is in EspoCRM again
		w.base = usable(w.m, in.Base)
		w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
		w.recovered = true
		return w.closeErr
	}
	if in.Kind == store.IntentUndo {
		return w.recoverFormerUndo(ctx, in)
	}
	if in.Kind == store.IntentCreate {
		if done, err := w.recoverCreate(ctx, in); err != nil {
			return err
		} else if done {
			return w.closeErr
		}
	}
	if err := w.readAdvo(ctx); err != nil {
		return err
	}
	w.replay(ctx, in)
	w.recovered = true
	return w.closeErr
}

// recoverFormerUndo recovers what a former version announced when it put values back
// on both sides: a field that does not show the value from before the put-back counts
// as changed on both.
func (w *work) recoverFormerUndo(ctx context.Context, in *store.Intent) error {
	if w.advowareID() != 0 {
		if err := w.readAdvo(ctx); err != nil {
			return err
		}
	}
	w.base = usable(w.m, in.Base)
	for key, f := range in.Fields {
		moved := f.ToEspo != nil && w.espo.view.Values[key] != f.Espo ||
			f.Sent != nil && w.advo != nil && w.advo.view.Values[key] != f.Before
		if moved && w.base != nil {
			w.setBase(w.base, key, record.Pair{Espo: record.Unknown(), Advo: record.Unknown()})
		}
	}
	w.closeRun(ctx, in, store.WriteUnknown, store.WriteUnknown)
	w.recovered = true
	return w.closeErr
}

// waitForDeadline: a late write may still land. A pass leaves the record to a later
// one; a named sync says so and waits, never longer than its own writes would have
// to be waited for.
func (w *work) waitForDeadline(ctx context.Context, in *store.Intent) error {
	in, err := w.cutDeadline(ctx, in)
	if err != nil {
		return err
	}
	left := in.Deadline.Sub(w.e.Now())
	if left <= 0 {
		return nil
	}
	if w.req.Pass || left > w.e.cfg.WriteTimeout+w.e.cfg.LateWrite+time.Second {
		return &fault.Error{System: fault.Local, Code: fault.Uncertain, Owner: fault.OwnerRecord, Transient: true, Op: "recover " + w.what(),
			Message: "an interrupted run's last write may still land until " + in.Deadline.UTC().Format(time.RFC3339), Hint: w.hint("sync")}
	}
	w.e.Log.Warn("waiting until an interrupted run's last write can no longer land", "entity", w.key.Entity, "id", w.key.ID, "seconds", math.Ceil(left.Seconds()))
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return interrupted(ctx)
	}
	return w.readEspo(ctx) // the read before the wait is stale
}

// cutDeadline shortens a deadline that a clock which was ahead has set: further
// away than now and the time that the write was given. The cut is stored, or every
// run would wait anew.
func (w *work) cutDeadline(ctx context.Context, in *store.Intent) (*store.Intent, error) {
	now := w.e.Now()
	given := in.Deadline.Sub(in.At)
	if in.At.Sub(now) <= clockSlack || given <= 0 {
		return in, nil
	}
	cut := *in
	cut.At, cut.Deadline = now, now.Add(given)
	if w.lease == nil { // nothing is written
		return &cut, nil
	}
	next := w.mem
	next.Intent = &cut
	return &cut, w.commit(ctx, next)
}

// replay is R1 to R5 on fresh reads.
func (w *work) replay(ctx context.Context, in *store.Intent) {
	base := usable(w.m, in.Base)
	switch {
	case w.finalHappened(in):
		w.base = w.replayFinal(ctx, in)
		w.readAnswers()
		w.owe(in)
		w.closeRun(ctx, in, store.WriteDone, store.WriteDone)
	case in.Arrived:
		w.base = w.replayTyped(in, base)
		w.owe(in)
		w.closeRun(ctx, in, store.WriteDone, store.WriteNotDone)
	case w.advo == nil: // the record is gone: what arrived is not to be told any more
		w.base = base
		w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
	case in.RowBefore != "" && w.advo.row == in.RowBefore: // R2
		w.base = base
		w.closeRun(ctx, in, store.WriteNotDone, store.WriteNotDone)
	case in.EspoRow != "" && w.advo.row == in.EspoRow: // older than the PUT, as a backup brings it back: its values prove nothing
		w.base = base
		w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
	default: // R3 to R5
		w.base = w.replaySent(ctx, in, base)
	}
	w.baseless = in.First && (w.advo == nil || !w.sentMoved(in))
	for key, fi := range in.Fields {
		if f, ok := w.m.Field(key); ok && f.Clear && fi.ToEspo != nil {
			w.clearing = true // of what is done already nothing is left to clear
		}
	}
}

// finalHappened reports whether EspoCRM carries what only the final PUT can have given
// it (R1): a rowId that it did not have, or where that PUT had none to bring, its lastSync.
func (w *work) finalHappened(in *store.Intent) bool {
	if in.RowAfter != "" && in.RowAfter != in.EspoRow && w.espo.row == in.RowAfter {
		return true
	}
	return in.Planned != nil && in.EspoLastSync != nil && in.Planned.LastSync != "" && in.Planned.LastSync != *in.EspoLastSync && w.espo.lastSync == in.Planned.LastSync
}

// sentMoved reports whether Advoware shows anything but the value before in a
// field that was sent. Where it does not, a first contact is one still.
func (w *work) sentMoved(in *store.Intent) bool {
	for key, f := range in.Fields {
		if f.Sent != nil && w.advo.view.Values[key] != f.Before {
			return true
		}
	}
	return false
}

// replayFinal is the base once the final PUT is known to have happened (R1).
func (w *work) replayFinal(ctx context.Context, in *store.Intent) *store.Base {
	base := clone(usable(w.m, in.Planned))
	byUs, err := w.e.Ours(ctx, w.priorStamp[1])
	byUs = byUs && err == nil
	for key, f := range in.Fields {
		if f.ToEspo == nil {
			continue
		}
		if v := w.espo.view.Values[key]; byUs && w.ownForm(key, *f.ToEspo, v) {
			w.setBase(base, key, record.Pair{Espo: v, Advo: base.Fields[key].Advo})
		}
	}
	return base
}

// replayTyped is the base of a PUT to EspoCRM that nothing proves. An operator's value
// that stands there has still to go to Advoware, which never held it.
func (w *work) replayTyped(in *store.Intent, base *store.Base) *store.Base {
	for key, f := range in.Fields {
		if f.ToEspo == nil || *f.ToEspo == f.Before || !record.OwnForm(*f.ToEspo, w.espo.view.Values[key]) {
			continue
		}
		base = clone(base)
		w.setBase(base, key, record.Pair{Espo: record.Unknown(), Advo: f.Before})
	}
	return base
}

// replaySent proves field by field whether the PUT to Advoware arrived (R3).
// R4: a field that was not sent keeps its base.
func (w *work) replaySent(ctx context.Context, in *store.Intent, base *store.Base) *store.Base {
	ours, proven, certain := map[string]bool{}, false, false
	for key, f := range in.Fields {
		if f.Sent == nil || record.FoldEqual(*f.Sent, f.Before) {
			continue // proves nothing
		}
		// The value before may look like a cut form of the one that was sent.
		if v := w.advo.view.Values[key]; !v.IsAbsent() && v != f.Before && w.ownForm(key, *f.Sent, v) {
			ours[key] = true
			if !setBack(in, key) {
				proven, certain = true, certain || f.Sent.HasText() && based(in, key)
			}
		}
	}
	if !proven {
		if len(ours) > 0 { // what it owed may have happened
			w.owe(in)
		}
		w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
		if in.First {
			base = w.firstSent(in, base)
		}
		return w.editedTwice(in, base)
	}
	w.owe(in)
	w.closeRun(ctx, in, store.WriteDone, store.WriteNotDone)
	next := clone(base)
	if k := in.RecordKind; k != "" && w.advo.view.Kind == k && !w.kindToEspo(in) {
		next.Kind = record.Pair{Espo: record.Of(k), Advo: record.Of(k)}
	}
	for key, f := range in.Fields {
		read := w.advo.view.Values[key]
		switch {
		case f.Sent == nil: // R4; what agreed without a base is in the intent's (B4), which leaves nothing of R5
		case ours[key] || read == *f.Sent || w.knownForm(base, record.Advoware, key, read) && w.ownForm(key, *f.Sent, read):
			w.setBase(next, key, record.Pair{Espo: f.Espo, Advo: read})
		case read == f.Before, !certain: // a person may have emptied the other field, a backup have brought it back
			if b, ok := next.Fields[key]; ok { // may be a coincidence: both count as changed
				p := record.Pair{Espo: b.Espo, Advo: *f.Sent}
				if record.FoldEqual(w.espo.view.Values[key], b.Espo) { // edited back since
					p.Espo = f.Espo
				}
				w.setBase(next, key, p)
			}
		default: // what differs is a later edit
			w.setBase(next, key, record.Pair{Espo: f.Espo, Advo: *f.Sent})
		}
	}
	return next
}

// kindToEspo reports whether the final PUT was to bring EspoCRM the record's kind:
// until then EspoCRM is of another one, which is no edit there.
func (w *work) kindToEspo(in *store.Intent) bool {
	for key, fi := range in.Fields {
		if f, ok := w.m.Field(key); ok && f.Own() && fi.ToEspo != nil {
			return true
		}
	}
	return false
}

// setBack reports whether a PUT was to send a field's value of the base, over an
// edit that had lost a conflict. A person who takes that edit back, or a restored
// backup, leaves the same value: it does not prove that the PUT arrived.
func setBack(in *store.Intent, key string) bool {
	return based(in, key) && in.Base.Fields[key].Advo == *in.Fields[key].Sent
}

// based reports whether it is remembered what both sides held of a field when they
// were last in step. Where it is not, a value that was sent may have stood in
// Advoware before, and be set back.
func based(in *store.Intent, key string) bool {
	if in.Base == nil {
		return false
	}
	_, ok := in.Base.Fields[key]
	return ok
}

// firstSent is the base of a first contact whose PUT is not proven: what was to be
// sent is EspoCRM's edit of what Advoware held, so what has moved there since is a
// conflict, and the other fields are none.
func (w *work) firstSent(in *store.Intent, base *store.Base) *store.Base {
	next := clone(base)
	for key, f := range in.Fields {
		if f.Sent != nil {
			w.setBase(next, key, record.Pair{Espo: f.Before, Advo: f.Before})
		}
	}
	return next
}

// editedTwice is the base of an unproven PUT for the fields that were sent and
// have moved on both sides since: edited back to the base in EspoCRM is an edit,
// too, where the value in between may have reached Advoware; and so is edited back
// to the base in Advoware.
func (w *work) editedTwice(in *store.Intent, base *store.Base) *store.Base {
	next := base
	for key, f := range in.Fields {
		read, now := w.advo.view.Values[key], w.espo.view.Values[key]
		if f.Sent == nil || read.IsAbsent() || now.IsAbsent() || record.FoldEqual(read, f.Before) {
			continue
		}
		pair := record.Pair{Espo: f.Espo, Advo: *f.Sent}
		if record.FoldEqual(now, f.Espo) {
			b, ok := store.FieldBase{}, false
			if base != nil {
				b, ok = base.Fields[key]
			}
			switch {
			case ok && read == b.Advo:
				pair.Espo = b.Espo
			case ok && b.Moved(record.EspoCRM, now):
				pair = record.Pair{Espo: record.Unknown(), Advo: b.Advo} // also where it is edited back before the decision
			default:
				continue // its base tells both edits
			}
		}
		if next == base {
			next = clone(base)
		}
		w.setBase(next, key, pair)
	}
	return next
}

// owe takes over the notifications that the dead run owed. What they tell has
// happened, so they go with the memory from the next commit on.
func (w *work) owe(in *store.Intent) {
	kept := *in
	kept.Notes = nil
	w.mem.Intent, w.mem.Notes = &kept, append(slices.Clone(w.mem.Notes), in.Notes...)
}

// closeRun closes the dead run's history, with the next commit. Where the final
// PUT was announced, "not done" is said only of values that still stand: it may
// have happened without a new rowId to tell it by (R1).
func (w *work) closeRun(ctx context.Context, in *store.Intent, advo, espo store.WriteState) {
	if in.HistoryID == "" {
		return
	}
	errs := w.e.Store.Entries(ctx, store.HistoryFilter{Entity: w.key.Entity, ID: w.key.ID, Run: in.Run}, func(e store.Entry) error {
		if e.ID != in.HistoryID {
			return nil
		}
		closeWrites(&e, record.Advoware, advo)
		if in.Planned != nil && espo == store.WriteNotDone {
			w.doubtGone(&e)
		}
		closeWrites(&e, record.EspoCRM, espo)
		if e.Outcome == string(result.Planned) {
			e.Outcome = "interrupted"
		}
		w.closing = append(w.closing, e)
		return nil
	})
	if errs != nil && w.closeErr == nil {
		// Going on would replace the intent, and the entry stayed planned for ever.
		w.closeErr = storeFault("close the history of "+w.what(), errs)
	}
}

// doubtGone marks the planned writes to EspoCRM whose old value is gone.
func (w *work) doubtGone(e *store.Entry) {
	for i := range e.Writes {
		wr := &e.Writes[i]
		if wr.Side != record.EspoCRM || wr.State != store.WritePlanned || w.espo == nil {
			continue
		}
		if v := w.espo.view.Values[wr.Field]; v != wr.Before {
			wr.State = store.WriteUnknown
		}
	}
}

// recoverCreate is R6. done: nothing of R1 to R5 applies.
func (w *work) recoverCreate(ctx context.Context, in *store.Intent) (done bool, err error) {
	w.prevID = in.PrevID
	switch id := w.espo.advowareID; {
	case id != 0 && id != in.PrevID && (in.AdvowareID == 0 || id == in.AdvowareID):
		return w.linkedMeanwhile(ctx, in)
	case id != 0 && id != in.PrevID: // linked to another, by `link`: the intent is of no use
		w.recovered, w.base, w.prevID = true, nil, 0
		if in.AdvowareID != 0 {
			w.warnLeftOver(in)
		}
		w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
		return true, nil
	}
	posted := postedValues(in)
	if in.AdvowareID != 0 {
		s, err := w.getAdvo(ctx, in.AdvowareID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return true, err
		}
		if err == nil {
			if err := w.carriedElsewhere(ctx, in.AdvowareID, nil); err != nil {
				return true, err
			}
		}
		if err == nil && in.RowBefore != "" { // it was created, read back, and written once more
			w.linkID = in.AdvowareID
			return false, nil
		}
		if err == nil {
			w.recovered = true
			return true, w.relink(ctx, in, posted, s)
		}
	}
	w.base = nil
	found := false
	if !w.req.CreateAnyway { // else the operator has looked; one that is known to have been made is gone
		found, err = w.candidates(ctx, posted, in.Match, in.Highest, "an earlier run's create was interrupted, and nobody knows whether it happened")
		if err != nil {
			return true, err
		}
	}
	if found {
		w.closeRun(ctx, in, store.WriteDone, store.WriteNotDone)
	} else {
		if err := w.cameBack(ctx, in.PrevID); err != nil {
			return true, err
		}
		// What was written there once more, before it vanished, nobody can tell.
		w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
	}
	w.recovered = true
	return true, nil
}

// cameBack: a record that was to be created anew, and was not, may be in Advoware
// again, with a backup for instance. Then the link that EspoCRM still carries
// holds, and so does what was remembered with it.
func (w *work) cameBack(ctx context.Context, prev int64) error {
	if prev == 0 || w.espo.advowareID != prev {
		return nil
	}
	if _, err := w.getAdvo(ctx, prev); fault.Is(err, fault.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	w.prevID = 0
	if b := w.mem.Base; b != nil && b.AdvowareID == prev {
		w.base = usable(w.m, b)
	}
	return nil
}

// linkedMeanwhile: the link PUT of the dead run arrived, or somebody linked the
// record to it by hand: base (posted, read or posted), unless the planned base
// is known to hold (R1).
func (w *work) linkedMeanwhile(ctx context.Context, in *store.Intent) (done bool, err error) {
	if in.RowAfter != "" && w.espo.row == in.RowAfter || in.RowBefore != "" && !in.Arrived || in.AdvowareID == 0 {
		if in.AdvowareID == 0 { // linked by hand to what may be ours
			w.recovered, w.base, w.prevID = true, nil, 0
			w.closeRun(ctx, in, store.WriteUnknown, store.WriteNotDone)
			return true, nil
		}
		w.prevID = 0
		return false, nil
	}
	w.prevID = 0
	if err := w.readAdvo(ctx); err != nil {
		return true, err
	}
	w.recovered = true
	w.closeRun(ctx, in, store.WriteDone, store.WriteDone)
	if w.advo == nil {
		w.base = nil
		return true, nil
	}
	return true, w.baseOfPosted(in, postedValues(in), w.advo)
}

// relink goes on with a record that was posted and never linked.
func (w *work) relink(ctx context.Context, in *store.Intent, posted map[string]record.Value, s *advoState) error {
	w.linkID = s.id
	w.owe(in)
	w.closeRun(ctx, in, store.WriteDone, store.WriteNotDone)
	return w.baseOfPosted(in, posted, s)
}

// baseOfPosted is the base of a record that was posted: the working base of the
// run that read it back, else (posted, read when it is posted's own form, else
// posted).
func (w *work) baseOfPosted(in *store.Intent, posted map[string]record.Value, s *advoState) error {
	if in.Arrived {
		w.base = usable(w.m, in.Base)
		return nil
	}
	w.base = clone(usable(w.m, in.Base))
	w.base.Kind = w.kindPosted(posted, w.base.Kind)
	for key, v := range posted {
		r := s.view.Values[key]
		if !w.ownForm(key, v, r) {
			r = v
		}
		w.setBase(w.base, key, record.Pair{Espo: v, Advo: r})
	}
	return nil
}

// kindPosted is the kind under which values were posted, as both sides see it.
func (w *work) kindPosted(posted map[string]record.Value, otherwise record.Pair) record.Pair {
	obj, err := w.overlay(record.Object{}, posted)
	if err != nil {
		return otherwise
	}
	v, err := w.m.ReadAdvo(obj)
	if err != nil || v.Kind == "" {
		return otherwise
	}
	return record.Pair{Espo: record.Of(v.Kind), Advo: record.Of(v.Kind)}
}

func postedValues(in *store.Intent) map[string]record.Value {
	out := map[string]record.Value{}
	for key, f := range in.Fields {
		if f.Sent != nil {
			out[key] = *f.Sent
		}
	}
	return out
}
