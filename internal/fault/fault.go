// Package fault holds the one error type that a sync branches on. Every adapter
// builds it in one place, the engine asks it who owns the failure, and every
// report prints the same words.
//
// It is a leaf: it imports nothing of this module, so that adapters and engine
// can share it without importing each other.
package fault

import (
	"context"
	"errors"
	"strings"
	"time"
)

// System names who answered, or did not.
type System string

// The systems a failure can come from.
const (
	EspoCRM  System = "espocrm"
	Advoware System = "advoware"
	Store    System = "store"
	Local    System = "advosync"
)

// Title is the system's name as people write it.
func (s System) Title() string {
	switch s {
	case EspoCRM:
		return "EspoCRM"
	case Advoware:
		return "Advoware"
	case Store:
		return "the store"
	default:
		return "advosync"
	}
}

// Owner says whose failure it is: a system's failure costs no attempt and ends
// a pass, a record's failure counts against that record only (docs/operations.md, "Outages").
type Owner string

// The two owners.
const (
	OwnerSystem Owner = "system"
	OwnerRecord Owner = "record"
)

// Code is the stable, machine-readable kind of a failure, as in the JSON
// `error.code`.
type Code string

// The codes. Adapters use the first groups, the engine the last.
const (
	// System-owned.
	Unreachable  Code = "unreachable"       // no connection, DNS, TLS, redirect to another host
	Timeout      Code = "timeout"           // no answer within the deadline
	Unauthorized Code = "unauthorized"      // 401, or sign-in refused: the whole run stops
	Blocked      Code = "blocked"           // EspoCRM's bare 403 after too many failed logins
	RateLimited  Code = "rate_limited"      // 429
	Maintenance  Code = "maintenance"       // 503 with EspoCRM's maintenance reason
	Unavailable  Code = "unavailable"       // 502, 503, 504, Advoware's on-site server is down
	ServerError  Code = "server_error"      // other 5xx
	BadAnswer    Code = "bad_answer"        // HTML, truncated JSON, wrong shape, too large
	StoreBroken  Code = "store_broken"      // the store cannot be read or written
	Moved        Code = "guard_moved"       // the store remembers the records of other systems
	HalfCopied   Code = "guard_half_copied" // the store holds a part of what another one remembers
	LeaseLost    Code = "lease_lost"        // the lock was lost while working
	Interrupted  Code = "interrupted"       // cancelled by a signal
	Uncertain    Code = "uncertain"         // a write whose effect is not known yet

	// Record-owned.
	NotFound    Code = "not_found"    // 404, empty list or null from Advoware
	Forbidden   Code = "forbidden"    // 403 for one record or operation
	Validation  Code = "validation"   // 400
	Duplicate   Code = "duplicate"    // 409 duplicate
	Modified    Code = "modified"     // 409 modified: X-Version-Number was stale
	Conflict    Code = "conflict"     // other 409
	Rejected    Code = "rejected"     // any other definite refusal (4xx)
	NotAccepted Code = "not_accepted" // 2xx, but a sent value did not arrive
	MappingFail Code = "mapping"      // no kind applies, value not in the table, expression failed
	PingPong    Code = "ping_pong"    // a field keeps moving between two writers
	NotLinked   Code = "not_linked"
	CreateDoubt Code = "uncertain_create" // a POST may have happened; a human has to look
	StillThere  Code = "still_there"      // delete asked for, but the record exists
)

// Error is a failure with its owner, the system's own words and what to do
// next. Message and Hint never hold field values, credentials or control
// characters.
type Error struct {
	System    System
	Code      Code
	Owner     Owner
	Op        string    // what was being done, e.g. "update CBeteiligte/6b04…"
	Message   string    // the reason, in the system's own words where it gave any
	Hint      string    // the next command to type, or what to look at
	Field     string    // the mapped field concerned, if one is known; several with ", " between
	Others    []string  // ids of the records that this one clashes with, if the system named them
	Awaits    []Awaited // what a reference leads to that is not linked yet
	Transient bool      // true when the same call may pass later without anyone acting
	// Doubt is true for a write that may have happened: bytes were sent and no
	// answer told. Such a write is never repeated blindly. False, of a write: it was
	// not sent, or definitely refused, so it can be sent again like any other.
	Doubt      bool
	Status     int           // HTTP status, 0 when there was none
	RetryAfter time.Duration // what the server asked for, 0 when it did not
	Err        error
}

// Awaited is a record that another one leads to: by its EspoCRM id, or its number in
// Advoware, as the side says that names it.
type Awaited struct {
	Entity string
	ID     string
	Number int64
}

// Fields are the names in Field.
func (e *Error) Fields() []string { return strings.Split(e.Field, ", ") }

// Error says system, operation and reason in one line.
func (e *Error) Error() string {
	text := e.Message
	switch {
	case text != "":
	case e.Err != nil:
		text = e.Err.Error()
	default:
		text = string(e.Code)
	}
	if e.System != "" && e.System != Local && !e.saysSystem(text) {
		text = e.System.Title() + ": " + text
	}
	if e.Op != "" && text != e.Op && !strings.HasPrefix(text, e.Op+": ") {
		text = e.Op + ": " + text
	}
	return text
}

// saysSystem: what was done, or the reason, names the system already. A failure
// that wraps another of the same system would say it twice.
func (e *Error) saysSystem(text string) bool {
	title := e.System.Title()
	return strings.HasSuffix(e.Op, title) || strings.HasPrefix(text, title+" ") || strings.Contains(text, title+": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// As returns the *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Is reports whether err carries one of the codes.
func Is(err error, codes ...Code) bool {
	e := As(err)
	if e == nil {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// OwnedByRecord reports whether err counts against the record. Anything that is
// not known to be the record's is the system's: a doubt never burns an attempt.
func OwnedByRecord(err error) bool {
	e := As(err)
	return e != nil && e.Owner == OwnerRecord
}

// Clean makes a foreign text fit for a message: control characters (also
// escape sequences) become blanks, blanks are folded, and it is cut to most
// characters.
func Clean(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return r <= ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029
	}), " ")
	runes := []rune(s)
	if most > 0 && len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// Ended is the failure of a context that has ended: its cause, where that is a fault.
func Ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if f := As(cause); f != nil {
		return f
	}
	return &Error{System: Local, Code: Interrupted, Owner: OwnerSystem, Transient: true, Message: "interrupted", Err: cause}
}
