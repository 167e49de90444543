package transport

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"advosync/internal/fault"
)

// secrets are what may not show in any text of a server's, should it echo what
// it was sent: passwords, keys, tokens, signatures.
type secrets []string

const (
	// minSecret: shorter ones would blot out syllables.
	minSecret = 4
	// telling is how much of a secret's beginning is blotted out as well, in
	// bytes: a server may cut its own message.
	telling = 16
	blot    = "***"
	// maxQuoted bounds what is looked through, in bytes: a message shows some hundred
	// characters. A secret that begins within it is looked for a little further.
	maxQuoted = 16 << 10
	margin    = 4 << 10
)

func newSecrets(texts ...string) secrets {
	var s secrets
	for _, text := range texts {
		if len(text) < minSecret {
			continue
		}
		for _, form := range forms(text) {
			if len(form) >= minSecret && !slices.Contains(s, form) {
				s = append(s, form)
			}
		}
	}
	return s
}

// forms are a secret as other programs may have stored or read it: composed or
// decomposed, UTF-8 taken for windows-1252, what is not ASCII replaced. Of a long one
// its second half counts by itself: a server may cut the beginning of a message, too.
func forms(text string) []string {
	out := []string{text}
	if len(text) >= 2*telling {
		out = append(out, text[len(text)/2:])
	}
	if strings.IndexFunc(text, notASCII) < 0 {
		return out
	}
	out = append(out, norm.NFC.String(text), norm.NFD.String(text))
	if misread, err := charmap.Windows1252.NewDecoder().String(text); err == nil {
		out = append(out, misread)
	}
	kept := strings.Map(func(r rune) rune {
		if notASCII(r) {
			return -1
		}
		return r
	}, text)
	if len(kept) >= minSecret { // of one with fewer, little but the replacements would be looked for
		for _, instead := range []string{"\uFFFD", "?"} {
			out = append(out, replaceNotASCII(text, instead))
		}
	}
	return out
}

func notASCII(r rune) bool { return r >= utf8.RuneSelf }

