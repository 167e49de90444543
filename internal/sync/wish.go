package sync

import (
	"context"
	"maps"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/tell"
)

// Resolve decides a conflict that waits, by field key, "*" for all that differ on both
// sides, and syncs the record; the policy that the request was made with decides the
// rest. It is decided on the contents that were parked: where they have changed since,
// the question is asked anew instead. A clash for which no side is taken waits on.
func (r *Record) Resolve(ctx context.Context, take map[string]record.Side) error {
	r.w.conclude(ctx, r.w.resolve(ctx, take))
	return nil
}

func (w *work) resolve(ctx context.Context, take map[string]record.Side) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readEspo(ctx); err != nil {
		return err
	}
	switch {
	case w.espo == nil:
		return w.unknownRecord()
	case w.mem.Parked == nil && w.espo.Status != record.StatusConflict:
		w.skip("no_conflict", "No conflict of this record waits for a decision.")
		return nil
	}
	if doubt, err := w.recoverFirst(ctx); err != nil {
		return err
	} else if doubt != "" {
		return w.parkDoubtful(ctx, doubt)
	}
	if w.espo == nil { // deleted while an interrupted write was waited for
		return w.unknownRecord()
	}
	if err := w.readAdvo(ctx); err != nil {
		return err
	}
	if doubt, err := w.doubtful(ctx); err != nil {
		return err
	} else if doubt != "" { // a side of it can only be taken once the link is confirmed
		return w.parkDoubtful(ctx, doubt)
	}
	if w.advo != nil && w.mem.Parked != nil && w.mem.Parked.Fingerprint == w.contents() {
		w.by.wishes = reconcile.Take(w.input(), take)
	} else {
		w.warn("the contents have changed since the conflict was parked: it is compared anew, and what still clashes has to be decided again")
	}
	w.did.attempt = 1
	return w.rounds(ctx)
}

// Recover takes what an interrupted run has announced into account, after Read. doubt: it
// cannot, for nobody can believe the link.
func (r *Record) Recover(ctx context.Context) (doubt reconcile.Belief, err error) {
	if r.w.espo == nil {
		return "", nil
	}
	return r.w.recoverFirst(ctx)
}

func (w *work) recoverFirst(ctx context.Context) (doubt reconcile.Belief, err error) {
	if w.mem.Open == nil {
		return "", nil
	}
	if doubt, err := w.vet(ctx); doubt != "" || err != nil {
		return doubt, err
	}
	if err := w.recover(ctx); err != nil {
		return "", err
	}
	w.knows.learned = true
	return "", nil
}

// PutBack has values that a run overwrote typed into EspoCRM, and the record synced. ask
// is given both sides as they are now, and again when somebody has edited them meanwhile;
// no wishes: it ends there, and ask has said why. done: it was tried, and the result says
// how it ended.
func (r *Record) PutBack(ctx context.Context, run string, ask func(context.Context) (map[string]reconcile.Wish, error)) (done bool, err error) {
	w := r.w
	for w.did.attempt = 1; w.did.attempt <= maxRounds; w.did.attempt++ {
		again, done, err := w.putBack(ctx, run, ask)
		if err == nil && again {
			err = w.readEspo(ctx)
		}
		if err == nil && w.espo == nil {
			err = w.unknownRecord()
		}
		if err != nil { // what EspoCRM has refused in an earlier round was not carried out
			w.refuse(err)
			w.closeAnnounced(ctx)
			return false, nil
		}
		if !again && !done {
			err = w.withdraw(ctx)
		}
		if !again {
			return done, err
		}
	}
	w.skip("keeps_changing", "Somebody kept editing the record; try again: "+w.hint("undo")+" --run "+run)
	return false, w.withdraw(ctx)
}

func (w *work) putBack(ctx context.Context, run string, ask func(context.Context) (map[string]reconcile.Wish, error)) (again, done bool, err error) {
	if err := w.readToDecide(ctx); err != nil {
		return false, false, err
	}
	wishes, err := ask(ctx)
	if wishes == nil || err != nil {
		return false, false, err
	}
	w.by.wishes = wishes
	if w.waitsForAPerson() { // nobody has decided what is not put back
		w.by.policy = reconcile.Manual
	}
	w.history().Of = run
	d, err := w.decide(ctx)
	if err != nil {
		return false, false, err
	}
	if d.Typed {
		if _, err := w.writeEspo(ctx, d); err != nil {
			w.putBackFailed(ctx, err)
			return false, true, nil
		}
		if !w.did.wroteEspo {
			return true, false, nil
		}
		w.did.attempt++
	}
	w.conclude(ctx, w.rounds(ctx))
	return false, true, nil
}

// putBackFailed ends a put-back that was refused, not taken or not sent. Where
// nobody knows, the next sync finds out what arrived.
func (w *work) putBackFailed(ctx context.Context, err error) {
	w.refuse(err)
	if fault.Is(err, fault.NotAccepted) { // answered, and some values were not taken
		tell.CloseRefused(w.tells.entry, fault.As(err))
		w.did.fate = fateNotDone
	}
	w.closeAnnounced(ctx)
}

// withdraw ends the announcement of a put-back that EspoCRM has refused, because somebody
// had saved the record meanwhile, and that is not tried again: else a later run would ask
// what became of it, and not know.
func (w *work) withdraw(ctx context.Context) error {
	if w.mem.Open == nil || w.did.fate != fateNotDone || w.lease == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	w.closeEntry(result.Skipped)
	next := w.mem
	next.Open = nil
	w.keepBase(&next)
	return w.commit(ctx, next)
}

// With is how both sides would read with these values in the place of theirs.
func (r *Record) With(espo, advo map[string]record.Value) (e, a mapping.View, err error) {
	w := r.w
	p, err := w.patch(espo)
	if err != nil {
		return e, a, err
	}
	obj := w.espo.Object
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if obj, err = obj.Set(name, p[name]); err != nil {
			return e, a, err
		}
	}
	if e, err = w.m.ReadEspo(obj); err != nil {
		return e, a, err
	}
	if obj, err = w.overlay(w.advo.Object, advo); err != nil {
		return e, a, err
	}
	a, err = w.m.ReadAdvo(obj)
	return e, a, err
}
