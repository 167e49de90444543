package redis

import (
	"context"
	"strconv"
	"time"

	"advosync/internal/store"
)

const (
	opReport = "report a part of a pass"
	opAsk    = "read what was reported of a pass"
	// reportsLast is how long reports are kept that nobody drops.
	reportsLast = 7 * 24 * time.Hour
)

var _ store.Tallies = (*Store)(nil)

// KEYS: the tally. ARGV: part, document, life in ms. Answer: how many are reported.
const reportLua = `
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HLEN', KEYS[1])`

// Report implements store.Tallies.
func (s *Store) Report(ctx context.Context, whole string, part int, doc []byte) (int, error) {
	value, err := s.run(ctx, opReport, s.scripts.report, call{[]string{s.space.tally(whole)}, []any{part, doc, millis(reportsLast)}})
	if err != nil {
		return 0, err
	}
	n, ok := value.(int64)
	if !ok {
		return 0, unexpected(opReport)
	}
	return int(n), nil
}

// Reported implements store.Tallies.
func (s *Store) Reported(ctx context.Context, whole string, parts []int) (docs [][]byte, err error) {
	if len(parts) == 0 {
		return nil, nil
	}
	fields := make([]string, len(parts))
	for i, n := range parts {
		fields[i] = strconv.Itoa(n)
	}
	err = s.read(ctx, opAsk, func(ctx context.Context) error {
		values, err := s.c.HMGet(ctx, s.space.tally(whole), fields...).Result()
		if err != nil {
			return err
		}
		docs = make([][]byte, len(parts))
		for i, v := range values {
			if text, ok := v.(string); ok {
				docs[i] = []byte(text)
			}
		}
		return nil
	})
	return docs, err
}

// CountReported implements store.Tallies.
func (s *Store) CountReported(ctx context.Context, whole string) (n int, err error) {
	err = s.read(ctx, opAsk, func(ctx context.Context) error {
		got, err := s.c.HLen(ctx, s.space.tally(whole)).Result()
		n = int(got)
		return err
	})
	return n, err
}

// DropReports implements store.Tallies.
func (s *Store) DropReports(ctx context.Context, whole string) error {
	return s.read(ctx, "forget what was reported of a pass", func(ctx context.Context) error {
		return s.c.Del(ctx, s.space.tally(whole)).Err()
	})
}
