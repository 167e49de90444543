package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// small is a module with one package, whose tests look at Add and not at Sub.
var small = map[string]string{
	"go.mod": "module small\n\ngo 1.26\n",
	"p/p.go": `package p

func Add(a, b int) int {
	return a + b
}

func Sub(a, b int) int {
	return a - b
}
`,
	"p/p_test.go": `package p

import "testing"

func TestAdd(t *testing.T) {
	t.Run("two and three", func(t *testing.T) {
		if Add(2, 3) != 5 {
			t.Error("no")
		}
	})
}
`,
}

// TestVerdicts: only a test that fails by its own judgement catches anything.
func TestVerdicts(t *testing.T) {
	if testing.Short() {
		t.Skip("builds half a dozen small programs")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to build with")
	}
	dir := t.TempDir()
	for name, text := range small {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{root: dir, dir: t.TempDir()}
	change := func(name, from, to, tests string) mutant {
		return mutant{name: name, suites: []suite{{"p", tests}}, changes: []change{{"p/p.go", "", "\t" + from + "\n", "\t" + to + "\n"}}}
	}
	for _, tt := range []struct {
		mutant
		want string // the verdict begins so
	}{
		{change("caught", "return a + b", "return a - b", "TestAdd"), "TestAdd/two_and_three"},
		{change("survives", "return a - b", "return a + b", "TestAdd"), "SURVIVED"},
		{change("does-not-build", "return a + b", "return c", "TestAdd"), "NO VERDICT: does not build"},
		{change("panics", "return a + b", `panic("no")`, "TestAdd"), "NO VERDICT: panics"},
		{change("tests-nothing", "return a + b", "return 0", "TestSub"), "NO VERDICT: no test is called TestSub"},
		{change("does-not-apply", "return b + a", "return 0", "TestAdd"), "NO VERDICT: mutant does-not-apply: what it changes stands 0 times"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := b.try(t.Context(), tt.mutant)
			if got := v.words(); !strings.HasPrefix(got, tt.want) || v.caught() != (tt.name == "caught") {
				t.Errorf("%s\n%s", got, v.said)
			}
		})
	}
	raw, err := os.ReadFile(filepath.Join(dir, "p", "p.go"))
	if err != nil || string(raw) != small["p/p.go"] {
		t.Error("the tree was touched")
	}
	sound := verdict{mutant: mutant{name: "caught"}, pkg: "p", test: "TestAdd/two_and_three"}
	if err := b.control(t.Context(), []verdict{sound}); err != nil {
		t.Errorf("a sound test is refused: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p", "p.go"), []byte(strings.Replace(small["p/p.go"], "a + b", "a * b", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.control(t.Context(), []verdict{sound}); err == nil {
		t.Error("a test that fails without any mutant is believed")
	}
}
