package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"advosync/internal/sandbox"
)

// officesCmd is "offices NAME...": the sandbox becomes the first of several offices, the
// others get systems of their own with the same cast, ids and numbers. All are in
// advosync.yaml; what stands above the list is as it was.
func officesCmd(ts *testscript.TestScript, w *world, args []string) {
	need(ts, args, 1)
	w.offices = map[string]*world{}
	out := w.config() + "offices:\n"
	for i, name := range args {
		o := w
		if i > 0 {
			o = &world{World: newWorld(), stage: w.stage, dir: w.dir, db: w.db, snapshots: map[string]string{}}
			ctx, cancel := context.WithCancel(context.Background())
			ts.Defer(cancel)
			ts.Check(o.Start(ctx, "127.0.0.1:0", "127.0.0.1:0"))
			o.fillAt(ts, w.filled) // the same ids
		}
		w.offices[name] = o
		out += fmt.Sprintf("  - name: %s\n    espocrm: {url: %q}\n    advoware: {configurator_url: %q}\n", name, o.EspoURL, sandbox.ConfiguratorURL(o.AdvoURL))
		ts.Setenv("ESPO_"+strings.ToUpper(name), o.EspoURL)
	}
	ts.Check(os.WriteFile(filepath.Join(w.dir, "advosync.yaml"), []byte(out), 0o600))
}

// atCmd is "at NAME": the systems of this office are meant from now on.
func atCmd(ts *testscript.TestScript, neg bool, args []string) {
	w, _ := ts.Value(worldKey{}).(*world)
	if neg || len(args) != 1 || w == nil || w.offices[args[0]] == nil {
		ts.Fatalf("usage, after offices: at NAME")
	}
	w.at = w.offices[args[0]]
}

// newWorld is the world of a script before anybody is in it.
func newWorld() *sandbox.World {
	return sandbox.NewWorld(sandbox.WorldOptions{Seed: 7, Empty: true, Advoware: sandbox.AdvowareOptions{Resources: []sandbox.Resource{
		{Path: sandbox.BeteiligtePath}, {Path: kontaktePath, ID: "kontaktNr"},
	}}})
}
