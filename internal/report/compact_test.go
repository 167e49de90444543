package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/lipgloss"

	"advosync/internal/result"
)

// TestGoldenCompact: a diff as a plan, at the widths of terminals, with and without
// colour; no line is wider than the page, and no value comes through raw.
func TestGoldenCompact(t *testing.T) {
	waits := conflictDoc()
	waits.Results[0].Planned, waits.Results[0].Name = result.ConflictWaits, "Krüger Bau GmbH"
	waits.Results[0].SavedBy = "Anna Beispiel\x1b[2J"
	waits.Results[0].Next = "decide field by field: advosync resolve --entity Beteiligte --id 6b04e8a1c2d3f4a5b"
	waits.Results[0].Fields[0].Target = ""
	docs := map[string]result.Document{"conflict": conflictDoc(), "merge": mergeDoc(), "waits": waits, "past": pastDoc()}
	for name, doc := range docs {
		for _, width := range []int{80, 100, 140} {
			for _, colour := range []bool{false, true} {
				o := Options{Format: Table, View: Diff, Compact: true, Rich: true, UTF8: true, Width: width, Colour: colour,
					Now: time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)}
				file := fmt.Sprintf("compact-%s-%d-%s.txt", name, width, map[bool]string{true: "colour", false: "plain"}[colour])
				t.Run(file, func(t *testing.T) {
					var b bytes.Buffer
					if err := Document(&b, doc, o); err != nil {
						t.Fatal(err)
					}
					golden(t, file, b.Bytes())
					for l := range strings.Lines(b.String()) {
						if lipgloss.Width(strings.TrimRight(l, "\n")) > width {
							t.Errorf("wider than %d: %q", width, l)
						}
					}
					if !colour && strings.ContainsRune(b.String(), '\x1b') {
						t.Error("an escape character comes through")
					}
				})
			}
		}
	}
}
