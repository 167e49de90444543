package model

import (
	"fmt"
	"slices"

	"advosync/internal/reconcile"
)

// edge is one event and what it leads to.
type edge struct {
	what string
	to   state
}

// next lists everything that can happen in a state.
func (x *explorer) next(s state) []edge {
	x.violated = ""
	var out []edge
	out = x.people(s, out)
	out = x.lateWrite(s, out)
	out = x.orders(s, out)
	out = x.stalls(s, out)
	out = x.stores(s, out)
	out = x.linking(s, out)
	if s.pc == idle {
		if s.late.kind == nothing || x.p.Flaws.NoWaiting {
			out = append(out, edge{"a run reads EspoCRM", x.start(s)})
		}
		return out
	}
	if s.deaths < x.sc.Budget.Deaths {
		t := s
		t.deaths++
		t.faulty = true
		if x.p.Flaws.SendsBeforeAnnouncing && (s.pc == sendAdvo || s.pc == sendEspo || s.pc == sendPost || s.pc == readBack || s.pc == answered || s.pc == posted) {
			t.open = announcement{}
		}
		out = append(out, edge{"the process dies", rest(t).doubted()})
	}
	return append(out, x.process(s)...)
}

// rest ends a run: the process forgets what it has read.
func rest(s state) state {
	s.proc = proc{}
	return s
}

func (x *explorer) start(s state) state {
	if x.p.Flaws.ForgetsAnnouncement {
		s.open = announcement{}
	}
	if s.gone {
		s.pc = seesGone
		return s
	}
	return x.readEspo(s)
}

// readEspo is a read of EspoCRM that a decision may rest on.
func (x *explorer) readEspo(s state) state {
	s.pc = readEspo
	s.le, s.leVer, s.leRow, s.leByUs = s.e, s.eVer, s.eRow, s.byUs
	return s
}

// again is another round of a run whose write was refused: an operator's words hold on,
// those of an undo that has typed nothing yet are asked for anew.
func (x *explorer) again(s state) state {
	if s.order.what == noOrder || s.gone {
		return rest(s)
	}
	if s.open.typed {
		s.order.asked, s.wish, s.kindWish = false, [fields]wish{}, wish{}
	}
	s.open = announcement{}
	return x.readEspo(s)
}

// people are the edits that anybody may make. Between the tool's read of Advoware
// and its PUT lies only the announcement: an edit there is the window that
// docs/reliability.md names.
func (x *explorer) people(s state, out []edge) []edge {
	b := x.sc.Budget
	for f := range x.sc.TouchFields {
		if s.editsE < b.EspoEdits && !s.gone && x.inForce(f, s.e) {
			for _, w := range x.sc.EspoWords {
				if v := word(w); v != s.e[f] {
					out = append(out, edge{fmt.Sprintf("somebody types %s %q in EspoCRM", x.name(f), v), x.typeEspo(s, f, v)})
				}
			}
		}
		if r := s.linkedOrPosted(); s.editsA < b.AdvoEdits && r >= 0 && s.foreign&(1<<r) == 0 && s.a[r].there && s.pc != sendAdvo && s.pc != sendDelete && x.inForce(f, s.a[r].v) {
			for _, w := range x.sc.AdvoWords {
				v := x.sc.AdvoForm(word(w))
				if s.pc == readBack && s.open.on[f] && s.learnt[f] == (pair{s.open.target[f], v}) {
					continue // the same save twice, each between our PUT and its read-back: taken for the system's form
				}
				if v != s.a[r].v[f] {
					out = append(out, edge{fmt.Sprintf("somebody types %s %q in Advoware", x.name(f), v), x.typeAdvo(s, r, f, v)})
				}
			}
		}
	}
	if x.sc.Budget.Strangers > 0 && s.foreign == 0 && s.open.kind == post && !s.a[1].there {
		t := s
		t.foreign = 2
		t.a[1] = advoRecord{there: true, row: 1, v: [fields]val{x.sc.AdvoForm(word(3)), x.sc.AdvoForm(word(3))}}
		out = append(out, edge{"somebody makes a record of another client in Advoware", t})
	}
	out = x.rekinding(s, out)
	out = x.deleting(s, out)
	out = x.taking(s, out)
	if r := s.linked(); s.backups < b.Backups && r != nil && r.there && s.pc == idle && s.late.kind == nothing {
		t := s
		t.backups++
		t.faulty = true
		r := t.linked()
		r.row = 1
		for f := range fields {
			r.v[f] = x.sc.AdvoForm(word(0))
			t.fresh[advo][f], t.byTool[advo][f] = false, false
			t.meet(f)
		}
		if t != s {
			out = append(out, edge{"a backup of Advoware is restored", t})
		}
	}
	return out
}

