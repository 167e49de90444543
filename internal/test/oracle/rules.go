package oracle

import (
	"cmp"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
	"advosync/internal/test/witness"
)

// Windows that stay open by design (docs/reliability.md).
const (
	UnseenSave        = "unseen save between read and write"
	LateWrite         = "write landed late" // after its deadline
	GoneBeforeTold    = "deleted before anybody was told"
	OrderedBeforeTold = "an operator came before anybody was told"
	LostLease         = "write after the lease was lost" // somebody else has taken it
)

// How often the rules had something to judge: one that never does proves nothing.
const (
	JudgedKept = "judged: kept"
	JudgedTold = "judged: told"
	JudgedFair = "judged: fair"
	Imported   = "records made in EspoCRM by the tool"
)

// Order is an operator's word about one record.
type Order struct {
	// Take: the side whose value is to stand, by field key, "*" for all others.
	Take map[string]record.Side
	// Force: it goes over whatever stands there.
	Force bool

	done bool
}

// Ordered tells the oracle that an operator's command names a record; done, that the
// command has ended. The word holds until then, and until both sides agree.
func (o *Oracle) Ordered(id string, order Order) (done func()) {
	o.Settle()
	o.Locked(func() {
		o.orders[id] = &order
		o.forgive(OrderedBeforeTold, func(l loss) bool { return l.espo.ID == id })
	})
	return func() {
		o.Settle()
		o.Locked(func() {
			order.done, order.Take = true, nil // which side is taken is that command's word alone
			o.compare(nil)
		})
	}
}

// Rough tells the oracle that a process died, or did not learn what became of a write
// or of what it stored, or that a backup was brought in. From then on no tool can always
// tell who moved, so nothing is judged to be unfair.
func (o *Oracle) Rough() {
	o.Settle()
	o.Locked(func() { o.rough = true })
}

// Excuse marks everything that the tool does during call as fallen into an open window.
func (o *Oracle) Excuse(window string, call func()) {
	o.Rough()
	o.Locked(func() { o.excuse = window })
	call()
	o.Settle()
	o.Locked(func() { o.excuse = "" })
}

// loss is a value that the tool replaced.
type loss struct {
	witness.Edit
	espo, advo key // the record; without an id: not known
	// untold: a person's value that the other side never had. notes is how many notes were
	// at the record then.
	untold bool
	notes  int
}

// replaced judges one value that a process of the tool replaced.
func (o *Oracle) replaced(c witness.Change, e witness.Edit) {
	excuse := o.excuse
	if s, ok := c.Seen[e.Key]; ok && s.Values[e.Attr] != e.Was && excuse == "" && (e.Side == record.Advoware || !o.Guarded) {
		excuse = UnseenSave
	}
	if excuse != "" {
		o.counts[excuse]++
		o.Note("excused: %s", excuse)
		return
	}
	if e.Side == record.Advoware && e.Was.HasText() && agree(e.Was, e.Is) {
		return // the whole object goes back, and Advoware stores it in its own form
	}
	l := loss{Edit: e}
	l.espo, l.advo = o.Both(c.Before, e.Key)
	if e.Was.HasText() {
		o.counts[JudgedKept]++
		if o.History != nil && !l.isIn(o.History(l.espo.ID), true) {
			o.problem("kept: %s replaced %s of %s %s (%q), which is not in the history", c.By, e.Attr, e.Side, e.ID, e.Was.Text())
		}
	}
	if who := o.touched[e.Cell]; who != "" && who != Restorer && o.Attribute(e.Cell, c.Before[e.Key].Kind).Travels && !e.Was.IsAbsent() &&
		!o.common[held{e.Cell, plain(e.Was)}] && !o.yields(c, l) {
		o.counted(c, &l)
	}
	o.losses = append(o.losses, l)
}

// yields reports whether a value may give way because nobody can remember better: at a
// first contact EspoCRM's values go over, and what it lacks comes from Advoware; where a
// record was gone on one side, or an import was cut off, what either side lacks comes from
// the other. EspoCRM shows what was never synced, and what an operator has forgotten; a
// rowId alone is an import's.
func (o *Oracle) yields(c witness.Change, l loss) bool {
	espo := c.Before[l.espo]
	never := espo.At("advowareLastSync") == ""
	return never && espo.At("advowareRowId") == "" && l.Side == record.Advoware || (never || o.apart[l.espo.ID]) && !l.Was.HasText()
}

// counted judges the loss of a person's value that the other side never had.
func (o *Oracle) counted(c witness.Change, l *loss) {
	order, ordered := o.orders[l.espo.ID]
	if !ordered {
		order = &Order{}
		o.counts[JudgedTold]++
		l.untold, l.notes = true, o.Notes(l.espo.ID)
	}
	if !o.rough && !o.apart[l.espo.ID] && !order.Force {
		o.fair(c, *l, order.Take)
	}
}

// isIn reports whether a history holds the value; planned: whatever came of the write,
// else only where it has, or may have, happened.
func (l loss) isIn(entries []store.Entry, planned bool) bool {
	return slices.ContainsFunc(entries, func(e store.Entry) bool {
		return (l.espo.ID == "" || e.RecordID == l.espo.ID) && slices.ContainsFunc(e.Writes, func(w store.Write) bool {
			name := map[record.Side]string{record.EspoCRM: w.Espocrm, record.Advoware: w.Advoware}[w.Side]
			return w.Side == l.Side && name == l.Attr && w.Before.Text() == l.Was.Text() &&
				(planned || w.State == store.WriteDone || w.State == store.WriteUnknown)
		})
	})
}

// fair judges whether a loss was one under the policy, or an operator's take: to
// something on the other side that had not come here either.
func (o *Oracle) fair(c witness.Change, l loss, takes map[string]record.Side) {
	o.counts[JudgedFair]++
	pair := o.Partner(c.Before, l.Key)
	theirs := o.Last(c.Before, pair)
	lost := o.Attribute(l.Cell, c.Before[l.Key].Kind)
	policy := cmp.Or(lost.Policy, mapping.Policy(o.Policy))
	winner := map[mapping.Policy]record.Side{"merge": record.EspoCRM, "espocrm": record.EspoCRM, "advoware": record.Advoware}[policy]
	if takes != nil {
		winner = takes["*"]
		for _, key := range lost.Keys {
			winner = cmp.Or(takes[key], winner)
		}
	}
	wide, rival := lost.Policy == "" && (policy == "espocrm" || policy == "advoware"), false
	for attr := range theirs.Values {
		at := cell{Key: pair, Attr: attr}
		other := o.Attribute(at, theirs.Kind)
		_, touched := o.touched[at]
		rival = rival || touched && other.Travels && (other.Unit == lost.Unit || wide && other.Policy == "")
	}
	if winner != l.Side.Other() || !rival {
		o.problem("unfair: %s replaced %s of %s %s; policy %s, the winner is %q, the other side had been changed: %t", c.By, l.Attr, l.Side, l.ID, policy, winner, rival)
	}
}

// forgive takes note that nobody has to be told of some losses any more.
func (o *Oracle) forgive(why string, which func(loss) bool) {
	for i, l := range o.losses {
		if which(l) && o.stillUntold(l) {
			o.losses[i].untold = false
			o.counts[why]++
		}
	}
}

// stillUntold: no note has come to the record since.
func (o *Oracle) stillUntold(l loss) bool { return l.untold && o.Notes(l.espo.ID) <= l.notes }
