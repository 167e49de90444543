// Package reconcile is the decision: from what EspoCRM, Advoware and the base
// hold, what a sync does and why. It is one pure function, total over its
// input; cases and their order are those of docs/how-it-decides.md, "The cases, in their order".
package reconcile

import (
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
)

// Policy says who wins when both sides changed: of a record, or of one field or group.
type Policy = mapping.Policy

// The policies of a record (docs/how-it-decides.md, "Conflicts").
const (
	// EspoCRMWins is record-wide: on a conflict all mapped values of EspoCRM go
	// over.
	EspoCRMWins = mapping.EspoCRMWins
	// AdvowareWins is its mirror image.
	AdvowareWins = mapping.AdvowareWins
	// Merge lets edits of different fields survive on both sides; a field edited
	// on both falls to EspoCRM.
	Merge = mapping.Merge
	// Manual parks the record until somebody decides.
	Manual = mapping.Manual
	// Asked is Manual while an operator decides: what none of his words decides waits, also
	// in a field with a policy of its own.
	Asked Policy = "asked"
)

// Schema gives the fields that a record of one kind has; *mapping.Mapping is
// one.
type Schema interface {
	Fields(kind string) []mapping.Field
}

// Base is what both sides held when they last meant the same.
type Base struct {
	Kind   record.Pair
	Fields map[string]record.Pair // by field key; fields without a base are missing
	// Settled: stored when both sides were in step, or under another mapping. A field
	// without a base is then one that a side did not answer, or new in this mapping.
	Settled bool
}

// Input is everything a decision rests on. Stamps are EspoCRM's own, in its
// format, and compare as texts.
type Input struct {
	Schema Schema
	Policy Policy
	// Espo and Advo are the fresh reads; nil: the system says the record is not
	// there (never: it could not be read).
	Espo, Advo *mapping.View
	Base       *Base

	Linked     bool   // EspoCRM carries an advowareId
	LinkKnown  bool   // the store knows the link (for a record gone from EspoCRM)
	Status     string // syncStatus
	RowStored  string // advowareRowId in EspoCRM
	RowCurrent string // of the read of Advoware
	LastSync   string
	ModifiedAt string
	// ByUs: EspoCRM's last modifier is our own API user.
	ByUs bool
	// AdvoChangedAt is geaendertAm in EspoCRM's format, "" where Advoware gives
	// none; used in case 9 only.
	AdvoChangedAt string
	// Clearing: an earlier decision of the same sync found clears to do in EspoCRM,
	// and what has been written since makes the kinds look settled.
	Clearing bool
	// Relinked: the link has changed behind this tool's back, so EspoCRM's stamps are
	// not of a sync with this record.
	Relinked bool
	// Stuck are fields that cannot be brought over, by key; as with those that cannot be
	// read, nobody compares or overwrites them.
	Stuck map[string]bool
	// Wishes are an operator's words, by field key.
	Wishes map[string]Wish
}

// view is what a side shows.
func (in *Input) view(s record.Side) *mapping.View {
	if s == record.EspoCRM {
		return in.Espo
	}
	return in.Advo
}

// Action is what the engine has to carry out.
type Action string

// The actions.
const (
	None    Action = "none"   // in sync, nothing lags
	Adopt   Action = "adopt"  // in sync, bring the memory up to date
	Write   Action = "write"  // send values
	Post    Action = "create" // create in Advoware
	Park    Action = "park"   // conflict under policy manual
	Missing Action = "missing"
)

// Change is one field that differs or agreed anew.
type Change struct {
	Field mapping.Field
	record.Pair
	Base record.Pair // zero: there is none
	// Moved is who left the base: "", "espocrm", "advoware", "both".
	Moved string
	// Target is where a value goes; "" nowhere.
	Target record.Side
}

// Overruled is the side whose edit of the field gives way; "" none does. A
// one-way field belongs to its owner, so what it replaces is no edit overruled.
func (c Change) Overruled() record.Side {
	if f := c.Field; c.Target == "" || f.Direction != mapping.Both || f.Clear || f.Computed {
		return ""
	}
	if c.Moved == movedBoth || c.Moved == string(c.Target) {
		return c.Target
	}
	return ""
}

// KindKey is the key under which the kind appears among the changes.
const KindKey = "(kind)"

