package cmd

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"
)

// jsonCmd is "[!] json FILE [PATH OP [VALUE]]": FILE (or stdout, stderr) holds
// exactly one JSON document, and the value at PATH (gjson's syntax) satisfies
// OP: = (as text), ~ (regular expression), absent. Several conditions may
// follow each other.
func jsonCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: json FILE [PATH OP [VALUE]]...")
	}
	doc := oneDocument(ts, ts.ReadFile(args[0]))
	for args = args[1:]; len(args) > 0; {
		if len(args) < 2 || args[1] != "absent" && len(args) < 3 {
			ts.Fatalf("json: incomplete condition %q", args)
		}
		path, op, want := args[0], args[1], ""
		if args = args[2:]; op != "absent" {
			want, args = args[0], args[1:]
		}
		got := gjson.Get(doc, path)
		if holds(ts, got, op, want) == neg {
			ts.Fatalf("%s is %s, want %s%s %q", path, got.Raw, map[bool]string{true: "not "}[neg], op, want)
		}
	}
}

func holds(ts *testscript.TestScript, got gjson.Result, op, want string) bool {
	if op != "absent" && !got.Exists() {
		ts.Logf("there is no such path")
		return false
	}
	text := got.String()
	if got.Type == gjson.Null {
		text = "null"
	}
	switch op {
	case "absent":
		return !got.Exists()
	case "=":
		return text == want
	case "~":
		re, err := regexp.Compile(want)
		ts.Check(err)
		return re.MatchString(text)
	}
	ts.Fatalf("json: unknown operator %q", op)
	return false
}

// oneDocument refuses everything around a single JSON document.
func oneDocument(ts *testscript.TestScript, text string) string {
	dec := json.NewDecoder(strings.NewReader(text))
	var doc json.RawMessage
	if err := dec.Decode(&doc); err != nil {
		ts.Fatalf("no JSON document: %v\n%s", err, text)
	}
	if err := dec.Decode(new(json.RawMessage)); err != io.EOF {
		ts.Fatalf("more than one JSON document: %v", err)
	}
	if !strings.HasSuffix(text, "}\n") {
		ts.Fatalf("no newline at the end of the document")
	}
	return string(doc)
}
