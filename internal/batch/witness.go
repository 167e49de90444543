package batch

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"advosync/internal/record"
	"advosync/internal/result"
)

// maxWitnesses is how many records of each side stand witness against a restored
// backup.
const maxWitnesses = 16

// lookWitnesses asks EspoCRM for the records that were the newest when the last
// pass looked. modifiedAt never goes back, except with a restored backup.
func (e *entityRun) lookWitnesses(ctx context.Context) error {
	if len(e.state.Espo) == 0 {
		return nil
	}
	ids := make([]string, len(e.state.Espo))
	for i, w := range e.state.Espo {
		ids[i] = w.ID
	}
	found, err := e.espo.ByIDs(ctx, e.m.EspoType(), ids, []string{record.FieldID, record.FieldModifiedAt})
	if err != nil {
		return err
	}
	now := map[string]string{}
	for _, o := range found {
		now[textOf(o, record.FieldID)] = textOf(o, record.FieldModifiedAt)
	}
	back, oldest := 0, ""
	for _, w := range e.state.Espo {
		if at, there := now[w.ID]; there && at < w.ModifiedAt {
			back++
			oldest = max(oldest, w.ModifiedAt)
		}
	}
	switch {
	case back > 0 && 2*back >= len(found):
		e.regress(fmt.Sprintf("EspoCRM's newest records have gone back in time (%d of %d; one was last modified at %s UTC)", back, len(found), oldest))
	case len(found) == 0 && len(ids) >= 3:
		e.regress(fmt.Sprintf("none of the %d records that were EspoCRM's newest exists any more", len(ids)))
	}
	return nil
}

func (e *entityRun) regress(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.facts.Regress == "" {
		e.facts.Regress = what
	}
}

// mostOutdated is how many records another store may have synced before this one is
// taken for an older copy: a person may have changed a few by hand.
const mostOutdated = 3

// seesOutdated takes a record that was synced since what this store remembers of it: the
// store was restored, or another one is in use beside it.
func (e *entityRun) seesOutdated(id string) {
	e.mu.Lock()
	if e.outdated == nil {
		e.outdated = map[string]bool{}
	}
	e.outdated[id] = true
	n := len(e.outdated)
	e.mu.Unlock()
	if n > mostOutdated {
		e.regress("several records were synced since what this store remembers of them: it is an older copy, or another store is in use beside it")
	}
}

// sees takes what every list of EspoCRM's shows: whether the type has the
// extension's marker, and the newest records as the next pass's witnesses.
func (e *entityRun) sees(o record.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := o.Get(record.FieldEditedAt); ok && !e.noMarker {
		e.marker = true
	}
	at := textOf(o, record.FieldModifiedAt)
	if len(e.newest) == maxWitnesses && at <= e.newest[maxWitnesses-1].ModifiedAt {
		return
	}
	id := textOf(o, record.FieldID)
	e.newest = slices.DeleteFunc(e.newest, func(w EspoWitness) bool { return w.ID == id })
	e.newest = append(e.newest, EspoWitness{ID: id, ModifiedAt: at})
	slices.SortStableFunc(e.newest, func(a, b EspoWitness) int { return cmp.Compare(b.ModifiedAt, a.ModifiedAt) })
	e.newest = e.newest[:min(len(e.newest), maxWitnesses)]
}

func (e *entityRun) hasMarker() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return (e.marker || e.state.Marker) && !e.noMarker
}

func (e *entityRun) dropMarker() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noMarker = true
}

// seesAdvo holds a row of Advoware's list against the witnesses: a rowId that
// was replaced never comes back, except with a restored backup.
func (e *entityRun) seesAdvo(r advoRow) {
	for _, w := range e.state.Advo {
		if w.ID != r.id {
			continue
		}
		e.present++
		if w.Before != "" && r.row == w.Before {
			e.regress(fmt.Sprintf("Advoware %d shows a rowId again that an update had replaced", r.id))
		}
	}
}

// lookLost ends the look at Advoware's witnesses: all of the newest are gone.
func (e *entityRun) lookLost() {
	made := 0
	for _, w := range e.state.Advo {
		if w.Before == "" {
			made++
		}
	}
	if l := e.m.List(); l != nil && len(l.Params) == 0 && e.facts.AdvoLost == 0 && e.present == 0 && made == len(e.state.Advo) && made >= 3 {
		e.regress(fmt.Sprintf("none of the %d records that were created last exists in Advoware any more", made))
	}
}

// testifies makes an update or creation of ours a witness.
func (o *outcome) testifies(r result.Record) {
	if r.AdvowareID == nil || r.RowID.After == "" {
		return
	}
	w := AdvoWitness{ID: *r.AdvowareID, After: r.RowID.After}
	switch {
	case r.Outcome == result.CreatedAdvoware:
	case (r.Outcome == result.UpdatedAdvoware || r.Outcome == result.Merged) && r.RowID.Current != "" && r.RowID.Current != r.RowID.After:
		w.Before = r.RowID.Current
	default:
		return
	}
	o.Updated = slices.DeleteFunc(o.Updated, func(known AdvoWitness) bool { return known.ID == w.ID })
	o.Updated = slices.Insert(o.Updated, 0, w)
	o.Updated = o.Updated[:min(len(o.Updated), maxWitnesses)]
}
