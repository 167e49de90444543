package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/record"
	"advosync/internal/result"
)

// compact renders a diff like a plan: a line a field that moved, what would be
// overwritten, and what to type next.
func (p *page) compact(doc result.Document) {
	for _, r := range doc.Results {
		p.compactHead(r)
		for _, f := range r.Fields {
			p.moved(f)
		}
		p.compactTail(r, len(doc.Results) == 1)
		p.line("")
	}
	p.totals(doc)
	if len(doc.Results) > 0 {
		p.line(p.dim.Render("--full shows every value beside its base, row ids and stamps"))
	}
}

func (p *page) compactHead(r result.Record) {
	parts := []string{oneLine(r.Entity+" "+r.ID, p.UTF8)}
	if r.Name != "" {
		parts = []string{truncate(oneLine(r.Name, p.UTF8), p.Width-4, p.marks.ellipsis), parts[0]}
	}
	if id := advowareID(r); id != "" {
		parts = append(parts, "Advoware "+id)
	}
	line := strings.Join(parts[1:], "  "+p.marks.dot+"  ")
	first := p.linked(p.title.Render(parts[0]), r.Entity, r.ID)
	switch gap := "  " + p.marks.dot + "  "; {
	case line == "":
		p.line(first)
	case lipgloss.Width(parts[0]+gap+line) <= p.Width:
		p.line(first + p.dim.Render(gap) + line)
	default:
		p.line(first)
		p.say("  ", line, p.plain)
	}
	if words := p.why(r); words != "" {
		style := p.plain
		if r.Error != nil {
			style = p.bad
		}
		p.say("  ", words, style)
	}
}

// moved is one field: from what to what, and from where to where.
func (p *page) moved(f result.Field) {
	v := f.Values
	if v == nil {
		v = &result.Values{}
	}
	m := move{mark: "~", style: p.toAdvoware, old: p.shown(v, "advoware"), now: p.shown(v, "espocrm"), signs: [2]string{"-", "+"},
		between: p.marks.toAdvoware, way: "EspoCRM " + p.marks.toAdvoware + " Advoware"}
	switch {
	case f.Target == record.Advoware:
	case f.Target == record.EspoCRM:
		m.style, m.old, m.now, m.way = p.toEspocrm, m.now, m.old, "Advoware "+p.marks.toAdvoware+" EspoCRM"
	default: // nothing is carried over: both values, with whose they are
		m.mark, m.style, m.old, m.now, m.way = p.marks.none, p.dim, "EspoCRM "+m.now, "Advoware "+m.old, ""
		m.between, m.signs = p.marks.moved, [2]string{" ", " "}
		if f.Changed == "both" {
			m.mark, m.style = p.marks.warn, p.warn
		}
	}
	p.moveLines("  "+m.style.Render(m.mark)+" "+p.bold.Render(p.fieldNames(f)[0]), m)
	if f.Target != "" && (f.Changed == "both" || f.Changed == string(f.Target)) {
		p.say("    "+p.warn.Render(p.marks.warn+" "), "overwrites "+f.Target.Title()+"'s edit; the history keeps the old value", p.warn)
	}
}

// move is a field of a plan, ready to be laid out.
type move struct {
	mark          string
	style         lipgloss.Style
	old, now, way string
	between       string    // on one line
	signs         [2]string // on lines of their own
}

// shown is one side's value on one line, without what both begin with where they are
// long.
func (p *page) shown(v *result.Values, key string) string {
	s := v.Espocrm
	if key == "advoware" {
		s = v.Advoware
	}
	if s == nil && absent(v, key) {
		return "(not readable)"
	}
	if skip := commonStart([3]*string{v.Espocrm, v.Advoware, nil}); s != nil && skip > 0 && len(*s) >= skip {
		rest := p.marks.ellipsis + (*s)[skip:]
		s = &rest
	}
	return p.quoted(s)
}

// quoted is a value on one line.
func (p *page) quoted(s *string) string {
	if s == nil || *s == "" {
		return "(empty)"
	}
	return `"` + oneLine(strings.NewReplacer("\r\n", p.marks.lineEnd+" ", "\n", p.marks.lineEnd+" ").Replace(*s), p.UTF8) + `"`
}

// moveLines puts a move on one line, or on three where it does not fit.
func (p *page) moveLines(head string, m move) {
	way := m.style.Render(m.way)
	one := head + "  " + m.old + " " + m.between + " " + m.now + "  " + way
	if lipgloss.Width(one) <= p.Width {
		p.line(one)
		return
	}
	p.line(head + "  " + way)
	for i, value := range []string{m.old, m.now} {
		lines := wrap(value, p.Width-8)
		if rest := len(lines) - maxLines + 1; rest > 1 {
			lines = append(lines[:maxLines-1], p.dim.Render(fmt.Sprintf("%s +%s", p.marks.ellipsis, plural(rest, "line", "lines"))))
		}
		prefix := "      " + m.signs[i] + " "
		for _, l := range lines {
			p.line(prefix + l)
			prefix = "        "
		}
	}
}

// compactTail says who moved it and when, as far as that is known, what went wrong
// before, what was overwritten, and what to type.
func (p *page) compactTail(r result.Record, alone bool) {
	if words := p.movedWords(r); words != "" {
		p.say("  ", words, p.dim)
	}
	if e := r.LastError; e != nil {
		words := plural(r.RetryCount, "failed attempt", "failed attempts")
		if e.At != nil {
			words += ", the last one " + p.ago(*e.At)
		}
		p.say("  "+p.bad.Render(p.marks.fail+" "), words+": "+oneLine(ownWords(r, e.Message), p.UTF8), p.plain)
	}
	for _, w := range r.Warnings {
		p.say("  "+p.warn.Render("warning: "), oneLine(p.people(w), p.UTF8), p.plain)
	}
	p.overwritten(r.Overwritten)
	switch next := hintOf(r); {
	case next != "":
		p.next(next, "next")
	case alone && writes(r):
		p.next(p.commands("advosync sync --entity "+r.Entity+" --id "+r.ID), "next")
	}
}

// writes reports whether a sync would write anything.
func writes(r result.Record) bool {
	switch would(r) {
	case result.UpdatedAdvoware, result.UpdatedEspocrm, result.Merged, result.CreatedAdvoware:
		return r.Outcome == result.Planned
	}
	return false
}

// movedWords say who saved the record and when.
func (p *page) movedWords(r result.Record) string {
	var parts []string
	at, err := time.Parse(time.RFC3339, r.Timestamps.ModifiedAt)
	if strings.HasPrefix(newerWords(r.Timestamps), "saved") && err == nil {
		by := " "
		if r.SavedBy != "" {
			by = " by " + oneLine(r.SavedBy, p.UTF8) + ", "
		}
		parts = append(parts, "saved in EspoCRM"+by+p.ago(at))
	}
	if word, _ := rowIDWords(r); word == "moved" {
		parts = append(parts, "saved in Advoware since the last sync")
	}
	return strings.Join(parts, "; ")
}
