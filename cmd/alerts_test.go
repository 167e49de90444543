package cmd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
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

// TestAlertsOfAPass: a conflict that waits is told once, and that it is decided; a
// record that was given up, too; the dead man's switch hears of every pass. No value
// and no name leaves the house, and a target that is down changes no exit code.
func TestAlertsOfAPass(t *testing.T) {
	o := newDeskOffice(t)
	hook := &webhook{}
	server := httptest.NewServer(hook)
	defer server.Close()
	more := "alerts: {urls: [\"generic+" + server.URL + "/alerts\"]}\nping: {url: \"" + server.URL + "/ping\"}\n"
	text, err := os.ReadFile(o.file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, o.file, string(text)+more)
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
