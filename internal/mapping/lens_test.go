package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

const lenses = `fields:
  - {espocrm: az, advoware: aktenzeichen, format: 'after(value, "/") + "-" + before(value, "/")', parse: 'after(value, "-") + "/" + before(value, "-")'}
  - {espocrm: number, advoware: lfd, type: int, format: 'pad(value, 5, "0")', parse: 'trimLeft(value, "0")', empty: [99999]}
  - {espocrm: amount, advoware: betrag, type: decimal, format: 'replace(value, ".", ",") + " EUR"', parse: 'replace(replace(before(value, " "), ".", ""), ",", ".")'}
  - {espocrm: short, advoware: kurz, direction: to_advoware, format: 'upper(split(value, " ")[0])'}
  - {espocrm: town, advoware: ort, direction: to_espocrm, parse: 'title(value)'}
`

func TestFormatAndParse(t *testing.T) {
	m := parsed(t, lenses)
	for _, tt := range []struct{ name, key, espo, advo, value, after string }{
		{"both ways", "az~aktenzeichen", `{"az":"12/26"}`, `{"aktenzeichen":"26-12"}`, "12/26", `{"aktenzeichen":"26-12"}`},
		{"a number that stays a number", "number~lfd", `{"number":70123}`, `{"lfd":70123}`, "70123", `{"lfd":70123}`},
		{"a padded text", "number~lfd", `{"number":123}`, `{"lfd":"00123"}`, "123", `{"lfd":"00123"}`},
		{"its own none", "number~lfd", `{"number":null}`, `{"lfd":99999}`, "", `{"lfd":99999}`},
		{"a decimal", "amount~betrag", `{"amount":1234.5}`, `{"betrag":"1.234,50 EUR"}`, "1234.5", `{"betrag":"1.234,50 EUR"}`},
		{"to Advoware alone", "short~kurz", `{"short":"müller anna"}`, `{"kurz":"MÜLLER"}`, "MÜLLER", `{"kurz":"MÜLLER"}`},
		{"to EspoCRM alone", "town~ort", `{"town":"Bad Ems"}`, `{"ort":"BAD EMS"}`, "Bad Ems", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := m.ReadEspo(object(t, tt.espo))
			if err != nil {
				t.Fatal(err)
			}
			a, err := m.ReadAdvo(object(t, tt.advo))
			if err != nil {
				t.Fatal(err)
			}
			if want := record.Of(tt.value); e.Values[tt.key] != want || a.Values[tt.key] != want {
				t.Errorf("EspoCRM %q, Advoware %q, want %q (%v %v)", e.Values[tt.key].Text(), a.Values[tt.key].Text(), tt.value, e.Broken, a.Broken)
			}
			if tt.after == "" {
				return
			}
			o, err := m.Overlay(object(t, tt.advo), map[string]record.Value{tt.key: e.Values[tt.key]}, nil)
			if err != nil || string(o.Bytes()) != tt.after {
				t.Errorf("writes %s, want %s (%v)", o.Bytes(), tt.after, err)
			}
		})
	}
	for _, tt := range []struct{ before, key, value, after string }{
		{`{"lfd":70123}`, "number~lfd", "70124", `{"lfd":70124}`},
		{`{"lfd":"00007"}`, "number~lfd", "8", `{"lfd":"00008"}`},
		{`{"lfd":"00007"}`, "number~lfd", "", `{"lfd":99999}`},
		{`{}`, "amount~betrag", "0.5", `{"betrag":"0,5 EUR"}`},
	} {
		o, err := m.Overlay(object(t, tt.before), map[string]record.Value{tt.key: record.Of(tt.value)}, nil)
		if err != nil || string(o.Bytes()) != tt.after {
			t.Errorf("%s with %q: %s, want %s (%v)", tt.before, tt.value, o.Bytes(), tt.after, err)
		}
	}
}

