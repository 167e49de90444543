package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"advosync/internal/store"
)

var _ store.Portable = (*Store)(nil)

const opAll = "read all that is remembered"

// Holdings looks through all keys of the database for entities.
func (s *Store) Holdings(ctx context.Context) (h store.Holdings, err error) {
	err = s.read(ctx, opAll, func(ctx context.Context) error {
		h = store.Holdings{}
		for _, kind := range []index{byID, everLinked} {
			found, err := s.entitiesOf(ctx, s.space.index(kind, ""))
			if err != nil {
				return err
			}
			for entity := range found {
				h.Add(entity, 0, 0)
			}
		}
		for entity := range h.Entities {
			var ids, open *redis.IntCmd
			if err := s.pipeline(ctx, func(p redis.Pipeliner) {
				ids, open = p.ZCard(ctx, s.space.index(byID, entity)), p.ZCard(ctx, s.space.index(byOpen, entity))
			}); err != nil {
				return err
			}
			h.Add(entity, int(ids.Val()), int(open.Val()))
		}
		n, err := s.c.HLen(ctx, s.space.history()).Result()
		h.History = int(n)
		return err
	})
	return h, err
}

// Whole walks the index of all ids, which knows of evicted memories too.
func (s *Store) Whole(ctx context.Context, entity string, fn func(string, store.Memory) error) error {
	return s.walk(ctx, entity, store.ScanFilter{}, func(id string, m store.Memory) error {
		if m.Rev == 0 && !m.Lost {
			return nil // dropped since the index was read
		}
		return fn(id, m)
	})
}

// Linked walks the set.
func (s *Store) Linked(ctx context.Context, entity string, fn func([]int64) error) error {
	for cursor := uint64(0); ; {
		var members []string
		var next uint64
		err := s.read(ctx, opAll, func(ctx context.Context) (err error) {
			members, next, err = s.c.SScan(ctx, s.space.index(everLinked, entity), cursor, "", 1000).Result()
			return err
		})
		if err != nil {
			return err
		}
		numbers := make([]int64, 0, len(members))
		for _, text := range members {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return store.Broken(opAll, "what should be a number is none", "give advosync a Redis database of its own", err)
			}
			numbers = append(numbers, n)
		}
		if err := fn(numbers); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// AddLinked is one call.
func (s *Store) AddLinked(ctx context.Context, entity string, numbers []int64) error {
	if len(numbers) == 0 {
		return nil
	}
	members := make([]any, len(numbers))
	for i, n := range numbers {
		members[i] = n
	}
	return s.read(ctx, "remember numbers", func(ctx context.Context) error {
		return s.c.SAdd(ctx, s.space.index(everLinked, entity), members...).Err()
	})
}

// Lasting asks each value for its life.
func (s *Store) Lasting(ctx context.Context) (keys []string, err error) {
	all, err := s.Keys(ctx, "")
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, opAll, func(ctx context.Context) error {
		lives := make([]*redis.DurationCmd, len(all))
		err := s.pipeline(ctx, func(p redis.Pipeliner) {
			for i, key := range all {
				lives[i] = p.PTTL(ctx, s.space.value(key))
			}
		})
		keys = nil
		for i, key := range all {
			if err == nil && lives[i].Val() == forEver {
				keys = append(keys, key)
			}
		}
		return err
	})
	return keys, err
}

// forEver is the client's word for a key that does not expire.
const forEver time.Duration = -1

// Clear looks through all keys of the database. The schema's stays, and what is no memory.
func (s *Store) Clear(ctx context.Context, keep []string) error {
	kept := map[string]bool{s.space.schema(): true}
	for _, key := range keep {
		kept[s.space.value(key)] = true
	}
	stays := func(key string) bool {
		return kept[key] || strings.HasPrefix(key, s.space.budget("")) ||
			strings.HasPrefix(key, s.space.lock("sync_lock:")) || strings.HasPrefix(key, s.space.lock("token_lock:"))
	}
	return s.read(ctx, "empty the store", func(ctx context.Context) error {
		for cursor := uint64(0); ; {
			keys, next, err := s.c.Scan(ctx, cursor, s.space.keys+"*", 1000).Result()
			if err != nil {
				return err
			}
			var gone []string
			for _, key := range keys {
				if !stays(key) {
					gone = append(gone, key)
				}
			}
			if len(gone) > 0 {
				if err := s.c.Unlink(ctx, gone...).Err(); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	})
}
