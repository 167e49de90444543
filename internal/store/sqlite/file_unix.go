//go:build !windows

package sqlite

import "io/fs"

// looserThan reports whether mode allows anything that limit does not.
func looserThan(mode, limit fs.FileMode) bool { return mode.Perm()&^limit != 0 }
