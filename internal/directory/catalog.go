package directory

import (
	"context"
	"slices"
	"sync"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

// Catalog is what Advoware lists of one entity, as far as creates ask for it: of
// each record the id and a digest of each match value. One walk over the pages
// serves every record that asks while it is young enough.
type Catalog struct {
	d *Directory
	m *mapping.Mapping
	// turn is taken for everything below but objs: whoever comes while the list is
	// read waits, and gives up with its context.
	turn chan struct{}

	begun  time.Time // of the walk; zero: there was none
	keys   *reconcile.Keys[int64]
	linked map[int64]bool // those of which EspoCRM was asked, and whether a record carried them

	mu   sync.Mutex
	objs map[int64]*record.Object // those that were read singly; nil: not there
}

// CatalogAge is how long a walk serves records of which nobody knows when somebody
// may have posted them.
const CatalogAge = 5 * time.Minute

// CatalogOf is the catalog of an entity, empty at first.
func (d *Directory) CatalogOf(m *mapping.Mapping) *Catalog {
	d.catalogs.mu.Lock()
	defer d.catalogs.mu.Unlock()
	c := d.catalogs.of[m.Entity()]
	if c == nil {
		c = &Catalog{d: d, m: m, turn: make(chan struct{}, 1)}
		if d.catalogs.of == nil {
			d.catalogs.of = map[string]*Catalog{}
		}
		d.catalogs.of[m.Entity()] = c
	}
	return c
}

// catalogs are those of all entities.
type catalogs struct {
	mu sync.Mutex
	of map[string]*Catalog
}

// take waits for the turn.
func (c *Catalog) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Ended(ctx)
	}
}

func (c *Catalog) give() { <-c.turn }

// Near lists the ids of the records that match, or whose id is above highest (-1:
// not asked), in the order of the list. What it rests on was read by a walk that
// did not begin before the moment: what was written until then is in it.
func (c *Catalog) Near(ctx context.Context, after time.Time, match map[string]record.Value, highest int64) ([]int64, error) {
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer c.give()
	if c.begun.IsZero() || c.begun.Before(after) {
		if err := c.walk(ctx); err != nil {
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
func (c *Catalog) walk(ctx context.Context) error {
	begun, keys := c.d.now(), reconcile.NewKeys[int64](c.m.Match())
	seen := map[int64]bool{}
	err := c.d.EachAdvoware(ctx, c.m, func(o record.Object) error {
		id, ok := o.Int(c.m.AdvoID())
		if !ok || seen[id] {
			return nil // one that moves to another page while it is listed counts once
		}
		seen[id] = true
		if view, err := c.m.ReadAdvo(o); err == nil {
			keys.Add(id, c.m.MatchValues(view, record.Advoware))
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.begun, c.keys, c.linked = begun, keys, map[int64]bool{}
	c.mu.Lock()
	c.objs = map[int64]*record.Object{}
	c.mu.Unlock()
	return nil
}

// Read reads records of the list singly, each once, and calls fn with each; those that
// are gone are left out.
func (c *Catalog) Read(ctx context.Context, ids []int64, fn func(id int64, o record.Object)) error {
	for _, id := range ids {
		c.mu.Lock()
		o, known := c.objs[id]
		c.mu.Unlock()
		if !known {
			read, err := c.d.ReadNumber(ctx, c.m, id)
			switch {
			case err == nil:
				o = &read
			case !fault.Is(err, fault.NotFound):
				return err
			}
			c.mu.Lock()
			c.objs[id] = o
			c.mu.Unlock()
		}
		if o != nil {
			fn(id, *o)
		}
	}
	return nil
}

// Free tells which of these records no EspoCRM record carried when it was asked,
// which is once for each walk: one that is linked meanwhile is held back until the
// next pass, no more.
func (c *Catalog) Free(ctx context.Context, ids []int64) (map[int64]bool, error) {
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
	left, err := c.d.Unlinked(ctx, c.m, ask)
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
