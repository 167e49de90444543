package model

// memory is what the store holds of the record besides its history.
type memory struct {
	base   [fields]pair
	kinds  pair
	open   announcement
	row    uint8 // the base's rowId
	parked [fields]pair
	origin origin
	there  bool // a copy was made
}

// stores is what becomes of the store while nobody works: it is lost, or copied, or an
// older copy of it comes back.
func (x *explorer) stores(s state, out []edge) []edge {
	if s.pc != idle || s.late.kind != nothing || s.other.on || s.link == 0 && !x.sc.origins() {
		return out
	}
	if s.losses < x.sc.Budget.StoreLost {
		t := s.forgotten()
		t.losses++
		t.baseRow, t.kinds, t.origin, t.younger = 0, pair{}, unseen, true
		out = append(out, edge{"the store is lost", t.owingNothing(s)})
	}
	if s.copies >= x.sc.Budget.StoreCopies {
		return out
	}
	if !s.copy.there {
		if s.younger || s.link == 0 && s.origin == isNew && s.open.kind == nothing {
			return out // what was posted later would count as never posted: docs/reliability.md names it
		}
		t := s
		t.copy = memory{base: s.base, kinds: s.kinds, open: s.open, row: s.baseRow, parked: s.parked, origin: s.origin, there: true}
		return append(out, edge{"the store is copied", t})
	}
	t := s.forgotten()
	t.copies++
	t.base, t.kinds, t.open, t.baseRow, t.parked = s.copy.base, s.copy.kinds, s.copy.open, s.copy.row, s.copy.parked
	t.origin, t.younger = s.copy.origin, false
	t.copy = memory{}
	if t.eRow <= t.baseRow || t.baseRow == 0 { // EspoCRM's stamps do not tell: what stands there as it did then is no edit
		for f := range fields {
			t.common[f] = t.base[f]
			for side := range t.fresh {
				t.fresh[side][f] = t.fresh[side][f] && t.standing(side, f) != t.common[f].on(side)
			}
		}
	}
	return append(out, edge{"an older copy of the store comes back", t.owingNothing(s).doubted()})
}

// owingNothing: a note that only the store knew of is lost with it, and what nobody
// remembers of a record that was never in step is a first contact.
func (s state) owingNothing(before state) state {
	for f := range fields {
		s.need[f] &^= before.open.note[f]
		s.fresh[advo][f] = s.fresh[advo][f] && !s.firstContact(f)
	}
	return s
}

// syncedSince drops a base that is older than EspoCRM's own stamps: the record carries
// another rowId, and was synced later.
func (x *explorer) syncedSince(s *state) {
	if x.p.Flaws.OpenKeepsOldBase && s.open.kind != nothing {
		return
	}
	if !s.brought() && s.baseRow != 0 && s.leRow > s.baseRow && !x.p.Flaws.OldBaseServes {
		s.base, s.kinds, s.baseRow = [fields]pair{}, pair{}, 0
	}
}
