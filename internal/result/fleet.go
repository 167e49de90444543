package result

import "time"

// Fleet is the document of `fleet status`.
type Fleet struct {
	Offices []FleetOffice `json:"offices"`
	Workers []FleetWorker `json:"workers"`
}

// FleetState is what an operator has made of an office's part of the fleet.
type FleetState string

// The states.
const (
	FleetRuns    FleetState = "runs"
	FleetPaused  FleetState = "paused"  // no chunk is begun
	FleetDrained FleetState = "drained" // no chunk is handed out
)

// FleetOffice is one office's part of a fleet: counts of chunks.
type FleetOffice struct {
	Office   string      `json:"office"` // "" where the configuration has none
	Queue    string      `json:"queue"`
	State    FleetState  `json:"state"`
	By       string      `json:"by,omitempty"` // who has drained it
	Since    *time.Time  `json:"since,omitempty"`
	Waiting  int         `json:"waiting"`
	Active   int         `json:"active"`
	Again    int         `json:"again"`    // could not run, and are tried again
	Orphaned int         `json:"orphaned"` // of active: their worker is gone
	Dead     int         `json:"dead"`     // given up by the queue
	OldestMS int64       `json:"oldestMs"` // how long the oldest has waited
	Workers  int         `json:"workers"`
	Slots    int         `json:"slots"` // chunks that they can have in work
	Passes   []FleetPass `json:"passes"`
}

// FleetPass is a pass whose chunks are out.
type FleetPass struct {
	Entity    string    `json:"entity"`
	Run       string    `json:"run"`
	StartedAt time.Time `json:"startedAt"`
	Planner   string    `json:"planner"` // host and process
	Records   int       `json:"records"`
	Chunks    int       `json:"chunks"`
	Reported  int       `json:"reported"`
	HandedOut bool      `json:"handedOut"` // all of them
	// PlannerGone: nobody holds the pass. Where all is handed out the workers end it, else
	// the next cron-run begins anew.
	PlannerGone bool `json:"plannerGone,omitempty"`
}

// FleetWorker is one process that takes chunks.
type FleetWorker struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Slots   int       `json:"slots"`
	Busy    int       `json:"busy"`
	Offices []string  `json:"offices"` // names of queues
}
