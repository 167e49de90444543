package extension

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

func build(t *testing.T, o Options) []File {
	t.Helper()
	if o.Mappings == nil {
		o.Mappings = []*mapping.Mapping{mapping.Builtin()}
	}
	files, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestPackage holds both packages, unpacked, against what was reviewed; of the
// module's own files, which stand in module/, it names the paths.
func TestPackage(t *testing.T) {
	for name, fieldsOnly := range map[string]bool{"module.txt": false, "beteiligte.txt": true} {
		packed, err := Zip(build(t, Options{FieldsOnly: fieldsOnly, User: User{ID: "6b046728d95a16c49"}}))
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		for _, f := range unzip(t, packed) {
			got.WriteString("-- " + f.Path + " --\n")
			own := strings.TrimPrefix(f.Path, "files/custom/Espo/Modules/Advosync/")
			if text, err := moduleSources.ReadFile("module/" + own); err != nil || !bytes.Equal(text, f.Text) {
				got.Write(f.Text)
			}
		}
		golden(t, name, got)
	}
}

func golden(t *testing.T, name string, got bytes.Buffer) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the package differs from %s (go test -update writes it anew)\n%s", path, got.String())
	}
}

func unzip(t *testing.T, packed []byte) []File {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var files []File
	for _, f := range r.File {
		part, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{f.Name, text})
	}
	return files
}

func TestPackageIsDeterministic(t *testing.T) {
	o := Options{User: User{UserName: "advosync"}}
	first, err := Zip(build(t, o))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Zip(build(t, o))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, again) {
		t.Error("two packages of the same mapping differ")
	}
	if files := build(t, o); !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("the files are not sorted")
	}
}

// forms are the members that metadata of this kind was recorded with, or that
// EspoCRM's documentation names; a misspelt one would be ignored silently.
var forms = map[string][]string{
	"manifest.json":   {"name", "version", "author", "description", "releaseDate", "acceptableVersions", "php"},
	"module.json":     {"order"},
	"entityDefs":      {"fields", "indexes", "deleteId", "optimisticConcurrencyControl", "advosync"},
	"about":           {"version", "form", "module", "userId", "userName", "fields"},
	"field:int":       {"type", "disableFormatting", "duplicateIgnore"},
	"field:varchar":   {"type", "maxLength", "duplicateIgnore"},
	"field:text":      {"type", "maxLength", "displayRawText", "duplicateIgnore"},
	"field:datetime":  {"type", "hasSeconds", "duplicateIgnore"},
	"field:enum":      {"type", "options", "default", "duplicateIgnore"},
	"index":           {"type", "columns"},
	"clientDefs":      {"dynamicLogic", "sidePanels"},
	"formula":         {"beforeSaveScriptList"},
	"i18n":            {"fields", "options", "labels"},
	"dynamic logic":   {"type", "value", "attribute", "data"},
	"side panel":      {"name", "label", "view", "isForm", "options"},
	"side panel item": {"name", "readOnly"},
}

func only(t *testing.T, what string, o map[string]any) {
	t.Helper()
	allowed, known := forms[what]
	if !known {
		t.Errorf("no form is known for %s", what)
	}
	for key := range o {
		if !slices.Contains(allowed, key) {
			t.Errorf("%s: %q is not in the form", what, key)
		}
	}
}

func decode(t *testing.T, files []File, suffix string) map[string]any {
	t.Helper()
	for _, f := range files {
		if strings.HasSuffix(f.Path, suffix) {
			var o map[string]any
			if err := json.Unmarshal(f.Text, &o); err != nil {
				t.Fatalf("%s: %v", f.Path, err)
			}
			return o
		}
	}
	t.Fatalf("no file ends in %s", suffix)
	return nil
}

func TestMetadataForms(t *testing.T) {
	files := build(t, Options{User: User{UserName: "advosync"}})
	only(t, "manifest.json", decode(t, files, "manifest.json"))
	only(t, "module.json", decode(t, files, "/module.json"))
	only(t, "formula", decode(t, files, "/formula/CBeteiligte.json"))
	only(t, "i18n", decode(t, files, "/de_DE/CBeteiligte.json"))
	defs := decode(t, files, "/entityDefs/CBeteiligte.json")
	only(t, "entityDefs", defs)
	only(t, "about", defs["advosync"].(map[string]any))
	fields := defs["fields"].(map[string]any)
	for name, raw := range fields {
		field := raw.(map[string]any)
		only(t, "field:"+field["type"].(string), field)
		if field["readOnly"] != nil {
			t.Errorf("%s: readOnly keeps the API from writing it", name)
		}
	}
	if len(fields) != 7 {
		t.Errorf("%d fields, want the six and %s", len(fields), record.FieldEditedAt)
	}
	for _, raw := range defs["indexes"].(map[string]any) {
		only(t, "index", raw.(map[string]any))
	}
	client := decode(t, files, "/clientDefs/CBeteiligte.json")
	only(t, "clientDefs", client)
	for name := range fields {
		logic := client["dynamicLogic"].(map[string]any)["fields"].(map[string]any)[name].(map[string]any)
		group := logic["readOnly"].(map[string]any)["conditionGroup"].([]any)
		only(t, "dynamic logic", group[0].(map[string]any))
	}
	panel := client["sidePanels"].(map[string]any)["detail"].([]any)[1].(map[string]any)
	only(t, "side panel", panel)
	for _, item := range panel["options"].(map[string]any)["fieldList"].([]any) {
		only(t, "side panel item", item.(map[string]any))
	}
}

