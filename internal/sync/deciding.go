package sync

import (
	"context"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
)

// marksFirst reports whether a record that is to be written is marked before.
func (w *work) marksFirst() bool { return w.e.cfg.MarkSyncing }

// judged is the decision of a round. The first one is held against what the pass has been
// allowed to do.
func (w *work) judged(ctx context.Context) (reconcile.Decision, error) {
	if w.Given.Pass && w.WaitsForAPerson() {
		w.by.policy = reconcile.Manual
	}
	d, err := w.decide(ctx)
	if err == nil && w.req.Judge != nil && w.Did.Attempt == 1 {
		err = w.req.Judge(d.Verdict)
	}
	return d, err
}

// markEdited marks a record that was edited in EspoCRM, before Advoware is read; marked:
// it is, and EspoCRM was read after it.
func (w *work) markEdited(ctx context.Context, marked bool) (bool, error) {
	if !marked && w.Base != nil && w.marksFirst() && w.Espo.Status != record.StatusConflict && sides.EspoMoved(w.Mapping, w.Base, &w.Espo.View) {
		return true, w.Mark(ctx)
	}
	return marked, nil
}

// markWritten marks a record that Advoware is to get something of, and decides on what
// both sides show after it.
func (w *work) markWritten(ctx context.Context, d reconcile.Decision) (_ reconcile.Decision, relinked bool, err error) {
	if !w.marksFirst() || d.Action != reconcile.Write || len(d.ToAdvo) == 0 {
		return d, false, nil
	}
	number := w.AdvowareID()
	if err := w.Mark(ctx); err != nil || w.AdvowareID() != number {
		return d, err == nil, err
	}
	if err := w.ReadToDecide(ctx); err != nil {
		return d, false, err
	}
	d, err = w.decide(ctx)
	return d, false, err
}

// decide asks the pure function, and keeps what its verdict means for the
// result.
func (w *work) decide(ctx context.Context) (reconcile.Decision, error) {
	w.AsMeant()
	in := w.input()
	if w.needsModifier() {
		byUs, err := w.e.Ours(ctx, w.Did.PriorStamp[1])
		if err != nil {
			return reconcile.Decision{}, err
		}
		in.ByUs = byUs
	}
	if len(w.req.Taken) > 0 && w.StillAsked("") {
		w.by.wishes = reconcile.Take(in, w.req.Taken)
		w.req.Taken, in.Wishes = nil, w.by.wishes
	}
	d, err := w.decided(in)
	if err != nil {
		return d, err
	}
	w.Agree(d)
	for key := range d.ToEspo {
		if f, ok := w.Mapping.Field(key); ok && f.Clear {
			w.Knows.Clearing = true
		}
	}
	w.Tells.Clashed = w.Tells.Clashed || d.Clash
	w.tell(d)
	return d, nil
}

func (w *work) input() reconcile.Input {
	in := reconcile.Input{Clearing: w.Knows.Clearing, Relinked: w.Knows.Relinked, Schema: w.Mapping, Policy: w.by.policy, Base: sides.ForDecision(w.Mapping, w.Base), Wishes: w.by.wishes, Stuck: w.by.stuck.Keys(),
		Linked: w.AdvowareID() != 0, LinkKnown: w.Memory.Base != nil}
	if w.Knows.Baseless {
		in.Base = nil
	}
	if w.Espo != nil {
		in.Espo = &w.Espo.View
		// Cases 8 and 9 take these from the last read before marking, which moves
		// all three.
		in.Status, in.ModifiedAt = w.Did.Prior, w.Did.PriorStamp[0]
		in.RowStored, in.LastSync = w.Espo.RowID, w.Espo.LastSync
	}
	if w.Advo != nil {
		in.Advo, in.RowCurrent, in.AdvoChangedAt = &w.Advo.View, w.Advo.RowID, w.Advo.ChangedAt
		if in.RowCurrent == "" {
			in.RowCurrent = in.RowStored
		}
	}
	return in
}

// needsModifier: only cases 8 and 9 ask who modified the record last, so only
// they pay for knowing who we are.
func (w *work) needsModifier() bool {
	if w.Espo == nil || w.Advo == nil || w.FirstContact() || w.Espo.RowID == w.Advo.RowID && w.Advo.RowID != "" {
		return false
	}
	return sides.Lacks(w.Mapping, w.Base, w.Espo.View.Kind)
}

// tell keeps the first decision's verdict for the result; a conflict met later
// replaces it. What an operator has decided is told as it was at first: a later round
// knows only what of it is still to be written.
func (w *work) tell(d reconcile.Decision) {
	if w.Result.Verdict == "" || w.Result.Verdict == result.NoChange || d.Verdict == result.Conflict {
		if d.Reason.Code != reconcile.ReasonDecided || w.Result.Reason.Code != reconcile.ReasonDecided {
			w.Result.Reason = d.Reason
		}
		w.Result.Verdict = d.Verdict
		before := w.Result.Fields
		if w.Result.Fields = d.Fields(false); w.Did.WroteAdvo || w.Did.WroteEspo { // what came before has been carried out
			w.Result.Fields = mergeFields(w.Result.Fields, before)
		}
		return
	}
	w.Result.Fields = mergeFields(w.Result.Fields, d.Fields(false))
}
