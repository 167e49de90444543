package record

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Form says what a value that a system shows is of the one that it was sent.
type Form uint8

// The forms (docs/design/protocol.md, "One announcement, one table").
const (
	Foreign Form = iota // another value
	Same                // one value, perhaps in another spelling
	Cut                 // its beginning
	Unheld              // what a system makes of a value that it cannot store
)

// Own reports whether the value is the system's own form of what it was sent.
func (f Form) Own() bool { return f != Foreign }

// FormOf is the form of a text.
func FormOf(sent, stored Value) Form {
	switch {
	case FoldEqual(sent, stored):
		return Same
	case OwnForm(sent, stored):
		return Cut
	case sent.state == text && stored.state == text && impoverished(Fold(sent.text), Fold(html.UnescapeString(stored.text))):
		return Unheld
	default:
		return Foreign
	}
}

// impoverished reports whether poor is rich in fewer letters: each letter beyond ASCII
// stands there itself, without its accent, written out, or as question marks. Equal
// texts are: only the entities were in the way.
func impoverished(rich, poor string) bool {
	for {
		r, n := utf8.DecodeRuneInString(rich)
		if n == 0 {
			return poor == ""
		}
		rich = rich[n:]
		next, ok := poor, false
		if next, ok = strings.CutPrefix(poor, string(r)); !ok {
			if next, ok = cutPoor(poor, r, n); !ok {
				return false
			}
		}
		poor = next
	}
}

// cutPoor takes from the beginning of poor what stands for r, a rune of n bytes.
func cutPoor(poor string, r rune, n int) (string, bool) {
	if r < utf8.RuneSelf {
		return poor, false
	}
	if marks := len(poor) - len(strings.TrimLeft(poor, "?\ufffd\u25a1\u00bf")); marks > 0 {
		// One sign for each character, or one for each of its bytes.
		signs := 0
		for _, sign := range poor[:marks] {
			if sign != '?' {
				return poor[utf8.RuneLen(sign):], true
			}
			signs++
		}
		if signs >= n {
			return poor[n:], true
		}
		return poor[1:], true
	}
	for _, spelling := range spellings(r) {
		if rest, ok := strings.CutPrefix(poor, spelling); ok {
			return rest, true
		}
	}
	return poor, r > 0xffff // outside of what a three-byte character set holds: dropped
}

// spellings are those of a letter in ASCII, the longest first, folded.
func spellings(r rune) []string {
	written := map[rune]string{
		'Ä': "AE", 'Ö': "OE", 'Ü': "UE", 'ß': "SS", 'ẞ': "SS", 'Æ': "AE", 'Ø': "OE", 'Å': "AA", 'Œ': "OE", 'Ł': "L", 'Đ': "D", 'Þ': "TH", 'Ð': "D",
		'–': "-", '—': "-", '‘': "'", '’': "'", '“': `"`, '”': `"`, '„': `"`, '‚': ",", '…': "...", '€': "EUR", ' ': " ",
	}
	var out []string
	if w, ok := written[r]; ok {
		out = append(out, w)
	}
	if r == 'ß' || r == 'ẞ' {
		out = append(out, "S")
	}
	base := strings.Map(func(c rune) rune {
		if unicode.Is(unicode.Mn, c) {
			return -1
		}
		return c
	}, norm.NFD.String(string(r)))
	if base != string(r) && base != "" {
		out = append(out, base)
	}
	return out
}
