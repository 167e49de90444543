package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// Load reads the memory and the base that is still usable.
func (s *Session) Load(ctx context.Context) error {
	if s.Given.Memory != nil {
		s.Memory = *s.Given.Memory
	} else {
		mem, err := s.Env.Store.Load(ctx, s.Key)
		if err != nil {
			return store.Fault("load what is remembered of "+s.What(), err)
		}
		s.Memory = mem
	}
	if s.Given.Linked != 0 {
		s.Memory.Link = &store.Link{AdvowareID: s.Given.Linked}
	}
	s.Base = sides.Usable(s.Mapping, s.Memory.Base)
	if s.Memory.Lost {
		s.Warn("the store has lost what was remembered of this record; it is compared as if for the first time. Redis must not evict: advosync doctor")
	}
	if s.Memory.Hold != nil && !s.Given.EvenOnHold {
		return errOnHold
	}
	return nil
}

// Read loads what is remembered and reads EspoCRM. A record on hold ends it, unless the
// session was Given EvenOnHold.
func (s *Session) Read(ctx context.Context) error {
	if err := s.Load(ctx); err != nil {
		return err
	}
	return s.ReadEspo(ctx)
}

// ReadStatus is Read for an operation on the sync fields alone: a record whose contents
// the mapping cannot read can be repaired all the same.
func (s *Session) ReadStatus(ctx context.Context) error {
	err := s.Read(ctx)
	if s.Espo != nil && fault.Is(err, fault.MappingFail) {
		return nil
	}
	return err
}

// ReadAdvoware reads a record of Advoware, which need not be the linked one. One that is
// not there: fault.NotFound.
func (s *Session) ReadAdvoware(ctx context.Context, id int64) error {
	seen, err := s.GetAdvo(ctx, id)
	if err != nil {
		return err
	}
	s.Advo = seen
	s.Result.AdvowareID, s.Result.RowID.Current = &id, seen.RowID
	return nil
}

// InAdvoware reports whether a record of Advoware is there.
func (s *Session) InAdvoware(ctx context.Context, id int64) (bool, error) {
	_, err := s.GetAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// ReadEspo reads EspoCRM afresh; a record that is not there leaves
// s.Espo nil.
func (s *Session) ReadEspo(ctx context.Context) error {
	if s.Given.Fresh != nil { // read under the lock by the pass; good for once
		o := *s.Given.Fresh
		s.Given.Fresh = nil
		set := s.setRead
		if s.Did.OwnAnswer {
			set, s.Did.OwnAnswer = s.SetEspo, false
		}
		err := set(ctx, o, s.Given.FreshAt)
		if !s.Given.FreshAt.IsZero() {
			s.Espo.ReadAt = s.Given.FreshAt
		}
		return err
	}
	began := s.Env.Now()
	o, err := s.Env.EspoCRM.Get(ctx, s.Mapping.EspoType(), s.Key.ID)
	if fault.Is(err, fault.NotFound) {
		s.Espo = nil
		return nil
	}
	if err != nil {
		return s.hidden(err)
	}
	return s.setRead(ctx, o, began)
}

// ReadAgain reads EspoCRM for another round. marked: that read shows our own mark already.
func (s *Session) ReadAgain(ctx context.Context) (marked bool, err error) {
	if s.Did.Attempt <= 1 {
		return false, nil
	}
	marked = s.Did.Marked && s.Given.Fresh != nil
	return marked, s.ReadEspo(ctx)
}

// setRead takes a read of EspoCRM that is no answer to a PUT of mapped values.
func (s *Session) setRead(ctx context.Context, o record.Object, began time.Time) error {
	err := s.SetEspo(ctx, o, began)
	s.syncedSince()
	s.readAnswers()
	return err
}

// hidden explains a record that this store knows as linked, and that EspoCRM
// refuses to show: it exists, but not for the API user.
func (s *Session) hidden(err error) error {
	if !fault.Is(err, fault.Forbidden) || !fault.OwnedByRecord(err) || s.Memory.Base == nil {
		return err
	}
	f := *fault.As(err)
	f.Message = fmt.Sprintf("its rights hide the record from the API user, so it is not synced any more (linked to Advoware %d): %s", s.Memory.Base.AdvowareID, f.Message)
	f.Hint = "give the API user's role read and edit on all records of the type (advosync doctor), or delete the record in EspoCRM"
	f.Err = err
	return &f
}

// SetEspo takes a read of EspoCRM, or an answer that is one. began is when it was
// asked for; zero: now.
func (s *Session) SetEspo(ctx context.Context, o record.Object, began time.Time) error {
	now := s.Env.Now()
	if began.IsZero() {
		began = now
	}
	seen, err := sides.ReadEspo(s.Mapping, o, now)
	seen.AsOf = s.Env.serverAt(began, now)
	if s.Espo == nil && s.Did.Prior == "" {
		s.found(seen)
	}
	s.Espo = seen
	s.Result.Name, _ = o.Text(s.Mapping.Title())
	s.linkMoved()
	s.Result.RetryCount, s.Result.RowID.Stored, s.Result.Timestamps.LastSync = seen.Retries, seen.RowID, rfc3339(seen.LastSync)
	if id := s.AdvowareID(); id != 0 {
		s.Result.AdvowareID = &id
	}
	if oerr := s.seeOrigin(ctx); oerr != nil && err == nil {
		err = oerr
	}
	return err
}

// found keeps what EspoCRM shows before this sync has written anything there.
func (s *Session) found(seen *sides.Espo) {
	s.Did.Prior, s.Did.PriorStamp = seen.Status, [2]string{seen.ModifiedAt, seen.ModifiedBy}
	s.Result.Status, s.Result.Timestamps.ModifiedAt = seen.Status, rfc3339(seen.ModifiedAt)
}

// linkMoved drops what is known of another Advoware record than the one that
// EspoCRM names: somebody has changed the link by hand, a backup has brought the
// old one back, or a `link --force` ended before the memory followed. It tells
// nothing of this one.
func (s *Session) linkMoved() {
	id := s.Espo.AdvowareID
	if b := s.Base; b != nil && b.AdvowareID != 0 && s.Did.LinkID == 0 && id != 0 && id != s.Did.PrevID && id != b.AdvowareID {
		s.Base, s.Knows.Baseless, s.Knows.Relinked = nil, false, true
		if p := s.Memory.Parked; p != nil && p.AdvowareID != id && !p.Doubtful { // which number was asked about is still to be told
			s.Memory.Parked = nil
		}
	}
}

// ReadAdvo reads Advoware afresh; a record that is not there leaves
// s.Advo nil.
func (s *Session) ReadAdvo(ctx context.Context) error {
	id := s.AdvowareID()
	seen, err := s.GetAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		s.Advo = nil
		return nil
	}
	if err != nil {
		return err
	}
	s.Advo = seen
	s.AsMeant()
	s.Result.AdvowareID = &id
	s.Result.RowID.Current = seen.RowID
	return nil
}

