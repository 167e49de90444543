package sync

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// recover takes what a dead run announced and finds out what of it happened,
// with fresh reads of both sides, before anything is decided. Nothing is written
// here: the next announcement, or the end of this attempt, takes its place.
func (w *work) recover(ctx context.Context) error {
	in := w.mem.Open
	if err := w.waitForDeadline(ctx, in); err != nil || w.espo == nil {
		return err
	}
	if !in.Makes && in.AdvowareID != 0 && in.AdvowareID != w.espo.AdvowareID { // linked to another since
		w.base, w.mem.Parked = nil, nil
		w.owe(in)
		advo, espo := w.leftStates(in)
		w.closeRun(ctx, in, bySide(advo, espo))
		w.knows.recovered = true
		return w.tells.closeErr
	}
	if in.Removes { // the record is in EspoCRM again
		w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
		w.knows.recovered = true
		return w.tells.closeErr
	}
	if in.Makes {
		if err := w.recoverCreate(ctx, in); err != nil {
			return err
		}
		w.knows.looked = true
		w.knows.recovered = true
		return w.tells.closeErr
	}
	if err := w.readAdvo(ctx); err != nil {
		return err
	}
	w.replay(ctx, in)
	w.knows.recovered = true
	return w.tells.closeErr
}

// waitForDeadline: a late write may still land. A pass leaves the record to a later
// one; a named sync says so and waits, never longer than its own writes would have
// to be waited for.
func (w *work) waitForDeadline(ctx context.Context, in *store.Announcement) error {
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
		return fault.Ended(ctx)
	}
	if err := w.readEspo(ctx); err != nil || w.espo == nil {
		return err
	}
	w.found(w.espo) // the read before the wait is stale, and so is who it says has saved last
	return nil
}

// cutDeadline shortens a deadline that a clock which was ahead has set: further
// away than now and the time that the write was given. The cut is stored, or every
// run would wait anew.
func (w *work) cutDeadline(ctx context.Context, in *store.Announcement) (*store.Announcement, error) {
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
	next.Open = &cut
	return &cut, w.commit(ctx, next)
}

