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
	undo         // a value that the history holds comes back, unless the record has moved on
	force        // also where it has
	resolve      // a side is taken for what a person was asked about
)

type order struct {
	what  what
	asked bool // both sides were looked at, and the wishes stand
	f     uint8
	to    val
	take  [fields]uint8 // resolve: the side
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
		for _, take := range [][fields]uint8{{espo, espo}, {advo, advo}, {espo, advo}} {
			give(order{what: resolve, take: take}, "an operator takes %s's %s and %s's %s", sideName(take[0]), x.name(0), sideName(take[1]), x.name(1))
		}
	}
	if x.sc.Group {
		return out // undo takes groups whole; a single field is what is explored
	}
	for f := range x.sc.TouchFields {
		for w := range words {
			v := word(w)
			if s.hist[f]&v.bit() == 0 || v == s.e[f] {
				continue
			}
			give(order{what: undo, f: uint8(f), to: v}, "an operator puts %s %q back", x.name(f), v)
			give(order{what: force, f: uint8(f), to: v}, "an operator puts %s %q back by force", x.name(f), v)
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
		sides := map[string]record.Side{}
		for f := range fields {
			if sides[x.name(f)] = record.EspoCRM; s.order.take[f] == advo {
				sides[x.name(f)] = record.Advoware
			}
		}
		for key, w := range reconcile.Take(x.input(k), sides) {
			s.wish[x.fieldOf(key)] = wish{on: true, shown: fromPair(w.Shown), target: fromCanonical(w.Target), may: may}
		}
		return true
	}
	f := s.order.f
	shown := pair{s.le[f], s.la[f]}
	may := s.order.what == force || s.base[f] == shown && same(shown.e, shown.a)
	if !may && !x.p.Flaws.UndoesBlindly {
		return false
	}
	s.wish[f] = wish{on: true, shown: shown, target: s.order.to, may: may}
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
