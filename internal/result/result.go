// Package result holds what the commands say: the types behind `-o json`. Their
// JSON keys are a promise (docs/cli/advosync.md); engine and batch fill them,
// report renders them, and nothing else decides what an outcome is called.
package result

import (
	"errors"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// Verdict is what the comparison of both sides says.
type Verdict string

// The verdicts. The first four are those of the old template.
const (
	NoChange          Verdict = "no_change"
	EspocrmNewer      Verdict = "espocrm_newer"
	AdvowareNewer     Verdict = "advoware_newer"
	Conflict          Verdict = "conflict"
	Create            Verdict = "create"
	Initial           Verdict = "initial"
	MissingInAdvoware Verdict = "missing_in_advoware"
	MissingInEspocrm  Verdict = "missing_in_espocrm"
)

// Outcome is what was done about it.
type Outcome string

// The outcomes.
const (
	Unchanged         Outcome = "unchanged"
	Adopted           Outcome = "adopted" // both agree already; only the memory was brought up to date
	CreatedAdvoware   Outcome = "created_advoware"
	UpdatedAdvoware   Outcome = "updated_advoware"
	UpdatedEspocrm    Outcome = "updated_espocrm"
	CreatedEspocrm    Outcome = "created_espocrm" // import: the record is new in EspoCRM
	Merged            Outcome = "merged"          // both were written
	ConflictWaits     Outcome = "conflict"        // parked, waits for a decision
	Failed            Outcome = "failed"
	PermanentlyFailed Outcome = "permanently_failed"
	Locked            Outcome = "locked"
	Skipped           Outcome = "skipped"
	Planned           Outcome = "planned" // check, diff, --dry-run: would be done
)

// Reason is why: a stable code and one sentence, the same in table, JSON, log
// and test (docs/how-it-decides.md).
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// RowID is Advoware's row id as remembered in EspoCRM, as read now, and after
// the sync; "" where there is none.
type RowID struct {
	Stored  string `json:"stored"`
	Current string `json:"current"`
	After   string `json:"after"`
}

// Timestamps are EspoCRM's stamps, RFC 3339 UTC; "" where there is none.
type Timestamps struct {
	ModifiedAt string `json:"modifiedAt"`
	LastSync   string `json:"lastSync"`
	// ByUs: the last save in EspoCRM was this tool's own, as far as a plan has
	// asked.
	ByUs bool `json:"-"`
}

// Values are one field's three values for `diff`: nil where there is none
// (empty, absent, or no base).
type Values struct {
	Espocrm  *string `json:"espocrm"`
	Base     *string `json:"base"`
	Advoware *string `json:"advoware"`
	// Absent names those of the three that are not known (a field that was not
	// in the answer, no base), in contrast to empty: espocrm, base, advoware.
	Absent []string `json:"absent,omitempty"`
}

// Field is one field that differs or is to be written.
type Field struct {
	Espocrm  string `json:"espocrm"`
	Advoware string `json:"advoware"`
	// Changed is which side moved: espocrm, advoware, both; "" when neither
	// side is known to have moved (no base).
	Changed string `json:"changed"`
	// Target is where the value goes: espocrm, advoware; "" when nowhere.
	Target record.Side `json:"target,omitempty"`
	// Overruled is the side whose edit of the field gave way, or would; "" none.
	Overruled record.Side `json:"overruled,omitempty"`
	// CannotHold is the side that shows a poorer form of the value, because it cannot
	// hold it; the other one keeps the right value. "" none.
	CannotHold record.Side `json:"cannotHold,omitempty"`
	Values     *Values     `json:"values,omitempty"`
	// Undo is, for `undo`, what would be put back; only in a plan and where it
	// was refused.
	Undo *UndoValues `json:"undo,omitempty"`
}

// UndoValues are one overwritten value: on which side, what stood there before
// the run, what the run wrote, and what stands there now. nil is an empty value.
type UndoValues struct {
	Side   record.Side `json:"side"`
	Before *string     `json:"before"`
	Wrote  *string     `json:"wrote"`
	Now    *string     `json:"now"`
	// State is ready, restored, moved_on, or why it cannot be put back.
	State string `json:"state"`
}

// Calls counts HTTP requests; sign-in, URL discovery and GET App/user are Auth.
type Calls struct {
	Espocrm  int `json:"espocrm"`
	Advoware int `json:"advoware"`
	Auth     int `json:"auth,omitempty"`
}

// Error is a failure as the JSON shows it.
type Error struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Hint      string `json:"hint"`
	Owner     string `json:"owner"`
	Transient bool   `json:"transient"`
	// System is whose failure it is, as fault.System; the message names it already.
	System string `json:"-"`
	// Field names the fields concerned, as fault.Error does; "": none is known.
	Field string `json:"-"`
	// Awaits are the records that have to be linked first, as fault.Error does.
	Awaits []fault.Awaited `json:"-"`
}

