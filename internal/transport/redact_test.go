package transport

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

// spellings are ways in which a text reaches an error page.
func spellings(t testing.TB, secret string) map[string]string {
	t.Helper()
	short, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	var percent, lower, unicode, decimal strings.Builder
	for _, b := range []byte(secret) {
		percent.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{b})))
		lower.WriteString("%" + hex.EncodeToString([]byte{b}))
	}
	for _, r := range secret {
		if r > 0xffff {
			return nil
		}
		unicode.WriteString(`\u` + hex.EncodeToString([]byte{byte(r >> 8), byte(r)}))
		decimal.WriteString("&#" + json.Number(strings.TrimSpace(string(mustJSON(t, r)))).String() + ";")
	}
	return map[string]string{
		"plain": secret, "query": url.QueryEscape(secret), "path": url.PathEscape(secret), "every byte in percent": percent.String(),
		"every byte in percent, lower case": lower.String(), "JSON": strings.Trim(string(short), `"`), "JSON, every character": unicode.String(),
		"JSON of PHP": strings.ReplaceAll(strings.Trim(string(short), `"`), "/", `\/`),
		"HTML":        html.EscapeString(secret), "HTML, every character": decimal.String(), "hex": hex.EncodeToString([]byte(secret)),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 of URLs": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"base64 after one byte": base64.StdEncoding.EncodeToString([]byte(":" + secret)), "base64 after two": base64.StdEncoding.EncodeToString([]byte("a:" + secret + ":b")),
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Secrets pass a server's error page in its own spelling of them.
func TestSpellingsOfASecret(t *testing.T) {
	for _, secret := range []string{"geheimes-kennwort", `p%ss w+rd/"ä&€<\'`, "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "dGVzdC1zZWNyZXQta2V5Kys=", "%41%41%41", `\\\\`} {
		s := newSecrets(secret)
		for how, spelled := range spellings(t, secret) {
			got := s.out("before " + spelled + " after")
			// of base64 stays what holds bits of the neighbours
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, blot) || len(got) > len("before *** after")+9 {
				t.Errorf("%s of %s: %s", how, secret, got)
			}
		}
	}
}

// A server quotes the request in JSON, and a proxy before it puts that into a page:
// what is escaped is escaped again.
func TestSpellingsInSpellings(t *testing.T) {
	const secret = `p%ss w+rd/"ä&<\'x1`
	escapes := map[string]func(string) string{
		"JSON":    func(s string) string { return strings.Trim(string(mustJSON(t, s)), `"`) },
		"percent": url.QueryEscape, "path": url.PathEscape, "HTML": html.EscapeString,
		"octal": func(s string) string {
			var b strings.Builder
			for _, c := range []byte(s) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
			return b.String()
		},
	}
	s := newSecrets(secret)
	for first, inner := range escapes {
		for second, outer := range escapes {
			for third, outermost := range escapes {
				if got := s.out("before " + outermost(outer(inner(secret))) + " after"); got != "before *** after" {
					t.Errorf("%s in %s in %s: %s", first, second, third, got)
				}
			}
		}
	}
}

// What is stored or read in another character set, folded or cut is known as well.
func TestFormsOfASecret(t *testing.T) {
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJTWU5DIn0.c2lnbmF0dXJl"
	s := newSecrets("Märzhäschen!", token)
	mime := base64.StdEncoding.EncodeToString([]byte("a:Märzhäschen!:b"))
	for how, text := range map[string]string{
		"decomposed": "Ma\u0308rzha\u0308schen!", "UTF-8 read as windows-1252": "MÃ¤rzhÃ¤schen!", "not decoded": "M\uFFFDrzh\uFFFDschen!", "replaced": "M?rzh?schen!",
		"base64 in two lines": mime[:9] + "\r\n " + mime[9:], "its beginning cut": token[10:], "its end cut": token[:24],
		"far behind": strings.Repeat(" ", maxQuoted-20) + "Märzhäschen!", "over the end": strings.Repeat(" ", maxQuoted-5) + "Märzhäschen!",
	} {
		got := s.out(text)
		if !strings.Contains(got, blot) || strings.Contains(got, "rzh") || strings.Contains(got, "sdW") {
			t.Errorf("%s: %s", how, strings.TrimSpace(got))
		}
	}
	if got := s.out(strings.Repeat("x", maxQuoted+10*margin)); len(got) != maxQuoted {
		t.Errorf("%d bytes of a text beyond all measure", len(got))
	}
}

// First week, 23: a word of the server's sentence is not the password, though
// the password be that word.
func TestFixedSentences(t *testing.T) {
	s := newSecrets("Kennwort", "oder falsches")
	for text, want := range map[string]string{
		"Falscher Name oder falsches Kennwort.":                             "Falscher Name oder falsches Kennwort.",
		"FALSCHER NAME ODER FALSCHES KENNWORT: abc/Kennwort":                "FALSCHER NAME ODER FALSCHES KENNWORT: abc/***",
		"Kennwort: Falscher Name oder falsches Kennwort, war oder falsches": "***: Falscher Name oder falsches Kennwort, war ***",
		"Das Kennwort ist abgelaufen":                                       "Das *** ist abgelaufen",
		"":                                                                  "",
	} {
		if got := s.out(text, "freigeschaltet", "falscher name oder falsches kennwort"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("geheim", "x", "y")
	f.Add("%41%41", "%", "41")
	f.Add(`\u0041`, `\`, "&amp;")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		s := newSecrets(secret)
		if s == nil || len(secret) > 40 {
			return
		}
		for how, spelled := range map[string]string{"plain": secret, "query": url.QueryEscape(secret)} {
			got := s.out(before + spelled + after)
			if strings.Contains(got, secret) && !strings.Contains(blot, secret) && !strings.Contains(before+blot+after, secret) {
				t.Errorf("%s: %q", how, got)
			}
		}
	})
}