// linkedOrPosted is the Advoware record that people work on, -1 where none is.
func (s *state) linkedOrPosted() int {
	if s.link != 0 {
		return int(s.link) - 1
	}
	for i, r := range slices.Backward(s.a[:]) { // the first one is left over where there is a second
		if r.there && s.foreign&(1<<i) == 0 && !s.isTaken(uint8(i+1)) {
			return i
		}
	}
	return -1
}

func (x *explorer) typeEspo(s state, f int, v val) state {
	s.editsE++
	s.e[f] = v
	s.made |= together(s.e)
	s.eVer++
	s.byUs = false
	s.byTool[espo][f], s.typed[espo][f] = false, true
	if s.status != conflict && !(s.link == 0 && x.sc.origins()) {
		s.status = dirty
	}
	s.edited(espo, f, v)
	return s
}

func (x *explorer) typeAdvo(s state, r, f int, v val) state {
	s.editsA++
	s.a[r].v[f] = v
	s.made |= together(s.a[r].v)
	s.a[r].row++
	s.seen[f] = none
	s.byTool[advo][f], s.typed[advo][f] = false, true
	if s.open.on[f] && (s.pc == readBack || s.pc == posted) { // before our PUT is read back: told as a conflict
		s.typed[espo][f] = true
	}
	if s.link != 0 && int(s.link) == r+1 || s.link == 0 {
		s.edited(advo, f, v)
	}
	return s
}

// edited judges a person's edit: it must not be lost unless the other side has
// shown the same since both were in step.
func (s *state) edited(side, f int, v val) {
	s.need[f] &^= v.bit() // it stands again
	s.held[side][f] |= v.word()
	s.fresh[side][f] = v != s.common[f].on(side) && s.held[1-side][f]&v.word() == 0 && !(side == advo && s.firstContact(f))
	s.meet(f)
	switch s.pc {
	case readEspo:
		if s.open.side() == espo { // EspoCRM has been read already
			return
		}
		fallthrough
	case idle, seesGone, sendStatus:
		*s = s.doubted()
	}
}

// doubted takes back what nobody can tell while a write is in doubt, the windows
// that docs/design/protocol.md names: on the written side stands the very value
// from before it, so it looks as if it had never been sent; or the target, or
// another spelling of it, so it looks as if it had arrived.
func (s state) doubted() state {
	side := s.open.side()
	if r := s.linked(); s.open.kind == del || side == advo && r != nil && !r.there || s.open.of != 0 && s.open.of != s.link {
		return s
	}
	for f := range fields {
		if !s.open.on[f] || s.open.kind == post {
			continue
		}
		switch v := s.standing(side, f); {
		case v == s.open.before(f):
			s.common[f] = s.prior[f]
			s.fresh[side][f] = false
			if s.open.clears[1-f] { // nor does it look as if it had emptied the other one
				s.need[1-f] &^= s.open.note[1-f]
				s.fresh[side][1-f] = s.fresh[side][1-f] && s.standing(side, 1-f) != s.open.before(1-f)
			}
			s.fresh[1-side][f] = s.standing(1-side, f) != s.common[f].on(1-side) && s.fresh[1-side][f]
		case same(v, s.open.target[f]):
			s.fresh[side][f] = false
			if s.open.typed { // so it looks as if an operator had typed it
				s.seen[f] = s.open.shown[f].a
			}
		}
	}
	return s
}

func (s *state) standing(side, f int) val {
	if r := s.linkedOrPosted(); side == advo && r >= 0 {
		return s.a[r].v[f]
	}
	return s.e[f]
}

// meet: both sides hold the same word, so neither is an edit that could be lost.
func (s *state) meet(f int) {
	if r := s.linkedOrPosted(); r >= 0 && s.a[r].there && same(s.e[f], s.a[r].v[f]) {
		s.fresh[espo][f], s.fresh[advo][f] = false, false
	}
}

// shown: the tool has been shown both sides with the same word. From then on what
// is typed back to it is no edit that a comparison of contents could see.
func (s *state) shown() {
	for f := range fields {
		if same(s.le[f], s.la[f]) {
			s.common[f], s.seen[f] = pair{s.le[f], s.la[f]}, none
			for side := range s.fresh {
				s.fresh[side][f] = s.fresh[side][f] && s.standing(side, f) != s.common[f].on(side)
			}
		}
	}
}

