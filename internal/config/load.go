package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/spf13/viper"

	"advosync/internal/files"
	"advosync/internal/mapping"
	"advosync/internal/mapping/strictyaml"
)

// FileName is the name of the configuration file in each of its places.
const FileName = "advosync.yaml"

// Options is all that Load looks at besides the files it reads.
type Options struct {
	Path    string            // --config
	Environ []string          // as os.Environ
	Dir     string            // the working directory
	Home    string            // "": $HOME
	System  string            // "": /etc/advosync
	Flags   map[string]string // by key, the ones that were given
	// Mapping is a mapping file that stands in for all that are configured, relative to
	// Dir; "": the configured ones.
	Mapping string
}

// layer orders the sources of a value: a higher one wins.
type layer uint8

const (
	fromDefault layer = iota
	fromFile
	fromEnv
	// What is said for one office is nearer than what is said for all.
	fromOffice
	fromOfficeEnv
	fromFlag
)

// inFile: it stands in the configuration file.
func (l layer) inFile() bool { return l == fromFile || l == fromOffice }

// ofOffice: it was said for one office.
func (l layer) ofOffice() bool { return l == fromOffice || l == fromOfficeEnv }

// raw is a value as it was written, with its place.
type raw struct {
	node  strictyaml.Node
	layer layer
	name  string // of the environment variable
}

// Load reads the configuration. The error is *Error with all problems, or says
// why a file could not be read.
func Load(opts Options) (*Config, error) {
	l := &loading{opts: opts, env: map[string]string{}, cfg: &Config{}, compiled: map[string]*mapping.Mapping{}}
	for _, entry := range opts.Environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			l.env[name] = value
		}
	}
	if l.opts.Home == "" {
		l.opts.Home = l.env["HOME"]
	}
	l.settings = settings(l.cfg)
	v := viper.New()
	if err := l.file(v); err != nil {
		return nil, err
	}
	l.environment(v)
	l.flags(v)
	for i := range l.settings {
		l.apply(v, &l.settings[i])
	}
	if l.listed {
		l.offices(v)
	} else {
		l.check()
		l.entities()
	}
	if len(l.problems) > 0 {
		sort.SliceStable(l.problems, func(i, j int) bool {
			a, b := l.problems[i], l.problems[j]
			return a.File == b.File && a.Line < b.Line
		})
		l.tellOffices()
		return nil, &Error{Problems: l.problems}
	}
	return l.cfg, nil
}

type loading struct {
	opts     Options
	env      map[string]string
	cfg      *Config
	settings []setting
	sources  map[string]raw // by key, of what is set
	problems []Problem
	named    []string    // the offices as they are called, by their place in the list
	searched bool        // the configuration file was found, not named
	opened   fs.FileInfo // of the configuration file
	listed   bool        // there are offices
	entries  []officeEntry
	compiled map[string]*mapping.Mapping // by file; nil: it cannot be used
}

func (l *loading) warn(format string, args ...any) {
	l.cfg.Warnings = append(l.cfg.Warnings, fmt.Sprintf(format, args...))
}

// add complains about a value where it stands.
func (l *loading) add(key string, from raw, format string, args ...any) *Problem {
	p := Problem{Key: key, Text: fmt.Sprintf(format, args...)}
	switch from.layer {
	case fromFile, fromOffice:
		p.File, p.Line, p.Column = l.cfg.File, from.node.Line, from.node.Column
		if from.node.Key != "" {
			p.Key = from.node.Key
		}
	case fromEnv, fromOfficeEnv:
		p.From = from.name
	case fromFlag:
		p.From = commandLine
	}
	l.problems = append(l.problems, p)
	return &l.problems[len(l.problems)-1]
}

// find is the file to read: the one that was named, or the only one in the
// places in which it is looked for.
func (l *loading) find() (string, error) {
	for _, named := range []struct{ path, by string }{{l.opts.Path, "--config"}, {l.env["ADVOSYNC_CONFIG"], "ADVOSYNC_CONFIG"}} {
		if named.path == "" {
			continue
		}
		path := l.inDir(named.path)
		if info, err := os.Stat(path); err != nil {
			return "", &Error{Problems: []Problem{{From: named.by, Text: fmt.Sprintf("%s cannot be read: %v", path, errors.Unwrap(err))}}}
		} else if info.IsDir() {
			return "", &Error{Problems: []Problem{{From: named.by, Text: path + " is a directory", Suggestion: filepath.Join(path, FileName)}}}
		}
		return path, nil
	}
	l.searched = true
	return l.search()
}

