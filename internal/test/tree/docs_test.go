package tree

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"advosync/cmd"
	"advosync/internal/config"
	"advosync/internal/mapping"
	"advosync/internal/metrics"
	"advosync/internal/result"
)

// The documentation is held against the program: command lines, configuration,
// mappings, names and links in it have to be ones that there are.

// page is one hand-written page.
type page struct {
	file  string // with slashes
	lines []string
}

func pages(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []page
	for _, file := range append(top, files...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), "\r\n", "\n")
		out = append(out, page{filepath.ToSlash(file), strings.Split(text, "\n")})
	}
	if len(out) < 3 {
		t.Fatalf("only %d pages found", len(out))
	}
	return out
}

// block is one piece of code in a page.
type block struct {
	page     string
	line     int    // of its first line, from 1
	language string // of a fence; "" for an indented block
	lines    []string
}

func (b block) at(i int) string { return fmt.Sprintf("%s:%d", b.page, b.line+i) }

var listItem = regexp.MustCompile(`^\s*([-*]|\d+\.)\s`)

// blocks finds fenced and indented code.
func (p page) blocks() (out []block) {
	inList := false
	for i := 0; i < len(p.lines); i++ {
		line := p.lines[i]
		if fence := strings.TrimLeft(line, " "); strings.HasPrefix(fence, "```") {
			indent := line[:len(line)-len(fence)]
			b := block{p.file, i + 2, strings.TrimSpace(fence[3:]), nil}
			for i++; i < len(p.lines) && !strings.HasPrefix(strings.TrimLeft(p.lines[i], " "), "```"); i++ {
				b.lines = append(b.lines, strings.TrimPrefix(p.lines[i], indent))
			}
			out = append(out, b)
			continue
		}
		switch {
		case listItem.MatchString(line):
			inList = true
		case line != "" && line[0] != ' ':
			inList = false
		}
		if inList || !strings.HasPrefix(line, "    ") || (i > 0 && p.lines[i-1] != "") {
			continue
		}
		b := block{p.file, i + 1, "", nil}
		for ; i < len(p.lines) && (p.lines[i] == "" || strings.HasPrefix(p.lines[i], "    ")); i++ {
			b.lines = append(b.lines, strings.TrimPrefix(p.lines[i], "    "))
		}
		i--
		out = append(out, b)
	}
	return out
}

// prose calls fn for every line that is no code.
func (p page) prose(fn func(line int, text string)) {
	code := map[int]bool{}
	for _, b := range p.blocks() {
		for i := range b.lines {
			code[b.line+i] = true
		}
	}
	for i, text := range p.lines {
		if !code[i+1] {
			fn(i+1, text)
		}
	}
}

var span = regexp.MustCompile("`([^`]+)`")

