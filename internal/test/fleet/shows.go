package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// say prints one line, and remembers what is broken.
func (s *stage) say(holds bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !holds {
		s.broken = append(s.broken, text)
		text = "BROKEN " + text
	}
	fmt.Println(text)
}

func (s *stage) verdict() error {
	if len(s.broken) > 0 {
		return errors.New(strings.Join(s.broken, "; "))
	}
	fmt.Println("all of it holds")
	return nil
}

func (s *stage) editAll(latency time.Duration) error {
	for _, o := range s.offices {
		o.latency.Store(int64(latency))
		o.forgetCalls()
		if err := o.edit(s.o.changed); err != nil {
			return err
		}
	}
	return nil
}

// settle makes passes until one has nothing to do, and judges the ends. A write of whoever
// was killed may still land for a while (sync.late_write): its record is left to the pass
// after that.
func (s *stage) settle(what string) error {
	const passes = 25
	for try := 1; ; try++ {
		out, code := s.cron("-v")
		lost, extra := 0, 0
		for _, o := range s.all() {
			o.latency.Store(0)
			l, e := o.lost()
			lost, extra = lost+l, extra+e
		}
		if code == 0 && lost == 0 || try == passes {
			s.say(code == 0 && lost == 0 && extra == 0, "%s: %d edits lost, %d duplicates, by pass %d (exit code %d)", what, lost, extra, try, code)
			if code != 0 {
				return fmt.Errorf("%s: pass %d still ends with %d:\n%s", what, try, code, out)
			}
			return nil
		}
		time.Sleep(3 * time.Second)
	}
}

// budget: in no ten seconds more calls than it allows, whoever makes them; and it is used,
// else nothing was shown.
func (s *stage) budget() error {
	if err := s.configure("asynq", s.o.rate); err != nil {
		return err
	}
	ps, err := s.workers(3)
	if err != nil {
		return err
	}
	if err := s.editAll(5 * time.Millisecond); err != nil {
		return err
	}
	began := time.Now()
	cron, err := s.begin("cron-run", "--allow-mass-change")
	if err != nil {
		return err
	}
	<-cron.done
	took := time.Since(began)
	endAll(ps)
	if code := cron.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("a pass under a budget ended with %d:\n%s", code, cron.said.String())
	}
	most, edits, extra, memory := 0, 0, 0, 0.0
	for _, o := range s.offices {
		most = max(most, o.most())
		l, e := o.lost()
		edits, extra = edits+l, extra+e
	}
	for _, p := range ps {
		memory = max(memory, p.memory())
	}
	allowed := 10 * s.o.rate * 1.01
	s.say(float64(most) <= allowed && float64(most) > 0.9*allowed && edits+extra == 0, "budget: %d calls to one system within ten seconds, %.0f allowed, by a planner and 3 workers; %d edits lost, %d duplicates", most, allowed, edits, extra)
	fmt.Printf("  the pass took %.0f s; peak memory of the planner %.0f MiB, of a worker %.0f MiB\n", took.Seconds(), cron.memory(), memory)
	return s.configure("asynq", 0)
}

// midway begins a pass whose chunks are out.
func (s *stage) midway(workers int) (ps []*process, cron *process, err error) {
	if ps, err = s.workers(workers, "--concurrency", "1"); err != nil {
		return ps, nil, err
	}
	if err := s.editAll(50 * time.Millisecond); err != nil {
		return ps, nil, err
	}
	if cron, err = s.begin("cron-run", "--allow-mass-change"); err != nil {
		return ps, nil, err
	}
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if out, _ := s.command("fleet", "status", "-o", "json").Output(); strings.Contains(string(out), `"handedOut"`) {
			time.Sleep(300 * time.Millisecond)
			return ps, cron, nil
		}
	}
	return ps, cron, fmt.Errorf("no pass is under way:\n%s", cron.said.String())
}

// workerKilledAndFlushed: kill -9 of a worker, and nothing left in the queue. The pass
// says so, and the next one does the rest.
func (s *stage) workerKilledAndFlushed() error {
	ps, cron, err := s.midway(2)
	if err != nil {
		return err
	}
	ps[0].kill()
	if err := s.flushQueue(); err != nil {
		return err
	}
	<-cron.done
	said := cron.said.String()
	s.say(cron.cmd.ProcessState.ExitCode() == 1 && strings.Contains(said, "were lost by the queue"), "a worker killed and the queue emptied: cron-run ends with %d and says what was lost", cron.cmd.ProcessState.ExitCode())
	err = s.settle("after the next pass")
	endAll(ps[1:])
	return err
}

