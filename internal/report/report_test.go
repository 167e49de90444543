package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"advosync/internal/record"
	"advosync/internal/result"
)

var hostile = []string{"\x1b", "\x07", "\x00", "\x7f", "\u0085", "\u009b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\xff", "\t", "\r", "\r\n", "\n",
	"=1+1", "+49 511", "-5", "@x", "é", "e\u0301", "\u0301", "日本", "👨‍👩‍👧", "🇩🇪", "❤️", "תל", "دم", " ", "wort", "ein-längeres-wort-ohne-platz"}

func anyText(t *rapid.T, label string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(hostile), 0, 40).Draw(t, label), "")
}

func anyDoc(t *rapid.T) result.Document {
	value := func(label string) *string {
		if rapid.Bool().Draw(t, label+"?") {
			return nil
		}
		s := anyText(t, label)
		return &s
	}
	var doc result.Document
	for range rapid.IntRange(0, 3).Draw(t, "records") {
		r := result.Record{Entity: "E" + anyText(t, "entity"), ID: anyText(t, "id"), Status: anyText(t, "status"),
			Verdict: result.Conflict, Outcome: result.Planned, Planned: result.Merged,
			Reason: result.Reason{Code: "c", Text: anyText(t, "reason")}, RowID: result.RowID{Stored: anyText(t, "row"), Current: "x"},
			Timestamps: result.Timestamps{ModifiedAt: anyText(t, "at")}, Warnings: []string{anyText(t, "warning")},
			Error: &result.Error{Message: anyText(t, "message"), Hint: anyText(t, "hint")}}
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			r.Fields = append(r.Fields, result.Field{Espocrm: "f" + anyText(t, "name"), Advoware: anyText(t, "name2"),
				Changed: rapid.SampledFrom([]string{"espocrm", "advoware", "both", ""}).Draw(t, "changed"),
				Target:  rapid.SampledFrom([]record.Side{record.EspoCRM, record.Advoware, ""}).Draw(t, "target"),
				Values:  &result.Values{Espocrm: value("e"), Base: value("b"), Advoware: value("a")}})
		}
		doc.Results = append(doc.Results, r)
	}
	return doc
}

// Whatever the data holds: no line is wider than the page, and nothing that a
// terminal would act on comes through.
func TestTablesAreHarmlessAndFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDoc(t)
		width := rapid.SampledFrom([]int{60, 80, 100, 140, 200}).Draw(t, "width")
		for _, v := range []View{Diff, Check, Sync} {
			for _, rich := range []bool{true, false} {
				var b bytes.Buffer
				o := Options{Format: Table, View: v, Rich: rich, Width: width, UTF8: rapid.Bool().Draw(t, "utf8")}
				if err := Document(&b, doc, o); err != nil {
					t.Fatal(err)
				}
				for _, l := range strings.Split(b.String(), "\n") {
					for _, r := range strings.ReplaceAll(l, "\u200e", "") {
						if hidden(r) && !(r == '\t' && !rich) {
							t.Fatalf("%U in %q", r, l)
						}
					}
					if w := lipgloss.Width(l); rich && w > width {
						t.Fatalf("%s: %d columns on a page of %d: %q", v, w, width, l)
					}
				}
			}
		}
	})
}

// JSON and YAML hold the same document, and neither holds a raw control
// character.
func TestYAMLIsTheJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDoc(t)
		var j, y bytes.Buffer
		if err := Document(&j, doc, Options{Format: JSON}); err != nil {
			t.Fatal(err)
		}
		if err := Document(&y, doc, Options{Format: YAML}); err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromYAML any
		if err := json.Unmarshal(j.Bytes(), &fromJSON); err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := yaml.Unmarshal(y.Bytes(), &tree); err != nil {
			t.Fatalf("%v\n%s", err, y.String())
		}
		back, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(back, &fromYAML); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fromJSON, fromYAML) {
			t.Fatalf("differ:\n%s\n%s", j.String(), y.String())
		}
		for _, r := range j.String() + y.String() {
			if hidden(r) && r != '\n' {
				t.Fatalf("%U comes through", r)
			}
		}
	})
}

// A value keeps its bytes on the way through JSON.
func TestJSONKeepsValues(t *testing.T) {
	s := "a\x1b[31m\u202e\u0085\r\nb\t\"\\"
	var b bytes.Buffer
	doc := result.Document{Results: []result.Record{{ID: s}}}
	if err := Document(&b, doc, Options{Format: JSON}); err != nil {
		t.Fatal(err)
	}
	var back result.Document
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Results[0].ID != s {
		t.Errorf("got %q, want %q", back.Results[0].ID, s)
	}
	if !strings.HasSuffix(b.String(), "}\n") || !strings.Contains(b.String(), `"fields": []`) {
		t.Errorf("got %s", b.String())
	}
}

func TestCSVIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDoc(t)
		for _, v := range []View{Diff, Check} {
			var b bytes.Buffer
			if err := Document(&b, doc, Options{Format: CSV, View: v}); err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(&b).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				for _, c := range row {
					if c != "" && strings.ContainsAny(c[:1], "=+-@\t\r\n") {
						t.Fatalf("a spreadsheet would calculate %q", c)
					}
					for _, r := range c {
						if hidden(r) && r != '\n' {
							t.Fatalf("%U in %q", r, c)
						}
					}
				}
			}
		}
	})
}

func TestCSVCell(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "=1+1": "'=1+1", "+49 511": "'+49 511", "-5": "'-5", "@x": "'@x", "a=b": "a=b", "\tx": "␉x",
		"a\r\nb": "a\nb", "\n=x": "'\n=x", "＝1": "'＝1",
	} {
		if got := csvCell(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestWrapLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := visible(anyText(t, "s"), true)
		width := rapid.IntRange(2, 30).Draw(t, "width")
		lines := wrap(s, width)
		if got, want := strings.ReplaceAll(strings.Join(lines, ""), " ", ""), strings.ReplaceAll(s, " ", ""); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		for _, l := range lines {
			if lipgloss.Width(l) > width {
				t.Fatalf("%q is wider than %d", l, width)
			}
		}
	})
}

