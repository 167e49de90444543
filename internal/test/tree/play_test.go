package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Pages are played: their commands are run in the order in which a reader meets
// them, by the built program, in an empty home directory, on a terminal of 80
// columns, and what a page shows is held against what is printed.
//
//	```console   commands behind "$ " and what they print; "…" is any number of lines
//	```sh        commands alone; of indented blocks the lines that call advosync
//
// Other blocks are not commands. What happens beside the program (in EspoCRM's
// administration, in an editor) is done by a hand, named by the heading under
// which the page asks for it.

// player is the reader of one page.
type player struct {
	t    *testing.T
	home string
	env  []string
	// stands says what stands in for a name that the page uses; old, new.
	stands []string
	// shown maps run ids of the page to those that were printed in their place.
	shown map[string]string
	// hands are called when their heading is reached, or before a command: then
	// the key is the command as the page has it.
	hands map[string]func()
	used  map[string]bool
	// asking are commands that ask more than yes or no, by their beginning.
	asking []string
	// secrets are typed where a command asks for one; keyed by the question's
	// beginning. Other answers are on the page.
	secrets map[string]string
	// codes are exit codes other than 0, by the command as the page has it.
	codes map[string]int
	// absent are commands that are not played, by their beginning: they are about
	// the host as a whole, its packages, services and directories.
	absent []string
	// before each command: exports, and the directory gone to.
	before string
	played int
}

