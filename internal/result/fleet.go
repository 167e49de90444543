package result

import (
	"fmt"
	"strings"
	"time"
)

// Fleet is the document of `fleet status`.
type Fleet struct {
	Offices []FleetOffice `json:"offices"`
	Workers []FleetWorker `json:"workers"`
	// Needs are what somebody should know, or do something about, worst first.
	Needs []FleetNeed `json:"needs"`
}

// FleetNeed is one of them.
type FleetNeed struct {
	Kind   FleetNeedKind `json:"kind"`
	Office string        `json:"office"` // "" where it is of no single one
	Queue  string        `json:"queue"`
	Since  *time.Time    `json:"since,omitempty"`
	Why    string        `json:"why"`
	Next   string        `json:"next"` // the command to type; "": it mends itself
}

// FleetNeedKind says what a need is.
type FleetNeedKind string

// The kinds. Without a worker cron-run ends with exit code 1.
const (
	FleetNoWorker FleetNeedKind = "no_worker"
	// FleetOtherMapping: every worker has another mapping than this host.
	FleetOtherMapping FleetNeedKind = "other_mapping"
	FleetBrokenOff    FleetNeedKind = "broken_off" // cron-run has died while it handed out
	FleetIsPaused     FleetNeedKind = "paused"
	FleetIsDrained    FleetNeedKind = "drained"
	FleetWorkerGone   FleetNeedKind = "worker_gone"
	FleetGivenUp      FleetNeedKind = "given_up" // chunks, by the queue
)

const restartWorkers = "systemctl restart advosync-worker@1"

// Look fills in Needs from the rest.
func (f *Fleet) Look() {
	f.Needs = []FleetNeed{}
	if len(f.Workers) == 0 {
		f.Needs = append(f.Needs, FleetNeed{Kind: FleetNoWorker, Why: "nothing that cron-run hands out is synced", Next: restartWorkers})
	}
	var rest []FleetNeed
	for _, x := range f.Offices {
		if x.Workers == 0 && len(f.Workers) > 0 {
			f.Needs = append(f.Needs, FleetNeed{Kind: FleetNoWorker, Office: x.Office, Queue: x.Queue, Next: restartWorkers,
				Why: "no worker takes its chunks; one that is older than the office in the configuration has to begin anew"})
		}
		rest = append(rest, x.needs(len(f.Offices) > 1)...)
	}
	f.Needs = append(f.Needs, rest...)
}

// needs are those of one office that has workers. many: there are others beside it, so the
// command names this one.
func (x FleetOffice) needs(many bool) (out []FleetNeed) {
	add := func(kind FleetNeedKind, why, next string) {
		out = append(out, FleetNeed{Kind: kind, Office: x.Office, Queue: x.Queue, Why: why, Next: next})
	}
	resume := "advosync fleet resume"
	if many {
		resume += " --offices " + x.Office
	}
	if len(x.OtherMapping) > 0 {
		add(FleetOtherMapping, "every worker has another mapping of "+strings.Join(x.OtherMapping, ", ")+" than this host, and carries out no chunk of it", CommandOf("advosync doctor", x.Office))
	}
	for _, u := range x.Passes {
		if u.PlannerGone && !u.HandedOut {
			add(FleetBrokenOff, "cron-run has died while it handed out the pass over "+u.Entity+"; the next one looks at everything again", CommandOf("advosync cron-run", x.Office))
		}
	}
	switch x.State {
	case FleetPaused:
		add(FleetIsPaused, "no chunk is begun", resume)
	case FleetDrained:
		why := "no chunk is handed out"
		if x.By != "" {
			why = "by " + x.By + ": " + why
		}
		add(FleetIsDrained, why, resume)
		out[len(out)-1].Since = x.Since
	}
	if x.Orphaned > 0 {
		then := "another one gets them within two minutes"
		if x.Workers == 0 {
			then = "they wait for one"
		}
		add(FleetWorkerGone, fmt.Sprintf("%s of a worker that is gone; %s", chunks(x.Orphaned), then), "")
	}
	if x.Dead > 0 {
		was := "were"
		if x.Dead == 1 {
			was = "was"
		}
		add(FleetGivenUp, fmt.Sprintf("%s %s given up by the queue; the next pass finds their records again", chunks(x.Dead), was), CommandOf("advosync cron-run", x.Office))
	}
	return out
}

func chunks(n int) string {
	if n == 1 {
		return "1 chunk"
	}
	return fmt.Sprintf("%d chunks", n)
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
	Office   string     `json:"office"` // "" where the configuration has none
	Queue    string     `json:"queue"`
	State    FleetState `json:"state"`
	By       string     `json:"by,omitempty"` // who has drained it
	Since    *time.Time `json:"since,omitempty"`
	Waiting  int        `json:"waiting"`
	Active   int        `json:"active"`
	Again    int        `json:"again"`    // could not run, and are tried again
	Orphaned int        `json:"orphaned"` // of active: their worker is gone
	Dead     int        `json:"dead"`     // given up by the queue
	OldestMS int64      `json:"oldestMs"` // how long the oldest has waited
	// OtherMapping are the entities of which every worker has another mapping than this host.
	OtherMapping []string    `json:"otherMapping,omitempty"`
	Workers      int         `json:"workers"`
	Slots        int         `json:"slots"` // chunks that they can have in work
	Passes       []FleetPass `json:"passes"`
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
