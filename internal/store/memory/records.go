package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"advosync/internal/store"
)

// Load implements store.Records.
func (s *Store) Load(ctx context.Context, key store.Key) (store.Memory, error) {
	ms, err := s.LoadMany(ctx, key.Entity, []string{key.ID})
	if err != nil {
		return store.Memory{}, err
	}
	return ms[0], nil
}

// LoadMany implements store.Records.
func (s *Store) LoadMany(ctx context.Context, entity string, ids []string) ([]store.Memory, error) {
	if err := s.enter(ctx, "LoadMany"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	out := make([]store.Memory, len(ids))
	for i, id := range ids {
		row, ok := s.records[store.Key{Entity: entity, ID: id}]
		if !ok {
			continue
		}
		var err error
		if out[i], err = store.DecodeMemory(row.doc, row.rev); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Commit implements store.Records.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if err := s.enter(ctx, "Commit"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.commit(c)
}

// CommitMany implements store.Records.
func (s *Store) CommitMany(ctx context.Context, cs []store.Commit) []error {
	errs := make([]error, len(cs))
	if err := s.enter(ctx, "CommitMany"); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer s.mu.Unlock()
	for i, c := range cs {
		_, errs[i] = s.commit(c)
	}
	return errs
}

func (s *Store) commit(c store.Commit) (int64, error) {
	if !s.ours(c.Lease) {
		return 0, store.ErrLeaseLost
	}
	rev := c.Rev
	if c.Memory != nil {
		rev = c.Memory.Rev
	}
	if s.records[c.Key].rev != rev {
		return 0, store.ErrChanged
	}
	if err := s.appendEntries(c.History); err != nil {
		return 0, err
	}
	if c.Memory == nil {
		delete(s.records, c.Key)
		return 0, nil
	}
	doc, err := store.EncodeMemory(*c.Memory)
	if err != nil {
		return 0, err
	}
	s.records[c.Key] = memoryRow{rev: rev + 1, doc: doc}
	s.link(c.Key.Entity, c.Memory.Numbers())
	return rev + 1, nil
}

// EverLinked implements store.Records.
func (s *Store) EverLinked(ctx context.Context, entity string, numbers []int64) ([]int64, error) {
	if err := s.enter(ctx, "EverLinked"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var out []int64
	for _, n := range numbers {
		if s.linked[entity][n] {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Scan implements store.Records.
func (s *Store) Scan(ctx context.Context, entity string, f store.ScanFilter, fn func(string, store.Memory) error) error {
	if err := s.enter(ctx, "Scan"); err != nil {
		return err
	}
	var ids []string
	for k := range s.records {
		if k.Entity == entity && k.ID > f.After {
			ids = append(ids, k.ID)
		}
	}
	s.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		m, err := s.Load(ctx, store.Key{Entity: entity, ID: id})
		if err != nil {
			return err
		}
		if m.Rev == 0 || !f.Matches(m) {
			continue
		}
		if err := fn(id, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) appendEntries(es []store.Entry) error {
	for _, e := range es {
		doc, err := store.EncodeEntry(e)
		if err != nil {
			return err
		}
		s.history[e.ID] = doc
	}
	return nil
}

// Append implements store.History.
func (s *Store) Append(ctx context.Context, es ...store.Entry) error {
	if err := s.enter(ctx, "Append"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return s.appendEntries(es)
}

// Entries implements store.History.
func (s *Store) Entries(ctx context.Context, f store.HistoryFilter, fn func(store.Entry) error) error {
	if err := s.enter(ctx, "Entries"); err != nil {
		return err
	}
	entries, err := s.selected(f.Matches)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b store.Entry) int {
		return cmp.Or(cmp.Compare(store.Micros(b.At), store.Micros(a.At)), strings.Compare(b.ID, a.ID))
	})
	for i, e := range entries {
		if f.Limit > 0 && i == f.Limit {
			return nil
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) selected(match func(store.Entry) bool) ([]store.Entry, error) {
	var out []store.Entry
	for doc := range maps.Values(s.history) {
		e, err := store.DecodeEntry(doc)
		if err != nil {
			return nil, err
		}
		if match(e) {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *Store) deleteEntries(ctx context.Context, method string, match func(store.Entry) bool) (int, error) {
	if err := s.enter(ctx, method); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	entries, err := s.selected(match)
	for _, e := range entries {
		delete(s.history, e.ID)
	}
	return len(entries), err
}

// Prune implements store.History.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	return s.deleteEntries(ctx, "Prune", func(e store.Entry) bool { return store.Micros(e.At) < store.Micros(before) })
}

// Forget implements store.History.
func (s *Store) Forget(ctx context.Context, key store.Key) (int, error) {
	return s.deleteEntries(ctx, "Forget", func(e store.Entry) bool { return e.Entity == key.Entity && e.RecordID == key.ID })
}
