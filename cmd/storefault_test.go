package cmd

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"advosync/internal/sandbox"
	"advosync/internal/store/storetest"
)

// process runs the program as a process of its own, whose locks are free when it
// has ended.
func (k *kill) process(args ...string) (code int, out string) {
	k.t.Helper()
	self, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	c := exec.CommandContext(k.t.Context(), self)
	c.Args = append([]string{"advosync", "--config", filepath.Join(k.dir, "victim.yaml")}, args...)
	c.Dir = k.dir
	raw, err := c.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(raw)
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return exitOK, string(raw)
}

// said checks what a run with a broken store says: exit 1, what is wrong, what to
// do.
func (k *kill) said(code int, out string, words ...string) {
	k.t.Helper()
	if code != exitCannotRun {
		k.t.Errorf("exit code %d, want %d", code, exitCannotRun)
	}
	for _, w := range append(words, "hint: ") {
		if !strings.Contains(out, w) {
			k.t.Errorf("it does not say %q:\n%s", w, out)
		}
	}
}

// healed is what has to hold once the store is well again.
func (k *kill) healed(what string) {
	k.t.Helper()
	k.heal()
	if bad := k.unsound(); len(bad) > 0 {
		k.t.Errorf("%s:\n- %s", what, strings.Join(bad, "\n- "))
	}
}

func brokenStoreJobs() (out []killJob) {
	for _, j := range killJobs() {
		if j.name == "create" || j.name == "espocrm newer" || j.name == "conflict, espocrm" || j.name == "undo of advoware newer" {
			out = append(out, j)
		}
	}
	return out
}

// TestFullDisk lets the disk with the embedded store run full with ever more space
// left: before the lock, before an announcement, before the base. A small file system
// of its own is filled for that.
func TestFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can mount a small file system; that a full disk is met honestly is also shown by the tests of store/sqlite")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system may be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	cuts, step := 0, int64(4096) // a page
	if !*everything {
		step *= 8
	}
	for _, job := range brokenStoreJobs() {
		t.Run(job.name, func(t *testing.T) {
			for free := int64(0); fullDisk(t, job, dir, free) && !t.Failed(); free += step {
				cuts++
			}
		})
	}
	t.Logf("%d full disks", cuts)
}

// fullDisk runs the operation with so many bytes free; false: they were enough.
func fullDisk(t *testing.T, job killJob, dir string, free int64) bool {
	t.Helper()
	k := newKill(t, &stage{driver: "embedded"}, job)
	k.dir, k.w.dir = dir, dir
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.start(ctx)
	defer func() {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			_ = os.Remove(f)
		}
	}()
	job.prepare(k)
	filler := filepath.Join(dir, "filler")
	n, err := fill(filler)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filler, n-min(n, free)); err != nil {
		t.Fatal(err)
	}
	code, out := k.process(job.args(k)...)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if code == exitOK {
		return false
	}
	if !slow(out) {
		k.said(code, out, "disk is full", "state.db")
	}
	k.healed(fmt.Sprintf("%d bytes were free", free))
	return true
}

// fill writes a file until the disk is full and returns its size.
func fill(name string) (n int64, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	block := make([]byte, 4096)
	for {
		w, err := f.Write(block)
		n += int64(w)
		if err != nil {
			return n, f.Close()
		}
	}
}

// TestRedisGoes stops redis-server at every request of an operation: nothing more
// is written, the failure is the store's, and when it is back the next run goes on.
func TestRedisGoes(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	jobs := brokenStoreJobs()
	if !*everything {
		jobs = jobs[:1]
	}
	stops := 0
	for _, job := range jobs {
		t.Run(job.name, func(t *testing.T) {
			for n := 1; redisGoes(t, server, job, n) && !t.Failed(); n++ {
				stops++
			}
		})
	}
	t.Logf("%d stops", stops)
}

func redisGoes(t *testing.T, server *storetest.RedisServer, job killJob, n int) bool {
	t.Helper()
	k := newKill(t, &stage{driver: "redis", redis: server.Addr}, job)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.start(ctx)
	job.prepare(k)
	k.w.Faults.Add(sandbox.Fault{Name: "stop", Skip: n - 1, Count: 1, Before: func(*http.Request) { server.Stop() }})
	code, out := k.process(job.args(k)...)
	if k.w.Faults.Acted("stop") == 0 {
		// A time-out on a busy machine is not the end: once more.
		return slow(out) && redisGoes(t, server, job, n)
	}
	k.w.Faults.Clear("")
	if strings.Contains(out, "redis: ") {
		t.Errorf("the client library speaks up:\n%s", out)
	}
	if (n <= 2 || code != exitOK) && !slow(out) { // at the last request, the notification, everything is stored
		k.said(code, out, "Redis cannot be reached", server.Addr)
	}
	server.Start(t)
	k.healed(fmt.Sprintf("redis-server stopped before request %d", n))
	return true
}

// TestStoreThatMayNotBeWritten: a store of a newer version, and a replica. Nothing
// is sent to either system.
func TestStoreThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	job := killJob{prepare: func(k *kill) { k.known() }}
	refused := func(t *testing.T, k *kill, words ...string) {
		t.Helper()
		k.w.Log.Clear()
		code, out := k.process("sync", "--id", k.ids[0])
		k.said(code, out, words...)
		if n := k.w.Log.Count(nil); n > 0 {
			t.Errorf("%d requests were sent", n)
		}
	}
	t.Run("newer SQLite file", func(t *testing.T) {
		k := newKill(t, &stage{driver: "embedded"}, job)
		k.start(t.Context())
		job.prepare(k)
		db, err := sql.Open("sqlite", filepath.Join(k.dir, "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("PRAGMA user_version=7"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		refused(t, k, "newer version of advosync", "state.db", "use the version")
	})
	t.Run("Redis", func(t *testing.T) {
		server := storetest.StartRedis(t)
		k := newKill(t, &stage{driver: "redis", redis: server.Addr}, job)
		k.start(t.Context())
		job.prepare(k)
		c := goredis.NewClient(&goredis.Options{Addr: server.Addr, DB: k.w.db})
		defer func() { _ = c.Close() }()
		if err := c.Set(t.Context(), "advosync:schema", 7, 0).Err(); err != nil {
			t.Fatal(err)
		}
		refused(t, k, "newer version of advosync", server.Addr, "use the version")
		if err := c.Set(t.Context(), "advosync:schema", 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
			t.Fatal(err)
		}
		refused(t, k, "replica and takes no writes", server.Addr, "primary")
		if err := c.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
			t.Fatal(err)
		}
		k.must("sync", "--id", k.ids[0])
	})
}
