package sync

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

// catalog is what Advoware lists of one entity, as far as creates ask for it: of
// each record the id and a digest of each match value. One walk over the pages
// serves every record that asks while it is young enough.
type catalog struct {
	m *mapping.Mapping
	// turn is taken for everything below but states: whoever comes while the list is
	// read waits, and gives up with its context.
	turn chan struct{}

	begun  time.Time // of the walk; zero: there was none
	keys   *reconcile.Keys[int64]
	linked map[int64]bool // those of which EspoCRM was asked, and whether a record carried them

	mu     sync.Mutex
	states map[int64]*advoState // those that were read singly; nil: not there, or of no kind
}

// catalogAge is how long a walk serves records of which nobody knows when somebody
// may have posted them.
const catalogAge = 5 * time.Minute

// catalogOf is the catalog of an entity, empty at first.
func (e *Engine) catalogOf(m *mapping.Mapping) *catalog {
	e.catalogs.mu.Lock()
	defer e.catalogs.mu.Unlock()
	c := e.catalogs.of[m.Entity()]
	if c == nil {
		c = &catalog{m: m, turn: make(chan struct{}, 1)}
		if e.catalogs.of == nil {
			e.catalogs.of = map[string]*catalog{}
		}
		e.catalogs.of[m.Entity()] = c
	}
	return c
}

// catalogs are those of all entities.
type catalogs struct {
	mu sync.Mutex
	of map[string]*catalog
}

// take waits for the turn.
func (c *catalog) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return interrupted(ctx)
	}
}

func (c *catalog) give() { <-c.turn }

// near lists the ids of the records that match, or whose id is above highest (-1:
// not asked), in the order of the list. What it rests on was read by a walk that
// did not begin before the moment: what was written until then is in it.
func (c *catalog) near(ctx context.Context, e *Engine, after time.Time, match map[string]record.Value, highest int64) ([]int64, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer c.give()
	if c.begun.IsZero() || c.begun.Before(after) {
		if err := c.walk(ctx, e); err != nil {
			return nil, err
		}
	}
	found := c.keys.Matching(match)
	if highest >= 0 {
		for i, id := range c.keys.IDs() {
			if id > highest {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	ids := make([]int64, len(found))
	for i, at := range found {
		ids[i] = c.keys.IDs()[at]
	}
	return ids, nil
}

// walk reads the list anew. Records of no kind are not ours.
func (c *catalog) walk(ctx context.Context, e *Engine) error {
	begun, keys := e.Now(), reconcile.NewKeys[int64](c.m.Match())
	seen := map[int64]bool{}
	err := e.EachAdvoware(ctx, c.m, func(o record.Object) error {
		id, ok := o.Int(c.m.AdvoID())
		if !ok || seen[id] {
			return nil // one that moves to another page while it is listed counts once
		}
		seen[id] = true
		if s, err := readAdvoState(c.m, id, o); err == nil {
			keys.Add(id, c.m.MatchValues(s.view, record.Advoware))
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.begun, c.keys, c.linked = begun, keys, map[int64]bool{}
	c.mu.Lock()
	c.states = map[int64]*advoState{}
	c.mu.Unlock()
	return nil
}

// read reads records of the list singly, each once; those that are gone, or of no
// kind by now, are left out.
func (c *catalog) read(ctx context.Context, e *Engine, ids []int64) ([]*advoState, error) {
	var out []*advoState
	for _, id := range ids {
		c.mu.Lock()
		s, known := c.states[id]
		c.mu.Unlock()
		if !known {
			o, err := e.ReadNumber(ctx, c.m, id)
			switch {
			case err == nil:
				if s, err = readAdvoState(c.m, id, o); err != nil {
					s = nil
				}
			case !fault.Is(err, fault.NotFound):
				return nil, err
			}
			c.mu.Lock()
			c.states[id] = s
			c.mu.Unlock()
		}
		if s != nil {
			out = append(out, s)
		}
	}
	return out, nil
}

// ReadNumber reads one record of Advoware by its number. One that is not there:
// fault.NotFound; an answer about another one: fault.BadAnswer.
func (e *Engine) ReadNumber(ctx context.Context, m *mapping.Mapping, id int64) (record.Object, error) {
	o, err := e.Advoware.Get(ctx, m.ReadPath(), strconv.FormatInt(id, 10))
	if err == nil {
		err = isNumber(m, id, o, "read "+m.Entity())
	}
	return o, err
}

// free tells which of these records no EspoCRM record carried when it was asked,
// which is once for each walk: one that is linked meanwhile is held back until the
// next pass, no more.
func (c *catalog) free(ctx context.Context, e *Engine, ids []int64) (map[int64]bool, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer c.give()
	var ask []int64
	for _, id := range ids {
		if _, known := c.linked[id]; !known {
			ask = append(ask, id)
		}
	}
	slices.Sort(ask)
	ask = slices.Compact(ask)
	left, err := e.unlinked(ctx, c.m, ask)
	if err != nil {
		return nil, err
	}
	for _, id := range ask {
		c.linked[id] = true
	}
	for _, id := range left {
		c.linked[id] = false
	}
	out := map[int64]bool{}
	for _, id := range ids {
		out[id] = !c.linked[id]
	}
	return out, nil
}
