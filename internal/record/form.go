package record

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// number is a plain decimal number, as canonical numbers are written.
var number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// phone is a text that can be a telephone number, and nothing else.
var phone = regexp.MustCompile(`^[+(]*[0-9][0-9 ()/.–-]{4,}$`)

// Fold takes a text's case, its outer and repeated blanks, its line ends and its
// Unicode form away. Every other character counts: nothing that stands between
// letters or digits is ever dropped, or a@kanzlei-x.de and a@kanzleix.de were one
// address.
func Fold(s string) string {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	if utf8.RuneCountInString(s) == len(s) { // ASCII: the first letter of each case is the upper one
		return strings.ToUpper(s)
	}
	return norm.NFC.String(strings.Map(foldRune, s))
}

// foldRune is the first of the letters that differ in case alone.
func foldRune(r rune) rune {
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	return first
}

// Agree reports whether two values that nobody can date mean the same: they are
// equal, or equal after Fold. Absent and unmapped values agree only with themselves.
func Agree(a, b Value) bool {
	return a == b || a.state == text && b.state == text && Fold(a.text) == Fold(b.text)
}

// FoldEqual reports whether two values are one value in two forms, as a system may
// make one of the other while it stores it: they agree, or do so once ß is ss, or
// are one telephone number written in two ways. It recognises a system's own form,
// and never decides that an edit may be dropped (docs/design/protocol.md, "One announcement, one table").
func FoldEqual(a, b Value) bool {
	if Agree(a, b) {
		return true
	}
	return a.state == text && b.state == text &&
		(Fold(cases.Fold().String(a.text)) == Fold(cases.Fold().String(b.text)) || samePhone(a.text, b.text))
}

// samePhone reports whether two texts are one telephone number. A plain number with a
// point is none.
func samePhone(a, b string) bool {
	for _, s := range []string{a, b} {
		if !phone.MatchString(s) || number.MatchString(s) && strings.IndexByte(s, '.') > 0 {
			return false
		}
	}
	return dialled(a) == dialled(b)
}

// dialled is a telephone number without what is only for the eye.
func dialled(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// OwnForm reports whether read is what a system may make of sent while storing
// it: one value in two forms, or sent cut at the end. A number is never cut: 1 is
// not a form of 19.
func OwnForm(sent, read Value) bool {
	if FoldEqual(sent, read) {
		return true
	}
	return sent.state == text && read.state == text && !number.MatchString(sent.text) &&
		len(read.text) < len(sent.text) && strings.HasPrefix(sent.text, read.text)
}
