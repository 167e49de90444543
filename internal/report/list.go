package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/fault"
	"advosync/internal/result"
)

// list renders sync and check: one row per record, then the totals.
func (p *page) list(doc result.Document) {
	shown := doc.Results
	if p.Quiet {
		shown = slices.DeleteFunc(slices.Clone(shown), func(r result.Record) bool { return !needsAttention(would(r)) })
	}
	shown, alike := p.fold(shown)
	shown, down := withoutOutage(shown, doc.Error)
	if len(shown) > 0 {
		p.recordTable(shown)
	}
	if down > 0 {
		p.say(p.bad.Render(p.marks.fail+" "), plural(down, "record was", "records were")+" not reached, because of the failure below.", p.plain)
	}
	if len(shown) > 0 && len(alike) > 0 {
		p.line("")
	}
	for _, a := range alike {
		p.say(p.bold.Render(fmt.Sprintf("%d records: ", a.n)), p.shortOutcome(would(a.first), true)+" "+p.marks.dash+" "+p.why(a.first)+" (-v lists them)", p.plain)
	}
	said := slices.Clone(shown)
	for i := range said {
		if e := said[i].Error; doc.Error != nil && e != nil && e.Hint == doc.Error.Hint {
			said[i].Error = nil // a system's failure meets every record, and is said once, below
		}
	}
	p.asides(said)
	p.news(doc)
	if p.Quiet && len(shown) == 0 {
		return
	}
	if len(shown) > 0 {
		p.line("")
		p.arrows(shown)
	}
	p.totals(doc)
}

// withoutOutage takes out of a list the records that have met nothing but the
// failure of a system that ended the command, and counts them: it is said once.
func withoutOutage(rs []result.Record, outage *result.Error) (rest []result.Record, down int) {
	if outage == nil || outage.Owner != string(fault.OwnerSystem) || outage.Code == string(fault.Interrupted) {
		return rs, 0
	}
	rest = slices.DeleteFunc(slices.Clone(rs), func(r result.Record) bool {
		switch {
		case r.Verdict != "" || len(r.Warnings) > 0: // there is more to say of it
			return false
		case r.Error != nil && (r.Outcome == result.Failed || r.Outcome == result.Skipped):
			return r.Error.Owner == outage.Owner && r.Error.Code == outage.Code
		}
		return r.Outcome == result.Skipped && r.Reason.Code == "not_begun"
	})
	return rest, len(rs) - len(rest)
}

// alike are records of which the same is to be said.
type alike struct {
	first result.Record
	n     int
}

// foldFrom is the number from which on records that a sync would leave alone,
// for the same reason, are said once.
const foldFrom = 10

// fold takes records in step out of a check's list where there are many.
func (p *page) fold(rs []result.Record) (shown []result.Record, folded []alike) {
	if p.View != Check || p.Verbose {
		return rs, nil
	}
	same := func(a, b result.Record) bool { return would(a) == would(b) && a.Reason == b.Reason }
	says := func(r result.Record) bool { return r.Error != nil || r.Next != "" || len(r.Warnings) > 0 }
	for _, r := range rs {
		if o := would(r); o != result.Unchanged && o != result.Adopted || says(r) {
			continue
		}
		if i := slices.IndexFunc(folded, func(a alike) bool { return same(a.first, r) }); i >= 0 {
			folded[i].n++
		} else {
			folded = append(folded, alike{r, 1})
		}
	}
	folded = slices.DeleteFunc(folded, func(a alike) bool { return a.n < foldFrom })
	for _, r := range rs {
		if says(r) || !slices.ContainsFunc(folded, func(a alike) bool { return same(a.first, r) }) {
			shown = append(shown, r)
		}
	}
	return shown, folded
}

// arrows explains the arrows of a narrow list.
func (p *page) arrows(rs []result.Record) {
	if p.Width >= wideList {
		return
	}
	var toAdvo, toEspo bool
	for _, r := range rs {
		switch would(r) {
		case result.CreatedAdvoware, result.UpdatedAdvoware:
			toAdvo = true
		case result.UpdatedEspocrm, result.CreatedEspocrm:
			toEspo = true
		case result.Merged:
			toAdvo, toEspo = true, true
		}
	}
	var parts []string
	if toAdvo {
		parts = append(parts, p.marks.toAdvoware+" to Advoware")
	}
	if toEspo {
		parts = append(parts, p.marks.toEspocrm+" to EspoCRM")
	}
	if parts != nil {
		p.say("", strings.Join(parts, "   "), p.dim)
	}
}

func needsAttention(o result.Outcome) bool {
	switch o {
	case result.ConflictWaits, result.Failed, result.PermanentlyFailed, result.Locked, result.Skipped:
		return true
	}
	return false
}

const reasonRoom = 30 // a reason in a narrower column is not readable

// column is one of the table of records.
type column struct {
	title string
	text  func(result.Record) string
	style func(result.Record) lipgloss.Style
	most  int
	// above, where set, stands on lines of its own above the text.
	above func(result.Record) string
}

