package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"
)

// reply is an answer before it goes over a wire; HTTP server and in-memory transport both render it.
type reply struct {
	status int
	header http.Header
	body   []byte
	// breakAt >= 0 breaks the connection after so many bytes of the body.
	breakAt int
}

func newReply(status int, contentType string, body []byte) *reply {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return &reply{status: status, header: h, body: body, breakAt: -1}
}

func jsonReply(status int, v any) *reply {
	return newReply(status, "application/json", phpJSON(v))
}

// phpJSON renders JSON as PHP does: non-ASCII characters and slashes escaped (fixtures/espocrm/README.md).
func phpJSON(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("sandbox: answer is no JSON: " + err.Error())
	}
	return phpEscape(bytes.TrimRight(buf.Bytes(), "\n"))
}

func phpEscape(in []byte) []byte {
	out := make([]byte, 0, len(in)+len(in)/8)
	for i := 0; i < len(in); {
		c := in[i]
		switch {
		case c == '/':
			out = append(out, '\\', '/')
			i++
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, n := utf8.DecodeRune(in[i:])
			out = appendUnicodeEscape(out, r)
			i += n
		}
	}
	return out
}

func appendUnicodeEscape(out []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	unit := func(u uint16) {
		out = append(out, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	if r >= 0x10000 {
		r -= 0x10000
		unit(uint16(0xd800 + r>>10))
		unit(uint16(0xdc00 + r&0x3ff))
		return out
	}
	unit(uint16(r))
	return out
}

// system is what faults, log, server and transport need of a simulator.
type system interface {
	name() string
	// process answers one request; it must not keep body.
	process(r *http.Request, body []byte, entry *LogEntry) *reply
	control(r *http.Request, body []byte) *reply
	clock() *Clock
	faults() *Faults
	log() *Log
	pacer() *pacer
	onChange() func()
}

const controlPrefix = "/_sandbox/"

func isControl(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, controlPrefix) }
