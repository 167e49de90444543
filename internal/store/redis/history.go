package redis

import (
	"cmp"
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"advosync/internal/store"
)

const opHistory = "read the history"

// Append stores entries that belong to no record commit.
func (s *Store) Append(ctx context.Context, es ...store.Entry) error {
	args, err := s.historyArgs(es)
	if err != nil {
		return err
	}
	_, err = s.run(ctx, "store the history", s.scripts.appendAll, call{[]string{s.space.history(), s.space.times(), s.space.entities()}, args})
	return err
}

// position is where a listing stands: at a time, after so many entries of it.
type position struct {
	at   int64
	skip int64
}

// Entries lists newest first; entries of the same microsecond by descending id.
func (s *Store) Entries(ctx context.Context, f store.HistoryFilter, fn func(store.Entry) error) error {
	keys, err := s.historyKeys(ctx, f)
	if err != nil {
		return err
	}
	lists := make([]*listing, len(keys))
	for i, key := range keys {
		lists[i] = &listing{key: key, pos: position{at: math.MaxInt64}, more: true}
	}
	for given := 0; f.Limit == 0 || given < f.Limit; {
		e, err := s.newest(ctx, lists, f.Since)
		if e == nil || err != nil {
			return err
		}
		if !f.Matches(*e) {
			continue
		}
		if err := fn(*e); err != nil {
			return err
		}
		given++
	}
	return nil
}

// historyKeys are the indexes that hold, together, all that a filter asks for: the
// narrowest there are.
func (s *Store) historyKeys(ctx context.Context, f store.HistoryFilter) (keys []string, err error) {
	switch {
	case f.Entity != "" && f.ID != "":
		return []string{s.space.historyOfRecord(f.Entity, f.ID)}, nil
	case f.Run != "":
		return []string{s.space.historyOfRun(f.Run)}, nil
	case f.ID == "" || !s.indexed:
		return []string{s.space.times()}, nil
	}
	err = s.read(ctx, opHistory, func(ctx context.Context) error {
		entities, err := s.c.SMembers(ctx, s.space.entities()).Result()
		keys = nil
		for _, e := range entities {
			keys = append(keys, s.space.historyOfRecord(e, f.ID))
		}
		return err
	})
	return keys, err
}

// listing reads one index, a page at a time.
type listing struct {
	key  string
	pos  position
	page []store.Entry
	more bool
}

// newest takes the newest entry of all listings, nil at their end.
func (s *Store) newest(ctx context.Context, lists []*listing, since time.Time) (*store.Entry, error) {
	var best *listing
	for _, l := range lists {
		for len(l.page) == 0 && l.more {
			err := s.read(ctx, opHistory, func(ctx context.Context) error {
				page, pos, more, err := s.historyPage(ctx, l.key, since, l.pos)
				if err == nil {
					l.page, l.pos, l.more = page, pos, more
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		if len(l.page) > 0 && (best == nil || newer(l.page[0], best.page[0])) {
			best = l
		}
	}
	if best == nil {
		return nil, nil
	}
	e := &best.page[0]
	best.page = best.page[1:]
	return e, nil
}

func newer(a, b store.Entry) bool {
	return cmp.Or(cmp.Compare(store.Micros(a.At), store.Micros(b.At)), cmp.Compare(a.ID, b.ID)) > 0
}

func (s *Store) historyPage(ctx context.Context, key string, since time.Time, pos position) ([]store.Entry, position, bool, error) {
	by := &redis.ZRangeBy{Max: "+inf", Min: "-inf", Offset: pos.skip, Count: page}
	if pos.at != math.MaxInt64 {
		by.Max = strconv.FormatInt(pos.at, 10)
	}
	if !since.IsZero() {
		by.Min = strconv.FormatInt(store.Micros(since), 10)
	}
	rows, err := s.c.ZRevRangeByScoreWithScores(ctx, key, by).Result()
	if err != nil || len(rows) == 0 {
		return nil, pos, false, err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i], _ = row.Member.(string)
		if at := int64(row.Score); at != pos.at {
			pos = position{at: at}
		}
		pos.skip++
	}
	docs, err := s.c.HMGet(ctx, s.space.history(), ids...).Result()
	if err != nil {
		return nil, pos, false, err
	}
	es, err := decodeEntries(docs)
	return es, pos, len(rows) == page, err
}

func decodeEntries(docs []any) ([]store.Entry, error) {
	var es []store.Entry
	for _, d := range docs {
		text, ok := d.(string)
		if !ok {
			continue // erased meanwhile
		}
		parts := strings.SplitN(text, "\n", 3)
		e, err := store.DecodeEntry([]byte(parts[len(parts)-1]))
		if err != nil {
			return nil, store.Broken(opHistory, "a stored history entry cannot be read",
				"erase the record's history, or give advosync a Redis database of its own", err)
		}
		es = append(es, e)
	}
	return es, nil
}

// erasePage keeps one script short: while it runs, nobody else is served.
const erasePage = 500

// Prune deletes what is older than before, some at a time.
func (s *Store) Prune(ctx context.Context, before time.Time) (int, error) {
	return s.erase(ctx, "prune the history", s.scripts.prune,
		call{[]string{s.space.history(), s.space.times(), s.space.entities()}, []any{store.Micros(before), erasePage}})
}

// Forget erases the entries of one record.
func (s *Store) Forget(ctx context.Context, key store.Key) (int, error) {
	return s.erase(ctx, "erase a record's history", s.scripts.forget,
		call{[]string{s.space.history(), s.space.times(), s.space.entities(), s.space.historyOfRecord(key.Entity, key.ID)}, []any{erasePage}})
}

func (s *Store) erase(ctx context.Context, op string, lua script, c call) (int, error) {
	for total := 0; ; {
		value, err := s.run(ctx, op, lua, c)
		if err != nil {
			return total, err
		}
		n, ok := value.(int64)
		if !ok {
			return total, unexpected(op)
		}
		if total += int(n); n < erasePage {
			return total, nil
		}
	}
}
