//go:build !windows

package sqlite

import "golang.org/x/sys/unix"

// roomAt is how many bytes of the file system that holds dir we may still use.
func roomAt(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
