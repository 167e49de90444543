package main

import (
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// source is the list of mutants. Each begins with four headers:
//
//	mutant NAME
//	breaks WHAT IT BREAKS
//	rule   PAGE: HEADING        (of docs; where the rule stands)
//	suite  PACKAGE TESTS        (may be repeated; tried in this order)
//
// and goes on with its changes: "file PATH" and "func NAME" (TYPE.NAME for a method),
// then lines as in a diff, with " " for what stays, "-" for what goes and "+" for what
// comes. What stays and what goes has to stand in that function exactly once; without
// one, in the file. "#" begins a comment.
//
//go:embed mutants.txt
var source string

// mutant is one rule taken back.
type mutant struct {
	name, breaks, rule string
	suites             []suite
	changes            []change
}

// suite are the tests of one package that ought to catch it.
type suite struct{ pkg, tests string }

// change is one replacement in one file.
type change struct {
	file     string // from the module's root, with slashes
	function string // "": anywhere in the file
	from, to string // whole lines
}

// mutants reads the list.
func mutants() ([]mutant, error) { return parse(source) }

func parse(text string) (ms []mutant, err error) {
	blanks := 0 // empty lines that may belong to a change
	for i, line := range strings.Split(text, "\n") {
		fail := func(what string) error { return fmt.Errorf("mutants.txt:%d: %s", i+1, what) }
		if line == "" {
			blanks++
			continue
		}
		var m *mutant
		if len(ms) > 0 {
			m = &ms[len(ms)-1]
		}
		if strings.ContainsRune(" -+", rune(line[0])) {
			if m == nil || len(m.changes) == 0 {
				return nil, fail("a change without its file")
			}
			m.changes[len(m.changes)-1].add(line, blanks)
			blanks = 0
			continue
		}
		blanks = 0
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch {
		case key == "#":
		case key == "mutant":
			ms = append(ms, mutant{name: value})
		case m == nil:
			return nil, fail("before the first mutant")
		case !m.header(key, value):
			return nil, fail("unknown word " + key)
		}
	}
	return ms, complete(ms)
}

// header takes one header; false: there is no such word here.
func (m *mutant) header(key, value string) bool {
	switch key {
	case "breaks":
		m.breaks = value
	case "rule":
		m.rule = value
	case "suite":
		pkg, tests, _ := strings.Cut(value, " ")
		m.suites = append(m.suites, suite{pkg, strings.TrimSpace(tests)})
	case "file":
		m.changes = append(m.changes, change{file: value})
	case "func":
		if len(m.changes) == 0 {
			return false
		}
		m.changes[len(m.changes)-1].function = value
	default:
		return false
	}
	return true
}

// complete refuses a mutant that says too little, or twice the same name.
func complete(ms []mutant) error {
	seen := map[string]bool{}
	for _, m := range ms {
		if seen[m.name] || m.name == "" || m.breaks == "" || m.rule == "" || len(m.suites) == 0 || len(m.changes) == 0 {
			return fmt.Errorf("mutants.txt: mutant %q: a name of its own, breaks, rule, suite and file have to be there", m.name)
		}
		seen[m.name] = true
	}
	return nil
}

// add takes one line of a diff, after so many empty ones.
func (c *change) add(line string, blanks int) {
	if c.from+c.to != "" {
		empty := strings.Repeat("\n", blanks)
		c.from, c.to = c.from+empty, c.to+empty
	}
	if line[0] != '+' {
		c.from += line[1:] + "\n"
	}
	if line[0] != '-' {
		c.to += line[1:] + "\n"
	}
}

// apply makes the mutant's files out of the sound ones.
func (m mutant) apply(read func(file string) (string, error)) (map[string]string, error) {
	out := map[string]string{}
	for _, c := range m.changes {
		text, ok := out[c.file]
		if !ok {
			var err error
			if text, err = read(c.file); err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.name, err)
			}
		}
		within, err := c.within(text)
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.name, err)
		}
		before, after, n := cut(text[within[0]:within[1]], c.from)
		if n != 1 {
			return nil, fmt.Errorf("mutant %s: what it changes stands %d times in %s %s, not once:\n%s", m.name, n, c.file, c.function, c.from)
		}
		out[c.file] = text[:within[0]] + before + c.to + after + text[within[1]:]
	}
	return out, nil
}

// within is where a file's function begins and ends.
func (c change) within(text string) (at [2]int, err error) {
	if c.function == "" {
		return [2]int{0, len(text)}, nil
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, c.file, text, parser.SkipObjectResolution)
	if err != nil {
		return at, err
	}
	for _, d := range tree.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && nameOf(f) == c.function {
			begin := strings.LastIndexByte(text[:files.Position(f.Pos()).Offset], '\n') + 1
			return [2]int{begin, min(files.Position(f.End()).Offset+1, len(text))}, nil
		}
	}
	return at, fmt.Errorf("%s has no function %s", c.file, c.function)
}

// nameOf is a function's name, with its receiver's type before it.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if g, ok := t.(*ast.IndexExpr); ok {
		t = g.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// cut finds whole lines in a text: what stands before and after their last
// occurrence, and how many there are.
func cut(text, lines string) (before, after string, n int) {
	for at := 0; at < len(text); at += strings.IndexByte(text[at:]+"\n", '\n') + 1 {
		if strings.HasPrefix(text[at:], lines) {
			before, after = text[:at], text[at+len(lines):]
			n++
		}
	}
	return before, after, n
}
