package mapping

import (
	"strings"
	"time"

	"advosync/internal/record"
)

// Equal reports whether two values are one by the field's type: an e-mail address but
// for case, a web address but for the case of scheme and host. All other types have
// their spelling taken away when they are read. Absent, unknown and unmapped values
// equal only themselves.
func (f *Field) Equal(a, b record.Value) bool {
	if a == b {
		return true
	}
	if a.IsUnmapped() || b.IsUnmapped() || !a.HasText() || !b.HasText() {
		return false
	}
	switch f.Type {
	case Email:
		return record.Fold(a.Text()) == record.Fold(b.Text())
	case URL:
		return foldURL(a.Text()) == foldURL(b.Text())
	default:
		return false
	}
}

// Agree reports whether two values that nobody can date mean the same: they are Equal,
// or texts that are equal after folding. Only the type of a field knows what may be
// folded away: of a web address the case of its path may not.
func (f *Field) Agree(a, b record.Value) bool {
	return a == b || !a.IsUnmapped() && !b.IsUnmapped() && a.HasText() && b.HasText() && f.agreed(a) == f.agreed(b)
}

// FormOf says what stored is of sent, by the field's type: one value, its beginning, or
// what a system makes of a value that it cannot store (docs/design/protocol.md, "One
// announcement, one table"). It recognises a system's own form, and never decides that
// an edit may be dropped.
func (f *Field) FormOf(sent, stored record.Value) record.Form {
	if f.Equal(sent, stored) {
		return record.Same
	}
	if sent.IsUnmapped() || stored.IsUnmapped() || !sent.HasText() || !stored.HasText() {
		return record.Foreign
	}
	s, r := sent.Text(), stored.Text()
	switch f.Type {
	case Decimal, Int:
		return heldWhen(fewerDecimals(s, r))
	case Datetime:
		return heldWhen(anotherZone(s, r))
	case Set:
		if foldedSet(s) == foldedSet(r) {
			return record.Same
		}
		return record.Foreign
	case Bool, Date:
		return record.Foreign
	case "", String:
		if oneValue(s, r) {
			return record.Same
		}
	}
	return record.FormOf(sent, stored)
}

// heldWhen is the form of a value that a system could not store.
func heldWhen(poorer bool) record.Form {
	if poorer {
		return record.Unheld
	}
	return record.Foreign
}

// oneValue: a text without a type of its own may have come back as the telephone
// number, IBAN or number that it is.
func oneValue(a, b string) bool {
	if p := dialled(a, officeRegion); p != nil && canonicalPhone(a, officeRegion) == canonicalPhone(b, officeRegion) {
		return true
	}
	if n := canonicalNumber(a); n != "" && n == canonicalNumber(b) {
		return true
	}
	iban := canonicalIBAN(a)
	return looksLikeIBAN(iban) && iban == canonicalIBAN(b)
}

// fewerDecimals: stored is sent, rounded or cut to fewer digits behind the point.
func fewerDecimals(sent, stored string) bool {
	_, stands, _ := strings.Cut(stored, ".")
	_, came, _ := strings.Cut(sent, ".")
	for n := len(stands); n < len(came); n++ {
		if rounded(sent, n) == stored || cutDecimals(sent, n) == stored {
			return true
		}
	}
	return false
}

// anotherZone: the same clock was read in another zone, so the instants lie whole
// quarters of an hour apart, as far as zones do.
func anotherZone(sent, stored string) bool {
	a, err := time.Parse(time.RFC3339, sent)
	b, err2 := time.Parse(time.RFC3339, stored)
	if err != nil || err2 != nil {
		return false
	}
	_, office := a.In(officeZone).Zone()
	apart := b.Sub(a).Abs()
	return apart == time.Duration(office)*time.Second
}
