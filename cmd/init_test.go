package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"advosync/internal/config"
)

// TestInitAsks: on a terminal every question is asked that no flag answers, and
// secrets go into files of their own.
func TestInitAsks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "neu")
	answers := []string{
		"https://crm.example.de", // address
		"espo-geheim",            // API key
		"",                       // secret key: none
		"anna, bob",              // users
		"",                       // database: the default
		"SYNC",                   // user
		"advo-geheim",            // password
		"app-1",                  // AppID
		"",                       // API key: later
		"",                       // store: the default
	}
	got := invoke(t, setup{tty: true, stdin: strings.Join(answers, "\n") + "\n"}, "init", "--dir", dir, "--advoware-kanzlei", "0815")
	if got.code != exitOK {
		t.Fatalf("code %d: %s", got.code, got.err)
	}
	if strings.Contains(got.err, "Kanzleikennung in Advoware") {
		t.Error("asked for what a flag says")
	}
	if !strings.Contains(got.err, "Address of EspoCRM") || strings.Contains(got.out, "geheim") || strings.Contains(got.err, "geheim") {
		t.Errorf("questions: %s\n%s", got.err, got.out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "advosync.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "geheim") {
		t.Error("a secret stands in the configuration")
	}
	cfg, err := config.Load(config.Options{Dir: dir, Home: dir, System: dir})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.EspoCRM.APIKey.Reveal() != "espo-geheim" || cfg.Advoware.Password.Reveal() != "advo-geheim" || cfg.Advoware.Kanzlei != "0815" ||
		cfg.Advoware.Database != "ADVOWARE" || cfg.Advoware.User != "SYNC" || len(cfg.EspoCRM.Notify.Users) != 2 || len(cfg.Warnings) > 0 {
		t.Errorf("read back: %v, warnings %v", cfg.Values(), cfg.Warnings)
	}
	if cfg.Advoware.APIKey.IsSet() || cfg.EspoCRM.SecretKey.IsSet() {
		t.Error("an answer was made up")
	}
}

// TestInitAsksAgain: a wrong answer is told at once and costs no other answer.
func TestInitAsksAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "neu")
	answers := "crm.example.de\nhttp://crm.example.de\nhttps://crm.example.de\n" + strings.Repeat("\n", 10)
	got := invoke(t, setup{tty: true, stdin: answers}, "init", "--dir", dir)
	if got.code != exitOK {
		t.Fatalf("code %d: %s", got.code, got.err)
	}
	if n := strings.Count(got.err, "Address of EspoCRM"); n != 3 || !strings.Contains(got.err, "must be an address such as") || strings.Contains(got.err, "command line") {
		t.Errorf("asked %d times: %s", n, got.err)
	}
	cfg, err := config.Load(config.Options{Dir: dir, Home: dir, System: dir})
	if err != nil || cfg.EspoCRM.URL != "https://crm.example.de" {
		t.Errorf("read back: %v, %v", cfg, err)
	}
}

// TestInitAsksNothing: with --yes, or where nobody is there.
func TestInitAsksNothing(t *testing.T) {
	for _, s := range []setup{{tty: true}, {tty: false}} {
		dir := t.TempDir()
		args := []string{"init", "--dir", dir}
		if s.tty {
			args = append(args, "--yes")
		}
		got := invoke(t, s, args...)
		if got.code != exitOK || got.err != "" {
			t.Errorf("tty %v: code %d, stderr %q", s.tty, got.code, got.err)
		}
	}
}

// TestInitRefusesBeforeItAsks: answers that could not be kept are a nuisance.
func TestInitRefusesBeforeItAsks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "advosync.yaml")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := invoke(t, setup{tty: true, stdin: "https://crm.example.de\n"}, "init", "--dir", dir)
	if got.code != exitCannotRun || !strings.Contains(got.err, path) || strings.Contains(got.err, "Address of EspoCRM") {
		t.Errorf("code %d: %s", got.code, got.err)
	}
}

func TestCronWord(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/advosync/advosync.yaml": "/etc/advosync/advosync.yaml",
		"/srv/my files/a.yaml":        "'/srv/my files/a.yaml'",
		"/srv/100%/it's.yaml":         `'/srv/100\%/it'\''s.yaml'`,
	} {
		if got := cronWord(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestShellWord: what a hint has an operator type reaches the program as it is.
func TestShellWord(t *testing.T) {
	for _, word := range []string{"", "/srv/Büro/state.db", "/srv/kanzlei (alt)/state.db", "/srv/kanzlei(alt)", "$HOME", "a;b", "it's", `back\slash`, "~", "#x", "!1", "{a,b}", "email=espocrm"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(word)).Output() //nolint:gosec // that is the question
		if err != nil || string(out) != word {
			t.Errorf("%q: typed as %s, read as %q, %v", word, shellWord(word), out, err)
		}
	}
}