// width is how wide the column is with these records.
func (c column) width(rs []result.Record) int {
	w := lipgloss.Width(c.title)
	for _, r := range rs {
		w = max(w, lipgloss.Width(c.text(r)))
		if c.above != nil {
			w = max(w, lipgloss.Width(c.above(r)))
		}
	}
	return min(w, c.most)
}

// cell is what the column shows of a record.
func (p *page) cell(c column, r result.Record, width int) cell {
	var lines cell
	if c.above != nil && c.above(r) != "" {
		for _, l := range wrap(c.above(r), width) {
			lines = append(lines, p.linked(p.bold.Render(l), r.Entity, r.ID))
		}
	}
	for _, l := range wrap(c.text(r), width) {
		l = c.style(r).Render(l)
		if c.title == "ID" {
			l = p.linked(l, r.Entity, r.ID)
		}
		lines = append(lines, l)
	}
	return lines
}

// columns are those that have something to say of these records.
func (p *page) columns(rs []result.Record) []column {
	plainStyle := func(result.Record) lipgloss.Style { return p.plain }
	doTitle := "Outcome"
	switch p.View {
	case Check:
		doTitle = "A sync would"
	case Repair:
		doTitle = "Would"
	}
	entity := column{"Entity", func(r result.Record) string { return oneLine(r.Entity, p.UTF8) }, plainStyle, 20, nil}
	id := column{"ID", p.recordName, func(result.Record) lipgloss.Style { return p.bold }, 20, nil}
	advo := column{"Advoware", func(r result.Record) string { return firstOf(advowareID(r), p.marks.empty) }, plainStyle, 12, nil}
	verdict := column{"Verdict", func(r result.Record) string { return firstOf(oneLine(string(r.Verdict), p.UTF8), p.marks.empty) }, func(r result.Record) lipgloss.Style { return p.verdictStyle(r.Verdict) }, 19, nil}
	do := column{doTitle, func(r result.Record) string {
		return p.shortOutcome(would(r), r.Outcome == result.Planned || (p.View == Check || p.View == Repair) && r.Error == nil)
	}, func(r result.Record) lipgloss.Style { return p.outcomeStyle(would(r)) }, 22, nil}

	columns := []column{id, advo, verdict, do}
	name := func(r result.Record) string { return oneLine(r.Name, p.UTF8) }
	switch named := slices.ContainsFunc(rs, func(r result.Record) bool { return r.Name != "" }); {
	case named && p.Width >= wideList:
		id.style = plainStyle
		columns = []column{{title: "Name", text: name, style: func(result.Record) lipgloss.Style { return p.bold }, most: 24}, id, advo, verdict, do}
	case named:
		id.above, id.style = name, plainStyle
		columns[0] = id
	}
	if slices.ContainsFunc(rs, func(r result.Record) bool { return r.Entity != rs[0].Entity }) {
		columns = append([]column{entity}, columns...)
	}
	return slices.DeleteFunc(columns, func(c column) bool {
		return (c.title == "Verdict" || c.title == "Advoware") && !slices.ContainsFunc(rs, func(r result.Record) bool { return c.text(r) != p.marks.empty })
	})
}

func (p *page) recordTable(rs []result.Record) {
	columns := p.columns(rs)
	room := func() int {
		n := p.Width
		for _, c := range columns {
			n -= c.width(rs) + 2
		}
		return n
	}
	for _, drop := range []string{"Advoware", "Verdict", "Entity"} { // in which order they are given up when the page is narrow
		if room() >= reasonRoom {
			break
		}
		columns = slices.DeleteFunc(columns, func(c column) bool { return c.title == drop })
	}
	reason := max(room(), 12)

	g := grid{gap: "  ", rule: p.marks.row, cross: "  "}
	for _, c := range columns {
		g.widths = append(g.widths, c.width(rs))
		g.header = append(g.header, p.title.Render(c.title))
	}
	g.widths = append(g.widths, reason)
	g.header = append(g.header, p.title.Render("Reason"))
	for _, r := range rs {
		var row []cell
		for i, c := range columns {
			row = append(row, p.cell(c, r, g.widths[i]))
		}
		row = append(row, cell(wrap(p.why(r), reason)))
		g.rows = append(g.rows, row)
	}
	p.draw(g)
}

// why is the reason of a record, or its error where it has one.
func (p *page) why(r result.Record) string {
	text, code := r.Reason.Text, r.Reason.Code
	if r.Error != nil && r.Error.Message != "" {
		text, code = ownWords(r, r.Error.Message), r.Error.Code
	}
	if text == "" {
		text, code = code, ""
	}
	text = p.people(text)
	if p.Verbose && code != "" {
		text += " (" + code + ")"
	}
	return oneLine(text, p.UTF8)
}

// who is a record with its name, as far as that is known.
func (p *page) who(name, entity, id string) string {
	return oneLine(strings.TrimPrefix(name+", ", ", ")+entity+" "+id, p.UTF8)
}

// recordName is the id; of a record that EspoCRM does not have yet, Advoware's.
func (p *page) recordName(r result.Record) string {
	if r.ID == "" && r.AdvowareID != nil {
		return "Advoware " + advowareID(r)
	}
	return oneLine(r.ID, p.UTF8)
}

