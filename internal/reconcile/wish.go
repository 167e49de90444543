package reconcile

import (
	"maps"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// Wish is an operator's word on one field (docs/design/protocol.md, "A wish"). It
// lives as long as his command, and holds while both sides show what he saw, or
// one of them what the command has written for it.
type Wish struct {
	Field mapping.Field
	// Shown is what both sides held when he decided, EspoCRM's half what it made of the
	// target once that was typed.
	Shown record.Pair
	// Target is the value that both sides are to hold.
	Target record.Value
	// Typed: EspoCRM has got the target, and Advoware is to follow, with the exact value
	// also where EspoCRM could not hold it.
	Typed bool
}

// source is the side whose value an operator wants, "" where the wish does not hold
// any more, or has to be typed.
func (w Wish) source(now record.Pair) record.Side {
	switch {
	case now == w.Shown && (w.Typed || now.Espo == w.Target), now.Advo == w.Shown.Advo && made(w.Target, now.Espo, w.Shown.Espo):
		return record.EspoCRM
	case now == w.Shown && now.Advo == w.Target, now.Espo == w.Shown.Espo && made(w.Target, now.Advo, w.Shown.Advo):
		return record.Advoware
	}
	return ""
}

// fulfilled reports whether the target has gone over, and the other side is known to
// show this in its place.
func (w Wish) fulfilled(it *item) bool {
	return it.knows() && it.pair.Espo != it.pair.Advo && (w.Typed || it.pair.Espo == w.Target || it.pair.Advo == w.Target)
}

// made reports whether a side shows the target, or its own form of it, and not what
// stood there before.
func made(target, now, before record.Value) bool {
	return now != before && record.OwnForm(target, now)
}

// wished lets an operator's word decide a field.
func (c *comparison) wished(it *item) {
	w, ok := c.in.Wishes[it.f.Key]
	if !ok || it.oneWay() || !c.holds(it.f) {
		return
	}
	s := w.source(it.pair)
	if s == "" || it.pair.On(s.Other()) == w.Target || w.fulfilled(it) {
		return
	}
	word := w // made here only: w itself stays off the heap
	if it.wish, it.source = &word, s; !it.differs {
		it.differs, it.agreed, it.moved = true, false, string(s)
	}
}

// decided reports whether operators' words decide fields that differ.
func (c *comparison) decided() bool {
	return c.some(func(it *item) bool { return it.wish != nil })
}

// givesWay reports whether an edit of a side gives way to the record's policy.
func (c *comparison) givesWay(s record.Side) bool {
	return c.some(func(it *item) bool { return it.open() && it.editedOn(s) })
}

// waiting reports whether fields wait for a person, and whether all that differ do. A
// field that belongs to one side waits with the record only, not with another field.
func (c *comparison) waiting() (some, all bool) {
	all, own := true, true
	c.twoWay(func(it *item) {
		some, all, own = some || it.waits, all && it.waits, own && it.f.Policy != ""
	})
	for i := range c.items {
		all = all && !(own && c.items[i].differs && c.items[i].oneWay())
	}
	return some, some && all
}

// typed are the wished values that neither side holds, while both show what the
// operator saw: they are typed into EspoCRM, and travel from there like any edit. What
// is one value is typed whole: a command that ends there leaves no half of it.
func (c *comparison) typed() map[string]record.Value {
	if len(c.in.Wishes) == 0 {
		return nil
	}
	whole, out := map[string]bool{}, map[string]record.Value{}
	for key, w := range c.in.Wishes {
		if now := c.pairOf(key); c.untouched(key, w) && w.Target != now.Espo && w.Target != now.Advo {
			whole[c.unit(&w.Field)] = true
		}
	}
	for key, w := range c.in.Wishes {
		if whole[c.unit(&w.Field)] && c.untouched(key, w) && w.Target != c.pairOf(key).Espo {
			out[key] = w.Target
		}
	}
	return out
}

// untouched reports whether an operator's word on a field stands, and has had nothing
// typed yet.
func (c *comparison) untouched(key string, w Wish) bool {
	return !w.Typed && key != KindKey && c.pairOf(key) == w.Shown && c.holds(&w.Field)
}

// unit is what a field is one value with: its group; where an operator wants another
// kind, what only kinds have; else it is one by itself, under its key.
func (c *comparison) unit(f *mapping.Field) string {
	if _, rekinds := c.in.Wishes[KindKey]; rekinds && f.Own() {
		return KindKey
	}
	return f.Unit()
}

// holds reports whether an operator's words on the other parts of what a field is one
// value with hold: they are one word, so an edit of one part ends it for all.
func (c *comparison) holds(f *mapping.Field) bool {
	unit := c.unit(f)
	for key, w := range c.in.Wishes {
		if key != KindKey && key != f.Key && c.unit(&w.Field) == unit && (c.edited(w, record.EspoCRM) || c.edited(w, record.Advoware)) {
			return false
		}
	}
	return unit == KindKey || !slices.ContainsFunc(c.in.Schema.Fields(c.kind), func(part mapping.Field) bool {
		return part.Group == unit && c.apart(&part)
	})
}

// apart reports whether a two-way field on which an operator has said nothing, because
// both sides were in step, is not so any more.
func (c *comparison) apart(f *mapping.Field) bool {
	if _, wished := c.in.Wishes[f.Key]; wished || f.Direction != mapping.Both {
		return false
	}
	it := c.look(f)
	return it.answered() && !it.knows() && !f.Equal(it.pair.Espo, it.pair.Advo)
}

// edited reports whether a side holds neither what an operator saw there nor what his
// command has made of it. A field of another kind than the side's cannot be edited there.
func (c *comparison) edited(w Wish, s record.Side) bool {
	if w.Field.Own() && !slices.ContainsFunc(c.in.Schema.Fields(c.in.view(s).Kind), func(f mapping.Field) bool { return f.Key == w.Field.Key }) {
		return false
	}
	now := c.pairOf(w.Field.Key).On(s)
	return now != w.Shown.On(s) && !record.OwnForm(w.Target, now)
}

// typeIn is the decision to type an operator's values into EspoCRM, and nothing else.
func (c *comparison) typeIn(d *Decision, values map[string]record.Value) {
	d.Verdict, d.ToEspo, d.Typed = result.EspocrmNewer, values, true
	d.ToAdvo = map[string]record.Value{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		w := c.in.Wishes[key]
		d.Changes = append(d.Changes, Change{Field: w.Field, Pair: w.Shown, Target: record.EspoCRM})
	}
	d.Reason = reason(ReasonDecided, "Values that an operator has asked for are typed into EspoCRM: %s.", names(d.Changes, nil))
}

// Take is the wish for each clash that both sides show, for which a side was taken: by
// field key, "*" for the rest. Where one was taken for every clash, what only one side
// has edited travels as well.
func Take(in Input, sides map[string]record.Side) map[string]Wish {
	in.Policy, in.Wishes = Manual, nil
	wishes, single, open := map[string]Wish{}, map[string]Wish{}, len(sides) == 0
	changes, whole := Decide(in).Changes, maps.Clone(sides)
	for _, c := range changes { // what was taken for one field of a group is taken for all of it
		if side, taken := sides[c.Field.Key]; taken {
			whole[c.Field.Unit()] = side
		}
	}
	for _, c := range changes {
		side, taken := takenFor(whole, &c.Field)
		switch w := (Wish{Field: c.Field, Shown: c.Pair}); {
		case c.Moved == string(record.EspoCRM), c.Moved == string(record.Advoware):
			w.Target = c.On(record.Side(c.Moved))
			single[c.Field.Key] = w
		case c.Moved != movedBoth:
		case taken:
			w.Target = c.On(side)
			wishes[c.Field.Key] = w
		default:
			open = true
		}
	}
	if !open {
		maps.Copy(wishes, single)
	}
	return wishes
}

// takenFor is the side that was taken for a field: by its key, for its group, or for the rest.
func takenFor(sides map[string]record.Side, f *mapping.Field) (side record.Side, taken bool) {
	for _, name := range []string{f.Key, f.Unit(), "*"} {
		if side, taken = sides[name]; taken {
			break
		}
	}
	return side, taken
}
