package store

import (
	"slices"
	"strings"
	"time"

	"advosync/internal/record"
)

// PassLock is the word under which a pass locks its entity.
const PassLock = "cron-run"

// LockKey builds a lock's key from an entity and an id or PassLock.
func LockKey(entity, id string) string {
	return "sync_lock:" + strings.ToLower(entity) + ":" + id
}

// Memory is all that is remembered about one record.
type Memory struct {
	Rev int64 `json:"-"` // +1 at every commit; 0: nothing is stored
	// Lost: something was stored, and the store has lost it (an evicted key). Not
	// the same as nothing known: an announced write may have been in it.
	Lost bool  `json:"-"`
	Base *Base `json:"base,omitempty"`
	// Origin is what was known of earlier POSTs when this store first saw the
	// record without a link; nil: it has not.
	Origin *Origin `json:"origin,omitempty"`
	// Open is the write that is announced and not concluded; nil: none.
	Open   *Announcement `json:"open,omitempty"`
	Parked *Parked       `json:"parked,omitempty"`
	// Hold is an operator's word that nobody syncs the record until it is taken back;
	// nil: it is not on hold.
	Hold *Hold `json:"hold,omitempty"`
	// Link is a link that this tool or an operator has made or confirmed; nil: what
	// is remembered of it is the base's, if anything is.
	Link *Link `json:"link,omitempty"`
	// Notes are owed notifications: sent after the commit that stored them, and
	// by the next pass when that failed (docs/how-it-decides.md, "Conflicts").
	Notes []Note `json:"notes,omitempty"`
	// Forms are what the systems were seen to make of values that are none of the
	// forms that a type knows, by field key; of each field the last few.
	Forms map[string][]Form `json:"forms,omitempty"`
	// Writes is the ping-pong breaker's memory of the last hours.
	Writes []WriteMark `json:"writes,omitempty"`
	// Failure is the last failure that counted, for the back-off.
	Failure *Failure `json:"failure,omitempty"`
	// Pending is why an earlier pass left this record to the next one; "": it
	// did not.
	Pending string `json:"pending,omitempty"`
	// CheckedAt is when both sides were last compared (our clock; only used to
	// choose what to look at again).
	CheckedAt time.Time `json:"checkedAt,omitzero"`
	// GoneAt is when a pass said that the record is gone from EspoCRM; it is said
	// once.
	GoneAt time.Time `json:"goneAt,omitzero"`
	// WaitsSince is when the oldest edit was made that is not synced yet, by
	// EspoCRM's clock: our own notes of failures move modifiedAt on, this stays.
	// Zero: nothing is known to wait.
	WaitsSince time.Time `json:"waitsSince,omitzero"`
}

// Numbers are the Advoware records that a memory is about, ascending: those of its base,
// its link, and what an announcement writes or has made. What is only asked about (Parked) is
// not among them.
func (m Memory) Numbers() []int64 {
	var out []int64
	if m.Base != nil {
		out = append(out, m.Base.AdvowareID)
	}
	if m.Link != nil {
		out = append(out, m.Link.AdvowareID)
	}
	if m.Open != nil {
		out = append(out, m.Open.AdvowareID)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(n int64) bool { return n == 0 })
}

// Origin says whether somebody that this store knows nothing of may have posted a
// record to Advoware. It is fixed once, and no failure changes it.
type Origin struct {
	// New: nobody can have.
	New bool `json:"new"`
	// At is when it was fixed (our clock); an operator's later word outweighs it.
	At time.Time `json:"at"`
	// Server kept the store then; another one may have lost announcements since.
	Server string `json:"server,omitempty"`
}

// Form is a value that was sent, what came back for it right after that write, and
// how often (docs/design/protocol.md, "Own form").
type Form struct {
	Sent   record.Value `json:"sent"`
	Stored record.Value `json:"stored"`
	Count  int          `json:"count"`
}

// FieldBase is one field's base: a pair known to mean the same, and the
// fingerprint of the field's definition under which it was stored. A base of
// another definition is no base.
type FieldBase struct {
	record.Pair
	Def string `json:"def"`
	// Ahead is what a former version wrote in the place of an unknown half: the side
	// that had moved, whatever it held. DecodeMemory reads it as such.
	Ahead record.Side `json:"ahead,omitempty" former:""`
	// Answered: EspoCRM's half is what it answered to our PUT, which is not always what
	// it stores; no read has shown it yet.
	Answered bool `json:"answered,omitempty"`
}

