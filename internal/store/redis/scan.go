package redis

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"advosync/internal/store"
)

// page is how many ids a listing asks for at a time.
const page = 200

// Scan walks the index that serves the filter, page by page.
func (s *Store) Scan(ctx context.Context, entity string, f store.ScanFilter, fn func(id string, m store.Memory) error) error {
	return s.walk(ctx, entity, f, func(id string, m store.Memory) error {
		if m.Rev == 0 || !f.Matches(m) {
			return nil // changed since the index was read
		}
		return fn(id, m)
	})
}

// walk calls fn for all records that the index names.
func (s *Store) walk(ctx context.Context, entity string, f store.ScanFilter, fn func(id string, m store.Memory) error) error {
	for after := f.After; ; {
		ids, next, err := s.scanPage(ctx, entity, f, after)
		if err != nil {
			return err
		}
		ms, err := s.LoadMany(ctx, entity, ids)
		if err != nil {
			return err
		}
		for i, m := range ms {
			if err := fn(ids[i], m); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// scanPage gives the ids of a page that match, and where the next page starts
// ("": there is none).
func (s *Store) scanPage(ctx context.Context, entity string, f store.ScanFilter, after string) (ids []string, next string, err error) {
	err = s.read(ctx, opLoad, func(ctx context.Context) error {
		only := f
		only.After, only.AdvowareID = "", 0
		switch {
		case !f.CheckedBefore.IsZero():
			ids, next, err = s.pageByCheck(ctx, entity, f, after)
		case f.AdvowareID != 0 && s.indexed && only.All():
			ids, err = s.pageByNumber(ctx, entity, f.AdvowareID, after)
		case f.AdvowareID != 0: // beside others, or in a store of a former version
			ids, next, err = s.pageByIndex(ctx, entity, []index{byID}, after)
		default:
			ids, next, err = s.pageByIndex(ctx, entity, indexes(f), after)
		}
		return err
	})
	return ids, next, err
}

// indexes are those in the order of ids whose union a filter asks for.
func indexes(f store.ScanFilter) []index {
	var use []index
	if f.WithOpen {
		use = append(use, byOpen)
	}
	if f.WithNotes {
		use = append(use, byNotes)
	}
	if f.WithSuspect {
		use = append(use, byPending)
	}
	if f.WithWaiting {
		use = append(use, byWaiting)
	}
	if f.WithHold {
		use = append(use, byHold)
	}
	if len(use) == 0 {
		use = append(use, byID)
	}
	return use
}

// pageByIndex merges indexes. The first ids of the union are among the first of
// each, so one page of each is enough.
func (s *Store) pageByIndex(ctx context.Context, entity string, use []index, after string) ([]string, string, error) {
	low := "-"
	if after != "" {
		low = "(" + after
	}
	cmds := make([]*redis.StringSliceCmd, len(use))
	err := s.pipeline(ctx, func(p redis.Pipeliner) {
		for i, x := range use {
			cmds[i] = p.ZRangeByLex(ctx, s.space.index(x, entity), &redis.ZRangeBy{Min: low, Max: "+", Count: page})
		}
	})
	if err != nil {
		return nil, "", err
	}
	var ids []string
	for _, c := range cmds {
		ids = append(ids, c.Val()...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) < page {
		return ids, "", nil
	}
	return ids[:page], ids[page-1], nil
}

// pageByNumber asks the indexes of numbers: the few records, or none, that know one.
// Scores are floating point: beyond 2^53 they may be of a neighbour, which Scan sorts
// out.
func (s *Store) pageByNumber(ctx context.Context, entity string, number int64, after string) ([]string, error) {
	n := strconv.FormatInt(number, 10)
	use := []index{byAdvoware, byMade}
	cmds := make([]*redis.StringSliceCmd, len(use))
	err := s.pipeline(ctx, func(p redis.Pipeliner) {
		for i, x := range use {
			cmds[i] = p.ZRangeByScore(ctx, s.space.index(x, entity), &redis.ZRangeBy{Min: n, Max: n})
		}
	})
	if err != nil {
		return nil, err
	}
	ids := slices.Concat(cmds[0].Val(), cmds[1].Val())
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id <= after }), nil
}

// pageByCheck chooses from a page of all ids by the indexes, without reading
// the memories: most of them were compared lately.
func (s *Store) pageByCheck(ctx context.Context, entity string, f store.ScanFilter, from string) ([]string, string, error) {
	all, next, err := s.pageByIndex(ctx, entity, []index{byID}, from)
	if err != nil {
		return nil, "", err
	}
	if f.AdvowareID != 0 {
		return all, next, nil
	}
	var others []index
	if x := indexes(f); x[0] != byID {
		others = x
	}
	checked := make([]*redis.FloatCmd, len(all))
	marks := make([][]*redis.FloatCmd, len(all))
	err = s.pipeline(ctx, func(p redis.Pipeliner) {
		for i, id := range all {
			checked[i] = p.ZScore(ctx, s.space.index(byChecked, entity), id)
			for _, x := range others {
				marks[i] = append(marks[i], p.ZScore(ctx, s.space.index(x, entity), id))
			}
		}
	})
	if err != nil {
		return nil, "", err
	}
	before, after := float64(store.Micros(f.CheckedBefore)), math.Inf(1)
	if !f.CheckedAfter.IsZero() {
		after = float64(store.Micros(f.CheckedAfter))
	}
	var ids []string
	for i, id := range all {
		marked := slices.ContainsFunc(marks[i], func(c *redis.FloatCmd) bool { return c.Err() == nil })
		if marked || checked[i].Err() == nil && (checked[i].Val() < before || checked[i].Val() > after) {
			ids = append(ids, id)
		}
	}
	return ids, next, nil
}
