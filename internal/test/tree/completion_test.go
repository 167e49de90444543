package tree

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"advosync/internal/sandbox"
)

// TestCompletionInBash presses <TAB> in a bash with bash-completion, on the
// script that packages install.
func TestCompletionInBash(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		t.Skip("bash-completion is not installed; .ci/run installs it and runs this")
	}
	p := newPlayer(t)
	w := office(t, sandbox.WorldOptions{Seed: 1})
	p.settle(w)
	record := cast(t, w).linked[0]
	p.run(0, "sync", "--id", record.id)
	script, err := os.ReadFile("completions/advosync.bash")
	if err != nil {
		t.Fatal(err)
	}
	press := func(words ...string) []string {
		t.Helper()
		c := exec.Command("bash", "--norc", "-c", fmt.Sprintf(`source %s
source /dev/stdin
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9 COMP_KEY=9
COMP_POINT=${#COMP_LINE}
__start_advosync
printf '%%s\n' "${COMPREPLY[@]}"`, library), "bash")
		c.Args = append(c.Args, words...)
		c.Dir, c.Env, c.Stdin = p.home, p.env, strings.NewReader(string(script))
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%q: %v", words, err)
		}
		var replies []string
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			replies = append(replies, strings.TrimSpace(strings.SplitN(line, "  ", 2)[0]))
		}
		return replies
	}
	run := press("advosync", "undo", "--run", "")
	if len(run) != 1 || !runID.MatchString(run[0]) {
		t.Errorf("runs: %q", run)
	}
	for _, c := range []struct {
		want  string
		words []string
	}{
		{"cron-run", []string{"advosync", "cr"}},
		{"Beteiligte", []string{"advosync", "sync", "--entity", ""}},
		{record.id, []string{"advosync", "sync", "--id", record.id[:9]}},
		{record.id, []string{"advosync", "diff", "--id", record.id[:16]}},
		{"permanently_failed", []string{"advosync", "reset", "--all", "--status", "p"}},
		{"uncertain_create", []string{"advosync", "reset", "--all", "--cause", ""}},
		{"merge", []string{"advosync", "cron-run", "--conflict", ""}},
		{"yaml", []string{"advosync", "status", "-o", ""}},
		{"--dry-run", []string{"advosync", "sync", "--dr"}},
	} {
		if got := press(c.words...); !slices.Contains(got, c.want) {
			t.Errorf("%q offers %q, not %s", c.words, got, c.want)
		}
	}
}
