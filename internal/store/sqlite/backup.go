package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Backup implements store.Backuper: a copy as of one moment, while others read and write.
// The file appears as a whole, for its owner alone.
func (s *Store) Backup(ctx context.Context, path string) error {
	const op = "back up the store"
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
