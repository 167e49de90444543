package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// platforms are those of the release; each has dependencies of its own.
var platforms = []string{"linux", "darwin", "windows"}

// legal are the files that a licence wants to be passed on with a program.
var legal = regexp.MustCompile(`(?i)^(licen[sc]e|unlicense|copying|copyright|notice|patents)([-._].*)?$`)

// TestGeneratedLicenses: archives and packages hold the licence texts and notices
// of everything that is compiled into the program (audit, 29): of each module the
// files beside a package that is used, up to the module's own, and those of Go.
func TestGeneratedLicenses(t *testing.T) {
	texts := map[string][]string{} // text → the files that are it
	add := func(name, path string) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(raw), "\r\n", "\n"))
		if !slices.Contains(texts[text], name) {
			texts[text] = append(texts[text], name)
		}
	}
	for name, path := range legalFiles(t) {
		add(name, path)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LICENSE", "PATENTS"} {
		add("Go "+name, filepath.Join(strings.TrimSpace(string(goroot)), name))
	}
	order := slices.Collect(maps.Keys(texts))
	for _, names := range texts {
		slices.Sort(names)
	}
	slices.SortFunc(order, func(a, b string) int { return strings.Compare(texts[a][0], texts[b][0]) })
	var b bytes.Buffer
	b.WriteString("advosync itself is under the licence in LICENSE. The program holds code of the modules below, under theirs.\n")
	for _, text := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), strings.Join(texts[text], "\n"), text)
	}
	keepTrue(t, ".", "THIRD-PARTY-LICENSES.txt", map[string][]byte{"THIRD-PARTY-LICENSES.txt": b.Bytes()})
}

// legalFiles are the files of all modules whose packages the program is made of:
// "module version file" to path.
func legalFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, goos := range platforms {
		list := exec.Command("go", "list", "-deps", "-json=Dir,Module", "advosync")
		list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bufio.NewReader(bytes.NewReader(out)))
		for {
			var p struct {
				Dir    string
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if p.Module == nil || p.Module.Main {
				continue
			}
			found := legalUpTo(t, p.Dir, p.Module.Dir)
			if len(found) == 0 {
				t.Errorf("%s has no licence", p.Module.Path)
			}
			for _, path := range found {
				rel, err := filepath.Rel(p.Module.Dir, path)
				if err != nil {
					t.Fatal(err)
				}
				files[p.Module.Path+" "+p.Module.Version+" "+filepath.ToSlash(rel)] = path
			}
		}
	}
	return files
}

// legalUpTo are the files of a directory and those above, up to top.
func legalUpTo(t *testing.T, dir, top string) []string {
	t.Helper()
	var found []string
	for strings.HasPrefix(dir, top) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Type().IsRegular() && legal.MatchString(e.Name()) && !strings.HasSuffix(e.Name(), ".go") {
				found = append(found, filepath.Join(dir, e.Name()))
			}
		}
		dir = filepath.Dir(dir)
	}
	return found
}
