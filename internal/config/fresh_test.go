package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"advosync/internal/config"
	"advosync/internal/mapping"
)

func loadDir(t *testing.T, dir string, environ ...string) *config.Config {
	t.Helper()
	home := t.TempDir()
	cfg, err := config.Load(config.Options{Dir: dir, Home: home, System: home, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestFreshFilesLoad: what init writes is a configuration, with the built-in
// mapping and all defaults.
func TestFreshFilesLoad(t *testing.T) {
	dir := t.TempDir()
	files, err := config.Fresh{Dir: dir}.Write()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", f, info.Mode().Perm())
		}
	}
	cfg := loadDir(t, dir)
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if len(cfg.Mappings) != 1 || cfg.Mappings[0].Fingerprint() != mapping.Builtin().Fingerprint() {
		t.Error("the mapping is not the built-in one")
	}
	for _, v := range cfg.Values() {
		if v.From != "default" && v.Key != "entities" {
			t.Errorf("%s is set to %s", v.Key, v.Text)
		}
	}
}

// TestEveryKeyIsThere: commented out with the default that is in force.
func TestEveryKeyIsThere(t *testing.T) {
	text := string(config.FreshFile(nil))
	for _, s := range config.Describe() {
		name := s.Key[strings.LastIndex(s.Key, ".")+1:]
		if s.Kind == config.KindSecret && s.Key != "redis.url" {
			name += "_file"
		}
		if !strings.Contains(text, "#"+name+": ") && s.Key != "entities" {
			t.Errorf("%s is missing", s.Key)
		}
	}
	lines := strings.Split(text, "\n")
	if !strings.HasPrefix(lines[0], "# yaml-language-server: $schema=") {
		t.Errorf("first line: %s", lines[0])
	}
	for _, line := range lines {
		if len(line) > 110 {
			t.Errorf("long line: %s", line)
		}
	}
}

// TestUncommented: without the # of its line every default is still accepted.
func TestUncommented(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	for line := range strings.Lines(string(config.FreshFile(nil))) {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		rest := strings.TrimLeft(line, " ")
		if strings.HasPrefix(rest, "#") && !strings.HasPrefix(rest, "# ") && !strings.HasPrefix(rest, "#\n") && !strings.Contains(rest, "_file: ") {
			rest = rest[1:]
		}
		b.WriteString(indent + rest)
	}
	put := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(config.FileName, b.String())
	put(config.MappingName, string(config.FreshMapping()))
	cfg := loadDir(t, dir)
	set := 0
	for _, v := range cfg.Values() {
		if v.From != "default" {
			set++
		}
	}
	if set < 30 {
		t.Errorf("only %d settings came from the file:\n%s", set, b.String())
	}
	fresh := loadDir(t, t.TempDir())
	if cfg.Sync != fresh.Sync || cfg.Cron != fresh.Cron || cfg.History != fresh.History {
		t.Error("a default that is shown is not the one in force")
	}
}

func TestValuesAndSecrets(t *testing.T) {
	dir := t.TempDir()
	hostile := "a\"b\\c: #d"
	files, err := config.Fresh{Dir: dir,
		Values:  config.FreshValues{"espocrm.url": "https://crm.example.de", "advoware.user": hostile, "espocrm.notify.users": "anna, b:ob", "sync.conflict": "merge"},
		Secrets: []config.FreshSecret{{Key: "espocrm.api_key", Text: "geheim"}},
	}.Write()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(files, filepath.Join(dir, "secrets", "espocrm-api-key")) {
		t.Errorf("files: %v", files)
	}
	text, err := os.ReadFile(filepath.Join(dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "geheim") {
		t.Error("the secret stands in the configuration")
	}
	cfg := loadDir(t, dir)
	if cfg.EspoCRM.APIKey.Reveal() != "geheim" || cfg.EspoCRM.URL != "https://crm.example.de" || cfg.Advoware.User != hostile ||
		!slices.Equal(cfg.EspoCRM.Notify.Users, []string{"anna", "b:ob"}) || cfg.Sync.Conflict != "merge" {
		t.Errorf("read back: %+v", cfg.Values())
	}
}

// TestNothingIsOverwritten: whichever file is in the way, nothing is written.
func TestNothingIsOverwritten(t *testing.T) {
	for _, name := range []string{config.FileName, config.MappingName, "secrets/espocrm-api-key"} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		files, err := config.Fresh{Dir: dir, Secrets: []config.FreshSecret{{Key: "espocrm.api_key", Text: "x"}}}.Write()
		var exists *config.ExistsError
		if !errors.As(err, &exists) || exists.Path != path || len(files) > 0 {
			t.Errorf("%s: %v, %v", name, files, err)
		}
		if text, _ := os.ReadFile(path); string(text) != "mine" {
			t.Errorf("%s was overwritten", name)
		}
		if name != config.FileName {
			if _, err := os.Stat(filepath.Join(dir, config.FileName)); err == nil {
				t.Errorf("%s: half of it was written", name)
			}
		}
	}
}

// TestSchemasAreReplaced: they belong to the version of the program.
func TestSchemasAreReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.FromSlash(config.SchemaName))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"$schema": "`+strings.Repeat("STALE", 9000)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.WriteSchemas(dir); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); strings.Contains(string(text), "STALE") || len(text) == 0 {
		t.Error("the old schema is still there")
	}
}

// TestHalfWrittenIsTakenAway: what cannot be written whole leaves nothing that the next
// attempt would take for a configuration.
func TestHalfWrittenIsTakenAway(t *testing.T) {
	dir := t.TempDir()
	twice := config.FreshSecret{Key: "espocrm.api_key", Text: "x"} // the second one meets the first
	if written, err := (config.Fresh{Dir: dir, Secrets: []config.FreshSecret{twice, twice}}).Write(); err == nil || len(written) > 0 {
		t.Errorf("%q, %v", written, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("%q is left, %v", left, err)
	}
	if _, err := (config.Fresh{Dir: dir}).Write(); err != nil {
		t.Error(err)
	}
}
