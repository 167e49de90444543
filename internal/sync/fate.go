package sync

import (
	"context"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// fate is what the run that sent an announced write knows of it.
type fate int

const (
	fateUnknown fate = iota // not sent yet, or no answer told
	fateDone
	fateNotDone // not sent, or refused
)

// told keeps what a client says of the write that was announced: its fault
// without Doubt says that nothing was carried out.
func (w *work) told(err error) error {
	f := fault.As(err)
	switch {
	case err == nil:
		w.did.fate = fateDone
	case f != nil && !f.Doubt:
		w.did.fate = fateNotDone
	default:
		w.did.fate = fateUnknown
	}
	return err
}

// openLeft is the open announcement as this attempt leaves it to the next run. A write
// whose end is known lands no more, so nobody has to wait for it; a record that was made, or
// found by its values, has its number.
func (w *work) openLeft() *store.Announcement {
	in := w.mem.Open
	if in == nil {
		return nil
	}
	left := *in
	if w.did.fate != fateUnknown {
		left.Deadline = time.Time{}
	}
	if made := w.did.linkID; in.Makes && made != 0 && made != in.AdvowareID {
		left.AdvowareID, left.Highest = made, min(in.Highest, made-1) // found: it was there
	}
	return &left
}

// closeAnnounced ends the announcement of an attempt that a system's failure has
// ended. A write that was not carried out leaves everything as it was, so that
// the next run begins anew. One that was carried out stays announced, for the
// next run goes on from it.
func (w *work) closeAnnounced(ctx context.Context) {
	in := w.mem.Open
	if in == nil || w.did.fate == fateUnknown {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	next := w.mem
	next.Open = w.openLeft()
	if w.did.fate == fateNotDone {
		w.closeWrites(record.Advoware, store.WriteNotDone)
		w.closeWrites(record.EspoCRM, store.WriteNotDone)
		if !w.unlinkedYet(in) {
			next.Open = nil
		}
		if w.knows.learned || w.did.wroteAdvo {
			w.keepBase(&next)
		}
		if w.did.wroteAdvo {
			next.Notes = append(slices.Clone(next.Notes), w.tells.owed...)
		}
		e := w.history()
		e.Error, e.ErrorCode = w.res.Error.Message, w.res.Error.Code
		w.closeEntry(result.Failed)
	}
	if err := w.commit(ctx, next); err != nil {
		w.warn("what became of the write could not be remembered; the next run finds it out: %v", err)
	}
}

// unlinkedYet reports whether an announcement is all that knows a record of
// Advoware that was made for this one: it would be created twice.
func (w *work) unlinkedYet(in *store.Announcement) bool {
	made := in.AdvowareID
	if made == 0 {
		made = w.did.linkID // found by its values
	}
	return in.Makes && made != 0 && (w.espo == nil || w.espo.AdvowareID != made)
}
