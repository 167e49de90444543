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
	// turn is taken for everything below but read: whoever comes while the list is
	// read waits, and gives up with its context.
	turn chan struct{}

	begun  time.Time // of the walk; zero: there was none
	keys   *reconcile.Keys[int64]
	linked map[int64]bool // those of which EspoCRM was asked, and whether a record carried them

	read sync.Map // record.Object by id, of those that were read singly; zero: not there
}

// CatalogAge is how long a walk serves records of which nobody knows when somebody
// may have posted them.
const CatalogAge = 5 * time.Minute

// CatalogOf is the catalog of an entity, empty at first.
func (d *Directory) CatalogOf(m *mapping.Mapping) *Catalog {
	c, _ := d.catalogs.LoadOrStore(m.Entity(), &Catalog{d: d, m: m, turn: make(chan struct{}, 1)})
	return c.(*Catalog)
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
// not asked), ascending. What it rests on was read by a walk that
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
	ids := c.keys.Matching(match)
	for _, id := range c.keys.IDs() {
		if highest >= 0 && id > highest {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
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
	c.read.Clear()
	return nil
}

// Read reads records of the list singly, each once, and calls fn with each; those that
// are gone are left out.
func (c *Catalog) Read(ctx context.Context, ids []int64, fn func(id int64, o record.Object)) error {
	for _, id := range ids {
		read, known := c.read.Load(id)
		if !known {
			o, err := c.d.ReadNumber(ctx, c.m, id)
			switch {
			case fault.Is(err, fault.NotFound):
				o = record.Object{}
			case err != nil:
				return err
			}
			c.read.Store(id, o)
			read = o
		}
		if o := read.(record.Object); !o.IsZero() {
			fn(id, o)
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
	ask := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { _, known := c.linked[id]; return known })
	slices.Sort(ask)
	carried, err := c.d.CarriersOf(ctx, c.m, slices.Compact(ask))
	if err != nil {
		return nil, err
	}
	for id, by := range carried {
		c.linked[id] = len(by) > 0
	}
	out := map[int64]bool{}
	for _, id := range ids {
		out[id] = !c.linked[id]
	}
	return out, nil
}
