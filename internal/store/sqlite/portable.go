package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"advosync/internal/store"
)

var _ store.Portable = (*Store)(nil)

const opAll = "read all that is remembered"

// Holdings counts in the tables.
func (s *Store) Holdings(ctx context.Context) (h store.Holdings, err error) {
	type counted struct {
		entity             string
		records, announced int
	}
	all, err := query(ctx, s, opAll, `SELECT entity, count(*), 0 FROM records GROUP BY entity
		UNION ALL SELECT entity, 0, count(*) FROM intents GROUP BY entity
		UNION ALL SELECT DISTINCT entity, 0, 0 FROM linked`, nil, func(rows *sql.Rows) (c counted, err error) {
		err = rows.Scan(&c.entity, &c.records, &c.announced)
		return c, err
	})
	if err != nil {
		return h, err
	}
	for _, c := range all {
		h.Add(c.entity, c.records, c.announced)
	}
	entries, err := query(ctx, s, opAll, "SELECT count(*) FROM history", nil, scanOne[int])
	if err == nil && len(entries) == 1 { // a file that is not there yet has no tables
		h.History = entries[0]
	}
	return h, err
}

// Whole is Scan: a file loses none.
func (s *Store) Whole(ctx context.Context, entity string, fn func(string, store.Memory) error) error {
	return s.Scan(ctx, entity, store.ScanFilter{}, fn)
}

// Linked reads page by page, in ascending order.
func (s *Store) Linked(ctx context.Context, entity string, fn func([]int64) error) error {
	const page = 1000
	text, args := "SELECT advoware_id FROM linked WHERE entity = ? ORDER BY advoware_id LIMIT ?", []any{entity, page}
	for {
		numbers, err := query(ctx, s, opAll, text, args, scanOne[int64])
		if err != nil || len(numbers) == 0 {
			return err
		}
		if err := fn(numbers); err != nil {
			return err
		}
		text = "SELECT advoware_id FROM linked WHERE entity = ? AND advoware_id > ? ORDER BY advoware_id LIMIT ?"
		args = []any{entity, numbers[len(numbers)-1], page}
	}
}

// AddLinked is one transaction.
func (s *Store) AddLinked(ctx context.Context, entity string, numbers []int64) error {
	return s.write(ctx, "remember numbers", func(t *tx) error { return t.link(entity, numbers) })
}

// link keeps numbers that a memory was about.
func (t *tx) link(entity string, numbers []int64) error {
	for _, n := range numbers {
		if _, err := t.exec("INSERT INTO linked (entity, advoware_id) VALUES (?, ?) ON CONFLICT DO NOTHING", entity, n); err != nil {
			return err
		}
	}
	return nil
}

// Lasting reads the keys.
func (s *Store) Lasting(ctx context.Context) ([]string, error) {
	return query(ctx, s, opAll, "SELECT key FROM kv WHERE expires = 0 ORDER BY key", nil, scanOne[string])
}

// Clear is one transaction.
func (s *Store) Clear(ctx context.Context, keep []string) error {
	kept, err := json.Marshal(keep)
	if err != nil {
		return err
	}
	return s.write(ctx, "empty the store", func(t *tx) error {
		for _, table := range []string{"records", "intents", "linked", "history"} {
			if _, err := t.exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		_, err := t.exec("DELETE FROM kv WHERE key NOT IN (SELECT value FROM json_each(?))", string(kept))
		return err
	})
}
