package tree

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/sqlite"
)

// settle gives the reader a configuration for these systems.
func (p *player) settle(w *sandbox.World) {
	p.t.Helper()
	dir := filepath.Join(p.home, ".config", "advosync")
	if err := os.MkdirAll(filepath.Join(dir, "entities"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	short := strings.NewReplacer("espocrm:\n", "espocrm:\n  timeout: 2s\n", "advoware:\n", "advoware:\n  timeout: 2s\n"). // a doubtful write rests so long
																Replace(w.Config(dir, "entities/*.yaml")) + "sync: {late_write: 0s}\n"
	for name, text := range map[string]string{"advosync.yaml": short, "entities/beteiligte.yaml": w.Mapping()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// office is an EspoCRM and an Advoware for a reader who has come to the real
// thing.
func office(t *testing.T, o sandbox.WorldOptions) *sandbox.World {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w := sandbox.NewWorld(o)
	if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return w
}

// install is what uploading the extension does to EspoCRM.
func install(t *testing.T, w *sandbox.World) {
	t.Helper()
	body := `{"uniqueWithDeleteId": true, "fields": {"CBeteiligte": {"advowareEditedAt": {"type": "datetime"}}}}`
	resp, err := http.Post(w.EspoURL+"/_sandbox/behaviour", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("install the extension: %s", answer)
	}
}

// edit changes a file as somebody with an editor would.
func edit(t *testing.T, file string, change func(string) string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(raw))
	if changed == string(raw) {
		t.Fatalf("%s: nothing to change", file)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair is a record that both systems have.
type pair struct {
	id     string
	number int64
}

// people are those who work in both systems.
type people struct {
	t      *testing.T
	w      *sandbox.World
	linked []pair
	edits  int
}

func cast(t *testing.T, w *sandbox.World) *people {
	c := &people{t: t, w: w}
	for _, r := range w.EspoCRM.Records("CBeteiligte") {
		if r["advowareId"] == nil {
			continue
		}
		n, err := strconv.ParseInt(fmt.Sprint(r["advowareId"]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		c.linked = append(c.linked, pair{fmt.Sprint(r["id"]), n})
	}
	return c
}

// newcomer is entered in EspoCRM only.
func (c *people) newcomer(first, last string) (id string) {
	return c.w.EspoCRM.Seed("CBeteiligte", map[string]any{"firstName": first, "lastName": last, "name": first + " " + last, "syncStatus": "pending_sync"})
}

func (c *people) next() int { c.edits++; return c.edits }

func (c *people) inEspoCRM(r pair, values map[string]any) {
	c.t.Helper()
	if err := c.w.EspoCRM.Put("CBeteiligte", r.id, "anna", values); err != nil {
		c.t.Fatal(err)
	}
}

func (c *people) inAdvoware(r pair, values map[string]any) {
	c.t.Helper()
	if err := c.w.Advoware.Edit(sandbox.BeteiligtePath, r.number, values); err != nil {
		c.t.Fatal(err)
	}
}

// lock has a process of another host hold a record for an hour.
func (p *player) lock(id string) {
	p.t.Helper()
	st, err := sqlite.Open(p.t.Context(), filepath.Join(p.home, ".config", "advosync", "state.db"), sqlite.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	owner := store.Owner{Host: "kanzlei-2", PID: 4711, Start: "x", User: "anna", Command: "cron-run", Run: "r1", Since: time.Now()}
	if _, held, err := st.Acquire(p.t.Context(), []string{store.LockKey("Beteiligte", id)}, owner, time.Hour); err != nil || len(held) > 0 {
		p.t.Fatal(err, held)
	}
}
