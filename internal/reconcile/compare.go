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

// who says which sides have moved.
func who(espo, advo bool) string {
	switch {
	case espo && advo:
		return movedBoth
	case espo:
		return movedEspo
	case advo:
		return movedAdvo
	}
	return movedNone
}

// item is one field compared.
type item struct {
	f       *mapping.Field // the schema's own: a record is compared often
	pair    record.Pair
	base    record.Pair // zero: there is none
	moved   string
	differs bool
	agreed  bool        // agrees, and the base has to learn it
	source  record.Side // whose value travels; "" not decided
	wish    *Wish       // an operator has decided it
	waits   bool        // nothing is decided until a person has spoken
}

// Moved reports whether a side has left its half of a field's base, by the field's
// type. An unknown half counts as left; absent is never a move.
func Moved(f *mapping.Field, base record.Pair, s record.Side, v record.Value) bool {
	return !v.IsAbsent() && !f.Equal(base.On(s), v)
}

func (it *item) based() bool { return it.base != record.Pair{} }

// left is Moved for what the item holds; false without a base.
func (it *item) left(s record.Side) bool {
	return it.based() && Moved(it.f, it.base, s, it.pair.On(s))
}

// knows reports whether the base is the very pair that both sides hold.
func (it *item) knows() bool { return it.based() && it.base == it.pair }

// agrees reports whether both sides hold the same: what the base knows as such, one value
// by the field's type, or, where nobody tells which is the older, two spellings of it.
func (it *item) agrees() bool {
	e, a := it.pair.Espo, it.pair.Advo
	return it.knows() || it.f.Equal(e, a) || (!it.based() || it.left(record.EspoCRM) && it.left(record.Advoware)) && it.f.Agree(e, a)
}

// mover is the side that alone has moved; "": none or both have, or nobody can tell.
func (it *item) mover() record.Side {
	if it.moved == movedEspo || it.moved == movedAdvo {
		return record.Side(it.moved)
	}
	return ""
}

// editedOn reports whether a side has moved, alone or not.
func (it *item) editedOn(s record.Side) bool { return it.moved == movedBoth || it.moved == string(s) }

// open reports whether neither an operator nor a policy of its own decides the field: the
// record's policy is about what is.
func (it *item) open() bool { return it.wish == nil && it.f.Policy == "" }

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
	items  []item // that differ, and the clears; without the kind's own fields while the kinds differ
	agreed map[string]record.Pair
	broken []*mapping.Field // cannot be brought over: compared by nobody, overwritten by nobody
	stuck  map[string]bool  // the units of such fields
}

func compareAll(in Input) *comparison {
	c := &comparison{in: in, kind: in.Espo.Kind}
	c.kinds = c.compareKinds()
	c.wished(&c.kinds)
	fields := in.Schema.Fields(c.kind)
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
		if it, ok := c.compare(&fields[i]); ok {
			c.keep(&it)
		}
	}
	c.clashOfKinds()
	return c
}

// leaveOut finds the fields that cannot be read, or are known not to be brought over. What
// is one value goes whole, or not at all.
func (c *comparison) leaveOut(fields []mapping.Field) {
	if len(c.in.Espo.Broken)+len(c.in.Advo.Broken)+len(c.in.Stuck) == 0 {
		return
	}
	if c.stuck == nil {
		c.stuck = map[string]bool{}
	}
	for i := range fields {
		if f := &fields[i]; c.in.Espo.Broken[f.Key] != nil || c.in.Advo.Broken[f.Key] != nil || c.in.Stuck[f.Key] {
			c.stuck[f.Unit()] = true
		}
	}
}

// compare compares one field; false: it cannot be brought over.
func (c *comparison) compare(f *mapping.Field) (it item, ok bool) {
	if c.stuck[f.Unit()] {
		c.broken = append(c.broken, f)
		return item{}, false
	}
	it = c.look(f)
	if f.Clear {
		it.clear()
	} else if it.oneWay() {
		it.compareOneWay()
	} else {
		it.compareTwoWay()
		if f.Own() && it.mover() != "" && c.rekinded() {
			it.moved = movedBoth // its base is from an earlier time of this kind
		}
	}
	c.wished(&it)
	if it.agreed {
		c.agreed[f.Key] = it.pair
	}
	return it, true
}

