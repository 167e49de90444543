package sqlite

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"advosync/internal/store"
)

// historyRows is the form of entries in the table.
func historyRows(es []store.Entry) ([][]any, error) {
	rows := make([][]any, len(es))
	for i, e := range es {
		doc, err := store.EncodeEntry(e)
		if err != nil {
			return nil, err
		}
		rows[i] = []any{e.ID, store.Micros(e.At), e.Run, e.Entity, e.RecordID, doc}
	}
	return rows, nil
}

func (t *tx) putHistory(rows [][]any) error {
	for _, row := range rows {
		// An entry that is closed stays where it is in every index.
		n, err := t.exec("UPDATE history SET doc = ? WHERE id = ? AND at = ? AND run = ? AND entity = ? AND record_id = ?",
			row[5], row[0], row[1], row[2], row[3], row[4])
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if _, err := t.exec(`INSERT INTO history (id, at, run, entity, record_id, doc) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET at = excluded.at, run = excluded.run, entity = excluded.entity,
			record_id = excluded.record_id, doc = excluded.doc`, row...); err != nil {
			return err
		}
	}
	return nil
}

// Append stores entries that belong to no record commit.
func (s *Store) Append(ctx context.Context, es ...store.Entry) error {
	rows, err := historyRows(es)
	if err != nil {
		return err
	}
	return s.write(ctx, "store the history", func(t *tx) error { return t.putHistory(rows) })
}

// historyPage is how many entries a listing holds at a time.
const historyPage = 200

// Entries lists newest first; entries of the same microsecond by descending id.
func (s *Store) Entries(ctx context.Context, f store.HistoryFilter, fn func(store.Entry) error) error {
	text, filter := historyQuery(f)
	at, id := int64(math.MaxInt64), ""
	for left := f.Limit; ; {
		size := historyPage
		if f.Limit > 0 {
			size = min(size, left)
		}
		args := slices.Concat([]any{at, id}, filter, []any{size})
		page, err := query(ctx, s, "read the history", text, args, scanEntry)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return err
			}
		}
		if left -= len(page); len(page) < size || f.Limit > 0 && left == 0 {
			return nil
		}
		last := page[len(page)-1]
		at, id = store.Micros(last.At), last.ID
	}
}

func scanEntry(rows *sql.Rows) (store.Entry, error) {
	var doc []byte
	if err := rows.Scan(&doc); err != nil {
		return store.Entry{}, err
	}
	return store.DecodeEntry(doc)
}

func historyQuery(f store.HistoryFilter) (text string, args []any) {
	by := "history_at"
	switch { // the narrowest; each is in the order of the listing
	case f.ID != "":
		by = "history_record"
	case f.Run != "":
		by = "history_run"
	case f.Entity != "":
		by = "history_entity"
	}
	text = "SELECT doc FROM history INDEXED BY " + by + " WHERE (at, id) < (?, ?)"
	add := func(condition string, arg any) {
		text += " AND " + condition
		args = append(args, arg)
	}
	if f.Entity != "" {
		add("entity = ?", f.Entity)
	}
	if f.ID != "" {
		add("record_id = ?", f.ID)
	}
	if f.Run != "" {
		add("run = ?", f.Run)
	}
	if !f.Since.IsZero() {
		add("at >= ?", store.Micros(f.Since))
	}
	return text + " ORDER BY at DESC, id DESC LIMIT ?", args
}

// Prune deletes what is older than before.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	return s.deleteHistory(ctx, "prune the history", "DELETE FROM history WHERE at < ?", store.Micros(before))
}

// Forget erases the entries of one record.
func (s *Store) Forget(ctx context.Context, key store.Key) (int, error) {
	return s.deleteHistory(ctx, "erase a record's history",
		"DELETE FROM history WHERE entity = ? AND record_id = ?", key.Entity, key.ID)
}

func (s *Store) deleteHistory(ctx context.Context, op, text string, args ...any) (int, error) {
	var n int64
	err := s.write(ctx, op, func(t *tx) (err error) {
		n, err = t.exec(text, args...)
		return err
	})
	return int(n), err
}
