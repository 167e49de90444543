package storetest

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"
)

// RedisServer is a private redis-server on a free port of this host.
type RedisServer struct {
	Addr string
	args []string
	cmd  *exec.Cmd
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := &RedisServer{Addr: addr.String(), args: append([]string{
		binary, "--port", fmt.Sprint(addr.Port), "--bind", "127.0.0.1", "--daemonize", "no",
		"--dir", t.TempDir(), "--save", "", "--appendonly", "no",
	}, args...)}
	r.Start(t)
	t.Cleanup(r.Stop)
	return r
}

// URL is the server's address as in redis.url.
func (r *RedisServer) URL() string { return "redis://" + r.Addr + "/0" }

// Start starts the server again after Stop, on the same port and data.
func (r *RedisServer) Start(t testing.TB) {
	t.Helper()
	var out bytes.Buffer
	r.cmd = exec.Command(r.args[0], r.args[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = &out, &out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if answers(r.Addr) {
			return
		}
	}
	r.Stop()
	t.Fatalf("redis-server does not answer: %s", out.String())
}

func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	b := make([]byte, 5)
	n, err := c.Read(b)
	return err == nil && (b[0] == '+' || bytes.HasPrefix(b[:n], []byte("-NOAU")))
}

// Stop ends the server at once, as a crash would.
func (r *RedisServer) Stop() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
}
