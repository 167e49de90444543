package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"advosync/internal/files"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// prepareFile makes directory and file with rights for nobody but us, whatever
// the umask, and tightens a file that is there already: it holds client data.
// SQLite gives -wal and -shm the rights of the main file.
//
// An existing file is never opened and closed here: closing any descriptor of
// it would drop the locks that SQLite holds for other stores of this process.
func prepareFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return err
	}
	if err := ours(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := tighten(path + suffix); err != nil {
			return err
		}
	}
	return nil
}

// ours refuses a store that somebody else could have put there, or could put
// another in the place of: it would be believed, and hold client data.
func ours(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if risk := files.ForeignPlace(path + suffix); risk != nil {
			return risk
		}
	}
	return nil
}

func tighten(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // -wal and -shm come and go
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file", errNotOurs, path)
	}
	if !looserThan(info.Mode(), fileMode) {
		return nil
	}
	err = os.Chmod(path, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
