package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

func read(file string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	return strings.ReplaceAll(string(raw), "\r\n", "\n"), err
}

func all(t *testing.T) []mutant {
	t.Helper()
	ms, err := mutants()
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// TestMutantsApply: every mutant still finds what it changes, changes it, and
// leaves Go.
func TestMutantsApply(t *testing.T) {
	for _, m := range all(t) {
		files, err := m.apply(read)
		if err != nil {
			t.Error(err)
		}
		for file, broken := range files {
			sound, err := read(file)
			if err != nil || broken == sound {
				t.Errorf("mutant %s changes nothing in %s: %v", m.name, file, err)
			}
			if strings.HasSuffix(file, "_test.go") {
				t.Errorf("mutant %s changes a test", m.name)
			}
			if _, err := parser.ParseFile(token.NewFileSet(), file, broken, 0); err != nil {
				t.Errorf("mutant %s: %v", m.name, err)
			}
		}
	}
}

// most is how many mutants a file may have: those of its rules, not one a line.
const most = 12

// TestFewMutantsAFile: mutants are chosen by what they break.
func TestFewMutantsAFile(t *testing.T) {
	of := map[string]int{}
	for _, m := range all(t) {
		for _, c := range m.changes {
			if of[c.file]++; of[c.file] == most+1 {
				t.Errorf("%s has more than %d mutants: which of them break the same rule?", c.file, most)
			}
		}
	}
}

// TestRules: each mutant names a heading of the documentation, and each section of the
// protocol has one that breaks it.
func TestRules(t *testing.T) {
	headings := func(page string) map[string]bool {
		text, err := read("docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, h := range regexp.MustCompile(`(?m)^#{1,3} (.+)$`).FindAllStringSubmatch(text, -1) {
			out[h[1]] = true
		}
		return out
	}
	const protocol = "design/protocol"
	unbroken := headings(protocol)
	for _, m := range all(t) {
		page, heading, _ := strings.Cut(m.rule, ": ")
		if !headings(page)[heading] {
			t.Errorf("mutant %s: docs/%s.md has no heading %q", m.name, page, heading)
		}
		if page == protocol {
			delete(unbroken, heading)
		}
	}
	delete(unbroken, "What no rule can tell")
	delete(unbroken, "The explorer")
	for heading := range unbroken {
		t.Errorf("no mutant breaks docs/%s.md, %q", protocol, heading)
	}
}

// TestSuitesExist: every suite names a package and a test in it.
func TestSuitesExist(t *testing.T) {
	for _, m := range all(t) {
		for _, s := range m.suites {
			tests := testsOf(t, s.pkg)
			for _, pattern := range strings.Split(s.tests, "|") {
				top, _, _ := strings.Cut(pattern, "/")
				if !regexp.MustCompile(`(?m)` + top).MatchString(tests) {
					t.Errorf("mutant %s: %s has no test %s", m.name, s.pkg, pattern)
				}
			}
		}
	}
}

// testsOf is the names of a package's tests, one a line.
func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no tests: %v", pkg, err)
	}
	var names strings.Builder
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllStringSubmatch(string(raw), -1) {
			names.WriteString(f[1] + "\n")
		}
	}
	return names.String()
}

// TestTable: the page shows exactly the mutants that there are, each with a
// test that there is in one of its suites' packages.
func TestTable(t *testing.T) {
	page, err := read(results)
	if err != nil {
		t.Fatal(err)
	}
	_, inner, _, err := cutTable(page)
	if err != nil {
		t.Fatal(err)
	}
	by, ms := caughtBy(inner), all(t)
	if inner != table(ms, by) || len(by) != len(ms) {
		t.Errorf("the table in %s is not that of mutants.txt (%d rows, %d mutants): go run ./tools/mutants -update", results, len(by), len(ms))
	}
	for _, m := range ms {
		top, _, _ := strings.Cut(by[m.name], "/")
		var tests string
		for _, s := range m.suites {
			tests += testsOf(t, s.pkg)
		}
		if !strings.Contains("\n"+tests, "\n"+top+"\n") {
			t.Errorf("mutant %s is said to be caught by %s, which is no test of its suites", m.name, top)
		}
	}
}

// TestParseRefuses: a list that cannot be meant is refused.
func TestParseRefuses(t *testing.T) {
	const sound = "mutant a\nbreaks b\nrule r\nsuite p T\nfile f\n-x\n"
	for name, text := range map[string]string{
		"a header before the first": "breaks b\n" + sound,
		"a change without file":     "mutant a\n-x\n",
		"an unknown word":           sound + "tests T\n",
		"the same name twice":       sound + sound,
		"no change":                 "mutant a\nbreaks b\nrule r\nsuite p T\n",
		"no suite":                  "mutant a\nbreaks b\nrule r\nfile f\n-x\n",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
	if ms, err := parse(sound); err != nil || len(ms) != 1 {
		t.Errorf("%+v %v", ms, err)
	}
}

// TestApply: one occurrence, whole lines.
func TestApply(t *testing.T) {
	ms, err := parse("mutant a\nbreaks b\nrule r\nsuite p T\nfile f\n one\n-two\n+zwei\n\n three\n")
	if err != nil {
		t.Fatal(err)
	}
	apply := func(text string) (string, error) {
		files, err := ms[0].apply(func(string) (string, error) { return text, nil })
		return files["f"], err
	}
	if got, err := apply("zero\none\ntwo\n\nthree\n"); err != nil || got != "zero\none\nzwei\n\nthree\n" {
		t.Errorf("%q %v", got, err)
	}
	ms[0].changes[0].function = "T.b"
	const two = "package p\nfunc a() {\none\ntwo\n\nthree\n}\nfunc (t *T) b() {\none\ntwo\n\nthree\n}\n"
	if got, err := apply(two); err != nil || got != strings.Replace(two, "b() {\none\ntwo", "b() {\none\nzwei", 1) {
		t.Errorf("%q %v", got, err)
	}
	ms[0].changes[0].function = "c"
	if got, err := apply(two); err == nil {
		t.Errorf("a function that is not there: %q", got)
	}
	ms[0].changes[0].function = ""
	for _, text := range []string{"", "one\ntwo\n", "someone\ntwo\n\nthree\n", "one\ntwo\n\nthree\none\ntwo\n\nthree\n"} {
		if got, err := apply(text); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
}
