package lease_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"advosync/internal/lease"
	"advosync/internal/store/sqlite"
)

// childEnv makes the test binary a process that dies with a lock in its hands.
const childEnv = "LEASE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := dieHolding(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func dieHolding(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	if _, err := lease.New(s, lease.Self("sync", "dead"), time.Hour, lease.Options{}).Acquire(ctx, "k"); err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	return self.Kill()
}

// The lock of a process that was killed does not wait for its hour.
func TestAKilledProcessIsTakenOver(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && runtime.GOOS != "windows" {
		t.Skip("whether a process lives is known on Linux, macOS and Windows alone; CI runs it on Linux")
	}
	path := filepath.Join(t.TempDir(), "state.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.CombinedOutput()
	if err == nil || len(out) > 0 {
		t.Fatalf("child: %v, %s", err, out)
	}
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	m := lease.New(s, lease.Self("sync", "living"), time.Hour, lease.Options{})
	l, err := m.Acquire(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if l.TookOver == nil || l.TookOver.Owner.PID != cmd.Process.Pid || l.TookOver.Owner.Run != "dead" {
		t.Errorf("took over %+v", l.TookOver)
	}
	if _, err := lease.New(s, lease.Self("sync", "other"), time.Hour, lease.Options{}).Acquire(t.Context(), "k"); err == nil {
		t.Error("the lock of a living process was taken over")
	}
	release(t, l)
}
