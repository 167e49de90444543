package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// lockValue is the value of a lock. The token stands first, so that a script
// knows it without decoding.
type lockValue struct {
	Token string      `json:"token"`
	Owner store.Owner `json:"owner"`
}

// opening is how the value of our own lock begins.
func opening(token string) string { return `{"token":"` + token + `"` }

// parseLock reads a lock's value; whatever this tool did not write is foreign.
func parseLock(key, raw string, left time.Duration, now time.Time) store.Lock {
	l := store.Lock{Key: key, Raw: raw}
	if left > 0 {
		l.Expires = now.Add(left).Round(0)
	}
	var v lockValue
	if err := json.Unmarshal([]byte(raw), &v); err != nil || v.Token == "" {
		l.Foreign = true
		return l
	}
	l.Token, l.Owner = v.Token, v.Owner
	return l
}

// Acquire takes the free keys in one round trip.
func (s *Store) Acquire(ctx context.Context, keys []string, owner store.Owner, ttl time.Duration) ([]store.Lease, []store.Lock, error) {
	if len(keys) == 0 {
		return nil, nil, store.Interruption(ctx, "take a lock")
	}
	before := s.now()
	leases := make([]store.Lease, len(keys))
	args := []any{millis(ttl)}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = s.space.lock(key)
		leases[i] = store.Lease{Key: key, Token: nonce(), Owner: owner, Expires: before.Add(ttl).Round(0)}
		value, err := json.Marshal(lockValue{Token: leases[i].Token, Owner: owner})
		if err != nil {
			return nil, nil, fmt.Errorf("encode owner: %w", err)
		}
		args = append(args, value)
	}
	value, err := s.run(ctx, "take a lock", s.scripts.acquire, call{names, args})
	if err != nil {
		return nil, nil, err
	}
	return s.sortOut(leases, value)
}

// sortOut reads the answer to acquireLua.
func (s *Store) sortOut(leases []store.Lease, value any) (granted []store.Lease, held []store.Lock, err error) {
	answers, ok := value.([]any)
	if !ok || len(answers) != len(leases) {
		return nil, nil, unexpected("take a lock")
	}
	for i, a := range answers {
		part, _ := a.([]any)
		switch len(part) {
		case 1:
			granted = append(granted, leases[i])
		case 3:
			raw, _ := part[1].(string)
			left, _ := part[2].(int64)
			held = append(held, parseLock(leases[i].Key, raw, time.Duration(left)*time.Millisecond, s.now()))
		default:
			return nil, nil, unexpected("take a lock")
		}
	}
	return granted, held, nil
}

func unexpected(op string) *fault.Error {
	return store.Broken(op, "Redis answers in another form than expected", "Redis 6 or later is needed, not a cluster", nil)
}

// nonce is 128 random bits.
func nonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// millis is a life in the server's unit, at least 1: 0 would be refused.
func millis(d time.Duration) int64 { return max(d.Milliseconds(), 1) }

func (s *Store) openings(leases []store.Lease, args ...any) call {
	c := call{args: args}
	for _, l := range leases {
		c.keys = append(c.keys, s.space.lock(l.Key))
		c.args = append(c.args, opening(l.Token))
	}
	return c
}

// Extend renews in one round trip.
func (s *Store) Extend(ctx context.Context, leases []store.Lease, ttl time.Duration) ([]string, error) {
	if len(leases) == 0 {
		return nil, store.Interruption(ctx, "renew a lock")
	}
	value, err := s.run(ctx, "renew a lock", s.scripts.extend, s.openings(leases, millis(ttl)))
	if err != nil {
		return nil, err
	}
	lost, err := texts("renew a lock", value)
	for i, key := range lost {
		lost[i] = s.space.lockName(key)
	}
	return lost, err
}

func texts(op string, value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, unexpected(op)
	}
	var out []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, unexpected(op)
		}
		out = append(out, text)
	}
	return out, nil
}

// Release frees in one round trip what is still ours.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	_, err := s.run(ctx, "free a lock", s.scripts.release, s.openings(leases))
	return err
}

// Break deletes the lock if its value is still the observed one. When the
// answer to a break that happened gets lost, it reports false: the lock is free
// all the same, or somebody else's.
func (s *Store) Break(ctx context.Context, observed store.Lock) (bool, error) {
	value, err := s.run(ctx, "break a lock", s.scripts.breakLock, call{[]string{s.space.lock(observed.Key)}, []any{observed.Raw}})
	return value == int64(1), err
}

// Holder is who holds a key.
func (s *Store) Holder(ctx context.Context, key string) (*store.Lock, error) {
	var locks []store.Lock
	err := s.read(ctx, "read the locks", func(ctx context.Context) (err error) {
		locks, err = s.holders(ctx, []string{s.space.lock(key)})
		return err
	})
	if err != nil || len(locks) == 0 {
		return nil, err
	}
	return &locks[0], nil
}

// holders are the locks in some of the server's keys.
func (s *Store) holders(ctx context.Context, keys []string) ([]store.Lock, error) {
	values, lefts := make([]*redis.StringCmd, len(keys)), make([]*redis.DurationCmd, len(keys))
	err := s.pipeline(ctx, func(p redis.Pipeliner) {
		for i, key := range keys {
			values[i], lefts[i] = p.Get(ctx, key), p.PTTL(ctx, key)
		}
	})
	if err != nil {
		return nil, err
	}
	var locks []store.Lock
	for i, key := range keys {
		const gone = -2
		if values[i].Err() != nil || lefts[i].Val() == gone {
			continue
		}
		locks = append(locks, parseLock(s.space.lockName(key), values[i].Val(), lefts[i].Val(), s.now()))
	}
	return locks, nil
}

// Locks walks over all keys of the server, a thousand at a time, for the locks:
// the old handler's are in no index. It is for `status` and `unlock --list`.
func (s *Store) Locks(ctx context.Context) ([]store.Lock, error) {
	var locks []store.Lock
	err := s.read(ctx, "read the locks", func(ctx context.Context) error {
		locks = nil
		var cursor uint64
		var keys []string
		for {
			page, next, err := s.c.Scan(ctx, cursor, s.space.lock("sync_lock:*"), 1000).Result()
			if err != nil {
				return err
			}
			keys = append(keys, page...)
			if cursor = next; cursor == 0 {
				break
			}
		}
		slices.Sort(keys)
		for chunk := range slices.Chunk(slices.Compact(keys), 500) {
			some, err := s.holders(ctx, chunk)
			if err != nil {
				return err
			}
			locks = append(locks, some...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return locks, nil
}
