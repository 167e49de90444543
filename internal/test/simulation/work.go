package simulation

import (
	"fmt"
	"time"

	"advosync/internal/result"
)

// process is one place where the tool runs: when it dies, it is started anew,
// for another command perhaps.
func (s *Sim) process(n int) {
	r := s.random("process", n)
	skew := time.Duration(r.IntN(4000)-2000) * time.Millisecond
	nap(r, 10*time.Second)
	for !s.over() {
		if n == 1 || n == 2 && r.IntN(2) == 0 {
			s.passes(s.newTool(r, "cron-run", skew, s.rate))
		} else {
			s.syncs(s.newTool(r, "sync", skew, s.rate))
		}
		nap(r, 30*time.Second)
	}
}

// syncs syncs one record after the other, as somebody at the keyboard does.
func (s *Sim) syncs(t *Tool) {
	defer t.end()
	for !s.over() && !t.Process.Dead() {
		if id, ok := s.pick(t.Random); ok {
			s.heard(t, t.Engine.Sync(id, t.Random.IntN(2) == 0, false))
		}
		nap(t.Random, 8*time.Second)
	}
}

// passes makes one pass after the other, as cron does.
func (s *Sim) passes(t *Tool) {
	defer t.end()
	for !s.over() && !t.Process.Dead() {
		s.pass(t)
		nap(t.Random, 15*time.Second)
	}
}

// pass makes one pass. A guard that halts it is overridden by the operator the
// next time.
func (s *Sim) pass(t *Tool) (through bool) {
	s.mu.Lock()
	allow := s.allow
	s.mu.Unlock()
	end := t.Engine.Pass(&allow, func(r result.Record) {
		s.count("synced by a pass")
		s.heard(t, r)
	})
	if t.Process.Dead() {
		end = "died"
	}
	s.mu.Lock()
	s.allow = allow
	s.mu.Unlock()
	s.count("passes that " + string(end))
	s.Oracle.Note("%s: pass %s", t.Run, end)
	return end == ranThrough
}

// heard takes note of what a process says it has done.
func (s *Sim) heard(t *Tool, res result.Record) {
	s.Oracle.Settle()
	s.count("syncs")
	s.tellOf(t, res)
	if t.Process.Dead() {
		s.count("crashes")
		return
	}
	s.leftOvers(res)
	s.count("outcome " + string(res.Outcome))
}

// tellOf puts a result into the trace.
func (s *Sim) tellOf(t *Tool, res result.Record) {
	code := ""
	if res.Error != nil {
		code = res.Error.Code + ": " + res.Error.Message
	}
	for _, f := range res.Fields {
		code += fmt.Sprintf(" [%s/%s %s]", f.Espocrm, f.Advoware, f.Changed)
	}
	s.Oracle.Note("%s: %s is %s/%s (%s) %s", t.Run, res.ID, res.Verdict, res.Outcome, res.Reason.Code, code)
}
