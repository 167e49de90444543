package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"advosync/internal/config"
	"advosync/internal/mapping"
	"advosync/internal/mapping/strictyaml"
)

var update = flag.Bool("update", false, "write the schemas in docs anew")

// TestPublishedSchemas keeps the published schemas true.
func TestPublishedSchemas(t *testing.T) {
	for name, node := range map[string]*config.Schema{"advosync.schema.json": config.SettingsSchema(), "mapping.schema.json": config.MappingSchema()} {
		path := filepath.Join("..", "..", "docs", "schema", name)
		got := node.JSON()
		if !json.Valid(got) {
			t.Errorf("%s is no JSON", name)
		}
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code says (go test ./internal/config -update writes it anew)", path)
		}
	}
}

func document(t *testing.T, text string) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return doc
}

// TestSchemaKeys: every key that config knows is in the schema, and nothing else is.
func TestSchemaKeys(t *testing.T) {
	var got []string
	collect(config.SettingsSchema(), "", &got)
	want := config.Keys()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the schema has\n%v\nconfig has\n%v", got, want)
	}
	for _, s := range config.Describe() {
		section, _, _ := strings.Cut(s.Key, ".")
		if config.Explain(s.Key) == "" || config.SectionTitle(section) == "" {
			t.Errorf("%s is not explained", s.Key)
		}
	}
}

func collect(n *config.Schema, prefix string, into *[]string) {
	if n.Properties == nil {
		*into = append(*into, strings.TrimPrefix(prefix, "."))
	}
	for name, sub := range n.Properties {
		collect(sub, prefix+"."+name, into)
	}
}

// load is what the program makes of a configuration.
func load(t *testing.T, text string) error {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "advosync.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Options{Dir: dir, Home: dir, System: dir})
	return err
}

// TestSettingsSchemaAgrees: what one refuses the other refuses.
func TestSettingsSchemaAgrees(t *testing.T) {
	good := []string{"espocrm:\n", "espocrm: {url: https://crm.example.de}", "sync: {lock_ttl: 5m, conflict: merge}", "history: {retention: 1d12h}",
		"history: {retention: '0'}", "cron: {max_changed_share: 0.25, concurrency: 8}", "espocrm: {notify: {users: [a, b]}}", "advoware: {kanzlei: 123, insecure: true}",
		"sync: {conflict: }"}
	bad := []string{"espocrn: {}", "espocrm: {urll: x}", "sync: {conflict: both}", "cron: {concurrency: 0}", "cron: {concurrency: many}",
		"cron: {max_changed_share: 2}", "espocrm: {timeout: 5}", "espocrm: {timeout: soon}", "espocrm: {insecure: 1}", "espocrm: {notify: {users: admin}}",
		"espocrm: [1]", "espocrm: {api_key: x, api_key_file: y}", "espocrm: {url: ftp://x}", "[]"}
	for _, text := range good {
		if wrong := config.Validate(config.SettingsSchema(), document(t, text)); len(wrong) > 0 {
			t.Errorf("%s: the schema refuses it: %v", text, wrong)
		}
		if err := load(t, text); err != nil {
			t.Errorf("%s: the program refuses it: %v", text, err)
		}
	}
	for _, text := range bad {
		if wrong := config.Validate(config.SettingsSchema(), document(t, text)); len(wrong) == 0 {
			t.Errorf("%s: the schema accepts it", text)
		}
		if err := load(t, text); err == nil {
			t.Errorf("%s: the program accepts it", text)
		}
	}
}

// TestDefaultsAreValid: a key written out with its default is accepted.
func TestDefaultsAreValid(t *testing.T) {
	for _, s := range config.Describe() {
		if s.Default == "" || s.Kind == config.KindSecret {
			continue
		}
		name := s.Key[strings.LastIndex(s.Key, ".")+1:]
		values := config.FreshValues{s.Key: s.Default}
		text := string(config.FreshFile(values))
		if !strings.Contains(text, "  "+name+": ") {
			t.Errorf("%s was not written", s.Key)
		}
		if wrong := config.Validate(config.SettingsSchema(), document(t, text)); len(wrong) > 0 {
			t.Errorf("%s: %v", s.Key, wrong)
		}
	}
}

// TestMappingKeys asks the parser at every level which keys it takes: a text in
// the place of a map is answered with the list.
func TestMappingKeys(t *testing.T) {
	root := config.MappingSchema()
	list := root.Properties["advoware"].Properties["list"]
	kind := root.Properties["kinds"].Items
	field := root.Properties["fields"].Items
	const head = "entity: E\nespocrm: {type: T}\n"
	for _, c := range []struct {
		text string
		node *config.Schema
	}{
		{"text", root},
		{"entity: E\nespocrm: text\n", root.Properties["espocrm"]},
		{head + "advoware: text\n", root.Properties["advoware"]},
		{head + "advoware: {path: p, id: i, row_id: r, list: text}\n", list},
		{head + "kinds: [text]\n", kind},
		{head + "kinds: [{name: k, when: text}]\n", kind.Properties["when"]},
		{head + "fields: [text]\n", field},
		{head + "groups: {g: text}\n", root.Properties["groups"].AdditionalProperties.(*config.Schema)},
	} {
		var want []string
		for name := range c.node.Properties {
			want = append(want, name)
		}
		slices.Sort(want)
		if got := allowed(t, c.text); !slices.Equal(got, want) {
			t.Errorf("%q: the parser takes %v, the schema has %v", c.text, got, want)
		}
	}
}

