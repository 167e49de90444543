package desk

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// ResetRequest asks to re-arm one record.
type ResetRequest struct {
	Mapping *mapping.Mapping
	ID      string
	// Forget also clears lastSync and the remembered base, so that the next sync
	// is an initial one.
	Forget bool
	// DryRun says what would be done, and writes nothing.
	DryRun bool
}

// Reset clears the retry counter, the error and the back-off of a record, under
// its lock. The base stays, except with Forget; a create that is not linked yet
// stays announced in any case.
func (d *Desk) Reset(ctx context.Context, q ResetRequest) result.Record {
	return d.engine.Operate(ctx, sync.Request{Mapping: q.Mapping, ID: q.ID}, q.DryRun, func(ctx context.Context, r *sync.Record) error {
		return reset(ctx, r, q)
	})
}

func reset(ctx context.Context, r *sync.Record, q ResetRequest) error {
	if err := r.ReadStatus(ctx); err != nil {
		return err
	}
	if err := endOpen(ctx, r, q); err != nil {
		return err
	}
	if r.Espo == nil {
		return resetGone(ctx, r, q)
	}
	mem := r.Memory
	if r.Espo.Status == record.StatusConflict && !q.Forget {
		sayConflict(r)
		return nil
	}
	p, next := rearm(r, q.Forget)
	next.Open = keptOpen(r, q.Forget)
	r.Say(resetCode(q.Forget), resetWords(r, p, q.Forget))
	forgets := mem.Failure != nil || q.Forget && (mem.Base != nil || mem.Parked != nil || next.Open != mem.Open)
	if len(p) == 0 && !forgets {
		r.Result.Outcome = result.Unchanged
		r.Say("nothing_to_reset", "There is nothing to reset: status "+orNone(r.Espo.Status)+", no failed attempt.")
		return nil
	}
	outcome := result.UpdatedEspocrm
	if len(p) == 0 {
		outcome = result.Adopted
	}
	if q.DryRun {
		r.Result.Outcome, r.Result.Planned = result.Planned, outcome
		return nil
	}
	r.Result.Outcome = outcome
	return putReset(ctx, r, p, next)
}

// sayConflict: a reset decides nothing.
func sayConflict(r *sync.Record) {
	r.Result.Outcome = result.Unchanged
	how := r.Hint("resolve")
	if p := r.Memory.Parked; p != nil && p.Doubtful {
		how = r.Hint("link") + " --confirm"
	}
	r.Say("conflict_waits", "A conflict waits for a decision, reset does not decide it: "+how)
}

// putReset tells EspoCRM first: a crash before the memory follows leaves a
// record that the next sync treats with what is remembered, never one without
// base that looks as if it had been synced.
func putReset(ctx context.Context, r *sync.Record, p record.Patch, next store.Memory) error {
	if len(p) > 0 {
		o, err := r.Put(ctx, p, nil)
		if err != nil {
			return err
		}
		r.Result.Status, r.Result.RetryCount = r.Espo.Status, 0
		if s, ok := o.Text(record.FieldStatus); ok {
			r.Result.Status = s
		}
	}
	return r.Remember(ctx, next)
}

// rearm is what changes in EspoCRM, and the memory that goes with it.
func rearm(r *sync.Record, forget bool) (record.Patch, store.Memory) {
	p, espo := record.Patch{}, r.Espo
	if s := rearmed(espo, forget); s != espo.Status {
		p.Put(record.FieldStatus, s)
	}
	if espo.Retries != 0 {
		p.Put(record.FieldRetryCount, 0)
	}
	if espo.Message != "" {
		p.Put(record.FieldErrorMessage, nil)
	}
	next := r.Memory
	// The breaker starts anew too: what kept moving has been dealt with.
	next.Failure, next.Writes = nil, nil
	if forget {
		next.Link = keptLink(r)
		next.Base, next.Parked, next.Pending, next.WaitsSince = nil, nil, "", time.Time{}
		if espo.LastSync != "" {
			p.Put(record.FieldLastSync, nil)
		}
		if espo.RowID != "" { // alone it is the mark of an import
			p.Put(record.FieldRowID, nil)
		}
	}
	return p, next
}

// keptLink: a reset forgets contents, not that the link was proven. It says
// nothing of one that waits to be confirmed.
func keptLink(r *sync.Record) *store.Link {
	id, parked := r.Espo.AdvowareID, r.Memory.Parked
	if id == 0 || parked != nil && parked.Doubtful || !r.Proven() {
		return nil
	}
	return &store.Link{AdvowareID: id}
}

