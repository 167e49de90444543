package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/tell"
)

// Resolve decides a conflict that waits, by field key, "*" for all that differ on both
// sides, and syncs the record; the policy that the request was made with decides the
// rest. It is decided on the contents that were parked, and shown ("": they were not):
// else the question is asked anew instead. A clash for which no side is taken waits on.
func (r *Record) Resolve(ctx context.Context, take map[string]record.Side, shown string) error {
	r.work.conclude(ctx, r.work.resolve(ctx, take, shown))
	return nil
}

func (w *work) resolve(ctx context.Context, take map[string]record.Side, shown string) error {
	if err := w.Read(ctx); err != nil {
		return err
	}
	switch {
	case w.Espo == nil:
		return w.UnknownRecord()
	case w.NoConflict():
		return nil
	}
	if doubt, err := w.recoverFirst(ctx); err != nil {
		return err
	} else if doubt != "" {
		return w.parkDoubtful(ctx, doubt)
	}
	if w.Espo == nil { // deleted while an interrupted write was waited for
		return w.UnknownRecord()
	}
	if err := w.ReadAdvo(ctx); err != nil {
		return err
	}
	if doubt, err := w.Doubtful(ctx); err != nil {
		return err
	} else if doubt != "" { // a side of it can only be taken once the link is confirmed
		return w.parkDoubtful(ctx, doubt)
	}
	if w.StillAsked(shown) {
		w.by.wishes = reconcile.Take(w.input(), take)
	}
	w.Did.Attempt = 1
	return w.rounds(ctx)
}

// Recover takes what an interrupted run has announced into account, after Read. doubt: it
// cannot, for nobody can believe the link.
func (r *Record) Recover(ctx context.Context) (doubt reconcile.Belief, err error) {
	if r.work.Espo == nil {
		return "", nil
	}
	return r.work.recoverFirst(ctx)
}

func (w *work) recoverFirst(ctx context.Context) (doubt reconcile.Belief, err error) {
	if w.Memory.Open == nil {
		return "", nil
	}
	if doubt, err := w.Vet(ctx); doubt != "" || err != nil {
		return doubt, err
	}
	if err := w.recover(ctx); err != nil {
		return "", err
	}
	w.Knows.Learned = true
	return "", nil
}

// PutBack has values that a run overwrote typed into EspoCRM, and the record synced. ask
// is given both sides as they are now, and again when somebody has edited them meanwhile;
// no wishes: it ends there, and ask has said why. done: it was tried, and the result says
// how it ended.
func (r *Record) PutBack(ctx context.Context, run string, ask func(context.Context) (map[string]reconcile.Wish, error)) (done bool, err error) {
	w := r.work
	for w.Did.Attempt = 1; w.Did.Attempt <= maxRounds; w.Did.Attempt++ {
		again, done, err := w.putBack(ctx, run, ask)
		if err == nil && again {
			err = w.ReadEspo(ctx)
		}
		if err == nil && w.Espo == nil {
			err = w.UnknownRecord()
		}
		if err != nil { // what EspoCRM has refused in an earlier round was not carried out
			w.Refuse(err)
			w.CloseAnnounced(ctx)
			return false, nil
		}
		if !again && !done {
			err = w.withdraw(ctx)
		}
		if !again {
			return done, err
		}
	}
	w.Skip("keeps_changing", "Somebody kept editing the record; try again: "+w.Hint("undo")+" --run "+run)
	return false, w.withdraw(ctx)
}

func (w *work) putBack(ctx context.Context, run string, ask func(context.Context) (map[string]reconcile.Wish, error)) (again, done bool, err error) {
	if err := w.ReadToDecide(ctx); err != nil {
		return false, false, err
	}
	wishes, err := ask(ctx)
	if wishes == nil || err != nil {
		return false, false, err
	}
	w.by.wishes = wishes
	if w.WaitsForAPerson() { // nobody has decided what is not put back
		w.by.policy = reconcile.Manual
	}
	w.History().Of = run
	d, err := w.decide(ctx)
	if err != nil {
		return false, false, err
	}
	if d.Typed {
		if _, err := w.writeEspo(ctx, d); err != nil {
			w.putBackFailed(ctx, err)
			return false, true, nil
		}
		if !w.Did.WroteEspo {
			return true, false, nil
		}
		w.Did.Attempt++
	}
	w.conclude(ctx, w.rounds(ctx))
	return false, true, nil
}

// putBackFailed ends a put-back that was refused, not taken or not sent. Where
// nobody knows, the next sync finds out what arrived.
func (w *work) putBackFailed(ctx context.Context, err error) {
	w.Refuse(err)
	if fault.Is(err, fault.NotAccepted) { // answered, and some values were not taken
		tell.CloseRefused(w.Tells.Entry, fault.As(err))
		w.Did.Fate = session.FateNotDone
	}
	w.CloseAnnounced(ctx)
}

// withdraw ends the announcement of a put-back that EspoCRM has refused, because somebody
// had saved the record meanwhile, and that is not tried again: else a later run would ask
// what became of it, and not know.
func (w *work) withdraw(ctx context.Context) error {
	if w.Memory.Open == nil || w.Did.Fate != session.FateNotDone || w.Lease == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), session.CleanUpTime)
	defer cancel()
	w.CloseEntry(result.Skipped)
	next := w.Memory
	next.Open = nil
	w.KeepBase(&next)
	return w.Commit(ctx, next)
}
