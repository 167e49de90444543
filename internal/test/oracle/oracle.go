// Package oracle watches two systems while a tool and people change them, and says
// what must not have happened. It knows nothing of the tool's rules and is not told
// what the tool remembers: it sees every change of both systems, who made it, what
// each process had been shown by then, and the history. Its rules, in rules.go:
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
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
	"advosync/internal/store"
)

// Restorer is who brings a backup in: nobody has typed its values.
const Restorer = "the backup"

// key is one record on one side, cell one attribute of it.
type key struct {
	side record.Side
	id   string
}

type cell struct {
	key
	attr string
}

// about is what is known of a cell's present value, and of its former ones.
type about struct {
	typed   bool           // a person gave it
	settled bool           // unchanged since both sides held the same
	leftOut bool           // a backup's record does not answer it
	had     []record.Value // held while the other side held it, too
}

// snapshot is one record on one side.
type snapshot struct {
	kind   string
	values map[string]record.Value // what the mapping names, by attribute
	rest   string                  // everything else
	link   string                  // EspoCRM: advowareId
	raw    []byte                  // as stored
}

// at is a value's text at a path of the record.
func (s snapshot) at(path string) string { return gjson.GetBytes(s.raw, path).String() }

// Oracle watches.
type Oracle struct {
	Espo    *sandbox.EspoCRM
	Advo    *sandbox.Advoware
	Mapping *mapping.Mapping
	// Policy is the name of the policy of the record: merge, espocrm, advoware, manual.
	Policy string
	// Guarded: the EspoCRM type refuses a write that rests on an older version.
	Guarded bool
	// History lists an EspoCRM record's history as it stands, or everything where the id
	// is empty; nil: what is kept is judged at the end alone ([Oracle.Overwritten]).
	History func(id string) []store.Entry
	// Clock dates the trace; nil: no trace is kept.
	Clock func() string

	mu     sync.Mutex
	moves  [2]int
	now    map[key]snapshot
	gone   map[key]snapshot            // deleted, may come back
	reads  map[string]map[key]snapshot // by process: what it was shown last
	actor  string                      // who has sent the last request
	excuse string                      // the open window that the present change falls into
	rough  bool

	cells  map[cell]*about
	orders map[string]*Order // by EspoCRM id: what an operator has last ordered
	// apart are EspoCRM ids of records that were gone on one side since the tool has
	// called them clean: nobody has to remember anything of those.
	apart   map[string]bool
	losses  []loss
	loose   map[string]bool // Advoware ids that may be linked to nothing
	back    map[string]bool // Advoware ids that a backup brought back, and that no process has read since
	makers  map[string]string
	carrier map[string]string // by Advoware id: the EspoCRM record that was seen to carry it last
	// imported is, by EspoCRM id of a record that the tool has made, Advoware's number: its
	// values were there first, so a first contact of those two is none.
	imported map[string]string

	problems, trace []string
	counts          map[string]int
}

// New begins to watch.
func New(m *mapping.Mapping, espo *sandbox.EspoCRM, advo *sandbox.Advoware, policy string) *Oracle {
	o := &Oracle{Espo: espo, Advo: advo, Mapping: m, Policy: policy, Guarded: true, cells: map[cell]*about{},
		now: map[key]snapshot{}, gone: map[key]snapshot{}, reads: map[string]map[key]snapshot{}, orders: map[string]*Order{}, counts: map[string]int{},
		apart: map[string]bool{}, loose: map[string]bool{}, back: map[string]bool{}, makers: map[string]string{}, carrier: map[string]string{}, imported: map[string]string{}}
	o.look()
	o.compareAll()
	return o
}

// of is what is known of a cell.
func (o *Oracle) of(c cell) *about {
	a := o.cells[c]
	if a == nil {
		a = &about{}
		o.cells[c] = a
	}
	return a
}

// locked lets fn work on what has been ascribed so far.
func (o *Oracle) locked(fn func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fn()
}

// Person lets a person change something.
func (o *Oracle) Person(name string, change func() error) error {
	o.Settle()
	err := change()
	o.mu.Lock()
	defer o.mu.Unlock()
	before, moved := o.look()
	if !moved {
		return err
	}
	o.changes(before, func(c cell, was, is record.Value) {
		o.note("%s sets %s %s %s: %q -> %q", name, c.side, c.id, c.attr, was.Text(), is.Text())
		a := o.of(c)
		a.typed, a.settled, a.leftOut = name != Restorer, false, name == Restorer && is.IsAbsent()
		// What was lost here and stands again is lost no more.
		o.losses = slices.DeleteFunc(o.losses, func(l loss) bool { return l.cell == c && l.value == is })
	})
	for k := range o.now {
		if _, there := before[k]; !there && k.side == record.Advoware && name == Restorer {
			o.back[k.id] = true
		}
	}
	o.bury(before, func(k key, _ snapshot) {
		o.note("%s deletes %s %s", name, k.side, k.id)
		o.forgive(GoneBeforeTold, func(l loss) bool { return l.key == k || k.side == record.EspoCRM && l.of == k.id || l.pair == k })
	})
	o.compareAll()
	return err
}

