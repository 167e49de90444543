package mapping

import (
	"slices"
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
		strings.Repeat("1+", 300) + "1", "a = 1", "filter(name, true)[0].x", "(name + name)[0]", "(name ?? name)[0]",
		"title(title())", "upper(-[1, 2])", "trim(name matches \"(\")", // what is wrong stands in an argument
	} {
		if _, err := compileExpression(source, false); err == nil {
			t.Errorf("%q was accepted", source)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the message has several lines: %v", source, err)
		}
	}
}

// TestNamesOfFunctionsAreNamesToo: a field may be called like a function; what is called
// is none.
func TestNamesOfFunctionsAreNamesToo(t *testing.T) {
	e, err := compileExpression(`upper(title) + adresse.plz + before(adresse.ort, "/")[0] + "s"`, false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.names, []string{"adresse.ort", "adresse.plz", "title"}) || !slices.Equal(e.literals, []any{"/", "s"}) {
		t.Errorf("reads %q, holds %q", e.names, e.literals)
	}
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct{ source, refused, fails string }{
		{source: `!blank(name)`},
		{source: `trim(name)`, refused: "expected bool, but got string"},
		{source: `1 + 1`, fails: "is neither true nor false for this record"},
		{source: `missing`, fails: "is neither true nor false for this record"},
		{source: `name > 3`, fails: errEvaluation.Error()},
	} {
		e, err := compileExpression(tt.source, true)
		if tt.refused != "" {
			if err == nil || err.Error() != tt.refused {
				t.Errorf("%s: %v", tt.source, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tt.source, err)
		}
		holds, err := e.holds(map[string]any{"name": "x"})
		if failed := err != nil; holds == failed || failed && err.Error() != tt.fails || !failed && tt.fails != "" {
			t.Errorf("%s: %v %v", tt.source, holds, err)
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
