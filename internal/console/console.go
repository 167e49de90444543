// Package console holds the three streams and the facts about them: is it a
// terminal, how wide, may it be coloured, does it show more than ASCII. The
// facts are passed in, so that no other package asks the process about them.
package console

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// DefaultWidth is used where a layout for a terminal is wanted and nobody knows
// the terminal's width.
const DefaultWidth = 80

// Facts are what is known about one output stream.
type Facts struct {
	Terminal bool
	Colour   bool // colour is allowed
	// Rich asks for the layout of a terminal: a terminal, or colour forced by
	// CLICOLOR_FORCE for a pager.
	Rich  bool
	Width int  // columns; DefaultWidth when unknown
	UTF8  bool // false: marks and boxes are drawn in ASCII
	// Height in lines; 0: nobody knows.
	Height int
	// Dumb: the terminal cannot take back what it shows.
	Dumb bool
	// Links: the terminal shows OSC 8 links.
	Links bool
}

// Console is where a command reads and writes.
type Console struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	InTerminal bool
	OutFacts   Facts
	ErrFacts   Facts

	activity *Activity // makes room for questions; nil: there is none
}

// System is the process's own console.
func System() *Console {
	return &Console{
		In: os.Stdin, Out: os.Stdout, Err: &stream{file: os.Stderr, tty: term.IsTerminal(int(os.Stderr.Fd()))},
		InTerminal: term.IsTerminal(int(os.Stdin.Fd())),
		OutFacts:   fileFacts(os.Stdout, os.Getenv),
		ErrFacts:   fileFacts(os.Stderr, os.Getenv),
	}
}

// Bare is stdout itself, for what takes over the whole terminal once the line of
// activity has ended.
func (c *Console) Bare() io.Writer {
	if w, ok := c.Out.(*lastWord); ok {
		return w.Writer
	}
	return c.Out
}

func fileFacts(f *os.File, getenv func(string) string) Facts {
	tty := term.IsTerminal(int(f.Fd()))
	width, height := 0, 0
	if tty {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil {
			width, height = w, h
		}
	}
	facts := factsFrom(tty, width, getenv)
	facts.Height, facts.Links = height, linksFrom(tty, getenv)
	return facts
}

// factsFrom decides by the usual variables. NO_COLOR beats CLICOLOR_FORCE: who
// sets both has switched colour off for good.
func factsFrom(tty bool, width int, getenv func(string) string) Facts {
	noColour := getenv("NO_COLOR") != ""
	forced := !noColour && getenv("CLICOLOR_FORCE") != "" && getenv("CLICOLOR_FORCE") != "0"
	dumb := getenv("TERM") == "dumb" || getenv("TERM") == ""
	f := Facts{
		Terminal: tty,
		Rich:     tty || forced,
		Colour:   forced || (tty && !noColour && !dumb && getenv("CLICOLOR") != "0"),
		Width:    width,
		UTF8:     localeIsUTF8(getenv),
		Dumb:     dumb,
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		f.Width = n
	}
	if f.Width <= 0 {
		f.Width = DefaultWidth
	}
	return f
}

// localeIsUTF8 follows POSIX: the first of the three that is set decides, and
// none is the C locale.
func localeIsUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// Buffers are the streams of a Test console.
type Buffers struct{ In, Out, Err bytes.Buffer }

// Test is a console of buffers; every stream is a terminal or none is.
func Test(width int, tty, colour bool) (*Console, *Buffers) {
	b := new(Buffers)
	f := Facts{Terminal: tty, Rich: tty, Colour: colour, Width: width, UTF8: true}
	return &Console{In: &b.In, Out: &b.Out, Err: &b.Err, InTerminal: tty, OutFacts: f, ErrFacts: f}, b
}

// WithoutColour is the same console with colour off on all streams. The layout
// stays.
func (c *Console) WithoutColour() *Console {
	out := *c
	out.OutFacts.Colour, out.ErrFacts.Colour = false, false
	return &out
}

// NeedsYesError says that a question could not be asked, because nobody is
// there to answer. It is a usage error.
type NeedsYesError struct{ Question string }

func (e *NeedsYesError) Error() string {
	return fmt.Sprintf("refuses without --yes, because nobody can be asked here: %s", e.Question)
}

// AwaitKey waits on a terminal until any key is typed, which is not shown. Ctrl-C, and
// the end of ctx, end it with context.Canceled.
func (c *Console) AwaitKey(ctx context.Context) error {
	if f, ok := c.In.(*os.File); ok {
		if before, err := term.MakeRaw(int(f.Fd())); err == nil {
			defer func() { _ = term.Restore(int(f.Fd()), before) }()
		}
	}
	typed := make(chan byte, 1)
	go func() {
		var key [1]byte
		_, _ = io.ReadFull(c.In, key[:]) // no key: it goes on
		typed <- key[0]
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case key := <-typed:
		if key == 3 { // Ctrl-C is a key as any other then
			return context.Canceled
		}
		return nil
	}
}

// Confirm asks a yes-or-no question on stderr and waits for the answer or the
// end of ctx. Anything but y, yes, j, ja is no; so is the end of the input.
// Without a terminal it returns a *NeedsYesError and asks nothing.
func (c *Console) Confirm(ctx context.Context, question string) (bool, error) {
	if !c.InTerminal || !c.ErrFacts.Terminal {
		return false, &NeedsYesError{Question: question}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	defer c.activity.Pause()()
	if _, err := fmt.Fprintf(c.Err, "%s [y/N] ", question); err != nil {
		return false, err
	}
	type answer struct {
		line string
		err  error
	}
	// The reader cannot be interrupted; after a signal the process ends and takes
	// it along.
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(c.In).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.Err)
		return false, ctx.Err()
	case a := <-got:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return false, fmt.Errorf("read the answer: %w", a.err)
		}
		switch strings.ToLower(strings.TrimSpace(a.line)) {
		case "y", "yes", "j", "ja":
			return true, nil
		}
		return false, nil
	}
}
