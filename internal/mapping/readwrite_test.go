package mapping_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
)

func parse(tb testing.TB, src string) *mapping.Mapping {
	tb.Helper()
	m, err := mapping.Parse("m.yaml", []byte(src))
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return m
}

const wide = header + `match: [name]
fields:
  - {espocrm: name, advoware: name}
  - {espocrm: zip, advoware: adresse.plz}
  - {espocrm: rate, advoware: honorarsatz, type: float}
  - {espocrm: number, advoware: mandantenNr, type: int}
  - {espocrm: active, advoware: aktiv, type: bool}
  - {espocrm: born, advoware: geburtsdatum, type: date}
  - {espocrm: seen, advoware: gesehen, type: datetime}
  - {espocrm: salutation, advoware: anrede, values: {Mr.: Herr, Mrs.: Frau}}
  - {espocrm: code, advoware: kz, type: int, values: {1: 10, 2: "20"}}
  - {espocrm: note, advoware: bemerkung, direction: to_advoware}
  - {espocrm: title, advoware: titel, direction: to_espocrm}
  - {espocrm: label, from_advoware: 'trim(adresse.plz + " " + adresse.ort)'}
  - {advoware: kurz, from_espocrm: 'upper(name)'}
`

func TestReadBothSides(t *testing.T) {
	m := parse(t, wide)
	tests := []struct {
		name, key, espo, advo string
		wantEspo, wantAdvo    record.Value
	}{
		{"text", "name~name", `{"name":"A"}`, `{"name":" A "}`, record.Of("A"), record.Of("A")},
		{"absent", "name~name", `{}`, `{}`, record.Absent(), record.Absent()},
		{"empty", "name~name", `{"name":null}`, `{"name":""}`, record.Empty(), record.Empty()},
		{"nested", "zip~adresse.plz", `{"zip":"1"}`, `{"adresse":{"ort":"x","plz":"1"}}`, record.Of("1"), record.Of("1")},
		{"parent null", "zip~adresse.plz", `{}`, `{"adresse":null}`, record.Absent(), record.Empty()},
		{"parent absent", "zip~adresse.plz", `{}`, `{}`, record.Absent(), record.Absent()},
		{"escaped key", "name~name", `{"\u006eame":"A"}`, `{"n\u0061me":"A"}`, record.Of("A"), record.Of("A")},
		{"first of two counts", "name~name", `{"name":"A","name":"B"}`, `{"name":"A","name":"B"}`, record.Of("A"), record.Of("A")},
		{"number", "rate~honorarsatz", `{"rate":19.9}`, `{"honorarsatz":19.90}`, record.Of("19.9"), record.Of("19.9")},
		{"large number", "number~mandantenNr", `{"number":9007199254740993}`, `{"mandantenNr":"9007199254740993"}`, record.Of("9007199254740993"), record.Of("9007199254740993")},
		{"bool null is false", "active~aktiv", `{"active":false}`, `{"aktiv":null}`, record.Of("false"), record.Of("false")},
		{"date", "born~geburtsdatum", `{"born":"1980-02-29"}`, `{"geburtsdatum":"1980-02-29T00:00:00"}`, record.Of("1980-02-29"), record.Of("1980-02-29")},
		{"Advoware's empty date", "born~geburtsdatum", `{"born":null}`, `{"geburtsdatum":"1899-12-30T00:00:00"}`, record.Empty(), record.Empty()},
		{"an instant", "born~geburtsdatum", `{"born":"1980-07-01"}`, `{"geburtsdatum":"1980-06-30T22:00:00Z"}`, record.Of("1980-07-01"), record.Of("1980-07-01")},
		{"line ends", "name~name", `{"name":"a\nb"}`, `{"name":"a\r\nb"}`, record.Of("a\nb"), record.Of("a\nb")},
		{"datetime", "seen~gesehen", `{"seen":"2026-01-02 03:04:05"}`, `{"gesehen":"2026-01-02T04:04:05+01:00"}`, record.Of("2026-01-02T03:04:05Z"), record.Of("2026-01-02T03:04:05Z")},
		{"table", "salutation~anrede", `{"salutation":"Mr."}`, `{"anrede":"Herr"}`, record.Of("Mr."), record.Of("Mr.")},
		{"table empty", "salutation~anrede", `{"salutation":""}`, `{"anrede":null}`, record.Empty(), record.Empty()},
		{"not in the table", "salutation~anrede", `{"salutation":"Dr."}`, `{"anrede":"Firma"}`, record.Unmapped("Dr."), record.Unmapped("Firma")},
		{"EspoCRM's word in Advoware", "salutation~anrede", `{}`, `{"anrede":"Mr."}`, record.Absent(), record.Unmapped("Mr.")},
		{"table of numbers", "code~kz", `{"code":1}`, `{"kz":10}`, record.Of("1"), record.Of("1")},
		{"table, another type", "code~kz", `{"code":"x"}`, `{"kz":20}`, record.Unmapped("x"), record.Of("2")},
		{"computed from Advoware", "label~=", `{"label":"1 Wien"}`, `{"adresse":{"plz":"1","ort":"Wien"}}`, record.Of("1 Wien"), record.Of("1 Wien")},
		{"computed, part missing", "label~=", `{}`, `{"adresse":{"ort":"Wien"}}`, record.Absent(), record.Of("Wien")},
		{"computed, all empty", "label~=", `{}`, `{"adresse":null}`, record.Absent(), record.Empty()},
		{"computed, nothing known", "label~=", `{}`, `{"name":"x"}`, record.Absent(), record.Absent()},
		{"computed from EspoCRM", "=~kurz", `{"name":"ä"}`, `{"kurz":"Ä"}`, record.Of("Ä"), record.Of("Ä")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			espo, err := m.ReadEspo(object(t, tt.espo))
			if err != nil {
				t.Fatal(err)
			}
			advo, err := m.ReadAdvo(object(t, tt.advo))
			if err != nil {
				t.Fatal(err)
			}
			if got := espo.Values[tt.key]; got != tt.wantEspo {
				t.Errorf("EspoCRM: %v %q", got, got.Text())
			}
			if got := advo.Values[tt.key]; got != tt.wantAdvo {
				t.Errorf("Advoware: %v %q", got, got.Text())
			}
			if len(espo.Broken)+len(advo.Broken) > 0 {
				t.Errorf("broken: %v %v", espo.Broken, advo.Broken)
			}
		})
	}
}

