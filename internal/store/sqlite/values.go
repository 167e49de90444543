package sqlite

import (
	"context"
	"database/sql"
	"time"

	"advosync/internal/store"
)

const (
	opRead  = "read a stored value"
	opWrite = "store a value"
)

// Get reads a value that has not expired.
func (s *Store) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	values, err := query(ctx, s, opRead, "SELECT value FROM kv WHERE key = ? AND (expires = 0 OR expires > ?)",
		[]any{key, store.Micros(s.now())}, scanOne[[]byte])
	if err != nil || len(values) == 0 {
		return nil, false, err
	}
	return values[0], true, nil
}

// Put stores a value; ttl 0: for ever.
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return s.write(ctx, opWrite, func(t *tx) error {
		var expires int64
		if ttl > 0 {
			expires = store.Micros(s.now().Add(ttl))
		}
		_, err := t.exec(`INSERT INTO kv (key, value, expires) VALUES (?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`, key, notNil(value), expires)
		return err
	})
}

// PutNew stores a value for ever, unless there is one.
func (s *Store) PutNew(ctx context.Context, key string, value []byte) ([]byte, error) {
	var inForce []byte
	err := s.write(ctx, opWrite, func(t *tx) error {
		_, err := t.exec(`INSERT INTO kv (key, value, expires) VALUES (?, ?, 0)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = 0
			WHERE kv.expires <> 0 AND kv.expires <= ?`, key, notNil(value), store.Micros(s.now()))
		if err != nil {
			return err
		}
		inForce = nil
		return t.row("SELECT value FROM kv WHERE key = ?", []any{key}, &inForce)
	})
	if err != nil {
		return nil, err
	}
	return inForce, nil
}

// notNil keeps an empty value from being stored as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Delete removes a value, and what has expired along with it.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.write(ctx, "delete a stored value", func(t *tx) error {
		_, err := t.exec("DELETE FROM kv WHERE key = ? OR expires <> 0 AND expires <= ?", key, store.Micros(s.now()))
		return err
	})
}

// Keys lists the keys with a prefix. The comparison is by bytes; LIKE would
// read % and _ in the prefix and ignore case.
func (s *Store) Keys(ctx context.Context, prefix string) ([]string, error) {
	return query(ctx, s, opRead, `SELECT key FROM kv WHERE key >= ? AND substr(key, 1, length(?)) = ?
		AND (expires = 0 OR expires > ?) ORDER BY key`,
		[]any{prefix, prefix, prefix, store.Micros(s.now())}, scanOne[string])
}

func scanOne[T any](rows *sql.Rows) (v T, err error) {
	err = rows.Scan(&v)
	return v, err
}
