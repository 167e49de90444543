package lease

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/user"
	"strings"
	"time"

	"advosync/internal/store"
)

// Self is the identity of this process as a holder of locks. Where the system
// does not tell something, that part is empty and never leads to a takeover.
func Self(command, run string) store.Owner {
	host, _ := os.Hostname()
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	pid := os.Getpid()
	start, _ := inspect(pid)
	return store.Owner{
		Host: host, PID: pid, Start: here(start).String(), User: name,
		Command: command, Run: run, Since: time.Now().Round(0).UTC(),
	}
}

// Dead reports whether a holder is known to be dead, as seen by self. A process
// on another host, or in another container, is never judged: its pid means
// nothing here.
func Dead(o, self store.Owner) bool {
	if o.Host == "" || o.Host != self.Host || o.PID <= 0 {
		return false
	}
	theirs, ok := parseOrigin(o.Start)
	ours, okSelf := parseOrigin(self.Start)
	if !ok || !okSelf {
		_, alive := inspect(o.PID)
		return !alive
	}
	switch {
	case theirs.machine != ours.machine:
		return false // two machines of the same name
	case theirs.space != ours.space:
		return false // another container: perhaps on another host, which has its machine's id from the image
	case theirs.boot != ours.boot:
		return ours.machine != "" // this machine has been started anew since
	}
	start, alive := inspect(o.PID)
	return !alive || start != "" && theirs.start != "" && start != theirs.start
}

// origin tells a process from all others that had or have its pid.
type origin struct {
	machine string // identifies the machine
	boot    string // identifies this run of the machine
	space   string // the space in which pids are counted
	start   string // when the process started, in the system's own unit
}

func here(start string) origin {
	return origin{machine: fingerprint(machineID()), boot: bootID(), space: pidSpace(), start: start}
}

// String is the form in store.Owner.Start.
func (o origin) String() string {
	return strings.Join([]string{o.machine, o.boot, o.space, o.start}, "/")
}

func parseOrigin(s string) (origin, bool) {
	p := strings.Split(s, "/")
	if len(p) != 4 {
		return origin{}, false
	}
	return origin{machine: p[0], boot: p[1], space: p[2], start: p[3]}, true
}

// fingerprint hides the machine's id, which is confidential, and keeps it
// recognisable.
func fingerprint(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("advosync lock owner " + id))
	return hex.EncodeToString(sum[:6])
}