func allowed(t *testing.T, text string) []string {
	t.Helper()
	_, err := mapping.Parse("m.yaml", []byte(text))
	var problems strictyaml.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("%q: %v", text, err)
	}
	for _, p := range problems {
		if _, keys, ok := strings.Cut(p.Text, "must be a map with the keys "); ok {
			out := strings.Split(keys, ", ")
			slices.Sort(out)
			return out
		}
	}
	t.Fatalf("%q: the parser names no keys: %v", text, err)
	return nil
}

func TestMappingSchemaAgrees(t *testing.T) {
	const head = "entity: E\nespocrm: {type: T}\nadvoware: {path: a/b, id: i, row_id: r}\n"
	good := []string{
		head + "fields: [{espocrm: a, advoware: b.c, type: date, direction: to_advoware}]",
		head + "fields: [{espocrm: a, advoware: b, values: {Mr.: Herr, x: 1}}]",
		head + "zone: Europe/Vienna\nfields: [{espocrm: a, advoware: b, type: float, scale: 2, empty: [0]}, {espocrm: c, advoware: d, type: phone, region: AT, espo_format: national}, {espocrm: e, advoware: f, type: date, zone: UTC}]",
		head + "fields: [{espocrm: a, advoware: 'k[x=1].b', new: {c: 1}, remove: true}]",
		head + "groups: {g: {policy: manual}}\nfields: [{espocrm: a, advoware: b, group: g}, {espocrm: c, advoware: d, group: g}, {espocrm: e, advoware: f, policy: merge}]",
		head + "match: [a]\nfields: [{espocrm: a, advoware: b}]\nkinds:\n",
		"entity: E\nespocrm: {type: T}\nadvoware: {path: a/b, id: i, row_id: r, list: {path: same, first: 0, max: 5, params: {a: 1}}}\nfields: [{espocrm: a, advoware: b}]",
	}
	bad := []string{
		"entity: E", head + "fields: [{espocrm: a}]", head + "fields: [{espocrm: a, advoware: b, type: number}]", head + "fields: [{espocrm: a, advoware: b, way: both}]",
		head + "fields: [{espocrm: a, from_advoware: x, advoware: b}]", head + "fields: [{espocrm: 'a b', advoware: b}]", head + "fields: {a: b}",
		head + "fields: [{espocrm: a, advoware: b, policy: best}]", head + "fields: [{espocrm: a, advoware: b, type: phone, region: Germany}]", head + "fields: [{espocrm: a, advoware: b, type: int, empty: 0}]", head + "groups: {g: manual}\nfields: [{espocrm: a, advoware: b, group: g}]",
		"entity: 'E 1'\nespocrm: {type: T}\nadvoware: {path: /a, id: i, row_id: r}\nfields: [{espocrm: a, advoware: b}]",
	}
	for _, text := range good {
		if wrong := config.Validate(config.MappingSchema(), document(t, text)); len(wrong) > 0 {
			t.Errorf("%s: the schema refuses it: %v", text, wrong)
		}
		if _, err := mapping.Parse("m.yaml", []byte(text)); err != nil {
			t.Errorf("%s: the program refuses it: %v", text, err)
		}
	}
	for _, text := range bad {
		if wrong := config.Validate(config.MappingSchema(), document(t, text)); len(wrong) == 0 {
			t.Errorf("%s: the schema accepts it", text)
		}
		if _, err := mapping.Parse("m.yaml", []byte(text)); err == nil {
			t.Errorf("%s: the program accepts it", text)
		}
	}
}

// TestOurOwnFiles: what init writes, and the built-in mapping.
func TestOurOwnFiles(t *testing.T) {
	full := config.FreshValues{"espocrm.url": "https://crm.example.de", "espocrm.api_key_file": "secrets/key", "advoware.kanzlei": "12345", "espocrm.notify.users": "anna, bob"}
	for _, values := range []config.FreshValues{nil, full} {
		if wrong := config.Validate(config.SettingsSchema(), document(t, string(config.FreshFile(values)))); len(wrong) > 0 {
			t.Errorf("the configuration that init writes: %v", wrong)
		}
	}
	for _, text := range [][]byte{mapping.BuiltinYAML(), config.FreshMapping()} {
		if wrong := config.Validate(config.MappingSchema(), document(t, string(text))); len(wrong) > 0 {
			t.Errorf("the built-in mapping: %v", wrong)
		}
	}
}
