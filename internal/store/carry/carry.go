// Package carry copies what one store remembers into another, empty one: bases,
// announcements, what is parked, owed or on hold, the history, the values. Locks, tokens
// and budgets are no memory and stay where they are.
//
// The order is: keep everybody out, mark the target, copy, compare both, take the mark
// away. A target that carries the mark is taken for a whole store by nobody (Whole), and
// a copy that was interrupted begins anew. The source is only read.
package carry

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/store"
)

// Copy says what to copy, and how.
type Copy struct {
	From, To store.Store
	// Line is the command that goes on after an interruption.
	Line string
	// Entities are those whose passes are kept out, beside those that From remembers.
	Entities []string
	Owner    store.Owner
	TTL      time.Duration // of the locks
	Now      func() time.Time
	Log      *slog.Logger
	// Step is called for every record and entry that was read or compared; nil: nobody asks.
	Step func()
	// Bar is told how often Step is going to be called; nil: nobody asks.
	Bar func(total int)
}

// Report is what was copied, or would be.
type Report struct {
	store.Holdings
	Values int
	// Again: what an interrupted copy had left was dropped first.
	Again bool
}

// The refusals that are no failure of a store.
const (
	codeNotEmpty fault.Code = "store_not_empty"
	codeNothing  fault.Code = "nothing_to_copy"
	codeMoving   fault.Code = "store_in_use"
	codeOther    fault.Code = "copy_differs"
)

// Look says what Run would copy, and refuses what it would refuse. It writes nothing.
func Look(ctx context.Context, job Copy) (Report, error) {
	c, err := newCopying(job)
	if err != nil {
		return Report{}, err
	}
	if err := c.look(ctx); err != nil {
		return Report{}, err
	}
	return c.report, c.unused(ctx, job.From, job.To)
}

// Run copies. Errors: *InUse where somebody is at work on one of the stores; *OfSource around
// what From failed with; faults. After one that came later than the checks, To is marked, and Run begins anew.
func Run(ctx context.Context, job Copy) (Report, error) {
	c, err := newCopying(job)
	if err != nil {
		return Report{}, err
	}
	if err := c.look(ctx); err != nil {
		return Report{}, err
	}
	ctx, done, err := c.alone(ctx)
	if err != nil {
		return Report{}, err
	}
	defer done()
	if err := c.look(ctx); err != nil { // nobody can have come in between, from here on
		return Report{}, err
	}
	return c.report, c.run(ctx)
}

// copying is one copy under way.
type copying struct {
	Copy
	from   source
	to     store.Portable
	report Report
	// servers keep From and To; renamed is how From's is called in To.
	servers [2]string
	renamed store.Succession
	keys    []string     // the locks that are taken in both
	lease   *lease.Lease // of To
	began   time.Time
}

func newCopying(job Copy) (*copying, error) {
	c := &copying{Copy: job, began: job.Now().UTC().Truncate(time.Second)}
	from, okFrom := store.PortableOf(job.From)
	to, okTo := store.PortableOf(job.To)
	if !okFrom || !okTo {
		return nil, fmt.Errorf("carry: %T cannot be copied into %T", job.From, job.To)
	}
	c.from, c.to = source{Portable: from, all: job.From}, to
	return c, nil
}

// look counts, and refuses a source that is no whole memory and a target that holds one.
func (c *copying) look(ctx context.Context) error {
	if err := ofSource(Whole(ctx, c.From)); err != nil {
		return err
	}
	keys, err := c.from.Lasting(ctx)
	if err != nil {
		return err
	}
	holds, err := c.from.Holdings(ctx)
	if err != nil {
		return err
	}
	if len(holds.Entities) == 0 && holds.History == 0 {
		return &fault.Error{System: fault.Local, Code: codeNothing, Owner: fault.OwnerSystem, Message: c.From.Describe() + " remembers nothing, so there is nothing to copy",
			Hint: "check --from, and store.prefix where there are several offices"}
	}
	_, again, err := markerOf(ctx, c.To)
	if err != nil {
		return err
	}
	c.report = Report{Holdings: holds, Values: len(slices.DeleteFunc(keys, stays)), Again: again}
	if again {
		return nil
	}
	return c.empty(ctx)
}

