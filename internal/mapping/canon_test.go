package mapping

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"advosync/internal/record"
)

func str(s string) scalar { return scalar{scalarText, s} }
func num(s string) scalar { return scalar{scalarNumber, s} }

func TestCanonical(t *testing.T) {
	long := strings.Repeat("9", 60)
	tests := []struct {
		name string
		t    Type
		in   scalar
		want string // text; "" is Empty
		why  string
	}{
		{"null", String, scalar{}, "", ""},
		{"empty", String, str(""), "", ""},
		{"blanks", String, str(" \t\u00a0\n"), "", ""},
		{"outer blanks", String, str("  Info@Example.DE "), "Info@Example.DE", ""},
		{"inner blanks stay", String, str("a  b"), "a  b", ""},
		{"decomposed to NFC", String, str("Mu\u0308ller"), "Müller", ""},
		{"CRLF", String, str("a\r\nb\rc\n"), "a\nb\nc", ""},
		{"number in a text field", String, num("30159"), "30159", ""},
		{"number keeps its text in a text field", String, num("19.90"), "19.90", ""},
		{"bool in a text field", String, scalar{scalarBool, "true"}, "true", ""},
		{"list in a text field", String, scalar{kind: scalarComposite}, "", notScalar},

		{"int", Int, num("12"), "12", ""},
		{"int beyond 2^53", Int, num("9007199254740993"), "9007199254740993", ""},
		{"int of 60 digits", Int, num(long), long, ""},
		{"int in quotes", Int, str(" 12 "), "12", ""},
		{"int with zeros", Int, str("007"), "7", ""},
		{"int as decimal", Int, num("3.0"), "3", ""},
		{"int with exponent", Int, num("1e3"), "1000", ""},
		{"int minus zero", Int, num("-0"), "0", ""},
		{"int with fraction", Int, num("3.9"), "", notInt},
		{"int text", Int, str("12a"), "", notInt},
		{"int bool", Int, scalar{scalarBool, "true"}, "", notInt},
		{"int null", Int, scalar{}, "", ""},
		{"int blank", Int, str(" "), "", ""},

		{"float", Decimal, num("19.90"), "19.9", ""},
		{"float small", Decimal, num("1.50e-3"), "0.0015", ""},
		{"float capital exponent", Decimal, num("1E+2"), "100", ""},
		{"float negative", Decimal, str("-0.50"), "-0.5", ""},
		{"float zero", Decimal, num("0.000"), "0", ""},
		{"float zero with exponent", Decimal, num("0e5"), "0", ""},
		{"float exact", Decimal, num("0.1000000000000000055511151231257827"), "0.1000000000000000055511151231257827", ""},
		{"float absurd exponent", Decimal, num("1e999999999"), "", notNumber},
		{"float long exponent", Decimal, num("1e101"), "", notNumber},
		{"float tiny", Decimal, num("1e-200"), "", notNumber},
		{"float German comma", Decimal, str("19,90"), "", notNumber},
		{"float hex", Decimal, str("0x10"), "", notNumber},
		{"float no digits", Decimal, str("."), "", notNumber},
		{"float point only behind", Decimal, str("1."), "", notNumber},
		{"float exponent only", Decimal, str("1e"), "", notNumber},
		{"float two points", Decimal, str("1.2.3"), "", notNumber},

		{"bool", Bool, scalar{scalarBool, "true"}, "true", ""},
		{"bool one", Bool, num("1"), "true", ""},
		{"bool zero text", Bool, str("0"), "false", ""},
		{"bool word", Bool, str("True"), "true", ""},
		{"bool null is false", Bool, scalar{}, "false", ""},
		{"bool ja", Bool, str("ja"), "", notBool},
		{"bool 2", Bool, num("2"), "", notBool},

		{"date", Date, str("1955-02-28"), "1955-02-28", ""},
		{"date with time", Date, str("1980-02-29T00:00:00"), "1980-02-29", ""},
		{"date at midnight keeps its day in any zone", Date, str("1980-02-28T00:00:00-05:00"), "1980-02-28", ""},
		{"date with a time and no zone keeps its day", Date, str("1980-02-28T23:00:00"), "1980-02-28", ""},
		{"an instant is the day in Berlin, summer", Date, str("1980-06-30T22:00:00Z"), "1980-07-01", ""},
		{"an instant is the day in Berlin, winter", Date, str("1980-12-31T23:00:00.000Z"), "1981-01-01", ""},
		{"an instant with an offset", Date, str("1980-02-28T23:00:00-05:00"), "1980-02-29", ""},
		{"an instant after the year 9999", Date, str("9999-12-31T23:30:00Z"), "", notDate},
		{"date with blank", Date, str("1980-02-29 00:00:00"), "1980-02-29", ""},
		{"date no leap year", Date, str("1981-02-29"), "", notDate},
		{"date zeros", Date, str("0000-00-00"), "", ""},
		{"date German", Date, str("28.02.1955"), "", notDate},
		{"date with junk", Date, str("1955-02-28x"), "", notDate},
		{"date with bad time", Date, str("1955-02-28T25:00:00"), "", notDate},
		{"date number", Date, num("19550228"), "", notDate},

		{"datetime EspoCRM", Datetime, str("2026-01-02 03:04:05"), "2026-01-02T03:04:05Z", ""},
		{"datetime Z", Datetime, str("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z", ""},
		{"datetime fraction", Datetime, str("2026-01-02T03:04:05.9999999Z"), "2026-01-02T03:04:05Z", ""},
		{"datetime zone", Datetime, str("2026-01-02T00:04:05+02:00"), "2026-01-01T22:04:05Z", ""},
		{"datetime zone without colon", Datetime, str("2026-01-02T00:04:05+0200"), "2026-01-01T22:04:05Z", ""},
		{"datetime no zone is UTC", Datetime, str("2026-01-02T03:04:05"), "2026-01-02T03:04:05Z", ""},
		{"datetime no seconds", Datetime, str("2026-01-02 03:04"), "2026-01-02T03:04:00Z", ""},
		{"datetime day only", Datetime, str("2026-01-02"), "2026-01-02T00:00:00Z", ""},
		{"datetime before year 0", Datetime, str("0000-01-01T00:00:00+05:00"), "", notDatetime},
		{"datetime after 9999", Datetime, str("9999-12-31T23:00:00-05:00"), "", notDatetime},
		{"datetime bad zone", Datetime, str("2026-01-02T03:04:05+99:00"), "", notDatetime},
		{"datetime bare T", Datetime, str("2026-01-02T"), "", notDatetime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, why := plain(tt.t).canonical(tt.in)
			if why != tt.why {
				t.Fatalf("why %q, want %q", why, tt.why)
			}
			if why != "" {
				if !got.IsAbsent() {
					t.Error("an unreadable value must be absent")
				}
				return
			}
			if got != record.Of(tt.want) {
				t.Errorf("got %q, want %q", got.Text(), tt.want)
			}
		})
	}
}