// Decision says what to do and why.
type Decision struct {
	Verdict result.Verdict
	Action  Action
	Reason  result.Reason
	// Kind is the kind whose fields are written.
	Kind    string
	Changes []Change // the fields that differ, in the mapping's order
	// ToAdvo and ToEspo are the canonical values to write, by field key.
	ToAdvo, ToEspo map[string]record.Value
	// Agreed pairs enter the working base at once.
	Agreed map[string]record.Pair
	// AgreedKind is the base's kind from now on: the pair compared; while the kinds,
	// or fields of one that both sides have come back to, differ, the base's own,
	// until a read shows what was written.
	AgreedKind record.Pair
	// Clash is true when values of one side are overruled by a policy or wait:
	// somebody has to be told.
	Clash bool
	// PutNeeded: an adoption has something to tell EspoCRM.
	PutNeeded bool
	// Doubtful: decided by time stamps only (case 9).
	Doubtful bool
	// Typed: ToEspo holds an operator's values, which neither side holds yet. What they
	// replace is nobody's edit overruled, and they have still to travel.
	Typed bool
	// Waits: beside what is written a clash waits for a decision.
	Waits bool
}

// To are the canonical values to write to a side, by field key.
func (d *Decision) To(s record.Side) map[string]record.Value {
	if s == record.EspoCRM {
		return d.ToEspo
	}
	return d.ToAdvo
}

func (d *Decision) writes() bool { return len(d.ToAdvo)+len(d.ToEspo) > 0 }

// Decide compares and decides. It does no I/O and reads no clock.
func Decide(in Input) Decision {
	switch {
	case in.Espo == nil: // case 3
		return Decision{Verdict: result.MissingInEspocrm, Action: Missing, Reason: reasonGone(in.LinkKnown)}
	case !in.Linked: // case 1
		return create(in)
	case in.Advo == nil: // case 2
		return Decision{Verdict: result.MissingInAdvoware, Action: Missing, Kind: in.Espo.Kind, Reason: reasonMissing()}
	}
	c := compareAll(in)
	d := Decision{Kind: c.kind, Action: Write, Agreed: c.agreed, AgreedKind: c.agreedKind()}
	if typed := c.typed(); len(typed) > 0 {
		c.typeIn(&d, typed)
		return d
	}
	switch {
	case !c.differs(): // case 4
		d.Verdict = result.NoChange
		if c.settle(&d, ""); d.writes() { // a clear is still owed after a change of kind
			d.Reason = reasonClears()
			return d
		}
		return c.adopt(d)
	case in.Base == nil && in.LastSync == "" && !in.imported(): // case 5
		d.Verdict = result.Initial
		c.fill()
		c.settle(&d, record.EspoCRM)
		d.Reason = reasonInitial(d)
	default:
		c.weigh(&d)
	}
	switch {
	case d.Action == Park, d.writes():
	case d.Waits:
		c.park(&d)
	default: // what differs has no value to send
		d.Verdict, d.Clash, d.Reason = result.NoChange, false, reasonUnreadable(c)
		return c.adopt(d)
	}
	return d
}

// weigh is cases 6 to 9: who moved, by content where a base is there; fields
// without one follow the row ids and stamps.
func (c *comparison) weigh(d *Decision) {
	if c.hasUnknown() {
		if !c.in.imported() { // else what is empty was emptied
			c.fill()
		}
		var moved string
		moved, d.Doubtful = c.in.withoutBase()
		c.assume(moved)
	}
	c.join()
	switch espo, advo := c.moved(record.EspoCRM), c.moved(record.Advoware); {
	case espo && advo:
		d.Verdict = result.Conflict
		c.resolve(d)
		d.Reason = reasonConflict(c, *d)
		return
	case advo:
		d.Verdict = result.AdvowareNewer
		c.settle(d, record.Advoware)
	case espo:
		d.Verdict = result.EspocrmNewer
		c.settle(d, record.EspoCRM)
	default: // nobody moved: one-way fields get their owner's value back
		d.Verdict = result.EspocrmNewer
		if c.settle(d, ""); len(d.ToAdvo) == 0 {
			d.Verdict = result.AdvowareNewer
		}
	}
	d.Reason = reasonMoved(c, *d)
}

