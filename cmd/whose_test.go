package cmd

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/fault"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/memory"
	"advosync/internal/store/sqlite"
)

// leave makes a file that remembers a record of these systems, or only whose it is.
func leave(t *testing.T, path string, whose store.Identity, remembers bool) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(os.MkdirAll(filepath.Dir(path), 0o700))
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	must(err)
	_, err = store.Claim(ctx, s, whose)
	must(err)
	if remembers {
		granted, _, err := s.Acquire(ctx, []string{"sync_lock:test:one"}, store.Owner{Host: "h", PID: 1, Start: "x", Run: "r"}, time.Hour)
		must(err)
		_, err = s.Commit(ctx, store.Commit{Key: store.Key{Entity: "Beteiligte", ID: "a"}, Lease: granted[0], Memory: &store.Memory{Base: &store.Base{AdvowareID: 1}}})
		must(err)
		must(s.Release(ctx, granted))
	}
	must(s.Close())
}

// A store that remembers nothing is begun only where no memory of this configuration's was
// left behind, be it that the address of a system has changed together with the store.
func TestNotLeftBehind(t *testing.T) {
	office := store.Identity{EspoCRM: "crm.example.de", Kanzlei: "K1", Database: "ADVOWARE"}
	const redis, file = "driver: redis", "driver: embedded"
	for _, c := range []struct {
		name         string
		url, kanzlei string // as configured now
		driver       string
		former       string // where the other memory is, below the directory of store.path
		whose        store.Identity
		forgets      bool
		want, hint   string // parts of the refusal; "": none
	}{
		{name: "another store", url: "https://crm.example.de", kanzlei: "K1", driver: redis, former: "state.db", whose: office, want: "the records of the same systems", hint: "store copy --from embedded; "},
		{name: "and https", url: "http://crm.example.de:8080", kanzlei: "K1", driver: redis, former: "state.db", whose: office, want: "the records of the same systems"},
		{name: "and another name", url: "https://espo.example.de", kanzlei: "K1", driver: redis, former: "state.db", whose: office, want: "The store and a system have changed at once", hint: "store copy --from embedded --allow-moved; "},
		{name: "and a typo", url: "https://crm.exmaple.de", kanzlei: "K1", driver: redis, former: "state.db", whose: office, want: "EspoCRM crm.example.de", hint: "if the new address is a mistake, correct it first"},
		{name: "and another Kanzlei", url: "https://crm.example.de", kanzlei: "K2", driver: redis, former: "state.db", whose: office, want: "have changed at once"},
		{name: "and all", url: "https://espo.example.de", kanzlei: "K2", driver: redis, former: "state.db", whose: office, want: "have changed at once", hint: "to begin without one: advosync cron-run --allow-moved"},
		{name: "another name of the office, and of a system", url: "https://espo.example.de", kanzlei: "k1", driver: file, former: "berlin/state.db", whose: office, want: "have changed at once", hint: "change one at a time: first store: {path: "},
		{name: "another office's, beside", url: "https://espo.example.de", kanzlei: "K2", driver: file, former: "berlin/state.db", whose: office},
		{name: "the sandbox's", url: "https://crm.example.de", kanzlei: "K1", driver: redis, former: "state.db", whose: store.Identity{EspoCRM: "127.0.0.1", Kanzlei: sandbox.Kanzlei, Database: "ADVOWARE"}},
		{name: "the sandbox beside an office", url: "http://127.0.0.1:8080", kanzlei: sandbox.Kanzlei, driver: redis, former: "state.db", whose: office},
		{name: "one that remembers nothing", url: "https://crm.example.de", kanzlei: "K1", driver: redis, former: "state.db", whose: office, forgets: true},
		{name: "none", url: "https://crm.example.de", kanzlei: "K1", driver: redis},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			yaml := filepath.Join(dir, "advosync.yaml")
			text := fmt.Sprintf("espocrm: {url: %q, api_key: k, insecure: true}\nadvoware: {kanzlei: %q}\nstore: {%s, path: %q}\n", c.url, c.kanzlei, c.driver, filepath.Join(dir, "state.db"))
			if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.former != "" {
				leave(t, filepath.Join(dir, c.former), c.whose, !c.forgets)
			}
			cfg, err := readSettings(loadOptions{File: yaml})
			if err != nil {
				t.Fatal(err)
			}
			err = notLeftBehind(t.Context(), cfg, memory.New(nil), slog.New(slog.DiscardHandler))
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			f := fault.As(err)
			if f == nil || f.Code != fault.Moved || !strings.Contains(f.Message, c.want) || !strings.Contains(f.Hint, c.hint) {
				t.Errorf("%v", err)
			}
		})
	}
}
