package result

import "time"

// History is the document of `history`.
type History struct {
	Entries []HistoryEntry `json:"entries"`
}

// HistoryEntry is what one run did to one record.
type HistoryEntry struct {
	Office     string         `json:"office,omitempty"`
	At         time.Time      `json:"at"`
	Run        string         `json:"run"`
	Command    string         `json:"command"`
	Entity     string         `json:"entity"`
	ID         string         `json:"id"`
	AdvowareID *int64         `json:"advowareId"`
	Verdict    Verdict        `json:"verdict"`
	Outcome    Outcome        `json:"outcome"`
	Reason     Reason         `json:"reason"`
	Fields     []HistoryField `json:"fields"`
	RowID      HistoryRowID   `json:"rowId"`
	Error      *Error         `json:"error"`
	By         string         `json:"by,omitempty"` // user@host
	Of         string         `json:"of,omitempty"` // undo: the run that was undone

	// Name is what EspoCRM calls the record, for a terminal; "": not asked.
	Name string `json:"-"`
}

// HistoryField is one field that was overwritten on one side. Before and After
// are only there when values were asked for; nil is an empty value.
type HistoryField struct {
	Espocrm  string  `json:"espocrm"`
	Advoware string  `json:"advoware"`
	Side     string  `json:"side"`
	Before   *string `json:"before,omitempty"`
	After    *string `json:"after,omitempty"`
	// State is done, planned, or unknown: an interrupted run's write that may have
	// happened.
	State string `json:"state,omitempty"`
}

// HistoryRowID is Advoware's row id around a run.
type HistoryRowID struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// Runs is the document of `history --runs`.
type Runs struct {
	Office string       `json:"office,omitempty"`
	Runs   []HistoryRun `json:"runs"`
}

// HistoryRun is what one run did, as far as the history holds it.
type HistoryRun struct {
	Run     string    `json:"run"`
	Command string    `json:"command"`
	By      string    `json:"by"` // user@host
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Records int       `json:"records"`
	// Overwritten counts the values that were replaced: what undo can put back.
	Overwritten int            `json:"overwritten"`
	Outcomes    map[string]int `json:"outcomes"`
	Of          string         `json:"of,omitempty"` // undo: the run that was undone
	// Error is what has cut a pass short: a guard, a system.
	Error *Error `json:"error,omitempty"`
}

// Poked is the document of `poke`.
type Poked struct {
	Office string `json:"office,omitempty"`
	Entity string `json:"entity"`
	Taken  int    `json:"taken"` // records that the watch is going to look at
}

// Copied is the document of `store copy`.
type Copied struct {
	Office   string         `json:"office,omitempty"`
	From     string         `json:"from"` // what the stores are called
	To       string         `json:"to"`
	DryRun   bool           `json:"dryRun"`
	Again    bool           `json:"again"` // an interrupted copy's part was dropped first
	Entities []CopiedEntity `json:"entities"`
	History  int            `json:"history"` // entries
	Values   int            `json:"values"`  // watermarks, runs, whose the store is
}

// CopiedEntity counts what is remembered of an entity.
type CopiedEntity struct {
	Entity    string `json:"entity"`
	Records   int    `json:"records"`
	Announced int    `json:"announced"` // of them, with a write that is announced and not concluded
}

// Erased is the document of `history --forget`.
type Erased struct {
	Office string `json:"office,omitempty"`
	Entity string `json:"entity"`
	ID     string `json:"id"`
	Erased int    `json:"erased"`
	DryRun bool   `json:"dryRun"`
}

// Link is the document of `link` as first contact.
type Link struct {
	Office string `json:"office,omitempty"`
	Run    Run    `json:"run"`
	Entity string `json:"entity"`
	// Results are the pairs, one record each: planned, or what became of them;
	// with --import also the records made in EspoCRM.
	Results []Record `json:"results"`
	// Ambiguous are the records that have several candidates, or share one.
	Ambiguous    []Ambiguous `json:"ambiguous"`
	OnlyEspocrm  []string    `json:"onlyEspocrm"`
	OnlyAdvoware []int64     `json:"onlyAdvoware"`
	// LeftInAdvoware were linked once, to records that were deleted in EspoCRM or
	// that lost their link; --import leaves them alone.
	LeftInAdvoware []int64 `json:"leftInAdvoware"`
	// Unreadable are records that no kind of the mapping applies to.
	Unreadable []string `json:"unreadable"`
	// AllNew, with --all-new: whether it was said that none of OnlyEspocrm exists
	// in Advoware.
	AllNew *bool  `json:"allNew,omitempty"`
	Calls  Calls  `json:"calls"`
	Error  *Error `json:"error"`

	// Names are, for a terminal, by what people know the records that it lists, by id in
	// EspoCRM and by number in Advoware; one that is not there was not asked for.
	Names map[string]string `json:"-"`
}

// Ambiguous is an EspoCRM record with several candidates in Advoware, or with a
// candidate that it shares with others.
type Ambiguous struct {
	ID         string   `json:"id"`
	Candidates []int64  `json:"candidates"`
	SharedWith []string `json:"sharedWith"`
}

