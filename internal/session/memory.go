package session

import (
	"context"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// InStep is the memory of a record both sides of which mean the same.
func (s *Session) InStep(base *store.Base) store.Memory {
	next := s.Memory
	next.Base, next.Open, next.Parked, next.Failure, next.Pending = base, nil, nil, nil, ""
	next.CheckedAt, next.WaitsSince = s.Env.Now(), time.Time{}
	if next.Link != nil && base != nil && next.Link.AdvowareID != base.AdvowareID {
		next.Link = nil // of a number that it had before
	}
	return next
}

// KeepBase stores the working base, which is true whatever failed after it, also of
// a record that is gone from EspoCRM meanwhile. A first contact stays one until it
// succeeds, and what EspoCRM is not linked to yet has no base.
func (s *Session) KeepBase(next *store.Memory) {
	if s.Base == nil || s.Did.LinkID != 0 || s.AdvowareID() == 0 {
		return
	}
	if s.Espo != nil && s.FirstContact() {
		next.Base = nil
		return
	}
	b := sides.Clone(s.Base)
	b.Mapping, b.AdvowareID, b.StoredAt = s.Mapping.Fingerprint(), s.AdvowareID(), s.Env.Now()
	if b.RowID = ""; s.Espo != nil { // EspoCRM is not told of another one than it carries
		b.RowID = s.Espo.RowID
	}
	if b.LastSync == "" && s.Memory.Base != nil {
		b.LastSync = s.Memory.Base.LastSync
	}
	next.Base = b
}

// WaitsSince is when the oldest edit was made that this attempt leaves unsynced:
// what EspoCRM showed before this tool wrote there. An edit that was made in
// Advoware alone has no stamp and counts from when it was seen.
func (s *Session) WaitsSince() time.Time {
	if since := s.Memory.WaitsSince; !since.IsZero() && since.Sub(s.Env.Now()) <= clockSlack {
		return since
	}
	if s.Did.Prior == record.StatusClean && s.Espo != nil && sides.EspoIsBase(s.Mapping, s.Memory.Base, &s.Espo.View) {
		return s.Env.Now().UTC()
	}
	t, err := time.Parse(record.StampLayout, s.Did.PriorStamp[0])
	if err != nil {
		return s.Env.Now().UTC()
	}
	return t
}

// KeepWaitsSince remembers the moment of an edit that marking has made
// invisible, and nothing else: what this attempt planned did not happen.
func (s *Session) KeepWaitsSince(ctx context.Context) {
	next := s.Memory
	if !next.WaitsSince.IsZero() {
		return
	}
	next.WaitsSince = s.WaitsSince()
	rev, err := s.Env.Store.Commit(ctx, store.Commit{Key: s.Key, Lease: s.Lease.Handle(), Memory: &next})
	if err != nil {
		s.Warn("since when the edit waits could not be remembered: %v", err)
		return
	}
	next.Rev, s.Memory = rev, next
}

// FirstContact is case 5: nothing was ever synced, so nobody asks who moved.
func (s *Session) FirstContact() bool {
	return s.Espo.LastSync == "" && (s.Base == nil || s.Knows.Baseless)
}

// WaitsForAPerson reports whether somebody was asked about the conflict that both sides
// show still. Nobody has answered, so whoever was not sent by name leaves it to him, also
// where the policy is another one by now.
func (s *Session) WaitsForAPerson() bool {
	p := s.Memory.Parked
	return p != nil && !p.Doubtful && s.Espo.Status == record.StatusConflict && s.Memory.Open == nil && p.Fingerprint == s.Contents()
}

// StillAsked reports whether both sides hold what somebody was asked about: what was
// parked and, where it was shown to him since, what was shown; "": it was not. Else he
// is asked anew, and that is said.
func (s *Session) StillAsked(shown string) bool {
	if p := s.Memory.Parked; s.Advo != nil && p != nil && p.Fingerprint == s.Contents() && (shown == "" || shown == p.Fingerprint) {
		return true
	}
	s.Warn("the contents have changed since the conflict was parked or shown: it is compared anew, and what still clashes has to be decided again")
	return false
}

// NoConflict reports whether nobody was asked about the record, and says so.
func (s *Session) NoConflict() bool {
	if s.Memory.Parked != nil || s.Espo.Status == record.StatusConflict {
		return false
	}
	s.Skip("no_conflict", "No conflict of this record waits for a decision.")
	return true
}

// Contents is the fingerprint of what both sides hold now, EspoCRM's half first.
func (s *Session) Contents() string {
	return sides.Contents(s.Mapping, s.espoView()) + ":" + sides.Contents(s.Mapping, s.advoView())
}

// SetBase stores one field's pair.
func (s *Session) SetBase(b *store.Base, key string, p record.Pair) { sides.Set(s.Mapping, b, key, p) }

// Drop forgets the record, keeping its history.
func (s *Session) Drop(ctx context.Context) error {
	c := store.Commit{Key: s.Key, Lease: s.Lease.Handle(), Rev: s.Memory.Rev, History: s.Tells.Closing}
	if s.Tells.Entry != nil {
		c.History = append(c.History, *s.Tells.Entry)
	}
	if _, err := s.Env.Store.Commit(ctx, c); err != nil {
		return store.Fault("forget "+s.What(), err)
	}
	s.Memory = store.Memory{}
	return nil
}

// Agree takes the fields whose contents agree into the working base at the
// decision: exactly the two values compared.
func (s *Session) Agree(d reconcile.Decision) {
	if len(d.Agreed) == 0 {
		return
	}
	s.Knows.Baseless = s.Knows.Baseless || s.Base == nil
	s.Base = sides.Clone(s.Base)
	for key, p := range d.Agreed {
		s.SetBase(s.Base, key, p)
	}
}