func TestBroken(t *testing.T) {
	m := parse(t, wide)
	v, err := m.ReadAdvo(object(t, `{"name":{"x":1},"adresse":"secret street","honorarsatz":"secret","geburtsdatum":"31.12.1999"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"name~name":         "map T: Advoware: name holds an object or a list where a single value belongs (type string)",
		"zip~adresse.plz":   "map T: Advoware: adresse.plz holds an object or a list where a single value belongs (type string)",
		"rate~honorarsatz":  "map T: Advoware: honorarsatz is no number (type decimal)",
		"born~geburtsdatum": "map T: Advoware: geburtsdatum is no date (type date)",
	}
	for key, text := range want {
		if got := v.Broken[key]; got == nil || got.Error() != text {
			t.Errorf("%s: %v, want %s", key, got, text)
		}
		if !fault.Is(v.Broken[key], fault.MappingFail) || !fault.OwnedByRecord(v.Broken[key]) {
			t.Errorf("%s: not the record's mapping failure", key)
		}
		if !v.Values[key].IsAbsent() {
			t.Errorf("%s: a value that cannot be read must be absent", key)
		}
	}
	delete(v.Broken, "label~=")
	if len(v.Broken) != len(want) {
		t.Errorf("broken: %v", v.Broken)
	}
}

// TestHalfACharacter: half a surrogate pair cannot be decoded; what stands in its
// place must not travel. A replacement character that is really there may.
func TestHalfACharacter(t *testing.T) {
	m := parse(t, wide)
	for wire, broken := range map[string]bool{
		`"ab\ud83d"`: true, `"\ude00ab"`: true, `"\ufffd\uD83D"`: true, `"ab\ud83d\ude00"`: false, `"ab😀"`: false, `"a\ufffdb"`: false, "\"a\ufffdb\"": false,
	} {
		v, err := m.ReadAdvo(object(t, `{"name":`+wire+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Broken["name~name"] != nil; got != broken || got != v.Values["name~name"].IsAbsent() {
			t.Errorf("%s: broken %v, want %v: %v", wire, got, broken, v.Broken["name~name"])
		}
	}
}

func TestNoKindApplies(t *testing.T) {
	m := parse(t, header+`fields: [{espocrm: x, advoware: x}]
kinds:
  - {name: a, when: {espocrm: 'x == "1"', advoware: 'x == "1"'}}
  - {name: b, when: {espocrm: 'y > 5', advoware: 'true'}}
`)
	v, err := m.ReadEspo(object(t, `{"x":"secret","y":1}`))
	f := fault.As(err)
	if f == nil || f.Code != fault.MappingFail || f.Owner != fault.OwnerRecord || f.System != fault.EspoCRM {
		t.Fatalf("error %v", err)
	}
	if want := `map T: EspoCRM: no kind of T applies to this record; tried a: x == "1"; b: y > 5`; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if v.Values["x~x"] != record.Of("secret") {
		t.Error("the view must hold the values all the same")
	}
	_, err = m.ReadEspo(object(t, `{"x":"secret","y":"secret"}`))
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "the condition of kind b (y > 5) cannot be evaluated") {
		t.Errorf("error %v", err)
	}
}

func TestEspoPatch(t *testing.T) {
	m := parse(t, wide)
	patch, err := m.EspoPatch(record.Object{}, map[string]record.Value{
		"name~name": record.Of("a \"b\""), "zip~adresse.plz": record.Empty(), "rate~honorarsatz": record.Of("19.9"),
		"number~mandantenNr": record.Of("9007199254740993"), "active~aktiv": record.Empty(), "born~geburtsdatum": record.Of("1980-02-29"),
		"seen~gesehen": record.Of("2026-01-02T03:04:05Z"), "salutation~anrede": record.Of("Mr."), "code~kz": record.Of("2"), "label~=": record.Of("x"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"active":false,"born":"1980-02-29","code":2,"label":"x","name":"a \"b\"","number":9007199254740993,"rate":19.9,"salutation":"Mr.","seen":"2026-01-02 03:04:05","zip":null}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUnsendable(t *testing.T) {
	m := parse(t, wide)
	tests := []struct {
		name       string
		values     map[string]record.Value
		espo, advo string // messages
	}{
		{"unmapped", map[string]record.Value{"salutation~anrede": record.Unmapped("secret")},
			"map T: Advoware: the value of anrede is not in the values table of salutation", "map T: EspoCRM: the value of salutation is not in the values table of anrede"},
		{"not in the table", map[string]record.Value{"salutation~anrede": record.Of("secret")},
			"map T: Advoware: the value of anrede is not in the values table of salutation", "map T: EspoCRM: the value of salutation is not in the values table of anrede"},
		{"absent", map[string]record.Value{"name~name": record.Absent()},
			"map T: EspoCRM: name has no known value to send", "map T: Advoware: name has no known value to send"},
		{"not of the type", map[string]record.Value{"rate~honorarsatz": record.Of("secret")},
			"map T: Advoware: the value of honorarsatz does not fit rate (type decimal)", "map T: EspoCRM: the value of rate does not fit honorarsatz (type decimal)"},
		{"not canonical", map[string]record.Value{"rate~honorarsatz": record.Of("1.0")},
			"map T: Advoware: the value of honorarsatz does not fit rate (type decimal)", "map T: EspoCRM: the value of rate does not fit honorarsatz (type decimal)"},
		{"wrong way", map[string]record.Value{"note~bemerkung": record.Of("x"), "title~titel": record.Of("x")},
			"map T: EspoCRM: note is never written there (direction to_advoware)", "map T: Advoware: titel is never written there (direction to_espocrm)"},
		{"no such field", map[string]record.Value{"a~b": record.Of("x")},
			"map T: EspoCRM: the mapping has no field a~b", "map T: Advoware: the mapping has no field a~b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := m.EspoPatch(record.Object{}, tt.values)
			if err == nil || err.Error() != tt.espo || !fault.Is(err, fault.MappingFail) {
				t.Errorf("EspoCRM: got  %v\nwant %s", err, tt.espo)
			}
			_, err = m.Overlay(object(t, `{}`), tt.values, nil)
			if err == nil || err.Error() != tt.advo || !fault.Is(err, fault.MappingFail) {
				t.Errorf("Advoware: got  %v\nwant %s", err, tt.advo)
			}
		})
	}
}

func TestOverlay(t *testing.T) {
	m := parse(t, wide)
	tests := []struct {
		name, before string
		values       map[string]record.Value
		clears       []string
		after        string
	}{
		{"new object", ``, map[string]record.Value{"name~name": record.Of("A"), "zip~adresse.plz": record.Of("1"), "born~geburtsdatum": record.Of("1980-02-29")}, []string{"vorname"},
			`{"name":"A","adresse":{"plz":"1"},"geburtsdatum":"1980-02-29"}`},
		{"siblings stay", `{ "adresse" : {"ort":"x" , "plz":"1"}, "z": 1.0e0 }`, map[string]record.Value{"zip~adresse.plz": record.Of("2")}, nil,
			`{ "adresse" : {"ort":"x" , "plz":"2"}, "z": 1.0e0 }`},
		{"parent null", `{"adresse":null}`, map[string]record.Value{"zip~adresse.plz": record.Of("2")}, nil, `{"adresse":{"plz":"2"}}`},
		{"parent missing", `{"a":1}`, map[string]record.Value{"zip~adresse.plz": record.Of("2")}, nil, `{"a":1,"adresse":{"plz":"2"}}`},
		{"the same stays as it is", `{"name":"  A\r\n","honorarsatz":19.90,"geburtsdatum":"1980-02-29T00:00:00"}`,
			map[string]record.Value{"name~name": record.Of("A"), "rate~honorarsatz": record.Of("19.9"), "born~geburtsdatum": record.Of("1980-02-29")}, nil,
			`{"name":"  A\r\n","honorarsatz":19.90,"geburtsdatum":"1980-02-29T00:00:00"}`},
		{"date keeps its form", `{"geburtsdatum":"1980-02-29T00:00:00"}`, map[string]record.Value{"born~geburtsdatum": record.Of("1981-01-01")}, nil, `{"geburtsdatum":"1981-01-01T00:00:00"}`},
		{"datetime with zone", `{"gesehen":null}`, map[string]record.Value{"seen~gesehen": record.Of("2026-01-02T03:04:05Z")}, nil, `{"gesehen":"2026-01-02T03:04:05Z"}`},
		{"datetime without zone stays so", `{"gesehen":"2020-01-01T00:00:00"}`, map[string]record.Value{"seen~gesehen": record.Of("2026-01-02T03:04:05Z")}, nil, `{"gesehen":"2026-01-02T04:04:05"}`},
		{"datetime keeps its offset", `{"gesehen":"2020-07-01T00:00:00+02:00"}`, map[string]record.Value{"seen~gesehen": record.Of("2026-01-02T03:04:05Z")}, nil, `{"gesehen":"2026-01-02T04:04:05+01:00"}`},
		{"an empty date stays as it is", `{"geburtsdatum":"0001-01-01T00:00:00"}`, map[string]record.Value{"born~geburtsdatum": record.Empty()}, nil, `{"geburtsdatum":"0001-01-01T00:00:00"}`},
		{"an instant keeps its form", `{"geburtsdatum":"1980-06-30T22:00:00Z"}`, map[string]record.Value{"born~geburtsdatum": record.Of("1980-12-01")}, nil, `{"geburtsdatum":"1980-11-30T23:00:00Z"}`},
		{"line ends keep their form", `{"name":"a\r\nb"}`, map[string]record.Value{"name~name": record.Of("a\nc\nd")}, nil, `{"name":"a\r\nc\r\nd"}`},
		{"equal but for line ends stays", `{"name":"a\r\nb"}`, map[string]record.Value{"name~name": record.Of("a\nb")}, nil, `{"name":"a\r\nb"}`},
		{"number in quotes stays so", `{"mandantenNr":"1"}`, map[string]record.Value{"number~mandantenNr": record.Of("2")}, nil, `{"mandantenNr":"2"}`},
		{"bool as number stays so", `{"aktiv":0}`, map[string]record.Value{"active~aktiv": record.Of("true")}, nil, `{"aktiv":1}`},
		{"bool", `{"aktiv":null}`, map[string]record.Value{"active~aktiv": record.Of("true")}, nil, `{"aktiv":true}`},
		{"table", `{"anrede":"Herr","kz":10}`, map[string]record.Value{"salutation~anrede": record.Of("Mrs."), "code~kz": record.Of("2")}, nil, `{"anrede":"Frau","kz":"20"}`},
		{"escaped key", `{"n\u0061me":"A","adresse":{"pl\u007a":"1"}}`, map[string]record.Value{"name~name": record.Of("B"), "zip~adresse.plz": record.Of("2")}, nil,
			`{"n\u0061me":"B","adresse":{"pl\u007a":"2"}}`},
		{"an empty bool is false", `{"aktiv":true}`, map[string]record.Value{"active~aktiv": record.Empty()}, nil, `{"aktiv":false}`},
		{"empty is null", `{"name":"A"}`, map[string]record.Value{"name~name": record.Empty()}, nil, `{"name":null}`},
		{"empty already", `{"name":""}`, map[string]record.Value{"name~name": record.Empty()}, nil, `{"name":""}`},
		{"markup is not escaped", `{"name":"A"}`, map[string]record.Value{"name~name": record.Of("<b>&</b>")}, nil, `{"name":"<b>&</b>"}`},
		{"clear", `{"vorname":"A","x":"B"}`, nil, []string{"vorname"}, `{"vorname":null,"x":"B"}`},
		{"clear what is blank or absent", `{"vorname":" "}`, nil, []string{"vorname", "titel"}, `{"vorname":" "}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before record.Object
			if tt.before != "" {
				before = object(t, tt.before)
			}
			after, err := m.Overlay(before, tt.values, tt.clears)
			if err != nil {
				t.Fatal(err)
			}
			if string(after.Bytes()) != tt.after {
				t.Errorf("got  %s\nwant %s", after.Bytes(), tt.after)
			}
			if string(before.Bytes()) != tt.before {
				t.Errorf("the object given was changed: %s", before.Bytes())
			}
		})
	}
	t.Run("parent no object", func(t *testing.T) {
		for _, before := range []string{`{"adresse":"x"}`, `{"adresse":[{"plz":"1"}]}`, `{"adresse":1}`} {
			_, err := m.Overlay(object(t, before), map[string]record.Value{"zip~adresse.plz": record.Of("2")}, nil)
			if want := "map T: Advoware: adresse.plz cannot be set: adresse is no object in this record"; err == nil || err.Error() != want {
				t.Errorf("%s: %v", before, err)
			}
		}
	})
}

