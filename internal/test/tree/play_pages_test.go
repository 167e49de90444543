package tree

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"advosync/internal/batch"
	"advosync/internal/sandbox"
	"advosync/internal/store/sqlite"
	"advosync/internal/store/storetest"
)

// TestGettingStarted follows docs/getting-started.md to the letter: first on the
// sandbox, then with an office's own systems.
func TestGettingStarted(t *testing.T) {
	p := newPlayer(t)
	w := office(t, sandbox.WorldOptions{Seed: 1, Twins: 4})
	n := storetest.FreePort(t, 2)
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

// TestMorning goes through a bad morning as docs/morning.md does.
func TestMorning(t *testing.T) {
	p := newPlayer(t)
	n := storetest.FreePort(t, 2)
	p.stands = []string{"18080", fmt.Sprint(n)}
	p.codes["advosync status"] = 4
	p.hands["advosync release --id 695b6f80000060246"] = func() { delete(p.codes, "advosync status") }
	p.codes["advosync diff --id 695b6f80000040184"] = 3
	p.play("docs/morning.md")
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
	p.codes["advosync resolve --dry-run"] = 4
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
	p.absent = append(p.absent, "systemctl ", "journalctl ", "apt ")
	p.stands = []string{"sudo -u advosync ", "", "/var/lib/advosync/", p.home + "/.config/advosync/", "/var/backups/", p.home + "/"}
	p.hands["advosync status --fail-if-older 2h"] = func() { p.run(0, "cron-run") }
	ended := func() {}
	p.stands = append(p.stands, "6b04e8a1c2d3f4a5b", cast(t, w).linked[0].id)
	p.hands["advosync poke --id 6b04e8a1c2d3f4a5b   # look at this record now, as this user on this machine"] = func() { ended = p.watch() }
	defer func() { ended() }()
	// Several offices come after the watch, which has the passes to itself.
	p.hands["advosync status                      # what needs somebody in any office, then a line for each"] = func() { ended(); ended = func() {} }
	p.absent = append(p.absent, "advosync cron-run --office ")
	file := p.env
	p.hands["advosync store copy --from embedded --dry-run"] = func() {
		p.env = append(slices.Clone(file), "ADVOSYNC_STORE_DRIVER=redis", "ADVOSYNC_REDIS_URL="+storetest.StartRedis(t).URL())
	}
	p.hands["sudo -u advosync advosync backup /var/backups/advosync-state.db"] = func() {
		p.run(0, "cron-run", "-v")
		p.env = file // back to the old store, which is as it was
	}
	p.play("docs/operations.md")
	st, err := sqlite.OpenReadOnly(t.Context(), filepath.Join(p.home, "advosync-state.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	if state, ran, err := batch.LoadState(t.Context(), st, "Beteiligte"); err != nil || !ran || state.LastRun.IsZero() {
		t.Errorf("the backup does not know the pass: %v", err)
	}
}

// watch starts the service and waits until it takes pokes.
func (p *player) watch() (end func()) {
	p.t.Helper()
	c := exec.Command("sh", "-c", "exec advosync watch -v")
	said := &strings.Builder{}
	out, err := c.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	c.Dir, c.Env = p.home, p.env
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "follows hints") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return func() {
				_ = c.Process.Signal(os.Interrupt)
				if err := c.Wait(); err != nil {
					p.t.Errorf("the watch ended with %v", err)
				}
			}
		}
	}
	p.t.Fatalf("the watch does not begin: %s", said)
	return nil
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

// TestMigration goes over from the template as docs/migration.md says, and holds
// the page to its promise: an edit in Advoware that the template has not noticed
// reaches EspoCRM.
func TestMigration(t *testing.T) {
	p := newPlayer(t)
	w := office(t, sandbox.WorldOptions{Seed: 1})
	p.settle(w)
	c := cast(t, w)
	missed := c.linked[:3]
	for _, r := range missed {
		c.inAdvoware(r, map[string]any{"telGesch": fmt.Sprintf("0511 %d", r.number)})
	}
	p.stands = []string{"6b04e8a1c2d3f4a5b", missed[0].id}
	p.play("docs/migration.md")
	for _, r := range missed {
		got, _ := w.EspoCRM.Get("CBeteiligte", r.id)
		if want := fmt.Sprintf("0511 %d", r.number); got["phone"] != want {
			t.Errorf("%s: phone is %v in EspoCRM, edited in Advoware to %s", r.id, got["phone"], want)
		}
	}
}

// TestOtherPages plays the commands of pages that need nothing special.
func TestOtherPages(t *testing.T) {
	for _, file := range []string{"README.md", "README.de.md", "docs/installing.md"} {
		t.Run(file, func(t *testing.T) {
			p := newPlayer(t)
			w := office(t, sandbox.WorldOptions{Seed: 1})
			p.settle(w)
			p.stands = []string{"advosync watch ", "timeout --foreground --preserve-status -s INT 3 advosync watch ", // a service: it would not end
				"6b04e8a1c2d3f4a5b", cast(t, w).linked[0].id, "go run . ", "advosync ", "sudo -u advosync ", "",
				"/etc/bash_completion.d/", p.home + "/", "${fpath[1]}/", p.home + "/", "~/.config/fish/completions/", p.home + "/"}
			if file == "docs/installing.md" {
				p.absent = []string{"sha256sum ", "tar ", "sudo install ", "cp /etc/", "install ", "systemctl ", "advosync completion powershell |"}
			}
			p.play(file)
		})
	}
}
