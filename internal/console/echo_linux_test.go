package console

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"advosync/internal/test/pty"
)

// quick is somebody who answers in the moment in which the question appears.
type quick struct {
	io.Writer
	answer func()
}

func (q quick) Write(b []byte) (int, error) {
	n, err := q.Writer.Write(b)
	if strings.HasSuffix(string(b), ": ") {
		q.answer()
	}
	return n, err
}

// TestSecretIsNeverShown: whoever pastes a secret the moment it is asked for does
// not see it either, and the terminal shows again what is typed afterwards.
func TestSecretIsNeverShown(t *testing.T) {
	people, program := pty.Open(t)
	c, _ := Test(80, true, false)
	c.In, c.Err = program, quick{program, func() {
		_, _ = people.WriteString("geheim\n")
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(program.Fd()), Events: unix.POLLIN}}, -1) // it has arrived
	}}
	a := c.Asker()
	if got, err := a.Secret(t.Context(), "Schlüssel"); err != nil || got != "geheim" {
		t.Fatalf("%q, %v", got, err)
	}
	if got, err := a.Ask(t.Context(), "Name", ""); err != nil || got != "geheim" {
		t.Fatalf("%q, %v", got, err)
	}
	_, _ = program.WriteString("end")
	var seen strings.Builder
	for b := make([]byte, 100); !strings.HasSuffix(seen.String(), "end"); {
		n, err := people.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(b[:n])
	}
	if got, want := seen.String(), "Schlüssel: \r\nName: geheim\r\nend"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
