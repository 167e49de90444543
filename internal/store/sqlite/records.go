package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"advosync/internal/store"
)

const opLoad = "read what is remembered"

// Load gives a record's memory.
func (s *Store) Load(ctx context.Context, key store.Key) (store.Memory, error) {
	ms, err := s.LoadMany(ctx, key.Entity, []string{key.ID})
	if err != nil {
		return store.Memory{}, err
	}
	return ms[0], nil
}

// LoadMany reads a chunk with one query per hundred ids.
func (s *Store) LoadMany(ctx context.Context, entity string, ids []string) ([]store.Memory, error) {
	const chunk = 100
	found := make(map[string]store.Memory, len(ids))
	for rest := ids; len(rest) > 0; {
		n := min(chunk, len(rest))
		chunk, err := s.loadChunk(ctx, entity, rest[:n])
		if err != nil {
			return nil, err
		}
		for _, r := range chunk {
			found[r.id] = r.memory
		}
		rest = rest[n:]
	}
	out := make([]store.Memory, len(ids))
	for i, id := range ids {
		out[i] = found[id]
	}
	return out, nil
}

func (s *Store) loadChunk(ctx context.Context, entity string, ids []string) ([]remembered, error) {
	args := make([]any, 0, len(ids)+1)
	args = append(args, entity)
	for _, id := range ids {
		args = append(args, id)
	}
	text := "SELECT r.id, r.rev, r.doc, i.doc FROM records r LEFT JOIN intents i ON i.entity = r.entity AND i.id = r.id" +
		" WHERE r.entity = ? AND r.id IN (?" + strings.Repeat(", ?", len(ids)-1) + ")"
	return query(ctx, s, opLoad, text, args, scanMemory)
}

// remembered is one row of records, with its announced write.
type remembered struct {
	id     string
	memory store.Memory
}

func scanMemory(rows *sql.Rows) (remembered, error) {
	var r remembered
	var rev int64
	var doc, open []byte
	if err := rows.Scan(&r.id, &rev, &doc, &open); err != nil {
		return r, err
	}
	var err error
	if r.memory, err = store.DecodeMemory(doc, rev); err == nil && open != nil {
		err = r.memory.DecodeOpen(open)
	}
	return r, err
}

// Commit is one transaction; it may share it with other writes that arrive at
// the same time.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	var rev int64
	fn, err := s.committer(c, &rev)
	if err != nil {
		return 0, err
	}
	if err := s.write(ctx, "remember what was done", fn); err != nil {
		return 0, err
	}
	return rev, nil
}

// CommitMany commits a chunk in one transaction; a refused commit does not
// disturb the others.
func (s *Store) CommitMany(ctx context.Context, cs []store.Commit) []error {
	errs := make([]error, len(cs))
	var fns []func(*tx) error
	var places []int
	for i, c := range cs {
		fn, err := s.committer(c, new(int64))
		if err != nil {
			errs[i] = err
			continue
		}
		fns, places = append(fns, fn), append(places, i)
	}
	for i, err := range s.writeAll(ctx, "remember what was done", fns...) {
		errs[places[i]] = err
	}
	return errs
}

// committer prepares everything that can fail without the database.
func (s *Store) committer(c store.Commit, rev *int64) (func(*tx) error, error) {
	m, err := memoryRowOf(c.Memory)
	if err != nil {
		return nil, err
	}
	entries, err := historyRows(c.History)
	if err != nil {
		return nil, err
	}
	return func(t *tx) error {
		ok, err := t.holds(c.Lease, s.now())
		if err != nil {
			return err
		}
		if !ok {
			return store.ErrLeaseLost
		}
		if err := t.stillKnown(); err != nil {
			return err
		}
		if *rev, err = t.swap(c, m); err != nil {
			return err
		}
		return t.putHistory(entries)
	}, nil
}

// memoryRow is the form of a memory in the tables.
type memoryRow struct {
	row  []any  // the columns of records from doc on
	open []byte // nil: no write is announced
	// made is the Advoware record that it is about, 0: none known.
	made    int64
	numbers []int64 // of all Advoware records that the record is about
}

func memoryRowOf(m *store.Memory) (r memoryRow, err error) {
	if m == nil {
		return r, nil
	}
	if m.Open != nil {
		if r.open, err = m.EncodeOpen(); err != nil {
			return r, err
		}
		r.made = m.Open.AdvowareID
	}
	r.numbers = m.Numbers()
	rest := *m
	rest.Open = nil
	doc, err := store.EncodeMemory(rest)
	var advoware int64
	if m.Base != nil {
		advoware = m.Base.AdvowareID
	}
	r.row = []any{doc, len(m.Notes) > 0, m.Pending != "", !m.WaitsSince.IsZero(), m.Hold != nil, advoware, store.Micros(m.CheckedAt)}
	return r, err
}

// swap replaces the memory if it is the one that was loaded.
func (t *tx) swap(c store.Commit, m memoryRow) (int64, error) {
	if c.Memory == nil {
		return 0, t.forgetMemory(c.Key, c.Rev)
	}
	was := c.Memory.Rev
	args := slices.Concat([]any{was + 1}, m.row, []any{c.Key.Entity, c.Key.ID})
	var n int64
	var err error
	if was == 0 {
		n, err = t.exec(`INSERT INTO records (rev, doc, has_notes, pending, waiting, hold, advoware_id, checked_at, entity, id)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, args...)
	} else {
		n, err = t.exec(`UPDATE records SET rev = ?, doc = ?, has_notes = ?, pending = ?, waiting = ?, hold = ?, advoware_id = ?,
			checked_at = ? WHERE entity = ? AND id = ? AND rev = ?`, append(args, was)...)
	}
	switch {
	case err != nil:
	case n == 0:
		err = store.ErrChanged
	case m.open == nil:
		err = t.dropOpen(c.Key)
	default:
		_, err = t.exec(`INSERT INTO intents (entity, id, advoware_id, doc) VALUES (?, ?, ?, ?)
			ON CONFLICT (entity, id) DO UPDATE SET advoware_id = excluded.advoware_id, doc = excluded.doc`, c.Key.Entity, c.Key.ID, m.made, m.open)
	}
	if err == nil {
		err = t.link(c.Key.Entity, m.numbers)
	}
	return was + 1, err
}

// EverLinked looks numbers up, a hundred in a query.
func (s *Store) EverLinked(ctx context.Context, entity string, numbers []int64) ([]int64, error) {
	const chunk = 100
	var out []int64
	for part := range slices.Chunk(numbers, chunk) {
		args := []any{entity}
		for _, n := range part {
			args = append(args, n)
		}
		found, err := query(ctx, s, opLoad, "SELECT advoware_id FROM linked WHERE entity = ? AND advoware_id IN (?"+strings.Repeat(", ?", len(part)-1)+")",
			args, scanOne[int64])
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (t *tx) dropOpen(key store.Key) error {
	_, err := t.exec("DELETE FROM intents WHERE entity = ? AND id = ?", key.Entity, key.ID)
	return err
}

func (t *tx) forgetMemory(key store.Key, rev int64) error {
	var stored int64
	err := t.row("SELECT rev FROM records WHERE entity = ? AND id = ?", []any{key.Entity, key.ID}, &stored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if stored != rev {
		return store.ErrChanged
	}
	if err := t.dropOpen(key); err != nil {
		return err
	}
	_, err = t.exec("DELETE FROM records WHERE entity = ? AND id = ?", key.Entity, key.ID)
	return err
}
