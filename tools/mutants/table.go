package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// results is the page that shows the results, from the module's root.
const results = "docs/design/mutants.md"

// The table stands between these lines.
const (
	tableBegin = "<!-- mutants: written by go run ./tools/mutants -update -->\n"
	tableEnd   = "<!-- end of mutants -->\n"
)

// writeTable puts the results into the page. Mutants that were not run keep
// their line; one that was never caught has none.
func writeTable(root string, all []mutant, verdicts []verdict) error {
	name := filepath.Join(root, filepath.FromSlash(results))
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, old, after, err := cutTable(string(raw))
	if err != nil {
		return err
	}
	by := caughtBy(old)
	for _, v := range verdicts {
		if by[v.name] = v.test; !v.caught() {
			delete(by, v.name)
		}
	}
	return os.WriteFile(name, []byte(before+table(all, by)+after), 0o644)
}

// cutTable finds the table in the page.
func cutTable(page string) (before, inner, after string, err error) {
	before, rest, begins := strings.Cut(page, tableBegin)
	inner, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return "", "", "", fmt.Errorf("%s has no place for the table", results)
	}
	return before + tableBegin, inner, tableEnd + after, nil
}

// table is the Markdown of the mutants that were caught.
func table(all []mutant, by map[string]string) string {
	var b strings.Builder
	b.WriteString("| mutant | what it breaks | rule | caught by |\n| --- | --- | --- | --- |\n")
	for _, m := range all {
		if by[m.name] != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", m.name, m.breaks, m.rule, by[m.name])
		}
	}
	return b.String()
}

// caughtBy reads a table back: which test caught which mutant.
func caughtBy(table string) map[string]string {
	by := map[string]string{}
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, " | "); len(cells) == 4 && strings.HasPrefix(line, "| ") {
			by[cells[0][2:]] = strings.Trim(cells[3], "`| \n")
		}
	}
	delete(by, "mutant")
	delete(by, "---")
	return by
}