// resolve applies an operator's wishes, the policies of single fields, and the record's
// policy, in this order, to a conflict.
func (c *comparison) resolve(d *Decision) {
	d.Clash = c.ownPolicies()
	if c.givesWay(record.EspoCRM) && c.givesWay(record.Advoware) { // else every clash is decided
		c.byPolicy(d)
	}
	some, all := c.waiting()
	if all {
		c.park(d)
		return
	}
	d.Waits = some
	c.settle(d, "")
}

// byPolicy lets the record's policy decide what is open.
func (c *comparison) byPolicy(d *Decision) {
	switch c.in.Policy {
	case Manual, Asked:
		if c.clashes() || !c.decided() {
			c.wait()
		}
	case Merge:
		d.Clash = d.Clash || c.clashes()
		c.overrule(record.EspoCRM, movedBoth)
	case AdvowareWins:
		d.Clash = true
		c.overrule(record.Advoware, "")
	default:
		d.Clash = true
		c.overrule(record.EspoCRM, "")
	}
}

// park leaves the whole record as it is, until a person has decided.
func (c *comparison) park(d *Decision) {
	d.Action, d.Clash, d.Waits = Park, true, false
	d.Changes = c.changes()
}

// imported: EspoCRM carries a row id, and nothing was ever synced. Such a record is a copy
// that an import has made of Advoware's, and which ended before it was remembered: an
// older value there is nobody's edit.
func (in *Input) imported() bool {
	return in.LastSync == "" && in.RowStored != "" && in.RowCurrent != in.RowStored
}

// withoutBase says who is taken to have moved a field that no base can decide;
// "both" is a conflict. Where the record has been in step, such a field is new in the
// mapping, and nobody knows. Else it is cases 7 to 9.
func (in *Input) withoutBase() (moved string, doubtful bool) {
	settled := in.Base != nil && in.Base.Settled
	switch {
	case settled || in.imported():
		return movedBoth, false
	case in.LastSync == "": // a first contact that was cut off is one still
		return movedEspo, false
	}
	dirty := in.Status != "clean" || in.Relinked
	espoMoved := !in.ByUs && (in.ModifiedAt == "" || in.ModifiedAt >= in.LastSync)
	switch {
	case in.RowStored == "" || in.RowCurrent == "": // case 9
		return byStamps(dirty, espoMoved, in.AdvoChangedAt, in.LastSync), true
	case in.RowStored == in.RowCurrent: // case 7
		return movedEspo, false
	case espoMoved || dirty: // case 8
		return movedBoth, false
	}
	return movedAdvo, false
}

// byStamps says who has moved by the time stamps of both sides.
func byStamps(dirty, espoMoved bool, advoChangedAt, lastSync string) string {
	advoMoved := advoChangedAt >= lastSync
	switch {
	case dirty || advoChangedAt == "" || espoMoved == advoMoved:
		return movedBoth
	case advoMoved:
		return movedAdvo
	}
	return movedEspo
}

// create is case 1: everything that EspoCRM has goes over.
func create(in Input) Decision {
	d := Decision{Verdict: result.Create, Action: Post, Kind: in.Espo.Kind, ToAdvo: map[string]record.Value{}, Reason: reasonCreate()}
	in.Advo = &mapping.View{}
	c := &comparison{in: in}
	fields := in.Schema.Fields(in.Espo.Kind)
	c.leaveOut(fields)
	for i := range fields {
		f := fields[i]
		v := in.Espo.Values[f.Key]
		if f.Clear || f.Direction == mapping.ToEspocrm || v.IsAbsent() || c.stuck[f.Unit()] {
			continue
		}
		d.ToAdvo[f.Key] = v
		if v.HasText() {
			d.Changes = append(d.Changes, Change{Field: f, Pair: record.Pair{Espo: v}, Moved: movedEspo, Target: record.Advoware})
		}
	}
	return d
}

// adopt ends case 4: say what lags, if anything does. While a field cannot be
// compared, EspoCRM is told nothing: the new rowId would hide it.
func (c *comparison) adopt(d Decision) Decision {
	if d.Reason.Code == "" && len(c.broken) > 0 {
		d.Reason = reasonUnreadable(c)
	}
	lags := c.in.RowStored != c.in.RowCurrent || c.in.Status != "clean" || c.in.LastSync == ""
	d.PutNeeded = lags && d.Reason.Code == ""
	d.Action = None
	if d.PutNeeded || c.lags() {
		d.Action = Adopt
	}
	if d.Reason.Code == "" {
		d.Reason = reasonAgree(c, d)
	}
	return d
}
