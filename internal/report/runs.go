package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"advosync/internal/result"
)

// Runs renders one line per run.
func Runs(w io.Writer, rs result.Runs, o Options) error {
	if rs.Runs == nil {
		rs.Runs = []result.HistoryRun{}
	}
	s := sheet{header: []string{"Run", "When", "Command", "What"},
		keys: []string{"run", "command", "by", "from", "to", "records", "overwritten", "outcomes", "of", "error"}}
	for _, r := range rs.Runs {
		s.rows = append(s.rows, []string{r.Run, r.Command, r.By, utc(&r.From), utc(&r.To), strconv.Itoa(r.Records), strconv.Itoa(r.Overwritten), outcomes(r.Outcomes), r.Of, runError(r.Error)})
	}
	return s.write(w, rs, o, func(p *page, _ func()) {
		for _, r := range rs.Runs {
			p.run(r)
		}
		if len(rs.Runs) == 0 {
			p.line("Nothing was done.")
		}
	})
}

func outcomes(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[name], name))
	}
	return strings.Join(parts, ", ")
}

func runError(e *result.Error) string {
	_, message := errorTexts(e)
	return message
}

// run is one run; its id stands alone on a line, so that it can be copied.
func (p *page) run(r result.HistoryRun) {
	head := p.ago(r.From) + "  " + oneLine(r.Command, p.UTF8)
	if r.By != "" {
		head += " by " + oneLine(r.By, p.UTF8)
	}
	p.say("", head, p.title)
	p.sayStyled("run", oneLine(runID(r.Run), p.UTF8), p.plain, "")
	if r.Of != "" {
		p.sayStyled("undid", oneLine(runID(r.Of), p.UTF8), p.plain, "")
	}
	if r.Records > 0 || r.Error == nil {
		p.sayStyled("records", fmt.Sprintf("%d: %s", r.Records, outcomes(r.Outcomes)), p.plain, "")
	}
	if e := r.Error; e != nil {
		p.sayStyled("cut short", oneLine(e.Message, p.UTF8), p.bad, "")
	}
	if r.Overwritten > 0 {
		p.sayStyled("overwrote", plural(r.Overwritten, "value", "values"), p.changed, "")
	}
}

// Erased says how much of the history was erased.
func Erased(w io.Writer, e result.Erased, o Options) error {
	s := sheet{keys: []string{"entity", "id", "erased", "dryRun"},
		rows: [][]string{{e.Entity, e.ID, strconv.Itoa(e.Erased), strconv.FormatBool(e.DryRun)}}}
	return s.write(w, e, o, func(p *page, _ func()) {
		verb := "erased"
		if e.DryRun {
			verb = "would be erased; nothing was written"
		}
		p.say("", fmt.Sprintf("%s %s: %s %s.", oneLine(e.Entity, p.UTF8), oneLine(e.ID, p.UTF8), plural(e.Erased, "entry", "entries"), verb), p.plain)
	})
}
