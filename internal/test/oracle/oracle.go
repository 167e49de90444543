// Package oracle judges what a tool and people do to two systems. It knows nothing of
// the tool's rules and is not told what the tool remembers: it has a witness, who sees
// every change, who made it, and what each process had been shown by then, and it has
// the history. Its rules, in rules.go:
//
//	kept  a value that the tool replaces is in the history at that moment, or the
//	      process had been shown another one
//	told  where the value was a person's, and the other side never had it, a note
//	      is at the record afterwards, unless an operator's command named the record
//	fair  and it lost under the policy; as long as nothing happened that no tool can
//	      tell from an edit (see [Oracle.Rough])
//
// and, in end.go, the end state.
package oracle

import (
	"fmt"
	"maps"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/test/witness"
)

// Restorer is who brings a backup in: nobody has typed its values.
const Restorer = "the backup"

// A cell is one attribute of one record (a key) on one side.
type (
	key  = witness.Key
	cell = witness.Cell
)

// held is a value that a cell held while the other side held it, too.
type held struct {
	cell
	value record.Value
}

// Oracle judges.
type Oracle struct {
	*witness.Witness
	// Policy is the name of the policy of the record: merge, espocrm, advoware, manual.
	Policy string
	// Guarded: the EspoCRM type refuses a write that rests on an older version.
	Guarded bool
	// History lists an EspoCRM record's history as it stands, or everything where the id
	// is empty; nil: what is kept is judged at the end alone ([Oracle.Overwritten]).
	History func(id string) []store.Entry

	excuse string // the open window that the present change falls into
	rough  bool

	// touched are the cells that have changed since the tool called both sides clean (or
	// since Forget), with the person, or the backup, that gave the present value; "": the tool.
	touched map[cell]string
	common  map[held]bool
	orders  map[string]*Order // by EspoCRM id: what an operator has last ordered
	// apart are EspoCRM ids of records that were gone on one side since the tool has
	// called them clean: nobody has to remember anything of those.
	apart  map[string]bool
	losses []loss
	loose  map[string]bool // Advoware ids that may be linked to nothing

	problems []string
	counts   map[string]int
}

// New begins to watch.
func New(m *mapping.Mapping, espo *sandbox.EspoCRM, advo *sandbox.Advoware, policy string) *Oracle {
	o := &Oracle{Witness: witness.New(m, espo, advo), Policy: policy, Guarded: true, touched: map[cell]string{}, common: map[held]bool{},
		orders: map[string]*Order{}, apart: map[string]bool{}, loose: map[string]bool{}, counts: map[string]int{}}
	o.Judge = o.judge
	o.compare(nil)
	return o
}

// Forget takes the present state of both systems as it is, without edits.
func (o *Oracle) Forget() {
	o.Overlook()
	o.Locked(func() { clear(o.touched) })
}

// judge judges a change.
func (o *Oracle) judge(c witness.Change) {
	for _, k := range c.Gone {
		espo, _ := o.Both(c.Before, k)
		o.apart[espo.ID] = true
	}
	if c.Person {
		o.people(c)
	} else {
		o.tool(c)
	}
}

// people takes note of what a person, or a backup, has changed.
func (o *Oracle) people(c witness.Change) {
	for _, e := range c.Edits {
		o.touched[e.Cell] = c.By
		// What was lost here and stands again is lost no more.
		o.losses = slices.DeleteFunc(o.losses, func(l loss) bool { return l.Cell == e.Cell && l.Was == e.Is })
	}
	for _, k := range c.Gone {
		o.forgive(GoneBeforeTold, func(l loss) bool { return l.espo == k || l.advo == k })
	}
	o.compare(nil)
}

