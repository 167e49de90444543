package model

import (
	"fmt"

	"advosync/internal/reconcile"
	"advosync/internal/record"
)

// An operator's commands. Each is a run with wishes, which end with it.

type what uint8

const (
	noOrder what = iota
	undo         // values that the history holds come back, unless the record has moved on
	force        // also where it has
	resolve      // a side is taken for what a person was asked about
	link         // to an Advoware record
)

type order struct {
	what   what
	asked  bool          // both sides were looked at, and the wishes stand
	to     [fields]val   // undo: the values; none: not of this field
	take   [fields]uint8 // resolve: the side
	number uint8         // link: the record
}

// wish is an operator's word on one field, as reconcile.Wish has it.
type wish struct {
	on, typed bool
	shown     pair
	target    val
	may       bool // the judge: what was shown may give way to it
}

// orders are the commands that an operator may give.
func (x *explorer) orders(s state, out []edge) []edge {
	if s.pc != idle || s.orders >= x.sc.Budget.Orders || s.late.kind != nothing && !x.p.Flaws.NoWaiting || s.link == 0 || s.gone {
		return out
	}
	give := func(o order, format string, args ...any) {
		t := s
		t.orders++
		if t = x.start(t); t.pc == readEspo {
			t.order = o
			out = append(out, edge{fmt.Sprintf(format, args...), t})
		}
	}
	if s.status == conflict {
		for _, take := range x.takes() {
			give(order{what: resolve, take: take}, "an operator takes %s's %s and %s's %s", sideName(take[0]), x.name(0), sideName(take[1]), x.name(1))
		}
	}
	for _, to := range x.formerly(s) {
		what := ""
		for f, v := range to {
			if v != none {
				what += fmt.Sprintf(" %s %q", x.name(f), v)
			}
		}
		give(order{what: undo, to: to}, "an operator puts back%s", what)
		give(order{what: force, to: to}, "an operator puts back by force%s", what)
	}
	return out
}

// takes are the sides that an operator may take: of what is one value, one.
func (x *explorer) takes() [][fields]uint8 {
	if whole := x.sc.Group || x.sc.Kinds; whole && !x.p.Flaws.TakesHalf {
		return [][fields]uint8{{espo, espo}, {advo, advo}}
	}
	return [][fields]uint8{{espo, espo}, {advo, advo}, {espo, advo}}
}

// formerly is what an operator may put back: a value that the history holds, or, where the
// fields are one value or make the kind, what stood together.
func (x *explorer) formerly(s state) (out [][fields]val) {
	if x.sc.Group || x.sc.Kinds {
		for _, v0 := range x.formerlyIn(s, 0) {
			for _, v1 := range x.formerlyIn(s, 1) {
				to := [fields]val{v0, v1}
				switch {
				case to == s.e || s.made&together(to) == 0 || x.sc.Kinds && (v0 == blank) == (v1 == blank):
				case x.p.Flaws.UndoesHalf && v0 != s.e[0]:
					out = append(out, [fields]val{v0, none})
				default:
					out = append(out, to)
				}
			}
		}
		return out
	}
	for f := range x.sc.TouchFields {
		for _, v := range x.formerlyIn(s, f) {
			if to := ([fields]val{}); v != s.e[f] {
				to[f] = v
				out = append(out, to)
			}
		}
	}
	return out
}

// formerlyIn are a field's value, and those that the history holds.
func (x *explorer) formerlyIn(s state, f int) []val {
	out := []val{s.e[f]}
	if x.sc.Kinds && s.e[f] != blank {
		out = append(out, blank)
	}
	for w := range words {
		if v := word(w); s.hist[f]&v.bit() != 0 && v != s.e[f] {
			out = append(out, v)
		}
	}
	return out
}

func sideName(side uint8) string {
	if side == advo {
		return "Advoware"
	}
	return "EspoCRM"
}

// ask makes an operator's words of what both sides show; false: there is nothing to be
// done, or the record has moved on.
func (x *explorer) ask(s *state, k decideKey) bool {
	if s.laGone {
		return false
	}
	s.order.asked = true
	if s.order.what == resolve {
		var shows [fields]pair
		for f := range fields {
			shows[f] = pair{s.le[f], s.la[f]}
		}
		if s.status != conflict || s.parked != shows && !x.p.Flaws.ResolvesBlindly {
			return true // it is compared anew
		}
		may := s.parked == shows
		for key, w := range reconcile.Take(x.input(k), x.sides(s.order.take)) {
			word := wish{on: true, shown: fromPair(w.Shown), target: fromCanonical(w.Target), may: may}
			if _, empties := x.cleared(key); key == reconcile.KindKey {
				s.kindWish = word
			} else if !empties { // which follows the kind
				s.wish[x.fieldOf(key)] = word
			}
		}
		return true
	}
	return x.askBack(s)
}

// sides is what an operator says of the sides that he takes: of a group he names one field.
func (x *explorer) sides(take [fields]uint8) map[string]record.Side {
	of := map[uint8]record.Side{espo: record.EspoCRM, advo: record.Advoware}
	switch {
	case x.sc.Kinds:
		return map[string]record.Side{"*": of[take[0]]}
	case x.sc.Group && take[0] == take[1]:
		return map[string]record.Side{x.name(0): of[take[0]]}
	}
	return map[string]record.Side{x.name(0): of[take[0]], x.name(1): of[take[1]]}
}

// askBack makes wishes of the values that are to come back; where they make another kind,
// one for the kind, too.
func (x *explorer) askBack(s *state) bool {
	kinds := pair{x.kind(s.le), x.kind(s.la)}
	stands := kinds.e == kinds.a && s.kinds == kinds
	for f, v := range s.order.to {
		if v == none {
			continue
		}
		shown := pair{s.le[f], s.la[f]}
		may := s.order.what == force || stands && same(shown.e, shown.a) && (s.base[f] == shown || !x.inForce(f, s.le))
		if !may && !x.p.Flaws.UndoesBlindly {
			return false
		}
		s.wish[f] = wish{on: true, shown: shown, target: v, may: may}
	}
	if k := x.kind(s.order.to); x.sc.Kinds && k != kinds.e && !x.p.Flaws.UndoesNoKind {
		s.kindWish = wish{on: true, shown: kinds, target: k}
	}
	return true
}

// over is what an operator has seen on a side, and may have replaced.
func (s *state) over(side int) (out [fields]val) {
	for f, w := range s.wish {
		if w.on && w.may {
			out[f] = w.shown.on(side)
		}
	}
	return out
}
