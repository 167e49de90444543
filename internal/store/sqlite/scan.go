package sqlite

import (
	"context"
	"fmt"
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

// scanQuery walks, for every condition that is set, the index of the records that
// meet it, and none that leads through all of them.
func scanQuery(f store.ScanFilter) (text string, args []any) {
	var ids []string
	walk := func(from, condition string, arg ...any) {
		ids = append(ids, "SELECT id FROM "+from+" WHERE entity = ?1 AND id > ?2"+condition)
		args = append(args, arg...)
	}
	if f.All() {
		walk("records", "")
	}
	if f.WithOpen {
		walk("intents", "")
	}
	if f.WithNotes {
		walk("records INDEXED BY records_notes", " AND has_notes")
	}
	if f.WithSuspect {
		walk("records INDEXED BY records_pending", " AND pending")
	}
	if f.WithWaiting {
		walk("records INDEXED BY records_waiting", " AND waiting")
	}
	if f.WithHold {
		walk("records INDEXED BY records_hold", " AND hold")
	}
	if f.AdvowareID != 0 {
		walk("records INDEXED BY records_advoware", " AND advoware_id = ?3 AND advoware_id <> 0", f.AdvowareID)
		walk("intents INDEXED BY intents_advoware", " AND advoware_id = ?3 AND advoware_id <> 0")
	}
	if !f.CheckedBefore.IsZero() {
		walk("records INDEXED BY records_checked", fmt.Sprintf(" AND checked_at < ?%d", len(args)+3), store.Micros(f.CheckedBefore))
	}
	if !f.CheckedBefore.IsZero() && !f.CheckedAfter.IsZero() {
		walk("records INDEXED BY records_checked", fmt.Sprintf(" AND checked_at > ?%d", len(args)+3), store.Micros(f.CheckedAfter))
	}
	return "SELECT r.id, r.rev, r.doc, i.doc FROM (" + strings.Join(ids, " UNION ") + fmt.Sprintf(" ORDER BY id LIMIT ?%d) p", len(args)+3) +
		" JOIN records r ON r.entity = ?1 AND r.id = p.id LEFT JOIN intents i ON i.entity = ?1 AND i.id = p.id ORDER BY p.id", args
}
