package batch

import (
	"slices"

	"advosync/internal/engine"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// held counts the creates that a pass has held back, by what for.
type held struct {
	tooMany, matching int
	pairs             map[string]bool // EspoCRM's records among those that match
}

// unlinked is what a record's missing link makes of it.
func unlinked(o record.Object) why {
	if textOf(o, fieldAdvowareID) == "" {
		return whyCreate
	}
	return 0
}

// creates is what a memory says of a record's create.
func creates(m store.Memory) why {
	switch {
	case m.Open != nil && m.Open.Makes:
		return whyPosted
	case m.Pending == engine.PendingCreate:
		return whyCreate | whyHeld
	}
	return 0
}

// guardCreates decides how many records the pass may create, on either side: all, up to
// the limit, or none where there are more. Those that match a record which Advoware
// has already are created in no case, and do not count.
func (e *entityRun) guardCreates(list []candidate) error {
	most := max(e.run.p.cfg.MaxCreates, e.run.opts.AllowCreates)
	var fresh []string
	for _, c := range list {
		if c.why&whyCreate != 0 && c.why&whyPosted == 0 {
			fresh = append(fresh, c.id)
		}
	}
	imports, err := e.chooseImports()
	if err != nil {
		return err
	}
	n := len(fresh) + imports
	if n > most {
		for part := range slices.Chunk(fresh, chunkSize) {
			objs, err := e.espo.ByIDs(e.run.ctx, e.m.EspoType(), part, e.fields())
			if err != nil {
				return err
			}
			matched, err := e.run.engine.Matched(e.run.ctx, e.m, objs)
			if err != nil {
				return err
			}
			n -= len(matched)
		}
	}
	e.most = most
	if n > most {
		e.tooMany, most = n, 0
	}
	e.creates = engine.NewCreateGuard(most)
	return nil
}

// holds counts a create that was held back.
func (e *entityRun) holds(c candidate, res result.Record) {
	e.waits(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	if res.Reason.Code == engine.ReasonMatches {
		e.held.matching++
		if e.held.pairs == nil {
			e.held.pairs = map[string]bool{}
		}
		e.held.pairs[c.id] = true
	} else {
		e.held.tooMany++
	}
}

// heldBack is what the pass says of the creates that it has held back; nil: of
// none.
func (e *entityRun) heldBack() *GuardError {
	tooMany, matching := e.holding()
	return guardError(e.m.Entity(), reconcile.Held(e.m.Entity(), tooMany, matching, e.most))
}

// holding counts the creates that are held back; those that the pass did not come
// to count, too.
func (e *entityRun) holding() (tooMany, matching int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	matching = e.held.matching
	for _, ids := range e.imports.matching { // a pair that was counted from EspoCRM's side is one
		if !slices.ContainsFunc(ids, func(id string) bool { return e.held.pairs[id] }) {
			matching++
		}
	}
	return max(e.held.tooMany, e.tooMany), matching
}
