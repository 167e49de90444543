package screen

import (
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"advosync/internal/record"
	"advosync/internal/report"
)

// look is how things are drawn.
type look struct {
	title, dim, chosen, cursor, plain lipgloss.Style
	bar, ellipsis, at, done, open     string
	utf8                              bool
}

func (m model) look() look {
	r := lipgloss.NewRenderer(io.Discard, termenv.WithProfile(termenv.Ascii))
	if m.Colour {
		r.SetColorProfile(termenv.ANSI)
	}
	r.SetHasDarkBackground(true)
	l := look{title: r.NewStyle().Bold(true), dim: r.NewStyle().Faint(true), chosen: r.NewStyle().Foreground(lipgloss.Color("2")).Bold(true),
		cursor: r.NewStyle().Reverse(true), plain: r.NewStyle(), bar: "│", ellipsis: "…", at: "›", done: "✓", open: "·", utf8: m.UTF8}
	if !m.UTF8 {
		l.bar, l.ellipsis, l.at, l.done, l.open = "|", "...", ">", "x", "."
	}
	return l
}

// View implements tea.Model.
func (m model) View() tea.View {
	v := tea.NewView(m.draw())
	v.AltScreen = true
	return v
}

// tooSmall: there is no room to show what would be decided. Before the size is known
// there is none either.
func (m model) tooSmall() bool { return m.Width < 40 || m.Height < 8 }

// draw is the whole screen, a line of it in each line.
func (m model) draw() string {
	if m.tooSmall() {
		return "Too small: 40 columns and\n8 lines are needed.\nq leaves."
	}
	l := m.look()
	var body []string
	switch m.view {
	case viewHelp:
		body = m.help()
	case viewSummary:
		body = m.summary(l)
	default:
		body = m.list(l)
	}
	lines := append([]string{l.title.Render(cut(m.head(), m.Width, l)), ""}, body...)
	for len(lines) < m.Height-1 {
		lines = append(lines, "")
	}
	return strings.Join(append(lines[:m.Height-1], l.dim.Render(cut(m.foot(), m.Width, l))), "\n")
}

func (m model) head() string {
	what, done := "conflict", "decided"
	if m.Mode == PutBack {
		what, done = "record", "to be put back"
	}
	if len(m.items) != 1 {
		what += "s"
	}
	if m.Mode == PutBack {
		what += " with values that were overruled"
	}
	whole := 0
	for i := range m.items {
		if m.decided(i) {
			whole++
		}
	}
	text := fmt.Sprintf("%d %s, %d %s", len(m.items), what, whole, done)
	if m.filter != "" || m.filtering {
		text += fmt.Sprintf("   /%s (%d shown)", m.filter, len(m.shown))
	}
	return text
}

func (m model) foot() string {
	switch {
	case m.filtering:
		return "type to filter   enter keeps it   esc clears it"
	case m.view == viewHelp:
		return "any key goes back"
	case m.view == viewSummary:
		return "enter writes   esc goes back   q leaves, nothing is written"
	case m.Mode == PutBack:
		return "p put the record back  u undo  enter write  / filter  ? help  q leave"
	}
	return "e/a field  E/A record  u undo  enter write  / filter  ? help  q leave"
}

func (m model) help() []string {
	if m.Mode == PutBack {
		return []string{"p       put the record back: all that the run overwrote in it", "left right  see further fields", "u       take the choice back", "up down another record", "/       filter by name, id or field",
			"enter   look at the choices once more, then write", "q esc   leave; nothing is written"}
	}
	return []string{"e  a    take EspoCRM's or Advoware's value for the field", "E  A    take that side for all fields of the record", "u       take the choice back",
		"tab     the next field; left and right, too", "up down another record; page up and down, ten", "/       filter by name, id or field",
		"enter   look at the choices once more, then write", "q esc   leave; nothing is written", "",
		"What is decided is written, field by field; what is not waits on. A record", "that somebody edits meanwhile is compared anew and asked about again."}
}

