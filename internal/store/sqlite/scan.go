package sqlite

import (
	"context"
	"slices"
	"strings"

	"advosync/internal/store"
)

// scanPage is how many memories a scan holds at a time.
const scanPage = 200

// Scan reads page by page and calls fn between the queries: fn may take long,
// and an open query would keep the -wal file growing.
func (s *Store) Scan(ctx context.Context, entity string, f store.ScanFilter, fn func(string, store.Memory) error) error {
	text, filter := scanQuery(f)
	for after := f.After; ; {
		args := slices.Concat([]any{entity, after}, filter, []any{scanPage})
		page, err := query(ctx, s, opLoad, text, args, scanMemory)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e.id, e.memory); err != nil {
				return err
			}
		}
		if len(page) < scanPage {
			return nil
		}
		after = page[len(page)-1].id
	}
}

func scanQuery(f store.ScanFilter) (text string, args []any) {
	var any []string
	if f.WithIntent {
		any = append(any, "has_intent")
	}
	if f.WithNotes {
		any = append(any, "has_notes")
	}
	if f.WithSuspect {
		any = append(any, "pending")
	}
	if f.WithWaiting {
		any = append(any, "waiting")
	}
	if !f.CheckedBefore.IsZero() {
		any = append(any, "checked_at < ?")
		args = append(args, store.Micros(f.CheckedBefore))
	}
	where := ""
	if len(any) > 0 {
		where = " AND (" + strings.Join(any, " OR ") + ")"
	}
	return "SELECT id, rev, doc FROM records INDEXED BY records_scan WHERE entity = ? AND id > ?" + where +
		" ORDER BY id LIMIT ?", args
}
