package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// odd is an object with everything that must survive: white space, numbers that
// no float holds, escapes, unknown keys, names that look like operators.
const odd = "{ \"b\" : 9007199254740993,\t\"price\":19.90, \"e\":1.0E+400, \"neg\":-0.0,\n \"a\": {\"z\": [1, {\"x\":2},\"<&>\"], \"y\":null },\n" +
	" \"a.z\":1, \"*\":222, \":c\":3, \"0\":4, \"f\\u00fc\\/r\":5, \"#\":6, \"@this\":7, \"\":8, \"a|b\":9, \"l\":[10,[11]], \"t\":\"text\", \"k\\\"q\":12, \"emoji\":\"👩‍⚖️\" }"

func object(t testing.TB, s string) Object {
	t.Helper()
	o, err := ParseObject([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestGet(t *testing.T) {
	o := object(t, odd)
	for _, c := range []struct {
		name, want string
		there      bool
	}{
		{"b", "9007199254740993", true},
		{"price", "19.90", true},
		{"e", "1.0E+400", true},
		{"neg", "-0.0", true},
		{"a.z", `[1, {"x":2},"<&>"]`, true}, // a dot reaches into an object; the member of that name is not meant
		{"a.y", "null", true},
		{"a.y.deeper.still", "null", true}, // a member of null is null
		{"*", "222", true},
		{":c", "3", true},
		{"0", "4", true},
		{"für", "", false}, // the name is "fü/r"
		{"fü/r", "5", true},
		{"#", "6", true},
		{"@this", "7", true},
		{"", "8", true},
		{"a|b", "9", true},
		{`k"q`, "12", true},
		{"emoji", `"👩‍⚖️"`, true},
		{"l", "[10,[11]]", true},
		{"l.0", "", false}, // an array has no members
		{"l.#", "", false},
		{"t.x", "", false}, // nor has a text
		{"b.x", "", false},
		{"A", "", false}, // names are exact
		{"pri*", "", false},
		{"missing", "", false},
		{"a.missing", "", false},
		{"missing.x", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := o.Get(c.name)
			if ok != c.there || string(got) != c.want {
				t.Errorf("got %q, %v; want %q, %v", got, ok, c.want, c.there)
			}
		})
	}
	if _, ok := (Object{}).Get("a"); ok {
		t.Error("no object has a member")
	}
	if got, _ := object(t, `{"a":1,"a":2}`).Get("a"); string(got) != "1" {
		t.Errorf("of a member that stands there twice the first counts, got %s", got)
	}
}

// TestSetLeavesTheRest: the text is the old one but for the one value.
func TestSetLeavesTheRest(t *testing.T) {
	for _, c := range []struct{ name, old, put string }{
		{"b", "9007199254740993", "9007199254740995"},
		{"price", "19.90", "20.00"},
		{"e", "1.0E+400", "null"},
		{"a.y", "null", `"<&>"`},
		{"a.z", `[1, {"x":2},"<&>"]`, "[]"},
		{"*", "222", "true"},
		{":c", ":3", ":33"},
		{"0", ":4", ":44"},
		{"fü/r", ":5", `:"Müller"`},
		{"#", ":6", ":66"},
		{"@this", ":7", ":77"},
		{"", ":8", ":88"},
		{"a|b", ":9,", ":99,"},
		{`k"q`, ":12", ":1212"},
		{"t", `"text"`, `"\u0041"`},
		{"l", "[10,[11]]", "{}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := object(t, odd)
			after, err := before.Set(c.name, json.RawMessage(strings.Trim(c.put, ":,")))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(odd, c.old, c.put, 1); string(after.Bytes()) != want {
				t.Errorf("\n got %s\nwant %s", after.Bytes(), want)
			}
			if string(before.Bytes()) != odd {
				t.Error("the object itself was changed")
			}
		})
	}
}

func TestSetAdds(t *testing.T) {
	for _, c := range []struct{ from, name, want string }{
		{`{}`, "a", `{"a":1}`},
		{"{ \n}", "a", "{\"a\":1 \n}"},
		{"{\"x\": 2 \n}", "a", "{\"x\": 2,\"a\":1 \n}"},
		{`{}`, "a.b.c", `{"a":{"b":{"c":1}}}`},
		{`{"a":null,"z":2}`, "a.b", `{"a":{"b":1},"z":2}`},
		{`{"a":{"b":null}}`, "a.b.c.d", `{"a":{"b":{"c":{"d":1}}}}`},
		{`{"a":{}}`, "a.b", `{"a":{"b":1}}`},
		{`{"a":{"x":[]}}`, "a.b", `{"a":{"x":[],"b":1}}`},
		{`{}`, "a.0", `{"a":{"0":1}}`}, // a digit makes no array
		{`{"a":{}}`, "a.-1", `{"a":{"-1":1}}`},
		{`{}`, ":a", `{":a":1}`}, // a colon belongs to the name
		{`{"ab":2}`, "a*", `{"ab":2,"a*":1}`},
		{`{}`, `q"\` + "\n", `{"q\"\\\n":1}`},
		{`{}`, "<ü>", `{"<ü>":1}`},
		{`{"a.b":2}`, "a.b", `{"a.b":2,"a":{"b":1}}`},
	} {
		t.Run(c.from+" "+c.name, func(t *testing.T) {
			got, err := object(t, c.from).Set(c.name, json.RawMessage("1"))
			if err != nil || string(got.Bytes()) != c.want {
				t.Errorf("got %s, %v; want %s", got.Bytes(), err, c.want)
			}
		})
	}
	if got, err := (Object{}).Set("a", json.RawMessage("1")); err != nil || string(got.Bytes()) != `{"a":1}` {
		t.Errorf("from no object: %s, %v", got.Bytes(), err)
	}
}

// TestSetRefuses: nothing but the named member is ever replaced.
func TestSetRefuses(t *testing.T) {
	for _, c := range []struct{ from, name string }{
		{`{"a":"text"}`, "a.b"}, {`{"a":5}`, "a.b"}, {`{"a":false}`, "a.b"},
		{`{"a":[1,2]}`, "a.0"}, {`{"a":[1,2]}`, "a.b"}, {`{"a":[{"b":1}]}`, "a.0.b"}, {`{"a":[]}`, "a.-1"},
	} {
		if got, err := object(t, c.from).Set(c.name, json.RawMessage("1")); !errors.Is(err, ErrNotObject) || !got.IsZero() {
			t.Errorf("%s in %s: %s, %v", c.name, c.from, got.Bytes(), err)
		}
	}
	for _, raw := range []string{"", "}", "1,\"x\":2", "nil", "'a'"} {
		if got, err := object(t, `{}`).Set("a", json.RawMessage(raw)); err == nil {
			t.Errorf("%q was taken for a value: %s", raw, got.Bytes())
		}
	}
}

func TestParseObject(t *testing.T) {
	for _, s := range []string{"", " ", "null", "1", `"a"`, "[]", `[{"a":1}]`, `{"a":}`, `{"a":1`, `{"a":1} x`, "<html>"} {
		if o, err := ParseObject([]byte(s)); !errors.Is(err, ErrNotObject) || !o.IsZero() {
			t.Errorf("%q: %v", s, err)
		}
	}
	b := []byte(" {\"a\":1}\r\n")
	o, err := ParseObject(b)
	if err != nil {
		t.Fatal(err)
	}
	b[2] = 'x'
	if string(o.Bytes()) != `{"a":1}` {
		t.Errorf("%s", o.Bytes())
	}
}

func TestNewObject(t *testing.T) {
	o, err := NewObject(map[string]any{"a": "<&>", "n": nil})
	if err != nil || string(o.Bytes()) != `{"a":"<&>","n":null}` {
		t.Errorf("%s, %v", o.Bytes(), err)
	}
	if _, err := NewObject([]int{1}); !errors.Is(err, ErrNotObject) {
		t.Errorf("an array: %v", err)
	}
	if _, err := NewObject(func() {}); err == nil {
		t.Error("a function became an object")
	}
}

func TestTextAndInt(t *testing.T) {
	o := object(t, `{"s":"M\u00fcller","e":"","n":null,"i":9223372036854775807,"big":9223372036854775808,"f":1.5,"x":1e2,"b":true,"o":{"i":-3}}`)
	for name, want := range map[string]string{"s": "Müller", "e": ""} {
		if got, ok := o.Text(name); !ok || got != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for _, name := range []string{"n", "i", "b", "o", "missing"} {
		if _, ok := o.Text(name); ok {
			t.Errorf("%s is no text", name)
		}
	}
	for name, want := range map[string]int64{"i": 9223372036854775807, "o.i": -3} {
		if got, ok := o.Int(name); !ok || got != want {
			t.Errorf("%s: %d, %v", name, got, ok)
		}
	}
	for _, name := range []string{"s", "n", "big", "f", "b", "o", "missing"} {
		if got, ok := o.Int(name); ok {
			t.Errorf("%s is no whole number, got %d", name, got)
		}
	}
}

func TestObjectJSON(t *testing.T) {
	type holder struct{ O, None Object }
	b, err := json.Marshal(holder{O: object(t, `{"n":19.90,"big":9007199254740993}`)})
	if err != nil || string(b) != `{"O":{"n":19.90,"big":9007199254740993},"None":null}` {
		t.Fatalf("%s, %v", b, err)
	}
	var h holder
	if err := json.Unmarshal(b, &h); err != nil || !h.None.IsZero() || string(h.O.Bytes()) != `{"n":19.90,"big":9007199254740993}` {
		t.Errorf("%s, %v", h.O.Bytes(), err)
	}
	if err := json.Unmarshal([]byte(`{"O":[1]}`), &h); err == nil {
		t.Error("an array was taken for an object")
	}
	if s := fmt.Sprint(h.O); strings.Contains(s, "19.90") || s != "(object of 34 bytes)" {
		t.Errorf("not masked: %s", s)
	}
}

func TestPatch(t *testing.T) {
	p := Patch{}
	p.Put("z", nil)
	p.Put("a", "<Müller>")
	p.Put("n", json.Number("19.90"))
	p["raw"] = json.RawMessage("9007199254740993")
	b, err := json.Marshal(p)
	if want := `{"a":"\u003cMüller\u003e","n":19.90,"raw":9007199254740993,"z":null}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("a value that is no JSON was taken")
		}
	}()
	p.Put("bad", func() {})
}

// checkSet: what was set is read again, setting it twice is setting it once,
// and no other member changes.
func checkSet(t interface{ Fatalf(string, ...any) }, o Object, name string, raw json.RawMessage) {
	after, err := o.Set(name, raw)
	if err != nil {
		if !errors.Is(err, ErrNotObject) {
			t.Fatalf("set %q: %v", name, err)
		}
		return
	}
	if !json.Valid(after.Bytes()) {
		t.Fatalf("set %q in %s: not JSON: %s", name, o.Bytes(), after.Bytes())
	}
	if got, ok := after.Get(name); !ok || string(got) != string(raw) {
		t.Fatalf("set %q to %s in %s: reads %s, %v", name, raw, o.Bytes(), got, ok)
	}
	again, err := after.Set(name, raw)
	if err != nil || string(again.Bytes()) != string(after.Bytes()) {
		t.Fatalf("set %q twice: %s, then %s, %v", name, after.Bytes(), again.Bytes(), err)
	}
	old, there := o.Get(name)
	if there {
		if back, err := after.Set(name, old); err == nil && len(after.Bytes())-len(raw) == len(o.Bytes())-len(old) && string(back.Bytes()) != string(o.Bytes()) {
			t.Fatalf("set %q and back: %s became %s", name, o.Bytes(), back.Bytes())
		}
	}
	var before, now map[string]json.RawMessage
	if json.Unmarshal(o.Bytes(), &before) != nil || json.Unmarshal(after.Bytes(), &now) != nil {
		return
	}
	top, _, _ := strings.Cut(name, ".")
	for key, v := range before {
		if key != top && string(now[key]) != string(v) {
			t.Fatalf("set %q: %q changed from %s to %s", name, key, v, now[key])
		}
	}
}

func FuzzObject(f *testing.F) {
	f.Add(odd, "a.y", `"x"`)
	f.Add(`{"a":null}`, "a.b.c", "19.90")
	f.Add(`{"a":[1,2]}`, "a.0", "null")
	f.Add(`{"\u00fc":1,"ü":2}`, "ü", "{}")
	f.Add(`{}`, ":0.*.#", "9007199254740993")
	f.Fuzz(func(t *testing.T, text, name, raw string) {
		if !utf8.ValidString(name) || !utf8.ValidString(text) || raw != strings.TrimSpace(raw) || !json.Valid([]byte(raw)) {
			return
		}
		o, err := ParseObject([]byte(text))
		if err != nil {
			return
		}
		checkSet(t, o, name, json.RawMessage(raw))
	})
}

func TestSetProperties(t *testing.T) {
	names := rapid.StringMatching(`[ab0.:*#@|\\"ü-]{0,6}`)
	values := rapid.SampledFrom([]string{"1", "19.90", "null", `"x"`, `{"a":{"b":1}}`, `[1,{"a":2}]`, "{}", "9007199254740993"})
	rapid.Check(t, func(t *rapid.T) {
		o := Object{}
		for range rapid.IntRange(0, 6).Draw(t, "members") {
			if next, err := o.Set(names.Draw(t, "member"), json.RawMessage(values.Draw(t, "value"))); err == nil {
				o = next
			}
		}
		checkSet(t, o, names.Draw(t, "name"), json.RawMessage(values.Draw(t, "raw")))
	})
}
