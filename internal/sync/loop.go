package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// maxRounds bounds how often one sync decides anew because somebody edited the
// record meanwhile.
const maxRounds = 4

// errKeepsMoving ends an attempt that met a new edit in every round.
var errKeepsMoving = errors.New("the record kept changing while it was synced")

// sync reads, recovers, decides and writes, until the record is in step or the
// rounds are used up. The order is that of docs/architecture.md, "How one record is synced".
func (w *work) sync(ctx context.Context) error {
	if err := w.Read(ctx); err != nil {
		return err
	}
	if w.Espo == nil {
		return w.goneFromEspo(ctx)
	}
	if w.req.Action == ActionDelete {
		return w.stillThere()
	}
	if doubt, err := w.recoverFirst(ctx); err != nil {
		return err
	} else if doubt != "" {
		return w.parkDoubtful(ctx, doubt)
	}
	if w.Espo == nil {
		return w.goneFromEspo(ctx)
	}
	w.Did.Attempt = 1
	return w.rounds(ctx)
}

// rounds decides and acts until the record is in step, waits, or has kept changing
// for too long.
func (w *work) rounds(ctx context.Context) error {
	for ; w.Did.Attempt <= maxRounds; w.Did.Attempt++ {
		done, err := w.round(ctx)
		if done || err != nil {
			return err
		}
	}
	return errKeepsMoving
}

// round is one pass over the record: read, decide, act. done: nothing is left
// to do. Not done, no error: somebody edited meanwhile, decide anew.
func (w *work) round(ctx context.Context) (done bool, err error) {
	marked, err := w.ReadAgain(ctx)
	if err != nil {
		return false, err
	}
	if w.Espo == nil {
		return true, w.goneFromEspo(ctx)
	}
	if w.AdvowareID() == 0 {
		return w.create(ctx)
	}
	marked, relinked, err := w.readBoth(ctx, marked)
	if err != nil || relinked {
		return false, err
	}
	if doubt, err := w.Doubtful(ctx); err != nil {
		return false, err
	} else if doubt != "" {
		return true, w.parkDoubtful(ctx, doubt)
	}
	if w.Did.LinkID != 0 && w.Advo != nil {
		return w.putLink(ctx)
	}
	d, err := w.judged(ctx)
	if err == nil && !marked {
		d, relinked, err = w.markWritten(ctx, d)
	}
	if err != nil || relinked {
		return false, err
	}
	return w.act(ctx, d)
}

// readBoth marks a record that was edited in EspoCRM, and reads Advoware. relinked: it is
// linked to another one, or to none, meanwhile.
func (w *work) readBoth(ctx context.Context, before bool) (marked, relinked bool, err error) {
	if err := w.CarriedOnce(ctx); err != nil {
		return before, false, err
	}
	number := w.AdvowareID()
	if marked, err = w.markEdited(ctx, before); err != nil || w.AdvowareID() != number {
		return marked, err == nil, err
	}
	return marked, false, w.ReadToDecide(ctx)
}

// act carries out one decision.
func (w *work) act(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	switch d.Action {
	case reconcile.None, reconcile.Adopt:
		if err := w.by.stuck.Fault(); err != nil {
			w.seenStuck()
			if w.Base != nil {
				w.Base = sides.Clone(w.Base)
				w.Base.Kind = d.AgreedKind
			}
			w.Knows.Baseless = false // what agrees is known from now on, though the record is not in step
			return false, err
		}
		if w.Did.WroteAdvo {
			return w.writeEspo(ctx, d)
		}
		return w.adopt(ctx, d)
	case reconcile.Park:
		return w.park(ctx, d)
	case reconcile.Missing:
		return w.missingInAdvoware(ctx)
	case reconcile.Write:
		if len(d.ToAdvo) == 0 {
			return w.writeEspo(ctx, d)
		}
		return w.writeAdvo(ctx, d)
	default:
		return false, fmt.Errorf("decision %q has no action here", d.Action)
	}
}

// writeAdvo sends values to Advoware, reads back, and decides again on what is
// there: what belongs to EspoCRM by then goes along in the final PUT.
func (w *work) writeAdvo(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	before := w.Advo
	if err := w.putAdvo(ctx, d); w.paused(err) {
		w.CloseWrites(record.Advoware, store.WriteNotDone)
		return false, nil
	} else if err != nil {
		return false, err
	}
	if err := w.ReadBack(ctx); err != nil {
		return false, err
	}
	if err := w.advance(d.ToAdvo, before, w.Advo); err != nil {
		if !w.by.stuck.Stick(w.SidesShown(), err, d.ToAdvo) {
			return false, err
		}
		if !w.tookSome(fault.As(err)) {
			w.Tells.Owed = nil // it has overruled nobody
		}
	}
	w.Arrived(record.Advoware, d, w.Advo.View.Values)
	w.CloseWrites(record.Advoware, store.WriteDone)
	w.Did.WroteAdvo, w.Did.Settled = true, true
	again, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if again.Action == reconcile.Write && len(again.ToAdvo) > 0 {
		return false, nil // a person wrote meanwhile: from marking anew
	}
	return w.act(ctx, again)
}

