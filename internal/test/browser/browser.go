// Package browser looks at a page with a headless Chromium, by its own protocol over
// two pipes.
package browser

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Browser is a Chromium with one page. What went wrong on it, and what it asked for, is
// kept.
type Browser struct {
	t        *testing.T
	in       io.Writer
	answers  chan message
	next     int
	session  string
	loaded   bool
	Errors   []string // of the console and of scripts
	Requests []string // addresses that were asked for, but for the page itself
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// Find is where Chromium is; "": nowhere.
func Find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Start starts the browser at path; it ends with the test.
func Start(t *testing.T, path string) *Browser {
	t.Helper()
	fromTest, in, err := os.Pipe()
	must(t, err)
	out, fromBrowser, err := os.Pipe()
	must(t, err)
	profile := t.TempDir()
	c := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--lang=en",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	c.ExtraFiles = []*os.File{fromTest, fromBrowser}
	must(t, c.Start())
	fromTest.Close()
	fromBrowser.Close()
	b := &Browser{t: t, in: in, answers: make(chan message, 1000)}
	t.Cleanup(func() {
		in.Close()
		_ = c.Process.Kill()
		_ = c.Wait()
		out.Close()
		// Chromium's helpers outlive it for a moment, and write into the profile.
		for deadline := time.Now().Add(10 * time.Second); os.RemoveAll(profile) != nil && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
		}
	})
	go func() {
		defer close(b.answers)
		for r := bufio.NewReader(out); ; {
			raw, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var m message
			if json.Unmarshal(raw[:len(raw)-1], &m) == nil {
				b.answers <- m
			}
		}
	}()
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call waits for the answer to a command.
func (b *Browser) call(method string, params, into any) {
	b.t.Helper()
	b.next++
	raw, err := json.Marshal(params)
	must(b.t, err)
	sent, err := json.Marshal(message{ID: b.next, Method: method, SessionID: b.session, Params: raw})
	must(b.t, err)
	_, err = b.in.Write(append(sent, 0))
	must(b.t, err)
	m := b.await(method, func(m message) bool { return m.ID == b.next })
	if m.Error != nil {
		b.t.Fatalf("%s: %s", method, m.Error)
	}
	if into != nil {
		must(b.t, json.Unmarshal(m.Result, into))
	}
}

func (b *Browser) await(what string, done func(message) bool) message {
	b.t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case m, open := <-b.answers:
			if !open {
				b.t.Fatalf("%s: the browser has ended", what)
			}
			b.keep(m)
			if done(m) {
				return m
			}
		case <-end:
			b.t.Fatalf("%s: the browser does not answer", what)
		}
	}
}

// keep notes what a message tells.
func (b *Browser) keep(m message) {
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
		b.Errors = append(b.Errors, string(m.Params))
	case "Network.requestWillBeSent":
		var p struct {
			Type    string
			Request struct{ URL string }
		}
		if json.Unmarshal(m.Params, &p) == nil && p.Type != "Document" && !strings.HasPrefix(p.Request.URL, "data:") {
			b.Requests = append(b.Requests, p.Request.URL)
		}
	}
}

// Open shows a page at a width in pixels, dark or light.
func (b *Browser) Open(address string, width int, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.loaded = false
	b.call("Page.navigate", map[string]any{"url": address}, nil)
	if !b.loaded {
		b.await("load "+address, func(message) bool { return b.loaded })
	}
}

// Ask evaluates an expression on the page.
func (b *Browser) Ask(expression string, into any) {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s", got.ExceptionDetails)
	}
	if err := json.Unmarshal(got.Result.Value, into); err != nil {
		b.t.Fatal(fmt.Errorf("%s: %w", expression, err))
	}
}

// Picture is what the whole page looks like, as PNG.
func (b *Browser) Picture() []byte {
	b.t.Helper()
	var got struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &got)
	raw, err := base64.StdEncoding.DecodeString(got.Data)
	must(b.t, err)
	return raw
}
