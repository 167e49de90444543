package reconcile

import (
	"cmp"

	"advosync/internal/record"
)

// settle turns the comparison into values to write. Fields whose source is
// still open take it from who moved, else from fallback.
func (c *comparison) settle(d *Decision, fallback record.Side) {
	c.twoWay(func(it *item) {
		if !it.waits {
			it.source = cmp.Or(it.source, it.mover(), fallback)
		}
	})
	c.settleKind()
	d.Kind = c.kind
	d.ToAdvo, d.ToEspo = map[string]record.Value{}, map[string]record.Value{}
	for i := range c.items {
		if it := &c.items[i]; it.differs {
			c.send(d, it)
		}
	}
	c.clear(d)
	d.Changes = c.changes()
}

// settleKind adds the fields of the winning kind. They go over as one: a write
// takes the kind of its source.
func (c *comparison) settleKind() {
	if !c.kinds.differs || c.kinds.source == "" {
		return
	}
	s := c.kinds.source
	c.kind = c.kinds.pair.On(s).Text()
	fields := c.in.Schema.Fields(c.kind)
	c.leaveOut(fields)
	for i := range fields {
		if fields[i].Kind == "" {
			continue
		}
		if it, ok := c.compare(&fields[i]); ok {
			c.goOver(&it, s)
			c.keep(&it)
		}
	}
}

// goOver lets a field of the kind that side s has follow it to the other one.
func (c *comparison) goOver(it *item, s record.Side) {
	switch {
	case it.f.Clear:
		return
	case it.oneWay() && it.owner() != s:
		// Computed from what this write replaces: its value is not known yet.
		it.differs = it.differs && !it.f.Computed
		return
	}
	if it.source != s { // the kind goes over whole, whatever was wished of a part of it
		it.wish = nil
	}
	it.differs, it.source = false, ""
	if v := it.pair.On(s); !v.IsAbsent() && v != it.pair.On(s.Other()) {
		it.differs, it.source, it.moved = true, s, string(s)
		delete(c.agreed, it.f.Key)
	}
}

func (c *comparison) send(d *Decision, it *item) {
	v := it.pair.On(it.source)
	if it.source == "" || v.IsAbsent() {
		it.source = ""
		return
	}
	if it.wish != nil {
		v = it.wish.Target
	}
	d.To(it.source.Other())[it.f.Key] = v
}

// clear lets the kind's clears go along with a write to their side, or with a
// change of kind.
func (c *comparison) clear(d *Decision) {
	for i := range c.items {
		it := &c.items[i]
		if !it.f.Clear {
			continue
		}
		target := it.owner().Other()
		to := d.To(target)
		if it.pair.On(target).HasText() && (len(to) > 0 || c.kindMoved(target)) {
			to[it.f.Key] = record.Empty()
			it.differs, it.source, it.moved = true, it.owner(), string(it.owner())
		}
	}
}

// changes lists what differs, the kind first, then in the mapping's order.
func (c *comparison) changes() []Change {
	var out []Change
	if c.kinds.differs {
		out = append(out, c.kinds.change())
	}
	for i := range c.items {
		if it := &c.items[i]; it.differs {
			out = append(out, it.change())
		}
	}
	return out
}

func (it *item) change() Change {
	ch := Change{Field: *it.f, Pair: it.pair, Base: it.base, Moved: it.moved}
	if ch.Moved == movedUnknown {
		ch.Moved = movedNone
	}
	if it.source != "" {
		ch.Target = it.source.Other()
	}
	return ch
}
