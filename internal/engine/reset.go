package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
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
// stays announced in any case (R7).
func (e *Engine) Reset(ctx context.Context, r ResetRequest) result.Record {
	return e.repair(ctx, Request{Mapping: r.Mapping, ID: r.ID}, r.DryRun, func(ctx context.Context, w *work) error {
		return w.reset(ctx, r)
	})
}

func (w *work) reset(ctx context.Context, r ResetRequest) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readStanding(ctx); err != nil {
		return err
	}
	if err := w.settleOpen(ctx, r); err != nil {
		return err
	}
	if w.espo == nil {
		return w.resetGone(ctx, r)
	}
	if w.espo.status == StatusConflict && !r.Forget {
		w.res.Outcome = result.Unchanged
		how := w.hint("resolve")
		if w.mem.Parked != nil && w.mem.Parked.Doubtful {
			how = w.hint("link") + " --confirm"
		}
		w.say("conflict_waits", "A conflict waits for a decision, reset does not decide it: "+how)
		return nil
	}
	p, next := w.rearm(r.Forget)
	next.Open = w.keptOpen(r.Forget)
	w.say(resetCode(r.Forget), w.resetWords(p, r.Forget))
	switch forgets := w.mem.Failure != nil || r.Forget && (w.mem.Base != nil || w.mem.Parked != nil || next.Open != w.mem.Open); {
	case len(p) == 0 && !forgets:
		w.res.Outcome = result.Unchanged
		w.say("nothing_to_reset", "There is nothing to reset: status "+orNone(w.espo.status)+", no failed attempt.")
		return nil
	case len(p) == 0:
		w.res.Planned = result.Adopted
	default:
		w.res.Planned = result.UpdatedEspocrm
	}
	if r.DryRun {
		w.res.Outcome = result.Planned
		return nil
	}
	w.res.Outcome, w.res.Planned = w.res.Planned, ""
	return w.putReset(ctx, p, next)
}

// putReset tells EspoCRM first: a crash before the memory follows leaves a
// record that the next sync treats with what is remembered, never one without
// base that looks as if it had been synced.
func (w *work) putReset(ctx context.Context, p record.Patch, next store.Memory) error {
	w.closeEntry(w.res.Outcome)
	if len(p) > 0 {
		o, err := w.putEspo(ctx, p, nil)
		if err != nil {
			return err
		}
		if refused := notTaken(p, o); len(refused) > 0 {
			return w.notAccepted(fault.EspoCRM, refused)
		}
		w.res.Status, w.res.RetryCount = w.espo.status, 0
		if s, ok := o.Text(fieldStatus); ok {
			w.res.Status = s
		}
	}
	return w.commit(ctx, next)
}

// notTaken names the sync fields that an answer does not show as sent.
func notTaken(p record.Patch, o record.Object) []string {
	var out []string
	for _, name := range []string{fieldStatus, fieldErrorMessage, fieldRetryCount, fieldLastSync, fieldRowID, fieldAdvowareID} {
		raw, sent := p[name]
		if !sent {
			continue
		}
		if got, ok := o.Get(name); ok && !sameJSON(raw, got) {
			out = append(out, name)
		}
	}
	return out
}

// sameJSON compares two scalars by what they mean: EspoCRM escapes slashes, and
// answers an empty text for null.
func sameJSON(sent, got json.RawMessage) bool {
	var a, b any
	if json.Unmarshal(sent, &a) != nil || json.Unmarshal(got, &b) != nil {
		return false
	}
	return a == b || a == nil && b == ""
}

// rearm is what changes in EspoCRM, and the memory that goes with it.
func (w *work) rearm(forget bool) (record.Patch, store.Memory) {
	p := record.Patch{}
	if s := w.rearmed(forget); s != w.espo.status {
		p.Put(fieldStatus, s)
	}
	if w.espo.retries != 0 {
		p.Put(fieldRetryCount, 0)
	}
	if w.espo.message != "" {
		p.Put(fieldErrorMessage, nil)
	}
	next := w.mem
	// The breaker starts anew too: what kept moving has been dealt with.
	next.Failure, next.Writes = nil, nil
	if forget {
		next.Link = w.keptLink()
		next.Base, next.Parked, next.Pending, next.WaitsSince = nil, nil, "", time.Time{}
		if w.espo.lastSync != "" {
			p.Put(fieldLastSync, nil)
		}
		if w.espo.row != "" { // alone it is the mark of an import
			p.Put(fieldRowID, nil)
		}
	}
	return p, next
}

