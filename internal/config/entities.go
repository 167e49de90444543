package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"advosync/internal/files"
	"advosync/internal/mapping"
	"advosync/internal/mapping/strictyaml"
)

// entities compiles the mapping files that the globs name.
func (l *loading) entities() {
	c := l.cfg
	from := l.sources["entities"]
	dir := l.opts.Dir
	if c.File != "" {
		dir = filepath.Dir(c.File)
	}
	var named []string
	switch {
	case l.opts.Mapping != "":
		from = raw{layer: fromFlag}
		named = []string{l.inDir(l.opts.Mapping)}
	case len(c.Entities) == 0:
		const builtin = "" // no file has this name
		if l.compiled[builtin] == nil {
			l.compiled[builtin] = mapping.Builtin()
		}
		c.Mappings = []*mapping.Mapping{l.compiled[builtin]}
		return
	default:
		named = l.expand(from, dir)
	}
	seen := map[string]string{} // entity, lower case → file
	for _, file := range named {
		m := l.compile(from, file)
		if m == nil {
			continue
		}
		if other, twice := seen[strings.ToLower(m.Entity())]; twice {
			l.problems = append(l.problems, Problem{File: file, Key: "entity", Text: fmt.Sprintf("%s is the entity of %s already", m.Entity(), other)})
			continue
		}
		seen[strings.ToLower(m.Entity())] = file
		c.Mappings = append(c.Mappings, m)
		c.Warnings = append(c.Warnings, m.Warnings()...)
	}
	if l.opts.Mapping == "" {
		l.links()
	}
}

// links warns of links that lead nowhere, and puts those that are led to before
// those that lead there, so that a record finds what it names. Cycles keep their order.
func (l *loading) links() {
	c := l.cfg
	var names []string
	for _, m := range c.Mappings {
		names = append(names, m.Entity())
	}
	for _, m := range c.Mappings {
		c.Warnings = append(c.Warnings, m.LinksToNowhere(names)...)
	}
	var sorted []*mapping.Mapping
	begun := map[string]bool{}
	var visit func(m *mapping.Mapping)
	visit = func(m *mapping.Mapping) {
		if begun[m.Entity()] {
			return
		}
		begun[m.Entity()] = true
		for _, name := range m.Links() {
			if i := slices.Index(names, name); i >= 0 {
				visit(c.Mappings[i])
			}
		}
		sorted = append(sorted, m)
	}
	for _, m := range c.Mappings {
		visit(m)
	}
	c.Mappings = sorted
}

// compile reads one mapping file, once for all offices; nil: it cannot be used, and why
// is among the problems.
func (l *loading) compile(from raw, file string) *mapping.Mapping {
	m, known := l.compiled[file]
	if !known {
		m = l.compileFile(from, file)
		l.compiled[file] = m
	}
	return m
}

func (l *loading) compileFile(from raw, file string) *mapping.Mapping {
	src, opened, err := files.Read(file, maxFile)
	if err != nil {
		l.add("entities", from, "%s cannot be read: %v", file, errors.Unwrap(err))
		return nil
	}
	if !l.trust("entities", from, file, opened) {
		return nil
	}
	m, err := mapping.Parse(file, src)
	if err == nil {
		return m
	}
	var problems strictyaml.Problems
	if errors.As(err, &problems) {
		l.problems = append(l.problems, fromYAML(problems)...)
	} else {
		l.add("entities", from, "%v", err)
	}
	return nil
}

// expand is the files that the globs match, each once, in the order of the
// globs and then by name.
func (l *loading) expand(from raw, dir string) []string {
	var paths []string
	for i, pattern := range l.cfg.Entities {
		at := from
		if from.node.Kind == strictyaml.List && i < len(from.node.Items) {
			at.node = from.node.Items[i]
		}
		matches, err := filepath.Glob(l.against(literal(dir), pattern))
		if err != nil {
			l.add("entities", at, "%s is no pattern for file names", pattern)
			continue
		}
		found := false
		for _, file := range matches {
			if info, err := os.Stat(file); err == nil && info.IsDir() {
				continue
			}
			found = true
			if !slices.Contains(paths, file) {
				paths = append(paths, file)
			}
		}
		if !found {
			l.add("entities", at, "%s", unmatched(pattern, dir, l.against(dir, pattern)))
		}
	}
	return paths
}

// literal is a directory's name as a pattern that matches it alone: "[neu]" in it
// would let the files of another directory be used.
func literal(dir string) string {
	if filepath.Separator != '/' {
		return dir // no character takes a special meaning away
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// unmatched says why a pattern gave no file. Glob keeps it to itself when a
// directory cannot be read.
func unmatched(pattern, dir, path string) string {
	for at := filepath.Dir(path); ; at = filepath.Dir(at) {
		if rest, _ := strings.CutPrefix(at, dir); strings.ContainsAny(rest, "*?[") && at != filepath.Dir(at) {
			continue
		}
		if _, err := os.ReadDir(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("%s cannot be looked for: %s: %v", pattern, at, errors.Unwrap(err))
		}
		break
	}
	if !strings.ContainsAny(pattern, "*?[") {
		return fmt.Sprintf("%s is no file in %s", pattern, dir)
	}
	return fmt.Sprintf("%s matches no file in %s", pattern, dir)
}

// UnknownEntity is the answer to a name that no mapping has.
type UnknownEntity struct {
	Name  string // "" when none was given where there are several
	Known []string
}

// Error names the known ones.
func (e *UnknownEntity) Error() string {
	known := strings.Join(e.Known, ", ")
	if e.Name == "" {
		return "several entities are configured, name one with --entity: " + known
	}
	text := fmt.Sprintf("unknown entity %q; configured: %s", e.Name, known)
	if near := strictyaml.Nearest(e.Name, e.Known); near != "" {
		text += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return text
}

// Mapping finds an entity's mapping without regard to case. "" is the only
// entity where exactly one is configured. The error is *UnknownEntity.
func (c *Config) Mapping(name string) (*mapping.Mapping, error) {
	if name == "" && len(c.Mappings) == 1 {
		return c.Mappings[0], nil
	}
	for _, m := range c.Mappings {
		if strings.EqualFold(m.Entity(), name) {
			return m, nil
		}
	}
	return nil, &UnknownEntity{Name: name, Known: c.EntityNames()}
}

// EntityNames are the configured entities, sorted.
func (c *Config) EntityNames() []string {
	names := make([]string, len(c.Mappings))
	for i, m := range c.Mappings {
		names[i] = m.Entity()
	}
	slices.Sort(names)
	return names
}