func TestDateLike(t *testing.T) {
	tests := []struct{ standing, want string }{
		{"1980-02-29T00:00:00", "2001-02-03T00:00:00"},
		{"1980-02-29T00:00:00Z", "2001-02-03T00:00:00Z"},
		{"1980-02-29T12:34:56.5+01:00", "2001-02-03T00:00:00+01:00"},
		{"1980-06-30T22:00:00Z", "2001-02-02T23:00:00Z"}, // the offset of the new day
		{"1980-12-31T23:00:00.000Z", "2001-02-02T23:00:00Z"},
		{"1980-07-01T00:00:00+02:00", "2001-02-03T00:00:00+01:00"},
		{"1980-07-01T00:00:00+0200", "2001-02-03T00:00:00+0100"},
		{"1980-07-01T00:00:00+05:00", "2001-02-03T00:00:00+05:00"},
		{"0001-01-01T00:00:00", "2001-02-03T00:00:00"}, // Advoware's empty date keeps its form
		{"0000-00-00 00:00:00", "2001-02-03 00:00:00"},
		{"1980-02-29 00:00:00", "2001-02-03 00:00:00"},
		{" 1980-02-29", "2001-02-03"},
		{"", "2001-02-03"},
		{"unknown", "2001-02-03"},
	}
	for _, tt := range tests {
		if got := dateLike("2001-02-03", tt.standing, officeZone); got != tt.want {
			t.Errorf("after %q: %q, want %q", tt.standing, got, tt.want)
		}
	}
}

// everyType is each type whose values are single.
var everyType = []Type{String, Text, Int, Decimal, Bool, Date, Datetime, Email, Phone, IBAN, URL}

func anyType() *rapid.Generator[Type] { return rapid.SampledFrom(everyType) }

