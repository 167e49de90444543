package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
	"advosync/internal/store"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
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
	real := p.real(line)
	word, _, _ := strings.Cut(real, " ")
	switch word {
	case "", "#":
		return
	case "export", "unset", "cd":
		p.before += real + "\n"
		return
	}
	p.played++
	if strings.HasPrefix(real, "advosync sandbox --dir") {
		p.serve(real)
		return
	}
	code, out := p.terminal(real, want)
	if code != p.codes[line] {
		p.t.Fatalf("%s: %s\nends with exit code %d, not %d:\n%s", at, real, code, p.codes[line], out)
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
func (p *player) terminal(real string, want []string) (int, string) {
	p.t.Helper()
	said := filepath.Join(p.home, ".stderr")
	inner := p.before + "stty cols 80\n" + real
	asks := slices.ContainsFunc(p.asking, func(c string) bool { return strings.HasPrefix(real, c) }) ||
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
		text += strings.ReplaceAll(string(buf[:n]), "\r", "")
		if answer, is := p.answer(text[strings.LastIndex(text, "\n")+1:], want); asks && is {
			if _, err := io.WriteString(typed, answer+"\n"); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	var ended *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &ended) {
		p.t.Fatalf("%s: %v", real, err)
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
func (p *player) serve(real string) {
	p.t.Helper()
	ctx, stop := context.WithCancel(p.t.Context())
	c := exec.CommandContext(ctx, "sh", "-c", "exec "+real)
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
			p.t.Fatalf("%s: %v\n%s%s", real, err, text.String(), said.String())
		}
	}
}

var (
	runID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	// unlike is what no two runs have in common.
	unlike = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( [A-Z]+)?|\d+ h \d+ min|\d+ (ms|s)\b`)
)

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

// alike compares two lines but for what differs with every run. On the page, a
// question is one line with its answer.
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

// settle gives the reader a configuration for these systems.
func (p *player) settle(w *sandbox.World) {
	p.t.Helper()
	dir := filepath.Join(p.home, ".config", "advosync")
	if err := os.MkdirAll(filepath.Join(dir, "entities"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	short := strings.NewReplacer("espocrm:\n", "espocrm:\n  timeout: 1s\n", "advoware:\n", "advoware:\n  timeout: 1s\n"). // a doubtful write rests so long
																Replace(w.Config(dir, "entities/*.yaml"))
	for name, text := range map[string]string{"advosync.yaml": short, "entities/beteiligte.yaml": w.Mapping()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

// office is an EspoCRM and an Advoware for a reader who has come to the real
// thing.
func office(t *testing.T, o sandbox.WorldOptions) *sandbox.World {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w := sandbox.NewWorld(o)
	if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return w
}

// install is what uploading the extension does to EspoCRM.
func install(t *testing.T, w *sandbox.World) {
	t.Helper()
	body := `{"uniqueWithDeleteId": true, "fields": {"CBeteiligte": {"advowareEditedAt": {"type": "datetime"}}}}`
	resp, err := http.Post(w.EspoURL+"/_sandbox/behaviour", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("install the extension: %s", answer)
	}
}

// port is a free one of five digits whose next is free as well.
func port(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n := l.Addr().(*net.TCPAddr).Port
		next, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n+1))
		_ = l.Close()
		if err == nil {
			_ = next.Close()
			if n >= 10000 {
				return n
			}
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}

// edit changes a file as somebody with an editor would.
func edit(t *testing.T, file string, change func(string) string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(raw))
	if changed == string(raw) {
		t.Fatalf("%s: nothing to change", file)
	}
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGettingStarted follows docs/getting-started.md to the letter: first on the
// sandbox, then with an office's own systems.
func TestGettingStarted(t *testing.T) {
	p := newPlayer(t)
	w := office(t, sandbox.WorldOptions{Seed: 1, Twins: 4})
	n := port(t)
	record, number := "", ""
	for _, r := range w.EspoCRM.Records("CBeteiligte") {
		if r["advowareId"] != nil && record == "" {
			record, number = fmt.Sprint(r["id"]), fmt.Sprint(r["advowareId"])
		}
	}
	p.stands = []string{
		"18080", fmt.Sprint(n), "18081", fmt.Sprint(n + 1),
		"6b04e8a1c2d3f4a5b", record, "104711", number,
		"/home/advosync/", p.home + "/", "https://crm.kanzlei-mueller.de", w.EspoURL, "mueller", sandbox.Kanzlei, "0c3f", sandbox.AppID,
	}
	p.hands["2. EspoCRM: a role and an API user"] = func() {
		// That there is no configurator on the internet here is the one thing that init does not ask for.
		p.env = append(p.env, "ADVOSYNC_ADVOWARE_CONFIGURATOR_URL="+sandbox.ConfiguratorURL(w.AdvoURL))
	}
	p.asking = []string{"advosync init --dir"}
	p.secrets["API key of EspoCRM"] = sandbox.KeyA
	p.secrets["Secret key"] = ""
	p.secrets["Its password"] = sandbox.AdvowarePass
	p.secrets["API key of Advoware"] = sandbox.AdvowareKey
	// Step 4 ends with a look into the mapping; this Advoware can list.
	p.hands["5. EspoCRM: the extension"] = func() {
		edit(t, filepath.Join(p.home, "advosync", "entities", "beteiligte.yaml"), func(s string) string {
			before, rest, _ := strings.Cut(s, "  # list:")
			lines, after, _ := strings.Cut("  # list:"+rest, "\n\n")
			return before + regexp.MustCompile("(?m)^  # ").ReplaceAllString(lines, "  ") + "\n\n" + after
		})
	}
	p.hands["6. Ask the doctor"] = func() { install(t, w) }
	p.play("docs/getting-started.md")
}

// TestRepairDesk brings about what docs/repair.md is for, and repairs it.
func TestRepairDesk(t *testing.T) {
	p := newPlayer(t)
	w := office(t, sandbox.WorldOptions{Seed: 1})
	p.settle(w)
	c := cast(t, w)
	p.stands = []string{"6b04e8a1c2d3f4a5b", c.linked[0].id, "104711", fmt.Sprint(c.linked[0].number)}
	both := func(r pair, field, there string) {
		c.inEspoCRM(r, map[string]any{field: fmt.Sprintf("a%d@example.de", c.next())})
		c.inAdvoware(r, map[string]any{there: fmt.Sprintf("b%d@example.de", c.next())})
	}
	first, second := c.linked[0], c.linked[1]
	p.hands["A value was overwritten"] = func() {
		p.run(0, "sync", "--id", first.id, "--id", second.id)
		c.inEspoCRM(first, map[string]any{"email": "buero@example.de"})
		c.inAdvoware(first, map[string]any{"emailGesch": "privat@example.de"})
		p.run(0, "cron-run")
	}
	refuse := func() {
		w.Faults.Add(sandbox.Fault{Name: "refused", System: "advoware", Method: "PUT", Status: 400, Body: `{"message": "E-Mail ung\u00fcltig"}`})
		for _, r := range []pair{first, second} {
			c.inEspoCRM(r, map[string]any{"email": fmt.Sprintf("neu%d@example.de", c.next())})
		}
		p.run(3, "sync", "--id", first.id, "--id", second.id)
	}
	p.hands["A record failed"] = refuse
	p.hands["advosync sync --id 6b04e8a1c2d3f4a5b"] = func() { w.Faults.Clear("") }
	p.hands["advosync reset --all --cause validation --dry-run"] = refuse
	p.hands["A record is locked"] = func() { w.Faults.Clear(""); p.lock(first.id) }
	p.codes["advosync unlock --id 6b04e8a1c2d3f4a5b"] = 11 // held on another host, as the page explains
	conflict := func() {
		for _, r := range []pair{first, second} {
			both(r, "email", "emailGesch")
			both(r, "phone", "telGesch")
		}
		p.run(4, "sync", "--id", first.id, "--id", second.id)
	}
	p.hands["A conflict waits"] = func() {
		p.run(0, "unlock", "--id", first.id, "--force", "--yes")
		p.env = append(p.env, "ADVOSYNC_SYNC_CONFLICT=manual")
		conflict()
	}
	p.codes["advosync resolve"] = 4
	p.asking = []string{"advosync resolve --id " + first.id}
	p.hands["advosync resolve --id 6b04e8a1c2d3f4a5b --take espocrm --field phone=advoware"] = func() { p.asking = nil; conflict() }
	p.hands["advosync resolve --all --take espocrm"] = conflict
	// An answer to a create gets lost, and Advoware cannot be searched.
	file := filepath.Join(p.home, ".config", "advosync", "entities", "beteiligte.yaml")
	doubt := func() {
		n := c.next()
		id := c.newcomer("Nora", fmt.Sprintf("Neumann-%d", n))
		w.Faults.Add(sandbox.Fault{Name: "lost", System: "advoware", Method: "POST", Path: "*/Beteiligte", Drop: sandbox.DropAfter, Count: 1})
		p.run(1, "sync", "--id", id)
		p.run(3, "sync", "--id", id)
		made := w.Advoware.All(sandbox.BeteiligtePath)
		p.stands = []string{"6b04e8a1c2d3f4a5b", id, "104711", gjson.GetBytes(made[len(made)-1], "betNr").String()}
	}
	p.hands["A create is in doubt"] = func() {
		edit(t, file, func(s string) string { return regexp.MustCompile("(?m)^  list: .*\n").ReplaceAllString(s, "") })
	}
	p.hands["advosync link --id 6b04e8a1c2d3f4a5b --advoware-id 104711   # it is there"] = doubt
	p.hands["advosync sync --id 6b04e8a1c2d3f4a5b --create-anyway        # it is not there"] = func() {
		doubt()
		n, err := strconv.ParseInt(p.stands[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		w.Advoware.Delete(sandbox.BeteiligtePath, n)
	}
	p.hands["Records are not linked"] = func() {
		p.settle(w) // it can be searched again
		for _, raw := range w.Advoware.All(sandbox.BeteiligtePath) {
			if last := gjson.GetBytes(raw, "name").String(); strings.HasPrefix(last, "Zwilling") {
				c.newcomer("Zoe", last)
			}
		}
		p.stands = []string{"6b04e8a1c2d3f4a5b", first.id, "104711", fmt.Sprint(first.number)}
	}
	for _, name := range []string{"Zwilling-1", "Zwilling-2", "Zwilling-3"} {
		w.Advoware.Insert(sandbox.BeteiligtePath, fmt.Appendf(nil, `{"betNr":0,"rowId":"","vorname":"Zoe","name":%q}`, name))
	}
	p.hands["Is everything well"] = func() { p.run(0, "cron-run", "--allow-mapping-change") }
	p.play("docs/repair.md")
}

// TestOperations runs what docs/operations.md has an administrator type, on the
// embedded store and on a Redis set up as the page says.
func TestOperations(t *testing.T) {
	p := newPlayer(t)
	w := office(t, sandbox.WorldOptions{Seed: 1})
	p.settle(w)
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Log("sqlite3 is not installed: the backup is not made")
		p.absent = append(p.absent, "sqlite3 ")
	}
	p.absent = append(p.absent, "systemctl ", "journalctl ", "apt ")
	p.stands = []string{"sudo -u advosync ", "", "/var/lib/advosync/", p.home + "/.config/advosync/", "/var/backups/", p.home + "/"}
	p.hands["advosync status --fail-if-older 2h"] = func() { p.run(0, "cron-run") }
	p.play("docs/operations.md")
	if backup := filepath.Join(p.home, "advosync-state.db"); !slices.Contains(p.absent, "sqlite3 ") {
		st, err := sqlite.OpenReadOnly(t.Context(), backup, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = st.Close() }()
		if state, ran, err := batch.LoadState(t.Context(), st, "Beteiligte"); err != nil || !ran || state.LastRun.IsZero() {
			t.Errorf("the backup does not know the pass: %v", err)
		}
	}
}

// TestRedisOfOperations: doctor is content with a Redis that has the settings of
// the page.
func TestRedisOfOperations(t *testing.T) {
	p := newPlayer(t)
	var args []string
	for _, b := range readPage(t, "docs/operations.md").blocks() {
		if b.language == "conf" {
			for _, line := range b.lines {
				name, value, _ := strings.Cut(line, " ")
				args = append(args, "--"+name, value)
			}
		}
	}
	if len(args) == 0 {
		t.Fatal("the page has no settings for Redis")
	}
	server := storetest.StartRedis(t, args...)
	p.settle(office(t, sandbox.WorldOptions{Seed: 1}))
	p.env = append(p.env, "ADVOSYNC_STORE_DRIVER=redis", "ADVOSYNC_REDIS_URL="+server.URL())
	code, out := p.terminal("advosync doctor", nil)
	if code != 0 || !strings.Contains(out, "✓  Redis: ") || strings.Contains(out, "!  Redis: ") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// TestOtherPages plays the commands of pages that need nothing special.
func TestOtherPages(t *testing.T) {
	for _, file := range []string{"README.md", "README.de.md", "docs/installing.md"} {
		t.Run(file, func(t *testing.T) {
			p := newPlayer(t)
			w := office(t, sandbox.WorldOptions{Seed: 1})
			p.settle(w)
			p.stands = []string{"6b04e8a1c2d3f4a5b", cast(t, w).linked[0].id, "go run . ", "advosync ", "sudo -u advosync ", "",
				"/etc/bash_completion.d/", p.home + "/", "${fpath[1]}/", p.home + "/", "~/.config/fish/completions/", p.home + "/"}
			if file == "docs/installing.md" {
				p.absent = []string{"cp /etc/", "install ", "systemctl ", "advosync completion powershell |"}
			}
			p.play(file)
		})
	}
}

// pair is a record that both systems have.
type pair struct {
	id     string
	number int64
}

// people are those who work in both systems.
type people struct {
	t      *testing.T
	w      *sandbox.World
	linked []pair
	edits  int
}

func cast(t *testing.T, w *sandbox.World) *people {
	c := &people{t: t, w: w}
	for _, r := range w.EspoCRM.Records("CBeteiligte") {
		if r["advowareId"] == nil {
			continue
		}
		n, err := strconv.ParseInt(fmt.Sprint(r["advowareId"]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		c.linked = append(c.linked, pair{fmt.Sprint(r["id"]), n})
	}
	return c
}

// newcomer is entered in EspoCRM only.
func (c *people) newcomer(first, last string) (id string) {
	return c.w.EspoCRM.Seed("CBeteiligte", map[string]any{"firstName": first, "lastName": last, "name": first + " " + last, "syncStatus": "pending_sync"})
}

func (c *people) next() int { c.edits++; return c.edits }

func (c *people) inEspoCRM(r pair, values map[string]any) {
	c.t.Helper()
	if err := c.w.EspoCRM.Put("CBeteiligte", r.id, "anna", values); err != nil {
		c.t.Fatal(err)
	}
}

func (c *people) inAdvoware(r pair, values map[string]any) {
	c.t.Helper()
	if err := c.w.Advoware.Edit(sandbox.BeteiligtePath, r.number, values); err != nil {
		c.t.Fatal(err)
	}
}

// lock has a process of another host hold a record for an hour.
func (p *player) lock(id string) {
	p.t.Helper()
	st, err := sqlite.Open(p.t.Context(), filepath.Join(p.home, ".config", "advosync", "state.db"), sqlite.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	owner := store.Owner{Host: "kanzlei-2", PID: 4711, Start: "x", User: "anna", Command: "cron-run", Run: "r1", Since: time.Now()}
	if _, held, err := st.Acquire(p.t.Context(), []string{store.LockKey("Beteiligte", id)}, owner, time.Hour); err != nil || len(held) > 0 {
		p.t.Fatal(err, held)
	}
}
