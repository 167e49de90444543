package report

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/record"
	"advosync/internal/result"
)

const (
	maxLines    = 8  // lines of one value on a terminal
	gridMin     = 72 // a narrower page stacks the values
	gridLines   = 5  // a value that needs more lines in its column makes the record stack
	columnMin   = 14 // a value column is at least this wide
	labelColumn = 12
)

// diff renders one block per record.
func (p *page) diff(doc result.Document) {
	for _, r := range doc.Results {
		p.recordHead(r)
		p.fields(r)
		p.line("")
	}
	p.totals(doc)
}

func (p *page) recordHead(r result.Record) {
	sep := "  " + p.dim.Render(p.marks.dot) + "  "
	advo := "not linked to Advoware"
	if id := advowareID(r); id != "" {
		advo = "Advoware " + id
	}
	parts := []string{p.who(r.Name, r.Entity, r.ID), advo}
	if r.Status != "" {
		parts = append(parts, "status "+oneLine(r.Status, p.UTF8))
	}
	p.joined(parts, sep)

	if r.Verdict != "" {
		words := p.why(result.Record{Reason: r.Reason})
		if words != "" {
			words = " " + p.marks.dash + " " + words
		}
		verdict := oneLine(string(r.Verdict), p.UTF8)
		p.sayStyled("verdict", verdict, p.verdictStyle(r.Verdict), words)
	}
	if r.Error != nil {
		p.sayStyled("error", oneLine(ownWords(r, r.Error.Message), p.UTF8), p.bad, "")
		if r.Error.Hint != "" {
			p.sayStyled("hint", oneLine(r.Error.Hint, p.UTF8), p.plain, "")
		}
	}
	if e := r.LastError; e != nil {
		words := plural(r.RetryCount, "failed attempt", "failed attempts")
		if e.At != nil {
			words += ", the last one " + p.ago(*e.At)
		}
		p.sayStyled("failed", words, p.bad, ": "+oneLine(ownWords(r, e.Message), p.UTF8))
	}
	if p.View == Diff && r.Outcome != "" {
		p.sayStyled("sync would", p.intention(r), p.outcomeStyle(would(r)), "")
		if s := losses(r.Fields); s != "" {
			p.sayStyled("overwrites", s, p.warn, "")
		}
	} else if r.Outcome != "" {
		p.sayStyled("outcome", p.shortOutcome(r.Outcome, false), p.outcomeStyle(r.Outcome), "")
	}
	if r.Next != "" {
		p.next(r.Next, "next")
	}
	p.overwritten(r.Overwritten)
	p.rowIDs(r)
	p.stamps(r)
	for _, w := range r.Warnings {
		p.sayStyled("warning", oneLine(p.people(w), p.UTF8), p.warn, "")
	}
}

// joined puts the parts, the first one as a title, on one line, or one below
// the other where they do not fit.
func (p *page) joined(parts []string, sep string) {
	line := p.title.Render(parts[0]) + sep + strings.Join(parts[1:], sep)
	if lipgloss.Width(line) <= p.Width {
		p.line(line)
		return
	}
	p.say("", parts[0], p.title)
	for _, s := range parts[1:] {
		p.say("  ", s, p.plain)
	}
}

// sayStyled writes a labelled text; only head carries the style.
func (p *page) sayStyled(label, head string, style lipgloss.Style, tail string) {
	prefix := strings.Repeat(" ", labelColumn+2)
	if label != "" {
		prefix = "  " + p.label.Render(pad(label, labelColumn))
	}
	for _, l := range wrap(head+tail, p.Width-labelColumn-2) {
		n := 0
		if head != "" {
			n = commonLength(head, l)
			head = strings.TrimLeft(head[n:], " ")
		}
		if n > 0 {
			l = style.Render(l[:n]) + l[n:]
		}
		p.line(prefix + l)
		prefix = strings.Repeat(" ", labelColumn+2)
	}
}

