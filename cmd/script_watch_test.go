package cmd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// freePortCmd is "freeport VAR": a port on loopback that nobody listens on.
func freePortCmd(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], port)
}

// notifiedCmd is "notified FILE": a service manager's socket at $NOTIFY_SOCKET; what
// it is told is a line each in the file.
func notifiedCmd(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1)
	path := ts.MkAbs("notify.sock")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Setenv("NOTIFY_SOCKET", path)
	var all sync.WaitGroup
	all.Go(func() {
		said := make([]byte, 4096)
		for {
			n, err := c.Read(said)
			if err != nil {
				return
			}
			fmt.Fprintf(f, "%s\n", said[:n])
		}
	})
	ts.Defer(func() {
		_ = c.Close()
		all.Wait()
		_ = f.Close()
	})
}

// webhookCmd is "webhook EVENT SECRET CODE BODY": a delivery as EspoCRM makes it, signed
// with the secret, to $ADVOSYNC_WATCH_LISTEN; the code is that of the answer.
func webhookCmd(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4)
	sum := hmac.New(sha256.New, []byte(args[1]))
	sum.Write([]byte(args[3]))
	q, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+ts.Getenv("ADVOSYNC_WATCH_LISTEN")+"/"+args[0], strings.NewReader(args[3]))
	ts.Check(err)
	q.Header.Set("Signature", base64.StdEncoding.EncodeToString([]byte("6b046eddbb42560ee:"+hex.EncodeToString(sum.Sum(nil)))))
	resp, err := http.DefaultClient.Do(q)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if strconv.Itoa(resp.StatusCode) != args[2] {
		ts.Fatalf("answered with %d, want %s", resp.StatusCode, args[2])
	}
}
