package storetest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// RedisServer is a private redis-server on a free port of this host.
type RedisServer struct {
	Addr    string
	args    []string
	cmd     *exec.Cmd
	drained chan struct{} // closed when nothing more comes from it
}

// StartRedis starts a server that ends with the test, with its data in the
// test's own directory, and skips the test where redis-server is not installed.
// More arguments are added to the command line; without any, nothing is kept on
// disk.
func StartRedis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	dir := t.TempDir()
	for {
		port := FreePort(t, 1)
		r := &RedisServer{Addr: fmt.Sprint("127.0.0.1:", port), args: append([]string{
			binary, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--daemonize", "no",
			"--dir", dir, "--save", "", "--appendonly", "no",
		}, args...)}
		switch said, err := r.start(); {
		case err == nil:
			t.Cleanup(r.Stop)
			return r
		case !strings.Contains(said, "Address already in use"): // by somebody who was quicker
			t.Fatalf("redis-server: %v\n%s", err, said)
		}
	}
}

// FreePort is the first of n neighbouring ports of this host that are free. It
// lies below those that systems give to clients and to whoever asks for any, so
// that nobody comes by it before it is used.
func FreePort(t testing.TB, n int) int {
	t.Helper()
	for range 100 {
		if first := 20000 + rand.IntN(10000); allFree(first, n) {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// URL is the server's address as in redis.url.
func (r *RedisServer) URL() string { return "redis://" + r.Addr + "/0" }

// Empty drops all that database 0 holds.
func (r *RedisServer) Empty(t testing.TB) {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "FLUSHDB\r\n"); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(c).ReadString('\n'); err != nil || said != "+OK\r\n" {
		t.Fatalf("FLUSHDB: %q %v", said, err)
	}
}

// Start starts the server again after Stop, on the same port and data.
func (r *RedisServer) Start(t testing.TB) {
	t.Helper()
	if said, err := r.start(); err != nil {
		t.Fatalf("redis-server: %v\n%s", err, said)
	}
}

// start returns when this server, and no other on its port, takes connections;
// or what it said before it ended.
func (r *RedisServer) start() (said string, err error) {
	r.cmd = exec.Command(r.args[0], r.args[1:]...)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	r.cmd.Stderr = r.cmd.Stdout
	if err := r.cmd.Start(); err != nil {
		r.cmd = nil
		return "", err
	}
	r.drained = make(chan struct{})
	patience := time.AfterFunc(time.Minute, func() { _ = out.Close() })
	defer patience.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections") {
			go func() {
				defer close(r.drained)
				_, _ = io.Copy(io.Discard, out)
			}()
			return said, nil
		}
	}
	close(r.drained)
	r.Stop()
	return said, fmt.Errorf("it does not begin to serve: %v", lines.Err())
}

// Stop ends the server at once, as a crash would.
func (r *RedisServer) Stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	<-r.drained
	_ = r.cmd.Wait()
	r.cmd = nil
}
