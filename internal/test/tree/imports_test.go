package tree

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers says which packages of this module each package may import. Left may
// import right, never back: main → cmd → {config, console, report, batch,
// adapters} ; batch, desk → sync → reconcile → mapping → record ; adapters →
// transport, record. fault, callcount, result and files are leaves that
// all may share.
var layers = map[string][]string{
	"cmd":                         {"*"},
	"internal/record":             {},
	"internal/fault":              {},
	"internal/callcount":          {},
	"internal/result":             {"internal/fault", "internal/record"},
	"internal/mapping/strictyaml": {},
	"internal/mapping":            {"internal/mapping/strictyaml", "internal/record", "internal/fault"},
	"internal/draft":              {"internal/mapping", "internal/record"},
	"internal/reconcile":          {"internal/mapping", "internal/record", "internal/result"},
	"internal/store":              {"internal/record", "internal/fault"},
	"internal/store/sqlite":       {"internal/store", "internal/files", "internal/fault", "internal/record"},
	"internal/store/redis":        {"internal/store", "internal/fault", "internal/record"},
	"internal/store/memory":       {"internal/store", "internal/fault", "internal/record"},
	"internal/store/storetest":    {"internal/store", "internal/fault", "internal/record"},
	"internal/lease":              {"internal/store", "internal/fault"},
	"internal/store/carry":        {"internal/store", "internal/lease", "internal/fault"},
	"internal/sides":              {"internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/store", "internal/fault"},
	"internal/tell":               {"internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/store", "internal/fault"},
	"internal/forms":              {"internal/reconcile", "internal/mapping", "internal/record", "internal/store"},
	"internal/stuck":              {"internal/sides", "internal/mapping", "internal/record", "internal/store", "internal/fault"},
	"internal/directory":          {"internal/reconcile", "internal/mapping", "internal/record", "internal/fault", "internal/store"},
	"internal/session": {"internal/directory", "internal/sides", "internal/tell", "internal/forms", "internal/stuck", "internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/fault",
		"internal/callcount", "internal/store", "internal/lease"},
	"internal/sync": {"internal/session", "internal/directory", "internal/sides", "internal/tell", "internal/stuck", "internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/fault",
		"internal/store", "internal/lease"},
	"internal/intake": {"internal/session", "internal/sync", "internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/fault", "internal/store"},
	"internal/desk": {"internal/directory", "internal/sides", "internal/session", "internal/sync", "internal/intake", "internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/fault",
		"internal/store", "internal/lease"},
	"internal/batch": {"internal/directory", "internal/sides", "internal/session", "internal/sync", "internal/intake", "internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/fault",
		"internal/callcount", "internal/store", "internal/lease"},
	"internal/fleet": {},
	"internal/watch": {"internal/batch", "internal/reconcile", "internal/mapping", "internal/record", "internal/result", "internal/fault",
		"internal/store", "internal/lease"},
	"internal/transport":    {"internal/record", "internal/fault", "internal/callcount"},
	"internal/espocrm":      {"internal/transport", "internal/record", "internal/fault", "internal/callcount"},
	"internal/advoware":     {"internal/transport", "internal/record", "internal/fault", "internal/callcount"},
	"internal/config":       {"internal/files", "internal/mapping", "internal/mapping/strictyaml"},
	"internal/files":        {},
	"internal/console":      {},
	"internal/metrics":      {"internal/result"},
	"internal/alert":        {"internal/store"},
	"internal/report":       {"internal/result", "internal/fault", "internal/record"},
	"internal/sandbox":      {"internal/record", "internal/mapping"},
	"internal/screen":       {"internal/record", "internal/report"},
	"internal/test/browser": {},
	"internal/test/pty":     {},
	"internal/extension":    {"internal/mapping", "internal/record"},
	"internal/doctor": {"internal/config", "internal/mapping", "internal/extension", "internal/record", "internal/result", "internal/fault",
		"internal/store", "internal/alert"},
	// Suites over the whole: they stand above everything but the commands.
	"internal/test/simulation": {"*"},
	"internal/test/rig":        {"*"},
	// A command that drives the built program; of the parts it knows the simulators.
	"internal/test/fleet": {"internal/sandbox"},
	// The oracle knows nothing of the tool but its mapping and its history; its witness not
	// even that.
	"internal/test/oracle":  {"internal/mapping", "internal/record", "internal/sandbox", "internal/store", "internal/test/witness"},
	"internal/test/witness": {"internal/mapping", "internal/record", "internal/sandbox"},
	// The protocol's explorer knows the pure functions and no more.
	"internal/test/model": {"internal/mapping", "internal/record", "internal/reconcile"},
	// A command of its own that breaks the others' sources; it imports none.
	"tools/mutants": {},
}

