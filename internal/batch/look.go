package batch

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"advosync/internal/directory"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

const (
	pageSize  = 200 // EspoCRM's largest page
	chunkSize = 100 // ids that one list call can name
	// lookBack covers edits that were stamped before the last pass began and
	// committed after it had looked (modifiedAt is stamped before the commit).
	lookBack = 5 * time.Minute
)

// look finds everything that needs a sync, and what the guards ask for. It only
// reads both systems; of the store it writes bases of records that agree. EspoCRM is
// first asked for the unclean records, alone, because until it has accepted the
// credentials one call goes at a time; Advoware's sign-in and list begin beside it.
func (e *entityRun) look(ctx context.Context) error {
	e.begins()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.lookUnclean(ctx) })
	then := []func(context.Context) error{e.lookUs, e.lookTogether, e.lookWitnesses, e.lookEdited, e.lookMemories, e.lookKept}
	if e.m.List() != nil {
		pages := e.pagesOf()
		g.Go(func() error { return e.lookDrift(ctx, pages) })
	} else {
		then = append(then, e.lookLinked)
	}
	for _, look := range then {
		g.Go(func() error {
			if err := until(ctx, e.accepted); err != nil {
				return err
			}
			return look(ctx)
		})
	}
	return g.Wait()
}

// lookUs keeps as whom this pass has signed in, whoever that is later.
func (e *entityRun) lookUs(ctx context.Context) error {
	_, err := e.run.engine.Ours(ctx, "")
	if err == nil {
		close(e.usKnown)
	}
	return err
}

// errListEnds ends a list of which enough has been read.
var errListEnds = errors.New("the list ends")

// begins takes EspoCRM's time once it is known: at the latest with the first
// answer, which lookBack covers.
func (e *entityRun) begins() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.began.IsZero() {
		e.began = e.run.systems.espo.ServerTime()
	}
	return e.began
}

// find goes through a list page by page, until fn says errListEnds at the latest.
func (e *entityRun) find(ctx context.Context, q record.Query, fn func(page []record.Object) error) error {
	q.Size = pageSize
	err := q.Each(func(q record.Query) ([]record.Object, error) {
		page, err := e.espo.Find(ctx, e.m.EspoType(), q)
		if err == nil {
			err = e.answered(page)
		}
		return page, err
	}, fn)
	if errors.Is(err, errListEnds) {
		return nil
	}
	return err
}

// textOf is a member as a filter value.
func textOf(o record.Object, name string) string { return o.Plain(name) }

// editedAt is when a record was last edited, as far as EspoCRM tells.
func editedAt(o record.Object) int64 {
	if t := moment(textOf(o, record.FieldEditedAt)); t != 0 {
		return t
	}
	return moment(textOf(o, record.FieldModifiedAt))
}

// waitsSince is editedAt, or what is remembered where our own notes have moved
// modifiedAt on.
func waitsSince(o record.Object, mem store.Memory) int64 {
	if mem.WaitsSince.IsZero() {
		return editedAt(o)
	}
	return older(editedAt(o), mem.WaitsSince.Unix())
}

