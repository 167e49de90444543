package cmd

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"advosync/internal/result"
	"advosync/internal/sandbox"
	"advosync/internal/store/storetest"
)

// TestKilledProgram kills the built program with SIGKILL at each of its calls,
// before and after the system has worked, and lets the next run take over: no
// edit is lost, nothing is made twice, nothing is left behind.
func TestKilledProgram(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program; the long form, which CI runs too, has it")
	}
	program := filepath.Join(t.TempDir(), "advosync")
	build := exec.Command("go", "build", "-o", program, "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	addr := ""
	if _, err := exec.LookPath("redis-server"); err == nil {
		addr = storetest.StartRedis(t, "--databases", "100").Addr
	} else {
		t.Log("redis-server is not installed: the embedded store only")
	}
	db := 0
	for _, driver := range []string{"embedded", "redis"} {
		if driver == "redis" && addr == "" {
			continue
		}
		for _, job := range []string{"create", "update"} {
			// 1 and 2: EspoCRM's read and mark; 3 to 5: Advoware; 6: the final PUT.
			for n := 1; n <= 6; n++ {
				for _, drop := range []string{"before", "after"} {
					if driver == "redis" && n != 4 && n != 6 {
						continue // the writes that matter, where each run has to wait for their end
					}
					db++
					s := &stage{driver: driver, redis: addr}
					s.last.Store(int32(db))
					t.Run(strings.Join([]string{driver, job, strconv.Itoa(n), drop}, "/"), func(t *testing.T) {
						t.Parallel()
						killAt(t, program, s, job, n, drop == "after")
					})
				}
			}
		}
	}
}

func killAt(t *testing.T, program string, s *stage, job string, n int, worked bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	w := &world{World: sandbox.NewWorld(sandbox.WorldOptions{Seed: 7, Empty: true}), stage: s, dir: dir, db: int(s.last.Load())}
	if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(w.config(), "entities/*.yaml", "beteiligte.yaml", 1)
	config = strings.ReplaceAll(config, "timeout: 2s", "timeout: 700ms") // an intent is not judged before that is over
	write(t, filepath.Join(dir, "advosync.yaml"), config)
	write(t, filepath.Join(dir, "beteiligte.yaml"), w.Mapping())
	run := func(args ...string) *exec.Cmd {
		c := exec.Command(program, append([]string{"--config", filepath.Join(dir, "advosync.yaml")}, args...)...)
		c.Dir = dir
		return c
	}

	id := w.EspoCRM.Seed(sandboxType, map[string]any{"name": "Aylin Weiß", "firstName": "Aylin", "lastName": "Weiß",
		"email": "alt@example.de", "syncStatus": "pending_sync", "createdById": sandbox.AnnaID})
	if job == "update" {
		if out, err := run("sync", "--id", id).CombinedOutput(); err != nil {
			t.Fatalf("first sync: %v\n%s", err, out)
		}
		if err := w.EspoCRM.Put(sandboxType, id, "anna", map[string]any{"email": "neu@example.de"}); err != nil {
			t.Fatal(err)
		}
	}
	records := len(w.Advoware.All(sandbox.BeteiligtePath))

	victim := run("sync", "--id", id)
	started, killed := make(chan struct{}), make(chan struct{})
	kill := func(*http.Request) {
		<-started
		_ = victim.Process.Kill()
		_ = victim.Wait()
		close(killed)
	}
	fault := sandbox.Fault{Path: "*Beteiligte*", Skip: n - 1, Count: 1, Before: kill, Drop: sandbox.DropBefore}
	if worked {
		fault.Before, fault.After, fault.Drop = nil, kill, sandbox.DropAfter
	}
	w.Faults.Add(fault)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	select {
	case <-killed:
	case <-time.After(20 * time.Second):
		t.Fatal("the program made no such call")
	}
	w.Faults.Clear("")

	// A person goes on working, then the next run takes over.
	if err := w.EspoCRM.Put(sandboxType, id, "anna", map[string]any{"phone": "0999"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next := run("sync", "--id", id, "-o", "json")
		out, err := next.Output()
		var doc result.Document
		if jerr := json.Unmarshal(out, &doc); err != nil || jerr != nil || doc.Summary.Failed > 0 {
			t.Fatalf("next run: %v, %v\n%s", err, jerr, out)
		}
	}
	all := w.Advoware.All(sandbox.BeteiligtePath)
	if want := max(records, 1); len(all) != want {
		t.Fatalf("%d records in Advoware, want %d", len(all), want)
	}
	espo, _ := w.EspoCRM.Get(sandboxType, id)
	for espoName, advoName := range map[string]string{"email": "emailGesch", "phone": "telGesch", "lastName": "name"} {
		if got := w.Advoware.Value(sandbox.BeteiligtePath, 1, advoName); got != espo[espoName] {
			t.Errorf("%s: EspoCRM %v, Advoware %v", espoName, espo[espoName], got)
		}
	}
	if espo["phone"] != "0999" || job == "update" && espo["email"] != "neu@example.de" || espo["syncStatus"] != "clean" {
		t.Errorf("EspoCRM holds %v", espo)
	}
}

func write(t *testing.T, file, text string) {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
