package model

import "advosync/internal/reconcile"

// round settles what is open and decides, on the reads that the process holds,
// up to the next announcement or the conclusion. It is one transaction.
func (x *explorer) round(s state, fate reconcile.Fate, answer bool) state {
	before := s
	x.syncedSince(&s)
	x.linkMoved(&s)
	s.shown()
	x.settleOpen(&s, fate, answer)
	k := decideKey{e: s.le, a: s.la, base: s.base, linked: s.link != 0, gone: s.laGone, row: [2]uint8{s.leRow, s.laRow}, status: s.status, synced: s.synced, wish: s.wish, ofKind: s.kindWish, kinds: s.kinds, clears: s.clears,
		moved: s.relinked, asked: s.order.what == resolve && !x.p.Flaws.ResolvesByPolicy}
	if s.base == ([fields]pair{}) {
		k.byUs = s.leByUs
	}
	if s.order.what != noOrder && !s.order.asked {
		if !x.ask(&s, k) {
			return rest(before).doubted() // skipped, and nothing is stored
		}
		k.wish, k.ofKind = s.wish, s.kindWish
	}
	d, stuck := x.decideBut(&s, k)
	for f := range fields {
		if d.agreed[f] != (pair{}) {
			s.base[f] = d.agreed[f]
		}
		if stuck[f] && x.p.Flaws.LearnsStuck {
			s.base[f] = pair{s.le[f], s.la[f]}
		}
	}
	s.clears = s.clears || d.clears[espo] != [fields]bool{}
	s.other.stale = s.other.on
	if s = x.announce(s, d); stuck == ([fields]bool{}) {
		return s
	}
	switch {
	case s.pc == sendStatus && s.want == clean:
		return s.saying(failed)
	case s.pc == sendEspo:
		s.open.waits, s.open.row = true, 0
	}
	return s
}

// decideBut decides without the fields that a side is known not to take: they wait
// until they change, and the others travel.
func (x *explorer) decideBut(s *state, k decideKey) (d plan, stuck [fields]bool) {
	for {
		d = x.decide(k)
		again := false
		for f := range fields {
			if !k.stuck[f] && (d.toAdvo[f] != none && d.toAdvo[f] == s.refused[advo][f] || d.toEspo[f] != none && d.toEspo[f] == s.refused[espo][f]) {
				k.stuck[f], again = true, true
			}
		}
		switch {
		case !again:
			return d, k.stuck
		case x.p.Flaws.HoldsUp, x.kind(k.e) != x.kind(k.a): // a kind goes over whole, or not at all
			return plan{action: reconcile.None}, k.stuck
		}
	}
}

// settleOpen reads off what has become of the announced write, if there is one.
func (x *explorer) settleOpen(s *state, fate reconcile.Fate, answer bool) {
	fl := x.p.Flaws
	if s.open.kind == nothing {
		return
	}
	if s.open.kind == del { // EspoCRM has the record again
		s.open = announcement{}
		return
	}
	k := settleKey{base: s.base, open: s.open, fate: fate, there: !s.laGone, answer: answer, row: s.leRow, byUs: s.leByUs && s.status == clean && s.brought(), learnt: s.learnt, known: s.known, kind: x.kind(s.la)}
	if k.now = s.la; s.open.kind == putEspo {
		k.now, k.there, k.kind = s.le, true, x.kind(s.le)
	}
	if s.open.kind == post { // the posted record exists: it has arrived
		k.fate = reconcile.FateDone
	}
	got := x.settle(k)
	if got.open {
		return
	}
	s.base = got.base
	if s.brought() && s.baseRow != 0 {
		s.baseRow = s.open.row
	}
	x.settleKinds(s, got, answer)
	for f := range fields {
		if s.open.clears[f] && got.outcome[1-f] != reconcile.OutcomeNotDone && !fl.NotesInMemory {
			s.told[f] |= s.open.note[f] // it goes with the other one
		}
		if !s.open.on[f] {
			continue
		}
		if got.outcome[f] != reconcile.OutcomeNotDone && !fl.NotesInMemory {
			s.told[f] |= s.open.note[f]
		}
		if fate == reconcile.FateDone && fl.NotesInMemory {
			s.told[f] |= s.open.note[f]
		}
		if seen := (pair{s.open.target[f], k.now[f]}); answer && got.outcome[f] == reconcile.OutcomeArrived && s.learnt[f] == seen {
			s.known[f] = seen
		}
		if got.outcome[f] == reconcile.OutcomeUnproven {
			s.told[f] |= k.now[f].bit()
			if answer {
				s.learnt[f] = pair{s.open.target[f], k.now[f]}
			}
		}
		if got.outcome[f] == reconcile.OutcomeNotAccepted {
			s.refused[s.open.side()][f] = s.open.target[f]
		}
		if s.open.typed && answer {
			s.wish[f].typed, s.wish[f].shown.e = true, s.le[f]
		}
	}
	s.open = announcement{}
}

