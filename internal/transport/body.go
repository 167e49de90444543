package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// JSON is the answer's body, checked to be one whole JSON text in UTF-8. what
// is "" when it is, else it says what came instead. Bytes that are no UTF-8 are
// refused rather than replaced: the replacement would travel to the other
// system as an edit.
func (a *Answer) JSON() (body []byte, what string) {
	b := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\xef\xbb\xbf")))
	switch {
	case len(b) == 0:
		return nil, "an empty answer"
	case a.HTML():
		return nil, "an HTML page"
	case !utf8.Valid(b):
		return nil, "text that is not UTF-8"
	case json.Valid(b):
		return b, ""
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	var whole json.RawMessage
	switch err := dec.Decode(&whole); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, "JSON that breaks off"
	case err != nil:
		return nil, "text that is no JSON"
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, "JSON followed by something else"
	}
	return b, ""
}

// HTML reports whether the body is a page for people. The content decides:
// EspoCRM sends JSON errors and empty bodies as text/html (fixtures
// 07-errors-maintenance and 07-errors-auth).
func (a *Answer) HTML() bool {
	b := bytes.TrimSpace(a.Body)
	if len(b) == 0 || b[0] != '<' {
		return false
	}
	return isHTML(strings.ToLower(string(b[:min(len(b), 512)])))
}

func isHTML(s string) bool {
	for _, tag := range []string{"<!doctype", "<html", "<head", "<body", "<h1", "<h2", "<p", "<div", "<title", "<b>", "<center", "<font", "<?xml"} {
		if strings.HasPrefix(s, tag) {
			return true
		}
	}
	return strings.Contains(s, "<html")
}

// Text is what an error body says, whatever its form: a message member of a
// JSON object, an HTML page without its tags, or the text itself. Secrets that
// the call carried are blotted out, but not of the fixed sentences.
func (a *Answer) Text(fixed ...string) string { return a.secrets.out(a.text(), fixed...) }

// Said is a header's text, without blanks around it and without the secrets that
// the call carried.
func (a *Answer) Said(header string) string {
	return a.secrets.out(strings.TrimSpace(a.Header.Get(header)))
}

func (a *Answer) text() string {
	b := decoded(a)
	if msg, ok := jsonMessage([]byte(b)); ok {
		return msg
	}
	if a.HTML() {
		return pageText(b)
	}
	return strings.TrimSpace(b)
}

// decoded is the body as UTF-8. Old Windows servers say windows-1252 or say
// nothing and send it all the same.
func decoded(a *Answer) string {
	b := bytes.TrimPrefix(a.Body, []byte("\xef\xbb\xbf"))
	_, params, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	charset := strings.ToLower(params["charset"])
	latin := charset == "iso-8859-1" || charset == "windows-1252" || charset == "iso-8859-15"
	if latin || !utf8.Valid(b) {
		if s, err := charmap.Windows1252.NewDecoder().Bytes(b); err == nil {
			return string(s)
		}
	}
	return string(b)
}

// jsonMessage finds the sentence in a JSON error: a bare string, or the first
// known member of an object.
func jsonMessage(b []byte) (string, bool) {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s, true
	}
	var obj map[string]json.RawMessage
	if json.Unmarshal(b, &obj) != nil {
		return "", false
	}
	for _, want := range []string{"exceptionmessage", "error_description", "detail", "message", "error", "title", "fehler", "meldung"} {
		for key, raw := range obj {
			if strings.EqualFold(key, want) && json.Unmarshal(raw, &s) == nil && strings.TrimSpace(s) != "" {
				return s, true
			}
		}
	}
	return "", true
}

// pageText is what a person would read of a page: its title and body without
// markup. Not a parser; the result only ever goes into a message.
func pageText(s string) string {
	invisible := regexp.MustCompile(`(?is)<(script|style)\b.*?(</(script|style)>|$)|<!--.*?(-->|$)`)
	tags := regexp.MustCompile(`(?s)<[^>]*>?`)
	s = tags.ReplaceAllString(invisible.ReplaceAllString(s, " "), " ")
	return strings.Join(strings.Fields(html.UnescapeString(s)), " ")
}