// What an expression does not know is no empty value, and what does not lead back is not
// sent.
func TestWhatDoesNotLeadBack(t *testing.T) {
	m := parsed(t, lenses)
	v, err := m.ReadAdvo(object(t, `{"lfd":"0","betrag":"viel","aktenzeichen":{"x":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"number~lfd", "amount~betrag", "az~aktenzeichen"} {
		if v.Broken[key] == nil || !v.Values[key].IsAbsent() || strings.Contains(v.Broken[key].Error(), "viel") {
			t.Errorf("%s: %v, %v", key, v.Values[key], v.Broken[key])
		}
	}
	for key, value := range map[string]string{"number~lfd": "0", "az~aktenzeichen": "12/26-1", "amount~betrag": "1e30 x"} {
		if _, err := m.Overlay(record.Object{}, map[string]record.Value{key: record.Of(value)}, nil); err == nil || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if got := m.Respelled(object(t, `{"lfd":"0123","betrag":"5,00 EUR","aktenzeichen":"26-12"}`)); fmt.Sprint(got) != "[number~lfd amount~betrag]" {
		t.Errorf("respelled: %v", got)
	}
	if got := m.BrokenLaws(record.EspoCRM, object(t, `{"number":0,"az":"12/26"}`)); fmt.Sprint(got) != "[number~lfd]" {
		t.Errorf("EspoCRM's broken laws: %v", got)
	}
}

// TestLensLaws: whatever is written reads back as it was; whatever reads is not written
// again.
func TestLensLaws(t *testing.T) {
	m := parsed(t, lenses)
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]record.Value{}
		for key, g := range map[string]*rapid.Generator[string]{
			"az~aktenzeichen": rapid.StringMatching(`[a-z0-9/-]{0,8}`), "number~lfd": rapid.StringMatching(`-?[1-9][0-9]{0,6}`), "amount~betrag": rapid.StringMatching(`[1-9][0-9]{0,6}(\.[0-9]{0,3}[1-9])?`),
		} {
			values[key] = record.Of(g.Draw(t, key))
		}
		for key, v := range values {
			o, err := m.Overlay(record.Object{}, map[string]record.Value{key: v}, nil)
			if err != nil {
				continue // said, and nothing is written
			}
			back, err := m.ReadAdvo(o)
			if err != nil || back.Values[key] != v && !(v.IsEmpty() && back.Values[key].IsAbsent()) {
				t.Fatalf("%s: %s reads %q, want %q (%v)", key, o.Bytes(), back.Values[key].Text(), v.Text(), err)
			}
			again, err := m.Overlay(o, map[string]record.Value{key: v}, nil)
			if err != nil || string(again.Bytes()) != string(o.Bytes()) {
				t.Fatalf("%s: %s, then %s (%v)", key, o.Bytes(), again.Bytes(), err)
			}
		}
	})
}

func TestFunctions(t *testing.T) {
	for source, want := range map[string]string{
		`before("a/b/c", "/")`: "a", `before("a", "/")`: "a", `after("a/b/c", "/")`: "b/c", `after("a", "/")`: "",
		`split("a/b/c", "/")[1]`: "b", `split("a/b/c", "/")[-1]`: "c", `join(split("a, b", ", "), "+")`: "a+b", `split("a", "")[0]`: "a",
		`replace("a.b.c", ".", "")`: "abc", `replace("abc", "", "x")`: "abc", `pad("7", 3, "0")`: "007", `pad("1234", 3, "0")`: "1234", `pad(7, 3, "ä")`: "ää7",
		`trimLeft("007", "0")`: "7", `title("HANS-PETER o'neil")`: "Hans-Peter O'neil",
		`split("a", "/")[3]`: "!", `pad("7", 3, "")`: "!", `pad("7", 100000, "0")`: "!", `pad("7", "3", "0")`: "!",
	} {
		m, err := mapping.Parse("m.yaml", []byte(header+"fields:\n  - {espocrm: a, from_advoware: 'x == \"\" ? "+strings.ReplaceAll(source, "'", "''")+" : \"\"'}\n"))
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		v, err := m.ReadAdvo(object(t, `{"x":null}`))
		if got := v.Values["a~="]; err != nil || (want == "!") != (v.Broken["a~="] != nil) || want != "!" && got != record.Of(want) {
			t.Errorf("%s = %q, want %q (%v %v)", source, got.Text(), want, err, v.Broken)
		}
	}
}

func TestFormatsRefuse(t *testing.T) {
	refused(t, map[string]struct{ body, want string }{
		"one way back":       {"fields: [{espocrm: a, advoware: b, format: 'upper(value)'}]\n", "m.yaml:4: fields[0].parse: is missing: direction both needs it"},
		"one way":            {"fields: [{espocrm: a, advoware: b, parse: 'value', direction: to_advoware}]\n", "m.yaml:4: fields[0].format: is missing: direction to_advoware needs it"},
		"another name":       {"fields: [{espocrm: a, advoware: b, format: 'values', direction: to_advoware}]\n", "m.yaml:4: fields[0].format: values is not available here; value is what the other side holds (did you mean value?)"},
		"a constant":         {"fields: [{espocrm: a, advoware: b, format: '\"x\"', direction: to_advoware}]\n", "m.yaml:4: fields[0].format: does not use value, which is what the other side holds"},
		"values beside":      {"fields: [{espocrm: a, advoware: b, format: value, parse: value, values: {x: y}}]\n", "m.yaml:4: fields[0].format: a field has a values table or format and parse, not both"},
		"an index of a name": {"fields: [{espocrm: a, advoware: b, format: 'value[0]', direction: to_advoware}]\n", "m.yaml:4: fields[0].format: the expression does not compile: column 6: only names like adresse.plz reach into a nested object, and split(x, \"/\")[0] into a list"},
		"a function":         {"fields: [{espocrm: a, advoware: b, format: 'padd(value, 3, \"0\")', direction: to_advoware}]\n", "m.yaml:4: fields[0].format: the expression does not compile: column 1: unknown function padd; there are blank, trim, upper, lower, title, coalesce, before, after, trimLeft, split, join, replace, pad"},
		"a set":              {"fields: [{espocrm: a, advoware: b, type: set, format: value, parse: value}]\n", "m.yaml:4: fields[0].format: a set has no format; values is about its members"},
	})
}
