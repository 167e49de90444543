package cmd

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"advosync/internal/sandbox"
)

// confidant is a target of alerts and a dead man's switch that kills the process which
// tells it something, once, at a path.
type confidant struct {
	mu     sync.Mutex
	heard  strings.Builder // since it was asked last
	all    strings.Builder
	killAt string
	victim *exec.Cmd
}

func (c *confidant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(&c.heard, "%s %s\n%s\n", r.Method, r.URL, body)
	if c.victim != nil && strings.HasPrefix(r.URL.Path, c.killAt) {
		_ = c.victim.Process.Kill() // it has said it, and cannot remember that
		c.victim = nil
		hang, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = hang.Close()
		}
	}
}

func (c *confidant) taken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.heard.String()
	c.heard.Reset()
	c.all.WriteString(out)
	return out
}

// outageKind is one way in which something is wrong, and how it is mended.
type outageKind struct {
	says       string // in the alert
	begin, end func()
}

// outageOffice is an office in which things go wrong, with values that nobody else may hear.
type outageOffice struct {
	*deskOffice
	c     *confidant
	r     *rand.Rand
	log   strings.Builder
	kills int
}

// pass is a cron-run; dies: it is killed while it tells of it, where it does.
func (o *outageOffice) pass(dies bool) {
	o.t.Helper()
	if !dies {
		_, _, said := o.run("", "cron-run", "-v")
		o.log.WriteString(said)
		return
	}
	cmd := exec.Command("advosync", "--config", o.file, "cron-run", "-v")
	cmd.Stderr = &o.log
	o.c.mu.Lock()
	o.c.killAt = []string{"/alerts", "/alerts", "/ping/start", "/ping/"}[o.r.IntN(4)]
	err := cmd.Start()
	o.c.victim = cmd
	o.c.mu.Unlock()
	if err != nil {
		o.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil && !cmd.ProcessState.Exited() {
		o.kills++
	}
	o.c.mu.Lock()
	o.c.victim = nil
	o.c.mu.Unlock()
}

// must runs a command that mends something.
func (o *outageOffice) must(args ...string) {
	o.t.Helper()
	code, out, said := o.run("", args...)
	if o.log.WriteString(said); code != exitOK {
		o.t.Fatalf("%q: %d\n%s\n%s", args, code, out, said)
	}
}

// kinds are the ways in which things go wrong. Each edit has a value of its own, and all
// of them hold the word that no message may hold.
func (o *outageOffice) kinds() []outageKind {
	n := 0
	edit := func(there bool) {
		n++
		if err := o.w.EspoCRM.Put(sandboxType, o.id, "anna", map[string]any{"email": fmt.Sprintf("geheim%d@example.de", n), "phone": fmt.Sprintf("0511 %d", n)}); err != nil {
			o.t.Fatal(err)
		}
		if !there {
			return
		}
		if err := o.w.Advoware.Edit(sandbox.BeteiligtePath, o.advo, map[string]any{"emailGesch": fmt.Sprintf("auchgeheim%d@example.de", n)}); err != nil {
			o.t.Fatal(err)
		}
	}
	refused := sandbox.Fault{Name: "refused", System: "advoware", Method: "PUT", Status: 400, Body: `{"message": "E-Mail ung\u00fcltig"}`}
	conflict := outageKind{"Beteiligte " + o.id + ": a conflict of", func() { edit(true) }, func() { o.must("resolve", "--id", o.id, "--take", "espocrm") }}
	return []outageKind{conflict, conflict, conflict,
		{"Beteiligte " + o.id + ": given up", func() { o.w.Faults.Add(refused); edit(false) }, func() { o.w.Faults.Clear(""); o.must("reset", "--id", o.id) }},
		{"Advoware does not answer", func() { o.w.Faults.Add(sandbox.Fault{Name: "down", System: "advoware", Status: 403, Body: "{}"}) }, func() { o.w.Faults.Clear("") }},
	}
}

var outagesFlag = flag.Int("outages", 10, "how many outages TestAThousandOutagesTellNoValue plays")

// TestAThousandOutagesTellNoValue: outages and recoveries of the built program, with a
// process that dies in between: none is missed, none is told twice but where the process
// died between sending and remembering, and no value and no name is in an alert, a ping or
// the log. -outages says how many; a thousand: go test ./cmd -run TestAThousandOutages -outages 1000.
func TestAThousandOutagesTellNoValue(t *testing.T) {
	outages := *outagesFlag
	for name, value := range map[string]string{"ALERTS_AFTER": "0s", "SYNC_MAX_RETRIES": "1", "SYNC_LATE_WRITE": "0s", "ADVOWARE_TIMEOUT": "2s", "ESPOCRM_TIMEOUT": "2s"} {
		t.Setenv("ADVOSYNC_"+name, value)
	}
	o := &outageOffice{deskOffice: newDeskOffice(t), c: &confidant{}, r: rand.New(rand.NewPCG(17, 4))}
	server := httptest.NewServer(o.c)
	defer server.Close()
	o.told(server.URL)
	o.must("sync", "--id", o.id)
	kinds, doubled := o.kinds(), 0
	for n := range outages {
		k := kinds[n%len(kinds)]
		// told counts what is told from one state to the other: a pass that may die, then
		// one that lives.
		told := func(line string) {
			t.Helper()
			died := false
			count := 0
			for _, dies := range []bool{o.r.IntN(3) == 0, false} {
				before := o.kills
				o.pass(dies)
				got := strings.Count(o.c.taken(), line)
				count += got
				died = died || o.kills > before && got > 0
			}
			if died {
				doubled++
			}
			if count == 0 || count > 1 && !died {
				t.Fatalf("outage %d: %q was told %d times\n%s", n, line, count, o.log.String())
			}
		}
		k.begin()
		told("\n" + k.says)
		k.end()
		told("\nover: " + k.says)
	}
	heard := o.c.all.String() + o.log.String()
	for _, secret := range []string{"geheim", "Anna", "0511"} {
		if at := strings.Index(heard, secret); at >= 0 {
			t.Errorf("%q is told or logged: …%s…", secret, heard[max(0, at-200):min(len(heard), at+200)])
		}
	}
	if o.kills < outages/4 || doubled < outages/12 {
		t.Errorf("%d kills, %d between sending and remembering: too few to mean anything", o.kills, doubled)
	}
	t.Logf("%d outages, %d kills, %d of them between sending and remembering", outages, o.kills, doubled)
}
