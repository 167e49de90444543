package mapping

import (
	"strings"
	"testing"
)

func TestExpressions(t *testing.T) {
	env := map[string]any{
		"vorname": "", "name": "Müller", "adresse.plz": "1010", "n": 3, "rate": 19.9, "b": true, "list": []any{}, "full": []any{nil},
	}
	tests := []struct {
		source string
		want   any // nil: cannot be evaluated for this record
	}{
		{`trim(vorname + " " + name)`, "Müller"},
		{`trim(missing + " " + name)`, "Müller"},
		{`upper(name) + lower("ÄÖ")`, "MÜLLERäö"},
		{`adresse.plz + " Wien"`, "1010 Wien"},
		{`adresse?.plz`, "1010"},
		{`n + 1`, 4},
		{`n + "x"`, "3x"},
		{`rate + "%"`, "19.9%"},
		{`n > 2 ? "viele" : "wenige"`, "viele"},
		{`n > 2 && !blank(name) or false`, true},
		{`blank(vorname)`, true},
		{`blank(missing)`, true},
		{`blank(list)`, true},
		{`blank(full)`, false},
		{`blank(" ")`, true},
		{`vorname == nil`, true},
		{`vorname == ""`, true},
		{`vorname ?? name`, "Müller"},
		{`coalesce(vorname, missing, name)`, "Müller"},
		{`name in ["Müller", "Meyer"]`, true},
		{`name startsWith "Mü" and name contains "ll"`, true},
		{`name matches "^M.*r$"`, true},
		{`name | upper()`, "MÜLLER"},
		{`name > 3`, nil},
		{`n % 0`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			e, err := compileExpression(tt.source, false)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.run(env)
			if (err != nil) != (tt.want == nil) || got != tt.want {
				t.Errorf("got %v %v, want %v", got, err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "Müller") {
				t.Errorf("a value is in the error: %v", err)
			}
		})
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for _, source := range []string{
		"", "name +", "let x = name; x + x", "name; name", "$env", "#", "now()", "map([1], #)", "len(name)", "repeat(name, 9)", "1..9", "name[0]", "name[vorname]",
		"name.x()", "trim()", "trim(name, 1)", "{\"a\": 1}", "name[1:2]", "name matches vorname", "name matches \"(\"", `"` + strings.Repeat("x", 2000) + `"`,
		strings.Repeat("1+", 300) + "1", "a = 1",
	} {
		if _, err := compileExpression(source, false); err == nil {
			t.Errorf("%q was accepted", source)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the message has several lines: %v", source, err)
		}
	}
}

func TestJoinedTextIsBounded(t *testing.T) {
	e, err := compileExpression("a + a", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.run(map[string]any{"a": strings.Repeat("x", maxJoined)}); err == nil {
		t.Error("a text without bound")
	}
}
