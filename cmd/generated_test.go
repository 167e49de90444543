package cmd

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"advosync/internal/config"
)

// repo is the root of the repository, seen from this package.
const repo = ".."

// outOfDate says what to do about a file that is not what the program would
// write now.
const outOfDate = "%s is not what the program says now; write it anew with\n\tgo test ./cmd -run 'TestGenerated' -update"

// keepTrue holds the files of dir that match pattern against what they should
// be, none missing and none left over; with -update it writes them.
func keepTrue(t *testing.T, dir, pattern string, want map[string][]byte) {
	t.Helper()
	dir = filepath.Join(repo, filepath.FromSlash(dir))
	have, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range have {
		if _, ok := want[filepath.Base(file)]; ok {
			continue
		}
		if !*update {
			t.Errorf(outOfDate, file)
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		keepFile(t, filepath.Join(dir, name), want[name])
	}
}

func keepFile(t *testing.T, file string, want []byte) {
	t.Helper()
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(bytes.ReplaceAll(have, []byte("\r\n"), []byte("\n")), want) {
		return
	}
	if !*update {
		t.Errorf(outOfDate, file)
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// keepSection holds the part of a hand-written file between its markers against
// what it should be:
//
//	<!-- begin NAME: generated, do not edit -->
//	<!-- end NAME -->
func keepSection(t *testing.T, file, name, want string) {
	t.Helper()
	path := filepath.Join(repo, filepath.FromSlash(file))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	begin, end := "<!-- begin "+name+": generated, do not edit -->\n", "<!-- end "+name+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for %s: %s%s", file, name, begin, end)
	}
	keepFile(t, path, []byte(before+begin+want+end+after))
}

// documented is the command tree as references show it.
func documented(t *testing.T) *cobra.Command {
	t.Helper()
	root := Tree()
	root.InitDefaultHelpCmd()
	var quiet func(*cobra.Command)
	quiet = func(c *cobra.Command) {
		c.DisableAutoGenTag = true
		for _, sub := range c.Commands() {
			quiet(sub)
		}
	}
	quiet(root)
	return root
}

func TestGeneratedCompletions(t *testing.T) {
	root := documented(t)
	files := map[string][]byte{}
	for name, generate := range map[string]func(io.Writer) error{
		"advosync.bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"advosync.zsh":  root.GenZshCompletion,
		"advosync.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"advosync.ps1":  root.GenPowerShellCompletionWithDesc,
	} {
		var b bytes.Buffer
		if err := generate(&b); err != nil {
			t.Fatal(err)
		}
		files[name] = b.Bytes()
	}
	keepTrue(t, "completions", "*", files)
}

func TestGeneratedReference(t *testing.T) {
	root := documented(t)
	for _, kind := range []struct {
		dir, pattern string
		generate     func(dir string) error
	}{
		{"docs/cli", "*", func(dir string) error { return doc.GenMarkdownTree(root, dir) }},
		{"docs/man", "*", func(dir string) error {
			// A fixed date: the page changes when the command does.
			date := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "advosync", Manual: "advosync"}, dir)
		}},
	} {
		dir := t.TempDir()
		if err := kind.generate(dir); err != nil {
			t.Fatal(err)
		}
		files := filesOf(t, dir)
		if page, ok := files["advosync.1"]; ok {
			files["advosync.1"] = withSections(t, page)
		}
		keepTrue(t, kind.dir, kind.pattern, files)
	}
}

// withSections adds to the main man page what belongs to all commands: the exit
// codes, as the README has them, files and variables.
func withSections(t *testing.T, page []byte) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(repo, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	entry := func(tag, text string) {
		plain := strings.NewReplacer("`", "", `\`, `\e`)
		b.WriteString(".TP\n\\fB" + plain.Replace(tag) + "\\fR\n" + plain.Replace(text) + "\n")
	}
	b.WriteString(".SH EXIT STATUS\n")
	rows := codeRow.FindAllStringSubmatch(string(raw), -1)
	for _, m := range rows {
		entry(m[1], m[2])
	}
	if len(rows) == 0 {
		t.Fatal("README.md has no table of exit codes")
	}
	b.WriteString(".PP\nWhen several hold: 130, 1, 6, 3, 4, 11, 5, in that order.\n\n.SH FILES\nThe configuration, where none is named, is the one found of:\n")
	entry("$XDG_CONFIG_HOME/advosync/advosync.yaml", "without that variable ~/.config/advosync/advosync.yaml")
	entry("/etc/advosync/advosync.yaml", "for the machine")
	entry("./advosync.yaml", "in the working directory")
	b.WriteString(".PP\nTwo different ones are an error. One that somebody else than the caller or root can write or exchange is not used.\n")
	b.WriteString(".PP\nWhat is remembered between runs:\n")
	entry("$XDG_STATE_HOME/advosync/state.db", "without that variable ~/.local/state/advosync/state.db; or where store.path says")
	b.WriteString("\n.SH ENVIRONMENT\n")
	entry("ADVOSYNC_CONFIG", "path of the configuration file")
	entry("ADVOSYNC_SECTION_KEY", "any key of the configuration, such as "+config.EnvName("espocrm.url"))
	entry("NO_COLOR, CLICOLOR_FORCE", "no colour; colour and tables also where stdout is no terminal")
	b.WriteString("\n")
	return bytes.Replace(page, []byte("\n.SH SEE ALSO"), []byte("\n"+b.String()+"\n.SH SEE ALSO"), 1)
}

func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = raw
	}
	return files
}

// TestGeneratedIndex keeps docs/README.md, which lists every page with the
// sentence that it begins with.
func TestGeneratedIndex(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repo, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n")
	for _, file := range files {
		if filepath.Base(file) == "README.md" {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title, about := opening(string(raw))
		if title == "" {
			t.Errorf("%s has to begin with a title", file)
		}
		b.WriteString("* [" + title + "](" + filepath.Base(file) + ")")
		if about != "" {
			b.WriteString(": " + about)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	keepSection(t, "docs/README.md", "pages", b.String())
}

// opening is a page's title, and the sentence below it if there is one.
func opening(text string) (title, about string) {
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		paragraph = strings.Join(strings.Fields(paragraph), " ")
		switch {
		case title == "":
			title = strings.TrimPrefix(paragraph, "# ")
		case strings.HasPrefix(paragraph, "#"):
			return title, ""
		case paragraph != "" && !strings.ContainsAny(paragraph[:1], "<|`*"):
			if i := strings.Index(paragraph, ". "); i > 0 {
				paragraph = paragraph[:i+1]
			}
			return title, paragraph
		}
	}
	return title, ""
}

var codeRow = regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`)

// TestDocumentedExitCodes: both READMEs list the codes that there are.
func TestDocumentedExitCodes(t *testing.T) {
	want := append([]int{exitOK, exitUsage}, precedence[:]...)
	slices.Sort(want)
	for _, file := range []string{"README.md", "README.de.md"} {
		raw, err := os.ReadFile(filepath.Join(repo, file))
		if err != nil {
			t.Fatal(err)
		}
		var have []int
		for _, m := range codeRow.FindAllStringSubmatch(string(raw), -1) {
			n, _ := strconv.Atoi(m[1])
			have = append(have, n)
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s lists the exit codes %v, there are %v", file, have, want)
		}
	}
}