func replaceNotASCII(text, instead string) string {
	var b strings.Builder
	for _, r := range text {
		if notASCII(r) {
			b.WriteString(instead)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// out blots the secrets out of a text, also where they are spelled otherwise: in
// percent, JSON or HTML escapes, up to three of them one around the other, in hex, in
// base64 at any place of a longer text, over the ends of lines. fixed are sentences that the server says to everybody: a word of them
// stays, though somebody's password be that word.
// Of a longer text than anybody is shown, the beginning is given.
func (s secrets) out(text string, fixed ...string) string {
	shown := min(len(text), maxQuoted)
	text = text[:min(len(text), maxQuoted+margin)]
	var b strings.Builder
	for at := 0; at < shown; {
		begin, end := firstOf(text[at:], fixed)
		begin, end = at+begin, at+end
		b.WriteString(s.blotted(text[at:begin], shown-at))
		if begin < shown {
			b.WriteString(text[begin:min(end, shown)])
		}
		at = end
	}
	return b.String()
}

// firstOf is where the first of the sentences stands in text, without regard to
// the case of ASCII letters; the end of text twice when there is none.
func firstOf(text string, sentences []string) (at, end int) {
	at, end = len(text), len(text)
	for _, s := range sentences {
		for i := 0; i+len(s) <= len(text) && i < at; i++ {
			if strings.EqualFold(text[i:i+len(s)], s) {
				at, end = i, i+len(s)
			}
		}
	}
	return at, end
}

// blotted is the text without the secrets, up to so many bytes of it.
func (s secrets) blotted(text string, shown int) string {
	hidden := make([]bool, len(text))
	for _, v := range views(text) {
		for _, secret := range s {
			v.hideEncoded(hidden, secret)
			v.hideEscaped(hidden, secret)
		}
	}
	var b strings.Builder
	for i := range min(len(text), shown) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(blot)
		}
	}
	return b.String()
}

func (v view) hideEncoded(hidden []bool, secret string) {
	for _, spelled := range encodings(secret) {
		for at := 0; ; at += len(spelled) {
			i := strings.Index(v.text[at:], spelled)
			if i < 0 {
				break
			}
			at += i
			v.hide(hidden, at, at+len(spelled))
		}
	}
}

// encodings are a secret's other spellings in which no part of it shows.
func encodings(secret string) []string {
	h := hex.EncodeToString([]byte(secret))
	out := []string{h, strings.ToUpper(h)}
	// In base64 a text looks different at each of three places; the characters at
	// both ends hold bits of its neighbours and are left out.
	for before := range 3 {
		bytes := append(make([]byte, before), secret...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString(bytes)
			if len(bytes)%3 != 0 {
				text = text[:len(text)-1]
			}
			if before > 0 {
				text = text[before+1:]
			}
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// hideEscaped finds a secret each of whose bytes may be escaped or not.
func (v view) hideEscaped(hidden []bool, secret string) {
	for i := 0; i < len(v.text); {
		n, matched := spelledAt(v.text[i:], secret)
		if matched < min(len(secret), telling) {
			i++
			continue
		}
		v.hide(hidden, i, i+n)
		i += n
	}
}

// spelledAt is how much of text (n bytes) spells how much of the secret from its
// beginning (matched bytes), at most. A byte may stand for itself although it
// looks like the beginning of an escape, so both are tried.
func spelledAt(text, secret string) (n, matched int) {
	for matched < len(secret) && n < len(text) {
		said, took := unescape(text[n:])
		escaped := said != "" && strings.HasPrefix(secret[matched:], said)
		literal := text[n] == secret[matched]
		switch {
		case escaped && literal: // a % that is part of the secret
			en, em := spelledAt(text[n+took:], secret[matched+len(said):])
			ln, lm := spelledAt(text[n+1:], secret[matched+1:])
			if em+len(said) >= lm+1 {
				return n + took + en, matched + len(said) + em
			}
			return n + 1 + ln, matched + 1 + lm
		case escaped:
			n, matched = n+took, matched+len(said)
		case literal:
			n, matched = n+1, matched+1
		default:
			return n, matched
		}
	}
	return n, matched
}

// unescape reads one escape at the beginning of text: what it says and how many
// bytes it takes; "" when none stands there.
func unescape(text string) (said string, took int) {
	switch text[0] {
	case '+':
		return " ", 1
	case '%':
		return unescapePercent(text)
	case '\\':
		return unescapeJSON(text)
	case '&':
		return unescapeHTML(text)
	}
	return "", 0
}

func unescapePercent(text string) (said string, took int) {
	if text[0] != '%' {
		return "", 0
	}
	return escapedByte(text, 1)
}

func unescapeHTML(text string) (said string, took int) {
	if text[0] != '&' {
		return "", 0
	}
	if end := strings.IndexByte(text[:min(len(text), 12)], ';'); end > 0 {
		if said := html.UnescapeString(text[:end+1]); said != text[:end+1] {
			return said, end + 1
		}
	}
	return "", 0
}

func unescapeJSON(text string) (said string, took int) {
	if len(text) < 2 || text[0] != '\\' {
		return "", 0
	}
	switch text[1] {
	case '"', '\\', '/', '\'':
		return text[1:2], 2
	case 'n':
		return "\n", 2
	case 't':
		return "\t", 2
	case 'x':
		return escapedByte(text, 2)
	case '0', '1', '2', '3':
		if n, err := strconv.ParseUint(text[1:min(len(text), 4)], 8, 8); err == nil && len(text) >= 4 {
			return string([]byte{byte(n)}), 4
		}
	case 'u':
		r, ok := hexRune(text)
		if !ok {
			return "", 0
		}
		if utf16.IsSurrogate(r) {
			low, _ := hexRune(text[6:])
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return "", 0
			}
			return string(r), 12
		}
		return string(r), 6
	}
	return "", 0
}

// hexRune reads \uXXXX.
func hexRune(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}

// escapedByte reads two hex digits after a prefix.
func escapedByte(text string, prefix int) (said string, took int) {
	if len(text) < prefix+2 {
		return "", 0
	}
	n, err := strconv.ParseUint(text[prefix:prefix+2], 16, 8)
	if err != nil {
		return "", 0
	}
	return string([]byte{byte(n)}), prefix + 2
}

// credentials are the values that authorizing has added to a request: a key, a
// signature, or a token after the name of its scheme.
func credentials(before, after http.Header) []string {
	var out []string
	for name, values := range after {
		if slices.Equal(values, before[name]) {
			continue
		}
		for _, v := range values {
			out = append(out, v[strings.LastIndexByte(v, ' ')+1:])
		}
	}
	return out
}

// Clean makes a foreign text fit for a message, of at most limit characters, and
// blots out known secrets. Those of one call only its Answer knows.
func (c *Client) Clean(s string, limit int) string { return fault.Clean(c.secrets.out(s), limit) }
