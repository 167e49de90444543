package report

import (
	"fmt"
	"io"
	"strconv"

	"advosync/internal/result"
)

// Copied says what one store has taken over from another.
func Copied(w io.Writer, c result.Copied, o Options) error {
	s := sheet{keys: []string{"from", "to", "entity", "records", "announced", "history", "values", "dryRun"}}
	for _, e := range c.Entities {
		s.rows = append(s.rows, []string{c.From, c.To, e.Entity, strconv.Itoa(e.Records), strconv.Itoa(e.Announced),
			strconv.Itoa(c.History), strconv.Itoa(c.Values), strconv.FormatBool(c.DryRun)})
	}
	return s.write(w, c, o, func(p *page, _ func()) {
		p.say("from ", oneLine(c.From, p.UTF8), p.plain)
		p.say("to   ", oneLine(c.To, p.UTF8), p.plain)
		for _, e := range c.Entities {
			text := fmt.Sprintf("%s: %s", oneLine(e.Entity, p.UTF8), plural(e.Records, "record", "records"))
			if e.Announced > 0 {
				text += fmt.Sprintf(", %d with a write that has not come to its end; the next pass settles it", e.Announced)
			}
			p.say("  ", text, p.plain)
		}
		p.say("  ", fmt.Sprintf("%s of history, %s", plural(c.History, "line", "lines"), plural(c.Values, "value", "values")), p.plain)
		switch {
		case c.DryRun && c.Again:
			p.say("", "What an interrupted copy has left there would be dropped first. Nothing was written.", p.dim)
		case c.DryRun:
			p.say("", "Nothing was written.", p.dim)
		default:
			p.say("", "Copied, and compared: both remember the same. The old store is as it was.", p.good)
		}
	})
}
