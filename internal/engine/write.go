package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// statusPatch is a PUT that changes nothing but the status.
func statusPatch(status string) record.Patch {
	p := record.Patch{}
	p.Put(fieldStatus, status)
	return p
}

// cleanPatch is what a success writes into the sync fields. lastSync is the
// server's time of the read that was decided on, never our clock (B6): what is
// saved after that read has no older stamp.
func (w *work) cleanPatch() record.Patch {
	p := statusPatch(StatusClean)
	p.Put(fieldLastSync, max(w.espo.modifiedAt, w.espo.asOf))
	p.Put(fieldErrorMessage, nil)
	p.Put(fieldRetryCount, 0)
	return p
}

// putEspo is a partial update of EspoCRM, bounded by the lease.
func (w *work) putEspo(ctx context.Context, p record.Patch, version *int64) (record.Object, error) {
	return w.putEspoUntil(ctx, p, version, w.lease.Until())
}

// putEspoUntil gives up at the end, which an announced write's deadline rests on.
func (w *work) putEspoUntil(ctx context.Context, p record.Patch, version *int64, end time.Time) (record.Object, error) {
	if err := w.lease.Check(); err != nil {
		return record.Object{}, err
	}
	ctx, cancel := w.until(ctx, end)
	defer cancel()
	return w.e.EspoCRM.Update(ctx, w.m.EspoType(), w.key.ID, p, version)
}

// deadline is when a write that starts now can no longer land: recovery relies on
// it.
func (w *work) deadline() time.Time {
	d := w.e.Now().Add(w.e.cfg.WriteTimeout)
	if until := w.lease.Until(); until.Before(d) {
		d = until
	}
	return d.Add(w.e.cfg.LateWrite)
}

// givesUp is when this run gives an announced write up.
func (w *work) givesUp(in *store.Announcement) time.Time { return in.Deadline.Add(-w.e.cfg.LateWrite) }

// until bounds ctx by a moment of our wall clock, which need not be the one that
// timers run on.
func (w *work) until(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, t.Sub(w.e.Now()))
}

// overlay puts values on an Advoware object, everything unmapped untouched.
func (w *work) overlay(o record.Object, values map[string]record.Value) (record.Object, error) {
	plain := map[string]record.Value{}
	var clears []string
	for key, v := range values {
		if f, ok := w.m.Field(key); ok && f.Clear {
			clears = append(clears, f.Advo)
			continue
		}
		plain[key] = v
	}
	slices.Sort(clears)
	return w.m.Overlay(o, plain, clears)
}

// patch is the wire form of values for EspoCRM.
func (w *work) patch(values map[string]record.Value) (record.Patch, error) {
	plain := map[string]record.Value{}
	cleared := record.Patch{}
	for key, v := range values {
		if f, ok := w.m.Field(key); ok && f.Clear {
			cleared.Put(f.Espo, nil)
			continue
		}
		plain[key] = v
	}
	p, err := w.m.EspoPatch(w.espo.obj, plain)
	for name, raw := range cleared {
		p[name] = raw
	}
	return p, err
}

// putAdvo announces the write, then sends the whole object.
func (w *work) putAdvo(ctx context.Context, d reconcile.Decision) error {
	obj, err := w.overlay(w.advo.obj, d.ToAdvo)
	if err != nil {
		return err
	}
	if err := w.pingPong(record.Advoware, d.Kind, d.ToAdvo); err != nil {
		return err
	}
	in := w.announcement(record.Advoware, d)
	if err := w.announce(ctx, in, d); err != nil {
		return err
	}
	if err := w.lease.Check(); err != nil {
		return err
	}
	wctx, cancel := w.until(ctx, w.givesUp(in))
	defer cancel()
	err = w.told(w.e.Advoware.Update(wctx, w.m.UpdatePath(), strconv.FormatInt(w.advo.id, 10), w.m.Sent(obj)))
	if f := fault.As(err); f != nil && f.Doubt {
		return w.told(w.afterDoubt(ctx, f))
	}
	return err
}

