package desk

import (
	"context"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// TellOverwritten adds to a plan what the history has of the record: the last run that
// replaced a value which is still gone, and of the last one that did so although both sides had been edited.
func (d *Desk) TellOverwritten(ctx context.Context, r *sync.Record, m *mapping.Mapping) {
	if r.Espo == nil || r.Advo == nil {
		return
	}
	var last, conflict bool
	err := d.engine.Store.Entries(ctx, store.HistoryFilter{Entity: m.Entity(), ID: r.Result.ID, Limit: mostLookedBack}, func(e store.Entry) error {
		if last && (conflict || !e.Conflict) {
			return nil
		}
		fields := stillGone(r, m, e)
		if len(fields) == 0 {
			return nil
		}
		last, conflict = true, conflict || e.Conflict
		r.Result.Overwritten = append(r.Result.Overwritten, result.Overwritten{At: e.At.UTC(), Run: e.Run, Command: e.Command, Conflict: e.Conflict, Fields: fields,
			Undo: result.UndoCommand(m.Entity(), e.Run, r.Result.ID)})
		return nil
	})
	if err != nil {
		r.Warn("the history could not be read: %v", err)
	}
}

// mostLookedBack bounds how many history entries of a record are looked through.
const mostLookedBack = 100

// stillGone are the values that an entry replaced and that do not stand on
// their side now.
func stillGone(r *sync.Record, m *mapping.Mapping, e store.Entry) []result.HistoryField {
	espo, advo := r.Espo.View, r.Advo.View
	now := func(s record.Side) mapping.View {
		if s == record.EspoCRM {
			return espo
		}
		return advo
	}
	var out []result.HistoryField
	for _, wr := range e.Writes {
		f, ok := writableField(m, overwriteOf(wr))
		if wr.State == store.WriteNotDone || !wr.Before.HasText() || wr.Before == wr.After || !ok || f.Computed ||
			now(wr.Side).Values[f.Key] == wr.Before {
			continue
		}
		out = append(out, result.HistoryField{Espocrm: wr.Espocrm, Advoware: wr.Advoware, Side: string(wr.Side), Before: shownHere(wr.Before), After: shownHere(wr.After),
			State: unsure(wr.State)})
	}
	return out
}

func shownHere(v record.Value) *string {
	s := v.Text()
	return &s
}

// unsure is the state of a write that is not known to have happened; "": it is.
func unsure(s store.WriteState) string {
	if s == store.WriteDone {
		return ""
	}
	return string(s)
}
