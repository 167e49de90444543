package extension

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"advosync/internal/mapping"
)

func twoTypes(t *testing.T) []*mapping.Mapping {
	t.Helper()
	akten, err := mapping.Parse("akten.yaml", []byte(`entity: Akten
espocrm: {type: CAkte}
advoware: {path: api/v1/Akten, id: id, row_id: rowId}
fields:
  - {espocrm: titel, advoware: bezeichnung}
`))
	if err != nil {
		t.Fatal(err)
	}
	return []*mapping.Mapping{mapping.Builtin(), akten}
}

// TestModuleServesAllTypes: one package, one directory; every type has its fields, its
// formula and the lock around EspoCRM's own PUT.
func TestModuleServesAllTypes(t *testing.T) {
	files := build(t, Options{Mappings: twoTypes(t), User: User{UserName: "advosync"}})
	if name := decode(t, files, "manifest.json")["name"]; name != "advosync" {
		t.Errorf("the package is called %v", name)
	}
	api := decode(t, files, "/app/api.json")["controllerActionMiddlewareClassNameListMap"].(map[string]any)
	app := decode(t, files, "/app/advosync.json")
	for _, name := range []string{"CBeteiligte", "CAkte"} {
		decode(t, files, "/Advosync/Resources/metadata/entityDefs/"+name+".json")
		decode(t, files, "/Advosync/Resources/metadata/formula/"+name+".json")
		if api[name+"_put_update"] == nil || api[name+"_patch_update"] == nil {
			t.Errorf("%s: a PUT is not locked", name)
		}
		if app["types"].(map[string]any)[name] == nil {
			t.Errorf("%s is not served", name)
		}
	}
	if app["userName"] != "advosync" || app["userId"] != nil {
		t.Errorf("the API user is %v, %v", app["userName"], app["userId"])
	}
}

// TestPackagesShareNoFile: whichever is uninstalled, the other one stays whole.
func TestPackagesShareNoFile(t *testing.T) {
	u := User{UserName: "advosync"}
	var paths []string
	for _, f := range build(t, Options{FieldsOnly: true, User: u}) {
		paths = append(paths, f.Path)
	}
	for _, f := range build(t, Options{User: u}) {
		if f.Path != "manifest.json" && slices.Contains(paths, f.Path) {
			t.Errorf("%s is in both packages", f.Path)
		}
	}
	if _, err := Build(Options{Mappings: twoTypes(t), FieldsOnly: true, User: u}); err == nil {
		t.Error("a package without the module was made for two types")
	}
}

// TestFieldsOnlyHasNoCode: who wants no code gets none.
func TestFieldsOnlyHasNoCode(t *testing.T) {
	for _, f := range build(t, Options{FieldsOnly: true, User: User{UserName: "advosync"}}) {
		if !strings.HasSuffix(f.Path, ".json") {
			t.Errorf("%s", f.Path)
		}
	}
}

// newerPHP is syntax that PHP 8.1 does not know.
var newerPHP = regexp.MustCompile(`readonly\s+class|const\s+(?:int|string|array|bool)\s+[A-Z]|#\[\\?Override|\): (?:true|false|null)\b`)

// TestModuleFiles: each file says under which licence it is, and declares the class
// that EspoCRM's loader looks for there.
func TestModuleFiles(t *testing.T) {
	n := 0
	for _, f := range build(t, Options{User: User{UserName: "advosync"}}) {
		path, php := strings.CutSuffix(f.Path, ".php")
		if !php {
			continue
		}
		n++
		for _, line := range []string{"SPDX-License-Identifier: AGPL-3.0-or-later", "GNU Affero General Public License"} {
			if !bytes.Contains(f.Text, []byte(line)) {
				t.Errorf("%s: no %q", f.Path, line)
			}
		}
		path = strings.TrimPrefix(path, "files/custom/")
		dir, class := path[:strings.LastIndexByte(path, '/')], path[strings.LastIndexByte(path, '/')+1:]
		if !bytes.Contains(f.Text, []byte("\nnamespace "+strings.ReplaceAll(dir, "/", `\`)+";\n")) {
			t.Errorf("%s: the namespace is not that of its directory", f.Path)
		}
		if !regexp.MustCompile(`(?m)^(final )?class ` + class + `\b`).Match(f.Text) {
			t.Errorf("%s: no class %s", f.Path, class)
		}
		if at := newerPHP.Find(f.Text); at != nil {
			t.Errorf("%s: %q is newer than PHP 8.1", f.Path, at)
		}
	}
	if n < 15 {
		t.Errorf("%d files of PHP", n)
	}
}

// TestNamedClassesAreThere: a class that is named in metadata and not there would fail
// every call.
func TestNamedClassesAreThere(t *testing.T) {
	files := build(t, Options{User: User{UserName: "advosync"}})
	named := regexp.MustCompile(`"Espo\\\\Modules\\\\Advosync\\\\([A-Za-z\\]+)"`)
	n := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Path, ".json") {
			continue
		}
		for _, m := range named.FindAllSubmatch(f.Text, -1) {
			n++
			path := "files/custom/Espo/Modules/Advosync/" + strings.ReplaceAll(string(m[1]), `\\`, "/") + ".php"
			if !slices.ContainsFunc(files, func(f File) bool { return f.Path == path }) {
				t.Errorf("%s names %s", f.Path, m[1])
			}
		}
	}
	if n < 6 {
		t.Errorf("%d classes are named", n)
	}
}
