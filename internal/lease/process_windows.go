package lease

import (
	"errors"
	"strconv"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// inspect says whether a process lives and when it started ("": it lives, but
// that is not to be seen).
func inspect(pid int) (start string, alive bool) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return "", false // no such process
	}
	if err != nil {
		return "", true
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var code uint32
	const running = 259 // STILL_ACTIVE
	if err := windows.GetExitCodeProcess(h, &code); err == nil && code != running {
		return "", false
	}
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		return "", true
	}
	return strconv.FormatInt(created.Nanoseconds(), 10), true
}

func machineID() string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer func() { _ = k.Close() }()
	s, _, _ := k.GetStringValue("MachineGuid")
	return s
}

// bootID is not needed: the start of a process is a time, not counted from boot.
func bootID() string { return "" }

func pidSpace() string { return "" }
