// Package pty gives tests a pseudo-terminal.
package pty

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"
)

// Open is a pseudo-terminal: what people see and type, and what a program has.
func Open(t *testing.T) (people, program *os.File) {
	t.Helper()
	people, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { people.Close() })
	if err := unix.IoctlSetPointerInt(int(people.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(people.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return people, program
}

// Resize says how large the terminal is.
func Resize(t *testing.T, terminal *os.File, columns, lines uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines}); err != nil {
		t.Fatal(err)
	}
}

// Screen is what somebody sees who sits at a pseudo-terminal, and their keys.
type Screen struct {
	t     *testing.T
	wire  *os.File
	mu    sync.Mutex
	shown *vt.Emulator
	more  chan struct{}
}

// NewScreen is a terminal of that size; program is its other end.
func NewScreen(t *testing.T, columns, lines uint16) (s *Screen, program *os.File) {
	t.Helper()
	people, program := Open(t)
	Resize(t, people, columns, lines)
	s = &Screen{t: t, wire: people, shown: vt.NewEmulator(int(columns), int(lines)), more: make(chan struct{}, 1)}
	go func() { _, _ = io.Copy(people, s.shown) }() // what the terminal answers when it is asked
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := people.Read(buf)
			s.mu.Lock()
			_, _ = s.shown.Write(buf[:n])
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { s.shown.InputPipe().(io.Closer).Close() })
	return s, program
}

// Text is what stands on the screen, line by line.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// Coloured is the screen with its colours, as lines with escape sequences.
func (s *Screen) Coloured() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.Render()
}

// Await waits until a text stands on the screen.
func (s *Screen) Await(text string) {
	s.t.Helper()
	for end := time.After(20 * time.Second); !strings.Contains(s.Text(), text); {
		select {
		case <-s.more:
		case <-end:
			s.t.Fatalf("%q does not appear:\n%s", text, s.Text())
		}
	}
}

// Type sends keys.
func (s *Screen) Type(keys string) {
	s.t.Helper()
	if _, err := s.wire.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// Clear empties the screen.
func (s *Screen) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.shown.WriteString("\x1b[2J\x1b[H")
}