func commonLength(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// overwritten says which values a run replaced, and how to put them back.
func (p *page) overwritten(os []result.Overwritten) {
	for _, o := range os {
		how := ""
		if o.Conflict {
			how = ", where both sides had been edited"
		}
		p.sayStyled("overwritten", p.ago(o.At), p.warn, " by "+oneLine(o.Command, p.UTF8)+how)
		for _, f := range o.Fields {
			p.sayStyled("", p.replaced(f), p.plain, "")
		}
		p.sayStyled("", "put back with:", p.plain, "")
		p.command(strings.Replace(o.Undo, o.Run, runID(o.Run), 1))
	}
}

// command shows a command line so that it can be copied: where it does not fit
// it goes on behind a backslash.
func (p *page) command(s string) { p.commandBehind(strings.Repeat(" ", labelColumn+2), s) }

// commandBehind is command behind a label as wide as the others.
func (p *page) commandBehind(indent, s string) {
	room := p.Width - labelColumn - 2
	for s = oneLine(s, p.UTF8); s != ""; {
		line, rest := s, ""
		if lipgloss.Width(s) > room {
			if i := strings.LastIndex(s[:min(room+1, len(s))], " --"); i > 0 {
				line, rest = s[:i]+" \\", s[i+1:]
			}
		}
		p.line(indent + p.bold.Render(line))
		s, indent, room = rest, strings.Repeat(" ", labelColumn+4), p.Width-labelColumn-4
	}
}

func (p *page) rowIDs(rec result.Record) {
	r := rec.RowID
	word, meaning := rowIDWords(rec)
	if word == "none" {
		return
	}
	show := func(s string) string { return firstOf(oneLine(s, p.UTF8), p.marks.empty) }
	style := p.plain
	if word == "moved" {
		style = p.changed
		word = p.marks.moved + " " + word
	} else if word == "equal" {
		word = p.marks.none + " " + word
	}
	p.sayStyled("rowId", "stored   "+show(r.Stored), p.plain, "")
	p.sayStyled("", "current  "+show(r.Current), p.plain, "")
	p.sayStyled("", word, style, ": "+meaning)
}

func (p *page) stamps(r result.Record) {
	t := r.Timestamps
	if t.ModifiedAt == "" && t.LastSync == "" {
		return
	}
	word := newerWords(t)
	p.sayStyled("EspoCRM", "modifiedAt  "+p.stamp(t.ModifiedAt), p.plain, "")
	p.sayStyled("", "lastSync    "+p.stamp(t.LastSync), p.plain, "")
	if word != "" {
		style := p.plain
		switch saved := strings.HasPrefix(word, "saved"); {
		case saved && r.Verdict == result.NoChange:
			word += "; no mapped field changed"
		case saved:
			style = p.changed
		}
		p.sayStyled("", word, style, "")
	}
}

// side is one of the three values of a field, ready to be shown.
type side struct {
	title   string
	text    string // visible text, "" where there is nothing to show
	note    string // stands for a text: empty, not readable, no base
	changed bool
}

// sides are a field's three values. Where a value is long, the part that all
// of them have in common is left out at the front, so that the difference is
// among the lines that are shown.
func (p *page) sides(f result.Field) [3]side {
	v := f.Values
	if v == nil {
		v = &result.Values{Absent: []string{"espocrm", "base", "advoware"}}
	}
	raw := [3]*string{v.Espocrm, v.Base, v.Advoware}
	skip := commonStart(raw)
	out := [3]side{
		{title: "EspoCRM", changed: f.Changed == "espocrm" || f.Changed == "both"},
		{title: "base"},
		{title: "Advoware", changed: f.Changed == "advoware" || f.Changed == "both"},
	}
	for i, key := range []string{"espocrm", "base", "advoware"} {
		switch {
		case raw[i] != nil && *raw[i] != "":
			s := *raw[i]
			if skip > 0 && len(s) >= skip {
				s = s[skip:]
				out[i].text = p.marks.ellipsis
			}
			out[i].text += p.lines(s)
		case absent(v, key) && key == "base":
			out[i].note = "(no base)"
		case absent(v, key):
			out[i].note = "(not readable)"
		default:
			out[i].note = p.marks.empty
		}
	}
	return out
}

func absent(v *result.Values, key string) bool {
	for _, a := range v.Absent {
		if a == key {
			return true
		}
	}
	return false
}

// lines makes a text visible and marks its line ends, which stay line ends.
func (p *page) lines(s string) string {
	parts := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	if strings.Contains(s, "\r\n") && strings.Count(s, "\r\n") != strings.Count(s, "\n") {
		parts = strings.Split(s, "\n") // mixed line ends: a difference that has to be seen
	}
	for i, l := range parts {
		parts[i] = visible(l, p.UTF8)
		if i < len(parts)-1 {
			parts[i] += p.marks.lineEnd
		}
	}
	return strings.Join(parts, "\n")
}

const longValue = 300 // bytes from which a common start is left out

// commonStart is how many bytes at the front can be left out of all values.
// It ends at the begin of a line or word some way before the difference.
func commonStart(raw [3]*string) int {
	var texts []string
	longest := 0
	for _, s := range raw {
		if s != nil && *s != "" {
			texts = append(texts, *s)
			longest = max(longest, len(*s))
		}
	}
	if len(texts) < 2 || longest < longValue {
		return 0
	}
	n := len(texts[0])
	for _, s := range texts[1:] {
		n = min(n, commonLength(texts[0], s))
	}
	n -= 40 // some context
	if n < 100 {
		return 0
	}
	if i := strings.LastIndexAny(texts[0][:n], "\n "); i > 0 {
		return i + 1
	}
	return 0
}

// fields draws the field table.
func (p *page) fields(r result.Record) {
	if len(r.Fields) == 0 {
		return
	}
	p.line("")
	if g, ok := p.fieldGrid(r.Fields); ok {
		p.draw(g)
	} else {
		p.stack(r.Fields)
	}
	p.legend(r.Fields)
}

// wanted are the widths that EspoCRM's values, the base and Advoware's values need.
func wanted(all [][3]side) []int {
	want := []int{len("EspoCRM") + 2, len("base"), len("Advoware") + 2}
	for _, sides := range all {
		for c, s := range sides {
			mark := 2
			if c == 1 {
				mark = 0
			}
			for _, l := range strings.Split(s.text, "\n") {
				want[c] = max(want[c], lipgloss.Width(l)+mark, lipgloss.Width(s.note)+mark)
			}
		}
	}
	return want
}

// fieldGrid lays the values side by side; false when they do not fit well.
func (p *page) fieldGrid(fields []result.Field) (grid, bool) {
	if p.Width < gridMin {
		return grid{}, false
	}
	gap, cross := " "+p.marks.column+" ", p.marks.row+p.marks.cross+p.marks.row
	g := grid{gap: p.dim.Render(gap), cross: cross, rule: p.marks.row, indent: "  "}
	all := make([][3]side, len(fields))
	nameWidth := len("Field")
	for i, f := range fields {
		all[i] = p.sides(f)
		for _, n := range p.fieldNames(f) {
			nameWidth = max(nameWidth, lipgloss.Width(n))
		}
	}
	want := wanted(all)
	nameWidth = min(nameWidth, p.Width/5)
	syncWidth := len("sync")
	room := p.Width - len(g.indent) - nameWidth - syncWidth - 4*lipgloss.Width(gap)
	widths := share(want, room)
	for i, w := range widths {
		if w < min(columnMin, want[i]) {
			return grid{}, false
		}
	}
	g.widths = []int{nameWidth, widths[0], widths[1], widths[2], syncWidth}
	g.header = []string{p.title.Render("Field"), p.title.Render("  EspoCRM"), p.title.Render("base"), p.title.Render("  Advoware"), p.title.Render("sync")}
	for i, f := range fields {
		var names cell
		for _, n := range p.fieldNames(f) {
			names = append(names, wrap(n, nameWidth)...)
		}
		row := []cell{names}
		for c, s := range all[i] {
			lines, total := p.valueCell(s, widths[c], c != 1)
			if total > gridLines {
				return grid{}, false
			}
			g.ruled = g.ruled || len(lines) > 1
			row = append(row, lines)
		}
		g.ruled = g.ruled || len(names) > 1
		g.rows = append(g.rows, append(row, cell{p.arrow(f)}))
	}
	g.ruled = g.ruled && len(g.rows) > 1
	return g, true
}

// fieldNames are the names on both sides, one where they are the same.
func (p *page) fieldNames(f result.Field) []string {
	espo, advo := oneLine(f.Espocrm, p.UTF8), oneLine(f.Advoware, p.UTF8)
	switch {
	case espo == "" || espo == advo:
		return []string{advo}
	case advo == "":
		return []string{espo}
	}
	return []string{espo, advo}
}

// valueCell wraps one value; marked keeps two columns in front for the mark of
// a change. total is the number of lines before they were bounded.
func (p *page) valueCell(s side, width int, marked bool) (lines cell, total int) {
	prefix, follow := "", ""
	if marked {
		prefix, follow = "  ", "  "
		if s.changed {
			prefix = p.marks.changed + " "
		}
	}
	style := p.plain
	text := s.text
	if s.note != "" {
		style, text = p.dim, s.note
	}
	if s.changed {
		style = p.changed
	}
	var wrapped []string
	for _, l := range strings.Split(text, "\n") {
		wrapped = append(wrapped, wrap(l, width-len(prefix))...)
	}
	total = len(wrapped)
	rest := 0
	if total > maxLines {
		rest = total - (maxLines - 1)
		wrapped = wrapped[:maxLines-1]
	}
	for i, l := range wrapped {
		if i > 0 {
			prefix = follow
		}
		lines = append(lines, style.Render(prefix+l))
	}
	if rest > 0 {
		lines = append(lines, p.dim.Render(fmt.Sprintf("%s%s +%s", follow, p.marks.ellipsis, plural(rest, "line", "lines"))))
	}
	return lines, total
}

// arrow shows where the field's value goes.
func (p *page) arrow(f result.Field) string {
	switch f.Target {
	case record.Advoware:
		return p.toAdvoware.Render(p.marks.toAdvoware)
	case record.EspoCRM:
		return p.toEspocrm.Render(p.marks.toEspocrm)
	}
	return p.dim.Render(p.marks.empty)
}

// stack shows the values one below the other, each over the whole width.
func (p *page) stack(fields []result.Field) {
	for i, f := range fields {
		if i > 0 {
			p.line("")
		}
		name := strings.Join(p.fieldNames(f), " / ")
		head := "  " + p.title.Render(truncate(name, p.Width-20, p.marks.ellipsis))
		switch f.Target {
		case record.Advoware:
			head += "  " + p.toAdvoware.Render(p.marks.toAdvoware+" Advoware")
		case record.EspoCRM:
			head += "  " + p.toEspocrm.Render(p.marks.toEspocrm+" EspoCRM")
		}
		p.line(head)
		for _, s := range p.sides(f) {
			mark, style := "  ", p.plain
			if s.changed {
				mark, style = p.marks.changed+" ", p.changed
			}
			prefix := "    " + style.Render(pad(mark+s.title, 12))
			lines, _ := p.valueCell(side{text: s.text, note: s.note, changed: s.changed}, p.Width-17, false)
			for _, l := range lines {
				if rightToLeft(l) {
					l += "\u200e"
				}
				p.line(prefix + l)
				prefix = strings.Repeat(" ", 16)
			}
		}
	}
}

// legend explains the signs that occur.
func (p *page) legend(fields []result.Field) {
	var changed, toAdvo, toEspo, unknown bool
	for _, f := range fields {
		changed = changed || f.Changed != ""
		unknown = unknown || f.Changed == ""
		toAdvo = toAdvo || f.Target == record.Advoware
		toEspo = toEspo || f.Target == record.EspoCRM
	}
	var parts []string
	if changed {
		parts = append(parts, p.marks.changed+" changed since the last sync")
	}
	if toAdvo {
		parts = append(parts, p.marks.toAdvoware+" goes to Advoware")
	}
	if toEspo {
		parts = append(parts, p.marks.toEspocrm+" goes to EspoCRM")
	}
	if unknown && !changed {
		parts = append(parts, "without a base nobody knows which side moved")
	}
	if parts != nil {
		p.line("")
		p.say("  ", strings.Join(parts, "   "), p.dim)
	}
}
