//go:build unix

package doctor

import "golang.org/x/sys/unix"

// writable asks the system without trying it.
func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }
