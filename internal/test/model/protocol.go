package model

import (
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
)

// Protocol is what is explored: the pure functions, and the order of effects
// around them. The zero flaws are the protocol; each flaw is one way to break it.
type Protocol struct {
	Settle func(reconcile.Settling) reconcile.Settlement
	Decide func(reconcile.Input) reconcile.Decision
	Judge  func(reconcile.Link) reconcile.Belief
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
	UndoesHalf            bool // undo puts back one field of those that are one value
	TakesHalf             bool // resolve takes one side for one of them, the other side for the other
	UndoesNoKind          bool // undo puts back the values of another kind without their kind
	OldBaseServes         bool // a base from an older copy of the store serves
	OpenKeepsOldBase      bool // and it serves as long as an announcement of that copy is open
	SharesNumber          bool // a number that two records carry is synced all the same
	LinksTaken            bool // the record that a create has made is linked though another one carries it
	SettlesElsewhere      bool // an announced write to another record is looked for in the one that is linked now
	OtherBaseServes       bool // and its base serves
	KeepsBeforeLinking    bool // what is remembered follows an operator's link before EspoCRM carries it
	PostsOverLink         bool // a create that is in doubt goes on although an operator has linked the record
	OldStoreKnowsAll      bool // an older copy of the store counts what it does not know as never posted
	NewStoreKnowsAll      bool // and so does a new one in the place of one that was lost
	ResolvesByPolicy      bool // in the command of resolve a field's own policy decides
	NoFence               bool // the store takes what a process without a lease commits
	LeaseUnchecked        bool // a process does not look at its lease before it writes
}

// Real is the protocol itself.
func Real() Protocol {
	return Protocol{Settle: reconcile.Settle, Decide: reconcile.Decide, Judge: reconcile.Link.Judge}
}

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
	Kinds       bool           // a person has the first field, a firm the second one
	Stranger    bool           // another client's record is in Advoware
	Double      bool           // the same person's is
	Refused     int            // the word that Advoware refuses by name; 0: none
	Recreate    bool           // what is missing in Advoware is made anew
	Delete      bool           // what is gone from EspoCRM is deleted in Advoware
	// UnknownForm: AdvoForm is none that record.OwnForm knows, so the protocol
	// promises to tell, not to be fair.
	UnknownForm bool
	Budget      Budget
}

type schema struct {
	fields [fields]mapping.Field
	kinds  map[string][]mapping.Field // nil: the record has no kinds
}

func (s schema) Fields(kind string) []mapping.Field {
	if s.kinds != nil {
		return s.kinds[kind]
	}
	return s.fields[:]
}

func (sc Scenario) schema() (out schema) {
	names := [fields]string{"name", "phone"}
	if sc.Kinds {
		names = [fields]string{"name", "firm's name"}
	}
	for f, n := range names {
		out.fields[f] = mapping.Field{Key: n, Espo: n, Advo: n, Type: mapping.String, Direction: mapping.Both, Def: "1"}
		if sc.Group {
			out.fields[f].Group = "both"
		}
	}
	out.fields[fields-1].Policy = sc.Own
	if sc.Kinds {
		out.kinds = map[string][]mapping.Field{}
		for f, kind := range kindNames {
			other := out.fields[1-f].Key
			out.fields[f].Kind = kind.String()
			own := out.fields[f]
			out.kinds[own.Kind] = []mapping.Field{own,
				{Key: "!~" + other, Advo: other, Type: mapping.String, Direction: mapping.ToAdvoware, Clear: true, Kind: own.Kind},
				{Key: other + "~!", Espo: other, Type: mapping.String, Direction: mapping.ToEspocrm, Clear: true, Kind: own.Kind}}
		}
	}
	return out
}

// kindNames are the kinds, each with the number of the field that only it has.
var kindNames = [fields]val{person, firm}

// kind is what kind of record these values make.
func (x *explorer) kind(v [fields]val) val {
	switch {
	case !x.sc.Kinds || v == [fields]val{}:
		return none
	case v[1] >= word0:
		return firm
	default:
		return person
	}
}

// inForce reports whether a record of these values has the field.
func (x *explorer) inForce(f int, v [fields]val) bool {
	return !x.sc.Kinds || x.kind(v) == kindNames[f]
}

// policyOf is the policy that decides a field, and whether it is the field's own.
func (sc Scenario) policyOf(f int) (p reconcile.Policy, own bool) {
	if f == fields-1 && sc.Own != "" {
		return reconcile.Policy(sc.Own), true
	}
	return sc.Policy, false
}

// name is how a story calls a field.
func (x *explorer) name(f int) string { return x.schema.fields[f].Key }

func (x *explorer) fieldOf(key string) int {
	if key == x.name(0) {
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
	kind   val // of the written side now
}

type settlement struct {
	base    [fields]pair
	kinds   pair // the base's, where the write was to change a kind; none: as they were
	open    bool
	outcome [fields]reconcile.Outcome
}

func (x *explorer) settle(k settleKey) settlement {
	k.open.note, k.open.id, k.open.waits, k.open.typed, k.open.of = [fields]uint32{}, 0, false, false, 0
	if got, ok := x.settled[k]; ok {
		return got
	}
	in := reconcile.Settling{Fate: k.fate, Answer: k.answer, ByUs: k.byUs, RowNow: rowText(k.row), Base: map[string]record.Pair{},
		Open: reconcile.Announcement{Side: record.Advoware, RowID: rowText(k.open.row), RowBefore: rowText(k.open.rowWas), Fields: map[string]reconcile.Announced{}},
		Form: func(key string, sent, read record.Value) bool {
			f, seen := x.fieldOf(key), pair{fromCanonical(sent), fromCanonical(read)}
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
		key := x.name(f)
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
	if k.open.becomes != none {
		in.Open.Fields[reconcile.KindKey] = reconcile.Announced{Shown: k.open.kinds.canonical(), Target: k.open.becomes.canonical()}
		if k.there && k.kind != none {
			in.Now[reconcile.KindKey] = k.kind.canonical()
		}
	}
	got := x.p.Settle(in)
	out := settlement{open: got.Open}
	if b, ok := got.Base[reconcile.KindKey]; ok {
		out.kinds = fromPair(b)
	}
	for f := range fields {
		if b, ok := got.Base[x.name(f)]; ok {
			out.base[f] = fromPair(b)
		}
		out.outcome[f] = got.Fields[x.name(f)]
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
	ofKind wish
	stuck  [fields]bool
	kinds  pair // the base's
	clears bool
	asked  bool // an operator decides
	moved  bool // what was remembered was of another number
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
	kind         val  // of what is written
	kinds        pair // the base's from now on
	clears       [2][fields]bool
}

func (x *explorer) decide(k decideKey) plan {
	if got, ok := x.decided[k]; ok {
		return got
	}
	in := x.input(k)
	d := x.p.Decide(in)
	out := plan{action: d.Action, put: d.PutNeeded, clash: d.Clash, parks: d.Action == reconcile.Park, typed: d.Typed, waits: d.Waits}
	out.kind, out.kinds = byText[d.Kind], fromPair(d.AgreedKind)
	for key, v := range d.ToAdvo {
		if f, yes := x.cleared(key); yes {
			out.toAdvo[f], out.clears[advo][f] = blank, true
		} else {
			out.toAdvo[x.fieldOf(key)] = fromCanonical(v)
		}
	}
	for key, v := range d.ToEspo {
		if f, yes := x.cleared(key); yes {
			out.toEspo[f], out.clears[espo][f] = blank, true
		} else {
			out.toEspo[x.fieldOf(key)] = fromCanonical(v)
		}
	}
	for key, p := range d.Agreed {
		out.agreed[x.fieldOf(key)] = fromPair(p)
	}
	for _, c := range d.Changes {
		if c.Field.Clear || c.Field.Key == reconcile.KindKey {
			x.overruledKind(&out, d, c, k)
			continue
		}
		f := x.fieldOf(c.Field.Key)
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

// cleared is the field that a clear empties.
func (x *explorer) cleared(key string) (f int, yes bool) {
	for f := range fields {
		if key == "!~"+x.name(f) || key == x.name(f)+"~!" {
			return f, true
		}
	}
	return 0, false
}

// overruledKind: where a kind gives way, what the record is called under it does.
func (x *explorer) overruledKind(out *plan, d reconcile.Decision, c reconcile.Change, k decideKey) {
	for f := range fields {
		switch {
		case c.Field.Clear:
		case d.Action == reconcile.Park:
			out.overruled[f] |= k.e[f].bit() | k.a[f].bit()
		case c.Moved != "both":
		case c.Target == record.EspoCRM:
			out.overruled[f] |= k.e[f].bit()
		case c.Target == record.Advoware:
			out.overruled[f] |= k.a[f].bit()
		}
	}
}

// input is the question that a decision answers.
func (x *explorer) input(k decideKey) reconcile.Input {
	in := reconcile.Input{Schema: x.schema, Policy: x.sc.Policy, Linked: k.linked, LinkKnown: k.linked, Status: statusNames[k.status], ByUs: k.byUs,
		RowStored: rowText(k.row[0]), RowCurrent: rowText(k.row[1]), ModifiedAt: "2026-01-02 00:00:00",
		Espo: &mapping.View{Values: map[string]record.Value{}}}
	in.Relinked = k.moved
	if k.asked {
		in.Policy = reconcile.Asked
	}
	if k.synced {
		in.LastSync = "2026-01-01 00:00:00"
	}
	if k.linked && !k.gone {
		in.Advo = &mapping.View{Values: map[string]record.Value{}}
	}
	if x.sc.Kinds {
		in.Clearing, in.Espo.Kind = k.clears, x.kind(k.e).String()
		if in.Advo != nil {
			in.Advo.Kind = x.kind(k.a).String()
		}
	}
	for f := range fields {
		key := x.name(f)
		in.Espo.Values[key], in.Espo.Values[key+"~!"] = k.e[f].canonical(), k.e[f].canonical()
		if in.Advo != nil {
			in.Advo.Values[key], in.Advo.Values["!~"+key] = k.a[f].canonical(), k.a[f].canonical()
		}
		if k.base[f] != (pair{}) {
			if in.Base == nil {
				in.Base = &reconcile.Base{Settled: k.synced, Fields: map[string]record.Pair{}}
			}
			in.Base.Fields[key], in.Base.Kind = k.base[f].canonical(), k.kinds.canonical()
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
			in.Wishes[key] = reconcile.Wish{Field: x.schema.fields[f], Shown: w.shown.canonical(), Target: w.target.canonical(), Typed: w.typed}
		}
	}
	if w := k.ofKind; w.on && in.Wishes != nil {
		in.Wishes[reconcile.KindKey] = reconcile.Wish{Field: mapping.Field{Key: reconcile.KindKey}, Shown: w.shown.canonical(), Target: w.target.canonical()}
	}
	return in
}

func rowText(n uint8) string {
	if n == 0 {
		return ""
	}
	return string(rune('A' + n - 1))
}
