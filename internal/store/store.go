// Package store declares what the tool remembers between runs, and the
// interfaces that store/sqlite and store/redis implement. One contract suite
// (store/storetest) runs on both.
//
// Losing a store never loses data: without a base the careful rules of
// docs/how-it-decides.md ("Without a base") apply. A store that cannot be read is an
// error, never "nothing known".
package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Errors that callers branch on.
var (
	// ErrLeaseLost: the commit was refused because the record's lease is no
	// longer ours. Nothing was written.
	ErrLeaseLost = errors.New("the lock was lost")
	// ErrChanged: the commit was refused because the record's memory is not the
	// one that was loaded (Rev differs). Nothing was written.
	ErrChanged = errors.New("the stored memory has changed meanwhile")
	// ErrReadOnly: a read-only command tried to write. A defect, never a state.
	ErrReadOnly = errors.New("the store is opened for reading only")
	// ErrNewerSchema: a newer version of the tool wrote this store.
	ErrNewerSchema = errors.New("the store was written by a newer version of advosync")
	// ErrOlderSchema: an older version wrote this store, and it has to be opened for
	// writing once, which brings it up to date.
	ErrOlderSchema = errors.New("the store was written by an older version of advosync")
)

// Key names one record: the entity's name as the mapping spells it, and the
// EspoCRM id.
type Key struct {
	Entity string
	ID     string
}

// LockKey is the lock's key, the same that the old handler uses: sync_lock:{entity, lower
// case}:{EspoCRM id}.
func (k Key) LockKey() string { return LockKey(k.Entity, k.ID) }

// Owner says who holds a lease.
type Owner struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Start   string    `json:"start"` // identifies the process among all that had this pid (boot id + start time)
	User    string    `json:"user"`
	Command string    `json:"command"`
	Run     string    `json:"run"`
	Since   time.Time `json:"since"`
}

// Lease is a lock that is ours until Expires, told on this host's wall clock
// (for Redis: what is left by the server's clock, counted from before the call,
// so that a skew between the two never makes it look longer).
type Lease struct {
	Key     string
	Token   string // random, 128 bits; the proof of ownership
	Owner   Owner
	Expires time.Time
}

// Lock is a lease as somebody else sees it.
type Lock struct {
	Key     string
	Owner   Owner     // zero where Foreign
	Token   string    // "" where Foreign
	Expires time.Time // zero: never (a foreign value without TTL)
	// Foreign is true for a value that this tool did not write, such as the old
	// handler's word `locked`.
	Foreign bool
	// Raw is the value as stored; Break compares against it.
	Raw string
}

// Leases are the locks. All calls are one round trip (Redis) or one transaction
// (SQLite), whatever the number of keys.
type Leases interface {
	// Acquire takes the keys that are free, all with one owner and their own
	// tokens. Keys that somebody holds come back in held; both are in the order
	// of keys.
	Acquire(ctx context.Context, keys []string, owner Owner, ttl time.Duration) (granted []Lease, held []Lock, err error)
	// Extend gives the leases a new life of ttl from now, each only if its token
	// still stands, and returns the keys that are lost. On success the Expires of
	// the leases that were passed are not changed; the new end is now+ttl.
	Extend(ctx context.Context, leases []Lease, ttl time.Duration) (lost []string, err error)
	// Release deletes the leases that still carry our token; others are left.
	Release(ctx context.Context, leases []Lease) error
	// Holder is who holds a key now; nil: nobody.
	Holder(ctx context.Context, key string) (*Lock, error)
	// Locks lists all locks there are, sorted by key.
	Locks(ctx context.Context) ([]Lock, error)
	// Break deletes a lock if its value is still the observed one (Lock.Raw).
	// False: it changed hands meanwhile, nothing was deleted.
	Break(ctx context.Context, observed Lock) (bool, error)
}

// Commit is one transaction on one record.
type Commit struct {
	Key Key
	// Lease proves that the record is still ours; checked inside the
	// transaction.
	Lease Lease
	// Memory is the whole new memory. Memory.Rev must be the one that was loaded
	// (0: nothing was stored); the stored one becomes Rev+1. nil deletes the
	// record's memory.
	Memory *Memory
	// Rev is the revision that was loaded; used when Memory is nil.
	Rev int64
	// History entries are inserted, or replaced where the ID is known already.
	History []Entry
}

// Records are the memories of single records.
type Records interface {
	// Load gives what is remembered; a zero Memory (Rev 0) when nothing is.
	Load(ctx context.Context, key Key) (Memory, error)
	// LoadMany is Load for a chunk, in one round trip, in the order of ids.
	LoadMany(ctx context.Context, entity string, ids []string) ([]Memory, error)
	// Commit writes; errors: ErrLeaseLost, ErrChanged (nothing was written).
	// It returns the new Rev.
	Commit(ctx context.Context, c Commit) (int64, error)
	// CommitMany commits a chunk in as few transactions as the store can; the
	// error slice has one entry per commit, nil for those that were written.
	CommitMany(ctx context.Context, cs []Commit) []error
	// Scan calls fn for every memory of entity that matches filter, in ascending
	// order of the EspoCRM id, with flat memory. fn may use the store; fn returning
	// an error stops the scan and is returned.
	Scan(ctx context.Context, entity string, f ScanFilter, fn func(id string, m Memory) error) error
	// EverLinked is those of these Advoware numbers that a committed memory of entity
	// has ever held (Memory.Numbers), ascending: also where it was dropped or is about
	// another number now. No record is made in EspoCRM of such a number.
	EverLinked(ctx context.Context, entity string, numbers []int64) ([]int64, error)
}

