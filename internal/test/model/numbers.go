package model

import "advosync/internal/reconcile"

// taking is what happens to the numbers: another record of EspoCRM gets Advoware's first
// record, linked by hand, and gives it back; or somebody types another client's number
// into this one.
func (x *explorer) taking(s state, out []edge) []edge {
	if s.numbers >= x.sc.Budget.Numbers || s.gone {
		return out
	}
	if s.a[0].there {
		t := s
		t.numbers++
		t.took, t.taken = true, !s.taken
		out = append(out, edge{map[bool]string{true: "another record is linked to it by hand", false: "the other record gives its number back"}[t.taken], t})
	}
	if x.sc.Stranger && s.pc == idle { // a run under way writes to the number that it has read, and EspoCRM refuses the rest
		t := s
		t.numbers++
		t.link = 3 - s.link
		t.eVer++
		t.byUs, t.status = false, dirty
		out = append(out, edge{map[uint8]string{2: "somebody types another client's number", 1: "somebody types the record's own number back"}[t.link], t})
	}
	return out
}

// unproven reports why a record with this link must not be synced: another one carries
// the number, or nobody has proved that it is this record's.
func (x *explorer) unproven(s *state) bool {
	if s.link == 0 {
		return false
	}
	if s.isTaken(s.link) && !x.p.Flaws.SharesNumber {
		return true
	}
	own := s.link == 1 || x.sc.Create || x.sc.Recreate // the other one is a record that this one's create has made
	l := reconcile.Link{Based: own && s.base != [fields]pair{}, Told: own, Elsewhere: !own, RowStored: rowText(s.eRow), RowCurrent: rowText(s.linked().row)}
	return x.p.Judge(l) != reconcile.Proven
}

// isTaken: another record of EspoCRM carries the number.
func (s *state) isTaken(id uint8) bool { return s.taken && id == 1 }

// others judges a write between records of which one was known to be another client's.
func (x *explorer) others(s *state) {
	if s.shared || s.link != 0 && s.foreign&(1<<(s.link-1)) != 0 {
		x.violate("values of one client reach another one's record")
	}
}
