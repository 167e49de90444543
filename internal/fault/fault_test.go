package fault

import "testing"

// TestClean: nothing of a foreign text makes a terminal do anything.
func TestClean(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		max      int
		want     string
	}{
		{"plain", "Das Feld ist zu lang.", 0, "Das Feld ist zu lang."},
		{"escape sequence", "a\x1b[2Jb", 0, "a [2Jb"},
		{"bell and backspace", "a\a\bb", 0, "a b"},
		{"C1", "a\u009b2Jb", 0, "a 2Jb"},
		{"DEL", "a\x7fb", 0, "a b"},
		{"line ends", " a\r\n\tb ", 0, "a b"},
		{"line and paragraph separator", "a\u2028b\u2029c", 0, "a b c"},
		{"no UTF-8", "a\xffb", 0, "a\uFFFDb"},
		{"cut", "Müller", 5, "Müll…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Clean(tt.in, tt.max); got != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}