// replay reads off the recovery table what became of a dead run's write, on fresh
// reads of both sides.
func (w *work) replay(ctx context.Context, in *store.Announcement) {
	asked := w.settling(ctx, in)
	got := reconcile.Settle(asked)
	w.knows.clearing = w.knows.clearing || w.clears(in)
	if got.Open {
		w.closeRun(ctx, in, func(store.Write) store.WriteState { return store.WriteUnknown })
		return
	}
	w.learn(asked, got)
	next, moved := sides.Clone(w.base), asked.BroughtRowID()
	for key, outcome := range got.Fields {
		if outcome != reconcile.OutcomeArrived && outcome != reconcile.OutcomeUnproven {
			continue
		}
		moved = true
		if key == reconcile.KindKey {
			next.Kind = got.Base[key]
			continue
		}
		w.setBase(next, key, got.Base[key])
		if outcome == reconcile.OutcomeArrived && in.Side == record.EspoCRM {
			sides.Answered(next, key)
		}
	}
	if moved {
		w.owe(in)
		w.base, w.knows.baseless = next, false
	}
	if asked.BroughtRowID() {
		next.RowID, next.LastSync = in.RowID, w.espo.LastSync
		if k := w.kinds(); k.Espo == k.Advo {
			next.Kind = k
		}
	}
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
func (w *work) clears(in *store.Announcement) bool {
	for key := range in.Fields {
		if f, ok := w.m.Field(key); ok && f.Clear && in.Side == record.EspoCRM {
			return true
		}
	}
	return false
}

// settling is an interrupted write as the recovery table asks for it. Nobody knows
// what the client has said of it.
func (w *work) settling(ctx context.Context, in *store.Announcement) reconcile.Settling {
	out := reconcile.Settling{Base: sides.Pairs(sides.Clone(w.base)), RowNow: w.espo.RowID, Form: w.ownForm,
		Open: reconcile.Announcement{Side: in.Side, RowID: in.RowID, RowBefore: in.RowBefore, Fields: map[string]reconcile.Announced{}}}
	if in.Side == record.EspoCRM {
		byUs, err := w.e.Ours(ctx, w.did.priorStamp[1])
		// Clean is what the PUT has set: any later one of ours has set another status,
		// and has buried who saved before it.
		out.ByUs = byUs && err == nil && w.did.prior == record.StatusClean && out.BroughtRowID()
		out.Now = withKind(w.espo.View)
	} else if w.advo != nil {
		out.Now = withKind(w.advo.View)
	}
	for key, a := range in.Fields {
		if f, ok := w.m.Field(key); key == reconcile.KindKey || ok && !f.Clear {
			out.Open.Fields[key] = reconcile.Announced{Target: a.Target, Shown: a.Shown}
		}
	}
	return out
}

// withKind is what a side shows, its kind as one more field.
func withKind(v mapping.View) map[string]record.Value {
	if v.Kind == "" {
		return v.Values
	}
	out := maps.Clone(v.Values)
	out[reconcile.KindKey] = record.Of(v.Kind)
	return out
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

// owe takes over the notifications that the dead run owed. What they tell has
// happened, or nobody will look whether it has, so they go with the memory from the
// next commit on.
func (w *work) owe(in *store.Announcement) {
	kept := *in
	kept.Notes = nil
	w.mem.Open, w.mem.Notes = &kept, append(slices.Clone(w.mem.Notes), in.Notes...)
}

// closeRun closes the dead run's history, with the next commit.
func (w *work) closeRun(ctx context.Context, in *store.Announcement, state func(store.Write) store.WriteState) {
	if in.HistoryID == "" {
		return
	}
	errs := w.e.Store.Entries(ctx, store.HistoryFilter{Entity: w.key.Entity, ID: w.key.ID, Run: in.Run}, func(e store.Entry) error {
		if e.ID != in.HistoryID {
			return nil
		}
		tell.CloseDead(&e, state, w.viewOf)
		w.tells.closing = append(w.tells.closing, e)
		return nil
	})
	if errs != nil && w.tells.closeErr == nil {
		// Going on would replace the announcement, and the entry stayed planned for ever.
		w.tells.closeErr = store.Fault("close the history of "+w.what(), errs)
	}
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

// recoverCreate finds the record that an interrupted create has made. What it finds is
// linked next.
func (w *work) recoverCreate(ctx context.Context, in *store.Announcement) error {
	w.did.prevID = in.PrevID
	id := w.espo.AdvowareID
	switch linked := id != 0 && id != in.PrevID; {
	case linked && in.AdvowareID != id: // by hand, to another one or to what may be ours
		w.base, w.did.prevID = nil, 0
		if in.AdvowareID != 0 {
			w.warnLeftOver(in)
		}
		w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
		return nil
	case linked: // the link has arrived
		w.did.prevID = 0
		if err := w.readAdvo(ctx); err != nil {
			return err
		}
		if w.closeRun(ctx, in, bySide(store.WriteDone, store.WriteDone)); w.advo != nil {
			w.baseOfPosted(postedValues(in), w.advo)
		}
		return nil
	case in.AdvowareID != 0:
		s, err := w.getAdvo(ctx, in.AdvowareID)
		if err == nil && w.wasThere(in, s) {
			if w.req.CreateAnyway { // an operator has looked: it is not ours
				break
			}
			return w.notOurs(ctx, in, in.AdvowareID)
		}
		if err == nil {
			if err := w.carriedElsewhere(ctx, in.AdvowareID, nil); err != nil {
				return err
			}
			w.did.linkID = s.ID
			w.owe(in)
			w.closeRun(ctx, in, bySide(store.WriteDone, store.WriteNotDone))
			w.baseOfPosted(postedValues(in), s)
			return nil
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return w.lookForMade(ctx, in)
}

// lookForMade looks for what an interrupted create has made by what it sent.
func (w *work) lookForMade(ctx context.Context, in *store.Announcement) error {
	w.base = nil
	found := false
	if !w.req.CreateAnyway { // else the operator has looked; one that is known to have been made is gone
		var err error
		found, err = w.candidates(ctx, postedValues(in), in.Match, in.Highest, "an earlier run's create was interrupted, and nobody knows whether it happened")
		if err != nil {
			return err
		}
	}
	if found {
		w.closeRun(ctx, in, bySide(store.WriteDone, store.WriteNotDone))
		return nil
	}
	w.closeRun(ctx, in, bySide(store.WriteUnknown, store.WriteNotDone))
	return w.cameBack(ctx, in.PrevID)
}

// cameBack: a record that was to be created anew, and was not, may be in Advoware
// again, with a backup for instance. Then the link that EspoCRM still carries
// holds, and so does what was remembered with it.
func (w *work) cameBack(ctx context.Context, prev int64) error {
	if prev == 0 || w.espo.AdvowareID != prev {
		return nil
	}
	if _, err := w.getAdvo(ctx, prev); fault.Is(err, fault.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	w.did.prevID = 0
	if b := w.mem.Base; b != nil && b.AdvowareID == prev {
		w.base = sides.Usable(w.m, b)
	}
	return nil
}

// baseOfPosted is the base of a record that was posted: what stands there where it is
// the posted value's own form; anything else may be a form that nobody knows, or an edit.
func (w *work) baseOfPosted(posted map[string]record.Value, s *sides.Advo) {
	w.base = sides.Clone(nil)
	if k, ok := posted[reconcile.KindKey]; ok {
		w.base.Kind = record.Pair{Espo: k, Advo: k}
	}
	for key, v := range posted {
		r := s.View.Values[key]
		p := record.Pair{Espo: v, Advo: r}
		switch {
		case r.IsAbsent():
			p.Advo = v
		case !w.ownForm(key, v, r):
			p = record.Pair{Espo: record.Unknown(), Advo: record.Unknown()}
		}
		w.setBase(w.base, key, p)
	}
	w.knows.baseless = false
}

// postedValues are what a create has sent, its kind among them.
func postedValues(in *store.Announcement) map[string]record.Value {
	out := make(map[string]record.Value, len(in.Fields))
	for key, f := range in.Fields {
		out[key] = f.Target
	}
	return out
}

// leftStates is what is known of an interrupted run's writes where nobody looks
// after them any more.
func (w *work) leftStates(in *store.Announcement) (advo, espo store.WriteState) {
	advo, espo = store.WriteUnknown, store.WriteNotDone
	if in.Side == record.EspoCRM {
		advo = store.WriteDone
	}
	if in.RowID != "" || w.espo == nil { // gone: nothing there tells what happened
		espo = store.WriteUnknown
	}
	return advo, espo
}
