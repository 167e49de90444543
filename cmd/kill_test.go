package cmd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
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
	program, addr := built(t), ""
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

// built is the program, built.
func built(t *testing.T) string {
	program := filepath.Join(t.TempDir(), "advosync")
	if out, err := exec.Command("go", "build", "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// killWorld is a small office with short time-outs, and what starts the program
// on it.
func killWorld(t *testing.T, program string, s *stage) (*world, func(args ...string) *exec.Cmd) {
	dir := t.TempDir()
	w := &world{World: sandbox.NewWorld(sandbox.WorldOptions{Seed: 7, Empty: true}), stage: s, dir: dir, db: int(s.last.Load())}
	if err := w.Start(t.Context(), "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(w.config(), "entities/*.yaml", "beteiligte.yaml", 1)
	config = strings.ReplaceAll(config, "timeout: 2s", "timeout: 700ms") // an intent is not judged before that is over
	write(t, filepath.Join(dir, "advosync.yaml"), config)
	write(t, filepath.Join(dir, "beteiligte.yaml"), w.Mapping())
	return w, func(args ...string) *exec.Cmd {
		c := exec.Command(program, append([]string{"--config", filepath.Join(dir, "advosync.yaml")}, args...)...)
		c.Dir = dir
		return c
	}
}

// kill runs the program and ends it with SIGKILL at its nth call, before or
// after the system has worked.
func (w *world) kill(t *testing.T, victim *exec.Cmd, n int, worked bool) {
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
}

func killAt(t *testing.T, program string, s *stage, job string, n int, worked bool) {
	w, run := killWorld(t, program, s)
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

	w.kill(t, run("sync", "--id", id), n, worked)

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

// TestKilledLink kills a first contact at each of its calls and repeats it: no
// second pair, no record twice, and both systems are in step afterwards.
func TestKilledLink(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program; the long form, which CI runs too, has it")
	}
	program := built(t)
	// 1 and 2: the lists; 3 to 6: the pair; 7 and 8: the import; 9 to 11: its sync.
	for n := 1; n <= 11; n++ {
		for _, worked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/worked=%t", n, worked), func(t *testing.T) {
				t.Parallel()
				killLink(t, program, n, worked)
			})
		}
	}
}

func killLink(t *testing.T, program string, n int, worked bool) {
	w, run := killWorld(t, program, &stage{driver: "embedded"})
	pair := w.EspoCRM.Seed(sandboxType, map[string]any{"name": "Aylin Weiß", "firstName": "Aylin", "lastName": "Weiß",
		"geburtsdatum": "1990-05-05", "email": "aylin@example.de", "syncStatus": "pending_sync", "createdById": sandbox.AnnaID})
	twin := w.Advoware.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Aylin","name":"Weiß","geburtsdatum":"1990-05-05","emailGesch":"aylin@example.de"}`))
	only := w.Advoware.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Otto","name":"Allein","geburtsdatum":"1940-04-04","emailGesch":"otto@example.de"}`))
	before := w.Advoware.All(sandbox.BeteiligtePath)

	w.kill(t, run("link", "--apply", "--import", "--yes"), n, worked)
	for _, again := range [][]string{{"link", "--apply", "--import", "--yes"}, {"cron-run"}, {"link", "--apply", "--import", "--yes"}} {
		if out, err := run(again...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", again[0], err, out)
		}
	}
	linked := map[string]string{}
	for _, r := range w.EspoCRM.Records(sandboxType) {
		linked[fmt.Sprint(r["advowareId"])] = fmt.Sprint(r["id"], r["syncStatus"], r["email"])
	}
	if len(w.EspoCRM.Records(sandboxType)) != 2 || linked[fmt.Sprint(twin)] != pair+"clean"+"aylin@example.de" ||
		!strings.HasSuffix(linked[fmt.Sprint(only)], "clean"+"otto@example.de") {
		t.Errorf("EspoCRM holds %v", linked)
	}
	if after := w.Advoware.All(sandbox.BeteiligtePath); !reflect.DeepEqual(before, after) {
		t.Errorf("Advoware held %s and holds %s", before, after)
	}
	if out, err := run("unlock", "--list", "-o", "csv").Output(); err != nil || strings.Count(string(out), "\n") > 1 {
		t.Errorf("locks are left: %v\n%s", err, out)
	}
}

func write(t *testing.T, file, text string) {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
