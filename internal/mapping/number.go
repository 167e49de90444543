package mapping

import "strings"

// maxDigits bounds the written-out form of a number: 1e999999999 is nine
// letters and a gigabyte.
const maxDigits = 100

// canonicalNumber is the exact decimal text of a number without exponent,
// leading plus, leading or trailing zeros: "19.90" and "1.99e1" are "19.9". No
// float is involved, so that 9007199254740993 stays what it is. It is "" when s
// is no number or would be longer than maxDigits.
func canonicalNumber(s string) string {
	s, negative := strings.CutPrefix(s, "-")
	if !negative {
		s = strings.TrimPrefix(s, "+")
	}
	mantissa, exponent, ok := cutExponent(s)
	if !ok {
		return ""
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole == "" || (point && fraction == "") || !digits(whole) || !digits(fraction) {
		return ""
	}
	all := whole + fraction
	position := len(whole) + exponent // of the point within all
	for len(all) > 0 && all[0] == '0' {
		all, position = all[1:], position-1
	}
	all = strings.TrimRight(all, "0")
	if all == "" {
		return "0"
	}
	if len(all) > maxDigits || position > maxDigits || position < -maxDigits {
		return ""
	}
	if negative {
		return "-" + pointed(all, position)
	}
	return pointed(all, position)
}

// pointed puts the point at its place among digits, or before or behind them.
func pointed(all string, position int) string {
	switch {
	case position <= 0:
		return "0." + strings.Repeat("0", -position) + all
	case position >= len(all):
		return all + strings.Repeat("0", position-len(all))
	}
	return all[:position] + "." + all[position:]
}

// canonicalInt is canonicalNumber for whole numbers; "3.0" is one, "3.9" is not.
func canonicalInt(s string) string {
	n := canonicalNumber(s)
	if strings.IndexByte(n, '.') >= 0 {
		return ""
	}
	return n
}

// thousands reports whether a text may be a whole number with a point for thousands, as
// Germans write it: 1.000 is no 1.
func thousands(s string) bool {
	whole, rest, point := strings.Cut(strings.TrimLeft(s, "+-"), ".")
	return point && len(whole) <= 3 && whole != "" && whole[0] != '0' && len(rest) == 3 && digits(whole) && digits(rest)
}

func cutExponent(s string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, true
	}
	mantissa, e := s[:i], s[i+1:]
	negative := false
	if e != "" && (e[0] == '-' || e[0] == '+') {
		negative, e = e[0] == '-', e[1:]
	}
	e = strings.TrimLeft(e, "0")
	if s[len(s)-1] < '0' || s[len(s)-1] > '9' || !digits(e) || len(e) > 4 {
		return "", 0, false
	}
	for _, c := range []byte(e) {
		exponent = exponent*10 + int(c-'0')
	}
	if negative {
		exponent = -exponent
	}
	return mantissa, exponent, true
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// rounded is a canonical number with at most scale digits behind the point, halves
// away from zero; scale -1 keeps all.
func rounded(s string, scale int) string {
	whole, fraction, _ := strings.Cut(s, ".")
	if scale < 0 || len(fraction) <= scale {
		return s
	}
	up := fraction[scale] >= '5'
	kept := []byte(whole + fraction[:scale])
	for i := len(kept) - 1; up && i >= 0; i-- {
		switch {
		case kept[i] == '-':
			i = 0
		case kept[i] == '9':
			kept[i] = '0'
		default:
			kept[i]++
			up = false
		}
	}
	text := string(kept)
	if up { // 9.9 has become 0.0, with one to carry
		text = strings.Replace(text, "-", "", 1)
		text = "1" + text
		if whole[0] == '-' {
			text = "-" + text
		}
	}
	if scale > 0 {
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if out := canonicalNumber(text); out != "-0" {
		return out
	}
	return "0"
}

// cutDecimals is a canonical number without the digits behind the first scale ones.
func cutDecimals(s string, scale int) string {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) <= scale {
		return s
	}
	return canonicalNumber(strings.TrimSuffix(whole+"."+fraction[:scale], "."))
}
