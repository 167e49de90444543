package console

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFacts(t *testing.T) {
	cases := []struct {
		name  string
		tty   bool
		width int
		env   map[string]string
		want  Facts
	}{
		{"terminal", true, 132, map[string]string{"TERM": "xterm", "LANG": "de_DE.UTF-8"}, Facts{true, true, true, 132, true}},
		{"pipe", false, 0, map[string]string{"TERM": "xterm", "LANG": "de_DE.UTF-8"}, Facts{false, false, false, 80, true}},
		{"NO_COLOR", true, 80, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, Facts{true, false, true, 80, false}},
		{"dumb", true, 80, map[string]string{"TERM": "dumb"}, Facts{true, false, true, 80, false}},
		{"TERM unset", true, 80, nil, Facts{true, false, true, 80, false}},
		{"forced into a pager", false, 0, map[string]string{"CLICOLOR_FORCE": "1", "COLUMNS": "100"}, Facts{false, true, true, 100, false}},
		{"forced 0 is not forced", false, 0, map[string]string{"CLICOLOR_FORCE": "0"}, Facts{false, false, false, 80, false}},
		{"NO_COLOR beats forced", false, 0, map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, Facts{false, false, false, 80, false}},
		{"CLICOLOR off", true, 80, map[string]string{"TERM": "xterm", "CLICOLOR": "0"}, Facts{true, false, true, 80, false}},
		{"COLUMNS beats the terminal", true, 80, map[string]string{"TERM": "xterm", "COLUMNS": "60"}, Facts{true, true, true, 60, false}},
		{"COLUMNS nonsense", true, 90, map[string]string{"TERM": "xterm", "COLUMNS": "-3"}, Facts{true, true, true, 90, false}},
		{"LC_ALL decides", true, 80, map[string]string{"TERM": "xterm", "LC_ALL": "C", "LANG": "de_DE.UTF-8"}, Facts{true, true, true, 80, false}},
		{"C.utf8", true, 80, map[string]string{"TERM": "xterm", "LC_CTYPE": "C.utf8"}, Facts{true, true, true, 80, true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := factsFrom(c.tty, c.width, func(k string) string { return c.env[k] })
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestConfirm(t *testing.T) {
	for in, want := range map[string]bool{"y\n": true, " YES \n": true, "ja\n": true, "n\n": false, "\n": false, "": false, "yep\n": false, "y": true} {
		c, b := Test(80, true, false)
		b.In.WriteString(in)
		got, err := c.Confirm(context.Background(), "Delete 2 records?")
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
		if b.Out.Len() != 0 || !strings.HasPrefix(b.Err.String(), "Delete 2 records? [y/N] ") {
			t.Errorf("the question belongs on stderr: out %q err %q", b.Out.String(), b.Err.String())
		}
	}
}

func TestConfirmWithoutTerminal(t *testing.T) {
	c, b := Test(80, false, false)
	b.In.WriteString("y\n")
	ok, err := c.Confirm(context.Background(), "Delete?")
	var needs *NeedsYesError
	if ok || !errors.As(err, &needs) || !strings.Contains(err.Error(), "--yes") {
		t.Fatalf("got %v, %v", ok, err)
	}
	if b.Err.Len() != 0 {
		t.Errorf("nothing may be asked, got %q", b.Err.String())
	}
}

func TestConfirmInterrupted(t *testing.T) {
	c, _ := Test(80, true, false)
	r, w := io.Pipe()
	defer w.Close()
	c.In = r
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if ok, err := c.Confirm(ctx, "Delete?"); ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, %v", ok, err)
	}
}

func TestWithoutColour(t *testing.T) {
	c, _ := Test(80, true, true)
	p := c.WithoutColour()
	if p.OutFacts.Colour || p.ErrFacts.Colour || !p.OutFacts.Rich {
		t.Errorf("got %+v", p.OutFacts)
	}
	if !c.OutFacts.Colour {
		t.Error("the original changed")
	}
}
