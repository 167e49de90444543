package batch

import (
	"fmt"
	gosync "sync"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// GuardError halts a pass before its first write, or holds back its creates (exit
// 6). It names the one flag that overrides this guard and no other.
type GuardError struct {
	Entity  string
	Guard   reconcile.GuardName
	Message string
	Flag    string
	advice  string
}

// Error says what was found, what to do, and the flag.
func (e *GuardError) Error() string { return e.Message + "; " + e.hint() }

func (e *GuardError) hint() string {
	if e.Flag == "" {
		return e.advice
	}
	return fmt.Sprintf("%s: advosync cron-run --entity %s %s", e.advice, e.Entity, e.Flag)
}

// ErrorForm implements result.Formed.
func (e *GuardError) ErrorForm() *result.Error {
	return &result.Error{Code: "guard_" + string(e.Guard), Message: e.Message, Hint: e.hint(), Owner: string(fault.OwnerSystem)}
}

func (o Options) limits(cfg Config) reconcile.PassLimits {
	return reconcile.PassLimits{
		MaxChangedShare: cfg.MaxChangedShare, MaxDeletes: max(cfg.MaxDeletes, o.AllowDeletes),
		AllowMassChange: o.AllowMassChange, AllowEmpty: o.AllowEmpty, AllowMappingChange: o.AllowMappingChange, AllowRegress: o.AllowRegress,
	}
}

// guard asks the pure function; nil: the pass may write.
func guard(f reconcile.PassFacts, l reconcile.PassLimits) *GuardError {
	return guardError(f.Entity, reconcile.Guard(f, l))
}

func guardError(entity string, h *reconcile.Halt) *GuardError {
	if h == nil {
		return nil
	}
	return &GuardError{Entity: entity, Guard: h.Guard, Message: h.Message, Flag: h.Flag, advice: h.Hint}
}

// judge is the guard of an entity that Advoware cannot list: it judges what the
// pass has compared so far, and stops before the next write.
type judge struct {
	limits reconcile.PassLimits
	mu     gosync.Mutex
	facts  reconcile.PassFacts
	halt   *GuardError
}

// compared takes one comparison. sample: the record was looked at because it was
// due, not because somebody edited it, so it stands for all the others.
func (j *judge) compared(v result.Verdict, sample bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if sample && j.halt == nil {
		j.facts.Linked++
		switch v {
		case result.AdvowareNewer, result.Conflict, result.MissingInAdvoware:
			j.facts.Moved++
		}
		j.halt = guard(j.facts, j.limits)
	}
	if j.halt != nil {
		return j.halt
	}
	return nil
}

// halted is what it has halted the pass for; nil: it has not, or there is none.
func (j *judge) halted() *GuardError {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.halt
}

// error is halted as an error.
func (j *judge) error() error {
	if g := j.halted(); g != nil {
		return g
	}
	return nil
}

// guardOn has the guards go on judging while the executor syncs.
func (e *entityRun) guardOn(limits reconcile.PassLimits) {
	e.guarded = true
	e.judge = &judge{limits: limits, facts: reconcile.PassFacts{Entity: e.m.Entity(), Partial: true}}
	e.halted = func() bool { return e.judge.halted() != nil }
	if e.m.List() == nil {
		e.judged = e.judge.compared
	}
	e.deleteLate = e.guardLate
}

// guardLate syncs the records whose Advoware part is to be deleted and which
// turned up only while syncing; the guard counts them with those it knew.
func (e *entityRun) guardLate(late []candidate) error {
	facts := e.facts
	facts.Deletes += len(late)
	facts.MappingChanged, facts.Regress, facts.Moved = false, "", 0
	if g := guard(facts, e.judge.limits); g != nil {
		e.leaveAll(late)
		return g
	}
	for _, c := range late {
		ctx, t := withTicket(e.run.work)
		res := e.run.engine.Sync(ctx, sync.Request{Mapping: e.m, ID: c.id, Pass: true})
		e.run.systems.done(t)
		e.come(&item{candidate: c}, t, res)
	}
	return nil
}
