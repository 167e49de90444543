package batch

import (
	"slices"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// held counts the creates that a pass has held back, by what for.
type held struct {
	TooMany  int      `json:"tooMany,omitempty"`
	Matching int      `json:"matching,omitempty"`
	Pairs    []string `json:"pairs,omitempty"` // EspoCRM's records among those that match
}

// unlinked is what a record's missing link makes of it.
func unlinked(o record.Object) why {
	if _, linked := linkOf(o); !linked {
		return whyCreate
	}
	return 0
}

// linkOf is the number of the Advoware record that one of EspoCRM carries; 0 is no link.
func linkOf(o record.Object) (id int64, linked bool) {
	id, _ = o.Int(record.FieldAdvowareID)
	return id, id != 0
}

// creates is what a memory says of a record's create.
func creates(m store.Memory) why {
	switch {
	case m.Open != nil && m.Open.Makes:
		return whyPosted
	case m.Pending == sync.PendingCreate:
		return whyCreate | whyHeld
	}
	return 0
}

// guardCreates decides how many records the pass may create, on either side: all, up to
// the limit, or none where there are more. Those that match a record which Advoware
// has already are created in no case, and do not count.
func (e *entityRun) guardCreates(list []candidate) error {
	most := max(max(e.run.p.cfg.MaxCreates, e.run.opts.AllowCreates)-e.created, 0)
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
	e.creates = sync.NewCreateGuard(most)
	return nil
}

// holds counts a create that was held back.
func (e *executor) holds(c candidate, res result.Record) {
	e.waits(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	h := &e.out.Held
	if res.Reason.Code == sync.ReasonMatches {
		h.Matching++
		h.Pairs = append(h.Pairs, c.id)
	} else {
		h.TooMany++
	}
}

// heldBack is what the pass says of the creates that it has held back; nil: of
// none.
func (e *entityRun) heldBack() *GuardError {
	c := e.closing()
	tooMany, matching := c.holding()
	return guardError(e.m.Entity(), reconcile.Held(e.m.Entity(), tooMany, matching, e.most))
}