// afterDoubt looks once whether a write whose answer was lost has arrived. In
// the run that met the doubt an unchanged rowId proves nothing: the write may
// still land, so the intent stays and the system's fault is told.
func (w *work) afterDoubt(ctx context.Context, f *fault.Error) error {
	now, err := w.getAdvo(ctx, w.advo.id)
	if err != nil || now.row == "" || now.row == w.advo.row {
		return f
	}
	all, some := true, false // an emptied field may be somebody's
	for key, a := range w.mem.Open.Fields {
		if key == reconcile.KindKey {
			continue
		}
		v := now.view.Values[key]
		all = all && (v == a.Target || v != a.Shown.Advo && w.ownForm(key, a.Target, v))
		some = some || a.Target.HasText() && v != a.Shown.Advo
	}
	if all && some {
		return nil // ours is there
	}
	w.planSeen(ctx, now)
	return f
}

// planSeen puts into the history what the read after a doubt shows of somebody's
// save: a PUT that lands all the same replaces it (B7), in fields that were not
// sent, too, because the whole object goes over.
func (w *work) planSeen(ctx context.Context, now *advoState) {
	planned := len(w.entry.Writes)
	for _, f := range w.m.Fields(now.view.Kind) {
		v, after := now.view.Values[f.Key], w.advo.view.Values[f.Key]
		if f.Clear || f.Computed || v.IsAbsent() || v == after {
			continue
		}
		if a, ok := w.mem.Open.Fields[f.Key]; ok {
			after = a.Target
		}
		w.entry.Writes = append(w.entry.Writes, store.Write{Espocrm: f.Espo, Advoware: f.Advo, Field: f.Key, Side: record.Advoware,
			Before: v, After: after, State: store.WritePlanned, Attempt: w.attempt})
	}
	if len(w.entry.Writes) == planned {
		return
	}
	if err := w.commit(ctx, w.mem); err != nil {
		w.warn("somebody has saved the record in Advoware meanwhile, which could not be put into the history: %v", err)
	}
}

// readBack learns the new rowId and what Advoware made of the values.
func (w *work) readBack(ctx context.Context) error {
	id := w.advowareID()
	s, err := w.getAdvo(ctx, id)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			return &fault.Error{System: fault.Advoware, Code: fault.Uncertain, Owner: fault.OwnerSystem, Transient: true, Op: "read back " + w.what(),
				Message: fmt.Sprintf("record %d was written, but is not there when read back", id), Hint: w.hint("check"), Err: err}
		}
		return err
	}
	w.advo = s
	w.res.RowID.After = s.row
	return nil
}

// announcement describes a write before it is sent, so that a later run can tell
// whether it happened.
func (w *work) announcement(side record.Side, d reconcile.Decision) *store.Announcement {
	in := &store.Announcement{Side: side, AdvowareID: w.advowareID(), PrevID: w.prevID, RowBefore: w.espo.row, Run: w.e.cfg.Run,
		At: w.e.Now(), Deadline: w.deadline(), Fields: map[string]store.Announced{}}
	values := d.ToAdvo
	if side == record.EspoCRM {
		values = d.ToEspo
	}
	for key, v := range values {
		if _, ok := w.m.Field(key); ok {
			in.Fields[key] = store.Announced{Shown: w.shown(key), Target: v}
		}
	}
	if kinds := w.kinds(); d.Kind != "" && kinds.On(side) != record.Of(d.Kind) && kinds.On(side.Other()) == record.Of(d.Kind) {
		in.Fields[reconcile.KindKey] = store.Announced{Shown: kinds, Target: record.Of(d.Kind)}
	}
	return in
}

// shown is what both sides hold of a field.
func (w *work) shown(key string) record.Pair {
	p := record.Pair{Espo: w.espo.view.Values[key]}
	if w.advo != nil {
		p.Advo = w.advo.view.Values[key]
	}
	return p
}

