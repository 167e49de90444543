package sync

import (
	"context"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// paused reports whether a write to Advoware was not sent because the system has
// asked for a pause. After it the read that it rests on is old: whoever saves the
// record meanwhile would be overwritten, so it is decided anew.
func (w *work) paused(err error) bool {
	f := fault.As(err)
	return f != nil && f.Code == fault.RateLimited && !f.Doubt && f.RetryAfter > 0 && w.Did.Attempt < maxRounds
}

// afterDoubt looks once whether a write whose answer was lost has arrived. In
// the run that met the doubt an unchanged rowId proves nothing: the write may
// still land, so the announcement stays and the system's fault is told.
func (w *work) afterDoubt(ctx context.Context, f *fault.Error) error {
	now, err := w.GetAdvo(ctx, w.Advo.ID)
	if err != nil || now.RowID == "" || now.RowID == w.Advo.RowID {
		return f
	}
	all, some := true, false // an emptied field may be somebody's
	for key, a := range w.Memory.Open.Fields {
		if key == reconcile.KindKey {
			continue
		}
		v := now.View.Values[key]
		all = all && (v == a.Target || v != a.Shown.Advo && w.OwnForm(key, a.Target, v))
		some = some || a.Target.HasText() && v != a.Shown.Advo
	}
	if all && some {
		return nil // ours is there
	}
	w.PlanSeen(ctx, now)
	return f
}

// taken holds an answer of EspoCRM against what was sent: the base after it, or the failure
// that names what was not taken. lost are sync fields that it does not show as sent.
func (w *work) taken(d reconcile.Decision, before *sides.Espo, planned *store.Base, shows map[string]record.Value, lost ...string) (*store.Base, error) {
	planned, refused := w.Settle(planned, session.Written{Side: record.EspoCRM, Espo: before, Advo: w.Advo, Sent: d.ToEspo, Now: shows, Typed: d.Typed})
	if refused = append(refused, lost...); len(refused) > 0 {
		w.keepTaken(d, planned, refused)
		return nil, w.NotAccepted(fault.EspoCRM, refused)
	}
	w.Arrived(record.EspoCRM, d, shows)
	w.CloseWrites(record.EspoCRM, store.WriteDone)
	return planned, nil
}

// settleFinal ends the sync: base, history and announcement in one transaction, then the
// notifications.
func (w *work) settleFinal(ctx context.Context, d reconcile.Decision, p record.Patch, planned *store.Base, o record.Object) error {
	after, err := sides.ReadEspo(w.Mapping, o, w.e.Now())
	if err != nil {
		return w.Unread(fault.EspoCRM, err)
	}
	base, err := w.taken(d, w.Espo, planned, after.View.Values, session.NotTaken(p, o)...)
	if err != nil {
		return err
	}
	w.Base = base
	w.Did.WroteEspo = w.Did.WroteEspo || session.CountReal(w.Mapping, d.ToEspo) > 0
	w.Result.RowID.After, w.Result.RetryCount = after.RowID, 0
	next := w.InStep(w.Base)
	next.Notes = append(slices.Clone(next.Notes), w.Tells.Owed...)
	w.CloseEntry(w.Outcome())
	w.Result.Outcome, w.Did.Marked = w.Outcome(), false
	if err := w.Commit(ctx, next); err != nil {
		return err
	}
	w.SendNotes(ctx)
	return nil
}

// settleSome takes the answer for the read that the next round decides on, and moves the
// base to it.
func (w *work) settleSome(ctx context.Context, d reconcile.Decision, planned *store.Base, o record.Object, began time.Time) error {
	before := w.Espo
	if err := w.SetEspo(ctx, o, began); err != nil {
		return w.Unread(fault.EspoCRM, err)
	}
	w.Given.Fresh, w.Given.FreshAt, w.Did.OwnAnswer = &o, began, true
	w.Did.WroteEspo = true
	w.wishesTyped(d)
	base, err := w.taken(d, before, planned, w.Espo.View.Values)
	if err != nil {
		return w.beside(d, err)
	}
	w.Base, w.Knows.Baseless = base, false
	next := w.Memory
	next.Base, next.Open, next.WaitsSince = base, nil, w.WaitsSince()
	next.Notes, w.Tells.Owed, w.Did.Settled = append(slices.Clone(next.Notes), w.Tells.Owed...), nil, true
	w.CloseEntry(w.Outcome()) // nothing of it is announced any more
	return w.Commit(ctx, next)
}

// beside goes on without what EspoCRM has not taken of a PUT beside which a clash waits, or
// a field is stuck: that one must not hold up the question to a person.
func (w *work) beside(d reconcile.Decision, err error) error {
	f := fault.As(err)
	if d.Typed || !w.by.stuck.Stick(w.SidesShown(), err, d.ToEspo) {
		return err
	}
	tell.CloseRefused(w.Tells.Entry, f)
	if w.Did.Settled = true; !w.tookSome(f) {
		w.Tells.Owed = nil // it has overruled nobody
	}
	return nil
}

// wishesTyped takes note of what EspoCRM has made of an operator's values: his words hold
// while it shows that.
func (w *work) wishesTyped(d reconcile.Decision) {
	for key := range d.ToEspo {
		if wish, ok := w.by.wishes[key]; ok && d.Typed {
			wish.Typed, wish.Shown.Espo = true, w.Espo.View.Values[key]
			w.by.wishes[key] = wish
		}
	}
}

// keepTaken moves the working base to what EspoCRM has taken of a PUT that it did not
// take whole.
func (w *work) keepTaken(d reconcile.Decision, planned *store.Base, refused []string) {
	if w.Base == nil || w.Knows.Baseless {
		return
	}
	w.Base = sides.Clone(w.Base)
	for key := range d.ToEspo {
		if fb, ok := planned.Fields[key]; ok && !slices.Contains(refused, key) {
			w.Base.Fields[key] = fb
		}
	}
}
