package batch

import (
	"context"
	"slices"

	"advosync/internal/record"
	"advosync/internal/store"
)

// kept is a candidate that a pass has left to the next one. Where a bound of the
// command line has ended the pass, the next one has no need to find them again: the
// watermark moves on without them.
type kept struct {
	ID    string `json:"id"`
	Since int64  `json:"since,omitempty"`
	Why   why    `json:"why"`
	Was   openAs `json:"was,omitempty"` // of a chunk's records
}

func keptKey(entity string) string { return "kept:" + entity }

// lookKept adds what the last pass has left.
func (e *entityRun) lookKept(ctx context.Context) error {
	for part := range slices.Chunk(e.before, chunkSize) {
		if err := e.addKept(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// addKept adds those that still need a sync. What has failed waits for its time, unless it
// was edited since; of what nothing is remembered, or is said to be gone, EspoCRM is asked
// whether it is there.
func (e *entityRun) addKept(ctx context.Context, ks []kept) error {
	ids := make([]string, len(ks))
	for i, k := range ks {
		ids[i] = k.ID
	}
	mems, err := e.run.p.deps.Store.LoadMany(ctx, e.m.Entity(), ids)
	if err != nil {
		return store.Fault("load what is remembered", err)
	}
	var unknown []candidate
	var resting []string // failed: whether they were edited since, only their contents tell
	for i, k := range ks {
		c := candidate{id: k.ID, since: k.Since, why: k.Why}
		if mems[i].Base != nil && c.why&whyCreate != 0 { // it has been created meanwhile
			c.why = c.why&^whyCreate | whyMemory
		}
		switch f := mems[i].Failure; {
		case mems[i].Rev == 0, saidGone(mems[i]): // it may have been restored since
			unknown = append(unknown, c)
		case f != nil && (f.Count >= e.maxRetries() || !e.due(f, record.Object{})):
			resting = append(resting, c.id)
		default:
			e.queue.add(c)
		}
	}
	if err := e.addShown(ctx, resting); err != nil {
		return err
	}
	if len(unknown) == 0 {
		return nil
	}
	there, err := e.there(ctx, unknown)
	for _, c := range unknown {
		if there[c.id] {
			e.queue.add(c)
		}
	}
	return err
}

// keepLeft stores what is left, before the state that rests on it.
func (e *entityRun) keepLeft(ctx context.Context, ks []kept) error {
	if len(ks) == 0 && len(e.before) == 0 {
		return nil
	}
	return save(ctx, e.run.p.deps.Store, keptKey(e.m.Entity()), ks)
}

func (k kept) candidate() candidate { return candidate{k.ID, k.Since, k.Why, k.Was} }

// bounded: the pass has ended at a bound of the command line.
func (e *entityRun) bounded() bool {
	e.run.mu.Lock()
	defer e.run.mu.Unlock()
	return (e.run.stop == StopTime || e.run.stop == StopLimit) && e.guarded && e.judge.halted() == nil && !e.queue.over
}