// same: one is the other, or a form of it.
func same(e, a val) bool {
	return e == blank && a == blank || e >= word0 && a >= word0 && int(e-word0)/forms == int(a-word0)/forms
}

// lateWrite lets a write that nobody waits for land, or vanish.
func (x *explorer) lateWrite(s state, out []edge) []edge {
	if s.late.kind == nothing {
		return out
	}
	gone := s
	gone.late = flight{}
	out = append(out, edge{"the late write never arrives", gone})
	t := gone
	l := s.late
	switch l.kind {
	case putAdvo:
		r := t.linkedOrPosted()
		if !t.a[r].there {
			return out // not found: it lands nowhere
		}
		for f := range fields {
			if t.a[r].v[f] != l.read[f] { // a person's save after the read: the window of a late whole-object PUT
				t.fresh[advo][f] = false
				x.windows++
			} else {
				x.landing(&t, advo, f, l.obj[f], l.over[f])
			}
			t.put(advo, f, x.sc.AdvoForm(l.obj[f]), l.on[f], l.from[f])
		}
		t.a[r].row++
	case putEspo:
		if l.ver != t.eVer && !x.p.Flaws.NoVersion || t.gone {
			return out // refused: it lands nowhere
		}
		x.landEspo(&t, l)
	case post:
		x.landPost(&t, l.obj)
	case del:
		x.landDelete(&t, l.read)
	}
	return append(out, edge{"the late write lands", t})
}

// put stores what the tool has written. What it came from and what stands here
// now mean the same from then on; what the other side holds by then, if it is
// something else, is a later edit.
func (s *state) put(side, f int, v val, on bool, from val) {
	if v != s.standing(side, f) {
		s.byTool[side][f] = true
	}
	if side == espo {
		s.e[f] = v
	} else {
		s.a[s.linkedOrPosted()].v[f] = v
	}
	if on {
		s.common[f] = pair{from, v}
		if side == espo {
			s.common[f] = pair{v, from}
		}
		other := s.standing(1-side, f)
		s.fresh[side][f], s.fresh[1-side][f] = false, other != from && other != none
		if !s.fresh[1-side][f] {
			s.typed[espo][f], s.typed[advo][f] = false, false
			s.held[espo][f], s.held[advo][f] = 0, 0
		}
	}
	s.meet(f)
}

// landing judges a value that the tool's write is about to replace; over is what an
// operator has seen there, and wants replaced.
func (x *explorer) landing(s *state, side, f int, v, over val) {
	r := s.linkedOrPosted()
	old, form := s.e[f], x.sc.EspoForm
	if side == advo {
		old, form = s.a[r].v[f], x.sc.AdvoForm
	}
	if old == form(v) || old == none || old == blank {
		return
	}
	if s.hist[f]&old.bit() == 0 {
		x.violate("%s %q is replaced, and the history does not hold it", x.name(f), old)
	}
	if over == old || side == advo && s.seen[f] == old {
		s.fresh[side][f] = false
		return
	}
	source := s.e[f]
	if side == espo {
		source = s.a[r].v[f]
	}
	if s.byTool[1-side][f] && same(old, form(v)) && v == source {
		s.need[f] |= old.bit() // the other system's form of it: never unseen
	}
	if !s.fresh[side][f] {
		return
	}
	if o := s.order; o.what == resolve && int(o.take[f]) == side && !s.faulty {
		x.violate("%s %q is overwritten on the side that an operator takes", x.name(f), old)
	}
	s.need[f] |= old.bit()
	s.fresh[side][f] = false
	if s.faulty {
		return
	}
	policy, own := x.sc.policyOf(f)
	loser := advo
	if policy == reconcile.AdvowareWins {
		loser = espo
	}
	rival := s.typed[1-side][f]
	if x.sc.Group || x.sc.Kinds || !own && policy != reconcile.Merge {
		rival = x.anyTyped(s, 1-side)
	}
	if policy == reconcile.Manual || side != loser || !rival {
		x.violate("%s %q was somebody's edit and is overwritten against the policy %s", x.name(f), old, policy)
	}
}

// anyTyped reports whether somebody has typed into a field that goes by the record's
// policy.
func (x *explorer) anyTyped(s *state, side int) bool {
	for f := range fields {
		if _, own := x.sc.policyOf(f); s.typed[side][f] && !own {
			return true
		}
	}
	return false
}

