package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// list renders sync and check: one row per record, then the totals.
func (p *page) list(doc result.Document) {
	shown := doc.Results
	if p.Quiet && p.View == Sync {
		shown = nil
		for _, r := range doc.Results {
			if needsAttention(r.Outcome) {
				shown = append(shown, r)
			}
		}
	}
	if len(shown) > 0 {
		p.recordTable(shown)
	}
	for _, r := range shown {
		if doc.Error != nil && r.Error != nil && r.Error.Hint == doc.Error.Hint {
			r.Error = nil // a system's failure meets every record, and is said once, below
		}
		p.aside(r)
	}
	if p.Quiet && len(shown) == 0 {
		return
	}
	if len(shown) > 0 {
		p.line("")
		p.arrows(shown)
	}
	p.totals(doc)
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
		case result.UpdatedEspocrm:
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

func (p *page) recordTable(rs []result.Record) {
	entities := map[string]bool{}
	for _, r := range rs {
		entities[r.Entity] = true
	}
	type column struct {
		title string
		text  func(result.Record) string
		style func(result.Record) lipgloss.Style
		most  int
	}
	plainStyle := func(result.Record) lipgloss.Style { return p.plain }
	doTitle := "Outcome"
	if p.View == Check {
		doTitle = "A sync would"
	}
	entity := column{"Entity", func(r result.Record) string { return oneLine(r.Entity, p.UTF8) }, plainStyle, 20}
	id := column{"ID", p.recordName, func(result.Record) lipgloss.Style { return p.bold }, 20}
	advo := column{"Advoware", func(r result.Record) string { return firstOf(advowareID(r), p.marks.empty) }, plainStyle, 12}
	verdict := column{"Verdict", func(r result.Record) string { return firstOf(oneLine(string(r.Verdict), p.UTF8), p.marks.empty) }, func(r result.Record) lipgloss.Style { return p.verdictStyle(r.Verdict) }, 19}
	do := column{doTitle, func(r result.Record) string { return p.shortOutcome(would(r), r.Outcome == result.Planned) }, func(r result.Record) lipgloss.Style { return p.outcomeStyle(would(r)) }, 22}

	width := func(c column) int {
		w := lipgloss.Width(c.title)
		for _, r := range rs {
			w = max(w, lipgloss.Width(c.text(r)))
		}
		return min(w, c.most)
	}
	// The columns in the order in which they are given up when the page is narrow.
	columns := []column{id, advo, verdict, do}
	if len(entities) > 1 {
		columns = append([]column{entity}, columns...)
	}
	columns = slices.DeleteFunc(columns, func(c column) bool {
		return (c.title == "Verdict" || c.title == "Advoware") && !slices.ContainsFunc(rs, func(r result.Record) bool { return c.text(r) != p.marks.empty })
	})
	room := func(cs []column) int {
		n := p.Width
		for _, c := range cs {
			n -= width(c) + 2
		}
		return n
	}
	for _, drop := range []string{"Advoware", "Verdict", "Entity"} {
		if room(columns) >= reasonRoom {
			break
		}
		var keep []column
		for _, c := range columns {
			if c.title != drop {
				keep = append(keep, c)
			}
		}
		columns = keep
	}
	reason := max(room(columns), 12)

	g := grid{gap: "  ", rule: p.marks.row, cross: "  "}
	for _, c := range columns {
		g.widths = append(g.widths, width(c))
		g.header = append(g.header, p.title.Render(c.title))
	}
	g.widths = append(g.widths, reason)
	g.header = append(g.header, p.title.Render("Reason"))
	for _, r := range rs {
		var row []cell
		for i, c := range columns {
			var lines cell
			for _, l := range wrap(c.text(r), g.widths[i]) {
				lines = append(lines, c.style(r).Render(l))
			}
			row = append(row, lines)
		}
		row = append(row, cell(wrap(p.why(r), reason)))
		g.rows = append(g.rows, row)
	}
	p.draw(g)
}

// why is the reason of a record, or its error where it has one.
func (p *page) why(r result.Record) string {
	s := oneLine(r.Reason.Text, p.UTF8)
	if r.Error != nil && r.Error.Message != "" {
		s = oneLine(r.Error.Message, p.UTF8)
	}
	if s == "" {
		s = oneLine(r.Reason.Code, p.UTF8)
	}
	if p.Verbose && r.Reason.Code != "" {
		s += " (" + oneLine(r.Reason.Code, p.UTF8) + ")"
	}
	return s
}

// recordName is the id; of a record that EspoCRM does not have yet, Advoware's.
func (p *page) recordName(r result.Record) string {
	if r.ID == "" && r.AdvowareID != nil {
		return "Advoware " + advowareID(r)
	}
	return oneLine(r.ID, p.UTF8)
}

// aside says what to do about a record, and its warnings, below the table.
func (p *page) aside(r result.Record) {
	head := truncate(p.recordName(r), p.Width/3, p.marks.ellipsis) + ": "
	if r.Error != nil && r.Error.Hint != "" {
		p.say(p.bold.Render(head), oneLine(r.Error.Hint, p.UTF8), p.dim)
	}
	for _, w := range r.Warnings {
		p.say(p.bold.Render(head)+p.warn.Render("warning: "), oneLine(w, p.UTF8), p.plain)
	}
}

// totals is one sentence that counts what is not zero.
func (p *page) totals(doc result.Document) {
	p.say("", p.totalWords(doc), p.bold)
	if p.Verbose {
		p.say("", fmt.Sprintf("run %s, %d ms, calls: EspoCRM %d, Advoware %d, sign-in %d",
			oneLine(doc.Run.ID, p.UTF8), doc.Run.DurationMS, doc.Calls.Espocrm, doc.Calls.Advoware, doc.Calls.Auth), p.dim)
	}
}

func (p *page) totalWords(doc result.Document) string {
	if len(doc.Results) == 0 {
		switch p.View {
		case Diff:
			return "No differences."
		case Check:
			return "No records to check."
		}
		return "No records."
	}
	counts := map[result.Outcome]int{}
	planned := false
	for _, r := range doc.Results {
		counts[would(r)]++
		planned = planned || r.Outcome == result.Planned
	}
	var parts []string
	for _, o := range []struct {
		outcome    result.Outcome
		done, plan string
	}{
		{result.CreatedAdvoware, "created in Advoware", "to create in Advoware"},
		{result.UpdatedAdvoware, "updated in Advoware", "to update in Advoware"},
		{result.UpdatedEspocrm, "updated in EspoCRM", "to update in EspoCRM"},
		{result.Merged, "merged", "to merge"},
		{result.Adopted, "adopted", "to adopt"},
		{result.Unchanged, "unchanged", "in sync"},
		{result.Planned, "planned", "planned"},
		{result.ConflictWaits, "waiting for a decision", "waiting for a decision"},
		{result.Failed, "failed", "failed"},
		{result.PermanentlyFailed, "permanently failed", "permanently failed"},
		{result.Locked, "locked", "locked"},
		{result.Skipped, "skipped", "skipped"},
	} {
		if n := counts[o.outcome]; n > 0 {
			words := o.done
			if planned {
				words = o.plan
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, words))
		}
	}
	s := plural(len(doc.Results), "record", "records") + ": " + strings.Join(parts, ", ") + "."
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
	case result.UpdatedEspocrm:
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