// kinds is what kind each side is of; absent halves where there are none.
func (w *work) kinds() (p record.Pair) {
	if k := w.espo.view.Kind; k != "" {
		p.Espo = record.Of(k)
	}
	if w.advo != nil && w.advo.view.Kind != "" {
		p.Advo = record.Of(w.advo.view.Kind)
	}
	return p
}

// announce stores, in one transaction, what is about to be written, the values that it
// replaces, and the base in force; what a dead run had announced is closed with it.
func (w *work) announce(ctx context.Context, in *store.Announcement, d reconcile.Decision) error {
	if !in.Makes {
		w.planWrites(in.Side, d)
	}
	in.HistoryID = w.history().ID
	next := w.mem
	next.Open, next.WaitsSince = in, w.waitsSince()
	if !in.Makes { // else the base is of the record that is gone, should it come back
		next.Base = w.inForce()
	}
	if w.wroteAdvo { // what they tell has happened, whatever becomes of the next write
		next.Notes = append(slices.Clone(next.Notes), w.owed...)
	} else {
		w.toldOf = nil // what an earlier round was to tell has not happened
	}
	w.owed = nil
	if w.clashesAnew(d) {
		w.owed = []store.Note{w.conflictNote(d)}
	}
	in.Notes = w.owed
	w.recovered, w.fate = true, fateUnknown
	return w.commit(ctx, next)
}

// clashesAnew reports whether an edit gives way of which this run has not told yet.
func (w *work) clashesAnew(d reconcile.Decision) (anew bool) {
	for _, c := range d.Changes {
		if c.Overruled() == "" || !d.Clash {
			continue
		}
		anew = anew || !slices.Contains(w.toldOf, c.Field.Key)
		w.toldOf = append(w.toldOf, c.Field.Key)
	}
	return anew
}

// inForce is the working base as the store keeps it beside an announcement: true
// whatever becomes of the write. A first contact stays one until it succeeds.
func (w *work) inForce() *store.Base {
	if w.base == nil || w.baseless {
		return nil
	}
	b := clone(w.base)
	b.Mapping, b.AdvowareID, b.StoredAt = w.m.Fingerprint(), w.advowareID(), w.e.Now()
	if w.wroteAdvo || w.created {
		b.RowID = "" // EspoCRM has not been told of the new one
	}
	return b
}

// commit writes memory and history in one transaction, and keeps in mind what
// stands in the store now.
func (w *work) commit(ctx context.Context, next store.Memory) error {
	if w.linkID != 0 && (next.Link == nil || next.Link.AdvowareID != w.linkID) {
		next.Link = &store.Link{AdvowareID: w.linkID}
	}
	c := store.Commit{Key: w.key, Lease: w.lease.Handle(), Memory: &next, History: w.closing}
	if w.entry != nil {
		c.History = append(slices.Clone(c.History), *w.entry)
	}
	rev, err := w.e.Store.Commit(ctx, c)
	if err != nil {
		return storeFault("remember "+w.what(), err)
	}
	next.Rev, next.Lost = rev, false
	w.mem, w.closing = next, nil
	return nil
}

// final is the one PUT to EspoCRM that ends a sync: mapped values, rowId, status and
// time together. A stale version number means that somebody edited meanwhile: not
// done, decide anew.
func (w *work) final(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	if again, err := w.staleRead(ctx, d); again || err != nil {
		return false, err
	}
	if d.Typed || d.Waits || len(w.stuck) > 0 {
		return false, w.putSome(ctx, d)
	}
	p, planned, err := w.planFinal(d)
	if err != nil {
		return false, err
	}
	if err := w.pingPong(record.EspoCRM, d.Kind, d.ToEspo); err != nil {
		return false, err
	}
	in := w.announcement(record.EspoCRM, d)
	in.RowID = planned.RowID
	if err := w.announce(ctx, in, d); err != nil {
		return false, err
	}
	o, err := w.putEspoUntil(ctx, p, w.espo.version, w.givesUp(in))
	switch w.told(err); {
	case fault.Is(err, fault.Modified):
		w.closeWrites(record.EspoCRM, store.WriteNotDone)
		return false, w.stillOurs(ctx)
	case w.refusedByName(err, d.ToEspo):
		w.closeWrites(record.EspoCRM, store.WriteNotDone)
		return false, nil
	case err != nil:
		return false, err
	}
	return true, w.settleFinal(ctx, d, p, planned, o)
}

