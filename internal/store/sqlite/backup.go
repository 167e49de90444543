package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/files"
)

// Backup implements store.Backuper: a copy as of one moment, while others read and write.
// The file appears as a whole, for its owner alone. It takes the place of no store that is in
// use, or whoever uses that one would go on with a file that nobody finds any more.
func (s *Store) Backup(ctx context.Context, path string) error {
	const op = "back up the store"
	if err := s.backupPlace(path); err != nil {
		return &fault.Error{System: fault.Local, Code: "exists", Owner: fault.OwnerSystem, Op: op, Message: err.Error() + "; nothing was written", Hint: "name another file", Err: err}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".advosync-backup-*") // empty, and nobody else's: SQLite fills it
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it is gone once it has its name
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := s.w.alone(ctx, "VACUUM INTO '"+strings.ReplaceAll(tmp.Name(), "'", "''")+"'"); err != nil {
		return failure(ctx, op, s.path, err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// backupPlace refuses to put a backup in the place of a store, which others may have
// open, or of what is no backup.
func (s *Store) backupPlace(path string) error {
	if s.owns(path) || exists(path+"-wal") {
		return errors.New(path + " is a store itself, or belongs to one")
	}
	if err := files.Replaceable(path, "SQLite format 3\x00"); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil // not there: writing says what is wrong
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 72)
	if n, _ := io.ReadFull(f, head); n == 0 {
		return nil
	}
	switch { // SQLite's header: how the file is written, and whose it is
	case binary.BigEndian.Uint32(head[68:]) != applicationID:
		return errors.New(path + " is a database of another program")
	case head[18] == 2:
		return errors.New(path + " is a store, or a copy that was used as one")
	}
	return nil
}

// owns reports whether a name is that of the store's file, or of one that SQLite or a budget
// keeps beside it.
func (s *Store) owns(path string) bool {
	suffix, like := strings.CutPrefix(filepath.Base(path), filepath.Base(s.path))
	if !like || !slices.Contains([]string{"", "-wal", "-shm", "-journal", "-calls"}, suffix) {
		return false
	}
	theirs, err := os.Stat(filepath.Dir(path))
	ours, errOurs := os.Stat(filepath.Dir(s.path))
	return err == nil && errOurs == nil && os.SameFile(theirs, ours)
}
