package watch

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"advosync/internal/batch"
	"advosync/internal/fault"
	"advosync/internal/lease"
	"advosync/internal/result"
	"advosync/internal/store"
)

// A flood is more records within a minute than floodLeast, and than floodShare of the
// linked ones: it looks like an import or a restored backup, and is judged as a whole
// by the guards of a pass.
const (
	floodLeast = 20
	floodShare = 0.02
	floodSpan  = time.Minute
	// grace is how long what was begun may go on after a signal.
	grace = 30 * time.Second
)

// Hear implements Ear.
func (w *Watch) Hear(h Hint) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.follow[h.Entity] && len(w.follow) > 0 { // it is halted: the pass will look at it
		return false
	}
	w.figures.heard(h.Source)
	if !w.set.add(h, time.Now()) {
		w.missed = "more records than there is room for"
		w.nudge()
		return false
	}
	w.nudge()
	return true
}

// Missed implements Ear.
func (w *Watch) Missed(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missed = why
	w.nudge()
}

// nudge has the stream look again.
func (w *Watch) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stream syncs the records whose time has come, until a pass is due or has to look.
// What was begun is finished.
func (w *Watch) stream(ctx context.Context, tool Tool, held map[string]*lease.Lease, until time.Time) {
	w.deps.Status("follows hints")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, end := batch.WithGrace(ctx, grace)
	defer end()
	for _, l := range held { // without the lock somebody else watches
		defer context.AfterFunc(l.Context(), cancel)()
	}
	var begun sync.WaitGroup
	defer func() {
		w.turns(true) // what was begun may take longer than a turn
		begun.Wait()
		w.turns(false)
	}()
	slots := make(chan struct{}, w.cfg.Workers)
	for ctx.Err() == nil {
		list, next := w.turn(time.Now(), w.cfg.Workers-len(slots))
		if next.IsZero() {
			return
		}
		for _, r := range list {
			slots <- struct{}{}
			begun.Go(func() {
				defer w.nudge()
				defer func() { <-slots }()
				w.sync(work, tool, r)
			})
		}
		if !time.Now().Before(until) || w.passedElsewhere(ctx, held) {
			return
		}
		w.rest(ctx, earlier(next, until))
	}
}

// turn takes the records whose time has come, and says when to look again; the zero
// time: the stream ends.
func (w *Watch) turn(now time.Time, free int) (list []*waiting, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turned = now
	w.recent = slices.DeleteFunc(w.recent, func(t time.Time) bool { return now.Sub(t) >= floodSpan })
	if n := len(w.set.at) + len(w.recent); n > w.flood() {
		w.missed = "more records at once than hints are followed for"
		w.figures.flooded()
	}
	if w.missed != "" || w.trouble != "" {
		if w.missed != "" {
			w.say("hints are not followed until a pass has looked", "why", w.missed)
		}
		return nil, time.Time{}
	}
	list = w.set.due(now, free, func(k key) bool { return w.working[k] })
	for _, r := range list {
		w.working[key{r.hint.Entity, r.hint.ID}] = true
		w.recent = append(w.recent, now)
	}
	next = now.Add(pulse)
	if at, some := w.set.next(); some && at.After(now) { // one that is due and waits for a free worker is nudged
		next = earlier(next, at)
	}
	return list, next
}

// flood is how many records a minute may bring.
func (w *Watch) flood() int { return max(floodLeast, int(floodShare*float64(w.linked))) }

// rest waits until at, or until somebody nudges.
func (w *Watch) rest(ctx context.Context, at time.Time) {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.wake:
	case <-ctx.Done():
	}
}

// sync has one record synced, and sees what becomes of it.
func (w *Watch) sync(ctx context.Context, tool Tool, r *waiting) {
	k := key{r.hint.Entity, r.hint.ID}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.working, k)
	}()
	if w.leaves(ctx, r) {
		return
	}
	res := tool.Sync(ctx, r.hint.Entity, r.hint.ID)
	now := time.Now()
	w.figures.synced(r, res, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case res.Outcome == result.Locked:
		if r.tries++; r.tries < lockedTries {
			w.set.again(r, now.Add(whileLocked))
		}
	case res.Error != nil && res.Error.Owner == string(fault.OwnerSystem) && ctx.Err() == nil:
		w.trouble = cmp.Or(res.Error.Message, res.Error.Code, "a system has failed")
		w.say("hints are not followed until a pass has looked", "why", w.trouble)
	}
}

// leaves reports whether a hint is left to the pass: that of a webhook about a record
// that has failed. It may tell of the failure's own note, and every attempt counts;
// EspoCRM's list knows whose save it was.
func (w *Watch) leaves(ctx context.Context, r *waiting) bool {
	if r.hint.Source != FromWebhook {
		return false
	}
	mem, err := w.deps.Store.Load(ctx, store.Key{Entity: r.hint.Entity, ID: r.hint.ID})
	return err == nil && mem.Failure != nil
}