// Writing what was read changes no byte, and writing anything else changes only
// the mapped members.
func TestOverlayOnTheSamples(t *testing.T) {
	m := parse(t, strings.Replace(wide, "values: {Mr.: Herr, Mrs.: Frau}", "values: {Mr.: Herr, Mrs.: Frau, Org: Firma}", 1))
	for i, o := range samples(t) {
		v, err := m.ReadAdvo(o)
		if err != nil {
			t.Fatal(err)
		}
		own := map[string]record.Value{}
		other := map[string]record.Value{}
		var names []string
		for _, f := range m.AllFields() {
			value := v.Values[f.Key]
			if f.Clear || f.Advo == "" || f.Direction == mapping.ToEspocrm || value.IsAbsent() || value.IsUnmapped() {
				continue
			}
			own[f.Key] = value
			if f.Type == mapping.String && f.Key != "salutation~anrede" {
				other[f.Key] = record.Of("changed" + value.Text())
				names = append(names, f.Advo)
			}
		}
		same, err := m.Overlay(o, own, nil)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if !bytes.Equal(same.Bytes(), o.Bytes()) {
			t.Errorf("sample %d: writing what was read changed it", i)
		}
		changed, err := m.Overlay(o, other, nil)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if a, b := rest(o.Bytes(), names), rest(changed.Bytes(), names); a != b {
			t.Errorf("sample %d: unmapped content changed:\n%s\n%s", i, a, b)
		}
		again, err := m.ReadAdvo(changed)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range other {
			if again.Values[key] != want {
				t.Errorf("sample %d: %s did not arrive", i, key)
			}
		}
	}
}

