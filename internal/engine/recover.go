package engine

import (
	"context"
	"math"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
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
		w.closeRun(ctx, in, bySide(advo, espo))
		w.recovered = true
		return w.closeErr
	}
	if in.Kind == store.IntentDelete { // the record is in EspoCRM again
		w.base = usable(w.m, in.Base)
		w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
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
	w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteUnknown))
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

// replay reads off the recovery table what became of a dead run's write, on fresh
// reads of both sides.
func (w *work) replay(ctx context.Context, in *store.Intent) {
	asked := w.settling(ctx, in)
	got := reconcile.Settle(asked)
	base := usable(w.m, in.Base)
	w.clearing = w.clearing || w.clears(in)
	if got.Open {
		w.base = base
		w.closeRun(ctx, in, func(store.Write) store.WriteState { return store.WriteUnknown })
		return
	}
	w.learn(asked, got)
	next, moved := clone(base), asked.BroughtRowID()
	for key, outcome := range got.Fields {
		if outcome == reconcile.OutcomeArrived || outcome == reconcile.OutcomeUnproven {
			w.setBase(next, key, got.Base[key])
			moved = true
		}
		if outcome == reconcile.OutcomeArrived && in.Arrived {
			answered(next, key)
		}
	}
	if moved {
		w.owe(in)
		w.kindsOf(in, asked, got, next)
		base = next
	}
	w.base, w.baseless = base, in.First && !moved
	w.readAnswers()
	rest := stateOfRest(got, moved)
	w.closeRun(ctx, in, func(wr store.Write) store.WriteState {
		if o, announced := got.Fields[wr.Field]; announced {
			return stateOf(o)
		}
		return rest
	})
}

// clears reports whether a write was to clear fields of another kind in EspoCRM: of
// what is done already nothing is left to clear.
func (w *work) clears(in *store.Intent) bool {
	for key, fi := range in.Fields {
		if f, ok := w.m.Field(key); ok && f.Clear && fi.ToEspo != nil {
			return true
		}
	}
	return false
}

// settling is an interrupted write as the recovery table asks for it. Nobody knows
// what the client has said of it.
func (w *work) settling(ctx context.Context, in *store.Intent) reconcile.Settling {
	out := reconcile.Settling{Base: pairsOf(clone(usable(w.m, in.Base))), RowNow: w.espo.row,
		Open: reconcile.Announcement{Side: record.Advoware, Fields: map[string]reconcile.Announced{}},
		Form: w.ownForm}
	if in.Arrived {
		out.Open.Side, out.Open.RowID, out.Open.RowBefore = record.EspoCRM, in.RowAfter, in.EspoRow
		byUs, err := w.e.Ours(ctx, w.priorStamp[1])
		// Clean is what the PUT has set: any later one of ours has set another status,
		// and has buried who saved before it.
		out.ByUs = byUs && err == nil && w.prior == StatusClean && out.BroughtRowID()
		out.Now = w.espo.view.Values
	} else if w.advo != nil {
		out.Now = w.advo.view.Values
	}
	for key, fi := range in.Fields {
		target := fi.Sent
		if in.Arrived {
			target = fi.ToEspo
		}
		if f, ok := w.m.Field(key); target != nil && ok && !f.Clear {
			out.Open.Fields[key] = reconcile.Announced{Target: *target, Shown: record.Pair{Espo: fi.Espo, Advo: fi.Before}}
		}
	}
	return out
}

// kindsOf takes into a base what an interrupted write has made of the kinds.
func (w *work) kindsOf(in *store.Intent, asked reconcile.Settling, got reconcile.Settlement, next *store.Base) {
	switch {
	case asked.BroughtRowID() && in.Planned != nil:
		next.Kind, next.RowID, next.LastSync = in.Planned.Kind, in.RowAfter, w.espo.lastSync
	case !in.Arrived && in.RecordKind != "" && w.advo.view.Kind == in.RecordKind && !w.kindToEspo(in):
		for _, outcome := range got.Fields {
			if outcome == reconcile.OutcomeArrived {
				next.Kind = record.Pair{Espo: record.Of(in.RecordKind), Advo: record.Of(in.RecordKind)}
			}
		}
	}
}

// stateOf is what the history says of a field's write.
func stateOf(o reconcile.Outcome) store.WriteState {
	switch o {
	case reconcile.OutcomeArrived:
		return store.WriteDone
	case reconcile.OutcomeUnproven:
		return store.WriteUnknown
	default:
		return store.WriteNotDone
	}
}

// stateOfRest is what it says of what a write replaced besides the announced fields.
func stateOfRest(got reconcile.Settlement, moved bool) store.WriteState {
	if !moved {
		return store.WriteNotDone
	}
	for _, o := range got.Fields {
		if o != reconcile.OutcomeArrived {
			return store.WriteUnknown
		}
	}
	return store.WriteDone
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

// owe takes over the notifications that the dead run owed. What they tell has
// happened, so they go with the memory from the next commit on.
func (w *work) owe(in *store.Intent) {
	kept := *in
	kept.Notes = nil
	w.mem.Intent, w.mem.Notes = &kept, append(slices.Clone(w.mem.Notes), in.Notes...)
}

// closeRun closes the dead run's history, with the next commit.
func (w *work) closeRun(ctx context.Context, in *store.Intent, state func(store.Write) store.WriteState) {
	if in.HistoryID == "" {
		return
	}
	errs := w.e.Store.Entries(ctx, store.HistoryFilter{Entity: w.key.Entity, ID: w.key.ID, Run: in.Run}, func(e store.Entry) error {
		if e.ID != in.HistoryID {
			return nil
		}
		for i := range e.Writes {
			if wr := &e.Writes[i]; wr.State == store.WritePlanned {
				if wr.State = state(*wr); wr.State == store.WriteNotDone && w.replaced(*wr) {
					wr.State = store.WriteUnknown
				}
			}
		}
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

// replaced reports whether what a write was to replace does not stand there any more.
func (w *work) replaced(wr store.Write) bool {
	view := w.espoView()
	if wr.Side == record.Advoware {
		view = w.advoView()
	}
	return view != nil && view.Values[wr.Field] != wr.Before
}

// bySide is what is known of a run's writes, one word for each side.
func bySide(advo, espo store.WriteState) func(store.Write) store.WriteState {
	return func(wr store.Write) store.WriteState {
		if wr.Side == record.Advoware {
			return advo
		}
		return espo
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
		w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
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
		w.closeRun(ctx, in, bySide(store.WriteDone, store.WriteNotDone))
	} else {
		if err := w.cameBack(ctx, in.PrevID); err != nil {
			return true, err
		}
		// What was written there once more, before it vanished, nobody can tell.
		w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
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
			w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
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
	w.closeRun(ctx, in, bySide(store.WriteDone, store.WriteDone))
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
	w.closeRun(ctx, in, bySide(store.WriteDone, store.WriteNotDone))
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
