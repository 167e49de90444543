package batch

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"advosync/internal/record"
)

// A range of EspoCRM's linked records is some pages but for some rows, so that a few new
// records do not cost another page: no more pages than are needed for all ranges to be
// read at the same time, and at most five.
const (
	rangePages = 5
	rangeSpare = 10
)

// aheadRanges is how many ranges are read at the same time, and aheadPages how many
// pages of Advoware, for each call that may be in flight. EspoCRM's pages are smaller,
// so there are more of them.
func (e *entityRun) aheadRanges() int { return rangesAtOnce(e.ahead()) }
func (e *entityRun) aheadPages() int  { return max(e.ahead()*3/4, 1) }

func rangesAtOnce(calls int) int { return max(calls*3/2, 1) }

// ahead is less where whole records are held, once a day.
func (e *entityRun) ahead() int {
	if e.deep {
		return max(e.run.workers()/2, 1)
	}
	return e.run.workers()
}

// pagesAhead reads numbered pages before they are asked for, in order.
type pagesAhead struct {
	read  func(ctx context.Context, page int) ([]record.Object, error)
	first int
	last  int // number of the list's last page as far as is known; below first: it is not
	width int

	flying sync.WaitGroup
	begun  map[int]chan pageRead
	next   int // the first one that is not begun
	most   int // rows of the fullest page
}

type pageRead struct {
	rows []record.Object
	err  error
}

// page is the page with this number; each is asked for once, in order.
func (p *pagesAhead) page(ctx context.Context, n int) ([]record.Object, error) {
	p.next = max(p.next, n)
	for ; p.next < n+p.window(n) && (p.next == n || p.last < p.first || p.next <= p.last); p.next++ {
		number, answer := p.next, make(chan pageRead, 1)
		p.begun[number] = answer
		p.flying.Go(func() {
			rows, err := p.read(ctx, number)
			answer <- pageRead{rows, err}
		})
	}
	var got pageRead
	select {
	case got = <-p.begun[n]:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	delete(p.begun, n)
	if p.most = max(p.most, len(got.rows)); len(got.rows) < p.most && p.last < n+1 {
		p.last = n + 1 // it looks like the end
	}
	return got.rows, got.err
}

// window is how many pages are read at the same time: of a list whose length is not
// known no more than have been read of it, so that at most as many are read in vain.
func (p *pagesAhead) window(n int) int {
	if p.last >= p.first {
		return p.width
	}
	return min(p.width, n-p.first+1)
}

// pagesOf is Advoware's list, read ahead as far as the last pass has seen it go.
func (e *entityRun) pagesOf() *pagesAhead {
	l := e.m.List()
	p := &pagesAhead{first: l.First, last: l.First + e.state.Pages - 1, width: e.aheadPages(), begun: map[int]chan pageRead{}, next: l.First,
		read: func(ctx context.Context, page int) ([]record.Object, error) {
			return e.run.engine.ListPage(ctx, e.m, page)
		}}
	if l.Page == "" {
		p.width = 1
	}
	return p
}

// readLinked streams EspoCRM's linked records in order of Advoware's id: the ranges
// that the last pass has cut are read side by side, each page by page.
func (e *entityRun) readLinked(ctx context.Context, to chan<- []record.Object) error {
	if err := until(ctx, e.accepted); err != nil {
		return err
	}
	q := record.Query{OrderBy: record.FieldAdvowareID, Where: []record.Condition{{Field: record.FieldAdvowareID, Op: record.IsNotNull}},
		Select: []string{record.FieldID, record.FieldAdvowareID, record.FieldRowID, record.FieldStatus, record.FieldLastSync, record.FieldModifiedAt, record.FieldEditedAt}}
	if e.deep {
		q.Select = e.fields()
	}
	bounds := e.state.Bounds
	parts := make([]chan []record.Object, len(bounds)+1)
	for i := range parts {
		parts[i] = make(chan []record.Object, rangePages+1)
	}
	g, ctx := errgroup.WithContext(ctx)
	begun := make(chan struct{}, e.aheadRanges()) // and not yet passed on
	g.Go(func() error {
		for i := range parts {
			select {
			case begun <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			g.Go(func() error {
				defer close(parts[i])
				return e.readRange(ctx, q, bounds, i, parts[i])
			})
		}
		return nil
	})
	g.Go(func() error {
		c := cutter{}
		for i := range parts {
			if err := c.all(ctx, parts[i], to); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			<-begun
		}
		e.cuts = c.cuts(rangesAtOnce(e.run.workers()))
		return nil
	})
	return g.Wait()
}

// readRange reads the records from one bound to the next, both included: that a range
// has come to its upper bound is its end without a further page, and records that share
// the number of a bound are all in the range behind it.
func (e *entityRun) readRange(ctx context.Context, q record.Query, bounds []int64, i int, to chan<- []record.Object) error {
	where := append([]record.Condition{}, q.Where...)
	if i > 0 {
		where = append(where, record.Condition{Field: record.FieldAdvowareID, Op: record.GreaterThanOrEquals, Value: strconv.FormatInt(bounds[i-1], 10)})
	}
	if i < len(bounds) {
		where = append(where, record.Condition{Field: record.FieldAdvowareID, Op: record.LessThanOrEquals, Value: strconv.FormatInt(bounds[i], 10)})
	}
	q.Where = where
	find := e.find
	if i == len(bounds) && e.state.Linked > 0 {
		find = e.findToEnd
	}
	return find(ctx, q, func(page []record.Object) error {
		select {
		case to <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
		if last, ok := page[len(page)-1].Int(record.FieldAdvowareID); ok && i < len(bounds) && last == bounds[i] {
			return errListEnds
		}
		return nil
	})
}

// cutter passes on what the ranges bring, a record at a bound once, and cuts the ranges
// of the next pass.
type cutter struct {
	number int64
	same   map[string]bool // the records with the last number
	rows   int
	marks  []int64 // the number of every rangeSpare-th row
}

// cuts are the upper bounds of ranges that are read width at a time; the last range has
// none, and is never empty.
func (c *cutter) cuts(width int) []int64 {
	pages := min((c.rows-1)/(width*pageSize)+1, rangePages)
	step := pages*pageSize/rangeSpare - 1
	var cuts []int64
	for i := step; i*rangeSpare < c.rows; i += step {
		cuts = append(cuts, c.marks[i-1])
	}
	return slices.Compact(cuts) // many records may share a number
}

// all passes on a range. One that was not begun, because another one failed, does not
// end by itself.
func (c *cutter) all(ctx context.Context, from <-chan []record.Object, to chan<- []record.Object) error {
	for {
		var page []record.Object
		ok := false
		select {
		case page, ok = <-from:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !ok {
			return nil
		}
		if page = c.pass(page); len(page) == 0 {
			continue
		}
		select {
		case to <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *cutter) pass(page []record.Object) []record.Object {
	out := page[:0:0]
	for _, o := range page {
		n, ok := o.Int(record.FieldAdvowareID)
		if !ok {
			continue
		}
		id := textOf(o, record.FieldID)
		if c.same == nil || n != c.number {
			c.number, c.same = n, map[string]bool{}
		}
		if c.same[id] {
			continue
		}
		c.same[id] = true
		if c.rows++; c.rows%rangeSpare == 0 {
			c.marks = append(c.marks, n)
		}
		out = append(out, o)
	}
	return out
}