func anyScalar() *rapid.Generator[scalar] {
	return rapid.OneOf(
		rapid.Just(scalar{}),
		rapid.Map(rapid.String(), str),
		rapid.Map(rapid.StringMatching(`[ \r\n]?-?[0-9]{1,20}(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?[ \r\n]?`), str),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,5})?(e-?[0-9]{1,2})?`), num),
		rapid.Map(rapid.StringMatching(`[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,7})?)?(Z|[+-]0[0-9]:?[0-5]0)?)?`), str),
		rapid.Map(rapid.StringMatching(`(0|\+|00)[1-9]([0-9/ ()-]{1,4}){2,5}( ext\. [0-9]{1,3})?`), str),
		rapid.SampledFrom([]scalar{str("0511/123-45"), str("+49 (0)511 123 45"), str("+43 1 12345"), str("0049511-12345"), str("de02 1203 0000 0000 2020 51"), str("A.b@Kanzlei-X.de")}),
		rapid.SampledFrom([]scalar{{scalarBool, "true"}, {scalarBool, "false"}, str("1"), str("0"), num("1"), str("a\r\n\r b"), str("e\u0301")}),
	)
}

func TestCanonicalIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ, in := anyType().Draw(t, "type"), anyScalar().Draw(t, "value")
		once, why := plain(typ).canonical(in)
		if why != "" {
			t.Skip("this draw is no value of the type; rapid draws another")
		}
		twice, why := plain(typ).canonical(str(once.Text()))
		if why != "" || twice != once {
			t.Fatalf("%q then %q (%s)", once.Text(), twice.Text(), why)
		}
	})
}

// The lens laws on single fields: what is written reads back as what was
// written, on both sides and whatever stood there before; writing what was read
// changes nothing. What would read as another value is refused, and that is rare.
func TestWriteThenRead(t *testing.T) {
	const key = "e~a"
	maps := map[Type]*Mapping{}
	for _, typ := range everyType {
		m, err := Parse("m.yaml", []byte("entity: T\nespocrm: {type: CT}\nadvoware: {path: a/t, id: nr, row_id: rowId}\nfields: [{espocrm: e, advoware: a, type: "+string(typ)+"}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		maps[typ] = m
	}
	rapid.Check(t, func(t *rapid.T) {
		typ := anyType().Draw(t, "type")
		value, why := plain(typ).canonical(anyScalar().Draw(t, "value"))
		if why != "" {
			t.Skip("this draw is no value of the type; rapid draws another")
		}
		m, values := maps[typ], map[string]record.Value{key: value}
		patch, err := m.EspoPatch(record.Object{}, values)
		if err != nil {
			t.Fatalf("EspoCRM does not take %q: %v", value.Text(), err)
		}
		if back, why := plain(typ).canonical(scalarOfRaw(patch["e"])); why != "" || back != value {
			t.Fatalf("EspoCRM: wrote %q as %s, read %q %s", value.Text(), patch["e"], back.Text(), why)
		}
		standing := wireOf(anyScalar().Draw(t, "standing"))
		before, err := record.ParseObject([]byte(`{"a":` + string(standing) + `}`))
		if err != nil {
			t.Skip("half a character is no JSON; rapid draws another")
		}
		after, err := m.Overlay(before, values, nil)
		if err != nil && typ != Date && typ != Datetime {
			t.Fatalf("Advoware: over %s does not take %q: %v", standing, value.Text(), err)
		}
		if view, _ := m.ReadAdvo(after); err == nil && view.Values[key] != value {
			t.Fatalf("Advoware: over %s wrote %q, read %q", standing, value.Text(), view.Values[key].Text())
		}
	})
}

// A time that would be another one in the form that stands there is refused, by name; in
// another form it is written.
func TestTimesThatShift(t *testing.T) {
	m, err := Parse("m.yaml", []byte("entity: T\nespocrm: {type: CT}\nadvoware: {path: a/t, id: nr, row_id: rowId}\nfields: [{espocrm: e, advoware: a, type: datetime}, {espocrm: d, advoware: t, type: date}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	const refused = "map T: Advoware: a cannot take this value: in the form that stands there it would be another one"
	for _, tt := range []struct{ espo, standing, want string }{
		{"2010-10-31 00:30:00", "2010-01-01T00:00:00", ""},                      // the first of the two hours
		{"2010-10-31 01:30:00", "2010-01-01T00:00:00", `"2010-10-31T02:30:00"`}, // the second one
		{"2010-10-31 00:30:00", "2010-01-01T00:00:00+01:00", `"2010-10-31T02:30:00+02:00"`},
		{"1850-05-05 12:00:00", "2010-01-01T00:00:00+01:00", `"1850-05-05T13:00:00+01:00"`}, // Berlin's own time had seconds
		{"0000-01-01 00:30:00", "2010-01-01T00:00:00-05:00", ""},                            // before the year 0
	} {
		o, err := record.ParseObject([]byte(`{"e":"` + tt.espo + `","a":"` + tt.standing + `"}`))
		if err != nil {
			t.Fatal(err)
		}
		v, err := m.ReadEspo(o)
		if err != nil {
			t.Fatal(err)
		}
		after, err := m.Overlay(o, map[string]record.Value{"e~a": v.Values["e~a"]}, nil)
		raw, _ := after.Get("a")
		if tt.want == "" && (err == nil || err.Error() != refused) || tt.want != "" && string(raw) != tt.want {
			t.Errorf("%s where %s stands: %s (%v), want %s", tt.espo, tt.standing, raw, err, tt.want)
		}
	}
	o, err := record.ParseObject([]byte(`{"t":"1980-06-30T22:00:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Overlay(o, map[string]record.Value{"d~t": record.Of("0000-01-01")}, nil); err == nil || strings.Contains(err.Error(), "0000") {
		t.Errorf("a day whose midnight lies before the year 0: %v", err)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"19.90", "1e999999999", "9007199254740993", "-0", "1980-02-29T00:00:00.000+01:00", "2026-01-02 03:04:05", "0000-01-01T00:00:00+14:00", "Mu\u0308ller\r\n", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range []Type{String, Text, Int, Decimal, Bool, Date, Datetime, Email, Phone, IBAN, URL, Set} {
			once, why := plain(typ).canonical(str(s))
			if why != "" {
				continue
			}
			twice, why := plain(typ).canonical(str(once.Text()))
			if why != "" || once != twice {
				t.Errorf("%s: %q then %q (%s)", typ, once.Text(), twice.Text(), why)
			}
		}
	})
}

