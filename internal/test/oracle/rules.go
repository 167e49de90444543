package oracle

import (
	"cmp"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// Windows that stay open by design (docs/reliability.md).
const (
	// UnseenSave: somebody saved between the tool's read and its write.
	UnseenSave = "unseen save between read and write"
	// LateWrite: a write was carried out after its deadline.
	LateWrite = "write landed late"
	// GoneBeforeTold: a record was deleted before anybody could be told what it had lost.
	GoneBeforeTold = "deleted before anybody was told"
	// OrderedBeforeTold: an operator's command came first.
	OrderedBeforeTold = "an operator came before anybody was told"
	// CameBack: a backup brought a record back after the tool had seen that it was gone,
	// while another one was made in its place.
	CameBack = "came back while another one was made"
	// LostLease: a process wrote after somebody else had taken its lock.
	LostLease = "write after the lease was lost"
)

// How often the rules had something to judge: one that never does proves nothing.
const (
	JudgedKept = "judged: kept"
	JudgedTold = "judged: told"
	JudgedFair = "judged: fair"
	// Imported counts the EspoCRM records that the tool has made.
	Imported = "records made in EspoCRM by the tool"
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
	o.locked(func() {
		o.orders[id] = &order
		delete(o.imported, id) // link and reset --forget make it a first contact
		o.forgive(OrderedBeforeTold, func(l loss) bool { return l.of == id })
	})
	return func() {
		o.Settle()
		o.locked(func() {
			order.done = true
			o.compareAll()
		})
	}
}

// Rough tells the oracle that a process died, or did not learn what became of a write
// or of what it stored, or that a backup was brought in. From then on no tool can always
// tell who moved, so nothing is judged to be unfair.
func (o *Oracle) Rough() {
	o.Settle()
	o.locked(func() { o.rough = true })
}

// Excuse marks everything that the tool does during call as fallen into an open window.
func (o *Oracle) Excuse(window string, call func()) {
	o.Rough()
	o.locked(func() { o.excuse = window })
	call()
	o.Settle()
	o.locked(func() { o.excuse = "" })
}

// loss is a value that the tool replaced.
type loss struct {
	cell
	value record.Value
	of    string // EspoCRM's id of the record; "": not known
	pair  key    // the record on the other side
	// untold: a person's value that the other side never had. notes is how many notes were
	// at the record then.
	untold bool
	notes  int
}

// replaced judges one value that the tool replaced; seen is what its process had been
// shown.
func (o *Oracle) replaced(before, seen map[key]snapshot, c cell, was, is record.Value) {
	excuse := o.excuse
	if s, ok := seen[c.key]; ok && s.values[c.attr] != was && excuse == "" && (c.side == record.Advoware || !o.Guarded) {
		excuse = UnseenSave
	}
	if excuse != "" {
		o.counts[excuse]++
		o.note("excused: %s", excuse)
		return
	}
	if c.side == record.Advoware && (record.FoldEqual(was, is) || record.OwnForm(was, is)) && is.HasText() {
		return // the whole object goes back, and Advoware stores it in its own form
	}
	l := loss{cell: c, value: was, of: c.id}
	linked := false
	if l.pair, linked = o.partner(before, c.key); c.side == record.Advoware {
		l.of = l.pair.id
	}
	if was.HasText() {
		o.counts[JudgedKept]++
		if o.History != nil && !l.isIn(o.History(l.of), true) {
			o.problem("kept: %s replaced %s of %s %s (%q), which is not in the history", o.actor, c.attr, c.side, c.id, was.Text())
		}
	}
	order, ordered := o.orders[l.of]
	if !ordered {
		order = &Order{}
	}
	// At a first contact EspoCRM's values go over, and what it lacks comes from Advoware. Where
	// nobody has to remember anything, what either side lacks comes from the other.
	first := c.side == record.Advoware && firstContact(before[l.pair]) && o.imported[l.of] != c.id ||
		!was.HasText() && (o.apart[l.of] || c.side == record.EspoCRM && firstContact(before[c.key]))
	if o.of(c).typed && !was.IsAbsent() && o.travels(c, before[c.key].kind) && !o.bothHad(c, was) && !first {
		if l.untold = !ordered; l.untold {
			o.counts[JudgedTold]++
			l.notes = o.notes(l.of)
		}
		if !o.rough && !o.apart[l.of] && !order.Force {
			o.fair(before, l, linked, order.Take)
		}
	}
	o.losses = append(o.losses, l)
}

// isIn reports whether a history holds the value; planned: whatever came of the write,
// else only where it has, or may have, happened.
func (l loss) isIn(entries []store.Entry, planned bool) bool {
	return slices.ContainsFunc(entries, func(e store.Entry) bool {
		return (l.of == "" || e.RecordID == l.of) && slices.ContainsFunc(e.Writes, func(w store.Write) bool {
			name := w.Espocrm
			if w.Side == record.Advoware {
				name = w.Advoware
			}
			return w.Side == l.side && name == l.attr && w.Before.Text() == l.value.Text() &&
				(planned || w.State == store.WriteDone || w.State == store.WriteUnknown)
		})
	})
}

// fair judges whether a person's value that the other side never had lost under the
// policy, or an operator's take: to something on the other side that had not come here
// either.
func (o *Oracle) fair(before map[key]snapshot, l loss, linked bool, takes map[string]record.Side) {
	o.counts[JudgedFair]++
	about := o.attribute(l.cell)
	policy, own := o.Policy, about.policy != ""
	if own {
		policy = string(about.policy)
	}
	loser := map[string]record.Side{"merge": record.Advoware, "espocrm": record.Advoware, "advoware": record.EspoCRM}[policy]
	if takes != nil {
		loser = takes["*"].Other()
		for _, key := range about.keys {
			if side, named := takes[key]; named {
				loser = side.Other()
			}
		}
	}
	theirs, there := before[l.pair]
	if !there {
		theirs = o.gone[l.pair]
	}
	byField, rival := own || policy == "merge" || policy == "manual", false
	for attr := range theirs.values {
		c := cell{l.pair, attr}
		other := o.attribute(c)
		rival = rival || !o.of(c).settled && o.travels(c, theirs.kind) && (other.unit == about.unit || !byField && other.policy == "")
	}
	switch {
	case l.side != loser:
		o.problem("unfair: %s replaced %s of %s %s, which wins (policy %s)", o.actor, l.attr, l.side, l.id, policy)
	case !linked || !rival:
		o.problem("unfair: %s replaced %s of %s %s, and nothing on the other side had been changed (policy %s)", o.actor, l.attr, l.side, l.id, policy)
	}
}

// attribute is what the mapping says of a name on one side.
type attribute struct {
	keys   []string       // of its fields
	unit   string         // what it is one value with: what a kind has of its own, its group, or its field
	policy mapping.Policy // its own
}

func (o *Oracle) attribute(c cell) (a attribute) {
	for _, f := range o.Mapping.AllFields() {
		if nameOn(f, c.side) != c.attr {
			continue
		}
		a.keys, a.policy = append(a.keys, f.Key), cmp.Or(a.policy, f.Policy)
		switch {
		case f.Kind != "":
			a.unit = "kind"
		case f.Group != "":
			a.unit = "group " + f.Group
		default:
			a.unit = cmp.Or(a.unit, f.Key)
		}
	}
	return a
}

// travels reports whether a cell's values go both ways in a record of this kind.
func (o *Oracle) travels(c cell, kind string) bool {
	return slices.ContainsFunc(o.Mapping.Fields(kind), func(f mapping.Field) bool { return travels(f) && nameOn(f, c.side) == c.attr })
}

// travels reports whether a field's values go both ways, and are somebody's.
func travels(f mapping.Field) bool {
	return f.Direction == mapping.Both && !f.Computed && !f.Clear
}

func nameOn(f mapping.Field, side record.Side) string {
	if side == record.EspoCRM {
		return f.Espo
	}
	return f.Advo
}

// firstContact reports whether an EspoCRM record was never synced, or an operator has said
// so (link, reset --forget): then its values go over.
func firstContact(espo snapshot) bool { return espo.at("advowareLastSync") == "" }

// bothHad reports whether the other side held a value as well, at some time.
func (o *Oracle) bothHad(c cell, v record.Value) bool {
	return slices.ContainsFunc(o.of(c).had, func(h record.Value) bool { return h == v || !h.HasText() && !v.HasText() })
}

// partner is the linked record on the other side, or the one that was linked last; either
// may be deleted.
func (o *Oracle) partner(now map[key]snapshot, k key) (key, bool) {
	if k.side == record.EspoCRM {
		s, ok := now[k]
		if !ok {
			s = o.gone[k]
		}
		return key{record.Advoware, s.link}, s.link != ""
	}
	id, ok := o.carrier[k.id]
	return key{record.EspoCRM, id}, ok
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
func (o *Oracle) stillUntold(l loss) bool { return l.untold && o.notes(l.of) <= l.notes }

// compareAll takes note of what both sides hold, and of what the tool has just called
// clean: from then on it must know what stood there.
func (o *Oracle) compareAll(called ...key) {
	for _, k := range called {
		delete(o.apart, k.id)
	}
	for e, s := range o.now {
		k := key{record.Advoware, s.link}
		a, ok := o.now[k]
		if !ok { // deleted while a value was on its way from it
			a, ok = o.gone[k]
		}
		if e.side != record.EspoCRM || !ok {
			continue
		}
		alike := s.kind == a.kind
		for _, f := range o.Mapping.Fields(s.kind) {
			if !travels(f) {
				continue
			}
			if s.kind != a.kind || !agree(s.values[f.Espo], a.values[f.Advo]) {
				alike = false
				continue
			}
			o.meets(cell{e, f.Espo}, s.values[f.Espo], slices.Contains(called, e))
			o.meets(cell{k, f.Advo}, a.values[f.Advo], slices.Contains(called, e))
		}
		if order := o.orders[e.id]; alike && order != nil && order.done {
			delete(o.orders, e.id)
		}
	}
}

// meets: the other side holds the same, and where the tool has called it clean, it knows.
func (o *Oracle) meets(c cell, v record.Value, called bool) {
	a := o.of(c)
	if !o.bothHad(c, v) {
		a.had = append(a.had, v)
	}
	a.settled = a.settled || called
}

// agree is equality as far as a system that stores a value leaves it alone.
func agree(e, a record.Value) bool {
	return e == a || !e.HasText() && !a.HasText() || record.FoldEqual(e, a) || e.HasText() && a.HasText() && record.OwnForm(e, a)
}