// Status is the document of `status`.
type Status struct {
	Office string `json:"office,omitempty"`
	// Verdict is the whole in one sentence; Needs is what needs somebody, worst first.
	Verdict  string         `json:"verdict"`
	Needs    []Need         `json:"needs"`
	Entities []EntityStatus `json:"entities"`
	// StillOpen counts what waits now, of all entities; NewInAdvoware what the last
	// passes saw there that nothing is linked to.
	StillOpen     StillOpen `json:"stillOpen"`
	NewInAdvoware int       `json:"newInAdvoware"`
	// LastRun and LastSuccess are when the last pass began, and the last one that
	// left nothing open; nil: never.
	// OldestUnsynced is the oldest edit of all entities that waits; Passes are the last
	// passes, oldest first.
	OldestUnsynced *time.Time `json:"oldestUnsynced"`
	Passes         []PassBar  `json:"passes"`
	LastRun        *time.Time `json:"lastRun"`
	LastSuccess    *time.Time `json:"lastSuccess"`
	// LastError is why the last pass did not go through; nil: it did.
	LastError *Error `json:"lastError,omitempty"`
	Locks     int    `json:"locks"`
	// TooOld names the figures that are older than --fail-if-older allows.
	TooOld []string `json:"tooOld,omitempty"`
	Error  *Error   `json:"error,omitempty"`
}

// EntityStatus counts one entity's records.
type EntityStatus struct {
	Entity           string         `json:"entity"`
	Counts           map[string]int `json:"counts"`         // by syncStatus
	OldestUnsynced   *time.Time     `json:"oldestUnsynced"` // nil: nothing waits
	ConflictsWaiting int            `json:"conflictsWaiting"`
	StillOpen        StillOpen      `json:"stillOpen"`
	NewInAdvoware    int            `json:"newInAdvoware"`
	// Halted: a guard has halted the last pass; nil: none has.
	Halted *Halted `json:"halted,omitempty"`
	// Underway is a pass whose chunks the workers of a fleet sync; nil: none is.
	Underway *FleetPass `json:"underway,omitempty"`
	// Error: this entity cannot be read in EspoCRM.
	Error *Error `json:"error,omitempty"`
	// FromStore: EspoCRM could not be asked, the counts are what the store knows.
	FromStore bool `json:"fromStore,omitempty"`
}

// Halted is a pass that a guard has halted: which one, what it saw, since when, and
// what to do.
type Halted struct {
	Guard   string    `json:"guard"`
	Message string    `json:"message"`
	Hint    string    `json:"hint"`
	Since   time.Time `json:"since"`
	Run     string    `json:"run"`
}

// LockState says whether a lock's holder is at work.
type LockState string

// The states of a lock.
const (
	LockLive       LockState = "live"
	LockStale      LockState = "stale"
	LockOldHandler LockState = "old handler" // the old handler's value: nobody knows who
	LockFree       LockState = "free"        // unlock was asked for a lock that nobody holds
)

// Locks is the document of `unlock --list`.
type Locks struct {
	Office string `json:"office,omitempty"`
	Locks  []Lock `json:"locks"`
	Error  *Error `json:"error,omitempty"`
}

// Lock is one lock.
type Lock struct {
	Office    string     `json:"office,omitempty"`
	Entity    string     `json:"entity"`
	ID        string     `json:"id"`
	Holder    LockHolder `json:"holder"`
	State     LockState  `json:"state"`
	ExpiresAt *time.Time `json:"expiresAt"` // nil: never

	// What unlock did: Freed, the syncStatus that it set ("": it set none), and
	// why it did not.
	Name     string   `json:"-"` // what EspoCRM calls the record, for a terminal
	Freed    bool     `json:"freed,omitempty"`
	Status   string   `json:"status,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Error    *Error   `json:"error,omitempty"`
}

// LockHolder is who holds a lock; empty for the old handler.
type LockHolder struct {
	Host    string     `json:"host"`
	PID     int        `json:"pid"`
	User    string     `json:"user"`
	Command string     `json:"command"`
	Since   *time.Time `json:"since"`
}

// FindingResult is how a check of `doctor` ended.
type FindingResult string

// The results of a check.
const (
	FindingOK   FindingResult = "ok"
	FindingWarn FindingResult = "warn"
	FindingFail FindingResult = "fail"
)

// Findings is the document of `doctor`.
type Findings struct {
	Office   string    `json:"office,omitempty"`
	Findings []Finding `json:"findings"`
}

// Finding is one check of `doctor`.
type Finding struct {
	Office  string        `json:"office,omitempty"`
	Check   string        `json:"check"`
	Result  FindingResult `json:"result"`
	Message string        `json:"message"`
	Hint    string        `json:"hint"`
}

// Doubts are the links that nobody proved (`link --doubtful`).
type Doubts struct {
	Office   string  `json:"office,omitempty"`
	Run      Run     `json:"run"`
	Entity   string  `json:"entity"`
	Doubtful []Doubt `json:"doubtful"`
	Calls    Calls   `json:"calls"`
	Error    *Error  `json:"error"`
}

// Doubt is one of them, with by what a person knows either side.
type Doubt struct {
	Office     string `json:"office,omitempty"`
	ID         string `json:"id"`
	AdvowareID int64  `json:"advowareId"`
	Espocrm    string `json:"espocrm"`
	Advoware   string `json:"advoware"` // "": it is not there
}
