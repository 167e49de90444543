package watch

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"advosync/internal/mapping"
)

type deaf struct{}

func (deaf) Hear(Hint) bool { return true }
func (deaf) Missed(string)  {}

// No file descriptor is left for a moment: the listener for pokes ends with that error and is tried again a minute later.
func TestPokesAreTriedAgain(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // else the collector may close what was left open
	path := filepath.Join(t.TempDir(), "s")
	p := Pokes(path, []*mapping.Mapping{mapping.Builtin()})
	first := make(chan error, 1)
	go func() { first <- p.Run(t.Context(), deaf{}) }()
	time.Sleep(100 * time.Millisecond)
	c, err := net.Dial("unix", path) // its descriptor is there; the one of the other end shall not be
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	time.Sleep(50 * time.Millisecond)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var was syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was)
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 4, Max: was.Max})
	err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	var ended error
	select {
	case ended = <-first:
	case <-time.After(2 * time.Second):
	}
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)
	_ = syscall.Close(fd)
	if err != nil || !errors.Is(ended, syscall.EMFILE) {
		t.Fatalf("%v, %v", err, ended)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := p.Run(ctx, deaf{}); err != nil {
		t.Errorf("the next try: %v", err)
	}
}