// rearmed is the status after a reset. A record without a link is never clean:
// no pass would create it any more.
func rearmed(espo *sides.Espo, forget bool) string {
	switch s := espo.Status; {
	case forget && espo.AdvowareID != 0:
		return record.StatusClean
	case s == record.StatusFailed, s == record.StatusPermanentlyFailed, s == record.StatusSyncing,
		forget && s == record.StatusConflict, forget && s == record.StatusClean:
		return record.StatusDirty
	default:
		return s
	}
}

// endOpen lets the last write of an interrupted run land before its memory
// is dropped, and closes that run's history.
func endOpen(ctx context.Context, r *sync.Record, q ResetRequest) error {
	if r.Memory.Open == nil || !q.Forget || q.DryRun || keptOpen(r, true) != nil {
		return nil
	}
	if _, err := r.AwaitOpen(ctx); err != nil && !fault.Is(err, fault.MappingFail) {
		return err
	}
	if keptOpen(r, true) != nil { // deleted meanwhile
		return nil
	}
	return r.EndOpen(ctx)
}

// keptOpen is the announcement that a reset leaves: any without Forget, else a
// create whose record is not linked yet. Forgetting that one would create it a
// second time.
func keptOpen(r *sync.Record, forget bool) *store.Announcement {
	in := r.Memory.Open
	if in == nil || !forget {
		return in
	}
	if espo := r.Espo; in.Makes && (espo == nil || espo.AdvowareID == 0 || espo.AdvowareID != in.AdvowareID) {
		return in
	}
	return nil
}

// resetGone is the reset of a record that EspoCRM does not have any more: only
// forgetting it makes sense.
func resetGone(ctx context.Context, r *sync.Record, q ResetRequest) error {
	next := r.Memory
	if !q.Forget || next.Rev == 0 {
		return r.UnknownRecord()
	}
	r.Result.Outcome = result.Adopted
	r.Say("forgotten", "It is gone from EspoCRM; what was remembered of it is dropped. Its history stays.")
	if q.DryRun {
		r.Result.Outcome, r.Result.Planned = result.Planned, result.Adopted
		return nil
	}
	if keptOpen(r, true) != nil {
		next.Base, next.Parked, next.Failure, next.Writes = nil, nil, nil, nil
		return r.Remember(ctx, next)
	}
	return r.Forget(ctx)
}

// ResetImport has a failed import tried again by the next pass. False: id is no number of
// an import that has failed.
func (d *Desk) ResetImport(ctx context.Context, m *mapping.Mapping, id string, dryRun bool) (result.Record, bool) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return result.Record{}, false
	}
	f, known, err := d.intake.FailedOne(ctx, m, number)
	if err == nil && !known {
		return result.Record{}, false
	}
	noLock := true // there is no record of EspoCRM
	return d.engine.Operate(ctx, sync.Request{Mapping: m}, noLock, func(ctx context.Context, r *sync.Record) error {
		r.Result.AdvowareID = &number
		if err != nil {
			return err
		}
		r.Result.Outcome = result.Adopted
		r.Say(resetCode(false), fmt.Sprintf("The next pass imports it anew; %d failed %s cleared; cause was %s.", f.Count, plural(f.Count, "attempt", "attempts"), f.Code))
		if dryRun {
			r.Result.Outcome, r.Result.Planned = result.Planned, result.Adopted
			return nil
		}
		return d.intake.Forget(ctx, m, number)
	}), true
}

func resetCode(forget bool) string {
	if forget {
		return "forgotten"
	}
	return "rearmed"
}

// resetWords say what becomes of the record.
func resetWords(r *sync.Record, p record.Patch, forget bool) string {
	var parts []string
	espo := r.Espo
	if _, ok := p[record.FieldStatus]; ok {
		parts = append(parts, fmt.Sprintf("%s becomes %s", orNone(espo.Status), rearmed(espo, forget)))
	} else {
		parts = append(parts, "stays "+orNone(espo.Status))
	}
	if n := espo.Retries; n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed %s cleared", n, plural(n, "attempt", "attempts")))
	}
	if f := r.Memory.Failure; f != nil && f.Code != "" {
		parts = append(parts, "cause was "+f.Code)
	}
	if forget {
		parts = append(parts, "lastSync and the remembered contents are forgotten, the next sync is an initial one")
	}
	if in := keptOpen(r, forget); in != nil && in.Makes {
		parts = append(parts, "an uncertain create stays announced")
	}
	return "Status " + strings.Join(parts, "; ") + "."
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func orNone(status string) string {
	if status == "" {
		return "(no status)"
	}
	return status
}
