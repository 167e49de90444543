package batch

import (
	"slices"
	"time"

	"advosync/internal/record"
	"advosync/internal/result"
)

// outcome is what became of candidates: all that the end of a pass needs to know of
// those who synced them. It holds ids and counts, never a value.
type outcome struct {
	Created int `json:"created,omitempty"`
	// Unseen are linked records that the list does not show and that are not gone:
	// hidden from us, or not asked for yet. The next pass looks for them again.
	Unseen int `json:"unseen,omitempty"`
	// Oldest is the oldest edit that waits.
	Oldest int64 `json:"oldest,omitempty"`
	// Waiting is how many candidates are left, and Kept which; Left: something has not
	// ended, and nobody knows by its id what.
	Waiting int    `json:"waiting,omitempty"`
	Kept    []kept `json:"kept,omitempty"`
	Left    bool   `json:"left,omitempty"`
	// Updated are witnesses against a restored backup, newest first.
	Updated []AdvoWitness `json:"updated,omitempty"`
	// Open is by how much the records that were open have become more or fewer.
	Open result.StillOpen `json:"open,omitzero"`
	Held held             `json:"held,omitzero"`
	// Again is how many an earlier round has come to, and counted, and that are as it has
	// left them.
	Again int `json:"again,omitempty"`
}

// leaves counts a candidate that is left to the next pass.
func (o *outcome) leaves(c candidate) {
	o.Oldest = older(o.Oldest, c.since)
	o.Waiting++
	if len(o.Kept) < maxQueue {
		o.Kept = append(o.Kept, kept{ID: c.id, Since: c.since, Why: c.why})
	} else {
		o.Left = true // the next pass finds it by looking
	}
	if c.why&whyGone != 0 {
		o.Unseen++
	}
}

// closes follows what became of a record that an earlier pass had left open.
func (o *outcome) closes(was openAs, now result.Outcome) {
	if was == openNot {
		return
	}
	next := openNot
	switch now {
	case result.Failed:
		next = openFailed
	case result.PermanentlyFailed:
		next = openGivenUp
	case result.ConflictWaits:
		next = openConflict
	case result.Locked, result.Skipped, result.Planned: // as it was
		next = was
	}
	was.count(&o.Open, -1)
	next.count(&o.Open, 1)
}

// openAs is as what a record is open.
type openAs uint8

const (
	openNot openAs = iota
	openConflict
	openFailed
	openGivenUp
)

func openStatus(status string) openAs {
	switch status {
	case record.StatusConflict:
		return openConflict
	case record.StatusFailed:
		return openFailed
	case record.StatusPermanentlyFailed:
		return openGivenUp
	}
	return openNot
}

func (a openAs) count(n *result.StillOpen, by int) {
	switch a {
	case openConflict:
		n.Conflicts += by
	case openFailed:
		n.Failed += by
	case openGivenUp:
		n.PermanentlyFailed += by
	}
}

// closing is all that the end of a pass over an entity rests on: what its planner has
// seen, and what became of the candidates. It can be stored, so that whoever ends the
// pass needs nothing else.
type closing struct {
	Prior   EntityState `json:"prior"`   // what the pass before it has left
	Mapping string      `json:"mapping"` // the fingerprint that the guards have let pass
	Began   time.Time   `json:"began"`   // by EspoCRM's clock
	// Log is up to where EspoCRM's log of changes has been read; LogNew as in EntityState.
	Log    record.Place `json:"log,omitzero"`
	LogNew bool         `json:"logNew,omitempty"`
	Full   bool         `json:"full,omitempty"`
	Deep   bool         `json:"deep,omitempty"`
	Listed bool         `json:"listed,omitempty"` // Advoware lists the entity
	// Over: more candidates were found than a pass holds. Bounded: it has ended at a
	// bound of the command line.
	Over    bool          `json:"over,omitempty"`
	Bounded bool          `json:"bounded,omitempty"`
	Marker  bool          `json:"marker,omitempty"`
	Newest  []EspoWitness `json:"newest,omitempty"`
	Linked  int           `json:"linked"`
	Cuts    []int64       `json:"cuts,omitempty"`
	Pages   int           `json:"pages,omitempty"`
	Before  []kept        `json:"before,omitempty"`

	Open      result.StillOpen `json:"open,omitzero"` // when it looked
	Again     time.Time        `json:"again,omitzero"`
	Newcomers int              `json:"newcomers,omitempty"`
	Imported  int              `json:"imported,omitempty"`
	// Matching are the records that are in Advoware alone and agree with some of
	// EspoCRM's; TooMany is how many creates there would be, where they are held back.
	Matching map[int64][]string `json:"matching,omitempty"`
	TooMany  int                `json:"tooMany,omitempty"`

	Outcome outcome `json:"outcome"`
	// Planner is what the planner has to report itself, where others sync.
	Planner chunkReport `json:"planner,omitzero"`
}

