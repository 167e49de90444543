// Package memory is a whole store in memory, for tests.
package memory

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"advosync/internal/store"
)

// Store is a whole store in memory, for tests that need thousands of them or a
// virtual clock. It keeps the stored form of everything, so that what does not
// survive encoding does not survive here either. The contract suite runs on it.
type Store struct {
	mu      sync.Mutex
	now     func() time.Time
	leases  map[string]store.Lock
	records map[store.Key]memoryRow
	linked  map[string]map[int64]bool // by entity, the numbers of all memories that ever were
	history map[string][]byte
	values  map[string]memoryValue
	buckets map[string]*store.Bucket
	tallies map[string]map[int][]byte // by whole, by part
	// fail is asked before every call, with the method's name; nil: never.
	fail func(ctx context.Context, method string) error
}

type memoryRow struct {
	rev int64
	doc []byte
}

type memoryValue struct {
	value   []byte
	expires time.Time // zero: never
}

var _ store.Store = (*Store)(nil)

// New makes an empty store; now nil: time.Now.
func New(now func() time.Time) *Store {
	if now == nil {
		now = time.Now
	}
	return &Store{
		now: now, leases: map[string]store.Lock{}, records: map[store.Key]memoryRow{}, linked: map[string]map[int64]bool{},
		history: map[string][]byte{}, values: map[string]memoryValue{},
	}
}

// FailWith sets a function that is asked before every call, outside the store's
// own lock; what it returns is the call's error. nil: calls work again.
func (s *Store) FailWith(fail func(ctx context.Context, method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// enter locks the store, unless the call fails.
func (s *Store) enter(ctx context.Context, method string) error {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, method); err != nil {
			return err
		}
	}
	if err := store.Interruption(ctx, method); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

// Acquire implements store.Leases.
func (s *Store) Acquire(ctx context.Context, keys []string, owner store.Owner, ttl time.Duration) (granted []store.Lease, held []store.Lock, err error) {
	if err := s.enter(ctx, "Acquire"); err != nil {
		return nil, nil, err
	}
	defer s.mu.Unlock()
	now := s.now().Round(0)
	for _, key := range keys {
		if l, ok := s.leases[key]; ok && l.Expires.After(now) {
			held = append(held, l)
			continue
		}
		l := store.Lease{Key: key, Token: token(), Owner: owner, Expires: now.Add(ttl)}
		granted = append(granted, l)
		s.leases[key] = store.Lock{Key: key, Owner: owner, Token: l.Token, Expires: l.Expires, Raw: l.Token}
	}
	return granted, held, nil
}

func token() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

func (s *Store) ours(l store.Lease) bool {
	lock, ok := s.leases[l.Key]
	return ok && lock.Token == l.Token && lock.Expires.After(s.now().Round(0))
}

// Extend implements store.Leases.
func (s *Store) Extend(ctx context.Context, leases []store.Lease, ttl time.Duration) (lost []string, err error) {
	if err := s.enter(ctx, "Extend"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, l := range leases {
		if !s.ours(l) {
			lost = append(lost, l.Key)
			continue
		}
		lock := s.leases[l.Key]
		lock.Expires = s.now().Round(0).Add(ttl)
		s.leases[l.Key] = lock
	}
	return lost, nil
}

// Release implements store.Leases.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	if err := s.enter(ctx, "Release"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, l := range leases {
		if s.leases[l.Key].Token == l.Token {
			delete(s.leases, l.Key)
		}
	}
	return nil
}

// Holder implements store.Leases.
func (s *Store) Holder(ctx context.Context, key string) (*store.Lock, error) {
	if err := s.enter(ctx, "Holder"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	l, ok := s.leases[key]
	if !ok {
		return nil, nil
	}
	return &l, nil
}

// Locks implements store.Leases.
func (s *Store) Locks(ctx context.Context) ([]store.Lock, error) {
	if err := s.enter(ctx, "Locks"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var locks []store.Lock
	for _, l := range s.leases {
		locks = append(locks, l)
	}
	slices.SortFunc(locks, func(a, b store.Lock) int { return strings.Compare(a.Key, b.Key) })
	return locks, nil
}

// Break implements store.Leases.
func (s *Store) Break(ctx context.Context, observed store.Lock) (bool, error) {
	if err := s.enter(ctx, "Break"); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	l, ok := s.leases[observed.Key]
	if !ok || l.Raw != observed.Raw {
		return false, nil
	}
	delete(s.leases, observed.Key)
	return true, nil
}

// Put implements store.Values.
func (s *Store) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.enter(ctx, "Put"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	v := memoryValue{value: bytes.Clone(value)}
	if ttl > 0 {
		v.expires = s.now().Add(ttl)
	}
	s.values[key] = v
	return nil
}

func (s *Store) value(key string) ([]byte, bool) {
	v, ok := s.values[key]
	if !ok || !v.expires.IsZero() && !v.expires.After(s.now()) {
		return nil, false
	}
	return bytes.Clone(v.value), true
}

// Get implements store.Values.
func (s *Store) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := s.enter(ctx, "Get"); err != nil {
		return nil, false, err
	}
	defer s.mu.Unlock()
	v, ok := s.value(key)
	return v, ok, nil
}

// PutNew implements store.Values.
func (s *Store) PutNew(ctx context.Context, key string, value []byte) ([]byte, error) {
	if err := s.enter(ctx, "PutNew"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if _, ok := s.value(key); !ok {
		s.values[key] = memoryValue{value: bytes.Clone(value)}
	}
	v, _ := s.value(key)
	return v, nil
}

// Delete implements store.Values.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.enter(ctx, "Delete"); err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

// Keys implements store.Values.
func (s *Store) Keys(ctx context.Context, prefix string) ([]string, error) {
	if err := s.enter(ctx, "Keys"); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var keys []string
	for k := range s.values {
		if _, ok := s.value(k); ok && strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Describe implements store.Store.
func (s *Store) Describe() string { return "memory of this process" }

// Close implements store.Store. The contents stay, as those of a file would.
func (s *Store) Close() error { return nil }
