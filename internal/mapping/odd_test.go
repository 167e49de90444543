package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"advosync/internal/record"
)

const oddMapping = `fields:
  - {espocrm: name, advoware: name}
  - {espocrm: notiz, advoware: notiz, type: text}
  - {espocrm: email, advoware: email, type: email}
  - {espocrm: phone, advoware: tel, type: phone}
  - {espocrm: mobil, advoware: "kommunikation[kommArt=1].tlf", type: phone, new: {online: false}}
  - {espocrm: fax, advoware: "kommunikation[kommArt=3].tlf", type: phone, remove: true}
  - {espocrm: plz, advoware: "adressen[standard=true].plz"}
  - {espocrm: born, advoware: geboren, type: date}
  - {espocrm: number, advoware: lfd, type: int}
  - {espocrm: wert, advoware: wert, type: decimal, scale: 2}
  - {espocrm: gebiete, advoware: gebiete, type: set, separator: ";"}
  - {espocrm: rollen, advoware: rollen, type: set}
  - {espocrm: anrede, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau, "": Keine}}
`

// TestOddData: what the records of a real office hold. Each is read as said, or refused by
// name; written over what stands there it reads the same, and nothing beside it changes.
func TestOddData(t *testing.T) {
	m := parsed(t, oddMapping)
	for _, tt := range []struct {
		key, advo string
		want      string // "" is empty, "!" refused, "?" unmapped
	}{
		{"name~name", `{"name":"Łukasz Żółć"}`, "Łukasz Żółć"},
		{"name~name", `{"name":"GROẞ & ﬁ 👩‍⚖️"}`, "GROẞ & ﬁ 👩‍⚖️"},
		{"name~name", `{"name":"Mu\u0308ller\u00a0"}`, "Müller"},
		{"name~name", `{"name":"\u200bAnna"}`, "\u200bAnna"},
		{"name~name", `{"name":""}`, ""},
		{"name~name", `{"name":4711}`, "4711"},
		{"name~name", `{"name":{"x":1}}`, "!"},
		{"notiz~notiz", `{"notiz":"a\r\n\r\nb\rc"}`, "a\n\nb\nc"},
		{"email~email", `{"email":"a@x.de;b@x.de"}`, "!"},
		{"email~email", `{"email":" A.B@X.de "}`, "A.B@X.de"},
		{"phone~tel", `{"tel":"0511/123-45 privat"}`, "0511/123-45 privat"},
		{"phone~tel", `{"tel":"0511 / 123 45 oder 0171 1234567"}`, "0511 / 123 45 oder 0171 1234567"},
		{"phone~tel", `{"tel":51112345}`, "51112345"},
		{"phone~tel", `{"tel":"110"}`, "110"},
		{"mobil~kommunikation[kommArt=1].tlf", `{"kommunikation":[{"kommArt":"1","tlf":"0171/1234567"},{"kommArt":1,"tlf":"0172/7654321"}]}`, "+491711234567"},
		{"mobil~kommunikation[kommArt=1].tlf", `{"kommunikation":[]}`, ""},
		{"mobil~kommunikation[kommArt=1].tlf", `{"kommunikation":null}`, ""},
		{"mobil~kommunikation[kommArt=1].tlf", `{"kommunikation":[{"kommArt":1,"tlf":null},{"kommArt":1,"tlf":"0172/7654321"}]}`, ""},
		{"fax~kommunikation[kommArt=3].tlf", `{"kommunikation":[{"kommArt":3,"tlf":"0511/1"},{"kommArt":3,"tlf":"0511/2222"}]}`, "0511/1"},
		{"plz~adressen[standard=true].plz", `{"adressen":[{"standard":false,"plz":"1"},{"standard":"true","plz":"01067"}]}`, "01067"},
		{"born~geboren", `{"geboren":"2026-02-31"}`, "!"},
		{"born~geboren", `{"geboren":"31.12.1999"}`, "!"},
		{"born~geboren", `{"geboren":"0000-00-00T00:00:00"}`, ""},
		{"number~lfd", `{"lfd":"007"}`, "7"},
		{"number~lfd", `{"lfd":"1.000"}`, "!"}, // a thousand, or one
		{"number~lfd", `{"lfd":"3.0"}`, "3"},
		{"number~lfd", `{"lfd":1.000}`, "1"},
		{"number~lfd", `{"lfd":1e3}`, "1000"},
		{"number~lfd", `{"lfd":"12a"}`, "!"},
		{"wert~wert", `{"wert":"1234,50"}`, "!"},
		{"wert~wert", `{"wert":1234.5049}`, "1234.5"},
		{"wert~wert", `{"wert":"1.000"}`, "!"}, // of cents there are two
		{"wert~wert", `{"wert":"0.125"}`, "0.13"},
		{"wert~wert", `{"wert":1.000}`, "1"},
		{"gebiete~gebiete", `{"gebiete":"A; B;A ;;"}`, "A; B"},
		{"gebiete~gebiete", `{"gebiete":["A"]}`, "!"},
		{"rollen~rollen", `{"rollen":["A",null,"A","B\\;C"]}`, `A; B\\\;C`},
		{"rollen~rollen", `{"rollen":"A"}`, "!"},
		{"anrede~anrede", `{"anrede":"Herr "}`, "Mr."},
		{"anrede~anrede", `{"anrede":"HERR"}`, "?"},
		{"anrede~anrede", `{"anrede":"Keine"}`, ""},
	} {
		o := object(t, tt.advo)
		v, err := m.ReadAdvo(o)
		if err != nil {
			t.Fatal(err)
		}
		got := v.Values[tt.key]
		switch tt.want {
		case "!":
			if v.Broken[tt.key] == nil || !got.IsAbsent() {
				t.Errorf("%s: %v %q is not refused", tt.advo, got, got.Text())
			}
			continue
		case "?":
			if !got.IsUnmapped() {
				t.Errorf("%s: %v %q is in no table", tt.advo, got, got.Text())
			}
			continue
		}
		if got.Text() != tt.want || v.Broken[tt.key] != nil {
			t.Errorf("%s: %q (%v), want %q", tt.advo, got.Text(), v.Broken[tt.key], tt.want)
			continue
		}
		same, err := m.Overlay(o, map[string]record.Value{tt.key: got}, nil)
		if err != nil || string(same.Bytes()) != tt.advo {
			t.Errorf("%s is written again as %s (%v)", tt.advo, same.Bytes(), err)
		}
	}
}

