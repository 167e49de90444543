package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// tailAllowed is how long after a kill the pass may last.
const tailAllowed = 125 * time.Second

// lane is one office with processes of its own: what is killed in one lane holds up no
// other, so many kills fit into the time of one.
type lane struct {
	s       *stage
	o       *office
	random  *rand.Rand
	n       int
	workers []*process
	usual   time.Duration // of a pass that nobody disturbs
}

// death is one kill and what followed.
type death struct {
	lane, round int
	victim      string
	at, tail    time.Duration
	codes       []int // of the planners, until one ended well
	passes      int   // until both systems agreed
	lost, extra int
}

// killed: kill -9 at random moments of cron-run and of workers, which are begun again at
// once, as systemd does it.
func (s *stage) killed() error {
	if err := s.configure("asynq", 0); err != nil {
		return err
	}
	rounds := (s.o.kills + len(s.offices) - 1) / len(s.offices)
	var all sync.WaitGroup
	var mu sync.Mutex
	var deaths []death
	var failed error
	for i, o := range s.offices {
		l := &lane{s: s, o: o, n: i + 1, random: rand.New(rand.NewPCG(s.o.seed, uint64(i)))}
		all.Go(func() {
			err := l.run(rounds, func(d death) {
				mu.Lock()
				defer mu.Unlock()
				deaths = append(deaths, d)
				fmt.Printf("  office %d, kill %d: %s after %.2f s; over %.1f s later (exit codes %v); agreed by pass %d, %d lost, %d duplicates\n",
					d.lane, d.round, d.victim, d.at.Seconds(), d.tail.Seconds(), d.codes, d.passes, d.lost, d.extra)
			})
			mu.Lock()
			defer mu.Unlock()
			if failed == nil {
				failed = err
			}
		})
	}
	all.Wait()
	if failed != nil {
		return failed
	}
	var worst time.Duration
	lost, extra, byVictim := 0, 0, map[string]int{}
	for _, d := range deaths {
		worst, lost, extra = max(worst, d.tail), lost+d.lost, extra+d.extra
		byVictim[d.victim]++
	}
	s.say(len(deaths) >= s.o.kills && worst <= tailAllowed && lost+extra == 0,
		"%d times kill -9 at random moments (-seed %d): %d of cron-run, %d of workers; the pass is over %.0f s later at most (%.0f allowed); %d edits and records lost, %d duplicates",
		len(deaths), s.o.seed, byVictim["cron-run"], len(deaths)-byVictim["cron-run"], worst.Seconds(), tailAllowed.Seconds(), lost, extra)
	return nil
}

const fresh = 10 // records that are entered before each pass

func (l *lane) run(rounds int, tell func(death)) error {
	l.o.latency.Store(int64(50 * time.Millisecond))
	for range 2 {
		if err := l.hire(); err != nil {
			return err
		}
	}
	defer func() { endAll(l.workers) }()
	if err := l.work(); err != nil {
		return err
	}
	began := time.Now()
	if out, code := l.cron(); code != 0 {
		return fmt.Errorf("office %d: a pass that nobody disturbs ended with %d:\n%s", l.n, code, out)
	}
	l.usual = time.Since(began)
	for round := 1; round <= rounds; {
		d, hit, err := l.die(round)
		if err != nil {
			return err
		}
		if hit {
			tell(d)
			round++
		}
	}
	return nil
}

func (l *lane) work() error {
	if err := l.o.edit(l.s.o.changed); err != nil {
		return err
	}
	return l.o.enter(fresh)
}

func (l *lane) cron(args ...string) (string, int) {
	return l.s.cron(append([]string{"--office", l.o.name}, args...)...)
}

// hire begins a worker.
func (l *lane) hire() error {
	ps, err := l.s.workers(1, "--offices", l.o.name, "--concurrency", "1")
	l.workers = append(l.workers, ps...)
	return err
}

// die makes one pass in which somebody is killed. hit: the pass was not over by then.
func (l *lane) die(round int) (d death, hit bool, err error) {
	d = death{lane: l.n, round: round, victim: "cron-run", at: time.Duration(l.random.Float64() * float64(l.usual))}
	victim := l.random.IntN(3)
	if err := l.work(); err != nil {
		return d, false, err
	}
	planner, err := l.s.begin("cron-run", "--allow-mass-change", "--office", l.o.name)
	if err != nil {
		return d, false, err
	}
	select {
	case <-planner.done:
	case <-time.After(d.at):
		hit = true
	}
	killed := time.Now()
	switch {
	case !hit:
	case victim < 2:
		d.victim = fmt.Sprint("worker ", victim+1)
		l.workers[victim].kill()
		l.workers = slices.Delete(l.workers, victim, victim+1)
		err = l.hire()
	default:
		planner.kill()
		planner, err = l.s.begin("cron-run", "--allow-mass-change", "--office", l.o.name)
	}
	if err != nil {
		return d, hit, err
	}
	for {
		<-planner.done
		code := planner.cmd.ProcessState.ExitCode()
		if d.codes = append(d.codes, code); code == 0 {
			break
		}
		if len(d.codes) > 10 {
			return d, hit, fmt.Errorf("office %d: cron-run still ends with %d:\n%s", l.n, code, planner.said.String())
		}
		if planner, err = l.s.begin("cron-run", "--allow-mass-change", "--office", l.o.name); err != nil {
			return d, hit, err
		}
	}
	d.tail = time.Since(killed)
	for d.passes = 1; ; d.passes++ {
		if d.lost, d.extra = l.o.lost(); d.lost == 0 || d.passes > 10 {
			return d, hit, nil
		}
		time.Sleep(3 * time.Second)
		if out, code := l.cron(); code != 0 {
			return d, hit, fmt.Errorf("office %d: the pass after it ended with %d:\n%s", l.n, code, out)
		}
	}
}
