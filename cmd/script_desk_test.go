package cmd

import (
	"context"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"

	"advosync/internal/lease"
	"advosync/internal/store"
)

// jsonVarCmd is "jsonvar VAR FILE PATH": a value of a document goes to $VAR.
func jsonVarCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: jsonvar VAR FILE PATH")
	}
	got := gjson.Get(oneDocument(ts, ts.ReadFile(args[1])), args[2])
	if !got.Exists() {
		ts.Fatalf("there is no %s", args[2])
	}
	ts.Setenv(args[0], got.String())
}

// deadLockCmd is "deadlock ID [COMMAND]": a process of this machine that has ended, a
// cron-run where none is named, holds the record's lock.
func deadLockCmd(ts *testscript.TestScript, w *world, args []string) {
	command := "cron-run"
	if len(args) == 2 {
		args, command = args[:1], args[1]
	}
	need(ts, args, 1)
	st := w.open(ts)
	defer func() { _ = st.Close() }()
	owner := lease.Self(command, "r0")
	owner.PID = 1<<22 + 1 // above the highest there can be
	_, held, err := st.Acquire(context.Background(), []string{store.LockKey("Beteiligte", args[0])}, owner, time.Hour)
	ts.Check(err)
	if len(held) > 0 {
		ts.Fatalf("it is held already")
	}
}
