package sync

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// paused reports whether a write to Advoware was not sent because the system has
// asked for a pause. After it the read that it rests on is old: whoever saves the
// record meanwhile would be overwritten, so it is decided anew.
func (w *work) paused(err error) bool {
	f := fault.As(err)
	return f != nil && f.Code == fault.RateLimited && !f.Doubt && f.RetryAfter > 0 && w.did.attempt < maxRounds
}

// afterDoubt looks once whether a write whose answer was lost has arrived. In
// the run that met the doubt an unchanged rowId proves nothing: the write may
// still land, so the announcement stays and the system's fault is told.
func (w *work) afterDoubt(ctx context.Context, f *fault.Error) error {
	now, err := w.getAdvo(ctx, w.advo.ID)
	if err != nil || now.RowID == "" || now.RowID == w.advo.RowID {
		return f
	}
	all, some := true, false // an emptied field may be somebody's
	for key, a := range w.mem.Open.Fields {
		if key == reconcile.KindKey {
			continue
		}
		v := now.View.Values[key]
		all = all && (v == a.Target || v != a.Shown.Advo && w.ownForm(key, a.Target, v))
		some = some || a.Target.HasText() && v != a.Shown.Advo
	}
	if all && some {
		return nil // ours is there
	}
	w.planSeen(ctx, now)
	return f
}

// planSeen puts into the history what the read after a doubt shows of somebody's save.
func (w *work) planSeen(ctx context.Context, now *sides.Advo) {
	if !tell.PlanSeen(w.tells.entry, w.m, w.mem.Open.Fields, &w.advo.View, &now.View, w.did.attempt) {
		return
	}
	if err := w.commit(ctx, w.mem); err != nil {
		w.warn("somebody has saved the record in Advoware meanwhile, which could not be put into the history: %v", err)
	}
}

// taken holds an answer of EspoCRM against what was sent: the base after it, or the failure
// that names what was not taken. lost are sync fields that it does not show as sent.
func (w *work) taken(d reconcile.Decision, before *sides.Espo, planned *store.Base, shows map[string]record.Value, lost ...string) (*store.Base, error) {
	planned, refused := w.settle(planned, written{side: record.EspoCRM, espo: before, advo: w.advo, sent: d.ToEspo, now: shows, typed: d.Typed})
	if refused = append(refused, lost...); len(refused) > 0 {
		w.keepTaken(d, planned, refused)
		return nil, w.notAccepted(fault.EspoCRM, refused)
	}
	w.arrived(record.EspoCRM, d, shows)
	w.closeWrites(record.EspoCRM, store.WriteDone)
	return planned, nil
}

// settleFinal ends the sync: base, history and announcement in one transaction, then the
// notifications.
func (w *work) settleFinal(ctx context.Context, d reconcile.Decision, p record.Patch, planned *store.Base, o record.Object) error {
	after, err := sides.ReadEspo(w.m, o, w.e.Now())
	if err != nil {
		return err
	}
	base, err := w.taken(d, w.espo, planned, after.View.Values, w.unset(p, after)...)
	if err != nil {
		return err
	}
	w.base = base
	w.did.wroteEspo = w.did.wroteEspo || countReal(w.m, d.ToEspo) > 0
	w.res.RowID.After, w.res.RetryCount = after.RowID, 0
	next := w.inStep(w.base)
	next.Notes = append(slices.Clone(next.Notes), w.tells.owed...)
	w.closeEntry(w.outcome())
	w.res.Outcome, w.did.marked = w.outcome(), false
	if err := w.commit(ctx, next); err != nil {
		return err
	}
	w.sendNotes(ctx)
	return nil
}

// inStep is the memory of a record both sides of which mean the same.
func (w *work) inStep(base *store.Base) store.Memory {
	next := w.mem
	next.Base, next.Open, next.Parked, next.Failure, next.Pending = base, nil, nil, nil, ""
	next.CheckedAt, next.WaitsSince = w.e.Now(), time.Time{}
	return next
}

