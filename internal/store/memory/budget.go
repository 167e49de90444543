package memory

import (
	"context"
	"time"

	"advosync/internal/store"
)

// DrawCalls implements store.Budgets.
func (s *Store) DrawCalls(ctx context.Context, system string, d store.Drawing) (store.Drawn, error) {
	if err := s.enter(ctx, "DrawCalls"); err != nil {
		return store.Drawn{}, err
	}
	defer s.mu.Unlock()
	return s.bucket(system).Draw(d, s.now()), nil
}

// PauseCalls implements store.Budgets.
func (s *Store) PauseCalls(ctx context.Context, system string, pause time.Duration) error {
	if err := s.enter(ctx, "PauseCalls"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.bucket(system).Pause(pause, s.now())
	return nil
}

func (s *Store) bucket(system string) *store.Bucket {
	if s.buckets == nil {
		s.buckets = map[string]*store.Bucket{}
	}
	if s.buckets[system] == nil {
		s.buckets[system] = &store.Bucket{}
	}
	return s.buckets[system]
}
