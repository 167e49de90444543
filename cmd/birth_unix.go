//go:build unix

package cmd

import (
	"os"

	"golang.org/x/sys/unix"
)

func ownedByUs(dir string) bool {
	var st unix.Stat_t
	return unix.Stat(dir, &st) == nil && int(st.Uid) == os.Geteuid()
}
