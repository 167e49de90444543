package mapping

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
	"golang.org/x/text/unicode/norm"
)

// scalarKind is the JSON type of a wire value.
type scalarKind uint8

const (
	scalarNull scalarKind = iota
	scalarText
	scalarNumber
	scalarBool
	scalarComposite // an object or array
	scalarTorn      // a string with half a surrogate pair in it
)

// scalar is a wire value before it is canonical. text is the decoded string, or
// the number, object or array exactly as it was written.
type scalar struct {
	kind scalarKind
	text string
}

func scalarOf(r gjson.Result) scalar {
	switch r.Type {
	case gjson.Null:
		return scalar{}
	case gjson.String:
		if torn(r) {
			return scalar{scalarTorn, r.Str}
		}
		return scalar{scalarText, r.Str}
	case gjson.Number:
		return scalar{scalarNumber, r.Raw}
	case gjson.True:
		return scalar{scalarBool, "true"}
	case gjson.False:
		return scalar{scalarBool, "false"}
	default:
		return scalar{scalarComposite, r.Raw}
	}
}

// torn reports whether decoding has put a replacement where the wire had half a
// character: a system that counts in UTF-16 has cut there. The replacement would
// travel to the other system as an edit.
func torn(r gjson.Result) bool {
	const replacement = "\ufffd"
	decoded := strings.Count(r.Str, replacement)
	return decoded > 0 && decoded > strings.Count(r.Raw, replacement)+strings.Count(strings.ToLower(r.Raw), `\ufffd`)
}

func scalarOfRaw(raw json.RawMessage) scalar { return scalarOf(gjson.ParseBytes(raw)) }

// Why a value cannot be read as its type. Phrases, so that no value slips into
// a message.
const (
	notScalar   = "holds an object or a list where a single value belongs"
	notWhole    = "holds half a character, cut off in the middle"
	notInt      = "is no whole number"
	notNumber   = "is no number"
	notBool     = "is neither true nor false"
	notDate     = "is no date"
	notDatetime = "is no date and time"
)

// canonicalText is Unicode NFC with LF line ends and without outer blanks.
func canonicalText(s string) string {
	if !norm.NFC.IsNormalString(s) {
		s = norm.NFC.String(s)
	}
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	return strings.TrimSpace(s)
}

func canonicalBool(s string) string {
	switch strings.ToLower(s) {
	case "true", "1":
		return "true"
	case "false", "0":
		return "false"
	default:
		return ""
	}
}