func (e *entityRun) closing() closing {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := closing{Prior: e.state, Mapping: e.m.Fingerprint(), Began: e.began, Log: e.logRead, LogNew: e.logNew, Full: e.full, Deep: e.deep, Listed: e.m.List() != nil,
		Over: e.queue.over, Marker: (e.marker || e.state.Marker) && !e.noMarker, Newest: e.newest, Linked: e.linked, Cuts: e.cuts, Pages: e.pages,
		Before: e.before, Again: e.again, Newcomers: e.newcomers, Imported: e.imports.made, Matching: e.imports.matching, TooMany: e.tooMany, Outcome: e.out}
	for _, as := range e.open {
		as.count(&c.Open, 1)
	}
	c.Bounded = e.bounded()
	return c
}

// holding counts the creates that are held back; those that the pass did not come to
// count, too.
func (c *closing) holding() (tooMany, matching int) {
	held := c.Outcome.Held
	matching = held.Matching
	for _, ids := range c.Matching { // a pair that was counted from EspoCRM's side is one
		if !slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(held.Pairs, id) }) {
			matching++
		}
	}
	return max(held.TooMany, c.TooMany), matching
}

// stillOpen counts what was open when the pass began, and is so still, and the creates
// that are held back.
func (c *closing) stillOpen() result.StillOpen {
	n := c.Open.Plus(c.Outcome.Open)
	tooMany, matching := c.holding()
	n.Held = tooMany + matching
	return n
}

// isNews: what is open has changed since it was said last, or was said a day ago.
func (c *closing) isNews(now time.Time) bool {
	n := c.stillOpen()
	return n.Any() && (n != c.Prior.SaidOpen || !now.Before(c.Prior.SaidAt.Add(sayAgain)))
}

// looked is the state of a pass that has come to look.
func (c *closing) looked(next *EntityState, now time.Time, h *HaltState) {
	next.LastRun, next.Halted = now, h
	next.StillOpen, next.NewInAdvoware = c.stillOpen(), c.Newcomers-c.Imported
	if c.isNews(now) {
		next.SaidAt = now
	}
	next.SaidOpen = next.StillOpen
}

// unplanned is the state behind a pass that has synced nothing: what waited then still
// does, and what has been seen since.
func (c *closing) unplanned(now time.Time, h *HaltState, looked bool) EntityState {
	next := c.Prior
	next.LastRun = now
	if looked {
		c.looked(&next, now, h)
	}
	next.OldestUnsynced = stampOf(older(c.Outcome.Oldest, moment(c.Prior.OldestUnsynced)))
	next.Waiting = max(c.Outcome.Waiting, c.Prior.Waiting)
	return next
}

// next is the state behind a pass, and what it has left to the next one. The watermark
// moves only when every candidate has ended, or is known by its id. s counts the records;
// failed: something has cut the pass short.
func (c *closing) next(now time.Time, s result.Summary, h *HaltState, failed bool) (EntityState, []kept) {
	next := c.Prior
	c.looked(&next, now, h)
	c.seen(&next)
	ended := !c.Outcome.Left && !c.Over && c.Outcome.Waiting == 0
	if ended || c.Bounded && !c.Outcome.Left {
		next.Watermark = c.Began.UTC().Format(record.StampLayout)
		next.Log, next.LogNew = c.Log, c.LogNew
		if c.Deep {
			next.ComparedAt = now
		}
		if ended && !failed && s.Failed+s.PermanentlyFailed+s.Conflicts == 0 && !next.StillOpen.Any() {
			next.LastSuccess = now
		}
	}
	return next, c.keeps()
}

// seen is what the pass has seen of both systems.
func (c *closing) seen(next *EntityState) {
	next.Mapping, next.Marker = c.Mapping, c.Marker
	next.Espo = c.Newest
	next.Advo = append(slices.Clone(c.Outcome.Updated), without(c.Prior.Advo, c.Outcome.Updated)...)
	next.Advo = next.Advo[:min(len(next.Advo), maxWitnesses)]
	next.OldestUnsynced, next.Waiting = stampOf(c.Outcome.Oldest), c.Outcome.Waiting
	if c.Listed || c.Full {
		next.Linked = c.Linked
	}
	if c.Listed {
		next.Bounds, next.Pages = c.Cuts, c.Pages
	}
	next.Linked += c.Outcome.Created + c.Imported + c.Outcome.Unseen
	if c.Full {
		next.ComparedAt = time.Time{} // not before it is complete
	}
}

// keeps is what the next pass is told of. What is gone from EspoCRM is not among it:
// every look finds that by itself, and the guard counts it. More candidates than a pass
// holds: those that were kept before may be among the dropped ones.
func (c *closing) keeps() []kept {
	var ks []kept
	left := slices.Clone(c.Outcome.Kept)
	slices.SortFunc(left, func(a, b kept) int { return inTurn(a.candidate(), b.candidate()) })
	for _, k := range left {
		if k.Why&whyGone == 0 {
			k.Why &^= whyPosted | whyAgain
			ks = append(ks, k)
		}
	}
	if !c.Over {
		return ks
	}
	known := map[string]bool{}
	for _, k := range ks {
		known[k.ID] = true
	}
	for _, k := range c.Before {
		if !known[k.ID] {
			ks = append(ks, k)
		}
	}
	return ks
}
