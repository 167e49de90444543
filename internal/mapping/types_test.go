package mapping_test

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// one is a mapping with the field e~a and what else its line says.
func one(tb testing.TB, more string) *mapping.Mapping {
	tb.Helper()
	return parsed(tb, "fields: [{espocrm: e, advoware: a, "+more+"}]\n")
}

// held is what a side reads of one JSON value.
func held(tb testing.TB, m *mapping.Mapping, side record.Side, wire string) record.Value {
	tb.Helper()
	read, name := m.ReadEspo, "e"
	if side == record.Advoware {
		read, name = m.ReadAdvo, "a"
	}
	v, err := read(object(tb, `{"`+name+`":`+wire+`}`))
	if err != nil {
		tb.Fatal(err)
	}
	return v.Values["e~a"]
}

// TestOneValue: two spellings of a type are one value, or are not.
func TestOneValue(t *testing.T) {
	tests := []struct {
		name, field, espo, advo string
		same                    bool
	}{
		{"phone, slash and dash", "type: phone", `"+4951112345"`, `"0511/123-45"`, true},
		{"phone, trunk zero in brackets", "type: phone", `"0511 12345"`, `"+49 (0)511 123 45"`, true},
		{"phone, with 00", "type: phone", `"+4951112345"`, `"0049 511 12345"`, true},
		{"phone, of another region", "type: phone, region: AT", `"+4315123456"`, `"01 5123456"`, true},
		{"phone, the same digits in another country", "type: phone", `"+4315123456"`, `"01 5123456"`, false},
		{"phone, extension", "type: phone", `"+4951112345 ext. 89"`, `"0511/12345 Durchwahl 89"`, true},
		{"phone, another extension", "type: phone", `"+4951112345 ext. 89"`, `"0511/12345"`, false},
		{"phone, no number", "type: phone", `"bitte nur abends"`, `"bitte nur abends"`, true},
		{"phone, a town is missing", "type: phone", `"+4912345"`, `"12345"`, false},
		{"email, case", "type: email", `"Anna@Kanzlei-X.de"`, `"anna@kanzlei-x.de"`, true},
		{"email, a dash", "type: email", `"anna@kanzlei-x.de"`, `"anna@kanzleix.de"`, false},
		{"email, a dot", "type: email", `"a.b@x.de"`, `"ab@x.de"`, false},
		{"iban", "type: iban", `"DE02120300000000202051"`, `"de02 1203 0000 0000 2020 51"`, true},
		{"url, host", "type: url", `"https://www.Example.de/Pfad"`, `"HTTPS://www.example.de/Pfad"`, true},
		{"url, path", "type: url", `"https://example.de/Pfad"`, `"https://example.de/pfad"`, false},
		{"decimal", "type: decimal", `19.9`, `"19.90"`, true},
		{"decimal, by its old name", "type: float", `19.9`, `"19.90"`, true},
		{"decimal, scale", "type: decimal, scale: 2", `19.996`, `20`, true},
		{"decimal, scale, negative", "type: decimal, scale: 1", `-9.96`, `-10`, true},
		{"decimal, scale 0", "type: decimal, scale: 0", `-0.4`, `0`, true},
		{"date, instant", "type: date", `"1980-07-01"`, `"1980-06-30T22:00:00Z"`, true},
		{"date, instant in another zone", "type: date, zone: Europe/London", `"1980-06-30"`, `"1980-06-30T22:00:00Z"`, true},
		{"datetime without zone", "type: datetime", `"2026-03-02 07:00:00"`, `"2026-03-02T08:00:00"`, true},
		{"datetime, zone", "type: datetime, zone: UTC", `"2026-03-02 08:00:00"`, `"2026-03-02T08:00:00"`, true},
		{"text", "type: text", `"a\nb"`, `"a\r\nb"`, true},
		{"empty", "type: int, empty: [0, -1]", `null`, `-1`, true},
		{"empty, of a date", "type: date, empty: ['1900-01-01']", `null`, `"1900-01-01T00:00:00"`, true},
		{"empty, built in", "type: date", `null`, `"0001-01-01T00:00:00"`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := one(t, tt.field)
			f, _ := m.Field("e~a")
			e, a := held(t, m, record.EspoCRM, tt.espo), held(t, m, record.Advoware, tt.advo)
			if got := f.Equal(e, a); got != tt.same || f.Equal(a, e) != got {
				t.Errorf("%q and %q: equal %v, want %v", e.Text(), a.Text(), got, tt.same)
			}
		})
	}
}

