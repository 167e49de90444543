package session

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// PostedValues are what a create has sent, its kind among them.
func PostedValues(in *store.Announcement) map[string]record.Value {
	out := make(map[string]record.Value, len(in.Fields))
	for key, f := range in.Fields {
		out[key] = f.Target
	}
	return out
}

// BaseOfPosted is the base of a record that was posted: what stands there where it is
// the posted value's own form; anything else may be a form that nobody knows, or an edit.
func (s *Session) BaseOfPosted(posted map[string]record.Value, seen *sides.Advo) {
	s.Base = sides.Clone(nil)
	if k, ok := posted[reconcile.KindKey]; ok {
		s.Base.Kind = record.Pair{Espo: k, Advo: k}
	}
	for key, v := range posted {
		r := seen.View.Values[key]
		p := record.Pair{Espo: v, Advo: r}
		switch {
		case r.IsAbsent():
			p.Advo = v
		case !s.OwnForm(key, v, r):
			p = record.Pair{Espo: record.Unknown(), Advo: record.Unknown()}
		}
		s.SetBase(s.Base, key, p)
	}
	s.Knows.Baseless = false
}

// WasThere reports whether a record of Advoware cannot be the one that a POST made,
// though the answer names it: it shows something else than was posted, and its number
// was there before the POST, or, where that is not known, nothing of the natural key is
// what was posted.
func (s *Session) WasThere(in *store.Announcement, seen *sides.Advo) bool {
	if s.equalsPosted(PostedValues(in), seen) {
		return false
	}
	if in.Highest > 0 {
		return seen.ID <= in.Highest
	}
	shows, told := s.Mapping.MatchValues(seen.View, record.Advoware), false
	for name, v := range in.Match {
		if v.HasText() && v == shows[name] {
			return false
		}
		told = told || v.HasText() && shows[name].HasText()
	}
	return told
}

// Candidates looks for the one unlinked Advoware record that an earlier POST
// made: with the match values, or with an id above highest (-1: not
// asked). Exactly one that equals what was posted is linked; none: not found;
// anything else is for a person.
func (s *Session) Candidates(ctx context.Context, sent, match map[string]record.Value, highest int64, why string) (found bool, err error) {
	if s.Mapping.List() == nil {
		return false, s.CreateDoubt(why+"; Advoware cannot be searched from here", nil)
	}
	after := s.Env.Now().Add(-directory.CatalogAge)
	if in := s.Memory.Open; in != nil {
		after = in.Deadline // a late write may have landed until then
		if after.Before(in.At) {
			after = in.At // its end was known; what it made is in no older list
		}
	}
	c := s.Env.CatalogOf(s.Mapping)
	ids, err := c.Near(ctx, after, match, highest)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	others, err := s.Env.OpenCreates(ctx, s.Mapping, s.Key.ID) // before the links: one that is cleared meanwhile has left its link
	if err != nil {
		return false, err
	}
	if ids, err = s.Env.Unlinked(ctx, s.Mapping, ids); err != nil || len(ids) == 0 {
		return false, err
	}
	if len(ids) > 1 && len(others) == 0 {
		return false, s.CreateDoubt(why, ids)
	}
	near, err := s.readNear(ctx, c, ids)
	if err != nil {
		return false, err
	}
	switch near = s.notAnothers(sent, near, others); {
	case len(near) == 0:
		return false, nil
	case len(near) == 1 && s.equalsPosted(sent, near[0]):
		s.Did.LinkID = near[0].ID
		s.BaseOfPosted(sent, near[0])
		return true, nil
	default:
		return false, s.CreateDoubt(why, idsOf(near))
	}
}

// readNear reads candidates singly. Those of no kind are not ours.
func (s *Session) readNear(ctx context.Context, c *directory.Catalog, ids []int64) (near []*sides.Advo, err error) {
	err = c.Read(ctx, ids, func(id int64, o record.Object) {
		if seen, err := sides.ReadAdvo(s.Mapping, id, o); err == nil {
			near = append(near, seen)
		}
	})
	return near, err
}

