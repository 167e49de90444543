package redis

import (
	"context"
	"net/url"
	"strings"

	"advosync/internal/store"
)

// reindex makes what schemas 1 and 2 did not have. It may be cut off and begun
// again, and run beside processes that write.
func (s *Store) reindex(ctx context.Context) error {
	remembered, err := s.entitiesOf(ctx, s.space.index(byID, ""))
	if err != nil {
		return err
	}
	for entity := range remembered {
		if err := s.reindexNumbers(ctx, entity); err != nil {
			return err
		}
	}
	told, err := s.entitiesOf(ctx, s.space.recordHistories())
	if err != nil || len(told) == 0 {
		return err
	}
	var members []any
	for entity := range told {
		members = append(members, entity)
	}
	return s.c.SAdd(ctx, s.space.entities(), members...).Err()
}

// entitiesOf are the entities in the keys that begin so.
func (s *Store) entitiesOf(ctx context.Context, opening string) (map[string]bool, error) {
	found := map[string]bool{}
	for cursor := uint64(0); ; {
		keys, next, err := s.c.Scan(ctx, cursor, opening+"*", 1000).Result()
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			part, _, _ := strings.Cut(strings.TrimPrefix(key, opening), ":")
			entity, err := url.QueryUnescape(part)
			if err != nil {
				return nil, err
			}
			found[entity] = true
		}
		if cursor = next; cursor == 0 {
			return found, nil
		}
	}
}

func (s *Store) reindexNumbers(ctx context.Context, entity string) error {
	var calls []call
	send := func() error {
		for _, a := range s.runAll(ctx, opLoad, s.scripts.reindex, calls) {
			if a.err != nil {
				return a.err
			}
		}
		calls = calls[:0]
		return nil
	}
	err := s.Scan(ctx, entity, store.ScanFilter{}, func(id string, m store.Memory) error {
		base, made, link := numbers(m)
		if base == 0 && made == 0 && link == 0 {
			return nil
		}
		calls = append(calls, call{
			[]string{s.space.record(store.Key{Entity: entity, ID: id}), s.space.index(byAdvoware, entity), s.space.index(byMade, entity), s.space.index(everLinked, entity)},
			[]any{id, m.Rev, base, made, link},
		})
		if len(calls) < page {
			return nil
		}
		return send()
	})
	if err != nil || len(calls) == 0 {
		return err
	}
	return send()
}
