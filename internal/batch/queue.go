package batch

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"advosync/internal/record"
)

// maxQueue bounds the candidates of one pass: at about a hundred bytes each,
// 10 MB. What is newer than the oldest that fit waits for the next pass.
const maxQueue = 100_000

// why says which rules made a record a candidate.
type why uint16

const (
	whyUnclean why = 1 << iota // pending_sync, dirty
	whyRetry                   // failed, and due
	whySyncing                 // left behind by a run that died
	whyEdited                  // edited in EspoCRM since the last pass
	whyDrift                   // Advoware shows another rowId, or no such record
	whyStale                   // not compared for long
	whyFirst                   // linked, never synced, or without a usable base
	whyMemory                  // an announcement, an owed note, left over
	whyGone                    // gone from EspoCRM
	whyCreate                  // not linked
	whyPosted                  // not linked, and an interrupted run has begun to create it
	whyHeld                    // not linked, and an earlier pass has held it back
	whyAgain                   // an earlier round of the pass has come to it
)

// candidate is one record that needs a look. since is the oldest moment (Unix
// seconds of EspoCRM's stamps) at which its unsynced edit can have been made.
type candidate struct {
	id    string
	since int64
	why   why
	was   openAs // an earlier pass has left it open
}

// queue collects candidates, each id once, and keeps the oldest where there are
// too many.
type queue struct {
	most int

	mu   sync.Mutex
	at   map[string]int
	list []candidate
	over bool // some were dropped
	// dropped are hashes of their ids; some of them may be back.
	dropped []uint64
	seed    maphash.Seed
}

func newQueue(most int) *queue {
	return &queue{most: most, at: map[string]int{}, seed: maphash.MakeSeed()}
}

func (q *queue) add(c candidate) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i, known := q.at[c.id]; known {
		q.list[i].why |= c.why
		q.list[i].since = older(q.list[i].since, c.since)
		return
	}
	q.at[c.id] = len(q.list)
	q.list = append(q.list, c)
	if len(q.list) >= q.most+q.most/4+1 {
		q.shrink()
	}
}

// has reports whether a record is among the candidates that are held.
func (q *queue) has(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, known := q.at[id]
	return known
}

// shrink drops the newest ones.
func (q *queue) shrink() {
	q.sort()
	q.over = true
	for _, c := range q.list[q.most:] {
		delete(q.at, c.id)
		q.dropped = append(q.dropped, maphash.String(q.seed, c.id))
	}
	slices.Sort(q.dropped)
	q.dropped = slices.Compact(q.dropped)
	q.list = q.list[:q.most]
	for i, c := range q.list {
		q.at[c.id] = i
	}
}

func (q *queue) sort() { slices.SortFunc(q.list, inTurn) }

// inTurn is the order in which candidates are synced: the oldest edit first. What
// waits for a person must not use up the places of what can be done.
func inTurn(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.why&whyHeld, b.why&whyHeld), cmp.Compare(a.since, b.since), cmp.Compare(a.id, b.id))
}

// take ends the collecting: the oldest edit first.
func (q *queue) take() []candidate {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) > q.most {
		q.shrink()
	}
	q.sort()
	q.at = nil
	return q.list
}

// missed is how many there were besides those that take has given.
func (q *queue) missed() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.dropped)
	for _, c := range q.list {
		if _, back := slices.BinarySearch(q.dropped, maphash.String(q.seed, c.id)); n > 0 && back {
			n--
		}
	}
	return n
}

// older is the earlier of two moments; 0 is no moment.
func older(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// moment reads EspoCRM's stamp; 0 where there is none.
func moment(stamp string) int64 {
	t, err := time.Parse(record.StampLayout, stamp)
	if err != nil {
		return 0
	}
	return t.Unix()
}

func stampOf(moment int64) string {
	if moment == 0 {
		return ""
	}
	return time.Unix(moment, 0).UTC().Format(record.StampLayout)
}
