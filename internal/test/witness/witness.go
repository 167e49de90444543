// Package witness sees what happens to two systems while a tool and people work on
// them: every change, who made it, and what that process had been shown by then. It
// judges nothing: whoever does is told of each change ([Witness.Judge]).
package witness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sandbox"
)

// Key is one record on one side.
type Key struct {
	Side record.Side
	ID   string
}

// Cell is one attribute of a record.
type Cell struct {
	Key
	Attr string
}

// Snapshot is one record on one side.
type Snapshot struct {
	Kind   string
	Values map[string]record.Value // what the mapping names, by attribute
	Rest   string                  // everything else
	Link   string                  // EspoCRM: advowareId
	Raw    []byte                  // as stored
}

// At is a value's text at a path of the record.
func (s Snapshot) At(path string) string { return gjson.GetBytes(s.Raw, path).String() }

// Attrs are the names of the values, sorted.
func (s Snapshot) Attrs() []string { return slices.Sorted(maps.Keys(s.Values)) }

// Records are some records of both sides.
type Records map[Key]Snapshot

// Keys are the records' keys, sorted.
func (r Records) Keys() []Key {
	return slices.SortedFunc(maps.Keys(r), func(a, b Key) int { return strings.Compare(string(a.Side)+a.ID, string(b.Side)+b.ID) })
}

// Change is what somebody has changed at once.
type Change struct {
	By     string // the process, or the person
	Person bool
	Seen   Records // what the process had been shown
	Before Records
	Edits  []Edit // of records that are there now; one that comes back is compared with what it was when it went
	Moved  []Key  // there now, and not as it was
	Gone   []Key
}

// Edit is a cell's new value.
type Edit struct {
	Cell
	Was, Is record.Value
}

// Witness sees both systems.
type Witness struct {
	Espo    *sandbox.EspoCRM
	Advo    *sandbox.Advoware
	Mapping *mapping.Mapping
	// Judge is told of each change, in the order in which they happen; the witness stands
	// still meanwhile (Now, Went, Partner, Unread are the judge's to look at then).
	Judge func(Change)
	// Clock dates the trace; nil: no trace is kept.
	Clock func() string
	// Now is what is there, Went what was and is not: it may come back.
	Now, Went Records

	mu      sync.Mutex
	moves   [2]int
	reads   map[string]Records // by process: what it was shown last
	actor   string             // who has sent the last request
	unread  map[Key]bool       // brought by somebody, and shown to no process since
	makers  map[Key]string
	carrier map[string]string // by Advoware id: the EspoCRM record that was seen to carry it last

	tracing sync.Mutex
	trace   []string
}

// New begins to watch.
func New(m *mapping.Mapping, espo *sandbox.EspoCRM, advo *sandbox.Advoware) *Witness {
	w := &Witness{Espo: espo, Advo: advo, Mapping: m, Judge: func(Change) {}, Now: Records{}, Went: Records{}, reads: map[string]Records{},
		unread: map[Key]bool{}, makers: map[Key]string{}, carrier: map[string]string{}}
	w.look()
	return w
}

