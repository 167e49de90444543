package session

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/store"
)

// LinkedElsewhere is the failure of a record that somebody has linked to another one,
// while one was created or found for it.
func (s *Session) LinkedElsewhere() error {
	id := s.Espo.AdvowareID
	if s.Did.LinkID == 0 || id == 0 || id == s.Did.LinkID || id == s.Did.PrevID {
		return nil
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + s.What(),
		Message: fmt.Sprintf("was linked to Advoware %d meanwhile; record %d was created for it too", id, s.Did.LinkID),
		Hint:    fmt.Sprintf("look at both in Advoware and remove the one that is wrong; then %s", s.Hint("sync"))}
}

// StillOurs asks after a 409 whether memory and lock are as we left them.
func (s *Session) StillOurs(ctx context.Context) error {
	mem, err := s.Env.Store.Load(ctx, s.Key)
	if err != nil {
		return store.Fault("load what is remembered of "+s.What(), err)
	}
	if err := s.Lease.Check(); err != nil {
		return err
	}
	if mem.Rev == s.Memory.Rev {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: fault.LeaseLost, Owner: fault.OwnerSystem, Transient: true, Op: "sync " + s.What(),
		Message: "another process has worked on the record meanwhile", Hint: s.Hint("sync")}
}

// Clash500 explains EspoCRM's empty 500 for an advowareId that another record
// carries already: that is this record's failure, not the server's.
func (s *Session) Clash500(ctx context.Context, err error) error {
	if s.Did.LinkID == 0 || !fault.Is(err, fault.ServerError) {
		return err
	}
	if cerr := s.CarriedElsewhere(ctx, s.Did.LinkID, err); cerr != nil && fault.Is(cerr, fault.Duplicate) {
		s.Did.Fate = FateNotDone // the unique index has refused it
		return cerr
	}
	return err
}

// CarriedElsewhere is the failure of a record that is about to be linked to what
// another EspoCRM record carries.
func (s *Session) CarriedElsewhere(ctx context.Context, id int64, cause error) error {
	ids, err := s.Carriers(ctx, id)
	if err != nil || len(ids) == 0 {
		return err
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + s.What(), Field: record.FieldAdvowareID,
		Message: fmt.Sprintf("advowareId %d belongs to %s %s already", id, s.Key.Entity, strings.Join(ids, ", ")),
		Hint:    "remove the link from the record that is wrong, then " + s.Hint("sync"), Err: cause}
}

// Carriers are the other EspoCRM records that carry an Advoware id.
func (s *Session) Carriers(ctx context.Context, id int64) ([]string, error) {
	all, known, err := s.Given.Listed.carriers(id)
	if err != nil {
		return nil, err
	}
	if !known {
		return s.Env.Carriers(ctx, s.Mapping, id, s.Key.ID)
	}
	ids := slices.DeleteFunc(slices.Clone(all), func(other string) bool { return other == s.Key.ID })
	return ids[:min(len(ids), directory.MostNamed)], nil
}