// plannerKilled: kill -9 of cron-run half-way; the next one completes.
func (s *stage) plannerKilled() error {
	ps, cron, err := s.midway(2)
	if err != nil {
		return err
	}
	cron.kill()
	err = s.settle("cron-run killed half-way")
	endAll(ps)
	return err
}

// redisRestarted in the middle of a pass.
func (s *stage) redisRestarted() error {
	ps, cron, err := s.midway(2)
	if err != nil {
		return err
	}
	if err := s.server.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = s.server.Wait()
	if err := s.startRedis(); err != nil {
		return err
	}
	<-cron.done
	err = s.settle(fmt.Sprintf("Redis restarted in mid-pass (that pass ended with %d)", cron.cmd.ProcessState.ExitCode()))
	endAll(ps)
	return err
}

// timed is one pass and its parts.
type timed struct{ took, look, work, end time.Duration }

func (t timed) String() string {
	return fmt.Sprintf("%.2f s (until the first write %.2f, to the last call %.2f, to the end %.2f)", t.took.Seconds(), t.look.Seconds(), t.work.Seconds(), t.end.Seconds())
}

// timedPass is a pass over the office for the speed, at 50 ms a call, with so many
// workers; none: in one process.
func (s *stage) timedPass(workers int, args ...string) (t timed, err error) {
	driver := "asynq"
	if workers == 0 {
		driver = ""
	}
	if err := s.configure(driver, 0); err != nil {
		return t, err
	}
	ps, err := s.workers(workers, append([]string{"--offices", s.fast.name}, args...)...)
	if err != nil {
		return t, err
	}
	defer endAll(ps)
	if err := s.fast.edit(s.o.speed); err != nil {
		return t, err
	}
	s.fast.forgetCalls()
	s.fast.latency.Store(int64(50 * time.Millisecond))
	defer s.fast.latency.Store(0)
	began := time.Now()
	out, code := s.cron("--office", s.fast.name)
	ended := time.Now()
	if code != 0 {
		return t, fmt.Errorf("a pass with %d workers ended with %d:\n%s", workers, code, out)
	}
	lost, extra := s.fast.lost()
	if lost+extra > 0 {
		s.say(false, "a pass with %d workers: %d edits lost, %d duplicates", workers, lost, extra)
	}
	first, last := s.fast.span()
	return timed{ended.Sub(began), first.Sub(began), last.Sub(first), ended.Sub(last)}, nil
}

// speed: three workers against one, a chunk at a time each, at 50 ms a call.
func (s *stage) speed() error {
	var one, three []time.Duration
	for range s.o.runs {
		for _, n := range []int{1, 3} {
			t, err := s.timedPass(n, "--concurrency", "1")
			if err != nil {
				return err
			}
			fmt.Printf("  %d workers: %s\n", n, t)
			if n == 1 {
				one = append(one, t.took)
			} else {
				three = append(three, t.took)
			}
		}
	}
	ratio := median(one).Seconds() / median(three).Seconds()
	s.say(ratio >= s.o.faster, "%d records at 50 ms a call, looking included: 1 worker %.1f s, 3 workers %.1f s (medians of %d), %.2f times as fast; %.2f promised here",
		s.o.speed, median(one).Seconds(), median(three).Seconds(), s.o.runs, ratio, s.o.faster)
	return nil
}

// overhead: the same work in one process and by one worker.
func (s *stage) overhead() error {
	var alone, queued []time.Duration
	for range s.o.runs {
		for _, n := range []int{0, 1} {
			t, err := s.timedPass(n)
			if err != nil {
				return err
			}
			fmt.Printf("  %d workers: %s\n", n, t)
			if n == 0 {
				alone = append(alone, t.took)
			} else {
				queued = append(queued, t.took)
			}
		}
	}
	more := (median(queued).Seconds()/median(alone).Seconds() - 1) * 100
	s.say(more <= 1, "%d records at 50 ms a call: in one process %.2f s, by one worker %.2f s (medians of %d), %+.2f %%; 1 %% allowed",
		s.o.speed, median(alone).Seconds(), median(queued).Seconds(), s.o.runs, more)
	return nil
}

func median(ds []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(ds))[len(ds)/2]
}