// Locked lets fn work on what has been ascribed so far.
func (w *Witness) Locked(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// Person lets a person change something.
func (w *Witness) Person(name string, change func() error) error {
	w.Settle()
	err := change()
	w.Locked(func() { w.ascribe(Change{By: name, Person: true}) })
	return err
}

// Settle ascribes every change since the last look to the process that acted last.
func (w *Witness) Settle() { w.Locked(func() { w.settle(w.reads[w.actor]) }) }

// settle ascribes what the acting process has changed, who had been shown what is in seen.
func (w *Witness) settle(seen Records) { w.ascribe(Change{By: w.actor, Seen: seen}) }

// Overlook ascribes every change since the last look to nobody: a person without a name.
func (w *Witness) Overlook() { w.Locked(func() { w.ascribe(Change{Person: true}) }) }

// ascribe tells the judge of what has changed since the last look.
func (w *Witness) ascribe(c Change) {
	before, moved := w.look()
	if !moved {
		return
	}
	verb := map[bool]string{false: "writes", true: "sets"}[c.Person]
	c.Before = before
	for _, k := range w.Now.Keys() {
		was, there := before[k]
		is := w.Now[k]
		if there && bytes.Equal(was.Raw, is.Raw) {
			continue
		}
		c.Moved = append(c.Moved, k)
		switch {
		case !there && c.Person:
			w.unread[k] = true
		case !there:
			w.makers[k] = c.By
			w.Note("%s makes %s %s %s", c.By, k.Side, k.ID, is.Link)
		}
		if !there {
			was = w.Went[k]
		}
		for _, attr := range is.Attrs() {
			if e := (Edit{Cell{k, attr}, was.Values[attr], is.Values[attr]}); e.Was != e.Is {
				w.Note("%s %s %s %s %s: %q -> %q", c.By, verb, k.Side, k.ID, attr, e.Was.Text(), e.Is.Text())
				c.Edits = append(c.Edits, e)
			}
		}
	}
	for _, k := range before.Keys() {
		if _, there := w.Now[k]; !there {
			w.Note("%s deletes %s %s", c.By, k.Side, k.ID)
			c.Gone = append(c.Gone, k)
		}
	}
	for _, k := range c.Gone {
		w.Went[k] = before[k]
	}
	w.Judge(c)
}

// look reads both systems, says what they were before, and whether anything has changed.
func (w *Witness) look() (before Records, moved bool) {
	before = w.Now
	moves := [2]int{w.Espo.Moves(w.Mapping.EspoType()), w.Advo.Moves(w.Mapping.AdvoPath())}
	if moves == w.moves {
		return before, false
	}
	w.moves, w.Now = moves, Records{}
	see := func(k Key, raw []byte) {
		s, ok := before[k]
		if !ok || !bytes.Equal(s.Raw, raw) {
			s = w.shown(k.Side, raw)
			for attr, v := range s.Values {
				if k.Side == record.EspoCRM && v.IsAbsent() {
					s.Values[attr] = record.Empty() // never stored: EspoCRM answers null
				}
			}
		}
		if w.Now[k] = s; s.Link != "" {
			w.carrier[s.Link] = k.ID
		}
	}
	for _, row := range w.Espo.Records(w.Mapping.EspoType()) {
		raw, err := json.Marshal(row)
		if err != nil {
			panic("witness: EspoCRM holds no JSON: " + err.Error())
		}
		see(Key{record.EspoCRM, fmt.Sprint(row["id"])}, raw)
	}
	for _, raw := range w.Advo.All(w.Mapping.AdvoPath()) {
		see(Key{record.Advoware, gjson.GetBytes(raw, w.Mapping.AdvoID()).String()}, raw)
	}
	return before, true
}

// Partner is the linked record on the other side, or the one that was linked last, as
// records have it; either may be deleted. Without an id: there was none.
func (w *Witness) Partner(records Records, k Key) Key {
	if k.Side == record.Advoware {
		return Key{record.EspoCRM, w.carrier[k.ID]}
	}
	return Key{record.Advoware, w.Last(records, k).Link}
}

// Last is a record as it is among records, or was when it went.
func (w *Witness) Last(records Records, k Key) Snapshot {
	if s, there := records[k]; there {
		return s
	}
	return w.Went[k]
}

// Both are the record on either side that k is one side of.
func (w *Witness) Both(records Records, k Key) (espo, advo Key) {
	if k.Side == record.Advoware {
		return w.Partner(records, k), k
	}
	return k, w.Partner(records, k)
}

// Pair is a linked EspoCRM record and Advoware's of its number, which may have gone.
type Pair struct {
	Espo, Advo Key
	E, A       Snapshot
	There      bool // Advoware's is
}

// Pairs are the linked records, in order.
func (w *Witness) Pairs() (out []Pair) {
	for _, k := range w.Now.Keys() {
		p := Pair{Espo: k, Advo: Key{record.Advoware, w.Now[k].Link}, E: w.Now[k]}
		if p.Advo.ID == "" {
			continue
		}
		_, p.There = w.Now[p.Advo]
		p.A = w.Last(w.Now, p.Advo)
		out = append(out, p)
	}
	return out
}

// Unread reports whether somebody has brought the record, and no process has been shown
// it since.
func (w *Witness) Unread(k Key) bool { return w.unread[k] }

// Notes counts the posts at a record of EspoCRM.
func (w *Witness) Notes(id string) (n int) {
	for _, note := range w.Espo.Notes() {
		if note["parentId"] == id && note["type"] == "Post" {
			n++
		}
	}
	return n
}

// Made lists the Advoware records that a run has made, in order.
func (w *Witness) Made(run string) (ids []string) {
	w.Locked(func() {
		for k, by := range w.makers {
			if by == run && k.Side == record.Advoware {
				ids = append(ids, k.ID)
			}
		}
	})
	slices.Sort(ids)
	return ids
}

// Deleted is what an Advoware record held that is gone by now.
func (w *Witness) Deleted(id string) (raw []byte, ok bool) {
	w.Locked(func() {
		k := Key{record.Advoware, id}
		if _, there := w.Now[k]; !there {
			var was Snapshot
			was, ok = w.Went[k]
			raw = was.Raw
		}
	})
	return raw, ok
}

// Note adds a line to the trace.
func (w *Witness) Note(format string, args ...any) {
	if w.Clock == nil {
		return
	}
	w.tracing.Lock()
	defer w.tracing.Unlock()
	w.trace = append(w.trace, w.Clock()+" "+fmt.Sprintf(format, args...))
}

// Trace is everything that happened, in order.
func (w *Witness) Trace() []string {
	w.tracing.Lock()
	defer w.tracing.Unlock()
	return slices.Clone(w.trace)
}

// Attribute is what the mapping says of a name on one side, in records of a kind.
type Attribute struct {
	Travels bool           // its values go both ways, and are somebody's
	Keys    []string       // of its fields
	Unit    string         // what it is one value with: what a kind has of its own, its group, or its field
	Policy  mapping.Policy // its own
}

// Attribute tells what the mapping says of a cell in a record of a kind.
func (w *Witness) Attribute(c Cell, kind string) (a Attribute) {
	for _, f := range w.Mapping.Fields(kind) {
		if !Travels(f) || nameOn(f, c.Side) != c.Attr {
			continue
		}
		a.Travels, a.Keys, a.Policy = true, append(a.Keys, f.Key), cmp.Or(a.Policy, f.Policy)
		switch {
		case f.Kind != "":
			a.Unit = "kind"
		case f.Group != "":
			a.Unit = "group " + f.Group
		default:
			a.Unit = cmp.Or(a.Unit, f.Key)
		}
	}
	return a
}

// Travels reports whether a field's values go both ways, and are somebody's.
func Travels(f mapping.Field) bool {
	return f.Direction == mapping.Both && !f.Computed && !f.Clear
}

func nameOn(f mapping.Field, side record.Side) string {
	if side == record.EspoCRM {
		return f.Espo
	}
	return f.Advo
}
