package model

import (
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

// Protocol is what is explored: the two pure functions, and the order of effects
// around them. The zero flaws are the protocol; each flaw is one way to break it.
type Protocol struct {
	Settle func(reconcile.Settling) reconcile.Settlement
	Decide func(reconcile.Input) reconcile.Decision
	Flaws  Flaws
}

// Flaws are broken orders of effects, for showing that the explorer sees them.
type Flaws struct {
	SendsBeforeAnnouncing bool // the announcement is stored after the answer
	NoHistory             bool // overwritten values are not kept
	NoVersion             bool // EspoCRM is written without X-Version-Number
	ForgetsAnnouncement   bool // a next run drops what is open
	NoReadBack            bool // an answered PUT counts as stored as sent
	NoWaiting             bool // a next run does not wait for a late write
	NotesInMemory         bool // a note is owed only by the process that wrote
	PlannedBase           bool // the base of the announced write is stored with it
	RepeatsPost           bool // a POST without an answer is sent again
	LinksHighest          bool // the newest record is taken for the posted one
	ConcludesOnReread     bool // the base takes EspoCRM as it is now, not as it was decided on
	ClosesUnknown         bool // an unknown write is closed as not done at once
	UndoesBlindly         bool // undo does not look whether the record has moved on
	ResolvesBlindly       bool // resolve decides what stands there, not what was asked about
	HoldsUp               bool // a field that cannot be brought over holds up the others
	LearnsStuck           bool // and the base takes what stands there
	DeletesBlindly        bool // a record is deleted in Advoware whatever was edited there
	FinishesDelete        bool // an interrupted delete is finished though the record is back
	NoFence               bool // the store takes what a process without a lease commits
	LeaseUnchecked        bool // a process does not look at its lease before it writes
}

// Real is the protocol itself.
func Real() Protocol { return Protocol{Settle: reconcile.Settle, Decide: reconcile.Decide} }

// Scenario is one world: the policy, what the systems make of values, whether
// the record exists in Advoware already, and how much may happen.
type Scenario struct {
	Name        string
	Policy      reconcile.Policy
	Create      bool
	EspoForm    func(val) val // nil: stored as sent
	AdvoForm    func(val) val
	EspoWords   []int // what people type in EspoCRM
	AdvoWords   []int
	TouchFields int            // people edit the first n fields
	Own         mapping.Policy // of the second field alone; "": it has none
	Group       bool           // both fields are one value
	Refused     int            // the word that Advoware refuses by name; 0: none
	Recreate    bool           // what is missing in Advoware is made anew
	Delete      bool           // what is gone from EspoCRM is deleted in Advoware
	// UnknownForm: AdvoForm is none that record.OwnForm knows, so the protocol
	// promises to tell, not to be fair.
	UnknownForm bool
	Budget      Budget
}

type schema []mapping.Field

func (s schema) Fields(string) []mapping.Field { return s }

func (sc Scenario) schema() (out schema) {
	for f := range fields {
		n := fieldName(f)
		out = append(out, mapping.Field{Key: n, Espo: n, Advo: n, Type: mapping.String, Direction: mapping.Both, Def: "1"})
		if sc.Group {
			out[f].Group = "both"
		}
	}
	out[fields-1].Policy = sc.Own
	return out
}

// policyOf is the policy that decides a field, and whether it is the field's own.
func (sc Scenario) policyOf(f int) (p reconcile.Policy, own bool) {
	if f == fields-1 && sc.Own != "" {
		return reconcile.Policy(sc.Own), true
	}
	return sc.Policy, false
}

func fieldOf(key string) int {
	if key == fieldName(0) {
		return 0
	}
	return 1
}

// explorer applies a protocol to a scenario's states. Settle and Decide are pure,
// so what they said of the same input is remembered.
type explorer struct {
	p        Protocol
	sc       Scenario
	schema   schema
	settled  map[settleKey]settlement
	decided  map[decideKey]plan
	windows  int
	violated string
}

func newExplorer(p Protocol, sc Scenario) *explorer {
	if sc.EspoForm == nil {
		sc.EspoForm = plain
	}
	if sc.AdvoForm == nil {
		sc.AdvoForm = plain
	}
	if sc.TouchFields == 0 {
		sc.TouchFields = fields
	}
	return &explorer{p: p, sc: sc, schema: sc.schema(), settled: map[settleKey]settlement{}, decided: map[decideKey]plan{}}
}

type settleKey struct {
	base   [fields]pair
	open   announcement
	fate   reconcile.Fate
	now    [fields]val
	there  bool
	row    uint8
	answer bool
	byUs   bool
	learnt [fields]pair
	known  [fields]pair
}

type settlement struct {
	base    [fields]pair
	open    bool
	outcome [fields]reconcile.Outcome
}

func (x *explorer) settle(k settleKey) settlement {
	k.open.note, k.open.id, k.open.waits, k.open.typed = [fields]uint32{}, 0, false, false
	if got, ok := x.settled[k]; ok {
		return got
	}
	in := reconcile.Settling{Fate: k.fate, Answer: k.answer, ByUs: k.byUs, RowNow: rowText(k.row), Base: map[string]record.Pair{},
		Open: reconcile.Announcement{Side: record.Advoware, RowID: rowText(k.open.row), RowBefore: rowText(k.open.rowWas), Fields: map[string]reconcile.Announced{}},
		Form: func(key string, sent, read record.Value) bool {
			f, seen := fieldOf(key), pair{fromCanonical(sent), fromCanonical(read)}
			return record.OwnForm(sent, read) || k.known[f] == seen || k.answer && k.learnt[f] == seen
		}}
	if k.open.kind == putEspo {
		in.Open.Side = record.EspoCRM
	} else {
		in.Open.RowID, in.Open.RowBefore = "", ""
	}
	if k.there {
		in.Now = map[string]record.Value{}
	}
	for f := range fields {
		key := fieldName(f)
		if k.base[f] != (pair{}) {
			in.Base[key] = k.base[f].canonical()
		}
		if k.there {
			in.Now[key] = k.now[f].canonical()
		}
		if k.open.on[f] {
			in.Open.Fields[key] = reconcile.Announced{Shown: k.open.shown[f].canonical(), Target: k.open.target[f].canonical()}
		}
	}
	got := x.p.Settle(in)
	out := settlement{open: got.Open}
	for f := range fields {
		if b, ok := got.Base[fieldName(f)]; ok {
			out.base[f] = fromPair(b)
		}
		out.outcome[f] = got.Fields[fieldName(f)]
	}
	x.settled[k] = out
	return out
}

type decideKey struct {
	e, a   [fields]val
	base   [fields]pair
	linked bool
	row    [2]uint8
	status status
	synced bool
	gone   bool // not in Advoware
	byUs   bool
	wish   [fields]wish
	stuck  [fields]bool
}

// plan is a decision in the model's words.
type plan struct {
	action       reconcile.Action
	toAdvo       [fields]val // none: not sent
	toEspo       [fields]val
	agreed       [fields]pair
	overruled    [fields]uint32 // values that give way to the other side's
	put          bool
	clash, parks bool
	typed, waits bool
}

func (x *explorer) decide(k decideKey) plan {
	if got, ok := x.decided[k]; ok {
		return got
	}
	in := x.input(k)
	d := x.p.Decide(in)
	out := plan{action: d.Action, put: d.PutNeeded, clash: d.Clash, parks: d.Action == reconcile.Park, typed: d.Typed, waits: d.Waits}
	for key, v := range d.ToAdvo {
		out.toAdvo[fieldOf(key)] = fromCanonical(v)
	}
	for key, v := range d.ToEspo {
		out.toEspo[fieldOf(key)] = fromCanonical(v)
	}
	for key, p := range d.Agreed {
		out.agreed[fieldOf(key)] = fromPair(p)
	}
	for _, c := range d.Changes {
		f := fieldOf(c.Field.Key)
		loser := c.Target
		if d.Action == reconcile.Park { // told whole: both values
			out.overruled[f] |= k.e[f].bit() | k.a[f].bit()
		} else if loser != "" && (c.Moved == string(loser) || c.Moved == "both") {
			lost := k.e[f]
			if loser == record.Advoware {
				lost = k.a[f]
			}
			out.overruled[f] |= lost.bit()
		}
	}
	x.decided[k] = out
	return out
}

// input is the question that a decision answers.
func (x *explorer) input(k decideKey) reconcile.Input {
	in := reconcile.Input{Schema: x.schema, Policy: x.sc.Policy, Linked: k.linked, LinkKnown: k.linked, Status: statusNames[k.status], ByUs: k.byUs,
		RowStored: rowText(k.row[0]), RowCurrent: rowText(k.row[1]), ModifiedAt: "2026-01-02 00:00:00",
		Espo: &mapping.View{Values: map[string]record.Value{}}}
	if k.synced {
		in.LastSync = "2026-01-01 00:00:00"
	}
	if k.linked && !k.gone {
		in.Advo = &mapping.View{Values: map[string]record.Value{}}
	}
	for f := range fields {
		key := fieldName(f)
		in.Espo.Values[key] = k.e[f].canonical()
		if in.Advo != nil {
			in.Advo.Values[key] = k.a[f].canonical()
		}
		if k.base[f] != (pair{}) {
			if in.Base == nil {
				in.Base = &reconcile.Base{Settled: k.synced, Fields: map[string]record.Pair{}}
			}
			in.Base.Fields[key] = k.base[f].canonical()
		}
		if k.stuck[f] {
			if in.Stuck == nil {
				in.Stuck = map[string]bool{}
			}
			in.Stuck[key] = true
		}
		if w := k.wish[f]; w.on {
			if in.Wishes == nil {
				in.Wishes = map[string]reconcile.Wish{}
			}
			in.Wishes[key] = reconcile.Wish{Field: x.schema[f], Shown: w.shown.canonical(), Target: w.target.canonical(), Typed: w.typed}
		}
	}
	return in
}

func rowText(n uint8) string {
	if n == 0 {
		return ""
	}
	return string(rune('A' + n - 1))
}
