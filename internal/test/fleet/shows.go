package main

import (
	"errors"
	"fmt"
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

// sameCalls: a pass of one process, without a fleet, and what the queue adds to it.
func (s *stage) sameCalls() error {
	var calls [2]int
	var took [2]time.Duration
	for i, driver := range []string{"", "asynq"} {
		if err := s.configure(driver, 0); err != nil {
			return err
		}
		ps, err := s.workers(i)
		if err != nil {
			return err
		}
		if err := s.editAll(0); err != nil {
			return err
		}
		began := time.Now()
		if out, code := s.cron(); code != 0 {
			return fmt.Errorf("a pass ended with %d:\n%s", code, out)
		}
		took[i] = time.Since(began)
		for _, o := range s.offices {
			calls[i] += o.numberOfCalls()
		}
		endAll(ps)
	}
	more := float64(calls[1]-calls[0]) / float64(calls[0]) * 100
	s.say(more < 10, "calls of a pass: %d in one process, %d with one worker (%+.1f %%: lists of the chunks, signing in); took %.1f s and %.1f s",
		calls[0], calls[1], more, took[0].Seconds(), took[1].Seconds())
	return nil
}

// budget: in no ten seconds more calls than it allows, whoever makes them.
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
	out, code := s.cron()
	endAll(ps)
	if code != 0 {
		return fmt.Errorf("a pass under a budget ended with %d:\n%s", code, out)
	}
	most := 0
	for _, o := range s.offices {
		most = max(most, o.most())
	}
	allowed := 10 * s.o.rate * 1.01
	s.say(float64(most) <= allowed, "budget: %d calls to one system within ten seconds, %.0f allowed, by a planner and 3 workers", most, allowed)
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

// speed: three workers against one, at 50 ms a call.
func (s *stage) speed() error {
	var took [2]time.Duration
	for i, n := range []int{1, 3} {
		ps, err := s.workers(n, "--offices", s.fast.name, "--concurrency", "1")
		if err != nil {
			return err
		}
		s.fast.latency.Store(int64(50 * time.Millisecond))
		if err := s.fast.edit(s.o.speed); err != nil {
			return err
		}
		began := time.Now()
		out, code := s.cron("--office", s.fast.name)
		took[i] = time.Since(began)
		s.fast.latency.Store(0)
		endAll(ps)
		if code != 0 {
			return fmt.Errorf("a pass with %d workers ended with %d:\n%s", n, code, out)
		}
	}
	ratio := took[0].Seconds() / took[1].Seconds()
	s.say(ratio > 2, "%d records at 50 ms a call, looking included: 1 worker %.1f s, 3 workers %.1f s, %.2f times as fast", s.o.speed, took[0].Seconds(), took[1].Seconds(), ratio)
	lost, extra := s.fast.lost()
	s.say(lost == 0 && extra == 0, "of these: %d edits lost, %d duplicates", lost, extra)
	return nil
}

// killed: kill -9 of a worker at a moment; the others get its chunks, and cron-run waits.
func (s *stage) killed(at time.Duration) error {
	ps, cron, err := s.midway(3)
	if err != nil {
		return err
	}
	time.Sleep(at)
	ps[0].kill()
	began := time.Now()
	<-cron.done
	tail := time.Since(began)
	s.say(tail <= 125*time.Second, "a worker killed: the pass ends %.0f s later with %d, 125 s allowed", tail.Seconds(), cron.cmd.ProcessState.ExitCode())
	err = s.settle("of its records")
	endAll(ps[1:])
	return err
}
