package session

import (
	"context"
	"slices"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// Announcement describes a write before it is sent, so that a later run can tell
// whether it happened.
func (s *Session) Announcement(side record.Side, d reconcile.Decision) *store.Announcement {
	in := &store.Announcement{Side: side, AdvowareID: s.AdvowareID(), PrevID: s.Did.PrevID, RowBefore: s.Espo.RowID, Run: s.Env.cfg.Run,
		At: s.Env.Now(), Deadline: s.Deadline(), Fields: map[string]store.Announced{}}
	for key, v := range d.To(side) {
		if _, ok := s.Mapping.Field(key); ok {
			in.Fields[key] = store.Announced{Shown: s.shown(key), Target: v}
		}
	}
	if kinds := s.Kinds(); d.Kind != "" && kinds.On(side) != record.Of(d.Kind) && kinds.On(side.Other()) == record.Of(d.Kind) {
		in.Fields[reconcile.KindKey] = store.Announced{Shown: kinds, Target: record.Of(d.Kind)}
	}
	return in
}

// shown is what both sides hold of a field.
func (s *Session) shown(key string) record.Pair {
	p := record.Pair{Espo: s.Espo.View.Values[key]}
	if s.Advo != nil {
		p.Advo = s.Advo.View.Values[key]
	}
	return p
}

// Kinds is what kind each side is of; absent halves where there are none.
func (s *Session) Kinds() (p record.Pair) {
	if k := s.Espo.View.Kind; k != "" {
		p.Espo = record.Of(k)
	}
	if s.Advo != nil && s.Advo.View.Kind != "" {
		p.Advo = record.Of(s.Advo.View.Kind)
	}
	return p
}

// ClashesAnew reports whether an edit gives way to a write to the side, of which this run
// has not told yet.
func (s *Session) ClashesAnew(side record.Side, d reconcile.Decision) (anew bool) {
	for _, c := range d.Changes {
		if c.Overruled() != side || !d.Clash {
			continue
		}
		anew = anew || !slices.Contains(s.Tells.ToldOf, c.Field.Key)
		s.Tells.ToldOf = append(s.Tells.ToldOf, c.Field.Key)
	}
	return anew
}

// InForce is the working base as the store keeps it beside an announcement: true
// whatever becomes of the write. A first contact stays one until it succeeds.
func (s *Session) InForce() *store.Base {
	if s.Base == nil || s.Knows.Baseless {
		return nil
	}
	b := sides.Clone(s.Base)
	b.Mapping, b.AdvowareID, b.StoredAt = s.Mapping.Fingerprint(), s.AdvowareID(), s.Env.Now()
	if s.Did.WroteAdvo || s.Did.Created {
		b.RowID = "" // EspoCRM has not been told of the new one
	}
	return b
}

// Commit writes memory and history in one transaction, and keeps in mind what
// stands in the store now.
func (s *Session) Commit(ctx context.Context, next store.Memory) error {
	if s.Did.LinkID != 0 && (next.Link == nil || next.Link.AdvowareID != s.Did.LinkID) {
		next.Link = &store.Link{AdvowareID: s.Did.LinkID}
	}
	c := store.Commit{Key: s.Key, Lease: s.Lease.Handle(), Memory: &next, History: s.Tells.Closing}
	if s.Tells.Entry != nil {
		c.History = append(slices.Clone(c.History), *s.Tells.Entry)
	}
	rev, err := s.Env.Store.Commit(ctx, c)
	if err != nil {
		return store.Fault("remember "+s.What(), err)
	}
	next.Rev, next.Lost = rev, false
	s.Memory, s.Tells.Closing = next, nil
	return nil
}

// Deadline is when a write that starts now can no longer land: recovery relies on
// it.
func (s *Session) Deadline() time.Time {
	d := s.Env.Now().Add(s.Env.cfg.WriteTimeout)
	if until := s.Lease.Until(); until.Before(d) {
		d = until
	}
	return d.Add(s.Env.cfg.LateWrite)
}

// until bounds ctx by a moment of our wall clock, which need not be the one that
// timers run on.
func (s *Session) until(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, t.Sub(s.Env.Now()))
}