// TestDocumentedCommands parses every command line in the documentation against
// the real commands; nothing is run.
func TestDocumentedCommands(t *testing.T) {
	checked := 0
	check := func(at, line string, whole bool) {
		args, ok := commandLine(line)
		if !ok {
			return
		}
		checked++
		err := parses(args)
		if !whole && err != nil && strings.HasPrefix(err.Error(), "flag needs an argument") {
			err = nil // the sentence is about the flag
		}
		if err != nil {
			t.Errorf("%s: %s\n\t%v", at, line, err)
		}
	}
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			joined := ""
			for i, line := range b.lines {
				if rest, ok := strings.CutSuffix(line, `\`); ok {
					joined += rest
					continue
				}
				check(b.at(i), joined+line, true)
				joined = ""
			}
		}
		p.prose(func(line int, text string) {
			for _, m := range span.FindAllStringSubmatch(text, -1) {
				check(fmt.Sprintf("%s:%d", p.file, line), m[1], false)
			}
		})
	}
	if checked < 10 {
		t.Errorf("only %d command lines found: the test looks in the wrong place", checked)
	}
}

// commandLine is the arguments of a line that calls advosync.
func commandLine(line string) (args []string, ok bool) {
	words := shellWords(strings.TrimPrefix(strings.TrimSpace(line), "$ "))
	if len(words) > 3 && words[0] == "sudo" && words[1] == "-u" {
		words = words[3:]
	}
	for len(words) > 0 && (regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) || words[0] == "exec") {
		words = words[1:]
	}
	if len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "." {
		return words[3:], true
	}
	if len(words) < 2 || (words[0] != "advosync" && !strings.HasSuffix(words[0], "/advosync")) {
		return nil, false
	}
	return words[1:], true
}

// shellWords splits the first simple command of a line.
func shellWords(line string) (words []string) {
	word, quoted, quote := "", false, rune(0)
	flush := func() {
		if word != "" || quoted {
			words = append(words, word)
		}
		word, quoted = "", false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, quoted = r, true
		case r == ' ' || r == '\t':
			flush()
		case r == '#' && word == "", strings.ContainsRune("|;&<>", r):
			flush()
			return words
		default:
			word += string(r)
		}
	}
	flush()
	return words
}

func parses(args []string) error {
	args = slices.Clone(args)
	for i := range args {
		if args[i] == "N" {
			args[i] = "1" // the reader's number
		}
	}
	c, rest, err := cmd.Tree().Find(args)
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		return err
	}
	var wrong error
	c.Flags().Visit(func(f *pflag.Flag) {
		if allowed := fixedValues(c, f.Name); len(allowed) > 0 && !slices.Contains(allowed, f.Value.String()) {
			wrong = fmt.Errorf("--%s %s: none of %s", f.Name, f.Value, strings.Join(allowed, ", "))
		}
	})
	return wrong
}

// fixedValues are what a flag's completion offers, where that is the same
// everywhere.
func fixedValues(c *cobra.Command, flag string) (values []string) {
	if !slices.Contains([]string{"action", "conflict", "output", "log-format", "progress", "take"}, flag) {
		return nil
	}
	if complete, ok := c.GetFlagCompletionFunc(flag); ok {
		values, _ = complete(c, nil, "")
	}
	return values
}

// TestUnits: what the systemd services start is a command that there is.
func TestUnits(t *testing.T) {
	for _, name := range []string{"advosync.service", "advosync-watch.service", "advosync-worker@.service"} {
		startsCommand(t, name)
	}
}

func startsCommand(t *testing.T, name string) {
	t.Helper()
	raw, err := os.ReadFile("docs/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(raw)) {
		start, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecStart=")
		if !ok {
			continue
		}
		args, ok := commandLine(start)
		if found = true; !ok {
			t.Fatalf("%s does not start advosync", start)
		}
		if err := parses(args); err != nil {
			t.Errorf("%s: %v", start, err)
		}
	}
	if !found {
		t.Errorf("no ExecStart found in %s", name)
	}
}

// TestUnitsVerify: systemd itself finds nothing to say about the units.
func TestUnitsVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed; .ci/run installs it and runs this")
	}
	dir := t.TempDir()
	for _, name := range []string{"advosync.service", "advosync.timer", "advosync-watch.service", "advosync-worker@.service"} {
		raw, err := os.ReadFile(filepath.Join("docs", "systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		// It looks for the program, which is not where a package puts it, and for man pages.
		text := strings.ReplaceAll(string(raw), "/usr/bin/advosync", "/bin/true")
		text = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(text, "")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(analyze, "verify", filepath.Join(dir, "advosync.service"), filepath.Join(dir, "advosync.timer"), filepath.Join(dir, "advosync-watch.service"), filepath.Join(dir, "advosync-worker@.service")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUnitsAreHardened: neither service is exposed more than systemd calls safe.
func TestUnitsAreHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed; .ci/run installs it and runs this")
	}
	for _, name := range []string{"advosync.service", "advosync-watch.service", "advosync-worker@.service"} {
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", filepath.Join("docs", "systemd", name)).CombinedOutput()
		if err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Errorf("%s: %v: %s", name, err, lines[len(lines)-1])
		}
	}
}

// TestDocumentedYAML reads every configuration and mapping in the documentation
// as the program would.
func TestDocumentedYAML(t *testing.T) {
	read := map[string]int{}
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			text := strings.Join(b.lines, "\n") + "\n"
			parts := []string{text}
			if kindOf(text) == "" { // a block may hold commands as well
				parts = strings.Split(text, "\n\n")
			}
			for _, part := range parts {
				kind, err := reads(t, b.page, part)
				if read[kind]++; err != nil {
					t.Errorf("%s: this %s does not read:\n%v\n%s", b.at(0), kind, err, part)
				}
				ofMapping := strings.HasPrefix(b.page, "docs/mapping") && b.language == ""
				if kind == "" && (b.language == "yaml" || ofMapping && strings.Contains(part, ":")) {
					t.Errorf("%s: a YAML block that is neither configuration nor mapping", b.at(0))
				}
			}
		}
	}
	for _, kind := range []string{"config", "mapping", "rules"} {
		if read[kind] == 0 {
			t.Errorf("no %s found: the test looks in the wrong place", kind)
		}
	}
}

// reads tells what a piece of text is, "" for no YAML of ours, and reads it.
func reads(t *testing.T, page, text string) (kind string, err error) {
	switch kind = kindOf(text); kind {
	case "config":
		err = readConfig(t, text)
	case "mapping":
		_, err = mapping.Parse(page, []byte(completeMapping(text)))
	case "rules":
		err = readRules(t, text)
	}
	return kind, err
}

var (
	topKey     = regexp.MustCompile(`(?m)^([a-z_]+):`)
	mappingKey = regexp.MustCompile(`(?m)^(advoware: *\{?|espocrm: *\{?)[\n ]*(path|id|row_id|list|type):`)
)

// kindOf tells configuration from mapping by the first key.
func kindOf(text string) string {
	if strings.HasPrefix(text, "- {espocrm:") || strings.HasPrefix(text, "- {advoware:") || strings.HasPrefix(text, "- name:") {
		return "mapping"
	}
	var uncommented []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			uncommented = append(uncommented, line)
		}
	}
	body := strings.Join(uncommented, "")
	at := topKey.FindStringSubmatchIndex(body)
	if at == nil || strings.TrimSpace(body[:at[0]]) != "" {
		return ""
	}
	switch key := body[at[2]:at[3]]; key {
	case "entity", "zone", "match", "fields", "kinds", "list":
		return "mapping"
	case "espocrm", "advoware":
		if mappingKey.MatchString(body) {
			return "mapping"
		}
		return "config"
	case "groups":
		return "rules"
	case "store", "redis", "sync", "cron", "fleet", "watch", "history", "metrics", "alerts", "ping", "language", "entities":
		return "config"
	}
	return ""
}

// completeMapping adds what a fragment of a mapping leaves out.
func completeMapping(text string) string {
	switch {
	case strings.HasPrefix(text, "- name:"):
		text = "kinds:\n" + text
	case strings.HasPrefix(text, "- "):
		text = "fields:\n" + text
	case strings.HasPrefix(text, "list:"):
		text = "advoware:\n  path: api/v1/advonet/Beteiligte\n  id: betNr\n  row_id: rowId\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	}
	has := map[string]bool{}
	for _, m := range topKey.FindAllStringSubmatch(text, -1) {
		has[m[1]] = true
	}
	for _, part := range []struct{ key, text string }{
		{"entity", "entity: Beteiligte\n"},
		{"espocrm", "espocrm: {type: CBeteiligte}\n"},
		{"advoware", "advoware: {path: api/v1/advonet/Beteiligte, id: betNr, row_id: rowId}\n"},
	} {
		if !has[part.key] {
			text += part.text
		}
	}
	if !has["fields"] && !has["kinds"] {
		text += "fields:\n  - {espocrm: geburtsdatum, advoware: geburtsdatum, type: date}\n  - {espocrm: name, advoware: name}\n"
	}
	return text
}

// readRules reads alert rules as Prometheus does, and asks of each that the
// metrics it is about are ones that a pass writes.
func readRules(t *testing.T, text string) error {
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr   string
				KeepFiringFor string `yaml:"keep_firing_for"`
			}
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(text), &file, yaml.Strict()); err != nil {
		return err
	}
	textfile := filepath.Join(t.TempDir(), "advosync.prom")
	if err := metrics.WriteTextfile(textfile, metrics.Snapshot{Summaries: map[string]result.Summary{"Beteiligte": {}}}); err != nil {
		return err
	}
	written, err := os.ReadFile(textfile)
	if err != nil {
		return err
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			names := metricName.FindAllStringSubmatch(r.Expr, -1)
			if r.Alert == "" || len(names) == 0 {
				return fmt.Errorf("rule %q looks at no metric: %s", r.Alert, r.Expr)
			}
			for _, m := range names {
				if !bytes.Contains(written, []byte("# TYPE "+m[1]+" ")) || !bytes.Contains(written, []byte(m[2])) {
					return fmt.Errorf("rule %s: no pass writes %s", r.Alert, m[0])
				}
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil { // of the package prometheus, too large to install for five expressions
		rules := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			return err
		}
		if out, err := exec.Command(promtool, "check", "rules", rules).CombinedOutput(); err != nil {
			return fmt.Errorf("promtool: %s", out)
		}
	}
	return nil
}

// metricName is a metric and, in braces, the label that is asked of it.
var metricName = regexp.MustCompile(`(advosync_[a-z_]+)(?:\{([^}]*)\})?`)

var (
	secretFile = regexp.MustCompile(`([a-z_]+)_file: *"?([^\s",}]+)`)
	entityGlob = regexp.MustCompile(`(?m)^entities: *\[([^\]]*)\]`)
)

// readConfig loads a configuration as if it stood where it says.
func readConfig(t *testing.T, text string) error {
	t.Helper()
	dir := filepath.ToSlash(t.TempDir())
	write := func(name, content string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text = strings.ReplaceAll(text, "/etc/advosync", dir)
	for _, m := range secretFile.FindAllStringSubmatch(text, -1) {
		content := "c2VjcmV0\n"
		if m[1] == "url" {
			content = "redis://localhost:6379/0\n"
		}
		write(m[2], content)
	}
	if m := entityGlob.FindStringSubmatch(text); m != nil {
		for i, glob := range strings.Split(m[1], ",") {
			source := bytes.Replace(mapping.BuiltinYAML(), []byte("entity: Beteiligte"), fmt.Appendf(nil, "entity: Beteiligte%d", i), 1)
			write(filepath.Join(dir, strings.ReplaceAll(strings.TrimSpace(glob), "*", "x")), string(source))
		}
	}
	file := filepath.Join(dir, config.FileName)
	write(file, text)
	_, err := config.Load(config.Options{Path: file, Dir: dir, Home: dir, System: dir})
	return err
}

var (
	variable  = regexp.MustCompile(`ADVOSYNC_[A-Z_]*[A-Z]`)
	dottedKey = regexp.MustCompile(`^(espocrm|advoware|store|redis|sync|cron|history|metrics)\.[a-z_.]*[a-z]$`)
	fileName  = regexp.MustCompile(`\.(conf|md|go|yaml|txt)$`)
)

// TestDocumentedNames: every environment variable and every dotted key that the
// documentation names is one that there is.
func TestDocumentedNames(t *testing.T) {
	keys := config.Keys()
	variables := []string{"ADVOSYNC_CONFIG"}
	known := []string{"espocrm.type", "advoware.path", "advoware.id", "advoware.row_id", "advoware.list", "advoware.read", "advoware.omit"} // of a mapping
	for _, key := range keys {
		variables = append(variables, config.EnvName(key), config.OfficeEnvName("berlin", key))
		known = append(known, key)
		for i := range key {
			if key[i] == '.' {
				known = append(known, key[:i])
			}
		}
	}
	for _, p := range pages(t) {
		for i, text := range p.lines {
			for _, name := range variable.FindAllString(text, -1) {
				if !slices.Contains(variables, name) {
					t.Errorf("%s:%d: there is no variable %s", p.file, i+1, name)
				}
			}
			for _, m := range span.FindAllStringSubmatch(text, -1) {
				name, _, _ := strings.Cut(m[1], ":")
				if dottedKey.MatchString(name) && !fileName.MatchString(name) && !slices.Contains(known, name) {
					t.Errorf("%s:%d: there is no key %s", p.file, i+1, name)
				}
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestDocumentedLinks: what a page links to within the repository is there.
func TestDocumentedLinks(t *testing.T) {
	for _, p := range pages(t) {
		p.prose(func(line int, text string) {
			for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(text, ""), -1) {
				if err := resolves(p.file, m[1]); err != nil {
					t.Errorf("%s:%d: %v", p.file, line, err)
				}
			}
		})
	}
}

// TestPackagedLinks: what a page links to lies beside it in archives and packages
// too, where LICENSE has the place that the system gives it.
func TestPackagedLinks(t *testing.T) {
	raw, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		Archives []struct{ Files []struct{ Src string } }
		Nfpms    []struct {
			Contents []struct{ Src, Dst string }
		}
	}
	if err := yaml.Unmarshal(raw, &release); err != nil {
		t.Fatal(err)
	}
	const doc = "/usr/share/doc/advosync/"
	inArchive, inPackage := map[string]bool{}, map[string]bool{"LICENSE": true}
	add := func(to map[string]bool, glob string) {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: nothing to pack", glob)
		}
		for _, f := range files {
			to[filepath.ToSlash(f)], to[filepath.ToSlash(filepath.Dir(f))] = true, true
		}
	}
	for _, f := range release.Archives[0].Files {
		add(inArchive, f.Src)
	}
	for _, c := range release.Nfpms[0].Contents {
		if at, is := strings.CutPrefix(c.Dst, doc); is && (at == c.Src || path.Clean(at) == path.Dir(c.Src)) {
			add(inPackage, c.Src)
		}
	}
	for _, p := range pages(t) {
		p.prose(func(line int, text string) {
			for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(text, ""), -1) {
				to, _, _ := strings.Cut(m[1], "#")
				if strings.Contains(to, "://") || to == "" {
					continue
				}
				file := path.Join(path.Dir(p.file), to)
				if !inArchive[file] {
					t.Errorf("%s:%d: archives lack %s", p.file, line, file)
				}
				if !inPackage[file] {
					t.Errorf("%s:%d: packages lack %s beside their pages", p.file, line, file)
				}
			}
		})
	}
}

func resolves(from, to string) error {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return nil
	}
	name, anchor, _ := strings.Cut(to, "#")
	file := from
	if name != "" {
		file = filepath.Join(filepath.Dir(from), filepath.FromSlash(name))
	}
	raw, err := os.ReadFile(file)
	if info, serr := os.Stat(file); serr == nil && info.IsDir() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s leads nowhere", to)
	}
	if anchor == "" {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		if title := strings.TrimLeft(line, "#"); title != line && slug(title) == anchor {
			return nil
		}
	}
	return fmt.Errorf("%s: %s has no such heading", to, file)
}

// slug is the anchor that a heading gets.
func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(title)) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127 && !strings.ContainsRune("–—…“”„", r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestArchitecture: the page names every package, and every file that it sends
// the reader to is there.
func TestArchitecture(t *testing.T) {
	raw, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range layers {
		name := strings.TrimPrefix(pkg, "internal/")
		if name = strings.Split(name, "/")[0]; !regexp.MustCompile(`\b` + name + `\b`).Match(raw) {
			t.Errorf("docs/architecture.md does not name %s", pkg)
		}
	}
	for _, m := range regexp.MustCompile("`((?:internal|cmd|docs|completions)/[^` *]*)`").FindAllSubmatch(raw, -1) {
		if _, err := os.Stat(string(m[1])); err != nil {
			t.Errorf("docs/architecture.md: %v", err)
		}
	}
}

