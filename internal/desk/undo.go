package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sync"
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

// undo is one undo of one record.
type undo struct {
	d          *Desk
	r          *sync.Record
	m          *mapping.Mapping
	q          UndoRequest
	past       *overwrites
	espo, advo mapping.View // what both sides show
}

// Undo asks for the values that a run overwrote, as an operator's wishes
// (docs/design/protocol.md, "A wish"): they are typed into EspoCRM, and a sync carries
// them to Advoware, so that both sides agree afterwards. It is a sync like any other:
// it can be undone as well, and a crash leaves what an edit in EspoCRM leaves.
func (d *Desk) Undo(ctx context.Context, q UndoRequest) result.Record {
	req := sync.Request{Mapping: q.Mapping, ID: q.ID, Pass: q.DryRun} // a pass never waits
	return d.engine.Operate(ctx, req, q.DryRun, func(ctx context.Context, r *sync.Record) error {
		past, err := d.overwritten(ctx, q.Mapping, q.ID, q.Run)
		if err != nil {
			return err
		}
		u := &undo{d: d, r: r, m: q.Mapping, q: q, past: past}
		if done, err := u.impossible(ctx); done || err != nil {
			return err
		}
		var backs []back
		done, err := r.PutBack(ctx, q.Run, func(ctx context.Context) (wishes map[string]reconcile.Wish, err error) {
			backs, wishes, err = u.wishes(ctx)
			return wishes, err
		})
		if done && r.Result.Error == nil && r.Result.Outcome != result.Skipped && r.Result.Outcome != result.ConflictWaits {
			r.Say("undo", u.words(backs))
		}
		return err
	})
}

// impossible reads the record, and ends an undo that cannot be: nothing was
// overwritten, or the record is gone.
func (u *undo) impossible(ctx context.Context) (done bool, err error) {
	r := u.r
	if err := r.Read(ctx); err != nil {
		return true, err
	}
	if !u.past.found {
		return true, &fault.Error{System: fault.Store, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "undo " + r.What(),
			Message: "the history knows nothing that run " + fault.Clean(u.q.Run, 60) + " did to this record", Hint: r.Hint("history")}
	}
	if doubt, err := r.Recover(ctx); err != nil {
		return true, err
	} else if doubt != "" {
		r.SkipDoubtful(doubt)
		return true, nil
	}
	switch made := r.AdvowareID(); {
	case r.Espo == nil:
		r.Skip("gone", "It is not in EspoCRM any more; what was overwritten is shown by: "+r.Hint("history")+" --values")
	case made == 0:
		r.Skip("not_linked", "It is not linked to Advoware; there is nothing to put back in step.")
	case r.Did.LinkID != 0: // only the create's announcement knows that record, and the undo's would replace it
		r.Skip("not_linked", fmt.Sprintf("An interrupted run made Advoware %d for it, and it is not linked yet. That comes first: %s", made, r.Hint("sync")))
	default:
		return u.relinkedSince(ctx, made)
	}
	return true, nil
}

// relinkedSince ends an undo, forced or not, of what a run overwrote in an Advoware
// record that this one is not linked to any more: put back, another client's values
// would go into the record that it is linked to now. One that is gone was created
// anew, and stands for it.
func (u *undo) relinkedSince(ctx context.Context, now int64) (done bool, err error) {
	for _, id := range u.past.advoIDs {
		if id == now {
			continue
		}
		if there, err := u.r.InAdvoware(ctx, id); err != nil {
			return true, err
		} else if !there {
			continue
		}
		u.r.Skip("relinked", fmt.Sprintf("The run wrote to Advoware %d, and the record is linked to Advoware %d now. Nothing was put back; correct the one that is wrong by hand, the old values are shown by: %s --values", id, now, u.r.Hint("history")))
		return true, nil
	}
	return false, nil
}

// wishes compares what was overwritten with what both sides show, and gives an operator's
// wishes for what comes back; none, and it says why: nothing does.
func (u *undo) wishes(ctx context.Context) ([]back, map[string]reconcile.Wish, error) {
	r := u.r
	if r.Advo == nil {
		r.Skip("gone", "It is not in Advoware any more; what was overwritten is shown by: "+r.Hint("history")+" --values")
		return nil, nil, nil
	}
	if doubt, err := r.Doubtful(ctx); err != nil {
		return nil, nil, err
	} else if doubt != "" {
		r.SkipDoubtful(doubt)
		return nil, nil, nil
	}
	u.espo, u.advo = r.Espo.View, r.Advo.View
	backs := u.compareBacks()
	r.Result.Fields = nil
	for _, b := range backs {
		r.Result.Fields = append(r.Result.Fields, b.shown())
	}
	if stop := u.judge(backs); stop {
		return backs, nil, nil
	}
	wishes, err := u.wishesOf(backs)
	if err != nil {
		return nil, nil, err
	}
	if stop, err := u.incomplete(wishes); stop || err != nil {
		return backs, nil, err
	}
	if u.q.DryRun {
		r.Result.Outcome, r.Result.Planned = result.Planned, undoOutcome(backs)
		return backs, nil, nil
	}
	return backs, wishes, nil
}

