package session

import (
	"context"

	"advosync/internal/record"
	"advosync/internal/store"
)

// seeOrigin fixes what the store can know of earlier POSTs of a record that is
// not linked, when it first sees it. Whatever fails later does not change it;
// only another server in the store's place makes it see the record anew, and one
// that does not say which it is may be another.
func (s *Session) seeOrigin(ctx context.Context) error {
	server, later, err := s.Env.Server(ctx)
	if s.Espo.AdvowareID != 0 {
		return nil
	}
	if err != nil {
		return store.Fault("ask which server keeps the store", err)
	}
	if o := s.Memory.Origin; o != nil && o.Server == server {
		return nil
	}
	s.Memory.Origin = &store.Origin{New: s.newHere(ctx, later), At: s.Env.Now(), Server: server}
	s.Did.OriginDue = true
	return nil
}

// newHere reports whether nobody can have posted a record before: an operator has said
// so when it was there, it is younger than the store, or it carries a status that every
// POST would have moved on. later: another server kept the store before.
func (s *Session) newHere(ctx context.Context, later bool) bool {
	said := s.Env.SaidAllNew(ctx, s.Key.Entity)
	switch {
	case s.Memory.Lost:
		return false
	case !said.IsZero() && s.Espo.CreatedAt <= said.UTC().Format(record.StampLayout):
		return true
	case s.begunUnknown():
		return false
	case s.Env.OlderThan(ctx, s.Espo.CreatedAt):
		return true
	}
	return s.Env.cfg.MarkSyncing && !later && s.Memory.Base == nil && (s.Did.Prior == "" || s.Did.Prior == record.StatusPending)
}

// begunUnknown reports whether a run was at a record of which this store knows nothing:
// its status says so, and the store is an older copy, or not the only one. A formula may
// have said dirty, too: that counts where Advoware can be searched.
func (s *Session) begunUnknown() bool {
	switch s.Did.Prior {
	case record.StatusSyncing, record.StatusFailed, record.StatusPermanentlyFailed:
		return true
	case record.StatusDirty:
		return s.Mapping.List() != nil
	}
	return false
}

// KeepOrigin stores what seeOrigin has fixed, before the mark takes away the
// status that it may rest on. An announcement knows more.
func (s *Session) KeepOrigin(ctx context.Context) error {
	if !s.Did.OriginDue || s.Memory.Open != nil {
		return nil
	}
	if err := s.Commit(ctx, s.Memory); err != nil {
		return err
	}
	s.Did.OriginDue = false
	return nil
}

// IsNew reports whether a record can be posted without a look at what is in
// Advoware already.
func (s *Session) IsNew(ctx context.Context) bool {
	o := s.Memory.Origin
	return o != nil && (o.New || s.Env.SaidAllNew(ctx, s.Key.Entity).After(o.At))
}