// empty refuses a target in which anything is remembered.
func (c *copying) empty(ctx context.Context) error {
	holds, err := c.to.Holdings(ctx)
	if err != nil {
		return err
	}
	keys, err := c.to.Lasting(ctx)
	if err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return stays(key) || store.IsBirth(key) })
	var what []string
	for entity, r := range holds.Entities {
		what = append(what, fmt.Sprintf("%d records of %s", r.Records, entity))
	}
	slices.Sort(what)
	if holds.History > 0 {
		what = append(what, fmt.Sprintf("%d lines of history", holds.History))
	}
	if len(what) == 0 && len(keys) > 0 {
		what = append(what, fmt.Sprintf("%d values (%s)", len(keys), strings.Join(keys[:min(len(keys), 3)], ", ")))
	}
	if len(what) == 0 {
		return nil
	}
	return &fault.Error{System: fault.Local, Code: codeNotEmpty, Owner: fault.OwnerSystem,
		Message: fmt.Sprintf("%s is not empty: it holds %s. Two memories cannot be joined; nothing was copied", c.To.Describe(), strings.Join(what, ", ")),
		Hint:    "if what it holds is of no use any more, move the file away or empty the Redis database, as docs/operations.md says (Moving to another store)"}
}

// copyLock keeps a second copy out; it is listed among the locks.
var copyLock = store.LockKey("store", "copy")