// TestUniqueIndexSurvivesDeletion: the plain form counts deleted records.
func TestUniqueIndexSurvivesDeletion(t *testing.T) {
	defs := entityDefs(mapping.Builtin(), Options{})
	index := defs["indexes"].(object)["advosyncId"].(object)
	if defs["deleteId"] != true || index["type"] != "unique" || !slices.Equal(index["columns"].([]string), []string{"advowareId", "deleteId"}) {
		t.Errorf("index %v, deleteId %v", index, defs["deleteId"])
	}
	if unique := defs["fields"].(object)["advowareId"].(object)["unique"]; unique != nil {
		t.Error("advowareId must not be unique on its own column")
	}
}

// TestFormulaWatchesTheMapping: fields, computed fields and what the kinds'
// conditions read, each once; the form is the recorded one.
func TestFormulaWatchesTheMapping(t *testing.T) {
	m, err := mapping.Parse("m.yaml", []byte(`entity: Akten
espocrm: {type: CAkte}
advoware: {path: api/v1/Akten, id: id, row_id: rowId}
fields:
  - {espocrm: titel, advoware: bezeichnung}
  - {espocrm: stand, advoware: stand, direction: to_espocrm}
  - {advoware: kurz, from_espocrm: 'upper(kuerzel)'}
kinds:
  - name: offen
    when: {espocrm: 'blank(abgelegt)', advoware: 'true'}
    fields: [{espocrm: ort, advoware: adresse.ort}]
`))
	if err != nil {
		t.Fatal(err)
	}
	got := Formula(m, User{UserName: "advosync"})
	want := `if (
    env\userAttribute('userName') != 'advosync' &&
    (
        entity\isAttributeChanged('abgelegt') ||
        entity\isAttributeChanged('kuerzel') ||
        entity\isAttributeChanged('ort') ||
        entity\isAttributeChanged('stand') ||
        entity\isAttributeChanged('titel')
    )
) {
    entity\setAttribute('syncStatus', ifThenElse(entity\attribute('advowareId') == null, 'pending_sync', 'dirty'));
    entity\setAttribute('advowareEditedAt', datetime\now());
}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if byID := Formula(m, User{ID: "6b046728d95a16c49", UserName: "advosync"}); !strings.Contains(byID, `env\userAttribute('id') != '6b046728d95a16c49'`) {
		t.Errorf("the id outlives a name and goes first:\n%s", byID)
	}
}

// TestFormulaLeavesTheAdministratorsScript: that one has a key of its own.
func TestFormulaLeavesTheAdministratorsScript(t *testing.T) {
	o := decode(t, build(t, Options{User: User{UserName: "advosync"}}), "/formula/CBeteiligte.json")
	if _, ok := o["beforeSaveCustomScript"]; ok {
		t.Error("beforeSaveCustomScript is the administrator's")
	}
	if list := o["beforeSaveScriptList"].([]any); list[0] != "__APPEND__" || len(list) != 2 {
		t.Errorf("scripts of other packages would be replaced: %v", list)
	}
}

func TestLabelsAreComplete(t *testing.T) {
	for _, l := range []language{english(), german()} {
		for _, f := range syncFields() {
			if l.fields[f.name] == "" {
				t.Errorf("%s: no label for %s", l.panel, f.name)
			}
		}
		for _, s := range append([]string{""}, record.Statuses()...) {
			if l.statuses[s] == "" {
				t.Errorf("%s: no label for status %q", l.panel, s)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, o := range []Options{
		{},
		{User: User{UserName: "it's"}},
		{User: User{UserName: `a\b`}},
		{User: User{ID: "') || true"}},
		{User: User{UserName: "advosync"}, Version: "1"},
		{User: User{UserName: "advosync"}, Version: "1.0.0/../x"},
	} {
		o.Mappings = []*mapping.Mapping{mapping.Builtin()}
		if _, err := Build(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	for text, want := range map[string]User{
		"6b046728d95a16c49":                    {ID: "6b046728d95a16c49"},
		"0b2f8a52-5a64-4b57-9c2e-3f1c2a9d7e10": {ID: "0b2f8a52-5a64-4b57-9c2e-3f1c2a9d7e10"},
		"api-user@kanzlei":                     {UserName: "api-user@kanzlei"},
	} {
		if got, err := ParseUser(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}
