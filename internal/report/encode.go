package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// writeJSON writes one document with a trailing newline. Characters that a
// terminal would act on are escaped, which leaves the value what it is.
func writeJSON(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	_, err := w.Write(escapeHidden(buf.Bytes()))
	return err
}

// escapeHidden writes hidden characters as \uXXXX. In JSON they can stand only
// inside of strings, line ends between the tokens excepted.
func escapeHidden(b []byte) []byte {
	var out bytes.Buffer
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r != '\n' && r <= 0xffff && hidden(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.Write(b[:n])
		}
		b = b[n:]
	}
	return out.Bytes()
}

// writeYAML writes the JSON form as YAML, same keys, same order. The library's
// encoder is not used for it: it puts escape characters out raw, loses the CR
// of a CR LF and leaves texts such as 1e3 without quotes. Every text that is not
// a plain word is written as a JSON string, which is a YAML double-quoted one.
func writeYAML(w io.Writer, v any) error {
	var buf bytes.Buffer
	if err := writeJSON(&buf, v); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(buf.Bytes()))
	dec.UseNumber()
	y := yamlWriter{dec: dec}
	if err := y.value("", false); err != nil {
		return fmt.Errorf("encode YAML: %w", err)
	}
	_, err := w.Write(y.out.Bytes())
	return err
}

type yamlWriter struct {
	dec *json.Decoder
	out bytes.Buffer
}

// value writes the next value. inline is true behind "key:" or "-", where a
// scalar follows on the same line and a mapping behind "-" begins there.
func (y *yamlWriter) value(indent string, inList bool) error {
	tok, err := y.dec.Token()
	if err != nil {
		return err
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '{' {
			return y.object(indent, inList)
		}
		if t == '[' {
			return y.array(indent)
		}
		return errors.New("unexpected end of a list")
	default:
		y.out.WriteString(" " + yamlScalar(tok) + "\n")
		return nil
	}
}

func (y *yamlWriter) object(indent string, inList bool) error {
	first := true
	for y.dec.More() {
		key, err := y.dec.Token()
		if err != nil {
			return err
		}
		switch {
		case first && inList:
			y.out.WriteString(" ")
		case first && indent != "":
			y.out.WriteString("\n" + indent)
		default:
			y.out.WriteString(indent)
		}
		first = false
		y.out.WriteString(yamlScalar(key) + ":")
		if err := y.value(indent+"  ", false); err != nil {
			return err
		}
	}
	if first {
		y.out.WriteString(" {}\n")
	}
	_, err := y.dec.Token()
	return err
}

func (y *yamlWriter) array(indent string) error {
	first := true
	for y.dec.More() {
		if first {
			y.out.WriteString("\n")
		}
		first = false
		y.out.WriteString(indent + "-")
		if err := y.value(indent+"  ", true); err != nil {
			return err
		}
	}
	if first {
		y.out.WriteString(" []\n")
	}
	_, err := y.dec.Token()
	return err
}

var yamlWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

func yamlScalar(tok json.Token) string {
	switch t := tok.(type) {
	case nil:
		return "null"
	case bool:
		if t {
			return "true"
		}
		return "false"
	case json.Number:
		return t.String()
	case string:
		if yamlWord.MatchString(t) && !yamlReserved(t) {
			return t
		}
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(t); err != nil {
			panic("report: a string cannot be encoded: " + err.Error())
		}
		return strings.TrimSuffix(string(escapeHidden(buf.Bytes())), "\n")
	}
	panic(fmt.Sprintf("report: no JSON token: %T", tok))
}

// yamlReserved are the words that some YAML reader takes for something else
// than a text.
func yamlReserved(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return true
	}
	return false
}
