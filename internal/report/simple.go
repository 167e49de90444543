package report

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// sheet is a list without a layout of its own: rows of texts, drawn as a table
// on a terminal, tab-separated in a pipe, or as CSV.
type sheet struct {
	header []string // for people
	keys   []string // for CSV
	rows   [][]string
	// people are the rows as a terminal shows them; nil: rows.
	people [][]string
	style  func(row, col int) lipgloss.Style
}

// write renders s in the format; v is its JSON form.
func (s sheet) write(w io.Writer, v any, o Options, around func(p *page, table func())) error {
	switch {
	case o.Format == JSON:
		return writeJSON(w, v)
	case o.Format == YAML:
		return writeYAML(w, v)
	case o.Format == CSV:
		t := newCSV(w, s.keys...)
		for _, r := range s.rows {
			t.row(append([]string(nil), r...)...)
		}
		return t.close()
	case !o.Rich:
		var b strings.Builder
		if len(s.rows) > 0 {
			plainLine(&b, s.keys...)
		}
		for _, r := range s.rows {
			plainLine(&b, r...)
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	p := newPage(w, o)
	around(p, func() { s.draw(p) })
	return p.flush()
}

func (s sheet) draw(p *page) {
	rows := s.people
	if rows == nil {
		rows = s.rows
	}
	if len(rows) == 0 {
		return
	}
	g := grid{gap: "  ", rule: p.marks.row, cross: "  "}
	want := make([]int, len(s.header))
	for i, h := range s.header {
		want[i] = lipgloss.Width(h)
		for _, r := range rows {
			want[i] = max(want[i], lipgloss.Width(oneLine(r[i], p.UTF8)))
		}
	}
	// The last column wraps, the others are kept whole as long as it stays
	// readable.
	room, last := p.Width-2*(len(want)-1), len(want)-1
	rest := room
	for _, n := range want[:last] {
		rest -= n
	}
	if rest >= 12 {
		g.widths = append(append(g.widths, want[:last]...), min(rest, want[last]))
	} else {
		g.widths = share(want, room)
	}
	for i, h := range s.header {
		g.header = append(g.header, p.title.Render(truncate(h, g.widths[i], p.marks.ellipsis)))
	}
	for n, r := range rows {
		var row []cell
		for i, text := range r {
			style := p.plain
			if s.style != nil {
				style = s.style(n, i)
			}
			var c cell
			for _, l := range wrap(firstOf(oneLine(text, p.UTF8), p.marks.empty), g.widths[i]) {
				c = append(c, style.Render(l))
			}
			row = append(row, c)
		}
		g.rows = append(g.rows, row)
	}
	p.draw(g)
}
