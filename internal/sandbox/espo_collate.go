package sandbox

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// collate is the sort key of a value under utf8mb4_unicode_ci as far as the recordings go (16-values-search): without
// case and accents, ß as ss, all characters beyond the basic plane alike, trailing blanks ignored.
func collate(v any) string {
	s, ok := v.(string)
	if !ok {
		if v == nil {
			return ""
		}
		s = fmt.Sprint(v)
	}
	if plainASCII(s) {
		return strings.TrimRight(s, " ")
	}
	return strings.TrimRight(strings.Join(weights(norm.NFD.String(s), true), ""), " ")
}

// plainASCII tells whether s is its own sort key but for trailing blanks: ids, dates, numbers.
func plainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x80 || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// weights folds character by character; LIKE compares such characters one by one.
func weights(s string, skipMarks bool) []string {
	out := make([]string, 0, len(s))
	for _, r := range s {
		switch {
		case r == 'ß' || r == 'ẞ':
			out = append(out, "ss")
		case r >= 0x10000:
			out = append(out, "\ufffd")
		case unicode.Is(unicode.Mn, r):
			if !skipMarks {
				out = append(out, string(r))
			}
		default:
			out = append(out, baseLetter(r))
		}
	}
	return out
}

func baseLetter(r rune) string {
	if r < 0x80 {
		return string(unicode.ToLower(r))
	}
	base := []rune(norm.NFD.String(string(r)))
	return string(unicode.ToLower(base[0]))
}

func lower(s string) string { return strings.ToLower(s) }

// like is SQL's LIKE: % any characters, _ one, compared by weight, trailing blanks significant.
func like(pattern, s string) bool {
	return likeWeights(weights(pattern, false), weights(s, false))
}

func likeWeights(p, s []string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == "%":
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == "_" || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == "%" {
		i++
	}
	return i == len(p)
}
