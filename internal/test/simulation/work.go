package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"advosync/internal/batch"
	"advosync/internal/engine"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
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
			s.heard(t, t.Engine.Sync(context.Background(), engine.Request{Mapping: s.Mapping, ID: id, Pass: t.Random.IntN(2) == 0}))
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
func (s *Sim) pass(t *Tool) (ranThrough bool) {
	s.mu.Lock()
	opts := s.allow
	s.mu.Unlock()
	_, err := t.Pass.Run(context.Background(), []*mapping.Mapping{s.Mapping}, opts, sink{s, t})
	var guard *batch.GuardError
	var locked *batch.LockedError
	switch {
	case t.Process.Dead():
		s.count("passes that died")
	case errors.As(err, &guard):
		s.count("passes halted by a guard: " + string(guard.Guard))
		s.Oracle.Note("%s: halted: %s", t.Run, guard.Message)
		s.mu.Lock()
		switch guard.Guard {
		case reconcile.GuardEmpty:
			s.allow.AllowEmpty = true
		case reconcile.GuardRegress:
			s.allow.AllowRegress = true
		case reconcile.GuardMassChange:
			s.allow.AllowMassChange = true
		case reconcile.GuardDeletes:
			s.allow.AllowDeletes = 100
		}
		s.mu.Unlock()
	case errors.As(err, &locked):
		s.count("passes that met another one")
	case err != nil:
		s.count("passes that a system ended")
		s.Oracle.Note("%s: ended: %v", t.Run, err)
	default:
		s.count("passes that ran through")
		return true
	}
	return false
}

// sink hears what a pass does, record by record.
type sink struct {
	s *Sim
	t *Tool
}

func (sink) Phase(string, batch.Phase) {}
func (sink) Planned(string, int, bool) {}
func (sink) Begun(string, string)      {}
func (sink) Warned(string)             {}

func (k sink) Ended(r result.Record) {
	k.s.count("synced by a pass")
	k.s.heard(k.t, r)
}

// heard tells the oracle what a process says it has done.
func (s *Sim) heard(t *Tool, res result.Record) {
	s.Oracle.Settle()
	s.count("syncs")
	s.tellOf(t, res)
	if res.Outcome == result.ConflictWaits {
		s.Oracle.Asked(res)
	}
	if t.Process.Dead() {
		s.count("crashes")
		s.Oracle.InDoubt(res.ID)
		return
	}
	s.leftOvers(res)
	s.count("outcome " + string(res.Outcome))
	if res.Verdict == result.MissingInEspocrm { // whatever was done: nothing is in step
		return
	}
	switch res.Outcome {
	case result.Unchanged, result.Adopted, result.CreatedAdvoware, result.UpdatedAdvoware, result.UpdatedEspocrm, result.Merged:
		if res.AdvowareID == nil || s.Oracle.carries(res.ID, *res.AdvowareID) { // a backup may have changed the link since
			s.Oracle.InSync(res.ID)
		}
	case result.Locked: // found so, or lost while working
		if res.Error != nil && res.Error.Code == string(fault.LeaseLost) {
			s.Oracle.Robbed(t.Run, res.ID)
		}
	default:
		s.Oracle.InDoubt(res.ID)
	}
}

// tellOf puts a result into the trace.
func (s *Sim) tellOf(t *Tool, res result.Record) {
	if s.Oracle.Quiet {
		return
	}
	code := ""
	if res.Error != nil {
		code = res.Error.Code + ": " + res.Error.Message
	}
	for _, f := range res.Fields {
		code += fmt.Sprintf(" [%s/%s %s]", f.Espocrm, f.Advoware, f.Changed)
	}
	s.Oracle.Note("%s: %s is %s/%s (%s) %s", t.Run, res.ID, res.Verdict, res.Outcome, res.Reason.Code, code)
}
