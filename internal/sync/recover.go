package sync

import (
	"context"

	"advosync/internal/fault"
	"advosync/internal/session"
	"advosync/internal/store"
)

// recover takes what a dead run announced and finds out what of it happened,
// with fresh reads of both sides, before anything is decided. Nothing is written
// here: the next announcement, or the end of this attempt, takes its place.
func (w *work) recover(ctx context.Context) error {
	in := w.Memory.Open
	if err := w.WaitForDeadline(ctx, in); err != nil || w.Espo == nil {
		return err
	}
	if !in.Makes && in.AdvowareID != 0 && in.AdvowareID != w.Espo.AdvowareID { // linked to another since
		w.Base, w.Memory.Parked = nil, nil
		return w.EndOpen(ctx)
	}
	if err := w.whatBecame(ctx, in); err != nil {
		return err
	}
	w.Knows.Recovered, w.Knows.Looked = true, in.Makes
	return nil
}

// whatBecame finds out what of an announced write happened.
func (w *work) whatBecame(ctx context.Context, in *store.Announcement) error {
	switch {
	case in.Removes: // the record is in EspoCRM again
		return w.CloseRun(ctx, in, session.BySide(store.WriteUnknown, store.WriteNotDone))
	case in.Makes:
		return w.recoverCreate(ctx, in)
	}
	if err := w.ReadAdvo(ctx); err != nil {
		return err
	}
	return w.Replay(ctx, in)
}

// recoverCreate finds the record that an interrupted create has made. What it finds is
// linked next.
func (w *work) recoverCreate(ctx context.Context, in *store.Announcement) error {
	w.Did.PrevID = in.PrevID
	id := w.Espo.AdvowareID
	switch linked := id != 0 && id != in.PrevID; {
	case linked && in.AdvowareID != id: // by hand, to another one or to what may be ours
		w.Base, w.Did.PrevID = nil, 0
		if in.AdvowareID != 0 {
			w.WarnLeftOver(in)
		}
		return w.CloseRun(ctx, in, session.BySide(store.WriteUnknown, store.WriteNotDone))
	case linked: // the link has arrived
		w.Did.PrevID = 0
		if err := w.ReadAdvo(ctx); err != nil {
			return err
		}
		if w.Advo != nil {
			w.BaseOfPosted(session.PostedValues(in), w.Advo)
		}
		return w.CloseRun(ctx, in, session.BySide(store.WriteDone, store.WriteDone))
	case in.AdvowareID != 0:
		s, err := w.GetAdvo(ctx, in.AdvowareID)
		if err == nil && w.WasThere(in, s) {
			if w.req.CreateAnyway { // an operator has looked: it is not ours
				break
			}
			return w.notOurs(ctx, in, in.AdvowareID)
		}
		if err == nil {
			if err := w.CarriedElsewhere(ctx, in.AdvowareID, nil); err != nil {
				return err
			}
			w.Did.LinkID = s.ID
			w.Owe(in)
			w.BaseOfPosted(session.PostedValues(in), s)
			return w.CloseRun(ctx, in, session.BySide(store.WriteDone, store.WriteNotDone))
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return w.lookForMade(ctx, in)
}

// lookForMade looks for what an interrupted create has made by what it sent.
func (w *work) lookForMade(ctx context.Context, in *store.Announcement) (err error) {
	w.Base = nil
	found, made := false, store.WriteUnknown
	if !w.req.CreateAnyway { // else the operator has looked; one that is known to have been made is gone
		found, err = w.Candidates(ctx, session.PostedValues(in), in.Match, in.Highest, "an earlier run's create was interrupted, and nobody knows whether it happened")
	}
	if err == nil && !found {
		err = w.CameBack(ctx, in.PrevID)
	}
	if err != nil {
		return err
	}
	if found {
		made = store.WriteDone
	}
	return w.CloseRun(ctx, in, session.BySide(made, store.WriteNotDone))
}
