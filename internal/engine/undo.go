package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// UndoRequest asks to put back what one run overwrote in one record.
type UndoRequest struct {
	Mapping *mapping.Mapping
	ID      string
	Run     string // the run to undo
	// Force puts back also where the record has moved on since.
	Force  bool
	DryRun bool
}

// Undo puts the values that a run overwrote back on the side where they were
// overwritten, as a person's edit would, and syncs the record, so that both
// sides agree afterwards. It is a sync of its own: lock, version numbers,
// intents and history are those of any other, so it can be undone as well.
//
// How it meets the base: the field's base becomes the pair that both sides hold
// right before the put-back. Afterwards only the side that got its value back
// has moved, and the sync carries that value to the other one. The intent holds
// that planned base beside the base in force: a crash leaves either a put-back
// that arrived, which the next sync carries on, or nothing.
func (e *Engine) Undo(ctx context.Context, r UndoRequest) result.Record {
	return e.repair(ctx, Request{Mapping: r.Mapping, ID: r.ID}, r.DryRun, func(ctx context.Context, w *work) error {
		return w.undo(ctx, r)
	})
}

// undo is Undo under the lock.
func (w *work) undo(ctx context.Context, r UndoRequest) error {
	past, err := w.overwritten(ctx, r.Run)
	if err != nil {
		return err
	}
	if done, err := w.undoable(ctx, r, past); done || err != nil {
		return err
	}
	for w.attempt = 1; w.attempt <= maxRounds; w.attempt++ {
		again, err := w.undoOnce(ctx, r, past)
		if err == nil && again {
			err = w.readEspo(ctx)
		}
		if err == nil && w.espo == nil {
			err = w.unknownRecord()
		}
		if err != nil { // what EspoCRM has refused in an earlier round was not carried out
			w.refuse(err)
			w.closeAnnounced(ctx)
			return nil
		}
		if !again {
			return nil
		}
	}
	return w.undoKeepsMoving(r)
}

// undoable reads the record, and ends an undo that cannot be: nothing was
// overwritten, or the record is gone.
func (w *work) undoable(ctx context.Context, r UndoRequest, past *overwrites) (done bool, err error) {
	w.req.Pass = r.DryRun // which never waits
	if err := w.load(ctx); err != nil {
		return true, err
	}
	if err := w.readEspo(ctx); err != nil {
		return true, err
	}
	if !past.found {
		return true, &fault.Error{System: fault.Store, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "undo " + w.what(),
			Message: "the history knows nothing that run " + fault.Clean(r.Run, 60) + " did to this record", Hint: w.hint("history")}
	}
	if w.espo != nil && w.mem.Intent != nil {
		if doubt, err := w.vet(ctx); err != nil {
			return true, err
		} else if doubt != "" {
			w.skipDoubtful(doubt)
			return true, nil
		}
		if err := w.recover(ctx); err != nil {
			return true, err
		}
	}
	switch {
	case w.espo == nil:
		w.skip("gone", "It is not in EspoCRM any more; what was overwritten is shown by: "+w.hint("history")+" --values")
	case w.advowareID() == 0:
		w.skip("not_linked", "It is not linked to Advoware; there is nothing to put back in step.")
	case w.linkID != 0: // only the intent of the create knows that record, and the undo's would replace it (R7)
		w.skip("not_linked", fmt.Sprintf("An interrupted run made Advoware %d for it, and it is not linked yet. That comes first: %s", w.linkID, w.hint("sync")))
	default:
		return w.relinkedSince(ctx, past)
	}
	return true, nil
}

// relinkedSince ends an undo, forced or not, of what a run overwrote in an Advoware
// record that this one is not linked to any more: put back, another client's values
// would go into the record that it is linked to now. One that is gone was created
// anew, and stands for it.
func (w *work) relinkedSince(ctx context.Context, past *overwrites) (done bool, err error) {
	for _, id := range past.advoIDs {
		if id == w.advowareID() {
			continue
		}
		if _, err := w.getAdvo(ctx, id); fault.Is(err, fault.NotFound) {
			continue
		} else if err != nil {
			return true, err
		}
		w.skip("relinked", fmt.Sprintf("The run wrote to Advoware %d, and the record is linked to Advoware %d now. Nothing was put back; correct the one that is wrong by hand, the old values are shown by: %s --values", id, w.advowareID(), w.hint("history")))
		return true, nil
	}
	return false, nil
}

