package report

import (
	"strings"

	"advosync/internal/result"
)

// undo shows per record which values would be put back, and where the record has
// moved on.
func (p *page) undo(doc result.Document) {
	for _, r := range doc.Results {
		p.say("", p.who(r.Name, r.Entity, r.ID), p.title)
		outcome := p.shortOutcome(r.Outcome, false)
		if r.Outcome == result.Planned {
			outcome = "put back, then sync"
		}
		p.sayStyled("undo would", outcome, p.outcomeStyle(would(r)), " "+p.marks.dash+" "+p.why(r))
		for _, f := range r.Fields {
			p.undoField(f, r.Outcome == result.Skipped)
		}
		for _, w := range r.Warnings {
			p.sayStyled("warning", oneLine(p.people(w), p.UTF8), p.warn, "")
		}
		p.line("")
	}
	p.totals(doc)
}

// undoWords say what can be done about one value.
func undoWords(state string) string {
	switch state {
	case "ready":
		return "is put back"
	case "restored":
		return "stands there already"
	case "moved_on":
		return "has moved on since"
	case "other_owner":
		return "belongs to the other side, stays"
	case "computed":
		return "follows by itself"
	default:
		return "cannot be written, stays"
	}
}

// plainUndo writes one line per value: side, names, state, before the run, what
// the run wrote, what stands there.
func plainUndo(b *strings.Builder, r result.Record) {
	for _, f := range r.Fields {
		if u := f.Undo; u != nil {
			plainLine(b, "value", string(u.Side), f.Espocrm, f.Advoware, u.State, text(u.Before), text(u.Wrote), text(u.Now))
		}
	}
}

func (p *page) undoField(f result.Field, skipped bool) {
	u := f.Undo
	if u == nil {
		return
	}
	mark, name := p.marks.toAdvoware, firstOf(f.Advoware, f.Espocrm)
	if u.Side == "espocrm" {
		mark, name = p.marks.toEspocrm, firstOf(f.Espocrm, f.Advoware)
	}
	style := p.plain
	if u.State == "moved_on" {
		style = p.warn
	}
	words := undoWords(u.State)
	if skipped && u.State == "ready" {
		words = "could be put back"
	}
	p.sayStyled("", mark+" "+oneLine(name, p.UTF8)+": "+words, style, "")
	if u.State == "computed" {
		return
	}
	p.sayStyled("", "  before the run  "+p.short(u.Before), p.plain, "")
	p.sayStyled("", "  the run wrote   "+p.short(u.Wrote), p.plain, "")
	if u.Now == nil && u.Wrote != nil || u.Now != nil && (u.Wrote == nil || *u.Now != *u.Wrote) {
		p.sayStyled("", "  stands there    "+p.short(u.Now), p.changed, "")
	}
}