func (x *explorer) violate(format string, args ...any) {
	if x.violated == "" {
		x.violated = fmt.Sprintf(format, args...)
	}
}

func (x *explorer) landAdvo(s *state, obj [fields]val) {
	s.faulty = s.faulty || x.sc.UnknownForm
	x.others(s)
	r, over := int(s.link)-1, s.over(advo)
	for f := range fields {
		x.landing(s, advo, f, obj[f], over[f])
	}
	for f := range fields {
		s.put(advo, f, x.sc.AdvoForm(obj[f]), s.open.on[f], s.open.shown[f].e)
	}
	s.a[r].row++
}

func (x *explorer) landEspo(s *state, l flight) {
	x.others(s)
	for f := range fields {
		if l.on[f] || l.also[f] {
			x.landing(s, espo, f, l.obj[f], l.over[f])
		}
	}
	for f := range fields {
		v := x.sc.EspoForm(l.obj[f])
		switch {
		case l.on[f] && l.typed: // from now on it is an edit like any other
			s.e[f], s.byTool[espo][f], s.typed[espo][f] = v, false, true
			s.seen[f] = l.from[f]
			s.edited(espo, f, v)
		case l.on[f] || l.also[f]:
			s.put(espo, f, v, l.on[f], l.from[f])
		}
	}
	s.eVer++
	s.byUs = true
	switch {
	case l.typed:
		s.status = dirty
	case !l.waits:
		s.eRow, s.status, s.synced = l.row, clean, true
	}
}

func (x *explorer) landPost(s *state, obj [fields]val) uint8 {
	s.posts++
	for i := range s.a {
		if s.a[i].there || s.a[i].row != 0 { // there, or deleted: a number is given once
			continue
		}
		s.a[i] = advoRecord{there: true, row: 1}
		for f := range fields {
			s.a[i].v[f] = x.sc.AdvoForm(obj[f])
		}
		for f := range fields {
			s.put(advo, f, x.sc.AdvoForm(obj[f]), true, obj[f])
			s.byTool[advo][f] = true
		}
		if s.posts > 1 && !s.took { // else the first one is another record's
			x.violate("the record is posted a second time")
		}
		return uint8(i + 1)
	}
	x.violate("the record is posted a third time")
	return 0
}

// process is the next step of the run, with every way in which it can end.
func (x *explorer) process(s state) []edge {
	switch s.pc {
	case readEspo:
		return x.readAdvo(s)
	case sendAdvo, sendEspo, sendPost:
		return x.send(s)
	case readBack:
		if x.p.Flaws.NoReadBack {
			s.la = s.obj
		} else {
			s.la = s.linked().v
		}
		s.laRow = s.linked().row
		if !s.linked().there { // deleted meanwhile: nobody knows what became of it
			return []edge{{"it finds nothing to read back", rest(s)}}
		}
		s = s.doubted() // somebody's save before the read-back may look like a PUT that was not taken
		return []edge{{"it reads back and decides", x.after(x.round(s, reconcile.FateDone, true))}}
	case answered:
		if s.open.waits { // both sides are apart still: another round
			x.settleOpen(&s, reconcile.FateDone, true)
			s.pc, s.other.stale = readEspo, s.other.on
			return []edge{{"it takes EspoCRM's answer for a read", s}}
		}
		return []edge{{"it takes EspoCRM's answer and decides", x.after(x.round(s, reconcile.FateDone, true))}}
	case sendStatus:
		return x.sendStatus(s)
	case posted:
		return x.linkPosted(s)
	case seesGone:
		return x.seesGone(s)
	case sendDelete:
		return x.sendDelete(s)
	case sendMark:
		return x.mark(s)
	case linkFound:
		return x.linkFound(s)
	case sendLink:
		return x.sendLink(s)
	case keepLink:
		x.keepLink(&s)
		return []edge{{"it remembers the link", rest(s)}}
	}
	return nil
}

// after ends a run that has nothing left to do.
func (x *explorer) after(s state) state {
	if s.pc == idle {
		return rest(s)
	}
	return s
}

