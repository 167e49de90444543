package memory

import (
	"bytes"
	"context"

	"advosync/internal/store"
)

var _ store.Tallies = (*Store)(nil)

// Report implements store.Tallies.
func (s *Store) Report(ctx context.Context, whole string, part int, doc []byte) (int, error) {
	if err := s.enter(ctx, "Report"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	if s.tallies == nil {
		s.tallies = map[string]map[int][]byte{}
	}
	parts := s.tallies[whole]
	if parts == nil {
		parts = map[int][]byte{}
		s.tallies[whole] = parts
	}
	if _, known := parts[part]; !known {
		parts[part] = bytes.Clone(doc)
	}
	return len(parts), nil
}

// Reported implements store.Tallies.
func (s *Store) Reported(ctx context.Context, whole string, parts []int) ([][]byte, error) {
	if err := s.enter(ctx, "Reported"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	docs := make([][]byte, len(parts))
	for i, n := range parts {
		docs[i] = bytes.Clone(s.tallies[whole][n])
	}
	return docs, nil
}

// CountReported implements store.Tallies.
func (s *Store) CountReported(ctx context.Context, whole string) (int, error) {
	if err := s.enter(ctx, "CountReported"); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return len(s.tallies[whole]), nil
}

// DropReports implements store.Tallies.
func (s *Store) DropReports(ctx context.Context, whole string) error {
	if err := s.enter(ctx, "DropReports"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.tallies, whole)
	return nil
}