// rest is the object's text with the content of names cut out.
func rest(raw []byte, names []string) string {
	text := string(raw)
	for _, name := range names {
		r := gjson.Get(text, name)
		if r.Exists() {
			text = text[:r.Index] + "0" + text[r.Index+len(r.Raw):]
		}
	}
	return text
}

// A record of one side written to the other reads there as it read here.
func TestRoundTripBetweenTheSides(t *testing.T) {
	m := parse(t, wide)
	keys := []string{"name~name", "zip~adresse.plz", "rate~honorarsatz", "number~mandantenNr", "active~aktiv", "born~geburtsdatum", "seen~gesehen", "salutation~anrede", "code~kz"}
	all := samples(t)
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]record.Value{}
		for _, key := range keys {
			values[key] = anyValue(key).Draw(t, key)
		}
		patch, err := m.EspoPatch(record.Object{}, values)
		if err != nil {
			t.Fatal(err)
		}
		obj, err := record.NewObject(patch)
		if err != nil {
			t.Fatal(err)
		}
		espo, err := m.ReadEspo(obj)
		if err != nil {
			t.Fatal(err)
		}
		written, err := m.Overlay(rapid.SampledFrom(all).Draw(t, "sample"), values, nil)
		if err != nil {
			t.Fatal(err)
		}
		advo, err := m.ReadAdvo(written)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if espo.Values[key] != values[key] || advo.Values[key] != values[key] {
				t.Errorf("%s: wrote %q, EspoCRM %q, Advoware %q", key, values[key].Text(), espo.Values[key].Text(), advo.Values[key].Text())
			}
		}
	})
}

