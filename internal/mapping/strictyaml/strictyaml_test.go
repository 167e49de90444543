package strictyaml_test

import (
	"strings"
	"testing"

	"advosync/internal/mapping/strictyaml"
)

func TestParse(t *testing.T) {
	root, err := strictyaml.Parse("f.yaml", []byte("# top\na: 0123\nb:\n  - x\n  - {c: true, d: '5'}\nn:\nf: 1.50\ng: |\n  two\n  lines\n"))
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) strictyaml.Node { n, _ := root.Get(name); return n }
	if a := get("a"); a.Kind != strictyaml.Scalar || a.Form != strictyaml.Int || a.Value != "0123" || a.Line != 2 || a.Column != 4 {
		t.Errorf("a: %+v", a)
	}
	if n := get("n"); n.Kind != strictyaml.Null || n.Line != 6 {
		t.Errorf("n: %+v", n)
	}
	if f := get("f"); f.Form != strictyaml.Float || f.Value != "1.50" {
		t.Errorf("f: %+v", f)
	}
	if g := get("g"); g.Form != strictyaml.Text || g.Value != "two\nlines\n" {
		t.Errorf("g: %+v", g)
	}
	b := get("b")
	if b.Kind != strictyaml.List || len(b.Items) != 2 {
		t.Fatalf("b: %+v", b)
	}
	if c, _ := b.Items[1].Get("c"); c.Form != strictyaml.Bool || c.Key != "b[1].c" {
		t.Errorf("b[1].c: %+v", c)
	}
	if d, _ := b.Items[1].Get("d"); d.Form != strictyaml.Text {
		t.Errorf("quotes make a text: %+v", d)
	}
	if empty, err := strictyaml.Parse("f.yaml", []byte("# nothing\n")); err != nil || empty.Kind != strictyaml.Null {
		t.Errorf("only a comment: %+v %v", empty, err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"large", strings.Repeat("#\n", 200<<10), "f.yaml: larger than 256 KiB"},
		{"deep brackets", "\n" + strings.Repeat("[", 100_000), "f.yaml:2: nested deeper than 64 levels"},
		{"deep lists", strings.Repeat("- ", 100_000), "f.yaml:1: nested deeper than 64 levels"},
		{"deep maps", deepMap(80), "f.yaml:66: a"},
		{"alias bomb", "a: &a [x]\nb: [*a, *a]", "f.yaml:1: a: anchors, aliases and merge keys are not read here"},
		{"merge key", "a: {<<: {b: 1}}", "f.yaml:1: a: a key must be a plain name"},
		{"tag", "a: !!binary x", "f.yaml:1: a: tags are not read here"},
		{"map as key", "? {a: b}\n: c", "f.yaml:2: not readable as YAML: found an invalid key for this map"},
		{"terminal escapes", "\"a\\e[31m\": 1\n\"a\\e[31m\": 2", "f.yaml:2: a\uFFFD[31m: this key stands here twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := strictyaml.Parse("f.yaml", []byte(tt.src))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.200v, want %s", err, tt.want)
			}
		})
	}
}

func deepMap(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String() + strings.Repeat(" ", levels) + "x"
}

func TestNearest(t *testing.T) {
	names := []string{"entity", "espocrm", "advoware", "match", "fields", "kinds", "max_retries"}
	for word, want := range map[string]string{
		"entty": "entity", "Espocrm": "espocrm", "esopcrm": "espocrm", "advware": "advoware", "maxRetries": "max_retries", "feilds": "fields",
		"": "", "xyz": "", "completely_other": "",
	} {
		if got := strictyaml.Nearest(word, names); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
