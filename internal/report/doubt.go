package report

import (
	"io"
	"strconv"

	"advosync/internal/result"
)

// Doubts renders the links that nobody proved, both names side by side.
func Doubts(w io.Writer, d result.Doubts, o Options) error {
	if d.Doubtful == nil {
		d.Doubtful = []result.Doubt{}
	}
	s := sheet{header: []string{"id", "number", "EspoCRM", "Advoware"}, keys: []string{"id", "advowareId", "espocrm", "advoware"}}
	for _, x := range d.Doubtful {
		s.rows = append(s.rows, []string{x.ID, strconv.FormatInt(x.AdvowareID, 10), x.Espocrm, x.Advoware})
	}
	return s.write(w, d, o, func(p *page, table func()) {
		switch {
		case len(d.Doubtful) == 0:
			p.line("No link waits to be confirmed.")
			return
		case p.Width >= wideList:
			table()
		default: // both names below each other are easier to compare than in narrow columns
			for _, x := range d.Doubtful {
				p.say(p.bold.Render(pad("EspoCRM "+oneLine(x.ID, p.UTF8), 27)), oneLine(firstOf(x.Espocrm, p.marks.empty), p.UTF8), p.plain)
				p.say(pad("Advoware "+strconv.FormatInt(x.AdvowareID, 10), 27), oneLine(firstOf(x.Advoware, "(not there)"), p.UTF8), p.plain)
				p.line("")
			}
		}
		p.say("", plural(len(d.Doubtful), "link", "links")+" that nobody proved.", p.bold)
		p.say("  ", p.commands("the same: advosync link --confirm --id ID; not the same: correct the number in EspoCRM, or advosync link --id ID --advoware-id N --force"), p.dim)
	})
}