// tool judges what a process of the tool has changed.
func (o *Oracle) tool(c witness.Change) {
	for _, e := range c.Edits {
		if _, there := c.Before[e.Key]; there {
			o.replaced(c, e)
		}
	}
	for _, k := range c.Gone {
		for _, attr := range c.Before[k].Attrs() {
			o.replaced(c, witness.Edit{Cell: cell{Key: k, Attr: attr}, Was: c.Before[k].Values[attr], Is: record.Absent()})
		}
	}
	for _, e := range c.Edits { // what a write that is excused leaves out is left out as by a backup
		o.touched[e.Cell] = map[bool]string{true: Restorer}[o.excuse != "" && e.Is.IsAbsent()]
	}
	var clean []key
	for _, k := range c.Moved {
		is := o.Now[k]
		was, there := c.Before[k]
		said := was.At("syncStatus") != "clean" || was.At("advowareLastSync") != is.At("advowareLastSync")
		if _, both := o.Now[o.Partner(o.Now, k)]; both && said && is.At("syncStatus") == "clean" {
			clean = append(clean, k)
		}
		switch s, ok := c.Seen[k]; {
		case !there:
			o.made(c, k)
		case was.Rest == is.Rest:
		case ok && s.Rest == is.Rest && k.Side == record.Advoware:
			o.counts[UnseenSave]++ // given back as it was read
		default:
			o.problem("%s changed unmapped data of %s %s: %s -> %s", c.By, k.Side, k.ID, was.Rest, is.Rest)
		}
	}
	o.compare(clean)
}

// made judges a record that the tool has made, or brought back.
func (o *Oracle) made(c witness.Change, k key) {
	if k.Side == record.Advoware && o.excuse != "" {
		o.loose[k.ID] = true
	}
	if _, came := o.Went[k]; came || k.Side == record.Advoware {
		return
	}
	o.counts[Imported]++
	for _, p := range o.Pairs() {
		if p.Espo != k && p.Advo.ID == o.Now[k].Link {
			o.problem("duplicate: %s made EspoCRM %s of Advoware %s, which %s carries", c.By, k.ID, p.Advo.ID, p.Espo.ID)
		}
	}
}

// compare takes note of what both sides hold, and of what the tool has just called
// clean: from then on it must know what stood there.
func (o *Oracle) compare(clean []key) {
	for _, k := range clean {
		delete(o.apart, k.ID)
	}
	for _, p := range o.Pairs() { // Advoware's deleted, perhaps, while a value was on its way from it
		alike := p.E.Kind == p.A.Kind
		for _, f := range o.Mapping.Fields(p.E.Kind) {
			e, a := cell{Key: p.Espo, Attr: f.Espo}, cell{Key: p.Advo, Attr: f.Advo}
			switch {
			case !witness.Travels(f):
			case f.Kind != "" && p.E.Kind != p.A.Kind, !agree(p.E.Values[f.Espo], p.A.Values[f.Advo]):
				alike = false
			default:
				o.common[held{e, plain(p.E.Values[f.Espo])}], o.common[held{a, plain(p.A.Values[f.Advo])}] = true, true
				if slices.Contains(clean, p.Espo) {
					delete(o.touched, e)
					delete(o.touched, a)
				}
			}
		}
		if order := o.orders[p.Espo.ID]; alike && order != nil && order.done {
			delete(o.orders, p.Espo.ID)
		}
	}
}

// plain is a value as the rules compare it: nothing is nothing.
func plain(v record.Value) record.Value {
	if v.HasText() {
		return v
	}
	return record.Empty()
}

// agree is equality as far as a system that stores a value leaves it alone.
func agree(e, a record.Value) bool {
	return plain(e) == plain(a) || record.FoldEqual(e, a) || e.HasText() && a.HasText() && record.OwnForm(e, a)
}

func (o *Oracle) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
	o.Note("PROBLEM: "+format, args...)
}

// Problems are what was wrong so far.
func (o *Oracle) Problems() (out []string) {
	o.Settle()
	o.Locked(func() { out = slices.Clone(o.problems) })
	return out
}

// Counts tells how often each window, and each rule, had something to say.
func (o *Oracle) Counts() (out map[string]int) {
	o.Locked(func() { out = maps.Clone(o.counts) })
	return out
}
