package reconcile

import (
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// settleEach sends every field from the side that moved it.
func (c *comparison) settleEach(d *Decision) { c.settle(d, "") }

// settle turns the comparison into values to write. Fields whose source is
// still open take it from who moved, else from fallback.
func (c *comparison) settle(d *Decision, fallback record.Side) {
	c.twoWay(func(it *item) {
		switch {
		case it.source != "":
		case it.moved == movedEspo:
			it.source = record.EspoCRM
		case it.moved == movedAdvo:
			it.source = record.Advoware
		default:
			it.source = fallback
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
// takes the kind of its source (design page 1).
func (c *comparison) settleKind() {
	if !c.kinds.differs || c.kinds.source == "" {
		return
	}
	s := c.kinds.source
	c.kind = c.kinds.pair.On(s).Text()
	for _, f := range c.in.Schema.Fields(c.kind) {
		if f.Kind == "" {
			continue
		}
		c.add(f)
		it := &c.items[len(c.items)-1]
		it.differs, it.source = false, ""
		travels := f.Direction == mapping.Both || f.Direction == mapping.ToAdvoware == (s == record.EspoCRM)
		if v := it.pair.On(s); !f.Clear && travels && !v.IsAbsent() && v != it.pair.On(s.Other()) {
			it.differs, it.source, it.moved = true, s, string(s)
			delete(c.agreed, f.Key)
		}
	}
}

func (c *comparison) send(d *Decision, it *item) {
	v := it.pair.On(it.source)
	if it.source == "" || v.IsAbsent() {
		it.source = ""
		return
	}
	if it.source == record.EspoCRM {
		d.ToAdvo[it.f.Key] = v
	} else {
		d.ToEspo[it.f.Key] = v
	}
}

// clear lets the kind's clears go along with a write to their side, or with a
// change of kind.
func (c *comparison) clear(d *Decision) {
	for i := range c.items {
		it := &c.items[i]
		if !it.f.Clear {
			continue
		}
		to, target := d.ToAdvo, record.Advoware
		if it.f.Direction == mapping.ToEspocrm {
			to, target = d.ToEspo, record.EspoCRM
		}
		if it.pair.On(target).HasText() && (len(to) > 0 || c.kindMoved()) {
			to[it.f.Key] = record.Empty()
			it.differs, it.source, it.moved = true, target.Other(), string(target.Other())
		}
	}
}

// changes lists what differs, the kind first, then in the mapping's order.
func (c *comparison) changes() []Change {
	var out []Change
	for _, it := range slices.Concat([]item{c.kinds}, c.items) {
		if !it.differs {
			continue
		}
		ch := Change{Field: it.f, Pair: it.pair, Base: it.base, Moved: it.moved}
		if ch.Moved == movedUnknown {
			ch.Moved = movedNone
		}
		if it.source != "" {
			ch.Target = it.source.Other()
		}
		out = append(out, ch)
	}
	return out
}