func (x *explorer) readAdvo(s state) []edge {
	switch {
	case s.order.what == link:
		return x.compareForLink(s)
	case s.open.kind == post && s.link != 0 && !x.sc.Recreate && !x.p.Flaws.PostsOverLink:
		return x.linkedMeanwhile(s)
	case s.open.kind == post:
		return x.recoverPost(s)
	case s.link == 0 && x.sc.origins():
		return x.create(s)
	case s.link == 0:
		return []edge{{"it decides", x.after(x.round(s, reconcile.FateUnknown, false))}}
	}
	if s.open.kind == del && x.p.Flaws.FinishesDelete && s.linked().there {
		s.la, s.pc = s.linked().v, sendDelete
		return []edge{{"it goes on with the delete", s}}
	}
	if x.sc.Budget.Numbers > 0 { // else the natural keys agree
		if s.shared = s.isTaken(s.link); x.unproven(&s) {
			s.want, s.pc = conflict, sendStatus
			if s.status == conflict {
				return []edge{{"it does not know whose number it is", rest(s)}}
			}
			return []edge{{"it does not know whose number it is, and says so", s}}
		}
	}
	if s = s.readAdvo(); s.laGone {
		return []edge{{"it does not find the record in Advoware, and decides", x.after(x.round(s, reconcile.FateUnknown, false))}}
	}
	return []edge{{"it reads Advoware and decides", x.after(x.round(s, reconcile.FateUnknown, false))}}
}

// readAdvo is a read of the record that EspoCRM's link leads to.
func (s state) readAdvo() state {
	r := s.linked()
	if s.la, s.laRow, s.laGone = r.v, r.row, false; !r.there {
		s.la, s.laRow, s.laGone = [fields]val{}, 0, true
	}
	return s
}

func (x *explorer) flight(s state) flight {
	return flight{from: s.open.sources(), kind: s.open.kind, obj: s.obj, read: s.la, on: s.open.on, also: s.open.clears, waits: s.open.waits, typed: s.open.typed,
		over: s.over(s.open.side()), row: s.open.row, ver: s.leVer}
}

func (x *explorer) send(s state) []edge {
	f := x.flight(s)
	var out []edge
	if s.pc == sendEspo {
		f.obj = s.open.target
	}
	done := s
	verb := writeNames[f.kind]
	switch s.pc {
	case sendAdvo:
		if t, no := x.refusedByName(s); no {
			return []edge{{"the " + verb + " is refused by name", t}}
		}
		x.landAdvo(&done, s.obj)
		done.pc = readBack
	case sendPost:
		id := x.landPost(&done, s.obj)
		done.pc, done.open.id, done.own = posted, id, true
	default:
		if s.gone {
			t := s
			t.open = announcement{}
			return append(out, edge{"the " + verb + " is refused: the record is gone", rest(t)})
		}
		if s.eVer != s.leVer && !x.p.Flaws.NoVersion {
			t := x.again(s)
			t.open = announcement{}
			return append(out, edge{"the " + verb + " is refused: somebody has saved meanwhile", t})
		}
		x.landEspo(&done, f)
		done.pc, done.le, done.leVer, done.leRow, done.leByUs = answered, done.e, done.eVer, done.eRow, true
	}
	out = append(out, edge{"the " + verb + " is sent and answered", done})
	if s.lost < x.sc.Budget.Lost {
		t := done
		t.lost++
		t.faulty = true
		if f.kind == post {
			t.open.id = 0
		}
		out = append(out, edge{"the " + verb + " arrives, its answer is lost", x.giveUp(t)})
		t = s
		t.lost++
		t.faulty = true
		out = append(out, edge{"the " + verb + " is lost on its way", x.giveUp(t)})
		t = s
		t.lost++
		t.open = announcement{}
		out = append(out, edge{"the " + verb + " is refused", rest(t)})
	}
	if s.lates < x.sc.Budget.Late {
		t := s
		t.lates++
		t.faulty = true
		t.late = f
		out = append(out, edge{"the " + verb + " is not answered in time", x.giveUp(t)})
	}
	return out
}

// refusedByName: Advoware has refused a value, and names its field. The next round goes
// on without it.
func (x *explorer) refusedByName(s state) (state, bool) {
	no := false
	for f := range fields {
		if s.open.on[f] && x.sc.Refused != 0 && s.obj[f] == word(x.sc.Refused) {
			s.refused[advo][f], no = s.obj[f], true
		}
	}
	if !no {
		return s, false
	}
	s.open = announcement{}
	s.writes--
	return x.readEspo(s), true
}

// giveUp ends a run whose write has no answer.
func (x *explorer) giveUp(s state) state {
	if x.p.Flaws.ClosesUnknown {
		s.open = announcement{}
	}
	if s.status == syncing {
		s.status = dirty
	}
	return rest(s)
}

