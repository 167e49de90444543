package sync

import (
	"context"
	"errors"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
)

// waitsForAPerson reports whether somebody was asked about the conflict that both sides
// show still. Nobody has answered, so whoever was not sent by name leaves it to him, also
// where the policy is another one by now.
func (w *work) waitsForAPerson() bool {
	p := w.mem.Parked
	return p != nil && !p.Doubtful && w.espo.Status == record.StatusConflict && w.mem.Open == nil && p.Fingerprint == w.contents()
}

// firstContact is case 5: nothing was ever synced, so nobody asks who moved.
func (w *work) firstContact() bool {
	return w.espo.LastSync == "" && (w.base == nil || w.knows.baseless)
}

// marksFirst reports whether a record that is to be written is marked before.
func (w *work) marksFirst() bool { return w.e.cfg.MarkSyncing }

// judged is the decision of a round. The first one is held against what the pass has been
// allowed to do.
func (w *work) judged(ctx context.Context) (reconcile.Decision, error) {
	if w.req.Pass && w.lease != nil && w.waitsForAPerson() {
		w.by.policy = reconcile.Manual
	}
	d, err := w.decide(ctx)
	if err == nil && w.req.Judge != nil && w.did.attempt == 1 {
		err = w.req.Judge(d.Verdict)
	}
	return d, err
}

// carriedOnce fails where another record of EspoCRM carries the number, too.
func (w *work) carriedOnce(ctx context.Context) error {
	s, err := w.sharers(ctx)
	if err != nil || w.proven() {
		return errors.Join(err, s.double)
	}
	return nil
}

// markEdited marks a record that was edited in EspoCRM, before Advoware is read; marked:
// it is, and EspoCRM was read after it.
func (w *work) markEdited(ctx context.Context, marked bool) (bool, error) {
	if !marked && w.base != nil && w.marksFirst() && w.espo.Status != record.StatusConflict && sides.EspoMoved(w.m, w.base, &w.espo.View) {
		return true, w.mark(ctx)
	}
	return marked, nil
}

// markWritten marks a record that Advoware is to get something of, and decides on what
// both sides show after it.
func (w *work) markWritten(ctx context.Context, d reconcile.Decision) (reconcile.Decision, error) {
	if !w.marksFirst() || d.Action != reconcile.Write || len(d.ToAdvo) == 0 {
		return d, nil
	}
	if err := w.mark(ctx); err != nil {
		return d, err
	}
	if err := w.readToDecide(ctx); err != nil {
		return d, err
	}
	return w.decide(ctx)
}

// decide asks the pure function, and keeps what its verdict means for the
// result.
func (w *work) decide(ctx context.Context) (reconcile.Decision, error) {
	w.asMeant()
	in := w.input()
	if w.needsModifier() {
		byUs, err := w.e.Ours(ctx, w.did.priorStamp[1])
		if err != nil {
			return reconcile.Decision{}, err
		}
		in.ByUs = byUs
	}
	if len(w.req.Taken) > 0 {
		w.by.wishes = reconcile.Take(in, w.req.Taken)
		w.req.Taken, in.Wishes = nil, w.by.wishes
	}
	d, err := w.decided(in)
	if err != nil {
		return d, err
	}
	w.agree(d)
	for key := range d.ToEspo {
		if f, ok := w.m.Field(key); ok && f.Clear {
			w.knows.clearing = true
		}
	}
	w.tells.clashed = w.tells.clashed || d.Clash
	w.tell(d)
	return d, nil
}

func (w *work) input() reconcile.Input {
	in := reconcile.Input{Clearing: w.knows.clearing, Relinked: w.knows.relinked, Schema: w.m, Policy: w.by.policy, Base: sides.ForDecision(w.m, w.base), Wishes: w.by.wishes, Stuck: w.by.stuck.Keys(),
		Linked: w.advowareID() != 0, LinkKnown: w.mem.Base != nil}
	if w.knows.baseless {
		in.Base = nil
	}
	if w.espo != nil {
		in.Espo = &w.espo.View
		// Cases 8 and 9 take these from the last read before marking, which moves
		// all three.
		in.Status, in.ModifiedAt = w.did.prior, w.did.priorStamp[0]
		in.RowStored, in.LastSync = w.espo.RowID, w.espo.LastSync
	}
	if w.advo != nil {
		in.Advo, in.RowCurrent, in.AdvoChangedAt = &w.advo.View, w.advo.RowID, w.advo.ChangedAt
		if in.RowCurrent == "" {
			in.RowCurrent = in.RowStored
		}
	}
	return in
}

// needsModifier: only cases 8 and 9 ask who modified the record last, so only
// they pay for knowing who we are.
func (w *work) needsModifier() bool {
	if w.espo == nil || w.advo == nil || w.firstContact() || w.espo.RowID == w.advo.RowID && w.advo.RowID != "" {
		return false
	}
	return sides.Lacks(w.m, w.base, w.espo.View.Kind)
}

// tell keeps the first decision's verdict for the result; a conflict met later
// replaces it.
func (w *work) tell(d reconcile.Decision) {
	if w.res.Verdict == "" || w.res.Verdict == result.NoChange || d.Verdict == result.Conflict {
		w.res.Verdict, w.res.Reason = d.Verdict, d.Reason
		before := w.res.Fields
		if w.res.Fields = d.Fields(false); w.did.wroteAdvo || w.did.wroteEspo { // what came before has been carried out
			w.res.Fields = mergeFields(w.res.Fields, before)
		}
		return
	}
	w.res.Fields = mergeFields(w.res.Fields, d.Fields(false))
}
