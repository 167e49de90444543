package oracle

import (
	"fmt"
	"strconv"

	"advosync/internal/record"
	"advosync/internal/store"
	"advosync/internal/test/witness"
)

// Loose lets an Advoware record be linked to nothing at the end.
func (o *Oracle) Loose(advoID int64) {
	o.Locked(func() { o.loose[strconv.FormatInt(advoID, 10)] = true })
}

// IsLoose reports whether an Advoware record may be linked to nothing.
func (o *Oracle) IsLoose(advoID int64) (yes bool) {
	o.Locked(func() { yes = o.loose[strconv.FormatInt(advoID, 10)] })
	return yes
}

// Overwritten lists the values that the tool replaced, and of which the history does not
// say, when all is over, that they were.
func (o *Oracle) Overwritten(entries []store.Entry) []string {
	return o.lost("kept: %q of %s in %s %s was replaced, and the history does not say so in the end",
		func(l loss) bool { return l.Was.HasText() && !l.isIn(entries, false) })
}

// Untold lists the values of persons that the other side never had, and that gave way
// without a note at the record.
func (o *Oracle) Untold() []string {
	return o.lost("untold: %q of %s in %s %s gave way, and nobody was told", o.stillUntold)
}

// lost lists the losses with which something is wrong.
func (o *Oracle) lost(says string, wrong func(loss) bool) (out []string) {
	o.Settle()
	o.Locked(func() {
		for _, l := range o.losses {
			if wrong(l) {
				out = append(out, fmt.Sprintf(says, l.Was.Text(), l.Attr, l.Side, l.ID))
			}
		}
	})
	return out
}

// Differences compares both sides of every linked record, and looks for Advoware
// records that several or no EspoCRM records carry.
func (o *Oracle) Differences() (out []string) {
	o.Settle()
	o.Locked(func() {
		carried := map[key]int{}
		for _, p := range o.Pairs() {
			carried[p.Advo]++
			out = append(out, o.differ(p)...)
		}
		for _, k := range o.Now.Keys() {
			switch hangs := o.Partner(o.Now, o.Partner(o.Now, k)) != k; { // a deleted one still carries its link
			case k.Side == record.EspoCRM:
			case carried[k] > 1:
				out = append(out, fmt.Sprintf("Advoware %s is linked to several EspoCRM records", k.ID))
			case hangs && !o.loose[k.ID] && !o.Unread(k): // somebody's own, or back after the tool had seen that it was gone
				out = append(out, fmt.Sprintf("Advoware %s is linked to nothing", k.ID))
			}
		}
	})
	return out
}

// differ lists in what both sides of a record do.
func (o *Oracle) differ(p witness.Pair) (out []string) {
	switch {
	case !p.There:
		return []string{fmt.Sprintf("EspoCRM %s is linked to Advoware %s, which is not there", p.Espo.ID, p.Advo.ID)}
	case p.E.Kind != p.A.Kind:
		out = append(out, fmt.Sprintf("EspoCRM %s is of kind %q, Advoware %s of kind %q", p.Espo.ID, p.E.Kind, p.Advo.ID, p.A.Kind))
	}
	for _, f := range o.Mapping.Fields(p.E.Kind) {
		if f.Clear || f.Computed || f.Espo == "" || f.Advo == "" {
			continue
		}
		e, a := p.E.Values[f.Espo], p.A.Values[f.Advo]
		if leftOut := a.IsAbsent() && o.touched[cell{Key: p.Advo, Attr: f.Advo}] == Restorer; !leftOut && !agree(e, a) {
			out = append(out, fmt.Sprintf("EspoCRM %s: %s is %q, Advoware %s: %s is %q", p.Espo.ID, f.Espo, e.Text(), p.Advo.ID, f.Advo, a.Text()))
		}
	}
	return out
}
