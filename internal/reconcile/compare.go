package reconcile

import (
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// Who left the base. The words are those of JSON `fields[].changed`.
const (
	movedNone    = ""
	movedEspo    = "espocrm"
	movedAdvo    = "advoware"
	movedBoth    = "both"
	movedUnknown = "?" // they differ, and without a base nobody can tell who moved
)

// item is one field compared.
type item struct {
	f       *mapping.Field // the schema's own: a record is compared often
	pair    record.Pair
	base    record.Pair // only where based
	based   bool
	moved   string
	differs bool
	agreed  bool        // agrees, and the base has to learn it
	source  record.Side // whose value travels; "" not decided
	wish    *Wish       // an operator has decided it
	waits   bool        // nothing is decided until a person has spoken
}

// Moved reports whether a side has left its half of a field's base, by the field's
// type. An unknown half counts as left.
func Moved(f *mapping.Field, base record.Pair, s record.Side, v record.Value) bool {
	return !f.Equal(base.On(s), v)
}

// left is Moved for what the item holds; false without a base.
func (it *item) left(s record.Side) bool {
	return it.based && Moved(it.f, it.base, s, it.pair.On(s))
}

// knows reports whether the base is the very pair that both sides hold.
func (it *item) knows() bool { return it.based && it.base == it.pair }

func (it *item) oneWay() bool { return it.f.Direction != mapping.Both }

// answered reports whether both sides' answers hold the field.
func (it *item) answered() bool { return !it.pair.Espo.IsAbsent() && !it.pair.Advo.IsAbsent() }

// owner is the side that a one-way field belongs to.
func (it *item) owner() record.Side {
	if it.f.Direction == mapping.ToEspocrm {
		return record.Advoware
	}
	return record.EspoCRM
}

// comparison is all fields of one record compared.
type comparison struct {
	in     Input
	kind   string
	kinds  item   // the kind, compared like one more field
	items  []item // without the kind's own fields while the kinds differ
	agreed map[string]record.Pair
	broken []*mapping.Field // cannot be brought over: compared by nobody, overwritten by nobody
	stuck  map[string]bool  // groups of such fields
}

func compareAll(in Input) *comparison {
	c := &comparison{in: in, kind: in.Espo.Kind}
	c.kinds = c.compareKinds()
	c.wished(&c.kinds)
	fields := in.Schema.Fields(c.kind)
	c.items = make([]item, 0, len(fields))
	learns := 0
	if in.Base == nil {
		learns = len(fields) // whatever agrees is new to the memory
	}
	c.agreed = make(map[string]record.Pair, learns)
	c.leaveOut(fields)
	for i := range fields {
		if fields[i].Kind != "" && c.kinds.differs {
			continue // which kind's fields count depends on who wins
		}
		c.add(&fields[i])
	}
	c.clashOfKinds()
	return c
}

// leaveOut finds the groups of which a field cannot be brought over: they go whole, or
// not at all.
func (c *comparison) leaveOut(fields []mapping.Field) {
	if len(c.in.Espo.Broken)+len(c.in.Advo.Broken)+len(c.in.Stuck) == 0 {
		return
	}
	for i := range fields {
		if f := &fields[i]; f.Group != "" && c.isStuck(f) {
			if c.stuck == nil {
				c.stuck = map[string]bool{}
			}
			c.stuck[f.Group] = true
		}
	}
}

// isStuck reports whether a field cannot be read, or is known not to be brought over.
func (c *comparison) isStuck(f *mapping.Field) bool {
	return c.in.Espo.Broken[f.Key] != nil || c.in.Advo.Broken[f.Key] != nil || c.in.Stuck[f.Key] || f.Group != "" && c.stuck[f.Group]
}

// add compares one field. It returns nil where the field cannot be brought over.
func (c *comparison) add(f *mapping.Field) *item {
	if c.isStuck(f) {
		c.broken = append(c.broken, f)
		return nil
	}
	c.items = append(c.items, item{f: f, pair: record.Pair{Espo: c.in.Espo.Values[f.Key], Advo: c.in.Advo.Values[f.Key]}})
	it := &c.items[len(c.items)-1]
	it.base, it.based = c.baseOf(f.Key)
	if f.Clear {
		it.clear()
	} else if it.oneWay() {
		it.compareOneWay()
	} else {
		it.compareTwoWay()
		if f.Own() && c.rekinded() && (it.moved == movedEspo || it.moved == movedAdvo) {
			it.moved = movedBoth // its base is from an earlier time of this kind
		}
	}
	c.wished(it)
	if it.agreed {
		c.agreed[f.Key] = it.pair
	}
	return it
}

// clear gives a clear its owner's value: always empty.
func (it *item) clear() {
	if it.owner() == record.Advoware {
		it.pair.Advo = record.Empty()
	} else {
		it.pair.Espo = record.Empty()
	}
}

// baseOf is false where there is no base. A pair with an absent side is none: it
// cannot be known to mean the same (B1), and what is answered again is no move.
func (c *comparison) baseOf(key string) (base record.Pair, ok bool) {
	if c.in.Base == nil {
		return base, false
	}
	base, ok = c.in.Base.Fields[key]
	return base, ok && !base.Espo.IsAbsent() && !base.Advo.IsAbsent()
}

// compareTwoWay classifies a field that travels both ways. A side has moved
// when its content differs from its own base; contents that are equal agree
// whoever moved.
func (it *item) compareTwoWay() {
	if !it.answered() {
		it.compareUnanswered()
		return
	}
	e, a := it.pair.Espo, it.pair.Advo
	espoMoved, advoMoved := it.left(record.EspoCRM), it.left(record.Advoware)
	switch {
	case it.f.Equal(e, a), (!it.based || espoMoved && advoMoved) && it.f.Agree(e, a):
		it.agreed = !it.knows()
	case !it.based:
		it.moved, it.differs = movedUnknown, true
	case espoMoved && advoMoved:
		it.moved, it.differs = movedBoth, true
	case espoMoved:
		it.moved, it.differs = movedEspo, true
	case advoMoved:
		it.moved, it.differs = movedAdvo, true
	}
}

// compareUnanswered classifies a two-way field that one side has not answered. Absent is
// never a move: what Advoware leaves out, and no base knows, gets EspoCRM's value without a
// vote on who moved.
func (it *item) compareUnanswered() {
	e, a := it.pair.Espo, it.pair.Advo
	switch {
	case !it.based && a.IsAbsent() && e.HasText():
		it.differs, it.source = true, record.EspoCRM
	case !e.IsAbsent() && it.left(record.EspoCRM):
		it.differs, it.moved = true, movedEspo
	case !a.IsAbsent() && it.left(record.Advoware):
		it.differs, it.moved = true, movedAdvo
	}
}

// compareOneWay classifies a field that belongs to one side: whatever moved,
// the owner's value is what both should hold.
func (it *item) compareOneWay() {
	owner := it.owner()
	v, w, based := it.pair.On(owner), it.pair.On(owner.Other()), it.based
	stands := based && !it.left(owner)
	switch {
	case v.IsAbsent():
	case it.f.Equal(v, w), !based && it.f.Agree(v, w):
		it.agreed = !it.knows()
	case it.knows():
	case w.IsAbsent() && (!based && !v.HasText() || stands):
	case it.left(owner) && it.left(owner.Other()) && it.f.Agree(v, w):
		it.agreed = true
	default:
		it.differs, it.source = true, owner
		it.moved = string(owner)
		if stands {
			it.moved = string(owner.Other())
		}
	}
}

// compareKinds compares the kinds. A side without one has nothing to say.
func (c *comparison) compareKinds() item {
	it := item{f: &mapping.Field{Key: KindKey, Espo: KindKey, Advo: KindKey, Direction: mapping.Both},
		pair: record.Pair{Espo: kindValue(c.in.Espo), Advo: kindValue(c.in.Advo)}}
	if c.in.Base != nil && !c.in.Base.Kind.Espo.IsAbsent() {
		it.base, it.based = c.in.Base.Kind, true
	}
	if it.answered() {
		it.compareTwoWay()
	}
	return it
}

// rekinded reports whether both sides have left the base's kind, for the same one.
func (c *comparison) rekinded() bool {
	k := &c.kinds
	return k.based && k.answered() && !k.differs && k.base.Espo != k.pair.Espo && k.base.Advo != k.pair.Advo
}

// ownDiffers reports whether fields that only the kind compared has differ, or cannot be
// compared.
func (c *comparison) ownDiffers() bool {
	return slices.ContainsFunc(c.broken, (*mapping.Field).Own) || slices.ContainsFunc(c.items, func(it item) bool { return it.differs && it.f.Own() })
}

// clashOfKinds finds a change of kind on one side and an edit of the kind's own
// fields on the other: they cannot both survive.
func (c *comparison) clashOfKinds() {
	moved := &c.kinds.moved
	if *moved == movedEspo && c.blockMoved(record.Advoware) || *moved == movedAdvo && c.blockMoved(record.EspoCRM) {
		*moved = movedBoth
	}
}

// blockMoved reports whether a side edited fields of the kind it still has.
func (c *comparison) blockMoved(s record.Side) bool {
	view := c.in.Espo
	if s == record.Advoware {
		view = c.in.Advo
	}
	for _, f := range c.in.Schema.Fields(view.Kind) {
		if !f.Own() {
			continue
		}
		b, based := c.baseOf(f.Key)
		if v := view.Values[f.Key]; based && !v.IsAbsent() && Moved(&f, b, s, v) {
			return true
		}
	}
	return false
}

func kindValue(v *mapping.View) record.Value {
	if v == nil || v.Kind == "" {
		return record.Absent()
	}
	return record.Of(v.Kind)
}

// twoWay calls fn for the kind and every two-way field that differs.
func (c *comparison) twoWay(fn func(*item)) {
	if c.kinds.differs {
		fn(&c.kinds)
	}
	for i := range c.items {
		if it := &c.items[i]; it.differs && !it.oneWay() {
			fn(it)
		}
	}
}

func (c *comparison) differs() bool {
	for i := range c.items {
		if c.items[i].differs {
			return true
		}
	}
	return c.kinds.differs
}

func (c *comparison) moved(s record.Side) (yes bool) {
	c.twoWay(func(it *item) { yes = yes || it.moved == string(s) || it.moved == movedBoth })
	return yes
}

// filled reports whether Advoware leaves out a field that only EspoCRM knows.
func (c *comparison) filled() (yes bool) {
	c.twoWay(func(it *item) { yes = yes || it.moved == movedNone })
	return yes
}

func (c *comparison) hasUnknown() (yes bool) {
	c.twoWay(func(it *item) { yes = yes || it.moved == movedUnknown })
	return yes
}

// clashes reports whether the record's policy has a field to decide that both sides
// have edited.
func (c *comparison) clashes() (yes bool) {
	c.rest(func(it *item) { yes = yes || it.moved == movedBoth })
	return yes
}

// ownPolicies decides the clashes of fields with a policy of their own, which no other
// one reaches. told: an edit gives way to one.
func (c *comparison) ownPolicies() (told bool) {
	c.twoWay(func(it *item) {
		if it.wish != nil || it.moved != movedBoth {
			return
		}
		switch p := it.f.Policy; {
		case p == "":
		case p == mapping.Manual, c.in.Policy == Asked:
			it.waits = true
		case p == mapping.AdvowareWins:
			it.source, told = record.Advoware, true
		default:
			it.source, told = record.EspoCRM, true
		}
	})
	return told
}

// assume says who moved where no base could tell.
func (c *comparison) assume(moved string) {
	c.twoWay(func(it *item) {
		switch {
		case it.moved != movedUnknown:
		case it.source != "" && it.wish == nil:
			it.moved = string(it.source)
		default:
			it.moved = moved
		}
	})
	c.clashOfKinds()
}

// join makes the fields of a group one value: who has moved one of them has moved all.
func (c *comparison) join() {
	var moved map[string]string
	c.twoWay(func(it *item) {
		if it.f.Group == "" || !it.joins() {
			return
		}
		if moved == nil {
			moved = map[string]string{}
		}
		if before, ok := moved[it.f.Group]; ok && before != it.moved {
			moved[it.f.Group] = movedBoth
		} else {
			moved[it.f.Group] = it.moved
		}
	})
	if moved == nil {
		return
	}
	c.twoWay(func(it *item) {
		if m, ok := moved[it.f.Group]; ok && it.joins() {
			it.moved = m
		}
	})
}

// joins reports whether somebody has edited the field, and both sides show it: one that
// is only filled is not edited.
func (it *item) joins() bool { return it.moved != movedNone && it.source == "" && it.answered() }

// fill lets a side that is empty, and that no base knows otherwise, take the other
// side's value: it clears nothing that it may never have known. A group is filled only
// where all of it comes from one side.
func (c *comparison) fill() {
	var from map[string]record.Side
	c.twoWay(func(it *item) {
		if it.f.Group == "" {
			return
		}
		if from == nil {
			from = map[string]record.Side{}
		}
		if s, ok := from[it.f.Group]; ok && s != it.filledFrom() {
			from[it.f.Group] = ""
		} else {
			from[it.f.Group] = it.filledFrom()
		}
	})
	c.twoWay(func(it *item) {
		if s := it.filledFrom(); it.wish == nil && it.moved == movedUnknown && s != "" && (it.f.Group == "" || from[it.f.Group] == s) {
			it.source = s
		}
	})
}

// filledFrom is the side whose value a field takes without anybody's being overruled;
// "" neither's.
func (it *item) filledFrom() record.Side {
	switch e, a := it.pair.Espo, it.pair.Advo; {
	case it.moved == movedEspo, it.moved == movedAdvo:
		return record.Side(it.moved)
	case it.moved != movedUnknown || it.f.Key == KindKey:
	case e.IsEmpty() && a.HasText():
		return record.Advoware
	case a.IsEmpty() && e.HasText():
		return record.EspoCRM
	}
	return ""
}

// rest calls fn for every two-way field that differs, and that neither an operator nor
// a policy of its own decides: what the record's policy is about.
func (c *comparison) rest(fn func(*item)) {
	c.twoWay(func(it *item) {
		if it.wish == nil && it.f.Policy == "" {
			fn(it)
		}
	})
}

// overrule makes one side the source of every field of the rest that it answered; with
// moved only of those that moved so.
func (c *comparison) overrule(s record.Side, moved string) {
	c.rest(func(it *item) {
		if !it.pair.On(s).IsAbsent() && (moved == "" || it.moved == moved) {
			it.source = s
		}
	})
}

// lags reports whether the base has something to learn although nothing
// differs.
func (c *comparison) lags() bool {
	return c.in.Base == nil || len(c.agreed) > 0 || c.in.Base.Kind != c.agreedKind()
}

// kindMoved reports whether the kind on side s becomes, or has become since the
// base, another one.
func (c *comparison) kindMoved(s record.Side) bool {
	if c.kinds.differs && c.kinds.source == s.Other() || c.in.Clearing && s == record.EspoCRM {
		return true
	}
	return c.kinds.based && c.kinds.answered() && c.kinds.base != c.kinds.pair
}

// agreedKind is the pair of kinds that means the same: the one compared, and
// while the kinds differ, or one is not known, still the base's (B4). So it is
// while fields of a kind that both sides have come back to differ: what the base
// knows of them is from an earlier time of that kind, until they agree.
func (c *comparison) agreedKind() record.Pair {
	switch {
	case !c.kinds.differs && c.kinds.answered() && !(c.rekinded() && c.ownDiffers()):
		return c.kinds.pair
	case c.in.Base != nil:
		return c.in.Base.Kind
	default:
		return record.Pair{}
	}
}