// alone takes the locks of all passes in both stores, and makes sure that nobody holds
// any other. The context ends when one of the locks is lost.
func (c *copying) alone(ctx context.Context) (_ context.Context, done func(), err error) {
	c.keys = []string{copyLock}
	for _, entity := range slices.Concat(c.Entities, slices.Collect(maps.Keys(c.report.Entities))) {
		c.keys = append(c.keys, store.LockKey(entity, store.PassLock))
	}
	slices.Sort(c.keys)
	c.keys = slices.Compact(c.keys)
	var managers []*lease.Manager
	done = func() {
		for _, m := range managers {
			if err := m.ReleaseAll(); err != nil {
				c.Log.Warn("a lock could not be freed; it lives until it runs out", "error", err.Error())
			}
		}
	}
	for _, s := range []store.Store{c.From, c.To} {
		m := lease.New(s, c.Owner, c.TTL, lease.Options{Log: c.Log, Now: c.Now})
		managers = append(managers, m)
		granted, held, err := m.AcquireAll(ctx, c.keys)
		if err == nil && len(held) > 0 {
			err = atWork(s, held[0])
		}
		if err == nil {
			err = c.unused(ctx, s)
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		c.lease = granted[slices.Index(c.keys, copyLock)]
		ctx = c.lease.Context()
	}
	return ctx, done, nil
}

// unused refuses stores in which somebody holds a lock that is none of ours.
func (c *copying) unused(ctx context.Context, stores ...store.Store) error {
	for _, s := range stores {
		locks, err := s.Locks(ctx)
		if err != nil {
			return err
		}
		for _, l := range locks {
			state := lease.StateOf(l, func(o store.Owner) bool { return lease.Dead(o, c.Owner) }, c.Now())
			if state != lease.Stale && !(slices.Contains(c.keys, l.Key) && l.Owner.Run == c.Owner.Run) {
				return atWork(s, l)
			}
		}
	}
	return nil
}

// unbroken refuses stores in which a lock of ours is no more: somebody has broken it, and may
// have worked there since.
func (c *copying) unbroken(ctx context.Context) error {
	for _, s := range []store.Store{c.From, c.To} {
		locks, err := s.Locks(ctx)
		if err != nil {
			return err
		}
		for _, key := range c.keys {
			if !slices.ContainsFunc(locks, func(l store.Lock) bool { return l.Key == key && l.Owner.Run == c.Owner.Run }) {
				return &fault.Error{System: fault.Local, Code: codeMoving, Owner: fault.OwnerSystem, Transient: true,
					Message: fmt.Sprintf("%s: the lock %s, which keeps others out, was freed by somebody while the store was copied", s.Describe(), key),
					Hint:    "stop whatever works with either store (timers, services, other hosts), then: " + c.Line}
			}
		}
	}
	return nil
}

// InUse is the refusal of a store on which somebody holds a lock; it wraps a
// *lease.HeldError.
type InUse struct {
	Store store.Store
	held  *lease.HeldError
}

// Error names the store, the lock and its holder.
func (e *InUse) Error() string {
	return fmt.Sprintf("%s: %s is %v", e.Store.Describe(), e.held.Lock.Key, e.held)
}

func (e *InUse) Unwrap() error { return e.held }

// atWork says on which store somebody holds a lock.
func atWork(s store.Store, l store.Lock) error {
	return &InUse{Store: s, held: &lease.HeldError{Lock: l}}
}

// run copies and compares, under the locks.
func (c *copying) run(ctx context.Context) error {
	var err error
	if c.servers, err = c.ask(ctx); err != nil {
		return err
	}
	c.renamed = store.Succeed(c.servers[0], c.servers[1])
	if err := c.mark(ctx); err != nil {
		return err
	}
	if err := c.clear(ctx); err != nil {
		return err
	}
	if c.Bar != nil {
		c.Bar(3 * (c.report.Records() + c.report.History))
	}
	for _, step := range []func(context.Context) error{c.copyRecords, c.copyHistory, c.copyValues, c.compare, c.undisturbed} {
		err := step(ctx)
		if err == nil {
			err = c.stillMarked(ctx)
		}
		if err != nil {
			c.markAgain(ctx)
			return err
		}
	}
	return c.To.Delete(ctx, marker)
}

// clear drops what the target holds, but for the mark and what is no memory.
func (c *copying) clear(ctx context.Context) error {
	keys, err := c.to.Lasting(ctx)
	if err != nil {
		return err
	}
	return c.to.Clear(ctx, slices.DeleteFunc(keys, func(key string) bool { return !stays(key) }))
}

// stillMarked refuses a target that has lost the mark: it has lost more, perhaps.
func (c *copying) stillMarked(ctx context.Context) error {
	if _, ok, err := markerOf(ctx, c.To); ok || err != nil {
		return err
	}
	return &fault.Error{System: fault.Local, Code: codeMoving, Owner: fault.OwnerSystem,
		Message: c.To.Describe() + " has lost what was written there a moment ago: it was restarted without its data, throws values away for want of memory, or was emptied",
		Hint:    "advosync doctor says how Redis has to be set up; then: " + c.Line}
}

// markAgain makes sure that what a failed copy leaves behind is taken for whole by nobody.
func (c *copying) markAgain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.mark(ctx); err != nil {
		c.Log.Error("the new store may hold a part of the old one, and cannot be marked as that: do not use it", "error", err.Error())
	}
}

func (c *copying) mark(ctx context.Context) error {
	return mark(ctx, c.To, underway{From: c.From.Describe(), Line: c.Line, At: c.began})
}

// ask asks which servers keep the stores.
func (c *copying) ask(ctx context.Context) (servers [2]string, err error) {
	for i, s := range []store.Store{c.From, c.To} {
		if servers[i], err = store.Incarnation(ctx, s); err != nil {
			return servers, err
		}
	}
	return servers, nil
}

// undisturbed makes sure, at the end, that the same servers keep the stores, so that
// neither has lost anything meanwhile, that the locks that keep others out are still held,
// and that nobody has begun to work.
func (c *copying) undisturbed(ctx context.Context) error {
	servers, err := c.ask(ctx)
	if err != nil {
		return err
	}
	if servers != c.servers {
		return &fault.Error{System: fault.Local, Code: codeMoving, Owner: fault.OwnerSystem, Transient: true,
			Message: "a Redis server was restarted or replaced while the store was copied, and may have lost a part", Hint: "once it is at rest: " + c.Line}
	}
	if err := c.unbroken(ctx); err != nil {
		return err
	}
	return c.unused(ctx, c.From, c.To)
}