// TestWrittenAs: in which spelling a value reaches each side.
func TestWrittenAs(t *testing.T) {
	tests := []struct {
		name, field, value, standing string // standing: in Advoware
		espo, advo                   string
	}{
		{"phone, new", "type: phone", `"+49 511 12345"`, `null`, `"+4951112345"`, `"0511 12345"`},
		{"phone, national in EspoCRM", "type: phone, espo_format: national", `"+4951112345"`, `null`, `"0511 12345"`, `"0511 12345"`},
		{"phone, slash stands there", "type: phone", `"+4951112345"`, `"0511/98-76"`, `"+4951112345"`, `"0511/12345"`},
		{"phone, bare digits stand there", "type: phone", `"+4951112345"`, `"051198765"`, `"+4951112345"`, `"051112345"`},
		{"phone, international stands there", "type: phone", `"+4951112345"`, `"+49 511 98765"`, `"+4951112345"`, `"+49 511 12345"`},
		{"phone, 00 stands there", "type: phone", `"+4951112345"`, `"0049 511 98765"`, `"+4951112345"`, `"0049 511 12345"`},
		{"phone, a word stands there", "type: phone", `"+4951112345"`, `"keins"`, `"+4951112345"`, `"0511 12345"`},
		{"phone, of another country", "type: phone", `"+43 1 5123456"`, `"0511/98-76"`, `"+4315123456"`, `"+43 1 5123456"`},
		{"phone, extension", "type: phone", `"0511 12345 ext. 89"`, `"0511/98-76"`, `"+4951112345 ext. 89"`, `"0511/12345 ext. 89"`},
		{"phone, two of them", "type: phone", `"0511 12345 / 67890"`, `"0511/98-76"`, `"0511 12345 / 67890"`, `"0511 12345 / 67890"`},
		{"phone, two of them, abroad", "type: phone", `"+49 511 1234 / 5678"`, `null`, `"+49 511 1234 / 5678"`, `"+49 511 1234 / 5678"`},
		{"phone, a slash behind the longest area code", "type: phone", `"034954 / 12 34"`, `null`, `"+49349541234"`, `"034954 1234"`},
		{"phone, groups", "type: phone", `"0511/123/456"`, `null`, `"+49511123456"`, `"0511 123456"`},
		{"phone, an extension behind a slash", "type: phone", `"+49 (511) 12345/20"`, `null`, `"+495111234520"`, `"0511 1234520"`},
		{"phone, the exchange", "type: phone", `"0511 1234/0"`, `null`, `"+4951112340"`, `"0511 12340"`},
		{"phone, a slash behind it", "type: phone", `"0511 1234567 /"`, `null`, `"+495111234567"`, `"0511 1234567"`},
		{"phone, a slash abroad", "type: phone", `"0043 (0)664/123 45 67"`, `null`, `"+436641234567"`, `"+43 664 1234567"`},
		{"phone, no number", "type: phone", `"nur abends"`, `"0511/98-76"`, `"nur abends"`, `"nur abends"`},
		{"email", "type: email", `" Anna@X.de"`, `"b@x.de"`, `"Anna@X.de"`, `"Anna@X.de"`},
		{"iban", "type: iban", `"DE02120300000000202051"`, `null`, `"DE02 1203 0000 0000 2020 51"`, `"DE02 1203 0000 0000 2020 51"`},
		{"iban, none", "type: iban", `"s. Akte 12 Müller"`, `null`, `"s. Akte 12 Müller"`, `"s. Akte 12 Müller"`},
		{"iban, none that begins like one", "type: iban", `"AB12 siehe Akte Müller"`, `null`, `"AB12 siehe Akte Müller"`, `"AB12 siehe Akte Müller"`},
		{"phone, brackets stand there", "type: phone", `"+4951112345"`, `"(0511) 98-76"`, `"+4951112345"`, `"0511 12345"`},
		{"phone, the number in brackets", "type: phone", `"+4951112345"`, `"0511 (9876)"`, `"+4951112345"`, `"0511 12345"`},
		{"decimal in quotes", "type: decimal, scale: 2", `19.999`, `"7.50"`, `20`, `"20"`},
		{"text, new", "type: text", `"a\nb"`, `null`, `"a\nb"`, `"a\r\nb"`},
		{"text, LF stands there", "type: text", `"a\nb"`, `"c\nd"`, `"a\nb"`, `"a\nb"`},
		{"string, new", "type: string", `"a\nb"`, `null`, `"a\nb"`, `"a\nb"`},
		{"empty", "type: int, empty: [0, -1]", `null`, `7`, `null`, `0`},
		{"empty, of a date", "type: date, empty: ['1900-01-01']", `null`, `"1980-02-29"`, `null`, `"1900-01-01"`},
		{"empty, nothing stood there", "type: int, empty: [0]", `null`, `null`, `null`, `null`},
		{"date, summer offset", "type: date", `"1980-07-01"`, `"2020-01-01T00:00:00+01:00"`, `"1980-07-01"`, `"1980-07-01T00:00:00+02:00"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := one(t, tt.field)
			values := map[string]record.Value{"e~a": held(t, m, record.EspoCRM, tt.value)}
			patch, err := m.EspoPatch(record.Object{}, values)
			if err != nil || string(patch["e"]) != tt.espo {
				t.Errorf("EspoCRM gets %s (%v), want %s", patch["e"], err, tt.espo)
			}
			o, err := m.Overlay(object(t, `{"a":`+tt.standing+`}`), values, nil)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := o.Get("a")
			if string(raw) != tt.advo {
				t.Errorf("Advoware gets %s, want %s", raw, tt.advo)
			}
			if again, err := m.Overlay(o, values, nil); err != nil || string(again.Bytes()) != string(o.Bytes()) {
				t.Errorf("a second write changes %s to %s (%v)", o.Bytes(), again.Bytes(), err)
			}
		})
	}
}

func TestSeveralAddressesAreAnError(t *testing.T) {
	m := one(t, "type: email")
	v, err := m.ReadAdvo(object(t, `{"a":"a@x.de; b@x.de"}`))
	if err != nil || v.Broken["e~a"] == nil || !v.Values["e~a"].IsAbsent() {
		t.Fatalf("%v, broken %v", err, v.Broken)
	}
	if got := v.Broken["e~a"].Error(); got != "map T: Advoware: a holds several addresses where one belongs (type email)" {
		t.Error(got)
	}
}

func TestTypeKeysRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"region":            {"fields: [{espocrm: a, advoware: b, type: phone, region: XX}]\n", "m.yaml:4: fields[0].region: is no country; two capitals such as DE, AT, CH"},
		"region elsewhere":  {"fields: [{espocrm: a, advoware: b, region: DE}]\n", "m.yaml:4: fields[0].region: belongs to type phone, not to string"},
		"espo_format":       {"fields: [{espocrm: a, advoware: b, type: phone, espo_format: e146}]\n", `m.yaml:4: fields[0].espo_format: unknown espo_format "e146"; there are e164, national (did you mean e164?)`},
		"scale":             {"fields: [{espocrm: a, advoware: b, type: decimal, scale: x}]\n", "m.yaml:4: fields[0].scale: must be a whole number from 0 to 12"},
		"scale elsewhere":   {"fields: [{espocrm: a, advoware: b, type: int, scale: 2}]\n", "m.yaml:4: fields[0].scale: belongs to type decimal, not to int"},
		"zone":              {"zone: Europe/Berln\nfields: [{espocrm: a, advoware: b, type: date}]\n", `m.yaml:4: zone: "Europe/Berln" is no time zone, such as Europe/Berlin (did you mean Europe/Berlin?)`},
		"zone at a string":  {"fields: [{espocrm: a, advoware: b, zone: UTC}]\n", "m.yaml:4: fields[0].zone: belongs to type date and datetime, not to string"},
		"empty, no list":    {"fields: [{espocrm: a, advoware: b, empty: 0}]\n", "m.yaml:4: fields[0].empty: must be a list of the values that Advoware holds for none, such as [0]"},
		"empty, null":       {"fields: [{espocrm: a, advoware: b, empty: [null]}]\n", "m.yaml:4: fields[0].empty[0]: must be a single value; null and blanks are empty without being told"},
		"empty and a table": {"fields: [{espocrm: a, advoware: b, empty: [0], values: {x: 1}}]\n", `m.yaml:4: fields[0].empty: a values table says itself what is empty: values: {"": 0}`},
	})
}

// TestFormOf: what a system makes of a value, by its type.
func TestFormOf(t *testing.T) {
	tests := []struct {
		typ          mapping.Type
		sent, stored string
		want         record.Form
	}{
		{mapping.String, "Müller", "Müller", record.Same},
		{mapping.String, "Müller  KG", "MÜLLER KG", record.Same},
		{mapping.String, "0511/123-45", "+49 511 12345", record.Same},
		{mapping.String, "DE02120300000000202051", "DE02 1203 0000 0000 2020 51", record.Same},
		{mapping.String, "19.90", "19.9", record.Same},
		{mapping.String, "Müller", "Meier", record.Foreign},
		{mapping.String, "Lange Straße 12", "Lange Straße", record.Cut},
		{mapping.String, "Müller", "Mueller", record.Unheld},
		{mapping.String, "Müller", "Muller", record.Unheld},
		{mapping.String, "Müller", "M?ller", record.Unheld},
		{mapping.String, "Müller", "M??ller", record.Unheld},
		{mapping.String, "Müller", "M\ufffdller", record.Unheld},
		{mapping.String, "Čapek €", "Capek ?", record.Unheld},
		{mapping.String, "Meier & Söhne", "Meier &amp; S&ouml;hne", record.Unheld},
		{mapping.String, "Anna 😀", "Anna ????", record.Unheld},
		{mapping.String, "Anna", "A?na", record.Foreign},
		{mapping.String, "Mueller", "Müller", record.Foreign},
		{mapping.String, "Müller", "Mller", record.Foreign},
		{mapping.Email, "A@x.de", "a@x.de", record.Same},
		{mapping.Email, "a@kanzlei-x.de", "a@kanzleix.de", record.Foreign},
		{mapping.Phone, "+4951112345", "+495111234", record.Cut},
		{mapping.Phone, "+4951112345", "+4951112346", record.Foreign},
		{mapping.Decimal, "19.999", "20", record.Unheld},
		{mapping.Decimal, "19.999", "19.99", record.Unheld},
		{mapping.Decimal, "19", "1", record.Foreign},
		{mapping.Int, "19", "1", record.Foreign},
		{mapping.Datetime, "2026-03-02T07:00:00Z", "2026-03-02T08:00:00Z", record.Unheld},
		{mapping.Datetime, "2026-07-02T07:00:00Z", "2026-07-02T05:00:00Z", record.Unheld},
		{mapping.Datetime, "2026-03-02T07:00:00Z", "2026-03-02T07:30:00Z", record.Foreign},
		{mapping.Date, "2026-03-02", "2026-03-01", record.Foreign},
		{mapping.Bool, "true", "false", record.Foreign},
	}
	for _, tt := range tests {
		f := mapping.Field{Type: tt.typ}
		if got := f.FormOf(record.Of(tt.sent), record.Of(tt.stored)); got != tt.want {
			t.Errorf("%s: %q stored as %q: form %d, want %d", tt.typ, tt.sent, tt.stored, got, tt.want)
		}
	}
	f := mapping.Field{Type: mapping.String}
	if got := f.FormOf(record.Of("x"), record.Empty()); got != record.Foreign {
		t.Errorf("an emptied field: form %d", got)
	}
}

// TestPhonesAsTheLibrary: numbers that are read without the library are those that it
// reads, also where a country code stands twice.
func TestPhonesAsTheLibrary(t *testing.T) {
	m := one(t, "type: phone")
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`(0|\+49|\+49 ?\(0\)|0049|\+43)[0-9]{2,3}/?[0-9 -]{4,10}`).Draw(t, "number")
		v, err := m.ReadEspo(espoHolds(t, s))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(s)
		if n, err := phonenumbers.Parse(s, "DE"); err == nil && phonenumbers.IsValidNumber(n) {
			want = phonenumbers.Format(n, phonenumbers.E164)
		}
		if got := v.Values["e~a"].Text(); got != want {
			t.Fatalf("%q is %q, the library says %q", s, got, want)
		}
	})
}

func espoHolds(t *rapid.T, s string) record.Object {
	o, err := record.NewObject(map[string]string{"e": s})
	if err != nil {
		t.Fatal(err)
	}
	return o
}