var machinePath = regexp.MustCompile(`/(home/[a-z]+|root|work|Users|tmp|private)/\S*`)

// TestNoMachinePaths: nothing in the documentation knows the machine that it
// was written on.
func TestNoMachinePaths(t *testing.T) {
	var files []string
	for _, glob := range []string{"*.md", "docs/*", "docs/*/*", "completions/*", ".goreleaser.yaml"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range machinePath.FindAllString(string(raw), -1) {
			if !strings.HasPrefix(m, "/home/advosync/") { // the user that examples are run as
				t.Errorf("%s: %s", file, m)
			}
		}
	}
}

// rowName is what a table's row is about, in any language.
var rowName = regexp.MustCompile("`[^`]+`|^ \\d+ $")

// TestTranslation: the German README has the same shape as the English one, and
// the same commands and configuration.
func TestTranslation(t *testing.T) {
	shape := map[string][]string{}
	for _, p := range pages(t) {
		if p.file != "README.md" && p.file != "README.de.md" {
			continue
		}
		var s []string
		for _, b := range p.blocks() {
			for _, line := range b.lines {
				line, _, _ = strings.Cut(line, " #")
				s = append(s, strings.TrimSpace(line))
			}
		}
		p.prose(func(_ int, text string) {
			switch {
			case strings.HasPrefix(text, "#"):
				s = append(s, strings.Repeat("#", strings.Count(text, "#"))+" heading")
			case strings.HasPrefix(text, "|"):
				first, _, _ := strings.Cut(text[1:], "|")
				s = append(s, "row "+rowName.FindString(first))
			}
		})
		shape[p.file] = s
	}
	en, de := shape["README.md"], shape["README.de.md"]
	for i := range max(len(en), len(de)) {
		if i >= len(en) || i >= len(de) || en[i] != de[i] {
			t.Fatalf("README.md and README.de.md part here: %q, %q", en[min(i, len(en)):min(i+3, len(en))], de[min(i, len(de)):min(i+3, len(de))])
		}
	}
}

// TestMakefile: a target is a command that CONTRIBUTING.md has, too.
func TestMakefile(t *testing.T) {
	raw, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	contributing, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(raw)) {
		recipe, is := strings.CutPrefix(line, "\t")
		if !is {
			continue
		}
		commands++
		command := strings.ReplaceAll(strings.TrimSpace(recipe), "$$", "$")
		if !regexp.MustCompile(`(?m)^    ` + regexp.QuoteMeta(command) + `( +#.*)?$`).Match(contributing) {
			t.Errorf("CONTRIBUTING.md does not name %q", command)
		}
	}
	if commands < 9 {
		t.Errorf("only %d commands found", commands)
	}
}
