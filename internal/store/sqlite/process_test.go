package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"advosync/internal/store"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
)

// childEnv makes the test binary do a child's work: path, token, name.
const childEnv = "SQLITE_TEST_CHILD"

const childCommits = 25

const exitLeaseLost = 7

const childLock = "sync_lock:process:all"

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		fmt.Fprintln(os.Stderr, writer(os.Args[1], os.Args[2]))
		os.Exit(1)
	}
	if os.Getenv(childEnv) != "" {
		err := child(os.Args[1], os.Args[2], os.Args[3])
		if errors.Is(err, store.ErrLeaseLost) {
			os.Exit(exitLeaseLost)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// child is another process on the same file: it fights for a lock, and commits
// to the record that all of them change.
func child(path, token, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	granted, _, err := s.Acquire(ctx, []string{"sync_lock:process:one"}, storetest.Owner(name), time.Hour)
	if err != nil {
		return err
	}
	if len(granted) == 1 {
		if err := s.Put(ctx, "winner/"+name, nil, 0); err != nil {
			return err
		}
	}
	if err := storetest.Count(ctx, s, store.Lease{Key: childLock, Token: token}, name, childCommits); err != nil {
		return err
	}
	return s.Close()
}

// Several processes start at once, on a file that is not there yet.
func TestSeveralProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "state.db")
	const n = 4
	start := func(i int, token string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], path, token, fmt.Sprint("p", i))
		cmd.Env = append(os.Environ(), childEnv+"=1")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	// Made by whoever is first; these fail, having no lock.
	var early []*exec.Cmd
	for i := range n {
		early = append(early, start(i, "none"))
	}
	s := open(t, path, sqlite.Options{})
	defer closed(t, s)
	for _, cmd := range early {
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitLeaseLost {
			t.Errorf("early child: %v, want a refused commit", err)
		}
	}
	granted, _, err := s.Acquire(t.Context(), []string{childLock}, storetest.Owner("parent"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var cmds []*exec.Cmd
	for i := range n {
		cmds = append(cmds, start(i, granted[0].Token))
	}
	if err := storetest.Count(t.Context(), s, granted[0], "parent", childCommits); err != nil {
		t.Error(err)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	}
	storetest.WantCount(t, s, (n+1)*childCommits)
	if winners, err := s.Keys(t.Context(), "winner/"); len(winners) != 1 || err != nil {
		t.Errorf("the lock was won by %v, %v", winners, err)
	}
}

// writerEnv makes the test binary commit without end: path, token of the lock.
const writerEnv = "SQLITE_TEST_WRITER"

// writer commits to one record, with a history entry each time, and tells every
// revision that the store has confirmed.
func writer(path, token string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	key := store.Key{Entity: "E", ID: "i"}
	m, err := s.Load(ctx, key)
	for err == nil {
		m.Pending = strings.Repeat("x", 3000)
		entry := store.Entry{ID: fmt.Sprint(m.Rev + 1), At: time.Now(), Run: "r", Entity: key.Entity, RecordID: key.ID, Error: m.Pending}
		m.Rev, err = s.Commit(ctx, store.Commit{Key: key, Lease: store.Lease{Key: childLock, Token: token}, Memory: &m, History: []store.Entry{entry}})
		fmt.Println(m.Rev)
	}
	return err
}

// TestKilledWhileWriting kills a writer at any moment: what was confirmed is
// there, the rest is there as a whole or not at all, and the file is sound.
func TestKilledWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, sqlite.Options{})
	defer closed(t, s)
	granted, _, err := s.Acquire(t.Context(), []string{childLock}, storetest.Owner("parent"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for kill := 1; kill <= 20; kill++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0], path, granted[0].Token)
		cmd.Env = append(os.Environ(), writerEnv+"=1")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var confirmed int64
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if confirmed, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if n == kill { // while it writes the next one
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		m, err := s.Load(t.Context(), store.Key{Entity: "E", ID: "i"})
		if err != nil || m.Rev != confirmed && m.Rev != confirmed+1 {
			t.Fatalf("kill %d: confirmed %d, stored %d, %v", kill, confirmed, m.Rev, err)
		}
		entries := int64(0)
		err = s.Entries(t.Context(), store.HistoryFilter{}, func(store.Entry) error { entries++; return nil })
		if err != nil || entries != m.Rev {
			t.Fatalf("kill %d: %d history entries of %d commits, %v", kill, entries, m.Rev, err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var sound string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("integrity: %q, %v", sound, err)
	}
}