func (w *work) skip(code, text string) {
	w.res.Outcome = result.Skipped
	w.say(code, text)
}

// undoOnce compares, puts back and syncs. again: somebody edited meanwhile.
func (w *work) undoOnce(ctx context.Context, r UndoRequest, past *overwrites) (again bool, err error) {
	if err := w.readToDecide(ctx); err != nil {
		return false, err
	}
	if w.advo == nil {
		w.skip("gone", "It is not in Advoware any more; what was overwritten is shown by: "+w.hint("history")+" --values")
		return false, nil
	}
	if doubt, err := w.doubtful(ctx); err != nil {
		return false, err
	} else if doubt != "" {
		w.skipDoubtful(doubt)
		return false, nil
	}
	backs := w.compareBacks(past, r.Force)
	w.res.Fields = nil
	for _, b := range backs {
		w.res.Fields = append(w.res.Fields, b.shown())
	}
	if stop := w.judgeBacks(backs, past, r); stop {
		return false, nil
	}
	if stop, err := w.incomplete(backs); stop || err != nil {
		return false, err
	}
	if r.DryRun {
		w.res.Outcome, w.res.Planned = result.Planned, undoOutcome(backs)
		return false, nil
	}
	return w.putBack(ctx, r, backs)
}

// incomplete ends an undo, forced or not, that would leave a record without any
// value of its kind, such as a person without a name: where the kind changes,
// another run has cleared those, so they do not come back with this one; where it
// stays, they were empty under another kind. The sync would empty the other side.
func (w *work) incomplete(backs []back) (stop bool, err error) {
	values := map[record.Side]map[string]record.Value{record.EspoCRM: {}, record.Advoware: {}}
	for _, b := range backs {
		if b.ready() {
			values[b.side][b.field.Key] = b.before
		}
	}
	p, err := w.patch(values[record.EspoCRM])
	if err != nil {
		return false, err
	}
	espo := w.espo.obj
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if espo, err = espo.Set(name, p[name]); err != nil {
			return false, err
		}
	}
	advo, err := w.overlay(w.advo.obj, values[record.Advoware])
	if err != nil {
		return false, err
	}
	espoView, err := w.m.ReadEspo(espo)
	if err != nil {
		return false, err
	}
	advoView, err := w.m.ReadAdvo(advo)
	if err != nil {
		return false, err
	}
	for _, v := range []struct {
		side record.Side
		view mapping.View
	}{{record.EspoCRM, espoView}, {record.Advoware, advoView}} {
		now := w.sideView(v.side)
		if w.ownValues(&v.view) || v.view.Kind == now.Kind && !w.ownValues(now) {
			continue
		}
		w.skip("incomplete", fmt.Sprintf("It would leave a record of kind %q with none of that kind's values. Nothing was put back; edit the record instead, the old values are shown by: %s --values", v.view.Kind, w.hint("history")))
		return true, nil
	}
	return false, nil
}

// ownValues reports whether a record holds a value of a field that only its kind
// has.
func (w *work) ownValues(v *mapping.View) bool {
	return slices.ContainsFunc(w.m.Fields(v.Kind), func(f mapping.Field) bool {
		return f.Kind != "" && !f.Clear && !f.Computed && v.Values[f.Key].HasText()
	})
}