// keptLink: a reset forgets contents, not that the link was proven. It says
// nothing of one that waits to be confirmed.
func (w *work) keptLink() *store.Link {
	id := w.espo.advowareID
	doubtful := w.mem.Parked != nil && w.mem.Parked.Doubtful
	if id == 0 || doubtful || !w.based(id) && !w.linkMade(id) {
		return nil
	}
	return &store.Link{AdvowareID: id}
}

// rearmed is the status after a reset. A record without a link is never clean:
// no pass would create it any more.
func (w *work) rearmed(forget bool) string {
	switch s := w.espo.status; {
	case forget && w.espo.advowareID != 0:
		return StatusClean
	case s == StatusFailed, s == StatusPermanentlyFailed, s == StatusSyncing, forget && s == StatusConflict, forget && s == StatusClean:
		return StatusDirty
	default:
		return s
	}
}

// settleOpen lets the last write of an interrupted run land before its memory
// is dropped, and closes that run's history.
func (w *work) settleOpen(ctx context.Context, r ResetRequest) error {
	in := w.mem.Open
	if in == nil || !r.Forget || r.DryRun || w.keptOpen(true) != nil {
		return nil
	}
	if err := w.waitForDeadline(ctx, in); err != nil && !fault.Is(err, fault.MappingFail) {
		return err
	}
	if w.keptOpen(true) != nil { // deleted meanwhile
		return nil
	}
	w.owe(in)
	advo, espo := w.leftStates(in)
	w.closeRun(ctx, in, bySide(advo, espo))
	w.recovered = true
	return w.closeErr
}

// leftStates is what is known of an interrupted run's writes where nobody looks
// after them any more.
func (w *work) leftStates(in *store.Announcement) (advo, espo store.WriteState) {
	advo, espo = store.WriteUnknown, store.WriteNotDone
	if in.Side == record.EspoCRM {
		advo = store.WriteDone
	}
	if in.RowID != "" || w.espo == nil { // gone: nothing there tells what happened
		espo = store.WriteUnknown
	}
	return advo, espo
}

// keptOpen is the intent that a reset leaves: any without Forget, else a
// create whose record is not linked yet. Forgetting that one would create it a
// second time.
func (w *work) keptOpen(forget bool) *store.Announcement {
	in := w.mem.Open
	if in == nil || !forget {
		return in
	}
	if in.Makes && (w.espo == nil || w.espo.advowareID == 0 || w.espo.advowareID != in.AdvowareID) {
		return in
	}
	return nil
}

// resetGone is the reset of a record that EspoCRM does not have any more: only
// forgetting it makes sense.
func (w *work) resetGone(ctx context.Context, r ResetRequest) error {
	if !r.Forget || w.mem.Rev == 0 {
		return w.unknownRecord()
	}
	w.res.Outcome = result.Adopted
	w.say("forgotten", "It is gone from EspoCRM; what was remembered of it is dropped. Its history stays.")
	if r.DryRun {
		w.res.Outcome, w.res.Planned = result.Planned, result.Adopted
		return nil
	}
	w.closeEntry(result.Adopted)
	if in := w.keptOpen(true); in != nil {
		next := w.mem
		next.Base, next.Parked, next.Failure, next.Writes = nil, nil, nil, nil
		return w.commit(ctx, next)
	}
	return w.dropMemory(ctx)
}

func resetCode(forget bool) string {
	if forget {
		return "forgotten"
	}
	return "rearmed"
}

// resetWords say what becomes of the record.
func (w *work) resetWords(p record.Patch, forget bool) string {
	var parts []string
	if _, ok := p[fieldStatus]; ok {
		parts = append(parts, fmt.Sprintf("%s becomes %s", orNone(w.espo.status), w.rearmed(forget)))
	} else {
		parts = append(parts, "stays "+orNone(w.espo.status))
	}
	if n := w.espo.retries; n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed %s cleared", n, plural(n, "attempt", "attempts")))
	}
	if f := w.mem.Failure; f != nil && f.Code != "" {
		parts = append(parts, "cause was "+f.Code)
	}
	if forget {
		parts = append(parts, "lastSync and the remembered contents are forgotten, the next sync is an initial one")
	}
	if in := w.keptOpen(forget); in != nil && in.Makes {
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
