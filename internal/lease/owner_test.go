package lease

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"advosync/internal/store"
)

func TestSelfIsAlive(t *testing.T) {
	self := Self("sync", "run")
	if Dead(self, self) {
		t.Error("this very process is judged dead")
	}
	if self.PID != os.Getpid() || self.Command != "sync" || self.Run != "run" || self.Since.IsZero() {
		t.Errorf("%+v", self)
	}
	if runtime.GOOS == "linux" && (self.Host == "" || strings.HasSuffix(self.Start, "/")) {
		t.Errorf("incomplete identity: %+v", self)
	}
}

func TestDead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the cases below change parts that only Linux has")
	}
	self := Self("sync", "run")
	ours, _ := parseOrigin(self.Start)
	ours.machine = "machine"
	self.Start = ours.String()
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		change func(h *store.Owner, o *origin)
		want   bool
	}{
		{"ourselves", func(*store.Owner, *origin) {}, false},
		{"the pid is gone", func(h *store.Owner, _ *origin) { h.PID = gone.Process.Pid }, true},
		{"the pid belongs to another process now", func(_ *store.Owner, o *origin) { o.start = "1" }, true},
		{"before a restart of the machine", func(_ *store.Owner, o *origin) { o.boot = "earlier" }, true},
		{"another host", func(h *store.Owner, _ *origin) { h.Host, h.PID = "elsewhere", gone.Process.Pid }, false},
		{"another machine of the same name", func(h *store.Owner, o *origin) { o.machine, h.PID = "other", gone.Process.Pid }, false},
		{"another container", func(h *store.Owner, o *origin) { o.space, h.PID = "pid:[1]", gone.Process.Pid }, false},
		{"a container from the same image on another host", func(_ *store.Owner, o *origin) { o.space, o.boot = "pid:[1]", "theirs" }, false},
		{"start not known", func(_ *store.Owner, o *origin) { o.start = "" }, false},
		{"no pid", func(h *store.Owner, _ *origin) { h.PID = 0 }, false},
		{"no host", func(h *store.Owner, _ *origin) { h.Host = "" }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h, o := self, ours
			c.change(&h, &o)
			h.Start = o.String()
			if got := Dead(h, self); got != c.want {
				t.Errorf("Dead = %v", got)
			}
		})
	}
}

func TestDeadWithAnUnknownIdentity(t *testing.T) {
	self := Self("sync", "run")
	h := self
	h.Start = "something else"
	if Dead(h, self) {
		t.Error("a living pid is judged dead by an identity that says nothing")
	}
}

// A killed process whose parent has not asked for its end still has a pid.
func TestAZombieIsDead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a process is told from a later one with its number by /proc, which only Linux has; CI runs it there")
	}
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	self := Self("sync", "run")
	o, _ := parseOrigin(self.Start)
	o.start, _ = inspect(cmd.Process.Pid)
	child := self
	child.PID, child.Start = cmd.Process.Pid, o.String()
	if Dead(child, self) {
		t.Error("a living child is judged dead")
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	for range 1_000_000 { // not waited for: it stays a zombie
		if Dead(child, self) {
			break
		}
		runtime.Gosched()
	}
	if !Dead(child, self) {
		t.Error("a zombie counts as alive")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !Dead(child, self) {
		t.Error("a process that is gone counts as alive")
	}
}
