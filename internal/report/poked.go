package report

import (
	"io"
	"strconv"

	"advosync/internal/result"
)

// Poked says how many records a watch is going to look at.
func Poked(w io.Writer, v result.Poked, o Options) error {
	s := sheet{keys: []string{"entity", "taken"}, rows: [][]string{{v.Entity, strconv.Itoa(v.Taken)}}}
	return s.write(w, v, o, func(p *page, _ func()) {
		p.say("", plural(v.Taken, "record", "records")+" taken; the watch looks within seconds, and history says what came of it.", p.plain)
	})
}
