package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// Unlocked renders what became of locks that were to be freed.
func Unlocked(w io.Writer, l result.Locks, dryRun bool, o Options) error {
	if l.Locks == nil {
		l.Locks = []result.Lock{}
	}
	s := sheet{keys: []string{"entity", "id", "state", "freed", "status", "host", "pid", "user", "command", "since", "expiresAt", "error"}}
	for _, k := range l.Locks {
		_, message := errorTexts(k.Error)
		h := k.Holder
		s.rows = append(s.rows, []string{k.Entity, k.ID, string(k.State), strconv.FormatBool(k.Freed), k.Status, h.Host, strconv.Itoa(h.PID), h.User, h.Command,
			utc(h.Since), utc(k.ExpiresAt), message})
	}
	return s.write(w, l, o, func(p *page, _ func()) {
		freed := 0
		for _, k := range l.Locks {
			if k.Freed {
				freed++
			}
			p.unlocked(k, dryRun)
		}
		if len(l.Locks) == 0 {
			p.line("No stale locks.")
		} else if len(l.Locks) > 1 && !dryRun {
			p.line(p.bold.Render(plural(freed, "lock", "locks") + " freed."))
		}
	})
}

// unlocked says who held a lock and what became of it.
func (p *page) unlocked(k result.Lock, dryRun bool) {
	p.say("", p.who(k.Name, k.Entity, k.ID), p.title)
	switch {
	case k.State == result.LockFree:
		p.sayStyled("lock", "nobody holds it", p.good, "")
	case k.Holder.Host == "" && k.State == result.LockOldHandler:
		p.sayStyled("holder", "nobody knows who: the old handler's value, or another program's", p.plain, "")
	default:
		h := k.Holder
		p.sayStyled("holder", oneLine(fmt.Sprintf("%s@%s, pid %d, %s", h.User, h.Host, h.PID, h.Command), p.UTF8), p.plain, "")
		p.sayStyled("since", p.when(h.Since), p.plain, "")
	}
	if k.State != result.LockFree {
		lease := "never ends"
		if k.ExpiresAt != nil {
			lease = "until " + p.ago(*k.ExpiresAt)
		}
		p.sayStyled("lease", lease, p.plain, "")
		p.sayStyled("state", lockWords(k.State), p.lockStyle(k.State), "")
	}
	switch {
	case k.Freed:
		p.sayStyled("done", "freed", p.good, "")
	case dryRun && k.Error == nil && k.State != result.LockFree:
		p.sayStyled("would be", "freed; nothing was written", p.dim, "")
	}
	if k.Status != "" {
		p.sayStyled("syncStatus", "was left at syncing, is "+oneLine(k.Status, p.UTF8)+" now", p.plain, "")
	}
	for _, s := range k.Warnings {
		p.sayStyled("warning", oneLine(s, p.UTF8), p.warn, "")
	}
}

// lockWords say what a lock's state means for freeing it.
func lockWords(s result.LockState) string {
	switch s {
	case result.LockStale:
		return "stale: its holder is dead, or its lease has run out"
	case result.LockOldHandler:
		return "old handler: it may be at work"
	default:
		return "live: its holder may be at work"
	}
}

func (p *page) lockStyle(s result.LockState) lipgloss.Style {
	if s == result.LockStale {
		return p.good
	}
	return p.warn
}
