package result

import (
	"slices"
	"time"
)

// NeedKind says why something needs somebody.
type NeedKind string

// The kinds of Need, worst first.
const (
	NeedHalted      NeedKind = "halted"      // a guard has halted the last pass
	NeedHeldBack    NeedKind = "held_back"   // creates that a guard holds back
	NeedUnreachable NeedKind = "unreachable" // a system, since when
	NeedUnreadable  NeedKind = "unreadable"  // an entity that EspoCRM does not show
	NeedNoPass      NeedKind = "no_pass"     // the last pass did not go through
	NeedConflict    NeedKind = "conflict"    // waits for a decision
	NeedLink        NeedKind = "link"        // waits to be linked, or for its link to be confirmed
	NeedGivenUp     NeedKind = "given_up"    // permanently_failed
	NeedFailing     NeedKind = "failing"     // is tried again
	NeedLock        NeedKind = "lock"        // a lock whose holder is dead
	NeedHold        NeedKind = "hold"        // nobody syncs it until it is released
	NeedBackup      NeedKind = "backup"      // the store has never been backed up
	NeedNew         NeedKind = "new_in_advoware"
)

// NeedKinds are all kinds, worst first.
func NeedKinds() []NeedKind {
	return []NeedKind{NeedHalted, NeedHeldBack, NeedUnreachable, NeedUnreadable, NeedNoPass, NeedConflict, NeedLink, NeedGivenUp, NeedFailing, NeedLock, NeedHold, NeedBackup, NeedNew}
}

// OnlySaid reports whether a need is no trouble: what only Advoware has may stay there.
func (k NeedKind) OnlySaid() bool { return k == NeedNew }

// Calm reports whether nothing on the page is trouble.
func (s Status) Calm() bool {
	return !slices.ContainsFunc(s.Needs, func(n Need) bool { return !n.Kind.OnlySaid() })
}

// Need is one thing that needs somebody: a record, or what is wrong with the whole.
type Need struct {
	Office     string     `json:"office,omitempty"`
	Kind       NeedKind   `json:"kind"`
	System     string     `json:"system,omitempty"` // of unreachable: espocrm, advoware
	Entity     string     `json:"entity,omitempty"`
	ID         string     `json:"id,omitempty"`
	AdvowareID *int64     `json:"advowareId,omitempty"`
	Name       string     `json:"name,omitempty"` // EspoCRM's
	Since      *time.Time `json:"since"`          // nil: nobody knows
	Why        string     `json:"why"`
	// Fields are those that both sides edited; Code is the failure's, or the guard's.
	Fields []string `json:"fields,omitempty"`
	Code   string   `json:"code,omitempty"`
	// NextTry is when a failing record is tried again.
	NextTry *time.Time `json:"nextTry,omitempty"`
	Next    string     `json:"next"` // the command to type
	// Count is how many there are of it in all, where not each is listed.
	Count int `json:"count,omitempty"`
}

// PassBar is one pass of the last ones, as far as a picture of it goes.
type PassBar struct {
	Run        string    `json:"run"`
	At         time.Time `json:"at"`
	DurationMS int64     `json:"durationMs"`
	ToAdvoware int       `json:"toAdvoware"` // records written there, created ones too
	ToEspocrm  int       `json:"toEspocrm"`
	Failed     int       `json:"failed"`
	Conflicts  int       `json:"conflicts"`
	// Error is the code of what cut it short: guard_… for a halt; "": nothing did.
	Error string `json:"error,omitempty"`
}
