package report

import (
	"bytes"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// page builds the rich layout in memory, so that a broken pipe is met once, at
// the end.
type page struct {
	Options
	theme
	marks marks
	out   bytes.Buffer
	to    io.Writer
	err   error
}

func newPage(w io.Writer, o Options) *page {
	if o.Width < 40 {
		o.Width = 40
	}
	return &page{Options: o, theme: newTheme(w, o.Colour), marks: marksFor(o.UTF8), to: w}
}

func (p *page) flush() error {
	if p.err != nil {
		return p.err
	}
	_, err := p.to.Write(p.out.Bytes())
	return err
}

// commands is a text of ours in which every command names the office.
func (p *page) commands(text string) string { return result.CommandOf(text, p.Office) }

func (p *page) line(s string) {
	p.out.WriteString(strings.TrimRight(s, " "))
	p.out.WriteByte('\n')
}

// say writes text wrapped to the page, its first line behind prefix (which may
// be styled), the others below it.
func (p *page) say(prefix, text string, style lipgloss.Style) {
	room := p.Width - lipgloss.Width(prefix)
	for i, l := range wrap(text, room) {
		if i > 0 {
			prefix = strings.Repeat(" ", lipgloss.Width(prefix))
		}
		p.line(prefix + style.Render(l))
	}
}

func (p *page) draw(g grid) {
	if err := g.render(&p.out); err != nil && p.err == nil {
		p.err = err
	}
}

// pad fills s to width columns.
func pad(s string, width int) string {
	if n := width - lipgloss.Width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// share spreads room over columns that would like want columns: nobody gets
// more than he wants, and those who want much get equal parts.
func share(want []int, room int) []int {
	got := make([]int, len(want))
	open := len(want)
	for open > 0 && room > 0 {
		part := room / open
		if part == 0 {
			break
		}
		settled := 0
		for i, w := range want {
			if got[i] == 0 && w > 0 && w <= part {
				got[i] = w
				room -= w
				settled++
			}
		}
		if settled == 0 {
			for i, w := range want {
				if got[i] == 0 && w > 0 {
					got[i] = part
					room -= part
				}
			}
			for i, w := range want { // what the division left over
				if room > 0 && w > got[i] {
					got[i]++
					room--
				}
			}
			break
		}
		open -= settled
	}
	return got
}
