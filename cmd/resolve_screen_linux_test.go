package cmd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"advosync/internal/console"
	"advosync/internal/sandbox"
	"advosync/internal/test/pty"
)

// typist sits at a terminal of 80 columns and 24 lines without colour: it types when it
// sees what it waits for.
type typist struct{ *pty.Screen }

func newTypist(t *testing.T) (*typist, *console.Console) {
	t.Setenv("TERM", "xterm")
	screen, program := pty.NewScreen(t, 80, 24)
	f := console.Facts{Terminal: true, Rich: true, Width: 80, Height: 24, UTF8: true}
	return &typist{screen}, &console.Console{In: program, Out: program, Err: program, InTerminal: true, OutFacts: f, ErrFacts: f}
}

// at runs a command on the terminal; the returned function waits for its exit code.
func (o *deskOffice) at(c *console.Console, args ...string) (end func() int) {
	return atTerminal(c, append([]string{"--config", o.file}, args...)...)
}

// atTerminal runs a command line on a terminal; the returned function waits for its exit
// code.
func atTerminal(c *console.Console, args ...string) (end func() int) {
	d := deps{console: c, now: time.Now, zone: time.UTC, newRunID: newRunID}
	d.load = func(l loadOptions) (project, error) { return loadConfig(l, c) }
	d.sandbox = func(ctx context.Context, o sandboxOptions) error { return runSandbox(ctx, d, o) }
	code := make(chan int, 1)
	go func() { code <- run(context.Background(), d, args) }()
	return func() int { return <-code }
}

// TestTheDemonstrationWaitsForKeys: a command for each, and Ctrl-C ends it.
func TestTheDemonstrationWaitsForKeys(t *testing.T) {
	t.Setenv("PAGER", "sed s/^/paged/")
	y, c := newTypist(t)
	end := atTerminal(c, "sandbox", "--demo", "--step")
	y.Await("$ advosync sync --id")
	if strings.Contains(y.Text(), "Now people work") {
		t.Error("it did not wait")
	}
	y.Type(" ")
	y.Await("$ advosync diff --id")
	y.Type(" ")
	y.Await("What differs") // which is longer than the screen
	y.Await("--full shows")
	if strings.Contains(y.Text(), "paged") {
		t.Error("a pager has taken over")
	}
	ended := make(chan int, 1)
	go func() { ended <- end() }()
	for {
		y.Type("\x03") // before the program reads keys, its terminal would make a signal of it, and here nobody is to get one
		select {
		case code := <-ended:
			if code != exitInterrupted {
				t.Errorf("exit code %d", code)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestResolveOnTheScreen: what is decided with keys is what is written, field by field;
// nothing is before the last enter.
func TestResolveOnTheScreen(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	y, c := newTypist(t)
	end := o.at(c, "resolve")
	y.Await("1 conflict, 0 decided")
	y.Await("since ")
	y.Await("hier@example.de")
	y.Type("A")
	y.Await("1 decided")
	y.Type("q")
	if code := end(); code != exitConflict {
		t.Errorf("leaving: exit code %d", code)
	}
	if got := o.email(); got != "hier@example.de dort@example.de" {
		t.Fatalf("leaving has written: %s", got)
	}
	y.Await("Left as it is")
	y.Clear()
	end = o.at(c, "resolve", "--id", fmt.Sprint(o.advo))
	y.Await("0 decided")
	y.Type("ea") // the mail of EspoCRM, the phone of Advoware
	y.Await("1 decided")
	y.Type("\r")
	y.Await("1 of 1 record is written")
	y.Type("\r")
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

// TestParkedAnewWhileItIsDecided: a colleague edits the record while an operator looks at
// it, and a pass parks it anew. What he has decided is about what he was shown.
func TestParkedAnewWhileItIsDecided(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	y, c := newTypist(t)
	end := o.at(c, "resolve")
	y.Await("hier@example.de")
	if err := o.w.Advoware.Edit(sandbox.BeteiligtePath, o.advo, map[string]any{"emailGesch": "neu@example.de"}); err != nil {
		t.Fatal(err)
	}
	if code, _, said := o.run("", "sync", "--id", o.id); code != exitConflict {
		t.Fatal(code, said)
	}
	y.Type("E\r")
	y.Await("1 of 1 record is written")
	y.Type("\r")
	if code := end(); code != exitConflict {
		t.Errorf("exit code %d", code)
	}
	y.Await("it is compared anew")
	if got := o.email(); got != "hier@example.de neu@example.de" {
		t.Errorf("email: %s", got)
	}
}

// TestOnHoldOnTheScreen: the screen says so, and nothing is decided of it.
func TestOnHoldOnTheScreen(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	if code, _, said := o.run("", "hold", "--id", o.id, "--reason", "ask Anna"); code != exitOK {
		t.Fatal(code, said)
	}
	y, c := newTypist(t)
	end := o.at(c, "resolve")
	y.Await("advosync release")
	y.Type("Ee?")
	y.Await("any key")
	y.Type(" ")
	y.Await("1 conflict, 0 decided")
	y.Type("q")
	if code := end(); code != exitConflict {
		t.Errorf("exit code %d", code)
	}
	y.Await("On hold by")
	if got := o.email(); got != "hier@example.de dort@example.de" {
		t.Errorf("email: %s", got)
	}
}

// TestHalfAConflictOnTheScreen: what is decided is written, the rest waits on.
func TestHalfAConflictOnTheScreen(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	y, c := newTypist(t)
	end := o.at(c, "resolve")
	y.Await("hier@example.de")
	y.Type("a\r")
	y.Await("not decided and wait on: 1")
	y.Type("\r")
	if code := end(); code != exitConflict {
		t.Errorf("exit code %d", code)
	}
	if got := o.email(); got != "dort@example.de dort@example.de" {
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
	y.Await("values that were overruled")
	y.Await("dort@example.de")
	y.Type("p")
	y.Await("1 to be put back")
	y.Type("\r")
	y.Await("are put back")
	y.Type("\r")
	if code := end(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := o.email(); got != "dort@example.de dort@example.de" {
		t.Errorf("email: %s", got)
	}
}

// TestWhatIsPutBackMakesRoom: two decisions on one record, one after the other. Once the
// later one is put back, the screen shows the earlier one.
func TestWhatIsPutBackMakesRoom(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	if code, _, said := o.run("", "resolve", "--id", o.id, "--field", "email=espocrm"); code != exitConflict {
		t.Fatal(code, said)
	}
	if code, _, said := o.run("", "resolve", "--id", o.id, "--take", "espocrm"); code != exitOK {
		t.Fatal(code, said)
	}
	y, c := newTypist(t)
	for _, shown := range []string{"overwrote: phone", "overwrote: email"} {
		end := o.at(c, "resolve", "--overruled")
		y.Await(shown)
		y.Type("p")
		y.Await("1 to be put back")
		y.Type("\r")
		y.Await("are put back")
		y.Type("\r")
		if code := end(); code != exitOK {
			t.Errorf("%s: exit code %d", shown, code)
		}
		y.Clear()
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
