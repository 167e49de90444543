package result

import "time"

// Overview is what `report` draws: the passes and what they did, since a moment.
type Overview struct {
	Office string // "": none are configured
	From   time.Time
	To     time.Time
	// Entities are those that it is about.
	Entities []string
	// Values: names and overwritten values were asked for.
	Values bool
	// Passes are the last passes that the store knows, oldest first; Days sum up the
	// history, one for each day from the first to the last.
	Passes []PassBar
	Days   []DayBar
	// Arrivals counts the edits made in EspoCRM by how long they took to Advoware.
	Arrivals []Arrival
	// Fields are those that both sides edited most, Records those that failed most.
	Fields  []FieldCount
	Records []RecordCount
	// Needs are what waits now, worst first.
	Needs []Need
	// Overwritten are the values that gave way where both sides had been edited, newest
	// first, no more than OverwrittenShown; OverwrittenAll counts them.
	Overwritten    []GaveWay
	OverwrittenAll int
}

// OverwrittenShown is how many overwritten values an Overview holds.
const OverwrittenShown = 200

// DayBar is what was done in a day: records written per side, failed, conflicts.
type DayBar struct {
	Day        time.Time // its midnight
	ToAdvoware int
	ToEspocrm  int
	Failed     int
	Conflicts  int
}

// Arrival counts edits that took up to Within, and longer than the one before; zero:
// longer than all.
type Arrival struct {
	Within time.Duration
	Count  int
}

// FieldCount is how often both sides had edited a field.
type FieldCount struct {
	Entity, Name string
	Count        int
}

// RecordCount is how often a record failed, and why the last time.
type RecordCount struct {
	Entity, ID string
	AdvowareID int64
	Name       string // only with values
	Count      int
	Code       string
}

// GaveWay is one value that was overwritten.
type GaveWay struct {
	At         time.Time
	Run        string
	Entity, ID string
	AdvowareID int64
	Name       string // only with values
	Field      string
	Side       string  // on which it was replaced: espocrm, advoware
	Before     *string // only with values
	After      *string
}