// settleSome takes the answer for the read that the next round decides on, and moves the
// base to it.
func (w *work) settleSome(ctx context.Context, d reconcile.Decision, planned *store.Base, o record.Object, began time.Time) error {
	before := w.espo
	if err := w.setEspo(ctx, o, began); err != nil {
		return err
	}
	w.req.Fresh, w.req.FreshAt, w.did.ownAnswer = &o, began, true
	w.did.wroteEspo = true
	w.wishesTyped(d)
	base, err := w.taken(d, before, planned, w.espo.View.Values)
	if err != nil {
		return w.beside(d, err)
	}
	w.base, w.knows.baseless = base, false
	next := w.mem
	next.Base, next.Open, next.WaitsSince = base, nil, w.waitsSince()
	next.Notes, w.tells.owed = append(slices.Clone(next.Notes), w.tells.owed...), nil
	return w.commit(ctx, next)
}

// beside goes on without what EspoCRM has not taken of a PUT beside which a clash waits, or
// a field is stuck: that one must not hold up the question to a person.
func (w *work) beside(d reconcile.Decision, err error) error {
	f := fault.As(err)
	if d.Typed || !w.by.stuck.Stick(w.sidesShown(), err, d.ToEspo) {
		return err
	}
	tell.CloseRefused(w.tells.entry, f)
	if !w.tookSome(f) {
		w.tells.owed = nil // it has overruled nobody
	}
	return nil
}

// wishesTyped takes note of what EspoCRM has made of an operator's values: his words hold
// while it shows that.
func (w *work) wishesTyped(d reconcile.Decision) {
	for key := range d.ToEspo {
		if wish, ok := w.by.wishes[key]; ok && d.Typed {
			wish.Typed, wish.Shown.Espo = true, w.espo.View.Values[key]
			w.by.wishes[key] = wish
		}
	}
}

// keepTaken moves the working base to what EspoCRM has taken of a PUT that it did not
// take whole.
func (w *work) keepTaken(d reconcile.Decision, planned *store.Base, refused []string) {
	if w.base == nil || w.knows.baseless {
		return
	}
	w.base = sides.Clone(w.base)
	for key := range d.ToEspo {
		if fb, ok := planned.Fields[key]; ok && !slices.Contains(refused, key) {
			w.base.Fields[key] = fb
		}
	}
}

// unset names the sync fields that the answer does not show as sent: EspoCRM
// drops what it does not know or allow with a 200.
func (w *work) unset(p record.Patch, after *sides.Espo) []string {
	var out []string
	if _, ok := p[record.FieldAdvowareID]; ok && after.AdvowareID != w.did.linkID {
		out = append(out, record.FieldAdvowareID)
	}
	if raw, ok := p[record.FieldRowID]; ok && string(raw) != "null" && strconv.Quote(after.RowID) != string(raw) {
		out = append(out, record.FieldRowID)
	}
	if after.Status != record.StatusClean {
		out = append(out, record.FieldStatus)
	}
	return out
}

// notTaken names the sync fields that an answer does not show as sent.
func notTaken(p record.Patch, o record.Object) []string {
	var out []string
	for _, name := range []string{record.FieldStatus, record.FieldErrorMessage, record.FieldRetryCount, record.FieldLastSync, record.FieldRowID, record.FieldAdvowareID} {
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

// outcome says what was written so far.
func (w *work) outcome() result.Outcome {
	switch {
	case w.did.created:
		return result.CreatedAdvoware
	case w.did.wroteAdvo && w.did.wroteEspo:
		return result.Merged
	case w.did.wroteAdvo:
		return result.UpdatedAdvoware
	case w.did.wroteEspo:
		return result.UpdatedEspocrm
	default:
		return result.Adopted
	}
}

// countReal counts the values that somebody typed; computed fields and clears
// only follow.
func countReal(m *mapping.Mapping, values map[string]record.Value) int {
	n := 0
	for key := range values {
		if f, ok := m.Field(key); ok && !f.Computed && !f.Clear {
			n++
		}
	}
	return n
}

// notAccepted is a value that a system answered with a success and did not take.
func (w *work) notAccepted(sys fault.System, keys []string) error {
	var names []string
	for _, key := range keys {
		name := key
		if f, ok := w.m.Field(key); ok {
			if name = f.Espo; sys == fault.Advoware {
				name = f.Advo
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	field := strings.Join(names, ", ")
	return &fault.Error{System: sys, Code: fault.NotAccepted, Owner: fault.OwnerRecord, Op: "write " + w.what(), Field: field,
		Message: "answered with a success, but did not take the value of " + field,
		Hint:    "check that the field exists there, is not read-only, and that the API user may edit it: advosync doctor"}
}

func (w *work) notAcceptedField(name string) error {
	return w.notAccepted(fault.EspoCRM, []string{name})
}