func (x *explorer) sendStatus(s state) []edge {
	var out []edge
	if s.lost < x.sc.Budget.Lost {
		t := s
		t.lost++
		t.faulty = true
		out = append(out, edge{"the status is lost on its way", rest(t)})
	}
	if s.eVer != s.leVer && !x.p.Flaws.NoVersion || s.gone {
		return append(out, edge{"the status is refused: somebody has saved meanwhile", rest(s)})
	}
	t := s
	t.eVer++
	t.status, t.byUs = s.want, true
	if s.want == clean {
		t.eRow, t.synced = s.laRow, true
	}
	return append(out, edge{"EspoCRM takes the status " + statusNames[s.want], rest(t)})
}

// recoverPost looks for what an unanswered POST has made.
func (x *explorer) recoverPost(s state) []edge {
	if s.open.id != 0 {
		return []edge{{"it knows the new record", x.goTo(s, posted)}}
	}
	if x.p.Flaws.RepeatsPost {
		t := s
		t.open = announcement{}
		return []edge{{"it decides", x.after(x.round(t, reconcile.FateUnknown, false))}}
	}
	var candidates []int
	for i, r := range s.a {
		if r.there && int(s.link) != i+1 && (!s.isTaken(uint8(i+1)) || x.p.Flaws.LinksTaken) {
			candidates = append(candidates, i)
		}
	}
	switch {
	case len(candidates) == 0:
		t := s
		t.open = announcement{}
		if t.link != 0 { // the record in whose place it was made may be there again
			t = t.readAdvo()
		}
		return []edge{{"the list shows that nothing was posted", x.after(x.round(t, reconcile.FateUnknown, false))}}
	case len(candidates) == 1 && (x.posted(s, candidates[0]) || x.p.Flaws.LinksHighest):
		s.open.id = uint8(candidates[0] + 1)
		return []edge{{"the list shows the posted record", x.goTo(s, posted)}}
	default:
		s.status = failed
		return []edge{{"it cannot tell what was posted and asks a person", rest(s)}}
	}
}

func (x *explorer) goTo(s state, pc step) state {
	s.pc = pc
	return s
}

// posted compares a candidate with what was announced, by own form.
func (x *explorer) posted(s state, i int) bool {
	for f := range fields {
		if v := s.a[i].v[f]; s.open.on[f] && v != s.open.target[f] && v != x.sc.AdvoForm(s.open.target[f]) {
			return false
		}
	}
	return true
}

// linkPosted reads the new record back and links it: one PUT of the link alone,
// then it is an ordinary record.
func (x *explorer) linkPosted(s state) []edge {
	id := s.open.id
	if id == 0 {
		return []edge{{"it does not know what it has posted", rest(s)}}
	}
	if s.isTaken(id) && !x.p.Flaws.LinksTaken { // EspoCRM's index refuses it
		s.status, s.faulty = failed, true // nobody has read it back
		return []edge{{"another record carries what was made for this one", rest(s)}}
	}
	if s.foreign&(1<<(id-1)) != 0 && !x.sc.Double || s.isTaken(id) {
		x.violate("another client's record is linked")
	}
	if s.byHand {
		x.violate("an operator's link is replaced")
	}
	t := s
	if x.sc.Budget.Links > 0 {
		t.number = id
		t.foreign &^= 1 << (id - 1)
	}
	if t.link != 0 { // what came back meanwhile, and was edited, is linked to nothing from now on
		t.fresh[advo] = [fields]bool{}
	}
	t.link = id
	t.eVer++
	t.byUs = true
	t.la, t.laRow = t.a[id-1].v, t.a[id-1].row
	t.leVer, t.leRow, t.leByUs = t.eVer, t.eRow, true
	k := settleKey{base: t.base, open: t.open, fate: reconcile.FateDone, there: true, now: t.la, learnt: t.learnt, known: t.known, answer: s.own}
	t.base = x.settle(k).base
	t.open = announcement{}
	if s.foreign != t.foreign { // it is as if it had been posted
		for f := range fields {
			t.common[f], t.fresh[espo][f] = t.base[f], t.e[f] != t.base[f].e
			t.meet(f)
		}
	}
	out := []edge{{"EspoCRM takes the link", rest(t)}}
	if s.lost < x.sc.Budget.Lost {
		u := s
		u.lost++
		u.faulty = true
		out = append(out, edge{"the link is lost on its way", rest(u)})
	}
	return out
}
