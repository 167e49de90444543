package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"advosync/internal/store"
)

// forgotten is how long an expired lease is still shown: that of a dead process
// whose record needs nothing more is asked for by nobody.
const forgotten = time.Hour

// holder is the owner of a lease as it is stored.
type holder struct {
	store.Owner
	Life int64 `json:"life"` // microseconds; nobody who holds it believes in it for longer
}

// cutAhead has a lease that a clock which was ahead has stamped end when its life is over
// from now on: whoever it was may never come back.
const cutAhead = "UPDATE leases SET expires = ?1 + json_extract(owner, '$.life') WHERE expires > ?1 + json_extract(owner, '$.life')"

// Acquire takes free and expired keys.
func (s *Store) Acquire(ctx context.Context, keys []string, owner store.Owner, ttl time.Duration) ([]store.Lease, []store.Lock, error) {
	var granted []store.Lease
	var held []store.Lock
	ownerDoc, err := json.Marshal(holder{owner, ttl.Microseconds()})
	if err != nil {
		return nil, nil, fmt.Errorf("encode owner: %w", err)
	}
	err = s.write(ctx, "take a lock", func(t *tx) error {
		granted, held = nil, nil
		now := s.now()
		if _, err := t.exec("DELETE FROM leases WHERE expires <= ?", store.Micros(now.Add(-forgotten))); err != nil {
			return err
		}
		if _, err := t.exec(cutAhead, store.Micros(now)); err != nil {
			return err
		}
		for _, key := range keys {
			lease := store.Lease{Key: key, Token: newToken(), Owner: owner, Expires: now.Add(ttl).Round(0)}
			n, err := t.exec(`INSERT INTO leases (key, token, owner, expires) VALUES (?, ?, ?, ?)
				ON CONFLICT (key) DO UPDATE SET token = excluded.token, owner = excluded.owner, expires = excluded.expires
				WHERE leases.expires <= ?`, key, lease.Token, string(ownerDoc), store.Micros(lease.Expires), store.Micros(now))
			if err != nil {
				return err
			}
			if n == 1 {
				granted = append(granted, lease)
				continue
			}
			lock, err := t.holder(key)
			if err != nil {
				return err
			}
			held = append(held, lock)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return granted, held, nil
}

// newToken is the proof of ownership: 128 random bits.
func newToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

const lockColumns = "key, token, owner, expires"

func (t *tx) holder(key string) (store.Lock, error) {
	var row lockRow
	err := t.row("SELECT "+lockColumns+" FROM leases WHERE key = ?", []any{key}, row.dest()...)
	if err != nil {
		return store.Lock{}, err
	}
	return row.lock()
}

type lockRow struct {
	key, token, owner string
	expires           int64
}

func (r *lockRow) dest() []any { return []any{&r.key, &r.token, &r.owner, &r.expires} }

// lock uses the token as raw value: every lease has its own.
func (r *lockRow) lock() (store.Lock, error) {
	l := store.Lock{Key: r.key, Token: r.token, Raw: r.token, Expires: time.UnixMicro(r.expires)}
	if err := json.Unmarshal([]byte(r.owner), &l.Owner); err != nil {
		return store.Lock{}, fmt.Errorf("decode the owner of a lock: %w", err)
	}
	return l, nil
}

// Extend leaves an expired lease lost, also when nobody has taken it yet: for
// Redis it would be gone.
func (s *Store) Extend(ctx context.Context, leases []store.Lease, ttl time.Duration) ([]string, error) {
	var lost []string
	err := s.write(ctx, "renew a lock", func(t *tx) error {
		lost = nil
		now := s.now()
		for _, l := range leases {
			n, err := t.exec("UPDATE leases SET expires = ? WHERE key = ? AND token = ? AND expires > ?",
				store.Micros(now.Add(ttl)), l.Key, l.Token, store.Micros(now))
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, l.Key)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// Release deletes what still carries our token.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	return s.write(ctx, "free a lock", func(t *tx) error {
		for _, l := range leases {
			if _, err := t.exec("DELETE FROM leases WHERE key = ? AND token = ?", l.Key, l.Token); err != nil {
				return err
			}
		}
		return nil
	})
}

// Holder shows an expired lease as well, until somebody takes it.
func (s *Store) Holder(ctx context.Context, key string) (*store.Lock, error) {
	locks, err := s.locks(ctx, "SELECT "+lockColumns+" FROM leases WHERE key = ?", key)
	if err != nil || len(locks) == 0 {
		return nil, err
	}
	return &locks[0], nil
}

// Locks shows expired leases as well.
func (s *Store) Locks(ctx context.Context) ([]store.Lock, error) {
	return s.locks(ctx, "SELECT "+lockColumns+" FROM leases ORDER BY key")
}

func (s *Store) locks(ctx context.Context, text string, args ...any) ([]store.Lock, error) {
	return query(ctx, s, "read the locks", text, args, func(rows *sql.Rows) (store.Lock, error) {
		var row lockRow
		if err := rows.Scan(row.dest()...); err != nil {
			return store.Lock{}, err
		}
		return row.lock()
	})
}

// Break deletes the lock if it is still the observed one. Expires does not
// count: an extended lease is the same lease.
func (s *Store) Break(ctx context.Context, observed store.Lock) (bool, error) {
	var n int64
	err := s.write(ctx, "break a lock", func(t *tx) (err error) {
		n, err = t.exec("DELETE FROM leases WHERE key = ? AND token = ?", observed.Key, observed.Raw)
		return err
	})
	return n == 1, err
}

// holds reports whether a lease still guards its key.
func (t *tx) holds(l store.Lease, now time.Time) (bool, error) {
	var token string
	err := t.row("SELECT token FROM leases WHERE key = ? AND expires > ?", []any{l.Key, store.Micros(now)}, &token)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return token == l.Token, err
}