// Settle ascribes every change since the last look to the process that acted last.
func (o *Oracle) Settle() { o.locked(func() { o.settle(o.reads[o.actor]) }) }

// settle judges what the acting process has changed, who had been shown what is in seen.
func (o *Oracle) settle(seen map[key]snapshot) {
	before, moved := o.look()
	if !moved {
		return
	}
	var changed []cell
	o.changes(before, func(c cell, was, is record.Value) {
		if _, there := before[c.key]; there {
			o.note("%s writes %s %s %s: %q -> %q", o.actor, c.side, c.id, c.attr, was.Text(), is.Text())
			o.replaced(before, seen, c, was, is)
		}
		changed = append(changed, c)
	})
	o.bury(before, func(k key, s snapshot) {
		o.note("%s deletes %s %s", o.actor, k.side, k.id)
		for _, attr := range slices.Sorted(maps.Keys(s.values)) {
			o.replaced(before, seen, cell{k, attr}, s.values[attr], record.Absent())
		}
	})
	for _, c := range changed {
		a := o.of(c)
		a.typed, a.settled, a.leftOut = false, false, false
	}
	var called []key // clean, by the tool
	for k, is := range o.now {
		was, there := before[k]
		if _, both := o.now[key{record.Advoware, is.link}]; both && !bytes.Equal(was.raw, is.raw) && is.at("syncStatus") == "clean" {
			called = append(called, k)
		}
		if there && was.link != is.link && is.link != "" && o.back[was.link] {
			o.loose[was.link] = true
			o.counts[CameBack]++
		}
		if !there {
			o.made(k, is)
		}
		if s, ok := seen[k]; there && was.rest != is.rest && ok && s.rest == is.rest && k.side == record.Advoware {
			o.counts[UnseenSave]++ // given back as it was read
		} else if there && was.rest != is.rest {
			o.problem("%s changed unmapped data of %s %s: %s -> %s", o.actor, k.side, k.id, was.rest, is.rest)
		}
	}
	o.compareAll(called...)
}

// made takes note of a record that the acting process has made, or brought back.
func (o *Oracle) made(k key, s snapshot) {
	if k.side == record.Advoware {
		o.note("%s makes Advoware %s", o.actor, k.id)
		o.makers[k.id] = o.actor
		o.loose[k.id] = o.loose[k.id] || o.excuse != ""
		return
	}
	if _, came := o.gone[k]; came {
		return
	}
	o.note("%s makes EspoCRM %s of Advoware %s", o.actor, k.id, s.link)
	o.imported[k.id] = s.link
	o.counts[Imported]++
	for other, t := range o.now {
		if other.side == record.EspoCRM && other != k && t.link == s.link {
			o.problem("duplicate: %s made EspoCRM %s of Advoware %s, which %s carries", o.actor, k.id, s.link, other.id)
		}
	}
}

// changes calls fn for each cell that is not what it was, in order; a record that comes
// back is compared with what it was when it went.
func (o *Oracle) changes(before map[key]snapshot, fn func(c cell, was, is record.Value)) {
	for _, k := range sorted(o.now) {
		was, ok := before[k]
		if !ok {
			was = o.gone[k]
		}
		for _, attr := range slices.Sorted(maps.Keys(o.now[k].values)) {
			if is := o.now[k].values[attr]; was.values[attr] != is {
				fn(cell{k, attr}, was.values[attr], is)
			}
		}
	}
}

// bury calls fn for each record that is there no more, in order.
func (o *Oracle) bury(before map[key]snapshot, fn func(k key, was snapshot)) {
	for _, k := range sorted(before) {
		if _, ok := o.now[k]; ok {
			continue
		}
		o.gone[k] = before[k]
		if other, ok := o.partner(before, k); k.side == record.EspoCRM {
			o.apart[k.id] = true
		} else if ok {
			o.apart[other.id] = true
		}
		fn(k, before[k])
	}
}

func sorted(records map[key]snapshot) []key {
	return slices.SortedFunc(maps.Keys(records), func(a, b key) int { return strings.Compare(string(a.side)+a.id, string(b.side)+b.id) })
}

func (o *Oracle) note(format string, args ...any) {
	if o.Clock != nil {
		o.trace = append(o.trace, o.Clock()+" "+fmt.Sprintf(format, args...))
	}
}

func (o *Oracle) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
	o.note("PROBLEM: "+format, args...)
}

// Note adds a line to the trace.
func (o *Oracle) Note(format string, args ...any) { o.locked(func() { o.note(format, args...) }) }

// Problems are what was wrong so far.
func (o *Oracle) Problems() (out []string) {
	o.Settle()
	o.locked(func() { out = slices.Clone(o.problems) })
	return out
}

// Counts tells how often each window, and each rule, had something to say.
func (o *Oracle) Counts() (out map[string]int) {
	o.locked(func() { out = maps.Clone(o.counts) })
	return out
}

// Trace is everything that happened, in order.
func (o *Oracle) Trace() (out []string) {
	o.locked(func() { out = slices.Clone(o.trace) })
	return out
}