// keep takes along what the decision may have to send.
func (c *comparison) keep(it *item) {
	if it.differs || it.f.Clear {
		c.items = append(c.items, *it)
	}
}

// look is a field as both sides and the base have it.
func (c *comparison) look(f *mapping.Field) item {
	return item{f: f, pair: c.pairOf(f.Key), base: c.baseOf(f.Key)}
}

// pairOf is what both sides hold of a field.
func (c *comparison) pairOf(key string) record.Pair {
	return record.Pair{Espo: c.in.Espo.Values[key], Advo: c.in.Advo.Values[key]}
}

// clear gives a clear its owner's value: always empty.
func (it *item) clear() {
	if it.owner() == record.Advoware {
		it.pair.Advo = record.Empty()
	} else {
		it.pair.Espo = record.Empty()
	}
}

// baseOf is zero where there is no base. A pair with an absent side is none: it
// cannot be known to mean the same, and what is answered again is no move.
func (c *comparison) baseOf(key string) record.Pair {
	if c.in.Base == nil {
		return record.Pair{}
	}
	base := c.in.Base.Fields[key]
	if base.Espo.IsAbsent() || base.Advo.IsAbsent() {
		return record.Pair{}
	}
	return base
}

// compareTwoWay classifies a field that travels both ways. A side has moved when its
// content differs from its own base; contents that are equal agree whoever moved. What
// Advoware leaves out, and no base knows, gets EspoCRM's value without a vote on who moved.
func (it *item) compareTwoWay() {
	switch {
	case it.answered() && it.agrees():
		it.agreed = !it.knows()
	case it.based():
		it.moved = who(it.left(record.EspoCRM), it.left(record.Advoware))
		it.differs = it.moved != movedNone
	case it.answered():
		it.differs, it.moved = true, movedUnknown
	case it.pair.Advo.IsAbsent() && it.pair.Espo.HasText():
		it.differs, it.source = true, record.EspoCRM
	}
}

// compareOneWay classifies a field that belongs to one side: whatever moved,
// the owner's value is what both should hold.
func (it *item) compareOneWay() {
	owner := it.owner()
	v, w := it.pair.On(owner), it.pair.On(owner.Other())
	stands := it.based() && !it.left(owner)
	switch {
	case v.IsAbsent():
	case it.agrees():
		it.agreed = !it.knows()
	case w.IsAbsent() && (stands || !it.based() && !v.HasText()):
	default:
		it.differs, it.source = true, owner
		it.moved = string(owner)
		if stands {
			it.moved = string(owner.Other())
		}
	}
}

// kindField stands for the kind among the fields.
var kindField = mapping.Field{Key: KindKey, Espo: KindKey, Advo: KindKey, Direction: mapping.Both}

// compareKinds compares the kinds. A side without one has nothing to say.
func (c *comparison) compareKinds() item {
	it := item{f: &kindField, pair: record.Pair{Espo: kindValue(c.in.Espo), Advo: kindValue(c.in.Advo)}}
	if c.in.Base != nil && !c.in.Base.Kind.Espo.IsAbsent() {
		it.base = c.in.Base.Kind
	}
	if it.answered() {
		it.compareTwoWay()
	}
	return it
}

// rekinded reports whether both sides have left the base's kind, for the same one.
func (c *comparison) rekinded() bool {
	k := &c.kinds
	return k.based() && k.answered() && !k.differs && k.base.Espo != k.pair.Espo && k.base.Advo != k.pair.Advo
}

// ownDiffers reports whether fields that only the kind compared has differ, or cannot be
// compared.
func (c *comparison) ownDiffers() bool {
	return slices.ContainsFunc(c.broken, (*mapping.Field).Own) || slices.ContainsFunc(c.items, func(it item) bool { return it.differs && it.f.Own() })
}

