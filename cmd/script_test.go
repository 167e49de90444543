package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"advosync/internal/store/storetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"advosync": func() {
			os.Exit(Main(Build{Version: "v0.0.0-test", Commit: "c0ffee", Date: "2026-03-01T00:00:00Z"}, os.Args[1:]))
		},
	})
}

// storeScripts are those in which the store matters: on Redis they are played always,
// the others only with -everything.
var storeScripts = regexp.MustCompile(`^(cron|lock|repair|store|whose|link|create|duplicate|status|offices|fleet)_|^(fleet|tokens|hold|late_write|interrupted|budget|doctor_redis|two_entities|race_edits|readonly|watch|failure_system|overruled)\.`)

// TestScripts runs every script on a SQLite file, and those of the store on Redis. The
// commands that the scripts have beside testscript's own are in script_world_test.go.
func TestScripts(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		runScripts(t, &stage{driver: "embedded"})
	})
	if testing.Short() {
		return // one store: under the race detector every command takes its time to start
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		server := storetest.StartRedis(t, "--databases", "1000")
		runScripts(t, &stage{driver: "redis", redis: server.Addr})
	})
}

func runScripts(t *testing.T, s *stage) {
	p := s.params()
	all, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if s.driver == "embedded" || *everything || storeScripts.MatchString(filepath.Base(file)) {
			p.Files = append(p.Files, file)
		}
	}
	if len(p.Files) < 50 {
		t.Fatalf("%d scripts", len(p.Files))
	}
	testscript.Run(t, p)
}

// params are what all scripts run with.
func (s *stage) params() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Condition:           s.condition,
		Cmds: endingProcesses(map[string]func(*testscript.TestScript, bool, []string){
			"exitcode":  exitCodeCmd,
			"json":      jsonCmd,
			"jsonvar":   jsonVarCmd,
			"deadlock":  inWorld(deadLockCmd),
			"sandbox":   s.sandboxCmd,
			"espo":      inWorld(espoCmd),
			"advo":      inWorld(advoCmd),
			"fault":     inWorld(faultCmd),
			"behaviour": inWorld(behaviourCmd),
			"clock":     inWorld(clockCmd),
			"await":     inWorld(awaitCmd),
			"calls":     inWorld(callsCmd),
			"snapshot":  inWorld(snapshotCmd),
			"untouched": inWorld(untouchedCmd),
			"lock":      inWorld(lockCmd),
			"value":     inWorld(valueCmd),
			"idle":      inWorld(idleCmd),
			"freeport":  freePortCmd,
			"webhook":   webhookCmd,
			"notified":  notifiedCmd,
			"crowd":     inWorld(crowdCmd),
			"each":      inWorld(eachCmd),
			"writes":    inWorld(writesCmd),
			"offices":   inWorld(officesCmd),
			"at":        atCmd,
		}),
		Setup: func(e *testscript.Env) error {
			e.Setenv("LC_ALL", "C.UTF-8")
			e.Setenv("TZ", "UTC")
			e.Setenv("STORE", s.driver)
			former, err := filepath.Abs("../internal/store/sqlite/testdata/schema2.db")
			if err != nil {
				return err
			}
			e.Setenv("FORMER_STORE", former)
			examples, err := filepath.Abs("../docs/examples")
			if err != nil {
				return err
			}
			e.Setenv("EXAMPLES", examples)
			e.Setenv("ADVOSYNC_SYNC_LATE_WRITE", "0s") // nobody waits two minutes
			e.Values[worldKey{}] = new(world)
			return nil
		},
	}
}

// endingProcesses has a script that fails end what it has begun in the background. testscript
// asks such processes to end, and waits for them: one that is stopped, or waits for a system
// that is gone, would hold up the suite until its time is over.
func endingProcesses(cmds map[string]func(*testscript.TestScript, bool, []string)) map[string]func(*testscript.TestScript, bool, []string) {
	for name, cmd := range cmds {
		cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if w, ok := ts.Value(worldKey{}).(*world); ok && !w.ends {
				w.ends = true
				ts.Defer(func() {
					for _, c := range ts.BackgroundCmds() { // none, where the script has come to its end
						_ = c.Process.Kill()
					}
				})
			}
			cmd(ts, neg, args)
		}
	}
	return cmds
}

// exitCodeCmd is "exitcode N program args...": runs a program and compares its
// exit code.
func exitCodeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(interface{ ExitCode() int }); ok {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("run %s: %v", args[1], err)
	}
	if want := args[0]; want != strconv.Itoa(got) {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}