func anyValue(key string) *rapid.Generator[record.Value] {
	of := func(g *rapid.Generator[string]) *rapid.Generator[record.Value] {
		return rapid.OneOf(rapid.Just(record.Empty()), rapid.Map(g, record.Of))
	}
	switch key {
	case "rate~honorarsatz":
		return of(rapid.StringMatching(`-?[1-9][0-9]{0,20}\.[0-9]{0,5}[1-9]`))
	case "number~mandantenNr":
		return of(rapid.StringMatching(`-?[1-9][0-9]{0,20}`))
	case "active~aktiv":
		return rapid.SampledFrom([]record.Value{record.Of("true"), record.Of("false")})
	case "born~geburtsdatum":
		return of(rapid.StringMatching(`(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])`))
	case "seen~gesehen":
		return of(rapid.StringMatching(`20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z`))
	case "salutation~anrede":
		return of(rapid.SampledFrom([]string{"Mr.", "Mrs."}))
	case "code~kz":
		return of(rapid.SampledFrom([]string{"1", "2"}))
	default:
		return of(rapid.StringMatching(`[A-Za-zÄÖÜß<>&"\\/😀]{1,8}( [a-z\n"]{0,5}x)?`))
	}
}

func TestOneWayTables(t *testing.T) {
	m := parse(t, header+`fields:
  - {espocrm: a, advoware: a, direction: to_advoware, values: {x: A, y: A, z: ''}}
  - {espocrm: b, advoware: b, direction: to_espocrm, values: {x: A, y: ''}}
`)
	espo, err := m.ReadEspo(object(t, `{"a":"y","b":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	advo, err := m.ReadAdvo(object(t, `{"a":"A","b":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if espo.Values["a~a"] != advo.Values["a~a"] {
		t.Errorf("two EspoCRM values of one Advoware value: %q and %q must agree", espo.Values["a~a"].Text(), advo.Values["a~a"].Text())
	}
	if advo.Values["b~b"] != record.Of("y") {
		t.Errorf("an empty Advoware value that the table lists: %q", advo.Values["b~b"].Text())
	}
	o, err := m.Overlay(record.Object{}, map[string]record.Value{"a~a": espo.Values["a~a"]}, nil)
	if err != nil || string(o.Bytes()) != `{"a":"A"}` {
		t.Errorf("%s %v", o.Bytes(), err)
	}
}

func TestTablesOfNumbersAndBooleans(t *testing.T) {
	m := parse(t, header+`fields:
  - {espocrm: a, advoware: a, values: {low: 1.50, high: 1000, none: "01"}}
  - {espocrm: b, advoware: b, type: bool, values: {true: J, false: N}}
  - {espocrm: c, advoware: c, values: {"": Keine, x: true}}
`)
	tests := []struct{ espo, advo, sent string }{
		{`{"a":"low"}`, `{"a":1.50}`, `{"a":1.5}`},
		{`{"a":"high"}`, `{"a":1000}`, `{"a":1000}`},
		{`{"a":"none"}`, `{"a":"01"}`, `{"a":"01"}`},
		{`{"b":true}`, `{"b":"J"}`, `{"b":"J"}`},
		{`{"b":false}`, `{"b":"N"}`, `{"b":"N"}`},
		{`{"c":null}`, `{"c":"Keine"}`, `{"c":"Keine"}`},
		{`{"c":"x"}`, `{"c":true}`, `{"c":true}`},
	}
	for _, tt := range tests {
		espo, err := m.ReadEspo(object(t, tt.espo))
		if err != nil {
			t.Fatal(err)
		}
		advo, err := m.ReadAdvo(object(t, tt.advo))
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]record.Value{}
		for key, v := range espo.Values {
			if advo.Values[key] != v {
				t.Errorf("%s and %s: %q and %q", tt.espo, tt.advo, v.Text(), advo.Values[key].Text())
			}
			if !v.IsAbsent() {
				values[key] = v
			}
		}
		sent, err := m.Overlay(record.Object{}, values, nil)
		if err != nil || string(sent.Bytes()) != tt.sent {
			t.Errorf("%s is sent as %s (%v), want %s", tt.espo, sent.Bytes(), err, tt.sent)
		}
		patch, err := m.EspoPatch(record.Object{}, values)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := record.NewObject(patch); err != nil || string(back.Bytes()) != tt.espo {
			t.Errorf("%s goes back as %s", tt.espo, back.Bytes())
		}
	}
}

func TestKeysAndKinds(t *testing.T) {
	m := mapping.Builtin()
	keys := func(fs []mapping.Field) (out []string) {
		for _, f := range fs {
			out = append(out, f.Key)
		}
		return out
	}
	if got, want := strings.Join(keys(m.Fields("firma")), " "), "email~emailGesch phone~telGesch geburtsdatum~geburtsdatum firmenname~name name~=@firma !~vorname firstName~! lastName~!"; got != want {
		t.Errorf("fields of firma: %s", got)
	}
	if got := keys(m.AllFields()); len(got) != 12 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 12 {
		t.Errorf("all fields: %s", got)
	}
	if got := m.Clears("firma", record.EspoCRM); !slices.Equal(got, []string{"firstName", "lastName"}) {
		t.Errorf("clears: %s", got)
	}
	if got := m.Clears("firma", record.Advoware); !slices.Equal(got, []string{"vorname"}) {
		t.Errorf("clears: %s", got)
	}
	want := []string{"email", "firmenname", "firstName", "geburtsdatum", "lastName", "name", "phone"}
	if got := m.EspoNames(); !slices.Equal(got, want) {
		t.Errorf("EspoCRM names: %s", got)
	}
	if f, ok := m.Field("name~=@person"); !ok || !f.Computed || f.Direction != mapping.ToEspocrm || f.Kind != "person" {
		t.Errorf("computed field: %+v %v", f, ok)
	}
	if !slices.Equal(m.Kinds(), []string{"person", "firma"}) {
		t.Errorf("kinds: %s", m.Kinds())
	}

	shared := parse(t, header+`kinds:
  - {name: a, when: {espocrm: 'blank(k)', advoware: 'blank(k)'}, fields: [{espocrm: x, advoware: x}]}
  - {name: b, when: {espocrm: '!blank(k)', advoware: '!blank(k)'}, fields: [{espocrm: x, advoware: x}]}
`)
	if got := keys(shared.AllFields()); !slices.Equal(got, []string{"x~x"}) {
		t.Errorf("a line that two kinds share is one field: %s", got)
	}
	if f := shared.Fields("b"); len(f) != 1 || f[0].Kind != "b" {
		t.Errorf("fields of b: %+v", f)
	}
}

func TestFingerprint(t *testing.T) {
	base := parse(t, wide).Fingerprint()
	same := []struct{ name, old, new string }{
		{"comment", "fields:\n", "# a comment\nfields:\n"},
		{"match", "match: [name]", "match: [zip]"},
		{"order of fields", "  - {espocrm: name, advoware: name}\n  - {espocrm: zip, advoware: adresse.plz}\n", "  - {espocrm: zip, advoware: adresse.plz}\n  - {espocrm: name, advoware: name}\n"},
		{"order of a table", "{Mr.: Herr, Mrs.: Frau}", "{Mrs.: Frau, Mr.: Herr}"},
		{"list", "row_id: rowId}", "row_id: rowId, list: {}}"},
		{"the zone that counts anyway", "match:", "zone: Europe/Berlin\nmatch:"},
	}
	for _, tt := range same {
		if got := parse(t, strings.Replace(wide, tt.old, tt.new, 1)).Fingerprint(); got != base {
			t.Errorf("%s must not count", tt.name)
		}
	}
	other := []struct{ name, old, new string }{
		{"type", "honorarsatz, type: float", "honorarsatz, type: string"},
		{"scale", "honorarsatz, type: float", "honorarsatz, type: float, scale: 2"},
		{"empty", "geburtsdatum, type: date", "geburtsdatum, type: date, empty: ['1900-01-01']"},
		{"zone of a field", "gesehen, type: datetime", "gesehen, type: datetime, zone: UTC"},
		{"zone", "match:", "zone: Europe/London\nmatch:"},
		{"table", "Mrs.: Frau", "Mrs.: Fr."},
		{"direction", "bemerkung, direction: to_advoware", "bemerkung"},
		{"expression", "upper(name)", "lower(name)"},
		{"path", "api/v1/T", "api/v1/U"},
		{"name", "titel", "titel2"},
	}
	for _, tt := range other {
		if got := parse(t, strings.Replace(wide, tt.old, tt.new, 1)).Fingerprint(); got == base {
			t.Errorf("%s must count", tt.name)
		}
	}
}

// An answer without any name is no firm: absent is never cleared. One that only leaves
// out what is empty is.
func TestKindOfAnAnswerWithoutItsFields(t *testing.T) {
	m := mapping.Builtin()
	if v, err := m.ReadAdvo(object(t, `{"betNr":1,"rowId":"x","emailGesch":"a@example.de"}`)); err == nil || !strings.Contains(err.Error(), "leaves out every field of kind firma (name)") {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := m.ReadAdvo(object(t, `{"betNr":1,"name":"Muster GmbH"}`)); err != nil || v.Kind != "firma" {
		t.Errorf("%+v %v", v, err)
	}
}

func TestMatch(t *testing.T) {
	m := mapping.Builtin()
	read := func(r func(record.Object) (mapping.View, error), side record.Side, text string) map[string]record.Value {
		v, err := r(object(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return m.MatchValues(v, side)
	}
	espo := func(text string) map[string]record.Value { return read(m.ReadEspo, record.EspoCRM, text) }
	advo := func(text string) map[string]record.Value { return read(m.ReadAdvo, record.Advoware, text) }
	tests := []struct {
		name       string
		espo, advo map[string]record.Value
		want       bool
	}{
		{"person by both", espo(`{"name":"Anna Müller","geburtsdatum":"1980-02-29"}`), advo(`{"vorname":"Anna","name":"Müller","geburtsdatum":"1980-02-29T00:00:00"}`), true},
		{"case does not count", espo(`{"name":"anna MÜLLER"}`), advo(`{"vorname":"Anna","name":"Müller"}`), true},
		{"another birthday", espo(`{"name":"Anna Müller","geburtsdatum":"1980-02-28"}`), advo(`{"vorname":"Anna","name":"Müller","geburtsdatum":"1980-02-29"}`), false},
		{"birthday on one side only", espo(`{"name":"Anna Müller","geburtsdatum":null}`), advo(`{"vorname":"Anna","name":"Müller","geburtsdatum":"1980-02-29"}`), true},
		{"firm", espo(`{"firmenname":"B GmbH","name":"B GmbH"}`), advo(`{"vorname":"","name":"B GmbH"}`), true},
		{"nothing in common", espo(`{"name":null}`), advo(`{"vorname":"Anna","name":"Müller"}`), false},
		{"nothing at all", nil, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mapping.Matches(tt.espo, tt.advo); got != tt.want {
				t.Errorf("got %v: %d and %d values", got, len(tt.espo), len(tt.advo))
			}
			if mapping.Matches(tt.espo, tt.advo) != mapping.Matches(tt.advo, tt.espo) {
				t.Error("not symmetric")
			}
		})
	}
}

func TestList(t *testing.T) {
	m := parse(t, strings.Replace(wide, "row_id: rowId}", "row_id: rowId, list: {path: same, first: 0, max: 100, params: {aktiv: 1}, items: data}}", 1))
	l := m.List()
	if l.Path != "api/v1/T" || l.Page != "page" || l.Size != "pageSize" || l.First != 0 || l.Max != 100 || l.Params["aktiv"] != "1" || l.Items != "data" {
		t.Errorf("%+v", l)
	}
	l.Params["aktiv"] = "2"
	if m.List().Params["aktiv"] != "1" {
		t.Error("List must hand out a copy")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(header + lists + "groups: {g: {policy: manual}}\nzone: Europe/Vienna\n"))
	f.Add([]byte(header + "fields: [{espocrm: a, advoware: b, type: phone, region: AT, espo_format: national, empty: [0], group: g, policy: merge}]\n"))
	f.Add([]byte(header + several))
	f.Add([]byte(header + sets))
	f.Add([]byte(header + lenses))
	f.Add([]byte(termine))
	f.Add([]byte(header + defaults))
	f.Add([]byte(header + links))
	f.Add(mapping.BuiltinYAML())
	f.Add([]byte(wide))
	f.Add([]byte(header + "fields: [{espocrm: a, values: {x: [1]}}]\nkinds: [{when: {espocrm: 'a ? b : c'}}]\n"))
	f.Add([]byte("a: &x [*x]\n? [b]\n: !!int 3\n--- |\n  x"))
	o, err := record.ParseObject([]byte(`{"a":1,"name":"x","adresse":{"plz":[1]},"vorname":null}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, src []byte) {
		m, err := mapping.Parse("m.yaml", src)
		if err != nil {
			return
		}
		_, _ = m.ReadEspo(o)
		_, _ = m.ReadAdvo(o)
	})
}
