// Command fleet shows what a pass over several hosts promises, with processes in place
// of hosts: the built program, a real redis-server, simulated systems.
//
//	go run ./internal/test/fleet            the short form, two minutes
//	go run ./internal/test/fleet -long      also Redis restarted, what the queue costs, and kill -9 at random moments
//	go run ./internal/test/fleet -only NAME one of them
//
// It prints a line for each promise, with what was measured, and ends with 1 when one is
// broken. docs/performance.md has the figures, with the command of each.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

type options struct {
	offices, records, changed, kills, speed, runs int
	rate, faster                                  float64
	seed                                          uint64
	long                                          bool
	only                                          string
}

// show is one promise.
type show struct {
	name string
	run  func() error
}

func main() {
	var o options
	flag.BoolVar(&o.long, "long", false, "the long form")
	flag.IntVar(&o.offices, "offices", 2, "simulated offices")
	flag.IntVar(&o.records, "records", 600, "linked records of each office")
	flag.IntVar(&o.changed, "changed", 300, "records of each office that are edited before each pass")
	flag.IntVar(&o.kills, "kills", 6, "long form: times that somebody is killed at a random moment, in as many lanes as there are offices")
	flag.IntVar(&o.speed, "speed", 2400, "records of one more office, all edited, for the speed of three workers against one; 0: not measured")
	flag.IntVar(&o.runs, "runs", 1, "passes of each kind that the speed is the median of")
	flag.Float64Var(&o.faster, "faster", 2.7, "how much faster three workers have to be")
	flag.Float64Var(&o.rate, "rate", 20, "budget of calls per second to each system of the offices, while it is measured")
	flag.StringVar(&o.only, "only", "", "show one thing: calls, budget, flush, planner, redis, speed, overhead, kill")
	flag.Uint64Var(&o.seed, "seed", 1, "of what is random")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	s, err := newStage(o)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Printf("%d offices, %d linked records each, %d edited before each pass; %d cores\n", o.offices, o.records, o.changed, runtime.NumCPU())
	shows := []show{{"calls", s.sameCalls}, {"budget", s.budget}, {"flush", s.workerKilledAndFlushed}, {"planner", s.plannerKilled}}
	if o.speed > 0 {
		shows = append(shows, show{"speed", s.speed})
	}
	if o.long {
		shows = append(shows, show{"redis", s.redisRestarted}, show{"kill", s.killed})
	}
	if o.long && o.speed > 0 {
		shows = append(shows, show{"overhead", s.overhead})
	}
	for _, show := range shows {
		if o.only != "" && o.only != show.name {
			continue
		}
		began := time.Now()
		if err := show.run(); err != nil {
			return err
		}
		fmt.Printf("  (%.0f s)\n", time.Since(began).Seconds())
	}
	return s.verdict()
}