// unknowAhead reads a former version's Ahead as the unknown half that it stood for.
func (b *Base) unknowAhead() {
	if b == nil {
		return
	}
	for key, f := range b.Fields {
		switch f.Ahead {
		case "":
			continue
		case record.EspoCRM:
			f.Espo = record.Unknown()
		default:
			f.Advo = record.Unknown()
		}
		f.Ahead = ""
		b.Fields[key] = f
	}
}

// Base is the last state known to mean the same on both sides
// (docs/design/protocol.md, "What is remembered").
type Base struct {
	Mapping    string               `json:"mapping"` // fingerprint of the whole mapping
	AdvowareID int64                `json:"advowareId"`
	RowID      string               `json:"rowId"` // of the read that showed the Advoware values; "" unknown
	Kind       record.Pair          `json:"kind"`  // each side's kind; Absent without kinds
	Fields     map[string]FieldBase `json:"fields"`
	LastSync   string               `json:"lastSync,omitempty"` // EspoCRM's stamp, its own format
	StoredAt   time.Time            `json:"storedAt,omitzero"`
}

// Announcement is one write as it is stored before it is sent, in the transaction
// that puts what it replaces into the history. The base beside it is the one in force,
// whatever becomes of the write (docs/design/protocol.md, "One announcement, one table").
type Announcement struct {
	// Side is the side written to.
	Side record.Side `json:"side"`
	// Makes: the record is not there before the write (a POST to Advoware); Removes: it
	// is not to be there after it (a DELETE).
	Makes   bool `json:"makes,omitempty"`
	Removes bool `json:"removes,omitempty"`
	// AdvowareID is the record in Advoware; of one that is made, as soon as its number
	// is answered.
	AdvowareID int64 `json:"advowareId,omitempty"`
	// PrevID is the dead link that EspoCRM still carries while a record is made anew.
	PrevID int64 `json:"prevId,omitempty"`
	// Fields are the written fields, by key, the kind among them where it changes.
	Fields map[string]Announced `json:"fields,omitempty"`
	// RowID is the advowareRowId that the write brings to EspoCRM, RowBefore the one
	// that EspoCRM carried.
	RowID     string `json:"rowId,omitempty"`
	RowBefore string `json:"rowBefore,omitempty"`
	// At is when it was announced, Deadline when nothing of it can land any more; zero:
	// its end is known.
	At       time.Time `json:"at"`
	Deadline time.Time `json:"deadline,omitzero"`
	Run      string    `json:"run"`
	// HistoryID is the entry of the history that is open until this one is closed.
	HistoryID string `json:"historyId"`
	// Match is EspoCRM's natural key, and Highest the highest number known, when a
	// record was made: what finds it again.
	Match   map[string]record.Value `json:"match,omitempty"`
	Highest int64                   `json:"highest,omitempty"`
	// Notes are owed once the write turns out to have happened.
	Notes []Note `json:"notes,omitempty"`
}

// Announced is one written field.
type Announced = record.Announced

// Parked is a conflict that waits: the contents that were compared, so that the
// same conflict is said once and a later edit opens it again.
type Parked struct {
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
	Fields      []string  `json:"fields"`
	// Asked is the fingerprint of the clashes that somebody was told of, "" from an earlier
	// version: an edit beside them does not ask again.
	Asked string `json:"asked,omitempty"`
	RowID string `json:"rowId,omitempty"` // Advoware's at that time
	// AdvowareID is the record that EspoCRM was linked to; 0: not known, from an earlier
	// version. A question about another link than the one that stands is asked anew.
	AdvowareID int64 `json:"advowareId,omitempty"`
	// Doubtful: it is the link that waits to be confirmed, not a decision on fields.
	Doubtful bool `json:"doubtful,omitempty"`
	// Was is the status before that, which a confirmed link goes back to: clean tells
	// that nobody had edited the record in EspoCRM.
	Was string `json:"was,omitempty"`
}

