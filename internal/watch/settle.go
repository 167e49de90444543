package watch

import (
	"cmp"
	"slices"
	"time"
)

// How long a record has to be quiet before it is synced, so that half-typed edits do
// not travel, and how long it waits for that at most.
const (
	quiet   = 3 * time.Second
	longest = 15 * time.Second
)

// maxWaiting is how many records wait in memory, about a hundred bytes each.
const maxWaiting = 10_000

// Source is where a hint came from.
type Source string

// The sources.
const (
	FromList     Source = "espocrm_list"
	FromWebhook  Source = "webhook"
	FromAdvoware Source = "advoware_list"
	FromPoke     Source = "poke"
)

// Sources are all of them.
func Sources() []Source { return []Source{FromList, FromWebhook, FromAdvoware, FromPoke} }

// Hint says that somebody should look at a record, and nothing of what he will find.
type Hint struct {
	Entity string // as the mapping spells it
	ID     string // in EspoCRM; of a poke also an Advoware number
	Source Source
	// Edited is when the edit was made, as far as the source knows, on this host's
	// clock; zero: unknown. Of Advoware it is the earliest time that it can have been.
	Edited time.Time
}

type key struct{ entity, id string }

// waiting is a record that is to be looked at.
type waiting struct {
	hint  Hint // the first one
	heard time.Time
	due   time.Time
	tries int // that met a lock
}

// settling are the records that wait until nobody has spoken of them for a while. It
// decides nothing and reads no clock.
type settling struct {
	at map[key]*waiting
}

func newSettling() *settling { return &settling{at: map[key]*waiting{}} }

// add takes a hint; false: there is no room for another record.
func (s *settling) add(h Hint, now time.Time) bool {
	k := key{h.Entity, h.ID}
	w := s.at[k]
	if w == nil {
		if len(s.at) >= maxWaiting {
			return false
		}
		w = &waiting{hint: h, heard: now}
		s.at[k] = w
	}
	if h.Source == FromPoke || h.Source == FromList { // that of a webhook asks for less
		w.hint.Source = h.Source
	}
	if due := spoken(h, now).Add(quiet); due.After(w.due) {
		w.due = due
	}
	w.due = earlier(w.due, w.heard.Add(longest))
	return true
}

// spoken is when a record was edited, as far as that is known: EspoCRM's list says it,
// in whole seconds of a clock that has told its time in whole seconds.
func spoken(h Hint, now time.Time) time.Time {
	if h.Source != FromList || h.Edited.IsZero() {
		return now
	}
	return earlier(now, h.Edited.Add(time.Second))
}

// again takes back a record that was locked.
func (s *settling) again(w *waiting, at time.Time) {
	k := key{w.hint.Entity, w.hint.ID}
	if s.at[k] == nil { // else it was spoken of meanwhile
		w.heard, w.due = at, at
		s.at[k] = w
	}
}

// due takes out at most n records whose time has come, the oldest hint first; those
// that busy says are at work stay.
func (s *settling) due(now time.Time, n int, busy func(key) bool) []*waiting {
	var out []*waiting
	for k, w := range s.at {
		if !now.Before(w.due) && !busy(k) {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *waiting) int {
		return cmp.Or(a.heard.Compare(b.heard), cmp.Compare(a.hint.Entity, b.hint.Entity), cmp.Compare(a.hint.ID, b.hint.ID))
	})
	out = out[:min(n, len(out))]
	for _, w := range out {
		delete(s.at, key{w.hint.Entity, w.hint.ID})
	}
	return out
}

// next is when the next record's time comes; false: none waits.
func (s *settling) next() (time.Time, bool) {
	var first time.Time
	for _, w := range s.at {
		if first.IsZero() || w.due.Before(first) {
			first = w.due
		}
	}
	return first, !first.IsZero()
}

// forget drops what a pass looks at anyway: all, or the records of one entity.
func (s *settling) forget(entity string) {
	for k := range s.at {
		if entity == "" || k.entity == entity {
			delete(s.at, k)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
