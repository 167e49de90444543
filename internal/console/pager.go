package console

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Pager holds back what is written until Close, and shows it in a pager where it
// is longer than the terminal is high.
type Pager struct {
	to      io.Writer
	height  int
	command string
	held    bytes.Buffer
}

// Paged is the same console with its output behind a pager; nil, and the console as
// it is, where there is none to be used: not a terminal, PAGER empty or cat.
func (c *Console) Paged(getenv func(string) string) (*Console, *Pager) {
	command, set := pagerFrom(getenv)
	if !set || !c.OutFacts.Terminal || c.OutFacts.Height < 2 {
		return c, nil
	}
	p := &Pager{to: c.Out, height: c.OutFacts.Height, command: command}
	out := *c
	out.Out = p
	return &out, p
}

// pagerFrom is the pager that is wanted; less where nobody has said.
func pagerFrom(getenv func(string) string) (command string, wanted bool) {
	command = getenv("PAGER")
	if command == "" {
		command = "less"
	}
	name := strings.Fields(command)
	return command, len(name) > 0 && name[0] != "cat"
}

// Write keeps b.
func (p *Pager) Write(b []byte) (int, error) { return p.held.Write(b) }

// Close shows what was written. A pager that cannot be started is done without.
func (p *Pager) Close() error {
	if p == nil || p.held.Len() == 0 {
		return nil
	}
	if bytes.Count(p.held.Bytes(), []byte("\n")) >= p.height && p.page() == nil {
		return nil
	}
	_, err := p.to.Write(p.held.Bytes())
	return err
}

// page runs the pager to its end; an error says that it never began.
func (p *Pager) page() error {
	words := strings.Fields(p.command)
	c := exec.Command(words[0], words[1:]...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(p.held.Bytes()), p.to, os.Stderr
	c.Env = os.Environ()
	if os.Getenv("LESS") == "" {
		c.Env = append(c.Env, "LESS=FRX") // as git does: colours, no clearing, gone at the end
	}
	if err := c.Start(); err != nil {
		return err
	}
	_ = c.Wait() // the reader has left it before its end: that is no failure of ours
	return nil
}
