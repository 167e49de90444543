//go:build linux || darwin

package console

import "golang.org/x/sys/unix"

// hideInput stops a terminal from showing what is typed. What was typed before
// stays to be read.
func hideInput(fd int) {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return // no terminal
	}
	t.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(fd, setTermios, t)
}
