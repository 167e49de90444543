package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"advosync/internal/console"
	"advosync/internal/sandbox"
)

// office is both simulated systems for what the documentation shows: EspoCRM's
// clock stands still where it is put, so that equal runs print equal texts.
// Advoware's runs with ours, which its sign-in insists on; nothing shows it.
type office struct {
	t    *testing.T
	w    *sandbox.World
	dir  string
	file string
	// width and colour are of the terminal that output is made for.
	width  int
	colour bool
}

// officeTime is when the examples happen: a Monday before work.
var officeTime = time.Date(2026, 3, 2, 7, 0, 0, 0, time.UTC)

// newOffice starts both systems, empty. mapping replaces parts of the sandbox's
// own, old by new.
func newOffice(t *testing.T, mapping ...string) *office {
	t.Helper()
	clock := sandbox.NewClock(nil)
	clock.Set(officeTime)
	w := &sandbox.World{
		EspoCRM:  sandbox.NewEspoCRM(sandbox.EspoCRMOptions{Clock: clock}),
		Advoware: sandbox.NewAdvoware(sandbox.AdvowareOptions{Seed: 1}),
		Clock:    clock,
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	if err := w.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, w: w, dir: t.TempDir(), width: 80}
	dir, err := openSandboxDir(o.dir, t.Logf)
	o.must(err)
	t.Cleanup(dir.close)
	o.must(dir.settle(&sandboxStage{worlds: []*sandbox.World{w}}, false, played{}))
	o.file = filepath.Join(o.dir, "advosync.yaml")
	text := strings.NewReplacer(mapping...).Replace(w.Mapping())
	if len(mapping) > 0 && text == w.Mapping() {
		t.Fatal("the mapping has nothing of what is to be replaced")
	}
	o.must(os.WriteFile(filepath.Join(o.dir, "entities", "beteiligte.yaml"), []byte(text), 0o600))
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// party is one record that both systems have.
type party struct {
	id     string
	number int64
}

// person enters the same person in both systems, as an earlier sync left them,
// two hours ago; not yet remembered by advosync.
func (o *office) person(first, last string) party {
	return o.enter(map[string]any{"firstName": first, "lastName": last, "name": first + " " + last},
		fmt.Sprintf(`"vorname":%q,"name":%q`, first, last))
}

func (o *office) firm(name string) party {
	return o.enter(map[string]any{"firmenname": name, "name": name}, fmt.Sprintf(`"vorname":null,"name":%q`, name))
}

func (o *office) enter(values map[string]any, names string) party {
	const email, phone = "post@example.de", "0511 123456"
	raw := fmt.Sprintf(`{"betNr":%d,"rowId":"",%s,"emailGesch":%q,"telGesch":%q,"geburtsdatum":null,"anrede":"Frau"}`,
		104711+len(o.w.Advoware.All(sandbox.BeteiligtePath)), names, email, phone)
	n := o.w.Advoware.Insert(sandbox.BeteiligtePath, []byte(raw))
	o.must(o.w.Advoware.Resave(sandbox.BeteiligtePath, n))
	synced := officeTime.Add(-2 * time.Hour).Format("2006-01-02 15:04:05")
	for name, v := range map[string]any{"email": email, "phone": phone, "advowareId": n, "advowareRowId": o.w.Advoware.RowID(sandbox.BeteiligtePath, n),
		"syncStatus": "clean", "advowareLastSync": synced, "createdAt": synced, "modifiedAt": synced, "modifiedById": sandbox.APIUserID} {
		values[name] = v
	}
	return party{o.w.EspoCRM.Seed(sandboxType, values), n}
}

// synced is a person that advosync has synced and remembers.
func (o *office) synced() party {
	p := o.person("Anna", "Schmidt")
	o.sync(p.id)
	return p
}

// inEspoCRM is an edit by a person, 40 minutes later.
func (o *office) inEspoCRM(p party, values map[string]any) {
	o.t.Helper()
	o.w.Clock.Set(officeTime.Add(40 * time.Minute))
	o.must(o.w.EspoCRM.Put(sandboxType, p.id, "anna", values))
}

func (o *office) inAdvoware(p party, values map[string]any) {
	o.t.Helper()
	o.must(o.w.Advoware.Edit(sandbox.BeteiligtePath, p.number, values))
}

// forget loses the store.
func (o *office) forget() {
	o.t.Helper()
	files, err := filepath.Glob(filepath.Join(o.dir, "state.db*"))
	o.must(err)
	for _, f := range files {
		o.must(os.Remove(f))
	}
}

func (o *office) sync(ids ...string) {
	o.t.Helper()
	if code, out := o.run(withIDs("sync", ids)...); code != exitOK {
		o.t.Fatalf("sync ended with exit code %d:\n%s", code, out)
	}
}

// run is one command line on a terminal; the text is stdout's.
func (o *office) run(args ...string) (int, string) {
	o.t.Helper()
	c, b := console.Test(o.width, true, o.colour)
	d := system(Build{})
	d.console, d.zone = c, time.UTC
	d.newRunID = func() string { return "019caa4e-4980-7c3d-9b1a-2f64d0a8e7b5" }
	d.load = func(l loadOptions) (project, error) { return loadConfig(l, c) }
	code := run(context.Background(), d, append([]string{"--config", o.file}, args...))
	said, _ := io.ReadAll(&b.Err)
	if len(said) > 0 {
		o.t.Logf("advosync %s: stderr:\n%s", strings.Join(args, " "), said)
	}
	return code, b.Out.String()
}
