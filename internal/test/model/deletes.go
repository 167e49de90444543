package model

import "advosync/internal/reconcile"

// deleting is what people and backups do with whole records.
func (x *explorer) deleting(s state, out []edge) []edge {
	if s.deletes >= x.sc.Budget.Deletes || s.link == 0 {
		return out
	}
	t := s
	t.deletes++
	if t.gone = !s.gone; x.sc.Delete || s.gone { // where nothing is deleted for it, nothing comes of it
		out = append(out, edge{map[bool]string{true: "somebody deletes the record in EspoCRM", false: "somebody takes the record out of EspoCRM's bin"}[t.gone], t})
	}
	t = s
	t.deletes++
	r := t.linked()
	switch {
	case s.link != 1: // the one that was made anew stays
	case r.there && s.pc != sendAdvo && s.pc != sendDelete:
		r.there = false
		t.need = [fields]uint32{} // nobody has to be told of what was deleted
		t.fresh[advo] = [fields]bool{}
		out = append(out, edge{"somebody deletes the record in Advoware", t})
	case !r.there && s.late.kind == nothing:
		r.there = true
		for f := range fields {
			t.byTool[advo][f], t.typed[advo][f] = false, true // the backup's values are nobody's
			t.meet(f)
		}
		t.faulty = true
		out = append(out, edge{"a backup brings the record back to Advoware", t})
	}
	return out
}

// seesGone is the run of a record that EspoCRM does not have.
func (x *explorer) seesGone(s state) []edge {
	s = s.readAdvo()
	closes := x.sc.Delete && s.open.kind != post && s.open.kind != putEspo && (s.open.kind == del || s.laGone || x.asRemembered(s))
	switch {
	case s.open.kind != nothing && !closes:
		return []edge{{"the record is gone from EspoCRM, and what is open is kept in mind", rest(s)}}
	case s.open.kind != nothing:
		s.open = announcement{}
		return []edge{{"the record is gone from EspoCRM, and what was open is closed", rest(s)}}
	case !x.sc.Delete || s.base == [fields]pair{}:
		return []edge{{"the record is gone from EspoCRM", rest(s)}}
	case s.laGone:
		return []edge{{"the record is gone from both sides, and forgotten", rest(s.forgotten())}}
	case !x.asRemembered(s) && !x.p.Flaws.DeletesBlindly:
		return []edge{{"the record is gone from EspoCRM, and was edited in Advoware: it is kept there", rest(s)}}
	}
	s.open = announcement{kind: del}
	for f := range fields {
		s.open.shown[f].a = s.la[f]
		if !x.p.Flaws.NoHistory {
			s.hist[f] |= s.la[f].bit()
		}
	}
	s.pc = sendDelete
	s.other.stale = s.other.on
	return []edge{{"the record is gone from EspoCRM, and is to be deleted in Advoware", s}}
}

// asRemembered reports whether Advoware shows what the base knows of it.
func (x *explorer) asRemembered(s state) bool {
	for f := range fields {
		if s.base[f] == (pair{}) || reconcile.Moved(&x.schema.fields[f], s.base[f].canonical(), "advoware", s.la[f].canonical()) {
			return false
		}
	}
	return true
}

// forgotten: nothing but the history is known of the record from now on.
func (s state) forgotten() state {
	s.base, s.open, s.parked, s.refused, s.learnt, s.known = [fields]pair{}, announcement{}, [fields]pair{}, [2][fields]val{}, [fields]pair{}, [fields]pair{}
	s.faulty = true
	return s
}

func (x *explorer) sendDelete(s state) []edge {
	done := s
	x.landDelete(&done, s.la)
	var out []edge
	out = append(out, edge{"the record is deleted in Advoware", rest(done.forgotten())})
	if s.lost < x.sc.Budget.Lost {
		t := done
		t.lost++
		t.faulty = true
		out = append(out, edge{"the record is deleted in Advoware, the answer is lost", rest(t)})
		t = s
		t.lost++
		out = append(out, edge{"the DELETE is lost on its way", rest(t)})
	}
	if s.lates < x.sc.Budget.Late {
		t := s
		t.lates++
		t.faulty = true
		t.late = x.flight(s)
		out = append(out, edge{"the DELETE is not answered in time", rest(t)})
	}
	return out
}

// landDelete judges a record that the tool deletes in Advoware.
func (x *explorer) landDelete(s *state, read [fields]val) {
	r := s.linked()
	if !r.there {
		return
	}
	if s.le != ([fields]val{}) {
		x.violate("the record is deleted in Advoware, and EspoCRM has shown it")
	}
	for f := range fields {
		switch {
		case r.v[f] != read[f]: // saved after the read: the window of a late write
			x.windows++
		case s.hist[f]&r.v[f].bit() == 0:
			x.violate("%s %q is deleted, and the history does not hold it", x.name(f), r.v[f])
		case s.fresh[advo][f]:
			x.violate("%s %q was somebody's edit and is deleted", x.name(f), r.v[f])
		}
		s.fresh[advo][f] = false
	}
	r.there = false
}