// putSome is a PUT to EspoCRM that leaves the sides apart: an operator's values, which
// have still to go to Advoware, or what is decided while the rest waits. It tells
// neither a rowId nor clean, and its answer is the read that the next round decides on.
func (w *work) putSome(ctx context.Context, d reconcile.Decision) error {
	p, err := w.patch(d.ToEspo)
	if err != nil {
		return err
	}
	if d.Typed { // a pass finds the record, whatever comes
		p.Put(fieldStatus, StatusDirty)
	}
	planned := clone(w.base)
	planned.Mapping, planned.AdvowareID = w.m.Fingerprint(), w.advo.id
	in := w.announcement(record.EspoCRM, d)
	if err := w.announce(ctx, in, d); err != nil {
		return err
	}
	began, before := w.e.Now(), w.espo
	o, err := w.putEspoUntil(ctx, p, w.espo.version, w.givesUp(in))
	switch w.told(err); {
	case fault.Is(err, fault.Modified):
		w.closeWrites(record.EspoCRM, store.WriteNotDone)
		return w.stillOurs(ctx)
	case !d.Typed && w.refusedByName(err, d.ToEspo):
		w.closeWrites(record.EspoCRM, store.WriteNotDone)
		return nil
	case err != nil:
		return err
	}
	if err := w.setEspo(ctx, o, began); err != nil {
		return err
	}
	w.req.Fresh, w.req.FreshAt, w.ownAnswer = &o, began, true
	w.wroteEspo = true
	if refused := w.takeAnswer(d, before, planned); len(refused) > 0 {
		return w.notAccepted(fault.EspoCRM, refused)
	}
	w.arrived(record.EspoCRM, d.Kind, d.ToEspo, w.espo.view.Values)
	w.closeWrites(record.EspoCRM, store.WriteDone)
	w.base, w.baseless = planned, false
	next := w.mem
	next.Base, next.Open, next.WaitsSince = planned, nil, w.waitsSince()
	next.Notes, w.owed = append(slices.Clone(next.Notes), w.owed...), nil
	return w.commit(ctx, next)
}

// takeAnswer moves a base to what EspoCRM has made of the values that it got, and
// names those that it has not taken. What Advoware never held is EspoCRM's edit from
// then on.
func (w *work) takeAnswer(d reconcile.Decision, before *espoState, planned *store.Base) (refused []string) {
	for key, v := range d.ToEspo {
		r := w.espo.view.Values[key]
		own := w.ownForm(key, v, r)
		if !own && (r == before.view.Values[key] || r.IsAbsent()) {
			refused = append(refused, key)
			continue
		}
		if !own && !d.Typed {
			w.remember(key, v, r, surely)
		}
		p := record.Pair{Espo: r, Advo: w.advo.view.Values[key]}
		if wish, ok := w.wishes[key]; ok && d.Typed {
			wish.Typed, wish.Shown.Espo = true, r
			w.wishes[key] = wish
			p.Espo = record.Unknown()
		}
		if slices.ContainsFunc(w.m.Fields(w.espo.view.Kind), func(f mapping.Field) bool { return f.Key == key }) {
			w.setBase(planned, key, p)
			if !d.Typed {
				answered(planned, key)
			}
		}
	}
	return refused
}