// Hold says why a record is on hold.
type Hold struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`     // user@host
	Reason string    `json:"reason"` // the operator's words; they may name people
}

// Link is a link to Advoware that does not rest on what EspoCRM says alone.
type Link struct {
	AdvowareID int64 `json:"advowareId"`
	// Key is the fingerprint of Advoware's natural key that an operator has seen;
	// "": nobody was asked about it.
	Key string `json:"key,omitempty"`
}

// Note is a notification that is owed to the operator in EspoCRM.
type Note struct {
	ID   string    `json:"id"` // one per incident
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// WriteMark remembers that a value was written and seen to arrive, as a hash, for
// the ping-pong breaker.
type WriteMark struct {
	Field  string      `json:"f"`
	Side   record.Side `json:"s"`
	Hash   string      `json:"h"`
	At     time.Time   `json:"t"`
	Repeat bool        `json:"r,omitempty"` // the same value had been written within the hours before
}

// Failure is the last counted failure of a record.
type Failure struct {
	At    time.Time `json:"at"`
	Code  string    `json:"code"`
	Count int       `json:"count"`
	// Seen is the fingerprint of both sides' contents at that time: another one
	// re-arms a permanently failed record.
	Seen string `json:"seen,omitempty"`
	// RowID is Advoware's at that time; "" where the record was not read.
	RowID string `json:"rowId,omitempty"`
	// Untold is EspoCRM's modifiedAt when it refused to store this failure: as long as it
	// stands there, status and counter of the record are not those of its last attempt. "":
	// they are.
	Untold string `json:"untold,omitempty"`
}

// WriteState says what became of one overwriting write.
type WriteState string

// The states of a write (docs/design/protocol.md, "What is remembered").
const (
	WritePlanned WriteState = "planned"
	WriteDone    WriteState = "done"
	WriteNotDone WriteState = "not_done"
	WriteUnknown WriteState = "unknown"
)

// Write is one field overwritten on one side.
type Write struct {
	Espocrm  string       `json:"espocrm"`
	Advoware string       `json:"advoware"`
	Field    string       `json:"field"` // the mapping's field key
	Side     record.Side  `json:"side"`
	Before   record.Value `json:"before"`
	After    record.Value `json:"after"`
	State    WriteState   `json:"state"`
	Attempt  int          `json:"attempt,omitempty"`
	// CannotHold: the side shows something poorer, because it cannot hold After.
	CannotHold bool `json:"cannotHold,omitempty"`
	// Overruled: an edit on this side gave way, by a policy or because an operator said so.
	Overruled bool `json:"overruled,omitempty"`
}

// Entry is one line of the history: what one run did to one record.
type Entry struct {
	ID         string    `json:"id"` // sorts by time
	At         time.Time `json:"at"`
	Run        string    `json:"run"`
	Command    string    `json:"command"`
	Entity     string    `json:"entity"`
	RecordID   string    `json:"recordId"`
	AdvowareID int64     `json:"advowareId,omitempty"`
	Verdict    string    `json:"verdict,omitempty"`
	Outcome    string    `json:"outcome"` // "planned" until it is closed
	ReasonCode string    `json:"reasonCode,omitempty"`
	ReasonText string    `json:"reasonText,omitempty"`
	Writes     []Write   `json:"writes,omitempty"`
	RowBefore  string    `json:"rowBefore,omitempty"`
	RowAfter   string    `json:"rowAfter,omitempty"`
	Error      string    `json:"error,omitempty"`
	ErrorCode  string    `json:"errorCode,omitempty"`
	Conflict   bool      `json:"conflict,omitempty"`
	// Clashed names the fields that both sides had edited, as EspoCRM calls them.
	Clashed []string `json:"clashed,omitempty"`
	// Edited is when the edit was made in EspoCRM, by its clock, that this brought to
	// Advoware; zero: it brought none, or nobody knows.
	Edited  time.Time `json:"edited,omitzero"`
	Created bool      `json:"created,omitempty"` // the writes to Advoware made a new record
	By      string    `json:"by,omitempty"`      // user@host that ran it
	Of      string    `json:"of,omitempty"`      // undo: the run that was undone
}
