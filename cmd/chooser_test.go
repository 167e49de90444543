package cmd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/console"
	"advosync/internal/sandbox"
)

// deskOffice is both simulators on loopback with one linked person, and the program
// on a terminal.
type deskOffice struct {
	t    *testing.T
	w    *sandbox.World
	file string
	id   string
	advo int64
	// tellTime is how long those who are told of a pass may take; 0: as ever.
	tellTime time.Duration
}

func newDeskOffice(t *testing.T) *deskOffice {
	t.Helper()
	o := &deskOffice{t: t, w: sandbox.NewWorld(sandbox.WorldOptions{Empty: true, Advoware: sandbox.AdvowareOptions{Resources: []sandbox.Resource{{Path: sandbox.BeteiligtePath}}}})}
	if err := o.w.Start(t.Context(), "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	o.advo = o.w.Advoware.Insert(sandbox.BeteiligtePath, []byte(`{"vorname":"Anna","name":"Alt","emailGesch":"anna@example.de","telGesch":"1"}`))
	o.id = o.w.EspoCRM.Seed(sandboxType, map[string]any{"name": "Anna Alt", "firstName": "Anna", "lastName": "Alt", "email": "anna@example.de", "phone": "1",
		"advowareId": o.advo, "syncStatus": "dirty"})
	dir := t.TempDir()
	o.file = filepath.Join(dir, "advosync.yaml")
	if err := os.WriteFile(o.file, []byte(o.w.Config(dir)+"sync: {conflict: manual}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// run runs a command on a terminal, with answers typed.
func (o *deskOffice) run(answers string, args ...string) (code int, out, err string) {
	o.t.Helper()
	c, b := console.Test(80, true, false)
	c.ErrFacts.Dumb = true // asked line by line
	b.In.WriteString(answers)
	d := deps{console: c, now: time.Now, zone: time.UTC, newRunID: newRunID, tellTime: o.tellTime}
	d.settings = readSettings
	d.load = func(l loadOptions) (project, error) { return loadConfig(l, c) }
	code = run(context.Background(), d, append([]string{"--config", o.file}, args...))
	return code, b.Out.String(), b.Err.String()
}

func (o *deskOffice) conflict() {
	o.t.Helper()
	if code, _, err := o.run("", "sync", "--id", o.id); code != 0 {
		o.t.Fatal(err)
	}
	if err := o.w.EspoCRM.Put(sandboxType, o.id, "anna", map[string]any{"email": "hier@example.de", "phone": "2"}); err != nil {
		o.t.Fatal(err)
	}
	if err := o.w.Advoware.Edit(sandbox.BeteiligtePath, o.advo, map[string]any{"emailGesch": "dort@example.de", "telGesch": "3"}); err != nil {
		o.t.Fatal(err)
	}
	if code, _, err := o.run("", "sync", "--id", o.id); code != exitConflict {
		o.t.Fatalf("%d %s", code, err)
	}
}

func (o *deskOffice) email() string {
	r, _ := o.w.EspoCRM.Get(sandboxType, o.id)
	s, _ := r["email"].(string)
	return s + " " + o.w.Advoware.Value(sandbox.BeteiligtePath, o.advo, "emailGesch")
}

func TestResolveAsksOnATerminal(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	for _, answers := range []string{"3\n", "\n", "", "x\ny\nz\n", "1\n3\n"} {
		if code, out, err := o.run(answers, "resolve", "--id", o.id); code != exitConflict || !strings.Contains(err, "email: take [1]") {
			t.Fatalf("%q: %d\n%s\n%s", answers, code, out, err)
		}
		if got := o.email(); got != "hier@example.de dort@example.de" {
			t.Fatalf("%q wrote: %s", answers, got)
		}
	}
	code, out, err := o.run("9\n2\n1\n", "resolve", "--id", o.id)
	if code != 0 {
		t.Fatalf("%d\n%s\n%s", code, out, err)
	}
	if got := o.email(); got != "dort@example.de dort@example.de" {
		t.Errorf("email: %s", got)
	}
	if got := o.w.Advoware.Value(sandbox.BeteiligtePath, o.advo, "telGesch"); got != "2" {
		t.Errorf("telGesch %s", got)
	}
}

// TestLinkLeavesNothingBehind on a terminal: what it reads is said on the line of
// activity, which goes away.
func TestLinkLeavesNothingBehind(t *testing.T) {
	o := newDeskOffice(t)
	mapping := filepath.Join(filepath.Dir(o.file), "beteiligte.yaml")
	write(t, mapping, o.w.Mapping())
	write(t, o.file, o.w.Config(filepath.Dir(o.file), mapping))
	if code, _, said := o.run("", "link", "--dry-run"); code != exitOK || said != "" {
		t.Errorf("%d, %q", code, said)
	}
}

func TestQuestionsOnATerminal(t *testing.T) {
	o := newDeskOffice(t)
	o.conflict()
	if code, _, err := o.run("n\n", "undo", "--run", "nope"); code != exitFailed {
		t.Errorf("undo of an unknown run: %d %s", code, err)
	}
	code, out, _ := o.run("", "history", "--runs", "-o", "json")
	if code != 0 {
		t.Fatal(out)
	}
	if code, _, err := o.run("n\n", "history", "--forget", "--id", o.id); code != exitCannotRun || !strings.Contains(err, "Erase the history") {
		t.Errorf("no is no: %d %s", code, err)
	}
	if code, out, err := o.run("j\n", "history", "--forget", "--id", o.id); code != 0 || !strings.Contains(out, "erased") {
		t.Errorf("yes is yes: %d %s %s", code, out, err)
	}
}

// TestDeleteByConfigurationAsksOnATerminal as a delete by --action does.
func TestDeleteByConfigurationAsksOnATerminal(t *testing.T) {
	o := newDeskOffice(t)
	text, err := os.ReadFile(o.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.file, []byte(strings.Replace(string(text), "conflict: manual", "on_missing_in_espocrm: delete", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, err := o.run("", "sync", "--id", o.id); code != 0 {
		t.Fatal(err)
	}
	if err := o.w.EspoCRM.Delete(sandboxType, o.id, "anna"); err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"n\n", "\n", ""} {
		code, out, err := o.run(answer, "sync", "--id", o.id)
		if code != exitCannotRun || !strings.Contains(err, "delete 1 record in Advoware (1)? [y/N]") || !strings.Contains(err, "not answered with yes") {
			t.Fatalf("%q: %d\n%s\n%s", answer, code, out, err)
		}
		if len(o.w.Advoware.All(sandbox.BeteiligtePath)) != 1 {
			t.Fatalf("%q: deleted", answer)
		}
	}
	code, out, errText := o.run("y\n", "sync", "--id", o.id)
	if code != 0 || !strings.Contains(out, "deleted") || len(o.w.Advoware.All(sandbox.BeteiligtePath)) != 0 {
		t.Fatalf("%d\n%s\n%s", code, out, errText)
	}
}
