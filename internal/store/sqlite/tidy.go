package sqlite

import (
	"context"
	"fmt"
	"path/filepath"

	"advosync/internal/store"
)

const (
	// keepFree is how many free pages a file may keep, 4 MB: the next writes use them.
	keepFree = 1000
	// tidyStep is how many pages are given back in one transaction; it takes some
	// milliseconds, for which others wait.
	tidyStep = 500
	// packMost is the largest content, in pages, that is packed at once, 256 MB: it is
	// copied within a few seconds, in which nobody else can write.
	packMost = 64_000
)

// space is how a file stands.
type space struct {
	pages, free, pageSize int64
	vacuum                int64 // 2: free pages can be given back
	held                  int64 // leases that live: others are at work
}

// Tidy gives free pages back to the file system. A file that an earlier version made
// cannot do that: it is packed once, when a third of it is free, nobody else is at
// work, and the disk has room for the copy.
func (s *Store) Tidy(ctx context.Context) error {
	const op = "make the file smaller"
	if s.w == nil {
		return nil
	}
	sp, err := s.space(ctx)
	if err != nil {
		return failure(ctx, op, s.path, err)
	}
	if sp.vacuum == 2 {
		return failure(ctx, op, s.path, s.giveBack(ctx, sp))
	}
	live := sp.pages - sp.free
	if sp.free <= keepFree || sp.free < live/2 || live > packMost || sp.held > 0 {
		return nil
	}
	room, err := roomAt(filepath.Dir(s.path))
	if err != nil || room < uint64(3*live*sp.pageSize) { // the copy, the journal, and the file until it is cut
		return nil
	}
	return failure(ctx, op, s.path, s.w.alone(ctx, "PRAGMA auto_vacuum = incremental; VACUUM"))
}

func (s *Store) space(ctx context.Context) (sp space, err error) {
	err = s.write(ctx, "look at the file", func(t *tx) error {
		return t.row(`SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count),
			(SELECT page_size FROM pragma_page_size), (SELECT auto_vacuum FROM pragma_auto_vacuum),
			(SELECT count(*) FROM leases WHERE expires > ?)`, []any{store.Micros(s.now())}, &sp.pages, &sp.free, &sp.pageSize, &sp.vacuum, &sp.held)
	})
	return sp, err
}

// giveBack cuts free pages off, some at a time, so that others come in between.
func (s *Store) giveBack(ctx context.Context, sp space) error {
	for free := sp.free; free > keepFree; free -= tidyStep {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.w.alone(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(tidyStep, free-keepFree))); err != nil {
			return err
		}
	}
	return nil
}

// alone runs a statement that is a transaction of its own, in turn with the others.
func (w *writer) alone(ctx context.Context, statement string) error {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-w.turn }()
	_, err := w.conn.ExecContext(ctx, statement)
	return err
}
