package sqlite

import "io/fs"

// looserThan is false: rights are inherited from the directory's access list,
// and the mode bits that Go shows do not tell them.
func looserThan(fs.FileMode, fs.FileMode) bool { return false }
