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
		w.Owe(in)
		advo, espo := w.LeftStates(in)
		w.CloseRun(ctx, in, session.BySide(advo, espo))
		w.Knows.Recovered = true
		return w.Tells.CloseErr
	}
	if in.Removes { // the record is in EspoCRM again
		w.CloseRun(ctx, in, session.BySide(store.WriteUnknown, store.WriteNotDone))
		w.Knows.Recovered = true
		return w.Tells.CloseErr
	}
	if in.Makes {
		if err := w.recoverCreate(ctx, in); err != nil {
			return err
		}
		w.Knows.Looked = true
		w.Knows.Recovered = true
		return w.Tells.CloseErr
	}
	if err := w.ReadAdvo(ctx); err != nil {
		return err
	}
	w.Replay(ctx, in)
	w.Knows.Recovered = true
	return w.Tells.CloseErr
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
		w.CloseRun(ctx, in, session.BySide(store.WriteUnknown, store.WriteNotDone))
		return nil
	case linked: // the link has arrived
		w.Did.PrevID = 0
		if err := w.ReadAdvo(ctx); err != nil {
			return err
		}
		if w.CloseRun(ctx, in, session.BySide(store.WriteDone, store.WriteDone)); w.Advo != nil {
			w.BaseOfPosted(session.PostedValues(in), w.Advo)
		}
		return nil
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
			w.CloseRun(ctx, in, session.BySide(store.WriteDone, store.WriteNotDone))
			w.BaseOfPosted(session.PostedValues(in), s)
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
	w.Base = nil
	found := false
	if !w.req.CreateAnyway { // else the operator has looked; one that is known to have been made is gone
		var err error
		found, err = w.Candidates(ctx, session.PostedValues(in), in.Match, in.Highest, "an earlier run's create was interrupted, and nobody knows whether it happened")
		if err != nil {
			return err
		}
	}
	if found {
		w.CloseRun(ctx, in, session.BySide(store.WriteDone, store.WriteNotDone))
		return nil
	}
	w.CloseRun(ctx, in, session.BySide(store.WriteUnknown, store.WriteNotDone))
	return w.CameBack(ctx, in.PrevID)
}
