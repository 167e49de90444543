package batch

import (
	"context"
	"slices"
	"time"

	"advosync/internal/record"
)

// earlyLasts is how old a read may be that was made while the pass still looked.
const earlyLasts = time.Second

// early is the first chunk, locked and read while the rest of the look goes on. A
// record may be read under its lock before the guards were asked, never written.
type early struct {
	got  chan *chunk
	stop context.CancelFunc
}

// readEarly begins with what the first page of unclean records brings, where it
// looks as if that were the whole first chunk, and as if the look were over soon: a
// lock that is held for the length of a long one keeps others out for nothing.
func (e *entityRun) readEarly(page []record.Object, found []candidate) {
	n := min(len(found), chunkSize)
	if room := e.room(); room >= 0 {
		n = min(n, room)
	}
	if e.run.distributes(e.m) { // others lock what they sync
		return
	}
	if n == 0 || len(found) > chunkSize || len(page) == pageSize || e.deep || len(e.state.Bounds) >= e.aheadRanges() {
		return
	}
	slices.SortFunc(found, inTurn)
	ctx, stop := context.WithCancel(e.run.work)
	e.early = &early{got: make(chan *chunk, 1), stop: stop}
	go func() { e.early.got <- e.prepare(ctx, found[:n], nil) }()
}

// takeEarly is what was read early, nil where there is nothing, or no more.
func (e *executor) takeEarly() *chunk {
	if e.early == nil {
		return nil
	}
	c := <-e.early.got
	e.early.got <- nil
	if c == nil || c.err == nil {
		return c
	}
	e.free(c.leases) // whatever it has met, the chunk itself will meet
	return nil
}

// dropEarly frees what was read early and is not wanted.
func (e *executor) dropEarly() {
	if e.early == nil {
		return
	}
	e.early.stop()
	if c := <-e.early.got; c != nil {
		e.free(c.leases)
	}
}

// answered is told of every page that EspoCRM gives. With the first one the
// credentials are accepted and its clock is known, and the other looks begin, unless
// Advoware's list has failed meanwhile.
func (e *entityRun) answered(page []record.Object) (err error) {
	e.begins()
	e.first.Do(func() {
		e.mu.Lock()
		err = e.listError
		e.mu.Unlock()
		if err != nil {
			return
		}
		e.mindClock()
		e.someUnclean = slices.ContainsFunc(page, func(o record.Object) bool {
			status := textOf(o, record.FieldStatus)
			return status == record.StatusDirty || status == record.StatusPending
		})
		close(e.accepted)
	})
	return err
}

// until makes a look wait for what another one has to find out first.
func until(ctx context.Context, known <-chan struct{}) error {
	select {
	case <-known:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// findToEnd is find for a list that will not be empty. Its last record is asked for
// together with its first page: a page that ends with that record needs no empty one
// behind it.
func (e *entityRun) findToEnd(ctx context.Context, q record.Query, fn func(page []record.Object) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		id, at string // at: where it stood, for it may have been saved between both answers
		err    error
	}
	end := make(chan answer, 1)
	go func() {
		last := q
		last.FromEnd, last.Select, last.Size = true, []string{record.FieldID, q.OrderBy}, 1
		page, err := e.espo.Find(ctx, e.m.EspoType(), last)
		a := answer{err: err}
		if len(page) > 0 {
			a.id, a.at = textOf(page[0], record.FieldID), textOf(page[0], q.OrderBy)
		}
		end <- a
	}()
	var last answer
	known := false
	err := e.find(ctx, q, func(page []record.Object) error {
		if err := fn(page); err != nil {
			return err
		}
		if !known {
			last, known = <-end, true
		}
		if last.err != nil {
			return last.err
		}
		if o := page[len(page)-1]; textOf(o, record.FieldID) == last.id && textOf(o, q.OrderBy) == last.at {
			return errListEnds
		}
		return nil
	})
	if !known {
		cancel()
		<-end
	}
	return err
}
