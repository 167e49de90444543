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
func (c *Console) Paged(lookup func(string) (string, bool)) (*Console, *Pager) {
	command, set := pagerFrom(lookup)
	if !set || !c.OutFacts.Terminal || c.OutFacts.Height < 2 {
		return c, nil
	}
	p := &Pager{to: c.Out, height: c.OutFacts.Height, command: command}
	out := *c
	out.Out = p
	return &out, p
}

// pagerFrom is the pager that is wanted; less where nobody has said, and none where an
// empty one was asked for.
func pagerFrom(lookup func(string) (string, bool)) (command string, wanted bool) {
	command, said := lookup("PAGER")
	if !said {
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
	c.Env = pagerEnv(os.Environ(), os.LookupEnv)
	if err := c.Start(); err != nil {
		return err
	}
	_ = c.Wait() // the reader has left it before its end: that is no failure of ours
	return nil
}

// pagerEnv is the environment of a pager: as git does, colours, no clearing, gone at the
// end; and names are UTF-8 in every locale, which less would show as numbers.
func pagerEnv(env []string, lookup func(string) (string, bool)) []string {
	for _, v := range []struct{ name, value string }{{"LESS", "FRX"}, {"LESSCHARSET", "utf-8"}} {
		if set, _ := lookup(v.name); set == "" {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env
}
