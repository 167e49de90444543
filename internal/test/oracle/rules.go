package oracle

import (
	"slices"

	"github.com/tidwall/gjson"

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
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders[id] = &order
	delete(o.imported, id) // link and reset --forget make it a first contact
	o.forgive(OrderedBeforeTold, func(l loss) bool { return l.of == id })
	return func() {
		o.Settle()
		o.mu.Lock()
		defer o.mu.Unlock()
		order.done = true
		o.compareAll()
	}
}

// Rough tells the oracle that a process died, or did not learn what became of a write
// or of what it stored, or that a backup was brought in. From then on no tool can always
// tell who moved, so nothing is judged to be unfair.
func (o *Oracle) Rough() {
	o.Settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rough = true
}

// Excuse marks everything that the tool does during call as fallen into an open window.
func (o *Oracle) Excuse(window string, call func()) {
	o.Settle()
	o.mu.Lock()
	o.excuse, o.rough = window, true
	o.mu.Unlock()
	call()
	o.Settle()
	o.mu.Lock()
	o.excuse = ""
	o.mu.Unlock()
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
	if s, ok := seen[c.key]; ok && s.values[c.attr] != was && o.excuse == "" && (c.side == record.Advoware || !o.Guarded) {
		o.counts[UnseenSave]++
		o.note("excused: %s", UnseenSave)
		return
	}
	if o.excuse != "" {
		o.counts[o.excuse]++
		o.note("excused: %s", o.excuse)
		return
	}
	if c.side == record.Advoware && (record.FoldEqual(was, is) || record.OwnForm(was, is)) && is.HasText() {
		return // the whole object goes back, and Advoware stores it in its own form
	}
	other, linked := o.partner(before, c.key)
	l := loss{cell: c, value: was, pair: other}
	if l.of = c.id; c.side == record.Advoware {
		l.of = other.id
	}
	if was.HasText() {
		o.counts[JudgedKept]++
		if o.History != nil && !slices.ContainsFunc(o.History(l.of), func(e store.Entry) bool { return l.in(e, true) }) {
			o.problem("kept: %s replaced %s of %s %s (%q), which is not in the history", o.actor, c.attr, c.side, c.id, was.Text())
		}
	}
	order, ordered := o.orders[l.of]
	if !ordered {
		order = &Order{}
	}
	first := c.side == record.Advoware && firstContact(before[other]) && o.imported[other.id] != c.id ||
		c.side == record.EspoCRM && firstContact(before[c.key]) && !was.HasText() // what EspoCRM lacks comes from Advoware
	if o.typed[c] && !was.IsAbsent() && o.travels(c, before[c.key].kind) && !o.bothHad(c, was) {
		if l.untold = !ordered && !first; l.untold {
			o.counts[JudgedTold]++
			l.notes = o.notes(l.of)
		}
		if !o.rough && !o.apart[l.of] && !order.Force && !first {
			o.fair(before, c, other, linked, order.Take)
		}
	}
	o.losses = append(o.losses, l)
}

// in reports whether a line of the history holds the value; planned: whatever came of the
// write, else only where it has, or may have, happened.
func (l loss) in(e store.Entry, planned bool) bool {
	if l.of != "" && e.RecordID != l.of {
		return false
	}
	return slices.ContainsFunc(e.Writes, func(w store.Write) bool {
		name := w.Espocrm
		if w.Side == record.Advoware {
			name = w.Advoware
		}
		return w.Side == l.side && name == l.attr && w.Before.Text() == l.value.Text() &&
			(planned || w.State == store.WriteDone || w.State == store.WriteUnknown)
	})
}

// standsAgain drops what was lost of a cell where somebody has brought that very value back.
func (o *Oracle) standsAgain(c cell, v record.Value) {
	o.losses = slices.DeleteFunc(o.losses, func(l loss) bool { return l.cell == c && l.value == v })
}

