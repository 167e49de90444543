package cmd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// webhook is a target of alerts, and a dead man's switch.
type webhook struct {
	mu   sync.Mutex
	got  []string
	down bool
}

func (w *webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		rw.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.got = append(w.got, r.URL.Path+" "+string(body))
}

func (w *webhook) taken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.got, "\n")
	w.got = nil
	return out
}

// told configures alerts and a dead man's switch at a server.
func (o *deskOffice) told(server string) {
	o.t.Helper()
	text, err := os.ReadFile(o.file)
	if err != nil {
		o.t.Fatal(err)
	}
	write(o.t, o.file, string(text)+"alerts: {urls: [\"generic+"+server+"/alerts\"]}\nping: {url: \""+server+"/ping\"}\n")
}

// TestAlertsOfAPass: a conflict that waits is told once, and that it is decided; a
// record that was given up, too; the dead man's switch hears of every pass. No value
// and no name leaves the house, and a target that is down changes no exit code.
func TestAlertsOfAPass(t *testing.T) {
	o := newDeskOffice(t)
	hook := &webhook{}
	server := httptest.NewServer(hook)
	defer server.Close()
	o.told(server.URL)
	o.conflict()
	pass := func(want int) string {
		t.Helper()
		code, out, said := o.run("", "cron-run")
		if code != want {
			t.Fatalf("exit code %d, want %d\n%s\n%s", code, want, out, said)
		}
		got := hook.taken()
		for _, secret := range []string{"example.de", "Anna", "Alt"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q leaves the house:\n%s", secret, got)
			}
		}
		return got
	}
	got := pass(exitConflict)
	for _, want := range []string{"/ping/start", "/ping/4", "/alerts", "Beteiligte " + o.id + ": a conflict of 2 fields waits"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
	if got := pass(exitConflict); strings.Contains(got, "/alerts") {
		t.Errorf("told again:\n%s", got)
	}
	hook.down = true
	if code, _, said := o.run("", "cron-run"); code != exitConflict || !strings.Contains(said, "dead man's switch was not told") || strings.Contains(said, server.URL) {
		t.Errorf("%d %s", code, said)
	}
	hook.down = false
	if code, _, said := o.run("", "resolve", "--id", o.id, "--take", "espocrm"); code != exitOK {
		t.Fatal(code, said)
	}
	if got := pass(exitOK); !strings.Contains(got, "over: Beteiligte "+o.id) || !strings.Contains(got, "/ping/0") {
		t.Errorf("the recovery is not told:\n%s", got)
	}
}

// TestWhoIsToldIsToldSideBySide: the alert and the end of the dead man's switch are under
// way at the same time, so that two that are slow take no longer than one.
func TestWhoIsToldIsToldSideBySide(t *testing.T) {
	o := newDeskOffice(t)
	both := make(chan struct{}, 2)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/alerts" || r.URL.Path == "/ping/4" {
			both <- struct{}{}
			<-release // which comes once both are here
		}
	}))
	defer server.Close()
	go func() {
		<-both
		<-both
		close(release)
	}()
	o.told(server.URL)
	o.conflict()
	if code, _, said := o.run("", "cron-run"); code != exitConflict || strings.Contains(said, "not told") || strings.Contains(said, "not sent") {
		t.Errorf("%d %s", code, said)
	}
}

// TestDeadTargetsHoldUpNobody: neither the alert nor the dead man's switch answers; both
// together take the time of one, say so, and change no exit code.
func TestDeadTargetsHoldUpNobody(t *testing.T) {
	o := newDeskOffice(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	o.told(server.URL)
	o.conflict()
	o.tellTime = 100 * time.Millisecond
	began := time.Now()
	code, _, said := o.run("", "cron-run")
	if took := time.Since(began); code != exitConflict || took > 5*time.Second {
		t.Errorf("exit code %d after %s", code, took)
	}
	for _, want := range []string{"the dead man's switch was not told", "address 1 of 1 in alerts.urls took no message"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing: %s", want, said)
		}
	}
	if strings.Contains(said, server.URL) {
		t.Errorf("an address is said: %s", said)
	}
}

// TestDoctorLooksAtWhoIsTold: addresses that nobody could be told at are found before the
// night in which somebody should be.
func TestDoctorLooksAtWhoIsTold(t *testing.T) {
	o := newDeskOffice(t)
	hook := &webhook{}
	server := httptest.NewServer(hook)
	defer server.Close()
	o.told(server.URL)
	find := func() string {
		_, out, _ := o.run("", "doctor", "-o", "csv")
		var found []string
		for l := range strings.Lines(out) {
			if strings.HasPrefix(l, "alerts,") || strings.HasPrefix(l, "dead man's switch,") {
				found = append(found, l)
			}
		}
		return strings.Join(found, "")
	}
	if got := find(); !strings.Contains(got, "alerts,ok,an address") || !strings.Contains(got, "dead man's switch,ok,") || hook.taken() != "" {
		t.Errorf("%s", got)
	}
	t.Setenv("ADVOSYNC_ALERTS_URLS", "generic+"+server.URL+"/alerts,nonsense://s3cr3t@host")
	server.Close()
	if got := find(); !strings.Contains(got, "alerts,fail,address 2 of 2") || !strings.Contains(got, "dead man's switch,warn,") || strings.Contains(got, "s3cr3t") {
		t.Errorf("%s", got)
	}
}
