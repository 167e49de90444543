package model

import (
	"fmt"

	"advosync/internal/reconcile"
)

// linking are the links that an operator makes by hand, by force where the record carries
// another number: to a record of the same person, whoever has made it.
func (x *explorer) linking(s state, out []edge) []edge {
	if s.pc != idle || s.links >= x.sc.Budget.Links || s.late.kind != nothing || s.gone {
		return out
	}
	for i, r := range s.a {
		if id := uint8(i + 1); r.there && id != s.link && !s.isTaken(id) {
			t := x.readEspo(s)
			t.links++
			t.order = order{what: link, number: id}
			out = append(out, edge{fmt.Sprintf("an operator links it to Advoware %d", id), t})
		}
	}
	return out
}

// compareForLink reads the record that is to be linked, without any base.
func (x *explorer) compareForLink(s state) []edge {
	r := s.a[s.order.number-1]
	if !r.there {
		return []edge{{"it does not find the record that is to be linked", rest(s)}}
	}
	if s.la, s.laRow, s.pc = r.v, r.row, sendLink; x.p.Flaws.KeepsBeforeLinking {
		x.keepLink(&s)
	}
	return []edge{{"it compares it with the record that is to be linked", s}}
}

// agrees reports whether both sides are in step once the link stands.
func (x *explorer) agrees(s *state) bool {
	d := x.decide(decideKey{e: s.le, a: s.la, linked: true, row: [2]uint8{0, s.laRow}})
	return d.toAdvo == [fields]val{} && d.toEspo == [fields]val{}
}

// sendLink writes the link to EspoCRM; the memory follows.
func (x *explorer) sendLink(s state) (out []edge) {
	if s.eVer != s.leVer && !x.p.Flaws.NoVersion || s.gone {
		return []edge{{"the link is refused: somebody has saved meanwhile", rest(s)}}
	}
	done := s
	x.landLink(&done)
	if done.pc = keepLink; x.p.Flaws.KeepsBeforeLinking {
		done = rest(done)
	}
	out = append(out, edge{"EspoCRM takes the operator's link", done})
	if s.lost < x.sc.Budget.Lost {
		t := rest(done)
		t.lost++
		t.faulty = true
		out = append(out, edge{"EspoCRM takes the operator's link, its answer is lost", t})
		t = rest(s)
		t.lost++
		out = append(out, edge{"the operator's link is lost on its way", t})
	}
	return out
}

// landLink: from now on it is the record of another number. What EspoCRM holds has to go
// there; what stands there gives way at a first contact.
func (x *explorer) landLink(s *state) {
	agrees := x.agrees(s)
	s.link, s.byHand, s.byUs = s.order.number, true, true
	s.foreign &^= 1 << (s.link - 1)
	s.eVer++
	if agrees {
		s.eRow, s.status, s.synced = s.laRow, clean, true
	} else if s.eRow, s.synced = 0, false; s.status == conflict {
		s.status = dirty
	}
	for f := range fields {
		s.common[f], s.seen[f] = pair{}, none
		s.fresh[espo][f], s.fresh[advo][f] = !agrees, false
		if s.number == s.link { // back to the number of before
			s.common[f], s.fresh[espo][f] = s.base[f], s.e[f] != s.base[f].e
		}
		if agrees {
			s.common[f] = pair{s.le[f], s.la[f]}
			s.fresh[advo][f] = s.linked().v[f] != s.la[f]
		}
		for side := range s.typed {
			s.typed[side][f], s.byTool[side][f], s.held[side][f] = false, false, 0
		}
		s.typed[espo][f] = !same(s.e[f], s.linked().v[f]) // it counts as an edit there
		s.prior[f] = s.common[f]
		s.meet(f)
	}
}

// keepLink is what is remembered from now on. An announcement ends with it.
func (x *explorer) keepLink(s *state) {
	x.endOpen(s)
	s.base, s.parked, s.refused, s.learnt, s.known = [fields]pair{}, [fields]pair{}, [2][fields]val{}, [fields]pair{}, [fields]pair{}
	if x.agrees(s) {
		for f := range fields {
			s.base[f] = pair{s.le[f], s.la[f]}
		}
	}
	s.number, s.other.stale = s.order.number, s.other.on
	for f := range fields {
		s.fresh[advo][f] = s.fresh[advo][f] && !s.firstContact(f)
	}
}

// endOpen ends an announcement that nobody looks after any more, with the notes it owed.
func (x *explorer) endOpen(s *state) {
	for f := range fields {
		s.told[f] |= s.open.note[f]
	}
	s.open = announcement{}
}

// linkMoved drops what is remembered of another number than the one that EspoCRM carries:
// an operator's link ended before the memory followed.
func (x *explorer) linkMoved(s *state) {
	if x.sc.Budget.Links == 0 {
		return
	}
	if s.open.of != 0 && s.open.of != s.link && !x.p.Flaws.SettlesElsewhere {
		x.endOpen(s)
	}
	if s.number != 0 && s.number != s.link && !x.p.Flaws.OtherBaseServes {
		s.relinked = s.base != [fields]pair{}
		s.base, s.parked = [fields]pair{}, [fields]pair{}
	}
	s.number = s.link
}

// linkedMeanwhile is a run that meets a link, and a create that was interrupted before it.
func (x *explorer) linkedMeanwhile(s state) []edge {
	if s.open.id != s.link { // to another one, or to what may be ours
		x.endOpen(&s)
		s.base = [fields]pair{}
	}
	s.number = s.link
	return []edge{{"it finds that the record is linked, and decides", x.after(x.round(s.readAdvo(), reconcile.FateUnknown, false))}}
}

// firstContact: the link was never in step, and an operator has made it, or nothing is
// remembered of it any more. So EspoCRM's value of the field goes over what stands in
// Advoware.
func (s *state) firstContact(f int) bool {
	return (s.byHand || s.losses+s.copies > 0) && s.link != 0 && !s.synced && (s.byHand && s.number != s.link || s.base[f] == pair{})
}
