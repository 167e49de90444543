package lease

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// inspect says whether a process lives and when it started ("": it lives, but
// that is not to be seen). A process that has ended and waits for its parent is
// dead.
func inspect(pid int) (start string, alive bool) {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return "", false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", true // hidden from us (hidepid), or gone this moment
	}
	// The command in parentheses may hold anything, also blanks and parentheses.
	_, rest, _ := strings.Cut(string(stat[max(strings.LastIndexByte(string(stat), ')'), 0):]), " ")
	fields := strings.Fields(rest) // from field 3, the state
	if len(fields) < 20 {
		return "", true
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true // field 22, in clock ticks since boot
}

func machineID() string { return firstLine("/etc/machine-id") }

func bootID() string { return firstLine("/proc/sys/kernel/random/boot_id") }

// pidSpace differs between containers on one machine.
func pidSpace() string {
	s, _ := os.Readlink("/proc/self/ns/pid")
	return strings.ReplaceAll(s, "/", "")
}

func firstLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}