// putAdvo announces the write, then sends the whole object.
func (w *work) putAdvo(ctx context.Context, d reconcile.Decision) error {
	obj, err := w.Overlay(w.Advo.Object, d.ToAdvo)
	if err != nil {
		return err
	}
	if err := w.PingPong(record.Advoware, d); err != nil {
		return err
	}
	in := w.Announcement(record.Advoware, d)
	if err := w.announce(ctx, in, d); err != nil {
		return err
	}
	err = w.Send(ctx, func(ctx context.Context) error {
		return w.e.Advoware.Update(ctx, w.Mapping.UpdatePath(), strconv.FormatInt(w.Advo.ID, 10), w.Mapping.Sent(obj))
	})
	if f := fault.As(err); f != nil && f.Doubt {
		return w.Answered(w.afterDoubt(ctx, f))
	}
	return err
}

// announce stores, in one transaction, what is about to be written, the values that it
// replaces, and the base in force; what a dead run had announced is closed with it.
func (w *work) announce(ctx context.Context, in *store.Announcement, d reconcile.Decision) error {
	if !in.Makes {
		tell.Plan(w.History(), w.Mapping, in.Side, d, w.ViewOf(in.Side), w.Did.Attempt)
	}
	in.HistoryID, w.History().Outcome = w.History().ID, string(result.Planned) // also where an earlier write has ended
	next := w.Memory
	next.Open, next.WaitsSince = in, w.WaitsSince()
	if !in.Makes { // else the base is of the record that is gone, should it come back
		next.Base = w.InForce()
	}
	if w.Did.Settled { // what they tell has happened, whatever becomes of the next write
		next.Notes, w.Tells.HasTold = append(slices.Clone(next.Notes), w.Tells.Owed...), w.Tells.ToldOf
	}
	w.Tells.Owed, w.Tells.ToldOf, w.Did.Settled = nil, slices.Clone(w.Tells.HasTold), false
	if w.ClashesAnew(in.Side, d) {
		w.Tells.Owed = []store.Note{w.Note(w.Notes().Conflict(in.Side, d))}
	}
	in.Notes = w.Tells.Owed
	w.Knows.Recovered, w.Did.Fate = true, session.FateUnknown
	return w.Commit(ctx, next)
}

// writeEspo is the PUT to EspoCRM of what a decision sends there. Where both sides mean the
// same after it, rowId, status and time go along, and the sync ends. Where they do not, it
// tells neither a rowId nor clean, and its answer is the read that the next round decides
// on: an operator's values have still to go to Advoware, a clash waits, or a field is
// stuck. A stale version number means that somebody edited meanwhile: not done, decide anew.
func (w *work) writeEspo(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	if again, err := w.StaleRead(ctx, d); again || err != nil {
		return false, err
	}
	ends := !d.Typed && !d.Waits && !w.by.stuck.Any()
	p, planned, err := w.PlanEspo(d, ends)
	if err != nil {
		return false, err
	}
	if err := w.PingPong(record.EspoCRM, d); err != nil {
		return false, err
	}
	in := w.Announcement(record.EspoCRM, d)
	if ends {
		in.RowID = planned.RowID
	}
	if err := w.announce(ctx, in, d); err != nil {
		return false, err
	}
	began := w.e.Now()
	var o record.Object
	err = w.Send(ctx, func(ctx context.Context) (err error) {
		o, err = w.e.EspoCRM.Update(ctx, w.Mapping.EspoType(), w.Key.ID, p, w.Espo.Version)
		return err
	})
	switch {
	case fault.Is(err, fault.Modified):
		w.CloseWrites(record.EspoCRM, store.WriteNotDone)
		return false, w.StillOurs(ctx)
	case !d.Typed && w.refusedByName(err, d.ToEspo):
		w.CloseWrites(record.EspoCRM, store.WriteNotDone)
		return false, nil
	case err != nil:
		return false, err
	case ends:
		return true, w.settleFinal(ctx, d, p, planned, o)
	}
	return false, w.settleSome(ctx, d, planned, o, began)
}