// Formed is an error that knows its own JSON form.
type Formed interface {
	error
	ErrorForm() *Error
}

// FromFault turns a failure into its JSON form; nil for nil. An error that is
// no fault, and knows no form, is the system's.
func FromFault(err error) *Error {
	if err == nil {
		return nil
	}
	var own Formed
	if errors.As(err, &own) {
		return own.ErrorForm()
	}
	out := &Error{Code: "internal", Message: fault.Clean(err.Error(), 1000), Owner: string(fault.OwnerSystem)}
	if f := fault.As(err); f != nil {
		out.Code, out.Hint, out.Owner, out.Transient = string(f.Code), f.Hint, string(f.Owner), f.Transient
		out.System, out.Field = string(f.System), f.Field
		out.Awaits = f.Awaits
	}
	return out
}

// Shown is a value as the JSON has it; nil: it has no content.
func Shown(v record.Value) *string {
	if !v.HasText() {
		return nil
	}
	s := v.Text()
	return &s
}

// Record is the result for one record.
type Record struct {
	Office     string     `json:"office,omitempty"` // only where offices are configured
	Entity     string     `json:"entity"`
	ID         string     `json:"id"`
	AdvowareID *int64     `json:"advowareId"`
	Verdict    Verdict    `json:"verdict"`
	Outcome    Outcome    `json:"outcome"`
	Reason     Reason     `json:"reason"`
	RowID      RowID      `json:"rowId"`
	Timestamps Timestamps `json:"timestamps"`
	Fields     []Field    `json:"fields"`
	Calls      Calls      `json:"calls"`
	RetryCount int        `json:"retryCount"`
	DurationMS int64      `json:"durationMs"`
	Error      *Error     `json:"error"`

	// Name is what EspoCRM calls the record; "" where it was not read. It is for
	// the eyes of the operator only: not in JSON, logs or metrics.
	Name string `json:"-"`
	// SavedBy is who saved the record in EspoCRM last, for the same eyes; "": not asked.
	SavedBy string `json:"-"`
	// Planned says, for outcome `planned`, what a sync would end in.
	Planned Outcome `json:"planned,omitempty"`
	// Contents is the fingerprint of what both sides hold, of a record that was only looked at.
	Contents string `json:"-"`
	// Waits: beside what is planned a conflict would wait for a decision.
	Waits bool `json:"-"`
	// Status is EspoCRM's syncStatus as read.
	Status string `json:"status,omitempty"`
	// Warnings are sentences for the operator that change nothing.
	Warnings []string `json:"warnings,omitempty"`
	// Next is the command to type next, of a record that was only looked at; "":
	// none is needed.
	Next string `json:"next,omitempty"`
	// LastError is the failure that EspoCRM shows of a record that was only looked
	// at.
	LastError *LastError `json:"lastError,omitempty"`
	// Overwritten, for `diff` of named records: values that a run replaced and that
	// are still gone, newest first.
	Overwritten []Overwritten `json:"overwritten,omitempty"`
}

