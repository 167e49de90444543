package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// cell is the content of one table cell: lines that fit their column, already
// styled.
type cell []string

// grid is a table whose columns have known widths.
type grid struct {
	widths []int
	gap    string // between columns
	rule   string // sign of the line below the header; "" none
	cross  string // where that line meets the gap, as wide as the gap
	indent string
	header []string
	rows   [][]cell
	// ruled draws a line between rows as well.
	ruled bool
}

// render lets tablewriter lay out rows, header and rules, and draws them with
// a gridRenderer.
func (g grid) render(w io.Writer) error {
	ruleState, betweenState := tw.Off, tw.Off
	if g.rule != "" && g.header != nil {
		ruleState = tw.On
	}
	if g.ruled {
		betweenState = tw.On
	}
	bp := renderer.NewBlueprint(tw.Rendition{
		Borders: tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off},
		Settings: tw.Settings{
			Separators: tw.Separators{BetweenRows: betweenState, BetweenColumns: tw.On, ShowHeader: ruleState},
			Lines:      tw.Lines{ShowTop: tw.Off, ShowBottom: tw.Off, ShowHeaderLine: ruleState},
		},
	})
	out := &gridRenderer{Blueprint: bp, grid: g}
	t := tablewriter.NewTable(w,
		tablewriter.WithRenderer(out),
		tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithRowAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone), tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off), tablewriter.WithTrimLine(tw.Off), tablewriter.WithTrimTab(tw.Off),
		tablewriter.WithPadding(tw.PaddingNone),
	)
	if g.header != nil {
		h := make([]any, len(g.header))
		for i, s := range g.header {
			h[i] = s
		}
		t.Header(h...)
	}
	for _, r := range g.rows {
		line := make([]any, len(r))
		for i, c := range r {
			line[i] = strings.Join(c, "\n")
		}
		if err := t.Append(line...); err != nil {
			return fmt.Errorf("lay out the table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	return out.err
}

// gridRenderer draws with widths counted in graphemes. tablewriter's own
// renderer counts runes (a family emoji as six columns instead of two, a flag as
// four) and asks the environment once per process whether ambiguous characters
// are wide; both would shift the columns.
type gridRenderer struct {
	*renderer.Blueprint
	grid grid
	w    io.Writer
	err  error
}

// Start takes the writer.
func (r *gridRenderer) Start(w io.Writer) error {
	r.w = w
	return r.Blueprint.Start(w)
}

// Header draws one line of the header.
func (r *gridRenderer) Header(_ [][]string, ctx tw.Formatting) { r.line(ctx) }

// Row draws one line of one row.
func (r *gridRenderer) Row(_ []string, ctx tw.Formatting) { r.line(ctx) }

// Footer draws nothing: totals are sentences below the table.
func (r *gridRenderer) Footer([][]string, tw.Formatting) {}

// Line draws a rule.
func (r *gridRenderer) Line(tw.Formatting) {
	parts := make([]string, len(r.grid.widths))
	for i, w := range r.grid.widths {
		parts[i] = strings.Repeat(r.grid.rule, w)
	}
	r.write(r.grid.indent + strings.Join(parts, r.grid.cross))
}

func (r *gridRenderer) line(ctx tw.Formatting) {
	var b strings.Builder
	b.WriteString(r.grid.indent)
	for i, w := range r.grid.widths {
		if i > 0 {
			b.WriteString(r.grid.gap)
		}
		text := ctx.Row.Current[i].Data
		b.WriteString(text)
		if n := w - lipgloss.Width(text); n > 0 {
			b.WriteString(strings.Repeat(" ", n))
		}
		// In a terminal that orders bidirectional text, two neighbouring cells of a
		// right-to-left script would change places without this mark.
		if rightToLeft(text) {
			b.WriteString("\u200e")
		}
	}
	r.write(strings.TrimRight(b.String(), " "))
}

func (r *gridRenderer) write(line string) {
	if r.err == nil {
		_, r.err = io.WriteString(r.w, line+"\n")
	}
}