// putBack writes the values and lets the sync go on from there.
func (w *work) putBack(ctx context.Context, r UndoRequest, backs []back) (again bool, err error) {
	if err := w.keepInStep(ctx, backs); err != nil {
		return false, err
	}
	w.history().Of = r.Run
	in := w.undoIntent(backs)
	for _, b := range backs {
		if b.ready() {
			w.entry.Writes = append(w.entry.Writes, store.Write{Espocrm: b.field.Espo, Advoware: b.field.Advo, Field: b.field.Key, Side: b.side,
				Before: b.now, After: b.before, State: store.WritePlanned, Attempt: w.attempt})
		}
	}
	if err := w.announce(ctx, in); err != nil {
		return false, err
	}
	if err := w.sendBacks(ctx, backs); err != nil {
		if fault.Is(err, fault.Modified) { // Advoware got nothing yet: EspoCRM is written first
			w.closeWrites(record.EspoCRM, store.WriteNotDone)
			w.closeWrites(record.Advoware, store.WriteNotDone)
			return true, w.stillOurs(ctx)
		}
		w.undoFailed(ctx, err)
		return false, nil
	}
	w.base, w.baseless, w.learned = usable(w.m, in.Planned), false, true
	for key, f := range in.Fields {
		if p, both := w.onBothSides(f, key); both {
			w.setBase(w.base, key, p)
		}
	}
	why := w.undoWords(backs, r.Run)
	if !r.Force {
		w.backs = backs
	}
	w.conclude(ctx, w.syncBacks(ctx, backs))
	if w.res.Error == nil && w.res.Outcome != result.Skipped && w.res.Outcome != result.ConflictWaits {
		w.say("undo", why)
	}
	return false, nil
}

func (w *work) undoWords(backs []back, run string) string {
	return fmt.Sprintf("Puts back what run %s overwrote: %s.", run, w.namesOf(backs, backReady))
}

// keepInStep compares once, so that fields that agree without a base get one: a
// record without base would be synced as a first contact, and the undo undone.
func (w *work) keepInStep(ctx context.Context, backs []back) error {
	d, err := w.decide(ctx)
	if err != nil {
		return err
	}
	if w.policy != reconcile.Manual {
		return nil
	}
	for _, c := range d.Changes {
		if c.Moved == "both" && !slices.ContainsFunc(backs, func(b back) bool { return b.ready() && b.field.Key == c.Field.Key }) {
			return &fault.Error{System: fault.Local, Code: fault.Conflict, Owner: fault.OwnerRecord, Op: "undo " + w.what(), Field: c.Field.Espo,
				Message: "a conflict waits in another field of this record", Hint: w.hint("resolve")}
		}
	}
	return nil
}

// undoIntent announces the put-back: the base in force while nothing of it is
// known to have arrived, and the planned one where it has.
func (w *work) undoIntent(backs []back) *store.Intent {
	in := w.intent(store.IntentUndo, reconcile.Decision{Kind: w.espo.view.Kind})
	in.Notes = nil
	in.Planned = clone(w.base)
	in.Planned.AdvowareID, in.Planned.Mapping = w.advowareID(), w.m.Fingerprint()
	if in.Planned.Kind.Espo.IsAbsent() && w.espo.view.Kind != "" && w.espo.view.Kind == w.advo.view.Kind {
		in.Planned.Kind = record.Pair{Espo: record.Of(w.espo.view.Kind), Advo: record.Of(w.advo.view.Kind)}
	}
	for _, b := range backs {
		if !b.ready() {
			continue
		}
		v := b.before
		fi := in.Fields[b.field.Key]
		fi.Espo, fi.Before, fi.Def = w.espo.view.Values[b.field.Key], w.advo.view.Values[b.field.Key], b.field.Def
		if b.side == record.Advoware {
			fi.Sent = &v
		} else {
			fi.ToEspo = &v
		}
		in.Fields[b.field.Key] = fi
		p := record.Pair{Espo: fi.Espo, Advo: fi.Before}
		if known, ok := in.Planned.Fields[b.field.Key]; (!ok || known.Pair != p) && !record.Agree(p.Espo, p.Advo) {
			p.Ahead = b.side // edited back to what stood there, it would look like one in step
		}
		w.setBase(in.Planned, b.field.Key, p)
	}
	return in
}

