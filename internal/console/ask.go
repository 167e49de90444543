package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Asker asks questions on stderr and reads the answers from stdin, one line
// each. It keeps what it has read ahead, so one of them serves a whole dialogue.
type Asker struct {
	c  *Console
	in *bufio.Reader
}

// Asker begins a dialogue; nil where nobody is there to answer.
func (c *Console) Asker() *Asker {
	if !c.InTerminal || !c.ErrFacts.Terminal {
		return nil
	}
	return &Asker{c: c, in: bufio.NewReader(c.In)}
}

// Ask wants a text; an empty answer, or the end of the input, is otherwise.
func (a *Asker) Ask(ctx context.Context, question, otherwise string) (string, error) {
	prompt := question + ": "
	if otherwise != "" {
		prompt = fmt.Sprintf("%s [%s]: ", question, otherwise)
	}
	line, err := a.line(ctx, prompt, func() (string, error) { return a.in.ReadString('\n') })
	if err != nil || line == "" {
		return otherwise, err
	}
	return line, nil
}

// Say tells whoever answers something in between, on a line of its own.
func (a *Asker) Say(text string) { fmt.Fprintln(a.c.Err, text) }

// Secret wants a text that the terminal does not show, from before the question
// on; an empty answer is none.
func (a *Asker) Secret(ctx context.Context, question string) (string, error) {
	read := func() (string, error) { return a.in.ReadString('\n') }
	if f, ok := a.c.In.(*os.File); ok {
		before := a.state()
		defer before.restore()
		hideInput(int(f.Fd()))
		read = func() (string, error) {
			text, err := term.ReadPassword(int(f.Fd()))
			fmt.Fprintln(a.c.Err)
			return string(text), err
		}
	}
	return a.line(ctx, question+": ", read)
}

// line prompts and waits for one line or the end of ctx. The reader cannot be
// interrupted; after a signal the process ends and takes it along.
func (a *Asker) line(ctx context.Context, prompt string, read func() (string, error)) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	defer a.c.activity.Pause()()
	state := a.state()
	if _, err := fmt.Fprint(a.c.Err, prompt); err != nil {
		return "", err
	}
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := read()
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		state.restore() // the terminal may not show what is typed
		fmt.Fprintln(a.c.Err)
		return "", ctx.Err()
	case r := <-got:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", r.err)
		}
		return strings.TrimSpace(r.line), nil
	}
}

// terminalState is how the terminal was before a question.
type terminalState struct {
	fd    int
	state *term.State
}

func (a *Asker) state() terminalState {
	f, ok := a.c.In.(*os.File)
	if !ok {
		return terminalState{}
	}
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return terminalState{}
	}
	return terminalState{int(f.Fd()), state}
}

func (s terminalState) restore() {
	if s.state != nil {
		_ = term.Restore(s.fd, s.state)
	}
}
