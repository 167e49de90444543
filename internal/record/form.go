package record

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// number is a plain decimal number, as canonical numbers are written.
var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// Fold reduces a text to its letters, digits and symbols: case, blanks,
// punctuation and the Unicode form do not count. A number stays as it is: its
// sign and its point are no punctuation (-5 is not 5, 1.5 is not 15). It is used
// to recognise a system's own form of a value, never to decide that an edit may
// be dropped (design page 2, "Own form or foreign edit").
func Fold(s string) string {
	if number.MatchString(s) {
		return strings.ToLower(s)
	}
	folded := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || unicode.IsSymbol(r) {
			return r
		}
		return -1
	}, strings.ToLower(cases.Fold().String(norm.NFD.String(s)))) // lower: Cherokee letters fold to and fro
	return norm.NFC.String(folded) // last: what was dropped may have stood between a letter and its mark
}

// FoldEqual reports whether two values are the same, or the same after Fold.
// Absent and unmapped values are equal only to themselves, and a value whose
// fold is empty (punctuation only) only to itself.
func FoldEqual(a, b Value) bool {
	if a == b {
		return true
	}
	if a.state != text || b.state != text {
		return false
	}
	fa, fb := Fold(a.text), Fold(b.text)
	return fa != "" && fa == fb
}

// Agree reports whether two values that nobody can date mean the same: equal
// after folding, but with the gaps between digits kept. "Hauptstr. 1-3" is not
// "Hauptstr. 13": taking them for the same would leave both sides different for
// ever, while "0511/123-45" and "0511 123 45" do mean the same.
func Agree(a, b Value) bool {
	return FoldEqual(a, b) && (a == b || digitGaps(a.text) == digitGaps(b.text))
}

// AgreeKey is the same for two values with content if and only if they Agree.
func AgreeKey(v Value) string {
	switch folded := Fold(v.text); {
	case v.state != text:
		return "!" + v.text
	case folded == "":
		return "=" + v.text
	default:
		return "~" + folded + "\x00" + digitGaps(v.text)
	}
}

// digitGaps are the digits of a text, with one mark for whatever stands between
// two groups of them.
func digitGaps(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range s {
		if !unicode.IsDigit(r) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	return b.String()
}

// OwnForm reports whether read is what a system may make of sent while storing
// it: equal, equal after folding, or sent cut at the end. A number is never cut:
// 1 is not a form of 19.
func OwnForm(sent, read Value) bool {
	if FoldEqual(sent, read) {
		return true
	}
	return sent.state == text && read.state == text && !number.MatchString(sent.text) &&
		len(read.text) < len(sent.text) && strings.HasPrefix(sent.text, read.text)
}
