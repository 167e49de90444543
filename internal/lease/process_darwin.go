package lease

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// inspect says whether a process lives and when it started ("": it lives, but
// that is not to be seen).
func inspect(pid int) (start string, alive bool) {
	if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
		return "", false
	}
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", true
	}
	const zombie = 5 // SZOMB
	if info.Proc.P_stat == zombie {
		return "", false
	}
	t := info.Proc.P_starttime
	return strconv.FormatInt(int64(t.Sec), 10) + "." + strconv.FormatInt(int64(t.Usec), 10), true
}

func machineID() string {
	s, _ := unix.Sysctl("kern.uuid")
	return s
}

func bootID() string {
	s, _ := unix.Sysctl("kern.bootsessionuuid")
	return s
}

func pidSpace() string { return "" }
