package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// hidden reports whether a terminal would act on r, or show nothing where
// something is: control characters, characters that turn the direction of
// writing, and invisible ones by which two values can differ unseen. Joiners and
// variation selectors are not hidden: they belong to letters and emoji.
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction
		return true
	case r == 0xa0, r == 0xad, r == 0x180e, r == 0x200b, r == 0x2028, r == 0x2029, r == 0x202f,
		r >= 0x2060 && r <= 0x2065, r >= 0x206a && r <= 0x206f, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb,
		r >= 0xe0000 && r <= 0xe007f: // invisible
		return true
	}
	return false
}

// visible shows hidden characters as signs, so that data never reaches a
// terminal raw (docs/security.md, "What goes into logs and output") and every difference can be seen.
func visible(s string, utf bool) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if strings.IndexFunc(s, hidden) < 0 {
		return anchored(s)
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r < 0x20 && utf:
			b.WriteRune(0x2400 + r) // the control pictures
		case r == 0x7f && utf:
			b.WriteRune(0x2421)
		default:
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
	}
	return anchored(b.String())
}

// anchored gives a leading combining mark a letter place of its own, so that
// it does not sit on the rule of the table.
func anchored(s string) string {
	if r, _ := utf8.DecodeRuneInString(s); unicode.Is(unicode.Mn, r) {
		return "\u25cc" + s
	}
	return s
}

// oneLine is visible for texts that have to stay on one line.
func oneLine(s string, utf bool) string {
	return visible(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s), utf)
}

// wrap breaks one line of visible text into lines of at most width columns,
// between words where it can, never inside of a grapheme. No character is
// dropped except the blank at a break.
func wrap(s string, width int) []string {
	if width < 2 {
		width = 2
	}
	var lines []string
	for s != "" {
		n := lineLength(s, width)
		line := s[:n]
		s = s[n:]
		if s != "" {
			line = strings.TrimSuffix(line, " ")
		}
		lines = append(lines, line)
	}
	if lines == nil {
		lines = []string{""}
	}
	return lines
}

// lineLength is how many bytes of s go on the next line.
func lineLength(s string, width int) int {
	state, used, at, lastBreak := -1, 0, 0, 0
	rest := s
	for rest != "" {
		var cluster string
		var bounds int
		cluster, rest, bounds, state = uniseg.StepString(rest, state)
		w := bounds >> uniseg.ShiftWidth
		if used+w > width && at > 0 && !(cluster == " " && used == width && rest != "") {
			if lastBreak*3 >= at {
				return lastBreak
			}
			return at
		}
		used += w
		at += len(cluster)
		if bounds&uniseg.MaskLine == uniseg.LineCanBreak && !(cluster == "-" && bound(s, at)) {
			lastBreak = at
		}
	}
	return len(s)
}

// bound reports whether the hyphen before byte at belongs to a word that is
// copied as a whole: a flag, or something with digits such as the id of a run.
func bound(s string, at int) bool {
	word := s[strings.LastIndexByte(s[:at], ' ')+1:]
	if i := strings.IndexByte(word, ' '); i >= 0 {
		word = word[:i]
	}
	return word[0] == '-' || strings.ContainsAny(word, "0123456789")
}

// truncate cuts to width columns and says so with an ellipsis.
func truncate(s string, width int, ellipsis string) string {
	if uniseg.StringWidth(s) <= width {
		return s
	}
	room := width - uniseg.StringWidth(ellipsis)
	if room < 1 {
		return ellipsis
	}
	state, used, at := -1, 0, 0
	rest := s
	for rest != "" {
		var cluster string
		var bounds int
		cluster, rest, bounds, state = uniseg.StepString(rest, state)
		w := bounds >> uniseg.ShiftWidth
		if used+w > room {
			break
		}
		used += w
		at += len(cluster)
	}
	return s[:at] + ellipsis
}

// rightToLeft reports whether s holds letters of a right-to-left script.
func rightToLeft(s string) bool {
	for _, r := range s {
		if r >= 0x590 && (r <= 0x8ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff || r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff) {
			return true
		}
	}
	return false
}
