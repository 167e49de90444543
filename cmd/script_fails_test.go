package cmd

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptFails is the end of a script that has failed.
type scriptFails struct{}

// failing is a test in which a script may fail.
type failing struct {
	*testing.T
	failed bool
}

func (f *failing) FailNow()          { f.failed = true; panic(scriptFails{}) }
func (f *failing) Fatal(args ...any) { f.Log(args...); f.FailNow() }
func (f *failing) Parallel()         {}
func (f *failing) Verbose() bool     { return false }
func (f *failing) Log(...any)        {}
func (f *failing) Skip(args ...any)  { f.Fatal(args...) }
func (f *failing) Run(_ string, fn func(testscript.T)) {
	defer func() {
		if r := recover(); r != nil && r != any(scriptFails{}) {
			panic(r)
		}
	}()
	fn(f)
}

// A script that fails ends its processes, also one that does not mind being asked.
func TestAFailingScriptEndsItsProcesses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fails.txtar")
	if err := os.WriteFile(file, []byte("freeport PORT\nexec sh -c 'trap \"\" INT; exec sleep 120' &\nexists nowhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := (&stage{driver: "embedded"}).params()
	p.Files, p.UpdateScripts = []string{file}, false
	f, began := &failing{T: t}, time.Now()
	testscript.RunT(f, p)
	if took := time.Since(began); !f.failed || took > time.Minute {
		t.Errorf("failed %v after %v", f.failed, took)
	}
}