// clashOfKinds finds a change of kind on one side and an edit of the kind's own
// fields on the other: they cannot both survive.
func (c *comparison) clashOfKinds() {
	if s := c.kinds.mover(); s != "" && c.blockMoved(s.Other()) {
		c.kinds.moved = movedBoth
	}
}

// blockMoved reports whether a side edited fields of the kind it still has.
func (c *comparison) blockMoved(s record.Side) bool {
	fields := c.in.Schema.Fields(c.in.view(s).Kind)
	for i := range fields {
		if it := c.look(&fields[i]); it.f.Own() && it.left(s) {
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

// some reports whether the kind, or a two-way field that differs, is such a one.
func (c *comparison) some(such func(*item) bool) (yes bool) {
	c.twoWay(func(it *item) { yes = yes || such(it) })
	return yes
}

func (c *comparison) moved(s record.Side) bool {
	return c.some(func(it *item) bool { return it.editedOn(s) })
}

// filled reports whether Advoware leaves out a field that only EspoCRM knows.
func (c *comparison) filled() bool {
	return c.some(func(it *item) bool { return it.moved == movedNone })
}

func (c *comparison) hasUnknown() bool {
	return c.some(func(it *item) bool { return it.moved == movedUnknown })
}

// clashes reports whether the record's policy has a field to decide that both sides
// have edited.
func (c *comparison) clashes() bool {
	return c.some(func(it *item) bool { return it.open() && it.moved == movedBoth })
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
		case p == Manual, c.in.Policy == Asked:
			it.waits = true
		case p == AdvowareWins:
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

// join makes what is one value move as one: who has moved a field of it has moved all.
func (c *comparison) join() {
	moved := map[string]string{}
	c.twoWay(func(it *item) {
		if it.joins() {
			together(moved, it, it.moved, movedBoth)
		}
	})
	c.twoWay(func(it *item) {
		if it.joins() {
			it.moved = moved[it.f.Unit()]
		}
	})
}

// together adds a field to what is known of each unit; apart: its fields differ in it.
func together(units map[string]string, it *item, what, apart string) {
	if before, ok := units[it.f.Unit()]; ok && before != what {
		what = apart
	}
	units[it.f.Unit()] = what
}

// joins reports whether somebody has edited the field, and both sides show it: one that
// is only filled is not edited.
func (it *item) joins() bool { return it.moved != movedNone && it.source == "" && it.answered() }

// fill lets a side that is empty, and that no base knows otherwise, take the other
// side's value: it clears nothing that it may never have known. A group is filled only
// where all of it comes from one side.
func (c *comparison) fill() {
	from := map[string]string{}
	c.twoWay(func(it *item) { together(from, it, string(it.filledFrom()), "") })
	c.twoWay(func(it *item) {
		if it.wish == nil && it.moved == movedUnknown {
			it.source = record.Side(from[it.f.Unit()])
		}
	})
}

// filledFrom is the side whose value a field takes without anybody's being overruled;
// "" neither's.
func (it *item) filledFrom() record.Side {
	switch e, a := it.pair.Espo, it.pair.Advo; {
	case it.moved != movedUnknown:
		return it.mover()
	case it.f.Key == KindKey:
	case e.IsEmpty() && a.HasText():
		return record.Advoware
	case a.IsEmpty() && e.HasText():
		return record.EspoCRM
	}
	return ""
}

// overrule makes one side the source of every open field that it answered; with moved only
// of those that moved so.
func (c *comparison) overrule(s record.Side, moved string) {
	c.twoWay(func(it *item) {
		if it.open() && !it.pair.On(s).IsAbsent() && (moved == "" || it.moved == moved) {
			it.source = s
		}
	})
}

// wait leaves every open field to a person.
func (c *comparison) wait() {
	c.twoWay(func(it *item) {
		if it.open() {
			it.waits, it.source = true, ""
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
	return c.kinds.based() && c.kinds.answered() && c.kinds.base != c.kinds.pair
}

// agreedKind is the pair of kinds that means the same: the one compared, and
// while the kinds differ, or one is not known, still the base's. So it is
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
