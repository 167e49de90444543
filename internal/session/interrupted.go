package session

import (
	"context"
	"math"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// WaitForDeadline waits while a late write may still land. A pass leaves the record to a
// later one; a named sync says so and waits, never longer than its own writes would have
// to be waited for.
func (s *Session) WaitForDeadline(ctx context.Context, in *store.Announcement) error {
	in, err := s.cutDeadline(ctx, in)
	if err != nil {
		return err
	}
	left := in.Deadline.Sub(s.Env.Now())
	if left <= 0 {
		return nil
	}
	if s.Given.Pass || left > s.Env.cfg.WriteTimeout+s.Env.cfg.LateWrite+time.Second {
		return &fault.Error{System: fault.Local, Code: fault.Uncertain, Owner: fault.OwnerRecord, Transient: true, Op: "recover " + s.What(),
			Message: "an interrupted run's last write may still land until " + in.Deadline.UTC().Format(time.RFC3339), Hint: s.Hint("sync")}
	}
	s.Env.Log.Warn("waiting until an interrupted run's last write can no longer land", "entity", s.Key.Entity, "id", s.Key.ID, "seconds", math.Ceil(left.Seconds()))
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return fault.Ended(ctx)
	}
	if err := s.ReadEspo(ctx); err != nil || s.Espo == nil {
		return err
	}
	s.found(s.Espo) // the read before the wait is stale, and so is who it says has saved last
	return nil
}

// cutDeadline shortens a deadline that a clock which was ahead has set: further
// away than now and the time that the write was given. The cut is stored, or every
// run would wait anew.
func (s *Session) cutDeadline(ctx context.Context, in *store.Announcement) (*store.Announcement, error) {
	now := s.Env.Now()
	given := in.Deadline.Sub(in.At)
	if in.At.Sub(now) <= clockSlack || given <= 0 {
		return in, nil
	}
	cut := *in
	cut.At, cut.Deadline = now, now.Add(given)
	if s.Lease == nil { // nothing is written
		return &cut, nil
	}
	next := s.Memory
	next.Open = &cut
	return &cut, s.Commit(ctx, next)
}

// Owe takes over the notifications that the dead run owed. What they tell has
// happened, or nobody will look whether it has, so they go with the memory from the
// next commit on.
func (s *Session) Owe(in *store.Announcement) {
	kept := *in
	kept.Notes = nil
	s.Memory.Open, s.Memory.Notes = &kept, append(slices.Clone(s.Memory.Notes), in.Notes...)
}

// CloseRun closes the dead run's history, with the next commit.
func (s *Session) CloseRun(ctx context.Context, in *store.Announcement, state func(store.Write) store.WriteState) error {
	if in.HistoryID == "" {
		return nil
	}
	err := s.Env.Store.Entries(ctx, store.HistoryFilter{Entity: s.Key.Entity, ID: s.Key.ID, Run: in.Run}, func(e store.Entry) error {
		if e.ID != in.HistoryID {
			return nil
		}
		tell.CloseDead(&e, state, s.ViewOf)
		s.Tells.Closing = append(s.Tells.Closing, e)
		return nil
	})
	if err != nil { // going on would replace the announcement, and the entry stayed planned for ever
		return store.Fault("close the history of "+s.What(), err)
	}
	return nil
}

// EndOpen says in the history what is known of an announced write that nobody looks after
// any more, and owes the notes that it owed; the next commit stores it.
func (s *Session) EndOpen(ctx context.Context) error {
	in := s.Memory.Open
	s.Owe(in)
	advo, espo := s.leftStates(in)
	s.Knows.Recovered = true
	return s.CloseRun(ctx, in, BySide(advo, espo))
}

// BySide is what is known of a run's writes, one word for each side.
func BySide(advo, espo store.WriteState) func(store.Write) store.WriteState {
	return func(wr store.Write) store.WriteState {
		if wr.Side == record.Advoware {
			return advo
		}
		return espo
	}
}

// leftStates is what is known of an interrupted run's writes where nobody looks
// after them any more.
func (s *Session) leftStates(in *store.Announcement) (advo, espo store.WriteState) {
	advo, espo = store.WriteUnknown, store.WriteNotDone
	if in.Side == record.EspoCRM {
		advo = store.WriteDone
	}
	if in.RowID != "" || s.Espo == nil { // gone: nothing there tells what happened
		espo = store.WriteUnknown
	}
	return advo, espo
}

// WarnLeftOver names what a create has made for a record that is linked to another
// one.
func (s *Session) WarnLeftOver(in *store.Announcement) {
	s.Warn("Advoware %d was created for this record and is linked to nothing now", in.AdvowareID)
}

// Before is the status to go back to. A new record stays one, unless something is
// announced of it: then it may be in Advoware, which a store that replaces this one
// has to be told by its status (newHere).
func (s *Session) Before() string {
	status := s.Did.Prior
	switch {
	case status == "" && s.Espo.AdvowareID == 0:
		status = record.StatusPending
	case status == "", status == record.StatusClean, status == record.StatusSyncing:
		status = record.StatusDirty
	}
	if status == record.StatusPending && s.Memory.Open != nil {
		return record.StatusDirty
	}
	return status
}
