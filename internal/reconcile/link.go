package reconcile

import "advosync/internal/record"

// Link is what is known of the number that a record in EspoCRM carries: whoever
// may edit the record may have typed it, and its rowId, time and status.
type Link struct {
	// Based: this store's base is of this very pair.
	Based bool
	// Told: this tool made the link, or an operator did.
	Told bool
	// Elsewhere: this store knows, or knew, the number under another record.
	Elsewhere bool
	// RowStored is EspoCRM's advowareRowId, RowCurrent Advoware's rowId.
	RowStored, RowCurrent string
	// Espo and Advo are the natural keys of both sides by match name, Before is
	// Advoware's in the base; nil: there is no base.
	Espo, Advo, Before map[string]record.Value
	// Confirmed: an operator has seen Advoware's natural key as it is now.
	Confirmed bool
}

// Belief is what a link is worth.
type Belief string

// What a link can be worth.
const (
	Proven   Belief = "proven"
	Unproven Belief = "unproven" // nothing says that the two are the same
	Replaced Belief = "replaced" // in Advoware the number seems to be somebody else's now
)

// Judge says what a link is worth. Where it is not proven, nothing of one side may
// reach the other, whatever the policy.
func (l Link) Judge() Belief {
	switch {
	case l.agrees(), l.Confirmed:
		return Proven
	case l.Based && l.replaced():
		return Replaced
	case l.Based, l.Told:
		return Proven
	case l.RowStored != "" && l.RowStored == l.RowCurrent && !l.Elsewhere:
		return Proven
	}
	return Unproven
}

// agrees: at least one match field that is filled on both sides.
func (l Link) agrees() bool {
	for name, e := range l.Espo {
		if a := l.Advo[name]; e.HasText() && a.HasText() && e == a {
			return true
		}
	}
	return false
}

// replaced: at least two match fields were filled in Advoware, and every one of
// them has changed by more than form; a record that was emptied is nobody else's.
func (l Link) replaced() bool {
	before, now := 0, 0
	for name, b := range l.Before {
		if !b.HasText() {
			continue
		}
		a := l.Advo[name]
		if a == b {
			return false
		}
		before++
		if a.HasText() {
			now++
		}
	}
	return before >= 2 && now > 0
}