// planFinal builds the final PUT and the base that will hold once it happened
// (B3, B5).
func (w *work) planFinal(d reconcile.Decision) (record.Patch, *store.Base, error) {
	p, err := w.patch(d.ToEspo)
	if err != nil {
		return nil, nil, err
	}
	planned := clone(w.base)
	for key, v := range d.ToEspo {
		w.setBase(planned, key, record.Pair{Espo: v, Advo: w.advo.view.Values[key]})
		answered(planned, key)
	}
	planned.Mapping, planned.AdvowareID = w.m.Fingerprint(), w.advo.id
	planned.LastSync, planned.StoredAt = w.espo.modifiedAt, w.e.Now()
	planned.Kind = w.kindAfter(d)
	for name, raw := range w.cleanPatch() {
		p[name] = raw
	}
	planned.RowID = ""
	if w.matches(planned, w.advo) {
		planned.RowID = w.advo.row
	}
	if planned.RowID != "" {
		p.Put(fieldRowID, planned.RowID)
	}
	return p, planned, nil
}

// kindAfter is both sides' kinds once ToEspo has been written.
func (w *work) kindAfter(d reconcile.Decision) record.Pair {
	if w.advo.view.Kind == "" {
		return record.Pair{}
	}
	espo := w.espo.view.Kind
	if len(d.ToEspo) > 0 {
		espo = d.Kind
	}
	return record.Pair{Espo: record.Of(espo), Advo: record.Of(w.advo.view.Kind)}
}

// settleFinal compares the answer with what was sent, and ends the sync: base,
// history and intent in one transaction, then the notifications.
func (w *work) settleFinal(ctx context.Context, d reconcile.Decision, p record.Patch, planned *store.Base, o record.Object) error {
	after, err := readState(w.m, o, w.e.Now())
	if err != nil {
		return err
	}
	planned, refused := w.settle(planned, written{side: record.EspoCRM, advo: w.advo, sent: d.ToEspo, now: after.view.Values})
	refused = append(refused, w.unset(p, after)...)
	if len(refused) > 0 {
		return w.notAccepted(fault.EspoCRM, refused)
	}
	w.arrived(record.EspoCRM, d.Kind, d.ToEspo, after.view.Values)
	w.wroteEspo = w.wroteEspo || countReal(w.m, d.ToEspo) > 0
	w.closeWrites(record.EspoCRM, store.WriteDone)
	w.base = planned
	w.res.RowID.After = after.row
	w.res.RetryCount = 0
	next := w.mem
	next.Base, next.Open, next.Parked, next.Failure, next.Pending = planned, nil, nil, nil, ""
	next.CheckedAt, next.WaitsSince = w.e.Now(), time.Time{}
	next.Notes = append(slices.Clone(next.Notes), w.owed...)
	w.closeEntry(w.outcome())
	w.res.Outcome = w.outcome()
	w.marked = false
	if err := w.commit(ctx, next); err != nil {
		return err
	}
	w.sendNotes(ctx)
	return nil
}

// unset names the sync fields that the answer does not show as sent: EspoCRM
// drops what it does not know or allow with a 200.
func (w *work) unset(p record.Patch, after *espoState) []string {
	var out []string
	if _, ok := p[fieldAdvowareID]; ok && after.advowareID != w.linkID {
		out = append(out, fieldAdvowareID)
	}
	if raw, ok := p[fieldRowID]; ok && string(raw) != "null" && strconv.Quote(after.row) != string(raw) {
		out = append(out, fieldRowID)
	}
	if after.status != StatusClean {
		out = append(out, fieldStatus)
	}
	return out
}

