package reconcile

import (
	"maps"

	"advosync/internal/record"
)

// Announcement is one write as it was stored before it was sent: the side
// written to and, per field, what both sides showed and what was to stand
// there (docs/design/protocol.md, "One announcement, one table").
type Announcement struct {
	// Side is the side written to.
	Side record.Side
	// RowID is the advowareRowId that a PUT to EspoCRM brings, and RowBefore the
	// one that EspoCRM carried when the write was announced. "" proves nothing.
	RowID, RowBefore string
	// Fields are the written fields, by key.
	Fields map[string]Announced
}

// Announced is one written field.
type Announced = record.Announced

// Fate is what the client said of a write. The zero value is the careful one.
type Fate int

// What a client can say of a write (docs/design/protocol.md, "What a client
// says of a write").
const (
	// FateUnknown: bytes were sent and no definite answer came, or the process
	// died.
	FateUnknown Fate = iota
	// FateNotDone: not sent, or refused by a definite answer.
	FateNotDone
	// FateDone: answered with success.
	FateDone
)

// Outcome is what became of one announced field.
type Outcome string

// The outcomes.
const (
	// OutcomeNotDone: the write has not happened.
	OutcomeNotDone Outcome = "not_done"
	// OutcomeArrived: the target stands there, or the side's own form of it.
	OutcomeArrived Outcome = "arrived"
	// OutcomeNotAccepted: answered with success, and the value from before stands
	// there still. It is a failure of the record that names the field.
	OutcomeNotAccepted Outcome = "not_accepted"
	// OutcomeUnproven: nothing proves whose value stands there. Both sides count
	// as changed, and somebody is told.
	OutcomeUnproven Outcome = "unproven"
)

// Settling is everything that the recovery table reads.
type Settling struct {
	// Base is the base in force when the write was announced, by field key.
	Base map[string]record.Pair
	Open Announcement
	Fate Fate
	// Now is what the written side shows, by field key; nil: it is not there, or
	// was not read, and proves nothing.
	Now map[string]record.Value
	// RowNow is the advowareRowId that EspoCRM carries now.
	RowNow string
	// Answer: Now is the answer to this very write (EspoCRM), or the read right
	// after it in the same run (Advoware). Otherwise it is a later read.
	Answer bool
	// ByUs: EspoCRM's last modifier is our own user, so nobody has saved since.
	ByUs bool
	// Form reports whether read is what the written side may have made of sent; nil:
	// record.OwnForm.
	Form func(key string, sent, read record.Value) bool
}

// Settlement is the base after an announced write, whatever became of it.
type Settlement struct {
	// Open: nothing could be proven, because the written side is not there. The
	// announcement stays open and the base is as it was.
	Open bool
	// Base is the base from now on.
	Base map[string]record.Pair
	// Fields says what became of each announced field.
	Fields map[string]Outcome
	// Learnt are the pairs (stored, sent) that are EspoCRM's own form of what was
	// sent, though nobody knew that form.
	Learnt map[string]record.Pair
}

// Settle reads off the recovery table what a write has left behind. It is
// total, does no I/O, and never invents a value: every half of the new base is
// the old one, a value shown at the announcement, the target, what stands there
// now, or unknown. A field that was not announced keeps its base.
func Settle(in Settling) Settlement {
	out := Settlement{Base: maps.Clone(in.Base), Fields: make(map[string]Outcome, len(in.Open.Fields))}
	if out.Base == nil {
		out.Base = map[string]record.Pair{}
	}
	if in.Fate == FateUnknown && in.missesRowID() {
		in.Fate = FateNotDone
	}
	arrived := in.Fate == FateDone || in.Fate == FateUnknown && in.BroughtRowID()
	if in.Fate != FateNotDone && in.Now == nil && !arrived {
		out.Open = true
		return out
	}
	for key, a := range in.Open.Fields {
		outcome, pair := in.field(key, a, arrived)
		out.Fields[key] = outcome
		switch outcome {
		case OutcomeArrived, OutcomeUnproven:
			out.Base[key] = pair
		}
		if outcome == OutcomeArrived && in.espoAlone() && !in.ownForm(key, a.Target, in.Now[key]) {
			if out.Learnt == nil {
				out.Learnt = map[string]record.Pair{}
			}
			out.Learnt[key] = record.Pair{Espo: in.Now[key], Advo: a.Target}
		}
	}
	return out
}

// BroughtRowID reports whether EspoCRM carries the rowId that only the announced
// PUT can have brought.
func (in *Settling) BroughtRowID() bool {
	o := in.Open
	return o.Side == record.EspoCRM && o.RowID != "" && o.RowID != o.RowBefore && in.RowNow == o.RowID
}

// missesRowID reports whether EspoCRM carries the rowId from before the announced PUT, which
// was to bring another one. A PUT is stored whole, so what stands there is somebody's, though
// it were the target.
func (in *Settling) missesRowID() bool {
	o := in.Open
	return o.Side == record.EspoCRM && o.RowID != "" && o.RowID != o.RowBefore && in.RowNow == o.RowBefore && in.Now != nil
}

// espoAlone reports whether what EspoCRM shows cannot hold somebody's later edit:
// it is the write's own answer, or nobody has saved since.
func (in *Settling) espoAlone() bool {
	return in.Open.Side == record.EspoCRM && (in.Answer || in.ByUs)
}

// unedited reports whether what the written side shows cannot hold somebody's later edit.
func (in *Settling) unedited() bool { return in.Answer || in.espoAlone() }

// field is the table, row by row, for one announced field.
func (in *Settling) field(key string, a Announced, arrived bool) (Outcome, record.Pair) {
	now := in.Now[key]
	before := a.Shown.On(in.Open.Side)
	switch {
	case in.Fate == FateNotDone:
		return OutcomeNotDone, record.Pair{}
	case now == a.Target:
		return OutcomeArrived, in.pair(a, now)
	case now.IsAbsent() && in.Answer && a.Target.HasText(): // dropped: the side has no such field
		return OutcomeNotAccepted, record.Pair{}
	case now.IsAbsent() && arrived: // not in a later read: nothing says that it was not stored
		return OutcomeArrived, in.pair(a, a.Target)
	case now == before && !arrived: // before its own form: an old value may look like a cut form of the new one
		return OutcomeNotDone, record.Pair{}
	case in.ownForm(key, a.Target, now):
		return OutcomeArrived, in.pair(a, now)
	case now == before && in.unedited():
		return OutcomeNotAccepted, record.Pair{}
	case arrived && in.espoAlone(): // whatever stands there is what EspoCRM has made of the target
		return OutcomeArrived, in.pair(a, now)
	default: // an edit since, or a form that nobody knows: nothing tells which
		return OutcomeUnproven, record.Pair{Espo: record.Unknown(), Advo: record.Unknown()}
	}
}

func (in *Settling) ownForm(key string, sent, read record.Value) bool {
	if in.Form == nil {
		return record.OwnForm(sent, read)
	}
	return in.Form(key, sent, read)
}

// pair is the base of a field that has arrived: stored on the written side, and
// the value it came from. What the other side never held is an operator's word:
// typed into EspoCRM it has still to travel, so EspoCRM's half is unknown.
func (in *Settling) pair(a Announced, stored record.Value) record.Pair {
	if in.Open.Side == record.Advoware {
		return record.Pair{Espo: a.Shown.Espo, Advo: stored}
	}
	if a.Target != a.Shown.Advo {
		return record.Pair{Espo: record.Unknown(), Advo: a.Shown.Advo}
	}
	return record.Pair{Espo: stored, Advo: a.Shown.Advo}
}
