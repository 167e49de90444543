package batch

import (
	"fmt"
	"strings"
	"testing"
)

// Room to grow, 30: what does not fit into a pass is counted with what is left, a record
// that several lists have shown once.
func TestQueueCountsWhatItDrops(t *testing.T) {
	q := newQueue(10)
	for range 3 {
		for i := range 37 {
			q.add(candidate{id: fmt.Sprint(i), since: int64(i + 1)})
		}
	}
	list := q.take()
	if len(list) != 10 || list[0].id != "0" || list[9].id != "9" || !q.over || q.missed() != 27 {
		t.Errorf("%d taken, %d missed, over %v", len(list), q.missed(), q.over)
	}
	if q := newQueue(10); q.missed() != 0 {
		t.Error("an empty queue has missed some")
	}
}

// Records end in any order: what is left is kept in the order in which it is synced, so
// that two passes that left the same ask for it in the same words.
func TestWhatIsLeftIsKeptInItsTurn(t *testing.T) {
	var c closing
	for _, left := range []candidate{{id: "c", since: 1, why: whyHeld}, {id: "b", since: 2}, {id: "d", since: 3, why: whyGone}, {id: "e", since: 1}, {id: "a", since: 2}} {
		c.Outcome.leaves(left)
	}
	var ids []string
	for _, k := range c.keeps() {
		ids = append(ids, k.ID)
	}
	if got := strings.Join(ids, " "); got != "e a b c" {
		t.Errorf("kept: %s", got)
	}
}