// wireOf is the JSON form of a scalar.
func wireOf(s scalar) json.RawMessage {
	switch s.kind {
	case scalarText:
		return quote(s.text)
	case scalarNumber, scalarBool:
		return json.RawMessage(s.text)
	default:
		return json.RawMessage("null")
	}
}

// TestAdvowaresDates (first week, 7): the dates that Advoware writes for none are empty,
// a time without a zone is the office's, and what is written keeps the form that stands
// there and reads as what it was written for, also across a change of daylight saving.
func TestAdvowaresDates(t *testing.T) {
	for _, none := range []string{"0001-01-01", "1899-12-30", "0000-00-00", "0001-01-01T00:00:00", "1899-12-30T00:00:00Z", "0000-00-00 00:00:00"} {
		for _, typ := range []Type{Date, Datetime} {
			if v, why := plain(typ).advo(str(none)); !v.IsEmpty() || why != "" {
				t.Errorf("%s %q is read as %q (%s)", typ, none, v.Text(), why)
			}
		}
		if v, _ := plain(String).advo(str(none)); v.Text() != none {
			t.Errorf("a text %q is read as %q", none, v.Text())
		}
	}
	for local, want := range map[string]string{"2026-07-01T09:00:00": "2026-07-01T07:00:00Z", "2026-01-01 09:00": "2026-01-01T08:00:00Z", "2026-01-01": "2025-12-31T23:00:00Z"} {
		if v, _ := plain(Datetime).advo(str(local)); v.Text() != want {
			t.Errorf("%q is %q, want %q", local, v.Text(), want)
		}
	}
	forms := []string{"1980-06-30T22:00:00Z", "1980-12-31T23:00:00.000Z", "1980-07-01T00:00:00+02:00", "1980-07-01T00:00:00+0200", "1980-07-01T05:00:00+05:00",
		"1980-07-01T00:00:00", "1980-07-01T00:00:00Z", "1980-07-01", "", "0001-01-01T00:00:00", "2026-03-29 01:30:00"}
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom(forms).Draw(t, "form")
		at := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "at"), 0).UTC()
		day := at.Format("2006-01-02")
		if back, why := plain(Date).advo(str(dateLike(day, form, officeZone))); back.Text() != day {
			t.Fatalf("%s written where %q stands reads as %q (%s)", day, form, back.Text(), why)
		}
		moment := at.Format(time.RFC3339)
		written := datetimeLike(moment, form, officeZone)
		back, why := plain(Datetime).advo(str(written))
		if back.Text() == moment {
			return
		}
		// In autumn an hour comes twice, and a time without a zone is one of the two.
		if twice, _ := time.Parse(time.RFC3339, back.Text()); twice.Sub(at).Abs() != time.Hour || written != twice.In(officeZone).Format("2006-01-02T15:04:05") {
			t.Fatalf("%s written where %q stands, as %s, reads as %q (%s)", moment, form, written, back.Text(), why)
		}
	})
}