// asides say what to do about the records, below the table; a hint that several
// records share is said once.
func (p *page) asides(rs []result.Record) {
	share := map[string]int{}
	for _, r := range rs {
		share[hintOf(r)]++
	}
	for _, r := range rs {
		name := truncate(firstOf(oneLine(r.Name, p.UTF8), p.recordName(r)), p.Width/3, p.marks.ellipsis)
		head := name + ": "
		if hint := hintOf(r); hint != "" && share[hint] > 0 {
			if n := share[hint]; n > 1 {
				head = fmt.Sprintf("%s and %d more: ", name, n-1)
			}
			p.say(p.bold.Render(head), oneLine(hint, p.UTF8), p.dim)
			share[hint] = 0
		}
		for _, w := range r.Warnings {
			p.say(p.bold.Render(name+": ")+p.warn.Render("warning: "), oneLine(p.people(w), p.UTF8), p.plain)
		}
	}
}

// hintOf is what to do about a record; "": nothing.
func hintOf(r result.Record) string {
	if r.Error != nil && r.Error.Hint != "" {
		return r.Error.Hint
	}
	return r.Next
}

// totals is one sentence that counts what is not zero.
func (p *page) totals(doc result.Document) {
	p.say("", p.totalWords(doc), p.bold)
	if p.Verbose {
		p.say("", fmt.Sprintf("run %s, %d ms, calls: EspoCRM %d, Advoware %d, sign-in %d",
			oneLine(runID(doc.Run.ID), p.UTF8), doc.Run.DurationMS, doc.Calls.Espocrm, doc.Calls.Advoware, doc.Calls.Auth), p.dim)
	}
}

// nothing is what is said where there is no record.
func (p *page) nothing(doc result.Document) string {
	switch {
	case p.None != "":
		return p.None
	case doc.Run.Command == "resolve":
		return "No conflict waits for a decision."
	case doc.Run.Command == "reset":
		return "There is nothing to reset."
	case p.View == Diff:
		return "No differences."
	case p.View == Check:
		return "No records to check."
	}
	return "No records."
}

func (p *page) totalWords(doc result.Document) string {
	if len(doc.Results) == 0 {
		return p.nothing(doc)
	}
	counts := map[result.Outcome]int{}
	planned, beside := false, 0
	for _, r := range doc.Results {
		counts[would(r)]++
		if r.Waits {
			beside++
		}
		planned = planned || r.Outcome == result.Planned || p.View == Check || p.View == Repair || p.View == Diff
	}
	var parts []string
	for _, o := range []struct {
		outcome    result.Outcome
		done, plan string
	}{
		{result.CreatedAdvoware, "created in Advoware", "to create in Advoware"},
		{result.UpdatedAdvoware, "updated in Advoware", "to update in Advoware"},
		{result.CreatedEspocrm, "created in EspoCRM", "to create in EspoCRM"},
		{result.UpdatedEspocrm, "updated in EspoCRM", "to update in EspoCRM"},
		{result.Merged, "merged", "to merge"},
		{result.Adopted, "adopted", "to adopt"},
		{result.Unchanged, "unchanged", "in sync"},
		{result.Planned, "planned", "planned"},
		{result.ConflictWaits, "waiting for a decision", "waiting for a decision"},
		{result.Failed, "failed", "failed"},
		{result.PermanentlyFailed, "given up", "given up"},
		{result.Locked, "locked", "locked"},
		{result.Skipped, "skipped", "skipped"},
	} {
		if n := counts[o.outcome]; n > 0 {
			words := o.done
			if planned && !(p.View == Repair && o.outcome == result.Unchanged) { // which says nothing of both sides
				words = o.plan
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, words))
		}
	}
	s := plural(len(doc.Results), "record", "records") + ": " + strings.Join(parts, ", ") + "."
	if beside > 0 {
		s += fmt.Sprintf(" In %d of them another field waits for a decision.", beside)
	}
	if planned {
		s += " Nothing was written."
	}
	return s
}

func (p *page) verdictStyle(v result.Verdict) lipgloss.Style {
	switch v {
	case result.NoChange:
		return p.good
	case result.EspocrmNewer, result.Create, result.Initial:
		return p.toAdvoware
	case result.AdvowareNewer:
		return p.toEspocrm
	case result.Conflict, result.MissingInAdvoware, result.MissingInEspocrm:
		return p.bad
	}
	return p.dim
}

func (p *page) outcomeStyle(o result.Outcome) lipgloss.Style {
	switch o {
	case result.Unchanged, result.Adopted:
		return p.good
	case result.CreatedAdvoware, result.UpdatedAdvoware:
		return p.toAdvoware
	case result.UpdatedEspocrm, result.CreatedEspocrm:
		return p.toEspocrm
	case result.Merged:
		return p.changed
	case result.ConflictWaits, result.Locked:
		return p.warn
	case result.Failed, result.PermanentlyFailed:
		return p.bad
	}
	return p.dim
}