// sendBacks writes EspoCRM first: it can refuse a stale write, Advoware cannot.
func (w *work) sendBacks(ctx context.Context, backs []back) error {
	toEspo, toAdvo := map[string]record.Value{}, map[string]record.Value{}
	for _, b := range backs {
		switch {
		case !b.ready():
		case b.side == record.EspoCRM:
			toEspo[b.field.Key] = b.before
		default:
			toAdvo[b.field.Key] = b.before
		}
	}
	obj, err := w.overlay(w.advo.obj, toAdvo)
	if err != nil {
		return err
	}
	if len(toEspo) > 0 {
		if err := w.sendToEspo(ctx, toEspo); err != nil || len(toAdvo) == 0 {
			return err
		}
		if obj, err = w.lookAgain(ctx, toAdvo); err != nil {
			return err
		}
	}
	return w.sendToAdvo(ctx, toAdvo, obj)
}

// lookAgain keeps the window between the read of Advoware and the write to it
// small: EspoCRM was written in between.
func (w *work) lookAgain(ctx context.Context, values map[string]record.Value) (record.Object, error) {
	old := w.advo
	if err := w.readAdvo(ctx); err != nil {
		return record.Object{}, err
	}
	if w.advo == nil {
		return record.Object{}, &fault.Error{System: fault.Advoware, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "undo " + w.what(),
			Message: "the record has been deleted in Advoware meanwhile"}
	}
	for key := range values {
		if w.advo.view.Values[key] != old.view.Values[key] {
			return record.Object{}, &fault.Error{System: fault.Advoware, Code: fault.Conflict, Owner: fault.OwnerRecord, Op: "undo " + w.what(),
				Message: "somebody edited it in Advoware meanwhile", Hint: w.hint("check")}
		}
	}
	return w.overlay(w.advo.obj, values)
}

// sendToEspo puts values back in EspoCRM. The status dirty goes along: whatever
// comes, a pass finds the record.
func (w *work) sendToEspo(ctx context.Context, values map[string]record.Value) error {
	p, err := w.patch(values)
	if err != nil {
		return err
	}
	p.Put(fieldStatus, StatusDirty)
	began := w.e.Now()
	o, err := w.putEspo(ctx, p, w.espo.version)
	if err = w.told(err); err != nil {
		return err
	}
	if err := w.setEspo(ctx, o, began); err != nil {
		return err
	}
	var refused []string
	for key, v := range values {
		if !record.OwnForm(v, w.espo.view.Values[key]) {
			refused = append(refused, key)
		}
	}
	if len(refused) > 0 {
		return w.notAccepted(fault.EspoCRM, refused)
	}
	w.closeWrites(record.EspoCRM, store.WriteDone)
	w.wroteEspo = true
	return nil
}

func (w *work) sendToAdvo(ctx context.Context, values map[string]record.Value, obj record.Object) error {
	if err := w.lease.Check(); err != nil {
		return err
	}
	before := w.advo
	wctx, cancel := w.until(ctx, w.givesUp(w.mem.Intent))
	defer cancel()
	err := w.told(w.e.Advoware.Update(wctx, w.m.AdvoPath(), fmt.Sprint(w.advo.id), obj))
	if f := fault.As(err); f != nil && f.Doubt {
		err = w.told(w.afterDoubt(ctx, f))
	}
	if err != nil {
		return err
	}
	if err := w.readBack(ctx); err != nil {
		return err
	}
	var refused []string
	for key, v := range values {
		if r := w.advo.view.Values[key]; r == before.view.Values[key] && !record.OwnForm(v, r) {
			refused = append(refused, key)
		}
	}
	if len(refused) == len(values) {
		return w.notAccepted(fault.Advoware, refused)
	}
	w.closeWrites(record.Advoware, store.WriteDone)
	w.wroteAdvo = true
	return nil
}

// syncBacks is the sync that carries what was put back to the other side. Where
// both sides got values back, or somebody's edit is on its way too, each field
// goes its own way.
func (w *work) syncBacks(ctx context.Context, backs []back) error {
	w.req.Taken = map[string]record.Side{}
	if w.policy == reconcile.AdvowareWins {
		w.req.Taken["*"] = record.Advoware
	}
	for _, b := range backs {
		if b.ready() {
			w.req.Taken[b.field.Key] = b.side
		}
	}
	if i := slices.IndexFunc(backs, func(b back) bool { return b.ready() && w.ofKind(b) }); i >= 0 {
		w.req.Taken[reconcile.KindKey] = backs[i].side
	}
	for ; w.attempt <= maxRounds; w.attempt++ {
		done, err := w.round(ctx)
		if done || err != nil {
			return err
		}
	}
	return errKeepsMoving
}

