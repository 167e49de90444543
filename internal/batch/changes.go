package batch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// lookEdited is (c): what has been edited in EspoCRM since the last pass began. Where
// EspoCRM keeps a log of changes, it is asked what stands behind the place to which the
// last pass has read it. Where it keeps none, where no place is known, and where something
// behind it is missing, the list by modifiedAt tells.
func (e *entityRun) lookEdited(ctx context.Context) error {
	if e.state.Watermark == "" {
		return nil // everything linked is compared
	}
	told, err := e.lookLog(ctx)
	if told || err != nil {
		return err
	}
	return e.lookModified(ctx)
}

// lookLog reads the log of changes; false: it has not told everything.
func (e *entityRun) lookLog(ctx context.Context) (told bool, err error) {
	for at := e.state.Log; !at.IsZero(); {
		c, err := e.changes(ctx, at)
		if err != nil || c == nil {
			return false, err
		}
		if c.Gap {
			e.startLog(c.Next)
			return false, nil
		}
		if err := e.addChanged(ctx, c.Rows); err != nil {
			return false, err
		}
		if e.logRead, at = c.Next, c.Next; !c.More {
			return !e.state.LogNew, nil
		}
	}
	return false, nil
}

// changes reads what stands behind a place; nil where the log cannot be read, which is
// said.
func (e *entityRun) changes(ctx context.Context, at record.Place) (*record.Changes, error) {
	c, err := e.espo.Changes(ctx, e.m.EspoType(), at)
	if err != nil && ctx.Err() == nil {
		e.logRead = record.Place{}
		e.run.warn(fmt.Sprintf("EspoCRM's log of changes of %s could not be read, so the list of what was modified is (%v)", e.m.Entity(), err))
		return nil, nil
	}
	return c, err
}

// startLog goes on from a place of which nobody knows what this pass has read before it
// and what after it. So the next pass reads both, the log from there, and once more the
// list of what was modified since this pass began.
func (e *entityRun) startLog(at record.Place) { e.logRead, e.logNew = at, true }

// lookTogether finds out whether many records are updated with one call, and where a log
// of changes stands that no pass has read yet.
func (e *entityRun) lookTogether(ctx context.Context) error {
	err := e.run.systems.joinTogether(ctx, e.run.work, e.m.EspoType())
	if err != nil || !e.state.Log.IsZero() {
		return err
	}
	c, err := e.changes(ctx, record.Place{})
	if c != nil {
		e.startLog(c.Next)
	}
	return err
}

// addChanged adds those of the records that show something new. What is a candidate
// already is not read for that.
func (e *entityRun) addChanged(ctx context.Context, rows []record.Change) error {
	var ids []string
	for _, row := range rows {
		if !row.Removed && !e.queue.has(row.ID) {
			ids = append(ids, row.ID)
		}
	}
	slices.Sort(ids)
	return e.addShown(ctx, slices.Compact(ids))
}

// addShown reads records and adds those that show something new.
func (e *entityRun) addShown(ctx context.Context, ids []string) error {
	for part := range slices.Chunk(ids, chunkSize) {
		objs, err := e.espo.ByIDs(ctx, e.m.EspoType(), part, e.fields())
		if err != nil {
			return err
		}
		if err := e.addEdited(ctx, objs); err != nil {
			return err
		}
	}
	return nil
}

// lookModified finds by their stamps what has been modified since the last pass began.
// modifiedAt finds every edit that the marker finds, because any later save moves it on;
// the marker adds those that left modifiedAt alone.
func (e *entityRun) lookModified(ctx context.Context) error {
	from := stampOf(moment(e.state.Watermark) - int64(lookBack/time.Second))
	marker := e.hasMarker()
	edited := record.Condition{Field: record.FieldModifiedAt, Op: record.GreaterThanOrEquals, Value: from}
	if marker {
		edited = record.Condition{Op: record.Or, Any: []record.Condition{edited, {Field: record.FieldEditedAt, Op: record.GreaterThanOrEquals, Value: from}}}
	}
	q := record.Query{Select: e.fields(), OrderBy: record.FieldModifiedAt, Where: []record.Condition{edited}}
	find := e.find
	if e.someUnclean { // the extension's formula has marked what was edited
		find = e.findToEnd
	}
	err := find(ctx, q, func(page []record.Object) error { return e.addEdited(ctx, page) })
	if f := fault.As(err); marker && f != nil && f.Status == 400 {
		e.dropMarker() // the field has been taken away
		return e.lookModified(ctx)
	}
	return err
}

// addEdited adds those of the records that show something new. Whether it was an edit is
// told by the contents: our own writes are no candidates.
func (e *entityRun) addEdited(ctx context.Context, page []record.Object) error {
	mems, err := e.memories(ctx, page)
	if err != nil {
		return err
	}
	for i, o := range page {
		e.sees(o)
		quiet, err := e.quiet(ctx, o, mems[i])
		if err != nil {
			return err
		}
		if !quiet {
			e.queue.add(candidate{id: textOf(o, record.FieldID), since: waitsSince(o, mems[i]), why: whyEdited | unlinked(o)})
		}
	}
	return nil
}
