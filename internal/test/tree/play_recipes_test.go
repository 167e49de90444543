package tree

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"advosync/internal/mapping"
	"advosync/internal/sandbox"
)

// TestRecipes plays every recipe of docs/mapping-cookbook.md, each as an entity of its
// own, on two systems that hold its fields: the first pass makes what Advoware lacks and
// carries an edit there, and after that a pass writes nothing.
func TestRecipes(t *testing.T) {
	p := newPlayer(t)
	var recipes []*mapping.Mapping
	dir, lines := t.TempDir(), readPage(t, "docs/mapping-cookbook.md").lines
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < len(lines); i++ {
		first, text := i, ""
		for ; i < len(lines) && strings.HasPrefix(lines[i], "    "); i++ {
			text += lines[i][4:] + "\n"
		}
		if lines[first-1] != "" || kindOf(text) != "mapping" {
			continue
		}
		recipes = append(recipes, recipe(t, first+1, text, write))
	}
	if len(recipes) < 15 {
		t.Errorf("only %d recipes played: the test looks in the wrong place", len(recipes))
	}
	o := sandbox.WorldOptions{Seed: 1}
	o.Play(recipes...)
	w := office(t, o)
	write("advosync.yaml", w.Config(dir, "line*.yaml")+"sync: {late_write: 0s}\n")
	edited := map[string]bool{}
	for _, m := range recipes {
		edited[m.Entity()] = editPlayed(t, w, m)
	}
	first := p.pass(t, dir)
	for _, m := range recipes {
		of := func(outcome string) int64 {
			return first.Get(fmt.Sprintf(`results.#(entity==%q)#|#(outcome==%q)#|#`, m.Entity(), outcome)).Int()
		}
		if of("created_advoware") == 0 || edited[m.Entity()] && of("updated_advoware") == 0 {
			t.Errorf("%s: nothing was created, or no edit travelled: %s", m.Entity(), first.Get("results.#.entity"))
		}
	}
	if s := p.pass(t, dir).Get("summary"); s.Get("unchanged").Int() != s.Get("total").Int() {
		t.Errorf("the pass after that writes: %s", s.Raw)
	}
}

// recipe is a recipe as a mapping of its own, in a file of its own.
func recipe(t *testing.T, line int, text string, write func(name, text string)) *mapping.Mapping {
	t.Helper()
	for _, own := range []string{"entity: Akte\n", "espocrm: {type: CAkte}\n", "entity: Beteiligte\n"} {
		text = strings.ReplaceAll(text, own, "")
	}
	text = strings.ReplaceAll(completeMapping(text), "entity: Beteiligte", fmt.Sprintf("entity: Line%d", line))
	text = strings.ReplaceAll(text, "type: CBeteiligte", fmt.Sprintf("type: CLine%d", line))
	text = strings.ReplaceAll(text, "advonet/Beteiligte", fmt.Sprintf("advonet/Line%d", line))
	name := fmt.Sprintf("line%d.yaml", line)
	m, err := mapping.Parse(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	write(name, text)
	return m
}

// pass is a pass over all entities, in which nothing fails.
func (p *player) pass(t *testing.T, dir string) gjson.Result {
	t.Helper()
	cmd := exec.Command(filepath.Join(programDir, "advosync"), "cron-run", "--config", filepath.Join(dir, "advosync.yaml"), "-o", "json")
	var told bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stderr = p.env, dir, &told
	out, err := cmd.Output()
	if failed := gjson.GetBytes(out, "summary.failed").Int(); err != nil || failed > 0 {
		t.Fatalf("%v: %s%s", err, gjson.GetBytes(out, "results.#.error"), told.Bytes())
	}
	return gjson.ParseBytes(out)
}

// editPlayed is a person who copies one record's fields into another one in EspoCRM.
func editPlayed(t *testing.T, w *sandbox.World, m *mapping.Mapping) bool {
	t.Helper()
	rows := w.EspoCRM.Records(m.EspoType())
	edit := map[string]any{}
	for _, f := range m.Fields(append(m.Kinds(), "")[0]) {
		if v := rows[len(rows)-1][f.Espo]; f.Kind == "" && f.Direction == mapping.Both && !f.Reference && v != nil && v != rows[0][f.Espo] {
			edit[f.Espo] = v
		}
	}
	if len(edit) == 0 {
		return false
	}
	if err := w.EspoCRM.Put(m.EspoType(), fmt.Sprint(rows[0]["id"]), "anna", edit); err != nil {
		t.Fatal(err)
	}
	return true
}