// incomplete ends an undo, forced or not, that would leave a record without any
// value of its kind, such as a person without a name: where the kind changes,
// another run has cleared those, so they do not come back with this one; where it
// stays, they were empty under another kind. The sync would empty the other side.
func (u *undo) incomplete(wishes map[string]reconcile.Wish) (stop bool, err error) {
	values := map[string]record.Value{}
	for key, wish := range wishes {
		if key != reconcile.KindKey {
			values[key] = wish.Target
		}
	}
	v, _, err := u.r.With(values, nil)
	if err != nil {
		return false, err
	}
	if now := &u.espo; u.ownValues(&v) || v.Kind == now.Kind && !u.ownValues(now) {
		return false, nil
	}
	u.r.Skip("incomplete", fmt.Sprintf("It would leave a record of kind %q with none of that kind's values. Nothing was put back; edit the record instead, the old values are shown by: %s --values", v.Kind, u.r.Hint("history")))
	return true, nil
}

// ownValues reports whether a record holds a value of a field that only its kind
// has.
func (u *undo) ownValues(v *mapping.View) bool {
	return slices.ContainsFunc(u.m.Fields(v.Kind), func(f mapping.Field) bool {
		return f.Kind != "" && !f.Clear && !f.Computed && v.Values[f.Key].HasText()
	})
}

// wishesOf are an operator's wishes for the values to be put back: what EspoCRM held,
// and what Advoware held, as a record of the kind that it was. Where that was another
// kind, the fields of the present kind are wished empty.
func (u *undo) wishesOf(backs []back) (map[string]reconcile.Wish, error) {
	espo, advo, err := u.restored(backs)
	if err != nil {
		return nil, err
	}
	now := u.espo
	kind := now.Kind
	switch {
	case espo.Kind != kind:
		kind = espo.Kind
	case advo.Kind != u.advo.Kind:
		kind = advo.Kind
	}
	out := map[string]reconcile.Wish{}
	if kind != now.Kind { // or a policy could win the kind, and the fields of another one stay
		out[reconcile.KindKey] = reconcile.Wish{Field: mapping.Field{Key: reconcile.KindKey}, Target: record.Of(kind),
			Shown: record.Pair{Espo: record.Of(now.Kind), Advo: record.Of(u.advo.Kind)}}
	}
	wish := func(f mapping.Field, target record.Value) {
		if _, known := out[f.Key]; !known {
			out[f.Key] = reconcile.Wish{Field: f, Target: target, Shown: record.Pair{Espo: now.Values[f.Key], Advo: u.advo.Values[f.Key]}}
		}
	}
	for _, b := range backs {
		if b.ready() && b.side == record.EspoCRM {
			wish(b.field, b.before)
		}
	}
	u.ofKindWished(kind, advo.Values, wish)
	return out, nil
}

// ofKindWished wishes what Advoware held as a record of the kind, and what only the
// present kind has empty.
func (u *undo) ofKindWished(kind string, held map[string]record.Value, wish func(mapping.Field, record.Value)) {
	names := map[string]bool{}
	for _, f := range u.m.Fields(kind) {
		if f.Clear || f.Computed || f.Direction != mapping.Both {
			continue
		}
		names[f.Espo] = true
		if v := held[f.Key]; v != u.advo.Values[f.Key] {
			wish(f, v)
		}
	}
	if kind == u.espo.Kind {
		return
	}
	for _, f := range u.m.Fields(u.espo.Kind) {
		if f.Own() && !names[f.Espo] && u.espo.Values[f.Key].HasText() {
			wish(f, record.Empty())
		}
	}
}

// restored is how both sides read with the values put back where they were
// overwritten.
func (u *undo) restored(backs []back) (espo, advo mapping.View, err error) {
	values := map[record.Side]map[string]record.Value{record.EspoCRM: {}, record.Advoware: {}}
	for _, b := range backs {
		if b.ready() {
			values[b.side][b.field.Key] = b.before
		}
	}
	return u.r.With(values[record.EspoCRM], values[record.Advoware])
}

func (u *undo) words(backs []back) string {
	return fmt.Sprintf("Puts back what run %s overwrote: %s.", u.q.Run, namesOf(backs, backReady))
}

// undoOutcome foresees what a put-back ends in: the value travels to the other
// side, so both are written.
func undoOutcome(backs []back) result.Outcome {
	if slices.ContainsFunc(backs, back.ready) {
		return result.Merged
	}
	return result.Unchanged
}

// judge ends an undo that has nothing to do, or may not do it.
func (u *undo) judge(backs []back) (stop bool) {
	count := map[backState]int{}
	for _, b := range backs {
		count[b.state]++
	}
	if u.past.unknown {
		u.r.Warn("nobody knows whether all writes of run %s happened: what is put back is judged by what stands there now", u.q.Run)
	}
	if u.past.created {
		u.r.Warn("run %s created the record in Advoware; undo does not delete it", u.q.Run)
	}
	for _, b := range backs {
		if b.state == backOneWay {
			u.r.Warn("%s belongs to the other side (direction in the mapping): the next sync would restore it, so it is not put back", cmp.Or(b.field.Espo, b.field.Advo))
		}
	}
	switch {
	case count[backMovedOn] > 0:
		u.r.Skip("moved_on", fmt.Sprintf("The record has moved on since: %s. Nothing was put back; see advosync undo --run %s --id %s --dry-run, and --force.", namesOf(backs, backMovedOn), u.q.Run, u.q.ID))
		return true
	case count[backReady] > 0:
		u.r.Say("undo", u.words(backs))
		return false
	case count[backRestored] > 0:
		u.r.Result.Outcome = result.Unchanged
		u.r.Say("restored", "The values from before the run stand there already.")
		return true
	default:
		u.r.Skip("nothing_overwritten", "The run overwrote nothing in this record that could be put back.")
		return true
	}
}

func namesOf(backs []back, s backState) string {
	var names []string
	for _, b := range backs {
		if n := cmp.Or(b.field.Espo, b.field.Advo); b.state == s && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}
