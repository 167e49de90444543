package report

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// marks are the signs of one character set. Both sets say the same: nothing is
// said by colour alone.
type marks struct {
	toAdvoware, toEspocrm, both, none string
	changed                           string
	lineEnd, ellipsis, empty, dash    string
	ok, warn, fail                    string
	column, row, cross                string
	bar, barEmpty                     string
	dot, moved                        string
}

var utf8Marks = marks{
	toAdvoware: "→", toEspocrm: "←", both: "⇄", none: "=",
	changed: "*", lineEnd: "↵", ellipsis: "…", empty: "–", dash: "—",
	ok: "✓", warn: "!", fail: "✗", column: "│", row: "─", cross: "┼", bar: "█", barEmpty: "·", dot: "·", moved: "≠",
}

var asciiMarks = marks{
	toAdvoware: "->", toEspocrm: "<-", both: "<>", none: "=",
	changed: "*", lineEnd: "\\n", ellipsis: "...", empty: "-", dash: "-",
	ok: "ok", warn: "!", fail: "x", column: "|", row: "-", cross: "+", bar: "#", barEmpty: ".", dot: "-", moved: "!=",
}

func marksFor(utf bool) marks {
	if utf {
		return utf8Marks
	}
	return asciiMarks
}

// theme holds the styles. Only the sixteen colours of the terminal's own
// palette are used: they are readable on whatever background it has.
type theme struct {
	title, label, dim, bold, plain lipgloss.Style
	changed, good, warn, bad       lipgloss.Style
	toAdvoware, toEspocrm          lipgloss.Style
}

// newTheme makes a renderer for this writer alone and tells it what it would
// otherwise ask the terminal.
func newTheme(w io.Writer, colour bool) theme {
	r := lipgloss.NewRenderer(w, termenv.WithProfile(termenv.Ascii))
	if colour {
		r.SetColorProfile(termenv.ANSI)
	} else {
		r.SetColorProfile(termenv.Ascii)
	}
	r.SetHasDarkBackground(true)
	s := func() lipgloss.Style { return r.NewStyle() }
	c := func(n string) lipgloss.Style { return s().Foreground(lipgloss.Color(n)) }
	return theme{
		plain: s(), title: s().Bold(true), label: c("6"), dim: s().Faint(true), bold: s().Bold(true),
		changed: c("3").Bold(true), good: c("2"), warn: c("3"), bad: c("1").Bold(true),
		toAdvoware: c("4").Bold(true), toEspocrm: c("5").Bold(true),
	}
}