// lookUnclean finds (a) pending, dirty, and failed records that are due, (b)
// those left in `syncing`, (e) linked ones that were never synced.
func (e *entityRun) lookUnclean(ctx context.Context) error {
	q := record.Query{
		Select:  []string{record.FieldID, record.FieldStatus, record.FieldAdvowareID, record.FieldRetryCount, record.FieldModifiedAt, record.FieldEditedAt},
		OrderBy: record.FieldID,
		Where: []record.Condition{{Op: record.Or, Any: []record.Condition{
			{Field: record.FieldStatus, Op: record.In, Values: []string{record.StatusPending, record.StatusDirty, record.StatusFailed, record.StatusSyncing,
				record.StatusConflict, record.StatusPermanentlyFailed}},
			{Op: record.And, Any: []record.Condition{{Field: record.FieldAdvowareID, Op: record.IsNotNull}, {Field: record.FieldLastSync, Op: record.IsNull}}},
		}}},
	}
	first := true
	return e.find(ctx, q, func(page []record.Object) error {
		mems, err := e.memories(ctx, page)
		if err != nil {
			return err
		}
		var found []candidate
		for i, o := range page {
			e.sees(o)
			c := candidate{id: textOf(o, record.FieldID), since: waitsSince(o, mems[i])}
			switch standing := e.standing(o, mems[i]); standing {
			case record.StatusFailed:
				again := e.dueAt(mems[i].Failure, o)
				e.opened(c.id, record.StatusFailed, again)
				if c.why = whyRetry; e.clock(mems[i].Failure).Before(again) {
					e.waits(c)
					continue
				}
			case record.StatusPending, record.StatusDirty:
				c.why = whyUnclean
			case record.StatusSyncing:
				c.why = whySyncing
			case record.StatusConflict, record.StatusPermanentlyFailed:
				e.opened(c.id, standing, time.Time{})
				continue // they wait for an edit or a person
			default:
				c.why = whyFirst
			}
			c.why |= unlinked(o)
			e.queue.add(c)
			found = append(found, c)
		}
		if first {
			e.readEarly(page, found)
		}
		first = false
		return nil
	})
}

// standing is how a record stands: its status, or what EspoCRM has refused to store in
// its place and nobody has edited the record since.
func (e *entityRun) standing(o record.Object, mem store.Memory) string {
	switch f := mem.Failure; {
	case f == nil || f.Untold == "" || f.Untold != textOf(o, record.FieldModifiedAt):
		return textOf(o, record.FieldStatus)
	case f.Count >= e.maxRetries():
		return record.StatusPermanentlyFailed
	default:
		return record.StatusFailed
	}
}

// due tells whether a failed record's back-off is over. Without a memory of the
// failure EspoCRM's own stamps serve: the failure was its last modification.
func (e *entityRun) due(f *store.Failure, o record.Object) bool {
	return !e.clock(f).Before(e.dueAt(f, o))
}

// dueAt is when a failed record's back-off is over, by the clock of clock; zero:
// at once.
func (e *entityRun) dueAt(f *store.Failure, o record.Object) time.Time {
	if f != nil {
		return ends(f.At, e.backoff(f.Count), e.run.now())
	}
	n, _ := o.Int(record.FieldRetryCount)
	at := moment(textOf(o, record.FieldModifiedAt))
	if at == 0 {
		return time.Time{}
	}
	return ends(time.Unix(at, 0), e.backoff(int(n)), e.begins())
}

// clock is the time by which a failure's back-off is measured: ours where we have
// noted it, else EspoCRM's.
func (e *entityRun) clock(f *store.Failure) time.Time {
	if f != nil {
		return e.run.now()
	}
	return e.begins()
}

// clockSlack is how far clocks that work together may be apart.
const clockSlack = time.Minute

// ends is when a time that began at a moment is over; zero: at once. A moment that
// lies ahead was stamped by a clock that was wrong: nobody knows when it was, and
// nothing waits for it.
func ends(began time.Time, lasts time.Duration, now time.Time) time.Time {
	if !now.IsZero() && began.Sub(now) > clockSlack {
		return time.Time{}
	}
	return began.Add(lasts)
}

// over reports whether a time that began at a moment is over.
func over(began time.Time, lasts time.Duration, now time.Time) bool {
	return !now.Before(ends(began, lasts, now))
}

// backoff is retry_backoff × 2^(count-1).
func (e *entityRun) backoff(count int) time.Duration {
	return Backoff(e.run.p.cfg.RetryBackoff, count)
}

// Backoff is the pause after the count-th failure of a record: the first one's,
// doubled with every further one.
func Backoff(first time.Duration, count int) time.Duration {
	return first << min(max(count-1, 0), 10)
}