// pure packages take values and give values: no I/O, no clock, no randomness.
var pure = []string{"internal/record", "internal/mapping", "internal/mapping/strictyaml", "internal/draft", "internal/reconcile", "internal/report", "internal/result"}

// impure is what a pure package may not import. time is allowed for its types;
// pureCalls keeps its clock out.
var impure = []string{"context", "net", "net/http", "os", "os/exec", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "syscall", "database/sql"}

// only names the packages that may import a library; none may import the inside of one.
var only = map[string][]string{
	"github.com/expr-lang/expr":           {"internal/mapping"},
	"github.com/expr-lang/expr/checker":   nil,
	"github.com/expr-lang/expr/compiler":  nil,
	"github.com/expr-lang/expr/conf":      nil,
	"github.com/expr-lang/expr/optimizer": nil,
	"github.com/expr-lang/expr/parser":    nil,
	"github.com/spf13/viper":              {"internal/config"},
	"github.com/spf13/cobra":              {"cmd"},
	"github.com/charmbracelet/lipgloss":   {"internal/report", "internal/screen"},
	"charm.land/bubbletea/v2":             {"internal/screen"},
	"github.com/olekukonko/tablewriter":   {"internal/report"},
	"github.com/redis/go-redis/v9":        {"internal/store/redis"},
	"github.com/nicholas-fedor/shoutrrr":  {"internal/alert"},
	"github.com/hibiken/asynq":            {"internal/fleet"},
	"modernc.org/sqlite":                  {"internal/store/sqlite"},
	"database/sql":                        {"internal/store/sqlite"},
}

type importing struct{ pkg, file, path string }

// imports lists what the non-test files of the module import.
func imports(t *testing.T) (all []importing) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			all = append(all, importing{filepath.ToSlash(filepath.Dir(path)), path, name})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestLayersAreThere: no row is left behind by a package that is gone.
func TestLayersAreThere(t *testing.T) {
	for pkg, allowed := range layers {
		for _, name := range append([]string{pkg}, allowed...) {
			if files, err := filepath.Glob(name + "/*.go"); name != "*" && (err != nil || len(files) == 0) {
				t.Errorf("the layers name %s, which is no package", name)
			}
		}
	}
	for _, pkg := range pure {
		if _, known := layers[pkg]; !known {
			t.Errorf("%s is called pure and has no place in the layers", pkg)
		}
	}
	for library, homes := range only {
		for _, home := range homes {
			if _, known := layers[home]; !known {
				t.Errorf("%s has its home in %s, which is no package", library, home)
			}
		}
	}
}

func TestLayers(t *testing.T) {
	const module = "advosync/"
	for _, i := range imports(t) {
		inner, ok := strings.CutPrefix(i.path, module)
		if !ok || i.pkg == "." {
			continue
		}
		allowed, known := layers[i.pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the layers", i.file, i.pkg)
			continue
		}
		if !slices.Contains(allowed, inner) && !slices.Contains(allowed, "*") {
			t.Errorf("%s: %s must not import %s", i.file, i.pkg, inner)
		}
	}
}

func TestPurePackages(t *testing.T) {
	for _, i := range imports(t) {
		if slices.Contains(pure, i.pkg) && slices.Contains(impure, i.path) {
			t.Errorf("%s: %s is pure and must not import %s", i.file, i.pkg, i.path)
		}
	}
}

func TestLibrariesHaveOneHome(t *testing.T) {
	for _, i := range imports(t) {
		for library, homes := range only {
			if (i.path == library || strings.HasPrefix(i.path, library+"/")) && !slices.Contains(homes, i.pkg) {
				t.Errorf("%s: %s belongs to %q", i.file, i.path, homes)
			}
		}
	}
}

// TestCallsThatHaveOnePlace: a process ends in a main.go only, and a pure
// package reads no clock.
func TestCallsThatHaveOnePlace(t *testing.T) {
	for _, i := range imports(t) {
		if i.path != "os" && i.path != "time" && i.path != "log" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), i.file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch call := x.Name + "." + sel.Sel.Name; {
			case call == "os.Exit" && filepath.Base(i.file) != "main.go",
				strings.HasPrefix(call, "log.Fatal"),
				(call == "time.Now" || call == "time.Since") && slices.Contains(pure, i.pkg):
				t.Errorf("%s: %s has no place here", i.file, call)
			}
			return true
		})
	}
}