// search looks into all places: two different files would each be the right one
// for somebody.
func (l *loading) search() (found string, err error) {
	var first fs.FileInfo
	for i, dir := range l.places() {
		path := filepath.Join(dir, FileName)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && found == "" && isLink(path):
			// A share that is not mounted, say: another office's file must not take its place.
			return "", &Error{Problems: []Problem{{File: path, Text: "is a link to what is not there; mend it, or name the configuration with --config"}}}
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), err == nil && info.IsDir():
		case err == nil && found == "":
			found, first = path, info
		case err == nil && !os.SameFile(first, info):
			return "", &Error{Problems: []Problem{{Text: fmt.Sprintf("there are two configurations, %s and %s: remove one, or name one with --config or ADVOSYNC_CONFIG", found, path)}}}
		case err != nil && found == "" && i < len(l.places())-1:
			// There may be a file that says something else than the next one. The
			// last place is the working directory: where one cannot look into it,
			// one was not called there for its sake.
			return "", &Error{Problems: []Problem{{File: path, Text: fmt.Sprintf("cannot be read: %v; name the configuration with --config", errors.Unwrap(err))}}}
		}
	}
	return found, nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// places are the directories in which the file is looked for, the working
// directory last: anybody may have put a file there.
func (l *loading) places() []string {
	var dirs []string
	if xdg := l.env["XDG_CONFIG_HOME"]; filepath.IsAbs(xdg) {
		dirs = append(dirs, filepath.Join(xdg, "advosync"))
	} else if l.opts.Home != "" {
		dirs = append(dirs, filepath.Join(l.opts.Home, ".config", "advosync"))
	}
	system := l.opts.System
	if system == "" {
		system = "/etc/advosync"
	}
	return append(dirs, system, l.inDir("."))
}

// inDir makes path absolute against the working directory, and ~/ the home.
func (l *loading) inDir(path string) string { return l.against(l.opts.Dir, path) }

func (l *loading) against(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && l.opts.Home != "" {
		return filepath.Join(l.opts.Home, rest)
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// file reads the configuration file, strictly, into viper.
func (l *loading) file(v *viper.Viper) error {
	path, err := l.find()
	if err != nil || path == "" {
		return err
	}
	l.cfg.File = path
	src, info, err := files.Read(path, maxFile)
	if err != nil {
		return &Error{Problems: []Problem{{File: path, Text: fmt.Sprintf("cannot be read: %v", errors.Unwrap(err))}}}
	}
	l.opened = info
	if risk := files.Foreign(path, info); risk != nil && l.searched {
		// Not a word of it is read: it may belong to another office.
		return &Error{Problems: []Problem{{Text: fmt.Sprintf("%v; until then it is not used, unless --config names it", risk)}}}
	} else if risk != nil {
		l.warn("%v", risk)
	}
	root, err := strictyaml.Parse(path, src)
	if err != nil {
		var problems strictyaml.Problems
		if errors.As(err, &problems) {
			return &Error{Problems: fromYAML(problems)}
		}
		return err
	}
	values := map[string]any{}
	switch root.Kind {
	case strictyaml.Null:
	case strictyaml.Map:
		if n, ok := root.Get(officesKey); ok && n.Kind != strictyaml.Null && !(n.Kind == strictyaml.List && len(n.Items) == 0) {
			l.listed = true
			l.listOffices(n)
		}
		root.Pairs = slices.DeleteFunc(root.Pairs, func(p strictyaml.Pair) bool { return p.Name == officesKey })
		l.branch(root, "", fromFile, values)
	default:
		l.add("", raw{node: root, layer: fromFile}, "must be a map of settings such as espocrm, advoware, sync")
	}
	return v.MergeConfigMap(values)
}

// maxFile bounds a configuration or mapping file, in bytes.
const maxFile = 1 << 20

// branch checks one level of the file against the known keys.
func (l *loading) branch(n strictyaml.Node, prefix string, of layer, into map[string]any) {
	leaves, sections := namesUnder(prefix)
	for _, pair := range n.Pairs {
		key := strictyaml.Join(prefix, pair.Name)
		at := raw{node: pair.Value, layer: of}
		switch {
		case pair.Value.Kind == strictyaml.Null && (slices.Contains(leaves, pair.Name) || slices.Contains(sections, pair.Name)):
			// A key without a value, or a section in which all is commented out.
		case slices.Contains(leaves, pair.Name):
			into[pair.Name] = at
		case slices.Contains(sections, pair.Name) && pair.Value.Kind == strictyaml.Map:
			sub := map[string]any{}
			l.branch(pair.Value, key, of, sub)
			into[pair.Name] = sub
		case slices.Contains(sections, pair.Name):
			l.add(key, at, "must be a map of settings")
		default:
			at.node.Line, at.node.Column = pair.Line, pair.Column
			p := l.add(key, at, "unknown key")
			p.Suggestion = l.nearestKey(pair.Name, key, slices.Concat(leaves, sections))
		}
	}
}

// nearestKey is the right name on this level, or else the full key of another
// section that ends in the same name.
func (l *loading) nearestKey(name, key string, siblings []string) string {
	if near := strictyaml.Nearest(name, siblings); near != "" {
		return near
	}
	for _, k := range Keys() {
		if k != key && strings.HasSuffix(k, "."+name) {
			return k
		}
	}
	return ""
}

// namesUnder splits the keys below prefix into settings and sections.
func namesUnder(prefix string) (leaves, sections []string) {
	for _, key := range settingKeys() {
		rest := key
		if prefix != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(key, prefix+"."); !ok {
				continue
			}
		}
		name, _, deeper := strings.Cut(rest, ".")
		switch {
		case !deeper:
			leaves = append(leaves, name)
		case !slices.Contains(sections, name):
			sections = append(sections, name)
		}
	}
	return leaves, sections
}

// environment lays the variables over the file. viper's own BindEnv would read
// the process's environment, which Load does not know. An empty variable is not
// set.
func (l *loading) environment(v *viper.Viper) {
	known := map[string]bool{"ADVOSYNC_CONFIG": true}
	var names []string
	for _, key := range settingKeys() {
		name := EnvName(key)
		names = append(names, name)
		if text := l.env[name]; text != "" {
			l.over(v, key, raw{node: textNode(text), layer: fromEnv, name: name})
		}
		for _, e := range l.entries {
			names = append(names, OfficeEnvName(e.name, key))
		}
	}
	for _, name := range names {
		known[name] = true
	}
	for _, name := range sortedNames(l.env) {
		if !strings.HasPrefix(name, envPrefix) || known[name] || strings.HasPrefix(name, envPrefix+"TEST_") {
			continue
		}
		if near := strictyaml.Nearest(name, append(names, "ADVOSYNC_CONFIG")); near != "" {
			l.warn("environment variable %s is not known (did you mean %s?)", name, near)
		} else {
			l.warn("environment variable %s is not known", name)
		}
	}
}

func (l *loading) over(v *viper.Viper, key string, value raw) {
	tree := map[string]any{}
	at := tree
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		next := map[string]any{}
		at[part] = next
		at = next
	}
	at[parts[len(parts)-1]] = value
	if err := v.MergeConfigMap(tree); err != nil {
		l.add(key, value, "cannot be used: %v", err)
	}
}

// trust judges a file that a setting names. What stands in a configuration that
// was searched is refused like that itself; what somebody has named is warned
// about.
func (l *loading) trust(key string, from raw, path string, opened fs.FileInfo) bool {
	risk := files.Foreign(path, opened)
	switch {
	case risk == nil:
		return true
	case l.searched && from.layer.inFile():
		l.add(key, from, "%v; until then it is not used", risk)
		return false
	}
	l.warn("%v", risk)
	return true
}

func (l *loading) flags(v *viper.Viper) {
	for _, key := range sortedNames(l.opts.Flags) {
		from := raw{node: textNode(l.opts.Flags[key]), layer: fromFlag}
		if !slices.Contains(settingKeys(), key) {
			l.add(key, from, "unknown key")
			continue
		}
		v.Set(key, from)
	}
}

func textNode(text string) strictyaml.Node {
	return strictyaml.Node{Kind: strictyaml.Scalar, Value: text}
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