// brought: EspoCRM carries the rowId that only the announced write can have brought.
func (s *state) brought() bool {
	return s.open.kind == putEspo && s.open.row != 0 && s.open.row != s.open.rowWas && s.leRow == s.open.row
}

// settleKinds moves the base's kinds after a write, as one of its fields.
func (x *explorer) settleKinds(s *state, got settlement, answer bool) {
	now := pair{x.kind(s.le), x.kind(s.la)}
	brought := s.brought()
	switch {
	case answer && (now.e == now.a || s.open.kind == putEspo && !s.open.waits):
		s.kinds = now
	case !answer && got.kinds != pair{}:
		s.kinds = got.kinds
	}
	if !answer && brought && now.e == now.a {
		s.kinds = now
	}
	if !answer && s.open.kind == putEspo {
		s.clears = s.clears || s.open.clears != [fields]bool{}
	}
}

// maxWrites bounds the writes of one run.
const maxWrites = 4

// announce stores the next write of a plan with what it is about to overwrite,
// or concludes.
func (x *explorer) announce(s state, d plan) state {
	ann := announcement{rowWas: s.leRow}
	if x.sc.Budget.Links > 0 {
		ann.of = s.link
	}
	if s.writes == maxWrites && (d.toAdvo != [fields]val{} || d.toEspo != [fields]val{}) {
		return rest(s) // the record keeps moving; a later run goes on
	}
	switch {
	case d.action == reconcile.Missing && !x.sc.Recreate:
		return s.saying(failed)
	case d.action == reconcile.Missing:
		k := decideKey{e: s.le, row: [2]uint8{s.leRow, 0}, status: s.status, synced: s.synced}
		return x.announce(s, x.decide(k))
	case d.action == reconcile.Post:
		ann.kind, s.pc = post, sendPost
	case d.parks:
		for f := range fields {
			s.told[f] |= d.overruled[f]
			s.parked[f] = pair{s.le[f], s.la[f]}
		}
		s.kinds = d.kinds
		return s.saying(conflict)
	case d.toAdvo != [fields]val{}:
		ann.kind, s.pc = putAdvo, sendAdvo
	case d.toEspo != [fields]val{}:
		ann.kind, s.pc, ann.typed, ann.waits = putEspo, sendEspo, d.typed, d.typed || d.waits
		if !ann.waits {
			ann.row = s.laRow
		}
	default:
		if x.p.Flaws.ConcludesOnReread {
			for f := range fields {
				s.base[f].e = s.e[f]
			}
		}
		s.kinds = d.kinds
		if x.sc.Budget.StoreCopies > 0 {
			s.baseRow = s.laRow
		}
		if s.want, s.pc = clean, sendStatus; s.leRow == s.laRow && s.status == clean && s.synced {
			s.pc = idle
		}
		return s
	}
	return x.plan(s, d, ann)
}

// saying concludes with a status that asks a person.
func (s state) saying(want status) state {
	if s.want, s.pc = want, sendStatus; s.status == want {
		s.pc = idle
	}
	return s
}

// plan puts what an announced write replaces into the history, and stores both.
func (x *explorer) plan(s state, d plan, ann announcement) state {
	fl := x.p.Flaws
	targets := d.toAdvo
	if ann.kind == putEspo {
		targets = d.toEspo
	}
	s.obj = s.la
	for f := range fields {
		if targets[f] == none {
			continue
		}
		s.prior[f] = s.common[f]
		ann.clears[f] = d.clears[ann.side()][f]
		ann.on[f], ann.target[f], ann.shown[f] = !ann.clears[f], targets[f], pair{s.le[f], s.la[f]}
		over := s.la[f]
		if ann.kind == putEspo {
			over = s.le[f]
		}
		if over != none && !fl.NoHistory {
			s.hist[f] |= over.bit()
		}
		s.obj[f] = targets[f]
		// What gives way to this write, and what an earlier one overruled in this field.
		ann.note[f] = d.overruled[f]
		if fl.PlannedBase {
			s.base[f] = pair{s.le[f], targets[f]}
			if ann.kind == putEspo {
				s.base[f] = pair{targets[f], s.la[f]}
			}
		}
	}
	if k := (pair{x.kind(s.le), x.kind(s.la)}); k.on(ann.side()) != d.kind && k.on(1-ann.side()) == d.kind {
		ann.kinds, ann.becomes = k, d.kind
	}
	s.writes++
	if !fl.SendsBeforeAnnouncing {
		s.open = ann
	} else {
		s.open = announcement{kind: ann.kind, on: ann.on, target: ann.target, shown: ann.shown, row: ann.row, note: ann.note, waits: ann.waits, typed: ann.typed}
	}
	return s
}
