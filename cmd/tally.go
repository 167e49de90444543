package cmd

import (
	"fmt"
	"strings"
	"sync"

	"advosync/internal/result"
)

// tally is what stands behind the progress bar. Safe for concurrent use: the bar
// refreshes on its own.
type tally struct {
	mu      sync.Mutex
	current string
	sum     result.Summary
}

func (t *tally) phase(p string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = p
}

func (t *tally) add(o result.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Add(o)
}

// String is short: what was written, what needs attention.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sum.Total == 0 {
		return t.current
	}
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{t.sum.Created + t.sum.CreatedEspocrm + t.sum.UpdatedAdvoware + t.sum.UpdatedEspocrm + t.sum.Merged, "written"},
		{t.sum.Conflicts, "conflicts"}, {t.sum.Failed + t.sum.PermanentlyFailed, "failed"}, {t.sum.Locked, "locked"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(parts, ", ")
}