func idsOf(near []*sides.Advo) []int64 {
	ids := make([]int64, len(near))
	for i, s := range near {
		ids[i] = s.ID
	}
	return ids
}

// notAnothers drops the candidates that another record's interrupted create
// explains: they are what that one posted, and not what this one did. A pass that
// dies leaves several.
func (s *Session) notAnothers(sent map[string]record.Value, near []*sides.Advo, others []*store.Announcement) []*sides.Advo {
	for _, in := range others {
		theirs := PostedValues(in)
		near = slices.DeleteFunc(near, func(seen *sides.Advo) bool {
			return !s.equalsPosted(sent, seen) && (seen.ID == in.AdvowareID || CountReal(s.Mapping, theirs) > 0 && s.equalsPosted(theirs, seen))
		})
	}
	return near
}

// equalsPosted compares a candidate with what was posted, after folding.
func (s *Session) equalsPosted(sent map[string]record.Value, seen *sides.Advo) bool {
	for key, v := range sent {
		f, ok := s.Mapping.Field(key)
		if !ok || f.Clear {
			continue
		}
		if r := seen.View.Values[key]; r != v && !(r.IsAbsent() && v.IsEmpty()) && !s.OwnForm(key, v, r) {
			return false
		}
	}
	return true
}

// NumberLost asks a person about a record that was linked to a number which EspoCRM does not
// show any more.
func (s *Session) NumberLost(id int64) error {
	return &fault.Error{System: fault.Advoware, Code: fault.CreateDoubt, Owner: fault.OwnerRecord, Op: "create " + s.What(),
		Message: fmt.Sprintf("it was linked to Advoware %d, which is there still, and EspoCRM does not show that number any more", id),
		Hint:    fmt.Sprintf("the same one: %s --advoware-id %d; another one: %s --create-anyway", s.Hint("link"), id, s.Hint("sync"))}
}

// CreateDoubt asks a person: it is never posted a second time on our own.
func (s *Session) CreateDoubt(why string, near []int64) error {
	msg := why + "."
	if len(near) > 0 {
		ids := directory.Texts(near)
		sort.Strings(ids)
		if len(ids) > 10 {
			ids = append(ids[:10], "…")
		}
		msg += " Candidates in Advoware: " + strings.Join(ids, ", ") + "."
	}
	names, all := strings.Join(s.Mapping.Match(), ", "), ""
	if s.Mapping.List() == nil && s.Memory.Open == nil {
		all = fmt.Sprintf("; none of %[1]s without a link is there: advosync link --entity %[1]s --all-new --apply", s.Key.Entity)
	}
	return &fault.Error{System: fault.Advoware, Code: fault.CreateDoubt, Owner: fault.OwnerRecord, Op: "create " + s.What(),
		Message: msg + " Look in Advoware for a record with the same " + names + ".",
		Hint: fmt.Sprintf("it is there: advosync link --entity %[1]s --id %[2]s --advoware-id N; it is not: advosync sync --entity %[1]s --id %[2]s --create-anyway%[3]s",
			s.Key.Entity, s.Key.ID, all)}
}

// CameBack goes back to the link before where that record is in Advoware again, with a
// backup for instance, and none was created anew yet: the link that EspoCRM still carries
// holds then, and so does what was remembered with it.
func (s *Session) CameBack(ctx context.Context, prev int64) error {
	if prev == 0 || s.Espo.AdvowareID != prev {
		return nil
	}
	if _, err := s.GetAdvo(ctx, prev); fault.Is(err, fault.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	s.Did.PrevID = 0
	if b := s.Memory.Base; b != nil && b.AdvowareID == prev {
		s.Base = sides.Usable(s.Mapping, b)
	}
	return nil
}