// undoFailed ends an undo whose put-back was refused or not sent; a system's
// failure that does not say so leaves the intent, so that the next sync finds out
// what arrived.
func (w *work) undoFailed(ctx context.Context, err error) {
	w.refuse(err)
	if !fault.OwnedByRecord(err) && w.fate != fateNotDone {
		return
	}
	w.closeWrites(record.EspoCRM, store.WriteNotDone)
	w.closeWrites(record.Advoware, store.WriteNotDone)
	w.closeEntry(result.Failed)
	w.entry.Error, w.entry.ErrorCode = w.res.Error.Message, w.res.Error.Code
	next := w.mem
	next.Intent = nil
	w.keepBase(&next) // it knows what an interrupted run before has done
	if w.wroteEspo {  // part of it stands: the next sync carries that on
		in := w.mem.Intent
		next.Base = clone(in.Base)
		next.Base.AdvowareID, next.Base.Mapping, next.Base.Kind = in.Planned.AdvowareID, in.Planned.Mapping, in.Planned.Kind
		for key, f := range in.Fields {
			if p, ok := in.Planned.Fields[key]; ok && f.ToEspo != nil {
				next.Base.Fields[key] = inEspoOnly(p)
			}
		}
	}
	if cerr := w.commit(context.WithoutCancel(ctx), next); cerr != nil {
		w.warn("what was done could not be remembered; the next sync finds it out: %v", cerr)
	}
}

func (w *work) undoKeepsMoving(r UndoRequest) error {
	w.skip("keeps_changing", "Somebody kept editing the record; try again: "+w.hint("undo")+" --run "+r.Run)
	if w.mem.Intent == nil || w.lease == nil {
		return nil
	}
	w.closeEntry(result.Skipped)
	next := w.mem
	next.Intent = nil
	w.keepBase(&next)
	return w.commit(context.Background(), next)
}

// recoverUndo finds out what of an interrupted put-back arrived. What did is an
// edit that the sync carries to the other side; what did not is as before.
func (w *work) recoverUndo(ctx context.Context, in *store.Intent) error {
	if w.advowareID() != 0 {
		if err := w.readAdvo(ctx); err != nil {
			return err
		}
	}
	w.base = clone(usable(w.m, in.Base))
	if in.Base == nil {
		w.base = nil
	}
	planned := usable(w.m, in.Planned)
	advo, espo := store.WriteNotDone, store.WriteNotDone
	arrived, later := map[string]bool{}, map[record.Side][]string{}
	for key, f := range in.Fields {
		if f.Sent != nil && w.advo != nil && w.advo.row != in.RowBefore {
			switch v := w.advo.view.Values[key]; {
			case isForm(*f.Sent, f.Before, v):
				advo, arrived[key] = store.WriteDone, true
			case v != f.Before:
				later[record.Advoware] = append(later[record.Advoware], key)
			}
		}
		if f.ToEspo != nil {
			switch v := w.espo.view.Values[key]; {
			case isForm(*f.ToEspo, f.Espo, v):
				espo, arrived[key] = store.WriteDone, true
			case v != f.Espo:
				later[record.EspoCRM] = append(later[record.EspoCRM], key)
			}
		}
	}
	if len(later[record.EspoCRM]) > 0 && espo == store.WriteNotDone { // somebody wrote it since
		espo = store.WriteUnknown
	}
	// A PUT arrives as a whole: beside a field that did, one that shows neither value
	// was edited since.
	for side, state := range map[record.Side]store.WriteState{record.EspoCRM: espo, record.Advoware: advo} {
		for _, key := range later[side] {
			arrived[key] = arrived[key] || state == store.WriteDone
		}
	}
	for key, yes := range arrived {
		if p, ok := planned.Fields[key]; ok && yes {
			if w.base == nil {
				w.base = clone(nil)
				w.base.Kind = planned.Kind
			}
			if pair, both := w.onBothSides(in.Fields[key], key); both && advo == store.WriteDone {
				w.setBase(w.base, key, pair)
				continue
			}
			if in.Fields[key].ToEspo != nil && advo != store.WriteDone {
				p = inEspoOnly(p)
			}
			w.base.Fields[key] = p
		}
	}
	if advo == store.WriteNotDone && (w.advo == nil || w.advo.row != in.RowBefore) {
		advo = store.WriteUnknown
	}
	w.closeRun(ctx, in, advo, espo)
	w.recovered = true
	return nil
}

