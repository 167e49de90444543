package session

import (
	"context"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Fate is what the run that sent an announced write knows of it.
type Fate int

// The fates of a write.
const (
	FateUnknown Fate = iota // not sent yet, or no answer told
	FateDone
	FateNotDone // not sent, or refused
)

// Send carries out the write that is announced: under the lease, given up when its
// deadline rests on it, and what the client says of it is kept.
func (s *Session) Send(ctx context.Context, do func(context.Context) error) error {
	if err := s.Lease.Check(); err != nil {
		return err
	}
	ctx, cancel := s.until(ctx, s.Memory.Open.Deadline.Add(-s.Env.cfg.LateWrite))
	defer cancel()
	return s.Answered(do(ctx))
}

// Answered keeps what a client says of the write that was announced: its fault
// without Doubt says that nothing was carried out.
func (s *Session) Answered(err error) error {
	f := fault.As(err)
	switch {
	case err == nil:
		s.Did.Fate = FateDone
	case f != nil && !f.Doubt:
		s.Did.Fate = FateNotDone
	default:
		s.Did.Fate = FateUnknown
	}
	return err
}

// OpenLeft is the open announcement as this attempt leaves it to the next run. A write
// whose end is known lands no more, so nobody has to wait for it; a record that was made, or
// found by its values, has its number.
func (s *Session) OpenLeft() *store.Announcement {
	in := s.Memory.Open
	if in == nil {
		return nil
	}
	left := *in
	if s.Did.Fate != FateUnknown {
		left.Deadline = time.Time{}
	}
	if made := s.Did.LinkID; in.Makes && made != 0 && made != in.AdvowareID {
		left.AdvowareID, left.Highest = made, min(in.Highest, made-1) // found: it was there
	}
	return &left
}

// CloseAnnounced ends the announcement of an attempt that a system's failure has
// ended. A write that was not carried out leaves everything as it was, so that
// the next run begins anew. One that was carried out stays announced, for the
// next run goes on from it.
func (s *Session) CloseAnnounced(ctx context.Context) {
	in := s.Memory.Open
	if in == nil || s.Did.Fate == FateUnknown {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CleanUpTime)
	defer cancel()
	next := s.Memory
	next.Open = s.OpenLeft()
	if s.Did.Fate == FateNotDone {
		s.CloseWrites(record.Advoware, store.WriteNotDone)
		s.CloseWrites(record.EspoCRM, store.WriteNotDone)
		if !s.UnlinkedYet(in) {
			next.Open = nil
		}
		if s.Knows.Learned || s.Did.WroteAdvo {
			s.KeepBase(&next)
		}
		e := s.History()
		e.Error, e.ErrorCode = s.Result.Error.Message, s.Result.Error.Code
		s.CloseEntry(result.Failed)
	}
	if err := s.Commit(ctx, next); err != nil {
		s.Warn("what became of the write could not be remembered; the next run finds it out: %v", err)
	}
}

// UnlinkedYet reports whether an announcement is all that knows a record of
// Advoware that was made for this one: it would be created twice.
func (s *Session) UnlinkedYet(in *store.Announcement) bool {
	made := in.AdvowareID
	if made == 0 {
		made = s.Did.LinkID // found by its values
	}
	return in.Makes && made != 0 && (s.Espo == nil || s.Espo.AdvowareID != made)
}

// CleanUpTime bounds what is done for a record after its own context has ended.
const CleanUpTime = 10 * time.Second