// GetAdvo reads one record of Advoware; the session goes on as it was. One that is not
// there: fault.NotFound.
func (s *Session) GetAdvo(ctx context.Context, id int64) (*sides.Advo, error) {
	o, known := s.Given.Listed.advo(id)
	if !known {
		var err error
		if o, err = s.Env.Advoware.Get(ctx, s.Mapping.ReadPath(), strconv.FormatInt(id, 10)); err != nil {
			return nil, err
		}
	}
	if err := directory.IsNumber(s.Mapping, id, o, "read "+s.What()); err != nil {
		return nil, err
	}
	return sides.ReadAdvo(s.Mapping, id, o)
}

// ReadToDecide reads Advoware for a decision that a PUT may rest on: between the
// two nothing but the local store may lie. So where no base can decide, who we
// are in EspoCRM is asked before; once in a process.
func (s *Session) ReadToDecide(ctx context.Context) error {
	if !s.FirstContact() && sides.Lacks(s.Mapping, s.Base, s.Espo.View.Kind) {
		if _, err := s.Env.Ours(ctx, ""); err != nil {
			return err
		}
	}
	if _, err := s.sharers(ctx); err != nil {
		return err
	}
	if s.Mapping.NamesUsers() {
		s.Env.MeetUsers(ctx)
	}
	if s.Lease != nil { // its context ends a moment later than the lease
		if err := s.Lease.Check(); err != nil {
			return err
		}
	}
	return s.ReadAdvo(ctx)
}

// ReadBack learns the new rowId and what Advoware made of the values.
func (s *Session) ReadBack(ctx context.Context) error {
	id := s.AdvowareID()
	seen, err := s.GetAdvo(ctx, id)
	if err == nil {
		err = s.unread(seen)
	}
	if fault.Is(err, fault.NotFound) {
		return &fault.Error{System: fault.Advoware, Code: fault.Uncertain, Owner: fault.OwnerSystem, Transient: true, Op: "read back " + s.What(),
			Message: fmt.Sprintf("record %d was written, but is not there when read back", id), Hint: s.Hint("check"), Err: err}
	}
	if err != nil {
		return s.Unread(fault.Advoware, err)
	}
	s.Advo = seen
	s.Result.RowID.After = seen.RowID
	return nil
}

// unread is why a read does not show what became of the write that is announced.
func (s *Session) unread(seen *sides.Advo) error {
	for _, key := range slices.Sorted(maps.Keys(seen.View.Broken)) {
		if _, written := s.Memory.Open.Fields[key]; written {
			return seen.View.Broken[key]
		}
	}
	return nil
}

// StaleRead guards a type without optimistic concurrency: mapped values resting
// on a read older than a second are sent only after another look.
func (s *Session) StaleRead(ctx context.Context, d reconcile.Decision) (again bool, err error) {
	if s.Espo.Version != nil || len(d.ToEspo) == 0 || s.Env.Now().Sub(s.Espo.ReadAt) <= time.Second {
		return false, nil
	}
	old := s.Espo
	if err := s.ReadEspo(ctx); err != nil || s.Espo == nil || s.Espo.AdvowareID != old.AdvowareID {
		return true, err
	}
	for key, v := range old.View.Values {
		if s.Espo.View.Values[key] != v {
			return true, nil
		}
	}
	return false, nil
}

// Mark sets the status syncing; its answer is a fresh read, and what is decided
// on from here.
func (s *Session) Mark(ctx context.Context) error {
	s.Did.Marked = true // also where the answer gets lost: better unmarked once too often
	began := s.Env.Now()
	o, err := s.PutEspo(ctx, StatusPatch(record.StatusSyncing), nil)
	if err != nil {
		return err
	}
	if err := s.setRead(ctx, o, began); err != nil {
		return err
	}
	if s.Espo.Status != record.StatusSyncing {
		return s.notAcceptedField(record.FieldStatus)
	}
	return nil
}

// rfc3339 shows EspoCRM's stamp the way results do; "" stays "".
func rfc3339(stamp string) string {
	t, err := time.Parse(record.StampLayout, stamp)
	if err != nil {
		return stamp
	}
	return t.Format(time.RFC3339)
}

// serverAt is EspoCRM's time at a moment of ours, in its format and never too
// late: its newest answer came at the latest now. "" before the first answer.
func (e *Env) serverAt(began, now time.Time) string {
	server := e.EspoCRM.ServerTime()
	if server.IsZero() || now.Before(began) {
		return ""
	}
	return server.Add(began.Sub(now)).UTC().Format(record.StampLayout)
}