// TestThreeHundredFields: a wide object goes back with every byte that is not mapped.
func TestThreeHundredFields(t *testing.T) {
	m := parsed(t, oddMapping)
	var fields []string
	for i := range 300 {
		fields = append(fields, fmt.Sprintf(`"feld%d" : [{"a":%d.50, "b":"\u00e4\/"}, null ]`, i, i))
	}
	before := `{"name":"Alt",` + strings.Join(fields, " ,\n") + `,"kommunikation":[ {"kommArt":2,"tlf":"x"} ],"lfd":"07"}`
	after, err := m.Overlay(object(t, before), map[string]record.Value{"name~name": record.Of("Neu"), "number~lfd": record.Of("8"),
		"mobil~kommunikation[kommArt=1].tlf": record.Of("+491711234567")}, nil)
	want := strings.NewReplacer(`"Alt"`, `"Neu"`, `"07"`, `"8"`, `"tlf":"x"} ]`, `"tlf":"x"},{"online":false,"kommArt":1,"tlf":"0171 1234567"} ]`).Replace(before)
	if err != nil || string(after.Bytes()) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, after.Bytes(), want)
	}
}

// EspoCRM has no empty bool. Where a table or an expression stands between, an empty word of
// Advoware is false, too: else it could never be brought to EspoCRM, and the record failed
// until it was given up.
func TestAnEmptyBoolInOtherWords(t *testing.T) {
	m := parse(t, header+`fields:
  - {espocrm: a, advoware: a, type: bool, values: {true: J, false: N}}
  - {espocrm: b, advoware: b, type: bool, values: {true: J, false: ""}}
  - {espocrm: c, advoware: c, type: bool, format: 'value == "true" ? "J" : "N"', parse: 'value == "J" ? "true" : "false"'}
  - {espocrm: d, advoware: d, type: bool, direction: to_advoware, values: {true: J, false: J}}
`)
	advo := object(t, `{"a":null,"b":"","c":" ","d":null}`)
	e, err := m.ReadEspo(object(t, `{"a":false,"b":false,"c":false,"d":false}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.ReadAdvo(advo)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a~a", "b~b", "c~c"} {
		if e.Values[key] != a.Values[key] {
			t.Errorf("%s: EspoCRM's false is not Advoware's empty word", key)
		}
		out, err := m.Overlay(advo, map[string]record.Value{key: e.Values[key]}, nil)
		if err != nil || string(out.Bytes()) != string(advo.Bytes()) {
			t.Errorf("%s: what means the same is written anew: %s, %v", key, out.Bytes(), err)
		}
	}
	if !a.Values["d~d"].IsEmpty() {
		t.Error("in Advoware's own words there is an empty one")
	}
	out, err := m.Overlay(object(t, `{"b":"J"}`), map[string]record.Value{"b~b": record.Of("false")}, nil)
	if err != nil || string(out.Bytes()) != `{"b":null}` {
		t.Errorf("false is written as %s, %v", out.Bytes(), err)
	}
}

// A day that stands for none is none as an instant, too: midnight in the office.
func TestNoDayAsAnInstant(t *testing.T) {
	m := parse(t, header+`fields:
  - {espocrm: a, advoware: a, type: datetime}
  - {espocrm: b, advoware: b, type: date}
`)
	for _, stamp := range []string{"1899-12-30T00:00:00", "1899-12-29T23:00:00Z", "0000-12-31T23:06:32Z", "0001-01-01T00:00:00+01:00"} {
		v, err := m.ReadAdvo(object(t, `{"a":"`+stamp+`","b":"`+stamp+`"}`))
		if err != nil || !v.Values["a~a"].IsEmpty() || !v.Values["b~b"].IsEmpty() {
			t.Errorf("%s: as a date and time %q, as a day %q (%v)", stamp, v.Values["a~a"].Text(), v.Values["b~b"].Text(), err)
		}
	}
}