func (e *entityRun) memories(ctx context.Context, objs []record.Object) ([]store.Memory, error) {
	ids := make([]string, len(objs))
	for i, o := range objs {
		ids[i] = textOf(o, record.FieldID)
	}
	mems, err := e.run.p.deps.Store.LoadMany(ctx, e.m.Entity(), ids)
	return mems, store.Fault("load what is remembered", err)
}

// fields is the select of a list whose records are compared by content.
func (e *executor) fields() []string {
	fs := append(sides.Attributes(e.m), e.m.EspoNames()...)
	fs = append(fs, record.FieldEditedAt)
	slices.Sort(fs)
	return slices.Compact(fs)
}

// quiet reports whether EspoCRM's side of a record shows nothing that has not
// been dealt with. What Advoware holds is not its question.
func (e *entityRun) quiet(ctx context.Context, o record.Object, mem store.Memory) (bool, error) {
	if directory.MayBeCut(e.m, o) {
		return false, nil
	}
	if mem.Open == nil && sides.Outdated(mem.Base, textOf(o, record.FieldRowID), textOf(o, record.FieldLastSync)) {
		e.seesOutdated(textOf(o, record.FieldID))
	}
	view, err := e.m.ReadEspo(o)
	if err != nil {
		view.Values = nil
	}
	half := sides.Contents(e.m, &view)
	switch e.standing(o, mem) {
	case record.StatusFailed:
		return (mem.Failure == nil || espoHalf(mem.Failure.Seen) == half) && !e.due(mem.Failure, o), nil
	case record.StatusPermanentlyFailed:
		if mem.Failure == nil { // a lost store: it waits for an edit by somebody else
			return e.byUs(ctx, o)
		}
		return espoHalf(mem.Failure.Seen) == half, nil
	case record.StatusConflict:
		return mem.Parked != nil && espoHalf(mem.Parked.Fingerprint) == half, nil
	case record.StatusClean:
		if textOf(o, record.FieldAdvowareID) == "" {
			return e.byUs(ctx, o) // unlinked by us: left alone until somebody edits it
		}
		return err == nil && e.asBased(o, view, mem.Base), nil
	}
	return false, nil // none, pending_sync, dirty, syncing
}

// asBased: EspoCRM shows what the base says it does, of the same link.
func (e *entityRun) asBased(o record.Object, view mapping.View, b *store.Base) bool {
	return textOf(o, record.FieldLastSync) != "" && sides.EspoIsBase(e.m, b, &view) && b.RowID == textOf(o, record.FieldRowID) && ofLink(b, o)
}

// ofLink: the base is of the link that EspoCRM carries.
func ofLink(b *store.Base, o record.Object) bool {
	id, _ := o.Int(record.FieldAdvowareID)
	return b.AdvowareID == 0 || b.AdvowareID == id
}

// byUs: the last modification was our own.
func (e *entityRun) byUs(ctx context.Context, o record.Object) (bool, error) {
	if err := until(ctx, e.usKnown); err != nil {
		return false, err
	}
	return e.run.engine.Ours(ctx, textOf(o, record.FieldModifiedBy))
}

// espoHalf is EspoCRM's part of a fingerprint of both sides.
func espoHalf(seen string) string {
	for i := range len(seen) {
		if seen[i] == ':' {
			return seen[:i]
		}
	}
	return seen
}

