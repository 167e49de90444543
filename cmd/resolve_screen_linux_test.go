package cmd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"advosync/internal/console"
	"advosync/internal/sandbox"
	"advosync/internal/test/pty"
)

// typist sits at a terminal: it sees what appears there, and types when it sees what
// it waits for.
type typist struct {
	t        *testing.T
	terminal *os.File
	mu       sync.Mutex
	seen     string
	more     chan struct{}
}

func newTypist(t *testing.T) (*typist, *console.Console) {
	people, program := pty.Open(t)
	pty.Resize(t, people, 80, 24)
	y := &typist{t: t, terminal: people, more: make(chan struct{}, 1)}
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := people.Read(buf)
			y.mu.Lock()
			y.seen += string(buf[:n])
			y.mu.Unlock()
			select {
			case y.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	f := console.Facts{Terminal: true, Rich: true, Width: 80, Height: 24, UTF8: true}
	return y, &console.Console{In: program, Out: program, Err: program, InTerminal: true, OutFacts: f, ErrFacts: f}
}

// await waits until a text has appeared since the last one that was waited for.
func (y *typist) await(text string) {
	y.t.Helper()
	for end := time.After(20 * time.Second); ; {
		y.mu.Lock()
		_, rest, found := strings.Cut(y.seen, text)
		if found {
			y.seen = rest
		}
		seen := y.seen
		y.mu.Unlock()
		if found {
			return
		}
		select {
		case <-y.more:
		case <-end:
			y.t.Fatalf("%q does not appear:\n%q", text, seen)
		}
	}
}

func (y *typist) keys(keys string) {
	y.t.Helper()
	if _, err := y.terminal.WriteString(keys); err != nil {
		y.t.Fatal(err)
	}
}

// at runs a command on the terminal; the returned function waits for its exit code.
func (o *deskOffice) at(c *console.Console, args ...string) (end func() int) {
	d := deps{console: c, now: time.Now, zone: time.UTC, newRunID: newRunID}
	d.load = func(l loadOptions) (project, error) { return loadConfig(l, c) }
	code := make(chan int, 1)
	go func() { code <- run(context.Background(), d, append([]string{"--config", o.file}, args...)) }()
	return func() int { return <-code }
}

// TestResolveOnTheScreen: what is decided with keys is what is written, field by field;
// nothing is before the last enter.
func TestResolveOnTheScreen(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	y, c := newTypist(t)
	end := o.at(c, "resolve")
	y.await("1 conflict, 0 decided")
	y.await("since ")
	y.await("hier@example.de")
	y.keys("A")
	y.await("1 decided")
	y.keys("q")
	if code := end(); code != exitConflict {
		t.Errorf("leaving: exit code %d", code)
	}
	if got := o.email(); got != "hier@example.de dort@example.de" {
		t.Fatalf("leaving has written: %s", got)
	}
	y.await("Left as it is")
	end = o.at(c, "resolve", "--id", fmt.Sprint(o.advo))
	y.await("0 decided")
	y.keys("ea") // the mail of EspoCRM, the phone of Advoware
	y.await("1 decided")
	y.keys("\r")
	y.await("1 of 1 records are written")
	y.keys("\r")
	if code := end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := o.email(); got != "hier@example.de hier@example.de" {
		t.Errorf("email: %s", got)
	}
	if got := o.w.Advoware.Value(sandbox.BeteiligtePath, o.advo, "telGesch"); got != "3" {
		t.Errorf("phone: %s", got)
	}
}

// TestOverruledIsPutBackWithOneKey: what a policy has overruled is shown with its value
// and put back.
func TestOverruledIsPutBackWithOneKey(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	if code, _, said := o.run("", "sync", "--id", o.id, "--conflict", "espocrm"); code != exitOK {
		t.Fatal(code, said)
	}
	if got := o.email(); got != "hier@example.de hier@example.de" {
		t.Fatal(got)
	}
	y, c := newTypist(t)
	end := o.at(c, "resolve", "--overruled", "--since", "7d")
	y.await("values that were overruled")
	y.await("dort@example.de")
	y.keys("p")
	y.await("1 to be put back")
	y.keys("\r")
	y.await("are put back")
	y.keys("\r")
	if code := end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := o.email(); got != "dort@example.de dort@example.de" {
		t.Errorf("email: %s", got)
	}
}

// TestNothingAsksTheTerminal: no library asks the terminal anything when the program
// starts; its answer would be taken for something typed.
func TestNothingAsksTheTerminal(t *testing.T) {
	people, program := pty.Open(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run", "^$")
	c.Env = append(os.Environ(), "TERM=xterm-256color")
	c.Stdin, c.Stdout, c.Stderr = program, program, program
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := people.Read(buf)
	if err != nil || strings.ContainsRune(string(buf[:n]), '\x1b') {
		t.Errorf("%v, %q", err, buf[:n])
	}
}
