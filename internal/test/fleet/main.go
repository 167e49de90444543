// Command fleet shows what a pass over several hosts promises, with processes in place
// of hosts: the built program, a real redis-server, simulated systems.
//
//	go run ./internal/test/fleet            the short form, under a minute
//	go run ./internal/test/fleet -long      also kill -9 at random moments, which takes half an hour and more
//
// It prints a line for each promise, with what was measured, and ends with 1 when one is
// broken.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"
)

type options struct {
	offices, records, changed, kills, speed int
	rate                                    float64
	seed                                    uint64
	long                                    bool
	only                                    string
}

// show is one promise.
type show struct {
	name  string
	run   func() error
	times int
}

func main() {
	var o options
	flag.BoolVar(&o.long, "long", false, "the long form")
	flag.IntVar(&o.offices, "offices", 2, "simulated offices")
	flag.IntVar(&o.records, "records", 600, "linked records of each office")
	flag.IntVar(&o.changed, "changed", 300, "records of each office that are edited before each pass")
	flag.IntVar(&o.kills, "kills", 3, "long form: workers that are killed at random moments")
	flag.IntVar(&o.speed, "speed", 1200, "records of one more office, all edited, for the speed of three workers against one; 0: not measured")
	flag.Float64Var(&o.rate, "rate", 60, "budget of calls per second to each system of the offices, while it is measured")
	flag.StringVar(&o.only, "only", "", "show one thing: calls, budget, flush, planner, redis, speed, kill")
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
	random := rand.New(rand.NewPCG(o.seed, 19))
	shows := []show{{"calls", s.sameCalls, 1}, {"budget", s.budget, 1}, {"flush", s.workerKilledAndFlushed, 1}, {"planner", s.plannerKilled, 1}}
	if o.speed > 0 {
		shows = append(shows, show{"speed", s.speed, 1})
	}
	if o.long {
		shows = append(shows, show{"redis", s.redisRestarted, 1},
			show{"kill", func() error { return s.killed(time.Duration(random.IntN(4000)) * time.Millisecond) }, o.kills})
	}
	for _, show := range shows {
		for range show.times {
			if o.only != "" && o.only != show.name {
				continue
			}
			began := time.Now()
			if err := show.run(); err != nil {
				return err
			}
			fmt.Printf("  (%.0f s)\n", time.Since(began).Seconds())
		}
	}
	return s.verdict()
}
