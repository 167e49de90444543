package model

import "advosync/internal/reconcile"

// origin is what the store knows of earlier POSTs of a record that is not linked.
type origin uint8

const (
	unseen    origin = iota
	isNew            // nobody can have posted it before
	mayBeThat        // a run that this store knows nothing of may have
)

// origins: a store is lost, or comes back, while a record is created.
func (sc Scenario) origins() bool {
	return sc.Create && sc.Budget.StoreLost+sc.Budget.StoreCopies > 0
}

// create fixes what the store can know, and marks the record next.
func (x *explorer) create(s state) []edge {
	if s.origin == unseen {
		if s.origin = mayBeThat; x.newHere(&s) {
			s.origin = isNew
		}
	}
	s.pc = sendMark
	return []edge{{"it notes whether it can have been posted before", s}}
}

// newHere: the store is older than the record, and no status says that a run was at it;
// or the store is younger, and its status is one that every POST would have moved on.
func (x *explorer) newHere(s *state) bool {
	if !s.younger {
		return s.status == pending || x.p.Flaws.OldStoreKnowsAll
	}
	return s.status == pending || x.p.Flaws.NewStoreKnowsAll
}

// mark is the status that stands before every POST. Its answer is a read.
func (x *explorer) mark(s state) (out []edge) {
	if s.gone {
		return []edge{{"the mark is refused: the record is gone", rest(s)}}
	}
	if s.status == failed && x.lookFirst(x.readEspo(s)) == rest(s) {
		return []edge{{"it cannot tell what was posted, as before", rest(s)}}
	}
	t := s
	t.eVer++
	t.status, t.byUs = syncing, true
	if s.lost < x.sc.Budget.Lost {
		u := rest(t)
		u.lost++
		out = append(out, edge{"the mark arrives, its answer is lost", u})
	}
	t = x.readEspo(t)
	if t.origin == isNew {
		return append([]edge{{"it marks the record and decides", x.after(x.round(t, reconcile.FateUnknown, false))}}, out...)
	}
	return append([]edge{{"it marks the record, and looks in Advoware", x.lookFirst(t)}}, out...)
}

// lookFirst looks for what an unknown run may have made. The search is by the natural
// key, so another client's record is not in it.
func (x *explorer) lookFirst(s state) state {
	var found []int
	for i, r := range s.a {
		if r.there && s.foreign&(1<<i) == 0 {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return x.after(x.round(s, reconcile.FateUnknown, false))
	case len(found) == 1 && x.isSent(s.le, s.a[found[0]].v):
		s.la, s.laRow, s.found, s.pc = s.a[found[0]].v, s.a[found[0]].row, uint8(found[0]+1), linkFound
		return s
	}
	s.status = failed
	return rest(s)
}

// isSent: a record shows what was sent, by own form.
func (x *explorer) isSent(sent, v [fields]val) bool {
	for f := range fields {
		if v[f] != sent[f] && v[f] != x.sc.AdvoForm(sent[f]) {
			return false
		}
	}
	return true
}

// linkFound links what was found, under the version that was compared.
func (x *explorer) linkFound(s state) []edge {
	if s.eVer != s.leVer || s.gone {
		return []edge{{"the link is refused: somebody has saved meanwhile", rest(s)}}
	}
	t := s
	t.link, t.byUs = s.found, true
	t.eVer++
	for f := range fields {
		t.base[f] = pair{s.le[f], s.la[f]}
		t.common[f] = t.base[f]
		t.fresh[espo][f], t.fresh[advo][f] = false, t.linked().v[f] != s.la[f]
	}
	out := []edge{{"EspoCRM takes the link to what was found", rest(t)}}
	if s.lost < x.sc.Budget.Lost {
		u := rest(s)
		u.lost++
		out = append(out, edge{"the link to what was found is lost on its way", u})
	}
	return out
}