// outcome says what was written so far.
func (w *work) outcome() result.Outcome {
	switch {
	case w.created:
		return result.CreatedAdvoware
	case w.wroteAdvo && w.wroteEspo:
		return result.Merged
	case w.wroteAdvo:
		return result.UpdatedAdvoware
	case w.wroteEspo:
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

// staleRead guards a type without optimistic concurrency: mapped values resting
// on a read older than a second are sent only after another look.
func (w *work) staleRead(ctx context.Context, d reconcile.Decision) (again bool, err error) {
	if w.espo.version != nil || len(d.ToEspo) == 0 || w.e.Now().Sub(w.espo.readAt) <= time.Second {
		return false, nil
	}
	old := w.espo
	if err := w.readEspo(ctx); err != nil || w.espo == nil {
		return true, err
	}
	for key, v := range old.view.Values {
		if w.espo.view.Values[key] != v {
			return true, nil
		}
	}
	return false, nil
}

// linkedElsewhere: while we created or found a record for this one, somebody
// linked it to another.
func (w *work) linkedElsewhere() error {
	id := w.espo.advowareID
	if w.linkID == 0 || id == 0 || id == w.linkID || id == w.prevID {
		return nil
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(),
		Message: fmt.Sprintf("was linked to Advoware %d meanwhile; record %d was created for it too", id, w.linkID),
		Hint:    fmt.Sprintf("look at both in Advoware and remove the one that is wrong; then %s", w.hint("sync"))}
}

// stillOurs asks after a 409 whether memory and lock are as we left them (R8).
func (w *work) stillOurs(ctx context.Context) error {
	mem, err := w.e.Store.Load(ctx, w.key)
	if err != nil {
		return storeFault("load what is remembered of "+w.what(), err)
	}
	if err := w.lease.Check(); err != nil {
		return err
	}
	if mem.Rev == w.mem.Rev {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: fault.LeaseLost, Owner: fault.OwnerSystem, Transient: true, Op: "sync " + w.what(),
		Message: "another process has worked on the record meanwhile", Hint: w.hint("sync")}
}

// clash500 explains EspoCRM's empty 500 for an advowareId that another record
// carries already: that is this record's failure, not the server's.
func (w *work) clash500(ctx context.Context, err error) error {
	if w.linkID == 0 || !fault.Is(err, fault.ServerError) {
		return err
	}
	if cerr := w.carriedElsewhere(ctx, w.linkID, err); cerr != nil && fault.Is(cerr, fault.Duplicate) {
		w.fate = fateNotDone // the unique index has refused it
		return cerr
	}
	return err
}

// carriedElsewhere is the failure of a record that is about to be linked to what
// another EspoCRM record carries.
func (w *work) carriedElsewhere(ctx context.Context, id int64, cause error) error {
	ids, err := w.carriers(ctx, id)
	if err != nil || len(ids) == 0 {
		return err
	}
	return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(), Field: fieldAdvowareID,
		Message: fmt.Sprintf("advowareId %d belongs to %s %s already", id, w.key.Entity, strings.Join(ids, ", ")),
		Hint:    "remove the link from the record that is wrong, then " + w.hint("sync"), Err: cause}
}

// carriers are the other EspoCRM records that carry an Advoware id.
func (w *work) carriers(ctx context.Context, id int64) ([]string, error) {
	const most = 5
	all, known, err := w.req.Listed.carriers(id)
	if err != nil {
		return nil, err
	}
	if !known {
		found, err := w.e.EspoCRM.Find(ctx, w.m.EspoType(), record.Query{Select: []string{"id"}, Size: most, OrderBy: "id",
			Where: []record.Condition{{Field: fieldAdvowareID, Op: record.Equals, Value: strconv.FormatInt(id, 10)}}})
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			other, _ := o.Text("id")
			all = append(all, other)
		}
	}
	var ids []string
	for _, other := range all[:min(len(all), most)] {
		if other != w.key.ID {
			ids = append(ids, other)
		}
	}
	return ids, nil
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

func (w *work) hint(command string) string {
	return result.CommandOf(fmt.Sprintf("advosync %s --entity %s --id %s", command, w.key.Entity, w.key.ID), w.e.cfg.Office)
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