// fair judges whether a person's value that the other side never had lost under the
// policy: to something on the other side that had not come here either.
func (o *Oracle) fair(before map[key]snapshot, c cell, other key, linked bool, takes map[string]record.Side) {
	o.counts[JudgedFair]++
	loser := record.Advoware
	policy, own := o.policyOf(c)
	switch {
	case takes != nil:
		take := takes["*"]
		for _, f := range o.Mapping.AllFields() {
			if side, named := takes[f.Key]; named && nameOn(f, c.side) == c.attr {
				take = side
			}
		}
		loser = take.Other()
	case policy == "advoware":
		loser = record.EspoCRM
	case policy == "manual":
		loser = ""
	}
	byField := own || policy == "merge" || policy == "manual"
	rival := false
	theirs, there := before[other]
	if !there {
		theirs = o.gone[other]
	}
	for attr := range theirs.values {
		d := cell{other, attr}
		if !o.settled[d] && o.travels(d, theirs.kind) && (o.sameField(c, d) || !byField && !o.ruled(d)) {
			rival = true
		}
	}
	switch {
	case c.side != loser:
		o.problem("unfair: %s replaced %s of %s %s, which wins (policy %s)", o.actor, c.attr, c.side, c.id, policy)
	case !linked || !rival:
		o.problem("unfair: %s replaced %s of %s %s, and nothing on the other side had been changed (policy %s)", o.actor, c.attr, c.side, c.id, policy)
	}
}

// policyOf is the policy that decides a cell, and whether it is the field's own.
func (o *Oracle) policyOf(c cell) (policy string, own bool) {
	for _, f := range o.Mapping.AllFields() {
		if f.Policy != "" && nameOn(f, c.side) == c.attr {
			return string(f.Policy), true
		}
	}
	return o.Policy, false
}

func (o *Oracle) ruled(c cell) bool {
	_, own := o.policyOf(c)
	return own
}

// firstContact reports whether an EspoCRM record was never synced, or an operator has said
// so (link, reset --forget): then its values go over.
func firstContact(espo snapshot) bool {
	return gjson.GetBytes(espo.raw, "advowareLastSync").String() == ""
}

// travels reports whether an attribute's values go both ways in a record of this kind.
func (o *Oracle) travels(c cell, kind string) bool {
	return slices.ContainsFunc(o.Mapping.Fields(kind), func(f mapping.Field) bool {
		return nameOn(f, c.side) == c.attr && f.Direction == mapping.Both && !f.Computed && !f.Clear
	})
}

// sameField reports whether two attributes are the two ends of one field, or both belong
// to what a kind has of its own, which is one value.
func (o *Oracle) sameField(a, b cell) bool {
	ofKind := func(c cell) bool {
		return slices.ContainsFunc(o.Mapping.AllFields(), func(f mapping.Field) bool { return f.Kind != "" && nameOn(f, c.side) == c.attr })
	}
	return ofKind(a) && ofKind(b) || slices.ContainsFunc(o.Mapping.AllFields(), func(f mapping.Field) bool {
		return nameOn(f, a.side) == a.attr && nameOn(f, b.side) == b.attr
	}) || o.groupOf(a) != "" && o.groupOf(a) == o.groupOf(b)
}

// groupOf is the group of a cell, "" where it is alone.
func (o *Oracle) groupOf(c cell) string {
	for _, f := range o.Mapping.AllFields() {
		if f.Group != "" && nameOn(f, c.side) == c.attr {
			return f.Group
		}
	}
	return ""
}

// bothHad reports whether the other side held a value as well, at some time.
func (o *Oracle) bothHad(c cell, v record.Value) bool {
	return slices.ContainsFunc(o.had[c], func(h record.Value) bool { return h == v || !h.HasText() && !v.HasText() })
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
		if l.untold && which(l) && o.notes(l.of) <= l.notes {
			o.losses[i].untold = false
			o.counts[why]++
		}
	}
}

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
			if f.Direction != mapping.Both || f.Computed || f.Clear {
				continue
			}
			c, d := cell{e, f.Espo}, cell{k, f.Advo}
			if s.kind != a.kind || !agree(s.values[f.Espo], a.values[f.Advo]) {
				alike = false
				continue
			}
			for _, x := range []struct {
				cell
				v record.Value
			}{{c, s.values[f.Espo]}, {d, a.values[f.Advo]}} {
				if !o.bothHad(x.cell, x.v) {
					o.had[x.cell] = append(o.had[x.cell], x.v)
				}
				o.settled[x.cell] = o.settled[x.cell] || slices.Contains(called, e)
			}
		}
		if order := o.orders[e.id]; alike && order != nil && order.done {
			delete(o.orders, e.id)
		}
	}
}

// agree is equality as far as a system that stores a value leaves it alone.
func agree(e, a record.Value) bool {
	return e == a || !e.HasText() && !a.HasText() || record.FoldEqual(e, a) || e.HasText() && a.HasText() && record.OwnForm(e, a)
}
