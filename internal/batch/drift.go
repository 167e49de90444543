package batch

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// lookDrift is (d) where Advoware can list: EspoCRM's linked records and
// Advoware's list, both in order of Advoware's id, are merged. It costs pages,
// not records, and holds a page or two of each. In a deep pass, and for records
// whose contents no pass has compared yet, the contents are compared as well,
// for the same calls.
func (e *entityRun) lookDrift(ctx context.Context, pages *pagesAhead) error {
	g, both := errgroup.WithContext(ctx)
	espo := make(chan []record.Object)
	advo := make(chan []advoRow)
	g.Go(func() error {
		defer close(espo)
		return e.readLinked(both, espo)
	})
	g.Go(func() error {
		defer close(advo)
		return e.readAdvoware(both, pages, advo)
	})
	g.Go(func() error { return e.merge(both, espo, advo) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := e.lookUnlisted(ctx); err != nil {
		return err
	}
	return e.lookGone(ctx)
}

// advoRow is one record of Advoware's list; obj only in a deep pass.
type advoRow struct {
	id  int64
	row string
	obj record.Object
}

// readAdvoware streams Advoware's list to its end. A list that is
// not in order of ids, or without them, could hide records: an error. What is wrong
// with EspoCRM is said first.
func (e *entityRun) readAdvoware(ctx context.Context, ahead *pagesAhead, to chan<- []advoRow) error {
	defer ahead.flying.Wait()
	pages := e.run.engine.PagesFrom(e.m, ahead.page)
	for last := int64(math.MinInt64); ; {
		objs, err := pages.Next(ctx)
		e.pages++
		if err != nil {
			e.mu.Lock()
			e.listError = err
			e.mu.Unlock()
		}
		if first := until(ctx, e.accepted); first != nil {
			return first
		}
		if err != nil {
			return err
		}
		if len(objs) == 0 {
			e.unlisted.endless = pages.Repeats()
			return nil
		}
		rows := make([]advoRow, 0, len(objs))
		for _, o := range objs {
			id, ok := o.Int(e.m.AdvoID())
			if !ok {
				return e.badList("a listed record has no "+e.m.AdvoID(), checkList)
			}
			if id < last {
				return e.badList("the list is not in ascending order of "+e.m.AdvoID(), checkList)
			}
			r := advoRow{id: id}
			r.row, _ = o.Text(e.m.AdvoRowID())
			if e.deep {
				r.obj = o
			}
			rows, last = append(rows, r), id
		}
		select {
		case to <- rows:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const checkList = "check advoware.list in the mapping (path, page, first, max, items) against the office's Swagger page"

func (e *entityRun) badList(what, hint string) error {
	return &fault.Error{System: fault.Advoware, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Op: "list " + e.m.Entity(), Message: what, Hint: hint}
}

// rows reads Advoware's stream forward.
type rows struct {
	from  <-chan []advoRow
	page  []advoRow
	count int
	fn    func(advoRow) // sees every row that goes by
	// newcomer is told of the rows that nobody sought; nil: nobody asks.
	newcomer func(advoRow)
	sought   *int64 // the last one that was found
}

// pass lets the first row of the page go by.
func (r *rows) pass() {
	r.fn(r.page[0])
	r.lacks(r.page[0])
	r.page = r.page[1:]
}

// lacks: nothing in EspoCRM is linked to the row, unless it was found.
func (r *rows) lacks(row advoRow) {
	if r.newcomer != nil && (r.sought == nil || *r.sought != row.id) {
		r.newcomer(row)
	}
}

// seek is the row with this id, nil where the list has none; below: the list goes on
// behind it.
func (r *rows) seek(ctx context.Context, id int64) (row *advoRow, below bool, err error) {
	for {
		for len(r.page) > 0 && r.page[0].id < id {
			r.pass()
		}
		if len(r.page) > 0 {
			if r.page[0].id == id {
				r.sought = &id
				return &r.page[0], false, nil
			}
			return nil, true, nil
		}
		select {
		case page, ok := <-r.from:
			if !ok {
				// The end of the list, or of a listing that failed: that error ends
				// the pass, and "missing" is confirmed by a read of its own anyway.
				return nil, false, ctx.Err()
			}
			r.page, r.count = page, r.count+len(page)
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// pair is a linked record and its row in Advoware; nil: not listed.
type pair struct {
	o      record.Object
	id     string
	advoID int64
	status string
	stored string
	advo   *advoRow
	below  bool // not listed, and the list goes on behind it
}

func (p pair) missing() bool { return p.advo == nil }
func (p pair) moved() bool   { return p.advo == nil || p.advo.row != "" && p.advo.row != p.stored }

func (e *entityRun) merge(ctx context.Context, espo <-chan []record.Object, advo <-chan []advoRow) error {
	if err := e.loadFailed(); err != nil {
		return err
	}
	list := &rows{from: advo, fn: e.seesAdvo, newcomer: e.imports.listed(e.m)}
	last := &pair{}
	for page := range espo {
		pairs := make([]pair, 0, len(page))
		for _, o := range page {
			e.sees(o)
			id, linked := linkOf(o)
			if !linked {
				continue
			}
			p := pair{o: o, id: textOf(o, record.FieldID), advoID: id, status: textOf(o, record.FieldStatus), stored: textOf(o, record.FieldRowID)}
			if err := e.join(ctx, list, *last, &p); err != nil {
				return err
			}
			last = &p
			pairs = append(pairs, p)
		}
		if err := e.weigh(ctx, pairs); err != nil {
			return err
		}
	}
	for _, row := range list.page {
		list.lacks(row)
	}
	for page := range advo { // behind the last linked record there are only new ones
		list.count += len(page)
		for _, row := range page {
			list.lacks(row)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e.newcomers += list.count
	if e.unlisted.any = list.count > 0; e.linked > 1 && list.count == 0 {
		e.facts.AdvoLost = e.linked
	}
	if e.linked == 0 && e.state.Linked > 1 {
		e.facts.EspoLost = e.state.Linked
	}
	return nil
}

// join counts a linked record and finds its row in Advoware's list. last is the
// record before it.
func (e *entityRun) join(ctx context.Context, list *rows, last pair, p *pair) error {
	e.linked++
	hash := maphash.String(e.seed, p.id)
	e.ids = append(e.ids, hash)
	switch p.status {
	case record.StatusFailed, record.StatusPermanentlyFailed, record.StatusConflict:
		e.resting = append(e.resting, hash)
	}
	if p.advoID == last.advoID {
		if err := e.twins(ctx, last.id, p.id, p.advoID); err != nil {
			return err
		}
	}
	row, below, err := list.seek(ctx, p.advoID)
	if err != nil {
		return err
	}
	p.below = below
	if row != nil {
		if e.twin[p.id] == "" {
			e.newcomers--
		}
		copied := *row
		p.advo = &copied
		e.seesAdvo(copied)
	}
	return nil
}

// weigh decides which of a page's records are candidates.
func (e *entityRun) weigh(ctx context.Context, pairs []pair) error {
	ask := e.weighShown(pairs)
	if len(ask) == 0 {
		return nil
	}
	objs := make([]record.Object, len(ask))
	for i, p := range ask {
		objs[i] = p.o
	}
	mems, err := e.memories(ctx, objs)
	if err != nil {
		return err
	}
	var agreed []agreement
	for i, p := range ask {
		b, err := e.weighKnown(ctx, p, mems[i])
		if err != nil {
			return err
		}
		if b != nil {
			agreed = append(agreed, agreement{p, mems[i], b})
		}
	}
	return e.keep(ctx, agreed)
}

// weighShown counts what both lists show, and gives the records that may be candidates.
func (e *entityRun) weighShown(pairs []pair) (ask []pair) {
	for _, p := range pairs {
		clean := p.status == record.StatusClean || p.status == ""
		e.facts.Linked++
		switch blind := e.blind(p); {
		case clean && p.moved() && !blind:
			if p.missing() || p.stored != "" {
				e.facts.Moved++
			}
			ask = append(ask, p)
		case e.deep, blind && clean, !clean && p.moved():
			ask = append(ask, p)
		}
	}
	return ask
}

// weighKnown takes a record that its memory tells about; or gives the base that it
// gets instead, because both sides agree.
func (e *entityRun) weighKnown(ctx context.Context, p pair, mem store.Memory) (*store.Base, error) {
	if standing := e.standing(p.o, mem); standing != p.status { // EspoCRM has refused it
		p.status = standing
		e.opened(p.id, standing, e.dueAt(mem.Failure, p.o))
	}
	switch blind := e.blind(p); {
	case blind && e.stale(mem):
		e.queue.add(candidate{id: p.id, since: moment(e.state.Watermark), why: whyStale})
		return nil, nil
	case blind && !e.deep:
		return nil, nil
	case p.moved() && !blind:
		if news(p, mem) || p.status == record.StatusFailed && e.due(mem.Failure, p.o) {
			e.drifted(p)
		}
		return nil, nil
	}
	if quiet, err := e.quiet(ctx, p.o, mem); quiet || err != nil {
		return nil, err
	}
	if b := e.agreed(p, mem); b != nil {
		return b, nil
	}
	e.queue.add(candidate{id: p.id, since: editedAt(p.o), why: whyFirst})
	return nil, nil
}

func (e *entityRun) drifted(p pair) {
	if p.missing() {
		e.unlisted.add(p)
	}
	since := moment(e.state.Watermark) // had it moved earlier, that pass would have seen it
	if since == 0 {
		since = moment(textOf(p.o, record.FieldLastSync))
	}
	e.queue.add(candidate{id: p.id, since: since, why: whyDrift})
}

// news tells whether what Advoware shows of a record that failed or waits is
// newer than what was seen then.
func news(p pair, m store.Memory) bool {
	switch p.status {
	case record.StatusFailed, record.StatusPermanentlyFailed:
		switch {
		case m.Failure == nil:
			return p.status == record.StatusFailed
		case p.missing():
			return false // it was told, or it is due again some time
		case m.Failure.RowID == "":
			return m.Failure.Code == string(fault.NotFound)
		}
		return m.Failure.RowID != p.advo.row
	case record.StatusConflict:
		return m.Parked == nil || p.missing() || m.Parked.RowID != p.advo.row
	}
	return true
}

// agreement is a record that one look has shown to be in step, without a base under the
// mapping in force.
type agreement struct {
	p    pair
	mem  store.Memory
	base *store.Base
}

func (e *entityRun) agreed(p pair, m store.Memory) *store.Base {
	if p.missing() || m.Open != nil || m.Parked != nil || m.Failure != nil || m.Hold != nil || len(m.Notes) > 0 || m.Pending != "" || directory.MayBeCut(e.m, p.o) {
		return nil
	}
	if m.Base != nil && !ofLink(m.Base, p.o) { // another link: Sync asks what it is worth
		return nil
	}
	if m.Base != nil && m.Base.Mapping == e.m.Fingerprint() { // it differs from what was listed: it may be the newer one
		return nil
	}
	return sides.Agreed(e.m, p.o, p.advo.obj, e.run.now())
}

// keep stores the bases of records that agree, under their locks. A record that
// somebody holds, or has synced meanwhile, is left: it has a base by now or gets
// one next time.
func (e *entityRun) keep(ctx context.Context, as []agreement) error {
	if e.run.opts.DryRun {
		e.run.mu.Lock()
		defer e.run.mu.Unlock()
		for _, a := range as {
			e.run.report.plans(e.m.Entity(), a.p.id, &a.p.advoID)
		}
		return nil
	}
	for part := range slices.Chunk(as, pageSize) {
		keys := make([]string, len(part))
		byKey := make(map[string]agreement, len(part))
		for i, a := range part {
			keys[i] = store.Key{Entity: e.m.Entity(), ID: a.p.id}.LockKey()
			byKey[keys[i]] = a
		}
		leases, held, err := e.run.p.deps.Leases.AcquireAll(ctx, keys)
		if err != nil {
			return store.Fault("lock records", err)
		}
		e.skipped(len(held) > 0)
		errs := e.run.p.deps.Store.CommitMany(ctx, e.commits(leases, byKey))
		err = e.run.p.deps.Leases.Release(leases...)
		for _, cerr := range errs {
			if cerr != nil && !lostRace(cerr) {
				return store.Fault("remember records that agree", cerr)
			}
			e.skipped(cerr != nil)
		}
		if err != nil {
			return store.Fault("free locks", err)
		}
	}
	return nil
}

func (e *entityRun) commits(leases []*lease.Lease, byKey map[string]agreement) []store.Commit {
	cs := make([]store.Commit, len(leases))
	for i, l := range leases {
		a := byKey[l.Key()]
		mem := a.mem
		mem.Base, mem.CheckedAt, mem.GoneAt = a.base, e.run.now(), time.Time{}
		cs[i] = store.Commit{Key: store.Key{Entity: e.m.Entity(), ID: a.p.id}, Lease: l.Handle(), Memory: &mem}
	}
	return cs
}

// twins: two EspoCRM records carry one Advoware id. Neither is touched: each
// sync would overwrite the other's. Every pass says so until it is mended.
func (e *entityRun) twins(ctx context.Context, a, b string, advo int64) error {
	for _, id := range []string{a, b} {
		e.queue.add(candidate{id: id, since: moment(e.state.Watermark), why: whyDrift})
	}
	e.mu.Lock()
	e.twin[a] = fmt.Sprintf("%s and %s both carry advowareId %d", a, b, advo)
	e.twin[b] = e.twin[a]
	e.mu.Unlock()
	if e.run.opts.DryRun {
		return nil
	}
	return e.run.engine.NoteCarriedTwice(ctx, e.m, advo, true)
}

// lookGone finds records that the store knows as linked and EspoCRM does not
// have any more. It looks when fewer are linked than there should be, and in
// every deep pass but the first.
func (e *entityRun) lookGone(ctx context.Context) error {
	if !e.known || !e.deep && e.linked >= e.state.Linked {
		return nil
	}
	slices.Sort(e.ids)
	var asked []candidate
	check := func() error {
		err := e.confirmGone(ctx, asked)
		asked = asked[:0]
		return err
	}
	err := e.run.p.deps.Store.Scan(ctx, e.m.Entity(), store.ScanFilter{}, func(id string, m store.Memory) error {
		if m.Base == nil || saidGone(m) || m.Hold != nil { // on hold: nobody deletes it in Advoware, or counts it as deleted
			return nil
		}
		if _, linked := slices.BinarySearch(e.ids, maphash.String(e.seed, id)); linked {
			return nil
		}
		if asked = append(asked, candidate{id: id, since: moment(e.state.Watermark), why: whyGone}); len(asked) < chunkSize {
			return nil
		}
		return check()
	})
	if err == nil && len(asked) > 0 {
		err = check()
	}
	return store.Fault("look through the store", err)
}

// confirmGone asks for the records themselves: they may only be unlinked.
func (e *entityRun) confirmGone(ctx context.Context, asked []candidate) error {
	there, err := e.there(ctx, asked)
	if err != nil {
		return err
	}
	for _, c := range asked {
		if there[c.id] {
			continue
		}
		e.queue.add(c)
		if e.deletes() {
			e.facts.Deletes++
		}
	}
	return nil
}

// there tells which of at most a chunk of records EspoCRM has.
func (e *entityRun) there(ctx context.Context, asked []candidate) (map[string]bool, error) {
	ids := make([]string, len(asked))
	for i, c := range asked {
		ids[i] = c.id
	}
	found, err := e.espo.ByIDs(ctx, e.m.EspoType(), ids, []string{record.FieldID})
	there := make(map[string]bool, len(found))
	for _, o := range found {
		there[textOf(o, record.FieldID)] = true
	}
	return there, err
}