// lookMemories is (f): every id with an announcement, an owed notification, or left
// over. Where Advoware cannot list, also what was not compared for long. Those
// that were said to be gone are asked for by hundreds: a restored record brings
// its old stamp back, so nothing else would show it.
func (e *entityRun) lookMemories(ctx context.Context) error {
	f := store.ScanFilter{WithOpen: true, WithNotes: true, WithSuspect: true}
	if e.m.List() == nil {
		f.CheckedBefore = e.run.now().Add(-e.run.p.cfg.RecheckAfter)
		f.CheckedAfter = e.run.now().Add(clockSlack) // by a clock that was ahead
	}
	var u unseen
	err := e.run.p.deps.Store.Scan(ctx, e.m.Entity(), f, func(id string, m store.Memory) error {
		c := candidate{id: id, since: moment(e.state.Watermark), why: whyStale}
		if m.Open != nil || len(m.Notes) > 0 || m.Pending != "" {
			c.why = whyMemory | creates(m)
		}
		switch {
		case m.Base == nil && c.why == whyStale:
		case saidGone(m) && m.Open == nil:
			u.gone = append(u.gone, c)
		case !e.rests(c, m.Failure):
			e.queue.add(c)
		case m.Pending != "":
			u.resting = append(u.resting, id)
		}
		return e.askUnseen(ctx, &u, chunkSize)
	})
	if err == nil {
		err = e.askUnseen(ctx, &u, 1)
	}
	return store.Fault("look through the store", err)
}

// unseen are records of which a memory alone does not tell whether they need a sync.
type unseen struct {
	gone    []candidate // said to be gone: they may have been restored
	resting []string    // failed, and put aside since: an edit may have come before that
}

// askUnseen asks EspoCRM, once there are at least so many of a sort.
func (e *entityRun) askUnseen(ctx context.Context, u *unseen, least int) error {
	if len(u.gone) >= least {
		there, err := e.there(ctx, u.gone)
		if err != nil {
			return err
		}
		for _, c := range u.gone {
			if there[c.id] {
				e.queue.add(c)
			}
		}
		u.gone = u.gone[:0]
	}
	if len(u.resting) >= least {
		if err := e.addShown(ctx, u.resting); err != nil {
			return err
		}
		u.resting = u.resting[:0]
	}
	return nil
}

// rests: a record that failed is not tried now, whatever is remembered of it.
func (e *entityRun) rests(c candidate, f *store.Failure) bool {
	return f != nil && (f.Count >= e.maxRetries() && c.why&whyMemory != 0 || !e.due(f, record.Object{}))
}

// saidGone: a pass has told that the record is gone from EspoCRM, and nobody has
// seen it there since.
func saidGone(m store.Memory) bool { return !m.GoneAt.IsZero() && !m.CheckedAt.After(m.GoneAt) }

func (e *entityRun) maxRetries() int {
	if n := e.run.p.cfg.Engine.MaxRetries; n > 0 {
		return n
	}
	return 5
}

// lookLinked serves an entity that Advoware cannot list: without a watermark
// everything linked is compared once; afterwards only that something is linked
// at all. A deep pass looks at EspoCRM's side of all again: a record that comes
// back, stamps and all, after its memory was dropped with it shows nowhere else.
func (e *entityRun) lookLinked(ctx context.Context) error {
	linked := record.Condition{Field: record.FieldAdvowareID, Op: record.IsNotNull}
	if !e.full {
		some, err := e.espo.Find(ctx, e.m.EspoType(), record.Query{Select: []string{record.FieldID}, Where: []record.Condition{linked}, Size: 1})
		if err == nil && len(some) == 0 && e.state.Linked > 1 {
			e.facts.EspoLost = e.state.Linked
		}
		if e.linked = e.state.Linked; err != nil || !e.deep {
			return err
		}
	}
	return e.find(ctx, record.Query{Select: e.fields(), OrderBy: record.FieldID, Where: []record.Condition{linked}}, func(page []record.Object) error {
		mems, err := e.memories(ctx, page)
		if err != nil {
			return err
		}
		for i, o := range page {
			e.sees(o)
			if e.full {
				e.linked++
			}
			quiet, err := e.quiet(ctx, o, mems[i])
			if err != nil {
				return err
			}
			if !quiet {
				e.queue.add(candidate{id: textOf(o, record.FieldID), since: moment(textOf(o, record.FieldLastSync)), why: whyFirst})
			}
		}
		return nil
	})
}
