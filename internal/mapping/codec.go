package mapping

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"advosync/internal/record"
)

// codec reads and writes the values of one field: its type with what the mapping says
// about it. It does not change after Parse.
type codec struct {
	typ    Type
	zone   *time.Location // of Advoware's times that name none, and of the day that an instant is
	region string         // of telephone numbers without a country
	// national: EspoCRM gets telephone numbers as they are dialled at home.
	national bool
	scale    int // digits behind the point that are kept; -1: all
	empties  []empty
	// separator stands between the members of a set that is a text in Advoware; "": it
	// is a list there.
	separator string
}

// empty is one of Advoware's spellings of no value.
type empty struct {
	wire json.RawMessage
	text string // canonical
}

// plain is the codec of a type of which nothing else is said.
func plain(t Type) *codec {
	return &codec{typ: t, zone: officeZone, region: officeRegion, scale: -1}
}

// said is what the mapping says of how values are read, besides their type.
func (c *codec) said() (parts []string) {
	if (c.typ == Date || c.typ == Datetime) && c.zone.String() != officeZone.String() {
		parts = append(parts, "zone", c.zone.String())
	}
	if c.region != officeRegion {
		parts = append(parts, "region", c.region)
	}
	if c.scale >= 0 {
		parts = append(parts, "scale", strconv.Itoa(c.scale))
	}
	if c.separator != "" {
		parts = append(parts, "separator", c.separator)
	}
	for _, e := range c.empties {
		parts = append(parts, "empty", e.text)
	}
	return parts
}

// canonical is the one normaliser for both systems and the base. It is
// idempotent: canonical of a canonical text is that text. why is "" or the
// reason that the value cannot be read as the type.
//
// A null bool is false: EspoCRM's bool columns cannot be null, so nothing there
// could ever agree with an empty one.
func (c *codec) canonical(s scalar) (v record.Value, why string) {
	if s.kind == scalarComposite {
		return record.Absent(), notScalar
	}
	if s.kind == scalarTorn {
		return record.Absent(), notWhole
	}
	text := canonicalText(s.text)
	if s.kind == scalarNull || text == "" || c.meansEmpty(text) || c.emptyDay(text) {
		if c.typ == Bool {
			return record.Of("false"), ""
		}
		return record.Empty(), ""
	}
	if s.kind == scalarText && c.fewerThan(3) && thousands(text) {
		return record.Absent(), map[Type]string{Int: notInt, Decimal: notNumber}[c.typ]
	}
	if text, why = c.text(text); text == "" {
		return record.Absent(), why
	}
	if c.meansEmpty(text) || c.emptyDay(text) {
		return record.Empty(), ""
	}
	return record.Of(text), ""
}

// text is the canonical form of a text that is not blank, "" where it is none of the
// type; why then says so.
func (c *codec) text(s string) (text, why string) {
	switch c.typ {
	case Int:
		return canonicalInt(s), notInt
	case Decimal:
		return rounded(canonicalNumber(s), c.scale), notNumber
	case Bool:
		return canonicalBool(s), notBool
	case Date:
		return canonicalDate(s, c.zone), notDate
	case Datetime:
		return canonicalDatetime(s), notDatetime
	case Email:
		return canonicalEmail(s), notOneEmail
	case Phone:
		return canonicalPhone(s, c.region), ""
	case IBAN:
		return canonicalIBAN(s), ""
	case Set:
		return joinedSet(membersOf(s)), notMembers
	default:
		return s, ""
	}
}

// advo is canonical of what Advoware holds: a time without a zone is the office's.
func (c *codec) advo(s scalar) (record.Value, string) {
	if s.kind != scalarText || c.typ != Datetime {
		return c.canonical(s)
	}
	text := canonicalText(s.text)
	if st, ok := parseStamp(text); ok && st.zone == "" && !c.emptyDay(text) {
		s.text = st.in(c.zone).UTC().Format(time.RFC3339)
	}
	return c.canonical(s)
}

// fewerThan reports whether a number of the field has fewer digits behind the point than n.
func (c *codec) fewerThan(n int) bool {
	return c.typ == Int || c.typ == Decimal && c.scale >= 0 && c.scale < n
}

// emptyDay: a day that Advoware writes for none is none on both sides, also as the instant
// at which it begins.
func (c *codec) emptyDay(text string) bool {
	return (c.typ == Date || c.typ == Datetime) && (emptyDay(text) || emptyDay(canonicalDate(text, c.zone)))
}

// meansEmpty: what Advoware cannot tell from empty is empty on both sides, or a value
// of EspoCRM would never arrive.
func (c *codec) meansEmpty(text string) bool {
	for _, e := range c.empties {
		if e.text == text {
			return true
		}
	}
	return false
}

// espoWire is the JSON form in which EspoCRM gets a canonical value.
func (c *codec) espoWire(v record.Value) json.RawMessage {
	if v.IsEmpty() {
		if c.typ == Bool {
			return json.RawMessage("false")
		}
		return json.RawMessage("null")
	}
	switch c.typ {
	case Int, Decimal, Bool:
		return json.RawMessage(v.Text())
	case Datetime:
		return quote(strings.TrimSuffix(strings.Replace(v.Text(), "T", " ", 1), "Z"))
	case Phone:
		if c.national {
			return quote(c.dial(v.Text(), ""))
		}
	case IBAN:
		return quote(groupedByFour(v.Text()))
	}
	return quote(v.Text())
}

// advoWire is the JSON form in which Advoware gets a canonical value: in the
// form of what stands there (a number in quotes stays in quotes, a date with a
// time keeps one).
func (c *codec) advoWire(v record.Value, standing json.RawMessage) json.RawMessage {
	s := scalarOfRaw(standing)
	if v.IsEmpty() {
		if len(c.empties) > 0 && s.kind != scalarNull {
			return c.empties[0].wire
		}
		return json.RawMessage("null")
	}
	quoted := s.kind == scalarText && strings.TrimSpace(s.text) != ""
	switch c.typ {
	case Int, Decimal:
		if quoted {
			return quote(v.Text())
		}
		return json.RawMessage(v.Text())
	case Bool:
		return boolLike(v.Text(), s, quoted)
	case Date:
		return quote(dateLike(v.Text(), s.text, c.zone))
	case Datetime:
		return quote(datetimeLike(v.Text(), s.text, c.zone))
	case Phone:
		return quote(c.dial(v.Text(), s.text))
	case IBAN:
		return quote(groupedByFour(v.Text()))
	case Text:
		return quote(withCRLF(v.Text(), !quoted || !strings.Contains(s.text, "\n") || strings.Contains(s.text, "\r\n")))
	default:
		return quote(withCRLF(v.Text(), strings.Contains(s.text, "\r\n")))
	}
}

// withCRLF writes a text with Windows' line ends, or as it is.
func withCRLF(text string, crlf bool) string {
	if crlf {
		return strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}