// ScanFilter selects memories; zero: all. Set conditions are OR-ed, After holds
// for all of them. What a scan costs grows with what it selects, not with what is
// stored; only CheckedBefore looks through an index of all.
type ScanFilter struct {
	After         string    // only ids after this one ("": from the start)
	WithOpen      bool      // a write is announced
	WithNotes     bool      // a notification is owed
	WithSuspect   bool      // Memory.Pending is set: left over by an earlier pass
	WithWaiting   bool      // Memory.WaitsSince is set
	WithHold      bool      // Memory.Hold is set
	AdvowareID    int64     // the base, or the announced write, is of this Advoware record (0: not asked)
	CheckedBefore time.Time // last comparison older than this (zero: not asked)
	CheckedAfter  time.Time // beside CheckedBefore: or newer than this (zero: not asked)
}

// History is the log of what was done.
type History interface {
	// Entries calls fn newest first.
	Entries(ctx context.Context, f HistoryFilter, fn func(Entry) error) error
	// Append inserts entries that belong to no record commit (audit lines of
	// unlock, reset). Entries with a known ID are replaced.
	Append(ctx context.Context, es ...Entry) error
	// Prune deletes entries older than before; returns how many.
	Prune(ctx context.Context, before time.Time) (int, error)
	// Forget erases all entries of one record; returns how many.
	Forget(ctx context.Context, key Key) (int, error)
}

// HistoryFilter selects entries; zero: all. Set conditions are AND-ed.
type HistoryFilter struct {
	Entity string
	ID     string
	Run    string
	Since  time.Time
	Limit  int // 0: no limit
}

// Values is a small key-value space for watermarks, runs, the store's birth, the
// token cache. Values are JSON texts; token cache entries hold a secret and are
// only ever in a 0600 file or the operator's own Redis.
type Values interface {
	Get(ctx context.Context, key string) (value []byte, ok bool, err error)
	// Put stores; ttl 0: for ever.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// PutNew stores only if the key is not there; returns the value in force.
	PutNew(ctx context.Context, key string, value []byte) (inForce []byte, err error)
	Delete(ctx context.Context, key string) error
	// Keys lists the keys with a prefix, sorted.
	Keys(ctx context.Context, prefix string) ([]string, error)
}

// Recall reads the value under a key. known: there is one; else, and where it cannot be
// read, into is not to be used.
func Recall(ctx context.Context, v Values, key string, into any) (known bool, err error) {
	raw, known, err := v.Get(ctx, key)
	if err != nil || !known {
		return false, err
	}
	err = json.Unmarshal(raw, into)
	return err == nil, err
}

// Keep stores a value under a key, for ever.
func Keep(ctx context.Context, v Values, key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return v.Put(ctx, key, raw, 0)
}

// Incarnate is a store behind which another server may stand one day: one that was
// restarted, or a replica that took over. Neither need hold all that was stored.
type Incarnate interface {
	// Incarnation is another one after a restart or a change of servers, also back
	// to an earlier one; "" where the store does not say.
	Incarnation(ctx context.Context) (string, error)
}

// Incarnation is that of a store, "" for one that has none.
func Incarnation(ctx context.Context, s Store) (string, error) {
	if i, ok := Unwrap(s).(Incarnate); ok {
		return i.Incarnation(ctx)
	}
	return "", nil
}

// Tidier is a store that keeps room which it does not need any more, until it is
// asked to give it back.
type Tidier interface {
	// Tidy gives room back, where that is worth it and nobody is kept waiting by it.
	Tidy(ctx context.Context) error
}

// Tidy has a store give back the room that it does not need any more; nothing is done
// to one that keeps none, or that is opened for reading only.
func Tidy(ctx context.Context, s Store) error {
	if t, ok := s.(Tidier); ok {
		return t.Tidy(ctx)
	}
	return nil
}

// Backuper is a store that can be copied into a file while it is used.
type Backuper interface {
	// Backup writes a copy to path, which appears as a whole or not at all.
	Backup(ctx context.Context, path string) error
}

// backupKey says when the store was backed up last.
const backupKey = "backup"

// BackedUp remembers that the store was backed up.
func BackedUp(ctx context.Context, v Values, at time.Time) error {
	return Keep(ctx, v, backupKey, at.UTC())
}

// NeverBackedUp reports whether nobody has said that a store was backed up which has
// been there since before then. Of one that keeps its own copies nothing is known.
func NeverBackedUp(ctx context.Context, s Store, before time.Time) (bool, error) {
	if _, ok := Unwrap(s).(Backuper); !ok {
		return false, nil
	}
	if _, done, err := s.Get(ctx, backupKey); done || err != nil {
		return false, err
	}
	raw, ok, err := s.Get(ctx, birthKey)
	var stamp string
	if err != nil || !ok || json.Unmarshal(raw, &stamp) != nil {
		return false, err
	}
	born, err := time.Parse(time.DateTime, stamp)
	return err == nil && born.Before(before), nil
}

// Store is everything.
type Store interface {
	Leases
	Records
	History
	Values
	// Describe says in a few words which store this is, without credentials.
	Describe() string
	Close() error
}