// LastError is a failure of an earlier sync.
type LastError struct {
	Code    string     `json:"code"`
	Message string     `json:"message"`
	At      *time.Time `json:"at"` // nil: not known any more
}

// Overwritten is what one run replaced in a record.
type Overwritten struct {
	At       time.Time      `json:"at"`
	Run      string         `json:"run"`
	Command  string         `json:"command"`
	Conflict bool           `json:"conflict"` // both sides had been edited
	Fields   []HistoryField `json:"fields"`
	Undo     string         `json:"undo"` // the command that puts it back
}

// UndoCommand is the command that puts back what a run overwrote in one record.
func UndoCommand(entity, run, id string) string {
	return "advosync undo --entity " + entity + " --run " + run + " --id " + id
}

// Run says which run it was.
type Run struct {
	ID         string    `json:"id"`
	Command    string    `json:"command"`
	StartedAt  time.Time `json:"startedAt"`
	DurationMS int64     `json:"durationMs"`
	DryRun     bool      `json:"dryRun"`
}

// Summary counts outcomes.
type Summary struct {
	Total             int `json:"total"`
	Created           int `json:"created"`
	UpdatedAdvoware   int `json:"updatedAdvoware"`
	UpdatedEspocrm    int `json:"updatedEspocrm"`
	Merged            int `json:"merged"`
	Adopted           int `json:"adopted"`
	Unchanged         int `json:"unchanged"`
	Conflicts         int `json:"conflicts"`
	Failed            int `json:"failed"`
	PermanentlyFailed int `json:"permanentlyFailed"`
	Locked            int `json:"locked"`
	Skipped           int `json:"skipped"`
	CreatedEspocrm    int `json:"createdEspocrm"`
	Planned           int `json:"planned,omitempty"`
}

// StillOpen counts the records that were open when a pass began and are so at
// its end: they wait for a decision, for another attempt, or for somebody.
type StillOpen struct {
	Conflicts         int `json:"conflicts"`
	Failed            int `json:"failed"`
	PermanentlyFailed int `json:"permanentlyFailed"`
	// Held are creates that a guard has held back.
	Held int `json:"held"`
}

// Any reports whether anything is open.
func (s StillOpen) Any() bool { return s != StillOpen{} }

// Plus is the sum of both.
func (s StillOpen) Plus(o StillOpen) StillOpen {
	return StillOpen{s.Conflicts + o.Conflicts, s.Failed + o.Failed, s.PermanentlyFailed + o.PermanentlyFailed, s.Held + o.Held}
}

// Add counts one outcome.
func (s *Summary) Add(o Outcome) {
	s.Total++
	switch o {
	case CreatedAdvoware:
		s.Created++
	case UpdatedAdvoware:
		s.UpdatedAdvoware++
	case UpdatedEspocrm:
		s.UpdatedEspocrm++
	case CreatedEspocrm:
		s.CreatedEspocrm++
	case Merged:
		s.Merged++
	case Adopted:
		s.Adopted++
	case Unchanged:
		s.Unchanged++
	case ConflictWaits:
		s.Conflicts++
	case Failed:
		s.Failed++
	case PermanentlyFailed:
		s.PermanentlyFailed++
	case Locked:
		s.Locked++
	case Skipped:
		s.Skipped++
	case Planned:
		s.Planned++
	}
}

// Document is the one JSON document of sync, check, diff, cron-run, undo and
// resolve.
type Document struct {
	Office  string  `json:"office,omitempty"`
	Run     Run     `json:"run"`
	Summary Summary `json:"summary"`
	Calls   Calls   `json:"calls"`
	// StillOpen and NewInAdvoware are a pass's; zero elsewhere. NewInAdvoware
	// counts the records of Advoware's list that no record in EspoCRM is linked to.
	StillOpen     StillOpen `json:"stillOpen"`
	NewInAdvoware int       `json:"newInAdvoware"`
	Results       []Record  `json:"results"`
	Error         *Error    `json:"error"`
}
