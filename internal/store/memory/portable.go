package memory

import (
	"context"
	"maps"
	"slices"

	"advosync/internal/store"
)

var _ store.Portable = (*Store)(nil)

// Holdings implements store.Portable.
func (s *Store) Holdings(ctx context.Context) (h store.Holdings, err error) {
	if err := s.enter(ctx, "Holdings"); err != nil {
		return h, err
	}
	defer s.mu.Unlock()
	for key, row := range s.records {
		m, err := store.DecodeMemory(row.doc, row.rev)
		if err != nil {
			return h, err
		}
		announced := 0
		if m.Open != nil {
			announced = 1
		}
		h.Add(key.Entity, 1, announced)
	}
	for entity := range s.linked {
		h.Add(entity, 0, 0)
	}
	h.History = len(s.history)
	return h, nil
}

// Whole implements store.Portable.
func (s *Store) Whole(ctx context.Context, entity string, fn func(string, store.Memory) error) error {
	return s.Scan(ctx, entity, store.ScanFilter{}, fn)
}

// Linked implements store.Portable.
func (s *Store) Linked(ctx context.Context, entity string, fn func([]int64) error) error {
	if err := s.enter(ctx, "Linked"); err != nil {
		return err
	}
	all := slices.Collect(maps.Keys(s.linked[entity]))
	s.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	return fn(all)
}

// AddLinked implements store.Portable.
func (s *Store) AddLinked(ctx context.Context, entity string, numbers []int64) error {
	if err := s.enter(ctx, "AddLinked"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.link(entity, numbers)
	return nil
}

// link keeps numbers that a memory was about; with the lock held.
func (s *Store) link(entity string, numbers []int64) {
	if s.linked[entity] == nil && len(numbers) > 0 {
		s.linked[entity] = map[int64]bool{}
	}
	for _, n := range numbers {
		s.linked[entity][n] = true
	}
}

// Lasting implements store.Portable.
func (s *Store) Lasting(ctx context.Context) (keys []string, err error) {
	if err := s.enter(ctx, "Lasting"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for key, v := range s.values {
		if v.expires.IsZero() {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Clear implements store.Portable.
func (s *Store) Clear(ctx context.Context, keep []string) error {
	if err := s.enter(ctx, "Clear"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	clear(s.records)
	clear(s.linked)
	clear(s.history)
	maps.DeleteFunc(s.values, func(key string, _ memoryValue) bool { return !slices.Contains(keep, key) })
	return nil
}
