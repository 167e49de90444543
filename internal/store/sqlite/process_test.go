package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
