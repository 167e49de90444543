// Package model explores the protocol of docs/design/protocol.md: one record
// with two fields in EspoCRM and in Advoware, people who edit and delete on both
// sides, an operator, a tool that may die before every step or lose its lease, and
// writes whose answers get lost or that land late. Every order of these events within a scenario's bounds is visited, the
// decisions are those of reconcile.Settle, Decide and Link.Judge themselves, and
// every state at rest is run to a standstill and judged.
package model

import (
	"fmt"
	"slices"
	"strings"

	"advosync/internal/record"
)

// fields is how many fields the record has.
const fields = 2

// val is one value, an index into the words below.
type val uint8

// The values. People type lower-case words; a system that writes in capitals
// stores the second half, one that adds a mark the third.
const (
	none    val = iota // absent: no base, no record
	unknown            // the half of a base that nobody knows
	blank              // empty
	word0              // the first word
)

// The kinds of a record.
const (
	person val = 254
	firm   val = 255
)

var words = []string{"old", "paul", "quinn", "rosa"}

// capital, marked and cut are the forms that a simulated system stores.
func capital(v val) val { return form(v, 1) }
func marked(v val) val  { return form(v, 2) }
func cutOff(v val) val  { return form(v, 3) }
func plain(v val) val   { return v }

const forms = 4 // of each word: as typed, in capitals, marked, cut

func form(v val, n int) val {
	if v < word0 || int(v-word0)%forms != 0 {
		return v
	}
	return v + val(n)
}

func word(i int) val { return word0 + val(i*forms) }

func (v val) bit() uint32 { return 1 << v }

// word is the bit of the word that v is a form of.
func (v val) word() uint32 {
	if v < word0 {
		return 0
	}
	return 1 << (int(v-word0) / forms)
}

func (v val) String() string {
	switch v {
	case none:
		return "-"
	case unknown:
		return "?"
	case blank:
		return "(empty)"
	case person:
		return "person"
	case firm:
		return "firm"
	}
	w := words[int(v-word0)/forms]
	switch int(v-word0) % forms {
	case 1:
		return strings.ToUpper(w)
	case 2:
		return "<" + w + ">"
	case 3:
		return w[:2]
	default:
		return w
	}
}

// canonical is the value that reconcile sees, and back.
func (v val) canonical() record.Value {
	switch v {
	case none:
		return record.Absent()
	case unknown:
		return record.Unknown()
	case blank:
		return record.Empty()
	case person, firm:
		return record.Of(v.String())
	}
	return canonicals[v]
}

var canonicals, byText = func() (all [word0 + val(forms*4)]record.Value, back map[string]val) {
	back = map[string]val{}
	for v := word0; int(v-word0) < forms*len(words); v++ {
		all[v] = record.Of(v.String())
		back[v.String()] = v
	}
	back[person.String()], back[firm.String()] = person, firm
	return all, back
}()

func fromCanonical(v record.Value) val {
	switch {
	case v.IsUnknown():
		return unknown
	case v.IsEmpty():
		return blank
	case !v.HasText():
		return none
	}
	return byText[v.Text()]
}

// pair is a field's value in EspoCRM and in Advoware.
type pair struct{ e, a val }

func (p pair) on(side int) val {
	if side == espo {
		return p.e
	}
	return p.a
}

func (p pair) canonical() record.Pair {
	return record.Pair{Espo: p.e.canonical(), Advo: p.a.canonical()}
}

func fromPair(p record.Pair) pair { return pair{fromCanonical(p.Espo), fromCanonical(p.Advo)} }

// write is a kind of write.
type write uint8

const (
	nothing write = iota
	putAdvo
	putEspo
	post
	del
)

var writeNames = []string{"nothing", "PUT to Advoware", "PUT to EspoCRM", "POST to Advoware", "DELETE in Advoware"}

// announcement is what is stored before a write.
type announcement struct {
	kind    write
	on      [fields]bool
	shown   [fields]pair
	target  [fields]val
	row     uint8 // the rowId that a PUT to EspoCRM brings
	rowWas  uint8
	note    [fields]uint32 // the overruled values that a note is owed for
	id      uint8          // of a POST, once it is answered
	waits   bool           // a field waits, so EspoCRM gets neither rowId nor clean
	typed   bool           // an operator's values, which have still to go to Advoware
	clears  [fields]bool   // what a change of kind empties along with it
	kinds   pair           // what kind each side was of, where the write changes one
	becomes val            // to this
	of      uint8          // the number of the record; only where an operator links by hand
}

// side is the side that is written to.
func (a *announcement) side() int {
	if a.kind == putEspo {
		return espo
	}
	return advo
}

// sources are what the other side showed then.
func (a *announcement) sources() (from [fields]val) {
	for f := range fields {
		from[f] = a.shown[f].on(1 - a.side())
	}
	return from
}

// before is what the written side showed when the write was announced.
func (a *announcement) before(f int) val { return a.shown[f].on(a.side()) }

// flight is a write under way that nobody waits for any more.
type flight struct {
	kind  write
	obj   [fields]val
	read  [fields]val // what the sender had been shown
	from  [fields]val // what it had been shown of the other side
	over  [fields]val // what an operator has seen there and wants replaced
	on    [fields]bool
	also  [fields]bool // emptied along with it
	row   uint8
	ver   uint8
	waits bool
	typed bool
}

type advoRecord struct {
	there bool
	v     [fields]val
	row   uint8
}

// step is where the process stands.
type step uint8