// A difference at the end of a long text is among the lines that are shown.
func TestLongTextShowsItsDifference(t *testing.T) {
	var b bytes.Buffer
	if err := Document(&b, mergeDoc(), Options{Format: Table, View: Diff, Rich: true, Width: 80, UTF8: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "Neu: bitte mailen.") {
		t.Errorf("the difference is not shown:\n%s", b.String())
	}
}

func TestManyLinesAreBounded(t *testing.T) {
	doc := conflictDoc()
	doc.Results[0].Fields[0].Values.Espocrm = str(strings.Repeat("eine Zeile\n", 30))
	var b bytes.Buffer
	if err := Document(&b, doc, Options{Format: Table, View: Diff, Rich: true, Width: 80, UTF8: true}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "eine Zeile↵"); n != maxLines-1 || !strings.Contains(b.String(), "… +24 lines") {
		t.Errorf("%d lines shown:\n%s", n, b.String())
	}
	b.Reset()
	if err := Document(&b, doc, Options{Format: Table, View: Diff}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `eine Zeile\n`); n != 30 {
		t.Errorf("a pipe gets %d of 30 lines", n)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsAreReturned(t *testing.T) {
	for _, f := range Formats() {
		for _, v := range []View{Sync, Check, Diff} {
			for _, rich := range []bool{true, false} {
				if err := Document(brokenWriter{}, conflictDoc(), Options{Format: Format(f), View: v, Rich: rich, Width: 80}); !errors.Is(err, errBroken) {
					t.Errorf("%s %s rich=%v: %v", f, v, rich, err)
				}
			}
		}
	}
}

func TestParseFormat(t *testing.T) {
	if f, err := ParseFormat("yaml"); err != nil || f != YAML {
		t.Errorf("got %v, %v", f, err)
	}
	if _, err := ParseFormat("XML"); err == nil || !strings.Contains(err.Error(), "table, json, yaml, csv") {
		t.Errorf("got %v", err)
	}
}

func TestRowIDWords(t *testing.T) {
	for want, r := range map[string]result.RowID{
		"none": {}, "equal": {Stored: "a", Current: "a"}, "moved": {Stored: "a", Current: "b"}, "not stored": {Current: "a"}, "not read": {Stored: "a"},
	} {
		if got, _ := rowIDWords(result.Record{RowID: r}); got != want {
			t.Errorf("%+v: %s, want %s", r, got, want)
		}
	}
	if got, _ := rowIDWords(result.Record{Verdict: result.MissingInAdvoware, RowID: result.RowID{Stored: "a"}}); got != "gone" {
		t.Errorf("a record that Advoware does not have: %s", got)
	}
}

func TestNewerWords(t *testing.T) {
	for want, ts := range map[string]result.Timestamps{
		"never synced":    {ModifiedAt: "2026-01-02T00:00:00Z"},
		"the same second": {ModifiedAt: "2026-01-02T00:00:00Z", LastSync: "2026-01-02T00:00:00Z"},
		"saved in EspoCRM 59 s after the last sync":      {ModifiedAt: "2026-01-02T00:00:59Z", LastSync: "2026-01-02T00:00:00Z"},
		"saved in EspoCRM 2 h 5 min after the last sync": {ModifiedAt: "2026-01-02T02:05:00Z", LastSync: "2026-01-02T00:00:00Z"},
		"not saved in EspoCRM since the last sync":       {ModifiedAt: "2026-01-01T00:00:00Z", LastSync: "2026-01-02T00:00:00Z"},
		"last saved by advosync itself":                  {ModifiedAt: "2026-01-02T02:05:00Z", LastSync: "2026-01-02T00:00:00Z", ByUs: true},
		"":                                               {ModifiedAt: "nonsense", LastSync: "2026-01-02T00:00:00Z"},
	} {
		if got := newerWords(ts); got != want {
			t.Errorf("%+v: %q, want %q", ts, got, want)
		}
	}
}

// TestAnOutageIsSaidOnce (first week, 23): records that met nothing but the failure
// that ended the command get no line of their own.
func TestAnOutageIsSaidOnce(t *testing.T) {
	down := &result.Error{Code: "unreachable", Message: "read: Advoware: no connection", Owner: "system"}
	doc := result.Document{Run: result.Run{Command: "check"}, Error: down, Results: []result.Record{
		{ID: "a1", Verdict: result.NoChange, Outcome: result.Unchanged},
		{ID: "b2", Outcome: result.Failed, Error: down},
		{ID: "c3", Outcome: result.Failed, Error: down},
		{ID: "d4", Outcome: result.Failed, Error: &result.Error{Code: "mapping", Message: "its own", Owner: "record"}},
		{ID: "e5", Outcome: result.Skipped, Reason: result.Reason{Code: "not_begun", Text: "not begun: " + down.Message}},
	}}
	var b strings.Builder
	if err := Document(&b, doc, Options{View: Check, Rich: true, Width: 80, UTF8: true}); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{"a1", "d4", "its own", "✗ 3 records were not reached", "5 records: "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	for _, not := range []string{"b2", "c3", "e5", "no connection"} {
		if strings.Contains(out, not) {
			t.Errorf("%q is said in\n%s", not, out)
		}
	}
}

// TestNothingIsSaidInTheCommandsWords: an empty result says what there is none
// of.
func TestNothingIsSaidInTheCommandsWords(t *testing.T) {
	for command, want := range map[string]string{"resolve": "No conflict waits", "reset": "nothing to reset", "diff": "No differences", "check": "No records to check"} {
		view := Diff
		if command == "check" {
			view = Check
		}
		var b strings.Builder
		if err := Document(&b, result.Document{Run: result.Run{Command: command}}, Options{View: view, Rich: true, Width: 80}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: %q", command, b.String())
		}
	}
}

func TestQuietFindings(t *testing.T) {
	f := result.Findings{Findings: []result.Finding{{Check: "store", Result: result.FindingOK, Message: "fine"}, {Check: "clock", Result: result.FindingWarn, Message: "late"}}}
	var b strings.Builder
	if err := Findings(&b, f, Options{Rich: true, Width: 80, Quiet: true}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "fine") || !strings.Contains(s, "late") || !strings.Contains(s, "1 ok, 1 warning") {
		t.Errorf("%s", s)
	}
}

// TestCommandsAreCopiedWhole: no line of a command is wider than the page, and
// joined at the backslashes it is the command again.
func TestCommandsAreCopiedWhole(t *testing.T) {
	past := pastDoc().Results[0].Overwritten[0]
	command := result.UndoCommand("Beteiligte", runID(past.Run), "6b04e8a1c2d3f4a5b")
	for _, width := range []int{60, 80, 140} {
		var b strings.Builder
		if err := Document(&b, pastDoc(), Options{View: Diff, Rich: true, Width: width, UTF8: true}); err != nil {
			t.Fatal(err)
		}
		joined := strings.Join(strings.Fields(strings.ReplaceAll(b.String(), "\\\n", " ")), " ")
		if !strings.Contains(joined, command) {
			t.Errorf("%d columns: the command is not there:\n%s", width, b.String())
		}
		for _, l := range strings.Split(b.String(), "\n") {
			if lipgloss.Width(l) > width {
				t.Errorf("%d columns: %q", width, l)
			}
		}
	}
}

func TestOwnWords(t *testing.T) {
	r := result.Record{ID: "6b04", AdvowareID: num(7)}
	for message, want := range map[string]string{
		"update Beteiligte/7: Advoware: E-Mail ungültig":       "update: Advoware: E-Mail ungültig",
		"read CBeteiligte/6b04: EspoCRM: not found":            "read: EspoCRM: not found",
		"read Beteiligte 6b04: Advoware: Not found":            "read: Advoware: Not found",
		"update Beteiligte/77: Advoware: another record":       "update Beteiligte/77: Advoware: another record",
		"list Beteiligte: Advoware: down":                      "list Beteiligte: Advoware: down",
		"the id holds characters that no EspoCRM id has: 6b04": "the id holds characters that no EspoCRM id has: 6b04",
	} {
		if got := ownWords(r, message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

// TestSharedHintsAreSaidOnce, and those of single records with their names.
func TestSharedHintsAreSaidOnce(t *testing.T) {
	bad := func(id, hint string) result.Record {
		return result.Record{Entity: "Beteiligte", ID: id, Outcome: result.Failed, Error: &result.Error{Code: "forbidden", Message: "no", Hint: hint, Owner: "record"}}
	}
	doc := result.Document{Results: []result.Record{bad("a1", "check the role"), bad("a2", "look at a2"), bad("a3", "check the role"), bad("a4", "check the role")}}
	var b strings.Builder
	if err := Document(&b, doc, Options{View: Sync, Rich: true, Width: 80}); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Count(s, "check the role") != 1 || !strings.Contains(s, "a1 and 2 more: check the role") || !strings.Contains(s, "a2: look at a2") {
		t.Errorf("%s", s)
	}
}