// programDir is where the built program is, once for all pages.
var (
	programDir string
	program    = sync.OnceValues(func() (out []byte, err error) {
		return exec.Command("go", "build", "-o", filepath.Join(programDir, "advosync"), ".").CombinedOutput()
	})
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../../.."); err != nil { // every path here is the repository's
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "advosync-pages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// newPlayer builds the program and gives the reader an empty home.
func newPlayer(t *testing.T) *player {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program; the long form, which CI runs too, has it")
	}
	for _, program := range []string{"sh", "script", "curl"} {
		if _, err := exec.LookPath(program); err != nil || runtime.GOOS != "linux" {
			t.Skipf("pages are played on Linux with %s, which gives a terminal or plays a person", program)
		}
	}
	p := &player{t: t, home: t.TempDir(), shown: map[string]string{}, hands: map[string]func(){}, used: map[string]bool{}, secrets: map[string]string{}, codes: map[string]int{}}
	if out, err := program(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p.env = []string{"HOME=" + p.home, "PATH=" + programDir + ":/usr/bin:/bin", "SHELL=/bin/sh", "TERM=xterm", "NO_COLOR=1", "LC_ALL=C.UTF-8", "TZ=UTC"}
	return p
}

// play goes through the page.
func (p *player) play(file string) {
	p.t.Helper()
	on := readPage(p.t, file)
	blocks := on.blocks()
	for i, line := range on.lines {
		if title := strings.TrimLeft(line, "#"); title != line {
			p.hand(strings.TrimSpace(title))
		}
		for _, b := range blocks {
			if b.line == i+1 {
				p.block(b)
			}
		}
	}
	for _, a := range p.absent {
		if !p.used[a] {
			p.t.Errorf("%s has no command %q any more", file, a)
		}
	}
	for title := range p.hands {
		if !p.used[title] {
			p.t.Errorf("%s has neither heading nor command %q", file, title)
		}
	}
	if p.played < 5 {
		p.t.Errorf("%s: only %d commands played: the test looks in the wrong place", file, p.played)
	}
}

func readPage(t *testing.T, file string) page {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return page{file, strings.Split(string(raw), "\n")}
}

func (p *player) hand(key string) {
	if hand := p.hands[key]; hand != nil {
		p.used[key] = true
		hand()
	}
}

func (p *player) block(b block) {
	p.t.Helper()
	switch b.language {
	case "":
		for i, line := range b.lines {
			if _, is := commandLine(line); is {
				p.command(b.at(i), line, nil)
			}
		}
	case "sh":
		for i, line := range b.lines {
			p.command(b.at(i), line, nil)
		}
	case "crontab":
		for i, line := range b.lines {
			p.cron(b.at(i), line)
		}
	case "console":
		for i := 0; i < len(b.lines); {
			command, is := strings.CutPrefix(b.lines[i], "$ ")
			if !is {
				p.t.Fatalf("%s: a console block begins with a command", b.at(i))
			}
			at, end := i, i+1
			for end < len(b.lines) && !strings.HasPrefix(b.lines[end], "$ ") {
				end++
			}
			i = end
			p.command(b.at(at), command, b.lines[at+1:end])
		}
	}
}

// command runs one command and compares what it prints with want, nil for
// anything.
func (p *player) command(at, line string, want []string) {
	p.t.Helper()
	line = strings.TrimSpace(line)
	for _, a := range p.absent {
		if strings.HasPrefix(line, a) {
			p.used[a] = true
			return
		}
	}
	p.hand(line)
	command := p.real(line)
	word, _, _ := strings.Cut(command, " ")
	switch word {
	case "", "#":
		return
	case "export", "unset", "cd":
		p.before += command + "\n"
		return
	}
	p.played++
	if strings.HasPrefix(command, "advosync sandbox --dir") {
		p.serve(command)
		return
	}
	code, out := p.terminal(command, want)
	if code != p.codes[line] {
		p.t.Fatalf("%s: %s\nends with exit code %d, not %d:\n%s", at, command, code, p.codes[line], out)
	}
	if err := p.compare(want, strings.Split(strings.TrimRight(out, "\n"), "\n")); err != nil {
		p.t.Errorf("%s: %s\n%v; it prints:\n%s", at, line, err, out)
	}
}

// real is a command as it is run here.
func (p *player) real(line string) string {
	pairs := slices.Clone(p.stands)
	for shown, printed := range p.shown {
		pairs = append(pairs, shown, printed)
	}
	return strings.NewReplacer(pairs...).Replace(line)
}

// terminal runs a command on a terminal. What it asks, the page answers;
// elsewhere what goes to stderr is not seen: progress has no
// place on a page.
func (p *player) terminal(command string, want []string) (int, string) {
	p.t.Helper()
	said := filepath.Join(p.home, ".stderr")
	inner := p.before + "stty cols 80\n" + command
	asks := slices.ContainsFunc(p.asking, func(c string) bool { return strings.HasPrefix(command, c) }) ||
		slices.ContainsFunc(want, func(w string) bool { return strings.Contains(w, "[y/N] ") })
	if !asks {
		inner += " 2>" + said
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "script", "-qefc", inner, "/dev/null")
	c.Dir, c.Env = p.home, p.env
	out, err := c.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	typed, err := c.StdinPipe() // stays open: its end would be one for the command
	if err != nil {
		p.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	text := ""
	for buf := make([]byte, 4096); err == nil; {
		var n int
		n, err = out.Read(buf)
		more := strings.ReplaceAll(string(buf[:n]), "\r", "")
		text = takenBack.ReplaceAllString(text+more, "")
		if answer, is := p.answer(text[strings.LastIndex(text, "\n")+1:], want); asks && is && more != "" { // a "\r" alone is no question asked again
			if _, err := io.WriteString(typed, answer+"\n"); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	var ended *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &ended) {
		p.t.Fatalf("%s: %v", command, err)
	}
	if raw, err := os.ReadFile(said); err == nil && !asks && c.ProcessState.ExitCode() != 0 {
		text += string(raw)
	}
	for prompt, secret := range p.secrets {
		// Typed faster than anybody can, it may be shown: the question comes before the terminal hides what is typed.
		if secret != "" && strings.Contains(text, prompt) {
			text = strings.ReplaceAll(text, ": "+secret+"\n", ": ")
		}
	}
	return c.ProcessState.ExitCode(), text
}

// answer is what the page, or for a secret the reader, answers to a prompt.
func (p *player) answer(prompt string, want []string) (string, bool) {
	if !strings.HasSuffix(prompt, ": ") && !strings.HasSuffix(prompt, "] ") && !strings.HasSuffix(prompt, "? ") {
		return "", false
	}
	for question, secret := range p.secrets {
		if strings.HasPrefix(prompt, question) {
			return secret, true
		}
	}
	for _, w := range want {
		if rest, is := strings.CutPrefix(p.real(w)+" ", prompt); is {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// serve starts the sandbox as the page does and waits until it says how to use it.
func (p *player) serve(command string) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	c := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	c.Dir, c.Env = p.home, p.env
	out, err := c.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	var said bytes.Buffer
	c.Stderr = &said
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { stop(); _ = c.Wait() })
	var text strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(text.String(), "Ctrl-C stops both"); {
		n, err := out.Read(buf)
		if text.Write(buf[:n]); err != nil {
			p.t.Fatalf("%s: %v\n%s%s", command, err, text.String(), said.String())
		}
	}
}

var (
	runID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}(-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})?\b`)
	// unlike is what no two runs have in common.
	unlike = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( [A-Z]+)?|\d\d:\d\d, (just now|\d+ \w+ ago|in \d+ \w+)|\d+ h \d+ min|\d+ (ms|s)\b`)
)

// takenBack is what a line of activity shows and takes away again.
var takenBack = regexp.MustCompile(`[^\n]*\x1b\[K`)

// compare holds what the page shows against what was printed, and learns the run
// ids that stand in the place of the page's.
func (p *player) compare(want, got []string) error {
	if want == nil {
		return nil
	}
	at, skip := 0, false
	for _, w := range want {
		if strings.TrimSpace(w) == "…" {
			skip = true
			continue
		}
		for at < len(got) && skip && !p.alike(w, got[at]) {
			at++
		}
		if at == len(got) || !p.alike(w, got[at]) {
			return fmt.Errorf("the page shows %q", w)
		}
		if shown, printed := runID.FindString(w), runID.FindString(got[at]); shown != "" {
			p.shown[shown] = printed
		}
		at, skip = at+1, false
	}
	if at < len(got) && !skip {
		return fmt.Errorf("the page does not show %q", got[at])
	}
	return nil
}

// alike compares two lines but for what differs with every run.
func (p *player) alike(want, got string) bool {
	plain := func(s string) string {
		return strings.TrimRight(unlike.ReplaceAllString(runID.ReplaceAllString(s, "RUN"), "TIME"), " ")
	}
	return plain(p.real(want)) == plain(got)
}

var (
	cronVariable = regexp.MustCompile(`^[A-Z]+=\S+$`)
	cronLine     = regexp.MustCompile(`^((?:[\d*/,-]+ ){5})(?:advosync )?(/usr/bin/advosync .*)$`) // a file in /etc/cron.d names the user
)

// cron runs the command of a crontab as cron does, without a terminal. That
// nothing is wrong is not worth a mail.
func (p *player) cron(at, line string) {
	p.t.Helper()
	m := cronLine.FindStringSubmatch(line)
	if m == nil {
		if !cronVariable.MatchString(line) {
			p.t.Errorf("%s: no line of a crontab: %s", at, line)
		}
		return
	}
	p.played++
	c := exec.Command("sh", "-c", strings.Replace(p.real(m[2]), "/usr/bin/", programDir+"/", 1))
	c.Dir, c.Env = p.home, p.env
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		p.t.Errorf("%s: %s\n%v, it prints: %s", at, line, err, out)
	}
}

// run is a command beside the page, which has to end with this exit code.
func (p *player) run(code int, args ...string) {
	p.t.Helper()
	c := exec.Command("sh", "-c", p.before+`exec advosync "$@"`, "sh")
	c.Args = append(c.Args, args...)
	c.Dir, c.Env = p.home, p.env
	if out, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != code {
		p.t.Fatalf("advosync %q ends with exit code %d, not %d:\n%s", args, c.ProcessState.ExitCode(), code, out)
	}
}