// list is the records on the left, and the one at the cursor on the right.
func (m model) list(l look) []string {
	height, left := m.Height-3, max(20, min(m.Width/3, 40))
	if len(m.shown) == 0 {
		return []string{"nothing that the filter lets through"}
	}
	first := max(0, min(m.at-height/2, len(m.shown)-height))
	right := m.record(l, m.Width-left-3, height)
	lines := make([]string, height)
	for i := range lines {
		name := ""
		style := l.plain
		if at := first + i; at < len(m.shown) {
			name = m.row(l, m.shown[at], left)
			if at == m.at {
				style = l.cursor
			}
		}
		lines[i] = style.Render(pad(name, left)) + " " + l.dim.Render(l.bar) + " "
		if i < len(right) {
			lines[i] += right[i]
		}
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// row is one record of the list: a mark, its name, how many fields.
func (m model) row(l look, n int, width int) string {
	mark := l.open
	if m.decided(n) {
		mark = l.done
	} else if len(m.chosen[n]) > 0 {
		mark = fmt.Sprint(len(m.chosen[n]))
	}
	item := m.items[n]
	return pad(cut(mark+" "+report.Line(firstOf(item.Name, item.Label), m.UTF8), width-3, l), width-3) + fmt.Sprintf(" %2d", len(item.Fields))
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// record is the record at the cursor: its fields in three columns.
func (m model) record(l look, width, height int) []string {
	n := m.shown[m.at]
	item := m.items[n]
	lines := []string{l.title.Render(cut(report.Line(firstOf(item.Name, item.Label), m.UTF8), width, l))}
	if item.Name != "" {
		lines = append(lines, l.dim.Render(cut(report.Line(item.Label, m.UTF8), width, l)))
	}
	if item.Since != "" {
		lines = append(lines, l.dim.Render(cut("since "+item.Since, width, l)))
	}
	if item.Note != "" {
		for _, s := range report.Wrapped(item.Note, m.UTF8, width) {
			lines = append(lines, l.dim.Render(s))
		}
	}
	column := (width - 4) / 3
	titles := []string{"EspoCRM", "base", "Advoware"}
	if m.Mode == PutBack {
		column, titles = (width-2)/2, []string{"overwritten", "written instead"}
	}
	head := ""
	for _, t := range titles {
		head += pad(t, column+2)
	}
	lines = append(lines, "", l.dim.Render(strings.TrimRight(head, " ")))
	// The field at the cursor is always seen.
	blocks, from := make([][]string, len(item.Fields)), 0
	for i := range item.Fields {
		blocks[i] = m.fieldBlock(l, n, i, column)
	}
	for from < m.field && len(lines)+lengthOf(blocks[from:m.field+1]) > height {
		from++
	}
	for _, b := range blocks[from:] {
		lines = append(lines, b...)
	}
	if len(lines) > height {
		lines = append(lines[:height-1], l.dim.Render(l.ellipsis))
	}
	return lines
}

func lengthOf(blocks [][]string) (n int) {
	for _, b := range blocks {
		n += len(b)
	}
	return n
}

// valueLines is how many lines of a value are shown.
const valueLines = 3

// fieldBlock is one field: its name with what was chosen, and its values side by side.
func (m model) fieldBlock(l look, n, i, column int) []string {
	f := m.items[n].Fields[i]
	side, has := m.chosen[n][i]
	mark := "  "
	if i == m.field && m.Mode == Decide { // what is put back is the whole record
		mark = l.at + " "
	}
	name := mark + report.Line(f.Name, m.UTF8)
	if has && m.Mode == Decide {
		name += ": " + map[record.Side]string{record.EspoCRM: "EspoCRM's", record.Advoware: "Advoware's"}[side]
	} else if has {
		name += ": put back"
	}
	values := []Value{f.Espo, f.Base, f.Advoware}
	taken := []bool{has && side == record.EspoCRM, false, has && side == record.Advoware}
	if m.Mode == PutBack {
		values, taken = []Value{f.Espo, f.Advoware}, []bool{has, false}
	}
	cells, most := make([][]string, len(values)), 0
	for c, v := range values {
		cells[c] = m.cell(l, v, column)
		most = max(most, len(cells[c]))
	}
	lines := []string{l.title.Render(name)}
	for row := range most {
		line := ""
		for c, cell := range cells {
			text := ""
			if row < len(cell) {
				text = cell[row]
			}
			style := l.plain
			if taken[c] {
				style = l.chosen
			}
			line += style.Render(pad(text, column)) + "  "
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return append(lines, "")
}

// cell is a value in lines of its column.
func (m model) cell(l look, v Value, column int) []string {
	switch {
	case !v.Known:
		return []string{"(not known)"}
	case v.Text == "":
		return []string{"(empty)"}
	}
	lines := report.Wrapped(v.Text, m.UTF8, column)
	if len(lines) > valueLines {
		lines = append(lines[:valueLines-1], cut(lines[valueLines-1], column-lipgloss.Width(l.ellipsis), l)+l.ellipsis)
	}
	return lines
}

// summary says what will be written.
func (m model) summary(l look) []string {
	decided := m.choices()
	fields, open := map[record.Side]int{}, 0
	for _, c := range decided {
		for _, side := range c.Sides {
			fields[side]++
		}
		open += len(m.items[c.Item].Fields) - len(c.Sides)
	}
	if len(decided) == 0 {
		return []string{"Nothing is decided yet."}
	}
	are := "records are"
	if len(m.items) == 1 {
		are = "record is"
	}
	lines := []string{fmt.Sprintf("%d of %d %s written:", len(decided), len(m.items), are)}
	if m.Mode == PutBack {
		lines = append(lines, fmt.Sprintf("  values that are put back: %d", fields[record.EspoCRM]))
	} else {
		lines = append(lines, fmt.Sprintf("  fields with EspoCRM's value: %d", fields[record.EspoCRM]), fmt.Sprintf("  fields with Advoware's value: %d", fields[record.Advoware]))
	}
	if open > 0 {
		lines = append(lines, fmt.Sprintf("  fields of them that are not decided and wait on: %d", open))
	}
	lines = append(lines, "")
	for _, c := range decided {
		if len(lines) == m.Height-5 {
			return append(lines, l.ellipsis)
		}
		item := m.items[c.Item]
		text := report.Line(firstOf(item.Name, item.Label), m.UTF8)
		for i, f := range item.Fields {
			who := "put back"
			if m.Mode == Decide {
				who = firstOf(string(c.Sides[i]), "waits")
			}
			text += "  " + report.Line(f.Name, m.UTF8) + "=" + who
		}
		lines = append(lines, cut(text, m.Width, l))
	}
	return lines
}

// pad fills s to width columns.
func pad(s string, width int) string {
	if n := width - lipgloss.Width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// cut cuts s to width columns.
func cut(s string, width int, l look) string {
	if lipgloss.Width(s) <= width {
		return s
	}
	return report.Wrapped(s, l.utf8, max(width-lipgloss.Width(l.ellipsis), 2))[0] + l.ellipsis
}
