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

// Undo asks for the values that a run overwrote, as an operator's wishes
// (docs/design/protocol.md, "A wish"): they are typed into EspoCRM, and a sync carries
// them to Advoware, so that both sides agree afterwards. It is a sync like any other:
// it can be undone as well, and a crash leaves what an edit in EspoCRM leaves.
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
	if w.espo != nil && w.mem.Open != nil {
		if doubt, err := w.vet(ctx); err != nil {
			return true, err
		} else if doubt != "" {
			w.skipDoubtful(doubt)
			return true, nil
		}
		if err := w.recover(ctx); err != nil {
			return true, err
		}
		w.learned = true
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
	if w.wishes, err = w.wishesOf(backs); err != nil {
		return false, err
	}
	if stop, err := w.incomplete(); stop || err != nil {
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
func (w *work) incomplete() (stop bool, err error) {
	values := map[string]record.Value{}
	for key, wish := range w.wishes {
		if key != reconcile.KindKey {
			values[key] = wish.Target
		}
	}
	v, err := w.patched(values)
	if err != nil {
		return false, err
	}
	if now := &w.espo.view; w.ownValues(&v) || v.Kind == now.Kind && !w.ownValues(now) {
		return false, nil
	}
	w.skip("incomplete", fmt.Sprintf("It would leave a record of kind %q with none of that kind's values. Nothing was put back; edit the record instead, the old values are shown by: %s --values", v.Kind, w.hint("history")))
	return true, nil
}

// ownValues reports whether a record holds a value of a field that only its kind
// has.
func (w *work) ownValues(v *mapping.View) bool {
	return slices.ContainsFunc(w.m.Fields(v.Kind), func(f mapping.Field) bool {
		return f.Kind != "" && !f.Clear && !f.Computed && v.Values[f.Key].HasText()
	})
}

// wishesOf are an operator's wishes for the values to be put back: what EspoCRM held,
// and what Advoware held, as a record of the kind that it was. Where that was another
// kind, the fields of the present kind are wished empty.
func (w *work) wishesOf(backs []back) (map[string]reconcile.Wish, error) {
	espo, advo, err := w.restored(backs)
	if err != nil {
		return nil, err
	}
	now := w.espo.view
	kind := now.Kind
	switch {
	case espo.Kind != kind:
		kind = espo.Kind
	case advo.Kind != w.advo.view.Kind:
		kind = advo.Kind
	}
	out := map[string]reconcile.Wish{}
	if kind != now.Kind { // or a policy could win the kind, and the fields of another one stay
		out[reconcile.KindKey] = reconcile.Wish{Field: mapping.Field{Key: reconcile.KindKey}, Target: record.Of(kind),
			Shown: record.Pair{Espo: record.Of(now.Kind), Advo: record.Of(w.advo.view.Kind)}}
	}
	wish := func(f mapping.Field, target record.Value) {
		if _, known := out[f.Key]; !known {
			out[f.Key] = reconcile.Wish{Field: f, Target: target, Shown: record.Pair{Espo: now.Values[f.Key], Advo: w.advo.view.Values[f.Key]}}
		}
	}
	for _, b := range backs {
		if b.ready() && b.side == record.EspoCRM {
			wish(b.field, b.before)
		}
	}
	names := map[string]bool{}
	for _, f := range w.m.Fields(kind) {
		if f.Clear || f.Computed || f.Direction != mapping.Both {
			continue
		}
		names[f.Espo] = true
		if v := advo.Values[f.Key]; v != w.advo.view.Values[f.Key] {
			wish(f, v)
		}
	}
	for _, f := range w.m.Fields(now.Kind) {
		if kind != now.Kind && f.Own() && f.Direction == mapping.Both && !names[f.Espo] && now.Values[f.Key].HasText() {
			wish(f, record.Empty())
		}
	}
	return out, nil
}

// restored is how both sides read with the values put back where they were
// overwritten.
func (w *work) restored(backs []back) (espo, advo mapping.View, err error) {
	values := map[record.Side]map[string]record.Value{record.EspoCRM: {}, record.Advoware: {}}
	for _, b := range backs {
		if b.ready() {
			values[b.side][b.field.Key] = b.before
		}
	}
	if espo, err = w.patched(values[record.EspoCRM]); err != nil {
		return espo, advo, err
	}
	obj, err := w.overlay(w.advo.obj, values[record.Advoware])
	if err != nil {
		return espo, advo, err
	}
	advo, err = w.m.ReadAdvo(obj)
	return espo, advo, err
}

// patched is how EspoCRM's record reads with these values.
func (w *work) patched(values map[string]record.Value) (v mapping.View, err error) {
	p, err := w.patch(values)
	if err != nil {
		return v, err
	}
	obj := w.espo.obj
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if obj, err = obj.Set(name, p[name]); err != nil {
			return v, err
		}
	}
	return w.m.ReadEspo(obj)
}

// putBack types the values into EspoCRM and lets the sync go on from there. again:
// somebody edited the record meanwhile.
func (w *work) putBack(ctx context.Context, r UndoRequest, backs []back) (again bool, err error) {
	w.history().Of = r.Run
	d, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if d.Typed {
		if err := w.putSome(ctx, d); err != nil {
			w.undoFailed(ctx, err)
			return false, nil
		}
		if !w.wroteEspo {
			return true, nil
		}
		w.attempt++
	}
	w.conclude(ctx, w.rounds(ctx))
	if w.res.Error == nil && w.res.Outcome != result.Skipped && w.res.Outcome != result.ConflictWaits {
		w.say("undo", w.undoWords(backs, r.Run))
	}
	return false, nil
}

func (w *work) undoWords(backs []back, run string) string {
	return fmt.Sprintf("Puts back what run %s overwrote: %s.", run, w.namesOf(backs, backReady))
}

// undoFailed ends an undo whose put-back was refused, not taken or not sent. Where
// nobody knows, the next sync finds out what arrived.
func (w *work) undoFailed(ctx context.Context, err error) {
	w.refuse(err)
	if fault.Is(err, fault.NotAccepted) { // answered, and some values were not taken
		w.closeRefused(fault.As(err))
		w.fate = fateNotDone
	}
	w.closeAnnounced(ctx)
}

func (w *work) undoKeepsMoving(r UndoRequest) error {
	w.skip("keeps_changing", "Somebody kept editing the record; try again: "+w.hint("undo")+" --run "+r.Run)
	if w.mem.Open == nil || w.lease == nil {
		return nil
	}
	w.closeEntry(result.Skipped)
	next := w.mem
	next.Open = nil
	w.keepBase(&next)
	return w.commit(context.Background(), next)
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
