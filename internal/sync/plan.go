package sync

import (
	"context"
	"slices"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/sides"
)

// Plan says what Sync would do now and why, and writes nothing anywhere. The
// values of the fields that differ are in the result, for `diff`. An announcement of a
// dead run is taken into account as Sync would.
func (e *Engine) Plan(ctx context.Context, req Request) result.Record {
	ctx, w := e.newWork(ctx, req)
	if err := w.plan(ctx); err != nil {
		w.Result.Outcome = result.Failed
		w.Result.Error = result.FromFault(err)
		w.ReasonFrom(err)
	} else if w.Memory.Hold != nil {
		w.Result.Outcome, w.Result.Planned = result.Skipped, ""
		w.SayOnHold()
	}
	w.Explain(ctx)
	if w.req.Explain != nil {
		w.req.Explain(ctx, &Record{w})
	}
	return w.End()
}

// plan is sync up to the first write.
func (w *work) plan(ctx context.Context) error {
	byName := !w.Given.Pass
	w.Given.Pass, w.Given.EvenOnHold = true, true // never waits; what differs is shown of a record on hold, too
	if err := w.Read(ctx); err != nil {
		return err
	}
	if w.Espo == nil {
		return w.planGone(ctx)
	}
	if w.req.Policy == reconcile.Asked && w.NoConflict() {
		return nil
	}
	if w.req.Action == ActionDelete {
		return w.stillThere()
	}
	if doubt, err := w.foreseeLink(ctx); err != nil {
		return err
	} else if doubt != "" {
		w.planDoubtful(doubt)
		return nil
	}
	if !byName && w.WaitsForAPerson() {
		w.by.policy = reconcile.Manual
	}
	d, err := w.decide(ctx)
	if err != nil {
		return err
	}
	if held, err := w.foreseeCreate(ctx, d); held || err != nil {
		return err
	}
	w.predict(d)
	if d.Action == reconcile.Park || d.Waits { // that is what the record says
		w.sayStuck()
		return nil
	}
	return w.by.stuck.Fault()
}

// foreseeLink takes an interrupted run's write into account, and reads what the record is
// linked to. doubt: nobody can believe that link.
func (w *work) foreseeLink(ctx context.Context) (doubt reconcile.Belief, err error) {
	if doubt, err := w.Vet(ctx); doubt != "" || err != nil {
		return doubt, err
	}
	if w.Memory.Open != nil {
		if err := w.recover(ctx); err != nil {
			return "", err
		}
		w.Warn("an earlier run was interrupted; its last write is taken into account")
	}
	if w.AdvowareID() == 0 {
		return "", nil
	}
	if err := w.ReadAdvo(ctx); err != nil {
		return "", err
	}
	return w.Doubtful(ctx)
}

// foreseeCreate asks the guard over creates, and looks for what would be linked instead of one.
func (w *work) foreseeCreate(ctx context.Context, d reconcile.Decision) (held bool, err error) {
	if d.Action != reconcile.Post {
		return false, nil
	}
	if why, err := w.holds(ctx); err != nil {
		return false, err
	} else if why != nil {
		w.Result.Outcome, w.Result.Reason = result.Skipped, *why
		return true, nil
	}
	found, err := w.lookFirst(ctx, d)
	if found {
		w.Warn("Advoware %d equals it and is linked instead of creating another one", w.Did.LinkID)
	}
	return false, err
}

// predict fills the result with what the decision leads to.
func (w *work) predict(d reconcile.Decision) {
	w.Result.Outcome = result.Planned
	switch d.Action {
	case reconcile.None:
		w.Result.Outcome = result.Unchanged
	case reconcile.Adopt:
		w.Result.Planned = result.Adopted
	case reconcile.Post:
		w.Result.Planned = result.CreatedAdvoware
	case reconcile.Park:
		w.Result.Planned = result.ConflictWaits
		if w.Memory.Parked != nil && w.Memory.Parked.Fingerprint == w.Contents() {
			w.Result.Outcome, w.Result.Planned = result.ConflictWaits, ""
		}
	case reconcile.Missing:
		w.Result.Planned = result.Failed
		if how := w.e.cfg.OnMissingInAdvoware; how == MissingUnlink {
			w.Result.Planned = result.Skipped
		} else if how == MissingRecreate {
			w.Result.Planned = result.CreatedAdvoware
		}
	case reconcile.Write:
		d = w.foresee(d)
		w.Did.WroteAdvo, w.Did.WroteEspo = len(d.ToAdvo) > 0, session.CountReal(w.Mapping, d.ToEspo) > 0
		w.Result.Planned = w.Outcome()
		w.Result.Waits = d.Waits
	}
	w.Result.Fields = d.Fields(true)
}

// foresee adds what belongs to EspoCRM once Advoware holds the new values:
// computed fields are computed from those.
func (w *work) foresee(d reconcile.Decision) reconcile.Decision {
	if len(d.ToAdvo) == 0 {
		return d
	}
	obj, err := w.Overlay(w.Advo.Object, d.ToAdvo)
	if err != nil {
		return d
	}
	next, err := sides.ReadAdvo(w.Mapping, w.Advo.ID, obj)
	if err != nil {
		return d
	}
	shown, now := *w.Session, *w
	now.Session = &shown
	now.Advo = next
	now.Base = sides.Clone(w.Base)
	for key, v := range d.ToAdvo {
		now.SetBase(now.Base, key, record.Pair{Espo: w.Espo.View.Values[key], Advo: v})
	}
	again := reconcile.Decide(now.input())
	d.ToEspo = again.ToEspo
	var kept []reconcile.Change
	for _, c := range d.Changes {
		if _, computed := again.ToEspo[c.Field.Key]; c.Target == record.EspoCRM && !computed {
			continue
		}
		kept = append(kept, c)
	}
	for _, c := range again.Changes {
		if !hasField(kept, c.Field.Key) {
			kept = append(kept, c)
		}
	}
	d.Changes = kept
	return d
}

func hasField(cs []reconcile.Change, key string) bool {
	for _, c := range cs {
		if c.Field.Key == key {
			return true
		}
	}
	return false
}

// planGone is goneFromEspo without its writes.
func (w *work) planGone(ctx context.Context) error {
	if _, err := w.gone(ctx); err != nil {
		return err
	}
	if w.Result.Outcome == result.Planned {
		w.Result.Planned = result.UpdatedAdvoware
		w.Result.Reason.Text += " The record in Advoware would be deleted."
	}
	return nil
}

// mergeFields adds the fields that a later decision of the same sync brought.
func mergeFields(have, more []result.Field) []result.Field {
	for _, f := range more {
		i := slices.IndexFunc(have, func(h result.Field) bool { return h.Espocrm == f.Espocrm && h.Advoware == f.Advoware })
		if i < 0 {
			have = append(have, f)
		} else if have[i].Overruled == "" {
			have[i].Overruled = f.Overruled
		}
	}
	return have
}
