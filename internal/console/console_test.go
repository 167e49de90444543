package console

import (
	"context"
	"errors"
	"io"
	"slices"
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
		{"terminal", true, 132, map[string]string{"TERM": "xterm", "LANG": "de_DE.UTF-8"}, Facts{Terminal: true, Colour: true, Rich: true, Width: 132, UTF8: true}},
		{"pipe", false, 0, map[string]string{"TERM": "xterm", "LANG": "de_DE.UTF-8"}, Facts{Terminal: false, Colour: false, Rich: false, Width: 80, UTF8: true}},
		{"NO_COLOR", true, 80, map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, Facts{Terminal: true, Colour: false, Rich: true, Width: 80, UTF8: false}},
		{"dumb", true, 80, map[string]string{"TERM": "dumb"}, Facts{Terminal: true, Colour: false, Rich: true, Width: 80, UTF8: false}},
		{"TERM unset", true, 80, nil, Facts{Terminal: true, Colour: false, Rich: true, Width: 80, UTF8: false}},
		{"forced into a pager", false, 0, map[string]string{"CLICOLOR_FORCE": "1", "COLUMNS": "100"}, Facts{Terminal: false, Colour: true, Rich: true, Width: 100, UTF8: false}},
		{"forced 0 is not forced", false, 0, map[string]string{"CLICOLOR_FORCE": "0"}, Facts{Terminal: false, Colour: false, Rich: false, Width: 80, UTF8: false}},
		{"NO_COLOR beats forced", false, 0, map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, Facts{Terminal: false, Colour: false, Rich: false, Width: 80, UTF8: false}},
		{"CLICOLOR off", true, 80, map[string]string{"TERM": "xterm", "CLICOLOR": "0"}, Facts{Terminal: true, Colour: false, Rich: true, Width: 80, UTF8: false}},
		{"COLUMNS beats the terminal", true, 80, map[string]string{"TERM": "xterm", "COLUMNS": "60"}, Facts{Terminal: true, Colour: true, Rich: true, Width: 60, UTF8: false}},
		{"COLUMNS nonsense", true, 90, map[string]string{"TERM": "xterm", "COLUMNS": "-3"}, Facts{Terminal: true, Colour: true, Rich: true, Width: 90, UTF8: false}},
		{"LC_ALL decides", true, 80, map[string]string{"TERM": "xterm", "LC_ALL": "C", "LANG": "de_DE.UTF-8"}, Facts{Terminal: true, Colour: true, Rich: true, Width: 80, UTF8: false}},
		{"C.utf8", true, 80, map[string]string{"TERM": "xterm", "LC_CTYPE": "C.utf8"}, Facts{Terminal: true, Colour: true, Rich: true, Width: 80, UTF8: true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := factsFrom(c.tty, c.width, func(k string) string { return c.env[k] })
			if c.want.Dumb = c.env["TERM"] == "" || c.env["TERM"] == "dumb"; got != c.want {
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

func TestPagerShowsOnlyWhatIsLong(t *testing.T) {
	for name, c := range map[string]struct {
		pager  string
		height int
		want   string
	}{
		"longer than the terminal":  {"sed s/^/|/", 3, "|1\n|2\n|3\n"},
		"fits":                      {"sed s/^/|/", 4, "1\n2\n3\n"},
		"nobody knows the height":   {"sed s/^/|/", 0, "1\n2\n3\n"},
		"none is wanted":            {"cat -n", 3, "1\n2\n3\n"},
		"an empty one is none":      {"", 3, "1\n2\n3\n"},
		"a pager that is not there": {"/nowhere/pager", 3, "1\n2\n3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c1, b := Test(80, true, false)
			c1.OutFacts.Height = c.height
			paged, p := c1.Paged(func(string) (string, bool) { return c.pager, true })
			if _, err := io.WriteString(paged.Out, "1\n2\n3\n"); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil || b.Out.String() != c.want {
				t.Errorf("%v, %q, want %q", err, b.Out.String(), c.want)
			}
		})
	}
}

// TestNamesArePagedInEveryLocale: less shows letters as what they are where LANG=C, and
// what somebody has set stays.
func TestNamesArePagedInEveryLocale(t *testing.T) {
	set := map[string]string{"LANG": "C", "LESS": "-S"}
	got := pagerEnv([]string{"LANG=C", "LESS=-S"}, func(name string) (string, bool) { v, ok := set[name]; return v, ok })
	if want := []string{"LANG=C", "LESS=-S", "LESSCHARSET=utf-8"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLinksOnlyWhereTheyAreShown(t *testing.T) {
	for name, c := range map[string]struct {
		tty  bool
		env  map[string]string
		want bool
	}{
		"kitty":            {true, map[string]string{"TERM": "xterm-kitty"}, true},
		"gnome-terminal":   {true, map[string]string{"TERM": "xterm-256color", "VTE_VERSION": "7006"}, true},
		"an old VTE":       {true, map[string]string{"TERM": "xterm-256color", "VTE_VERSION": "4602"}, false},
		"nobody knows":     {true, map[string]string{"TERM": "xterm-256color"}, false},
		"a pipe":           {false, map[string]string{"TERM": "xterm-kitty"}, false},
		"switched on":      {false, map[string]string{"FORCE_HYPERLINK": "1"}, true},
		"switched off":     {true, map[string]string{"TERM": "xterm-kitty", "FORCE_HYPERLINK": "0"}, false},
		"without colour":   {true, map[string]string{"TERM": "xterm-kitty", "NO_COLOR": "1"}, false},
		"VS Code":          {true, map[string]string{"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, true},
		"Windows Terminal": {true, map[string]string{"WT_SESSION": "1"}, true},
	} {
		if got := linksFrom(c.tty, func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
