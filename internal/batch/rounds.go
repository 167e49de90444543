package batch

import (
	"hash/maphash"
	"slices"
	"strconv"

	"advosync/internal/result"
)

// A planner hands out the candidates of a pass in rounds: no more than a queue holds at a
// time, the oldest first, whatever their number. Each round looks anew, so it needs to
// know nothing of the rest but that there is one, and is ended as a pass is; the
// watermark moves with the last one.

// mayGoOn: more was found than this round held, others sync it, nothing ends the pass,
// and the round before has left more than this one.
func (e *entityRun) mayGoOn() bool {
	if !e.queue.over || !e.run.distributes(e.m) || e.run.stopped() || e.lock.Context().Err() != nil {
		return false
	}
	missed := e.queue.missed()
	return e.round == 1 || missed < e.missed
}

// nextRound is the round behind this one.
func (e *entityRun) nextRound() *entityRun {
	r, n := e.run, e.run.newRound(e.m)
	n.lock, n.round, n.missed, n.seed, n.handed = e.lock, e.round+1, e.queue.missed(), e.seed, e.handed
	n.earlier = slices.Sorted(slices.Values(e.handed))
	r.mu.Lock()
	made := r.report.Entities[e.m.Entity()]
	n.created = made.Created + made.CreatedEspocrm
	r.report.Linked -= e.linked // they are counted anew
	heldBack := e.out.Held.TooMany + e.out.Held.Matching + e.imports.named
	n.forgot = e.forgot + made.Locked + heldBack + e.out.Again
	n.ended = made.Total + e.forgot + e.out.Again
	r.report.forgetAgainLocked(e.m.Entity(), heldBack)
	r.mu.Unlock()
	r.p.deps.Log.Info("more is to be synced than one round holds; looking again", "entity", e.m.Entity(), "round", n.round, "left", n.missed)
	return n
}

// told: an earlier round has come to a record, and told of it.
func (e *entityRun) told(id string) bool {
	_, told := slices.BinarySearch(e.earlier, maphash.String(e.seed, id))
	return told
}

// onceTold is what those who look on are told of a record: a create that each round holds
// back is only counted from the second one on.
func onceTold(res result.Record, before bool) result.Record {
	if before && isHeldBack(res) {
		return result.Record{Entity: res.Entity, Outcome: result.Unchanged}
	}
	return res
}

// passName tells the rounds apart.
func (e *entityRun) passName() string {
	name := e.run.p.cfg.Engine.Run + ":" + e.m.Entity()
	if e.round > 1 {
		name += ":" + strconv.Itoa(e.round)
	}
	return name
}
