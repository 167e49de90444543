package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	opRead  = "read a stored value"
	opWrite = "store a value"
)

// Get reads a value that has not expired.
func (s *Store) Get(ctx context.Context, key string) (value []byte, ok bool, err error) {
	err = s.read(ctx, opRead, func(ctx context.Context) error {
		v, err := s.c.Get(ctx, s.space.value(key)).Bytes()
		if errors.Is(err, redis.Nil) {
			value, ok = nil, false
			return nil
		}
		value, ok = v, err == nil
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return value, ok, nil
}

// Put stores a value; ttl 0: for ever.
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	var life int64
	if ttl > 0 {
		life = millis(ttl)
	}
	_, err := s.run(ctx, opWrite, s.scripts.put, s.valueCall(key, string(value), life))
	return err
}

// PutNew stores a value for ever, unless there is one.
func (s *Store) PutNew(ctx context.Context, key string, value []byte) ([]byte, error) {
	got, err := s.run(ctx, opWrite, s.scripts.putNew, s.valueCall(key, string(value)))
	if err != nil {
		return nil, err
	}
	text, ok := got.(string)
	if !ok {
		return nil, unexpected(opWrite)
	}
	return []byte(text), nil
}

func (s *Store) valueCall(key string, args ...any) call {
	return call{
		[]string{s.space.value(key), s.space.values(), s.space.expiring()},
		append([]any{key, s.now().UnixMilli(), s.space.value("")}, args...),
	}
}

// Delete removes a value.
func (s *Store) Delete(ctx context.Context, key string) error {
	_, err := s.run(ctx, "delete a stored value", s.scripts.remove, s.valueCall(key))
	return err
}

// Keys lists the keys with a prefix.
func (s *Store) Keys(ctx context.Context, start string) ([]string, error) {
	low, high := "-", "+"
	if start != "" {
		low, high = "["+start, "("+start+"\xff" // no UTF-8 text goes on with this byte
	}
	var keys []string
	err := s.read(ctx, opRead, func(ctx context.Context) error {
		all, err := s.c.ZRangeArgs(ctx, redis.ZRangeArgs{Key: s.space.values(), ByLex: true, Start: low, Stop: high}).Result()
		if err != nil {
			return err
		}
		there := make([]*redis.IntCmd, len(all))
		err = s.pipeline(ctx, func(p redis.Pipeliner) {
			for i, key := range all {
				there[i] = p.Exists(ctx, s.space.value(key))
			}
		})
		if err != nil {
			return err
		}
		keys = nil
		for i, key := range all {
			if there[i].Val() == 1 {
				keys = append(keys, key)
			}
		}
		return nil
	})
	return keys, err
}
