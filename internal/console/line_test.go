package console

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestProgressLineFits(t *testing.T) {
	start := time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	p := &Progress{done: 1200, total: 10000, since: start}
	for _, tt := range []struct {
		width int
		utf8  bool
		want  string
	}{
		{139, true, " 1200/10000 ━━━────────────────────────  120/s  1:13 left  1100 written, 3 conflicts, 97 failed"},
		{79, true, " 1200/10000 ━──────────────  120/s  1:13 left  1100 written, 3 conflicts, 97 f…"},
		{79, false, " 1200/10000 [=              ]  120/s  1:13 left  1100 written, 3 conflicts, ..."},
		{40, false, " 1200/10000 [        ]  120/s  1:13 left"},
		{20, false, " 1200/10000 [    ..."},
	} {
		got := p.line(tt.width, tt.utf8, start.Add(10*time.Second), "1100 written, 3 conflicts, 97 failed")
		if utf8.RuneCountInString(got) > tt.width || strings.Contains(got, "\n") {
			t.Errorf("%d columns: %q does not fit", tt.width, got)
		}
		if got != tt.want {
			t.Errorf("%d columns\n got %q\nwant %q", tt.width, got, tt.want)
		}
	}
	if got := (&Progress{}).line(79, true, start, "looking"); got != "looking" {
		t.Errorf("before the total is known: %q", got)
	}
	if got := clockOf(3*time.Hour + 61*time.Second); got != "3:01:01" {
		t.Error(got)
	}
}