const (
	idle       step = iota
	readEspo        // EspoCRM has been read
	sendAdvo        // announced; the PUT to Advoware is next
	readBack        // answered with success; the read-back is next
	sendEspo        // announced; the PUT to EspoCRM is next
	answered        // EspoCRM has answered with success
	sendStatus      // concluded; EspoCRM's status lags
	sendPost        // announced; the POST is next
	posted          // the new id is stored; the record is read back next
	seesGone        // EspoCRM has answered that the record is not there
	sendDelete      // announced; the DELETE is next
	sendMark        // a new record is to be marked, before its POST
	linkFound       // what an unknown run has made is to be linked
	sendLink        // an operator's link is next
	keepLink        // EspoCRM carries it; the memory follows
)

type status uint8

const (
	clean status = iota
	dirty
	conflict
	failed
	pending
	syncing
)

var statusNames = []string{"clean", "dirty", "conflict", "failed", "pending_sync", "syncing"}

// state is everything: both systems, the store, the process, what is under way,
// and what the judge watches. It is comparable.
type state struct {
	// EspoCRM.
	e      [fields]val
	eRow   uint8
	eVer   uint8
	status status
	synced bool
	byUs   bool  // the last to save was the tool
	link   uint8 // 1 and 2 are Advoware's records
	gone   bool  // in the bin

	a [2]advoRecord

	// The store.
	base   [fields]pair
	kinds  pair // the base's kinds
	open   announcement
	hist   [fields]uint32 // values that the history holds
	told   [fields]uint32 // values that a note has told
	learnt [fields]pair   // the last target that came back as something else, and what it came back as
	known  [fields]pair   // the same, seen at two read-backs: the system's form
	// refused is a target that a side has refused by name, or answered with success and
	// not taken.
	refused [2][fields]val
	parked  [fields]pair // what a person was asked about last
	baseRow uint8        // the rowId that the base was concluded with; only where copies of the store are made
	copy    memory
	number  uint8 // what is remembered is of this number; only where an operator links by hand
	origin  origin
	younger bool // the store is younger than the record

	proc
	other stalled // a process that stands still; its lease has run out meanwhile

	late flight

	// The judge: a person's edit that has never stood on both sides, what has to
	// be told, and the last pair that both sides held.
	fresh   [2][fields]bool
	need    [fields]uint32
	common  [fields]pair
	prior   [fields]pair      // and the one before a write of the tool brought it about
	held    [2][fields]uint32 // values that have stood there since
	byTool  [2][fields]bool   // the tool has written what stands there
	seen    [fields]val       // an operator has seen it in Advoware, and wants another value there
	typed   [2][fields]bool   // somebody has typed there since the tool last brought both in step
	faulty  bool              // something died, was lost, late or restored
	made    uint64            // the pairs of values that people have made, where two fields are one
	posts   uint8
	foreign uint8 // which of Advoware's records a person has made, as bits
	editsE  uint8
	editsA  uint8
	deaths  uint8
	lost    uint8
	lates   uint8
	backups uint8
	deletes uint8
	orders  uint8
	stalls  uint8
	losses  uint8
	numbers uint8
	taken   bool // another record of EspoCRM carries Advoware's first record
	took    bool // and has ever done
	copies  uint8
	links   uint8
	byHand  bool // an operator has linked it
}

// proc is what a process knows: its reads, and an operator's words.
type proc struct {
	pc     step
	le, la [fields]val
	leVer  uint8
	leRow  uint8
	leByUs bool
	laRow  uint8
	laGone bool // Advoware does not have the record
	obj    [fields]val
	want   status
	writes uint8 // announced in this run
	own    bool  // what is read back was written by this very run
	order  order
	wish   [fields]wish
	// kindWish is the word on the kind that goes with those on the fields.
	kindWish wish
	shared   bool // another record carried the number when Advoware was read
	clears   bool // empties in EspoCRM are owed by a decision of this run, or of the one before
	found    uint8
	relinked bool // what was remembered was of another number
}

const (
	espo = iota
	advo
)

func (s *state) linked() *advoRecord {
	if s.link == 0 {
		return nil
	}
	return &s.a[s.link-1]
}

func (s *state) String() string {
	show := func(v [fields]val) string {
		var out []string
		for _, x := range v {
			out = append(out, x.String())
		}
		return strings.Join(out, " ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "EspoCRM %s (%s)", show(s.e), statusNames[s.status])
	if s.gone {
		b.Reset()
		b.WriteString("not in EspoCRM")
	}
	for i, r := range s.a {
		if r.there {
			fmt.Fprintf(&b, " · Advoware %d %s", i+1, show(r.v))
		}
	}
	var base []string
	for _, p := range s.base {
		base = append(base, p.e.String()+"~"+p.a.String())
	}
	fmt.Fprintf(&b, " · base %s", strings.Join(base, " "))
	if s.open.kind != nothing {
		fmt.Fprintf(&b, " · open: %s of %s", writeNames[s.open.kind], show(s.open.target))
	}
	if s.other.on {
		b.WriteString(" · another process stands still")
	}
	if s.late.kind != nothing {
		b.WriteString(" · late: " + writeNames[s.late.kind])
	}
	return b.String()
}

// Budget bounds a scenario.
type Budget struct {
	EspoEdits, AdvoEdits, Deaths, Lost, Late, Backups, Strangers uint8
	// Deletes are records deleted on either side, taken out of the bin, or brought back
	// by a backup; Orders an operator's commands; Stalls processes that stand still until
	// their lease has run out.
	Deletes, Orders, Stalls uint8
	// StoreLost is how often the store is lost, StoreCopies how often an older copy of it
	// comes back.
	StoreLost, StoreCopies uint8
	// Numbers are those that people take or give to the wrong record, Links those that an
	// operator gives it.
	Numbers, Links uint8
}

func values(set uint32) string {
	var out []string
	for v := none; v < 32; v++ {
		if set&v.bit() != 0 {
			out = append(out, v.String())
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