// onBothSides is what both sides held of a field once its old value had come back on
// both: an edit made since is that side's alone. both is false where the undo gave it
// to one of them, or one still shows what stood there before.
func (w *work) onBothSides(f store.IntentField, key string) (p record.Pair, both bool) {
	if f.Sent == nil || f.ToEspo == nil || w.advo == nil || w.espo.view.Values[key] == f.Espo || w.advo.view.Values[key] == f.Before {
		return p, false
	}
	p = record.Pair{Espo: *f.ToEspo, Advo: *f.Sent}
	if !record.Agree(p.Espo, p.Advo) {
		return p, false // the undone run had written it twice, under two kinds: a conflict
	}
	if v := w.advo.view.Values[key]; isForm(*f.Sent, f.Before, v) {
		p.Advo = v
	}
	return p, true
}

// inEspoOnly is the planned base of a field whose old value has come back in EspoCRM,
// also where it was to come back in Advoware, too: only EspoCRM is ahead of the pair.
func inEspoOnly(p store.FieldBase) store.FieldBase {
	if p.Ahead != "" {
		p.Ahead = record.EspoCRM
	}
	return p
}

// isForm reports whether a value is the one sent, or a system's own form of it.
// The value before proves nothing, even where it looks like a cut form.
func isForm(sent, before, read record.Value) bool {
	return read == sent || read != before && record.OwnForm(sent, read)
}

// undoOutcome foresees what a put-back ends in: the value travels to the other
// side, so both are written.
func undoOutcome(backs []back) result.Outcome {
	if slices.ContainsFunc(backs, back.ready) {
		return result.Merged
	}
	return result.Unchanged
}

// judgeBacks ends an undo that has nothing to do, or may not do it.
func (w *work) judgeBacks(backs []back, past *overwrites, r UndoRequest) (stop bool) {
	count := map[backState]int{}
	for _, b := range backs {
		count[b.state]++
	}
	if past.unknown {
		w.warn("nobody knows whether all writes of run %s happened: what is put back is judged by what stands there now", r.Run)
	}
	if past.created {
		w.warn("run %s created the record in Advoware; undo does not delete it", r.Run)
	}
	for _, b := range backs {
		if b.state == backOneWay {
			w.warn("%s belongs to the other side (direction in the mapping): the next sync would restore it, so it is not put back", fieldLabel(b.field.Espo, b.field.Advo))
		}
	}
	switch {
	case count[backMovedOn] > 0:
		w.skip("moved_on", fmt.Sprintf("The record has moved on since: %s. Nothing was put back; see advosync undo --run %s --id %s --dry-run, and --force.", w.namesOf(backs, backMovedOn), r.Run, w.key.ID))
		return true
	case count[backReady] > 0:
		w.say("undo", w.undoWords(backs, r.Run))
		return false
	case count[backRestored] > 0:
		w.res.Outcome = result.Unchanged
		w.say("restored", "The values from before the run stand there already.")
		return true
	default:
		w.skip("nothing_overwritten", "The run overwrote nothing in this record that could be put back.")
		return true
	}
}

func (w *work) namesOf(backs []back, s backState) string {
	var names []string
	for _, b := range backs {
		if n := fieldLabel(b.field.Espo, b.field.Advo); b.state == s && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}
