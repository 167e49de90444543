// Package redis is the store for several hosts: one Redis server, version 6 or
// later, with persistence.
//
// Locks use the keys of the old handler, sync_lock:…, everything else begins with
// advosync:. With a prefix both begin with advosync@PREFIX: (keys.go). Every write is one Lua script, and every script may be sent
// twice without another effect than once: that is how a lost answer is settled
// (call.go). Scripts name keys that they compute, so a Redis Cluster does not
// serve.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"advosync/internal/store"
)

// Options tune a store; the zero value is the right one outside tests.
type Options struct {
	// ReadOnly refuses every write with store.ErrReadOnly and leaves not even a
	// mark of the schema.
	ReadOnly bool
	// Prefix sets one office's keys and locks apart from others' on the same server;
	// "": none stands before them.
	Prefix string
	// Timeout bounds connecting, and each wait for an answer. Default 5s.
	Timeout time.Duration
	// Now is the clock on which Lease.Expires and Lock.Expires are told. Default
	// time.Now. Expiry itself goes by the server's clock.
	Now func() time.Time
}

const (
	defaultTimeout = 5 * time.Second
	poolSize       = 32
	// schema 2 has the set of entities and the indexes of Advoware numbers, schema 3 the
	// set of all numbers that ever were, schema 4 documents of another form
	// (store.Announcement).
	schema = 4
)

// Store is the Redis store.
type Store struct {
	c       *redis.Client
	name    string
	now     func() time.Time
	timeout time.Duration
	scripts scripts
	space   space
	// indexed is false for a store of a former schema that is opened for reading only.
	indexed bool
}

var _ store.Store = (*Store)(nil)

// Open connects and checks the schema. Errors: a fault with code StoreBroken
// (for a newer schema it wraps store.ErrNewerSchema), or Interrupted.
func Open(ctx context.Context, url string, o Options) (store.Store, error) {
	const op = "open the store"
	s, err := connect(url, o)
	if err != nil {
		return nil, store.Broken(op, "redis.url cannot be read", "write it as redis://user:password@host:6379/0", err)
	}
	if err := s.checkSchema(ctx, o.ReadOnly); err != nil {
		return nil, errors.Join(s.failure(ctx, op, err), s.c.Close())
	}
	if o.ReadOnly {
		return store.ReadOnly(s), nil
	}
	return s, nil
}

func connect(url string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	c, err := clientOptions(url, o.Timeout)
	if err != nil {
		return nil, err
	}
	c.MaxRetries = -1 // repeating is ours to decide
	name := fmt.Sprintf("Redis at %s, database %d", c.Addr, c.DB)
	if o.Prefix != "" {
		name += ", prefix " + o.Prefix
	}
	return &Store{c: redis.NewClient(c), now: o.Now, timeout: o.Timeout, scripts: newScripts(), space: newSpace(o.Prefix), name: name}, nil
}

// Dial makes a client of its own with the store's manners, for a library that brings its
// own commands. It is a redis.UniversalClient; the error does not hold the address.
func Dial(url string) (any, error) {
	c, err := clientOptions(url, defaultTimeout)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(c), nil
}

// Run runs a script through a client that Dial has made.
func Run(ctx context.Context, client any, script string, keys []string, args ...any) error {
	return client.(redis.Scripter).Eval(ctx, script, keys, args...).Err()
}

// Prefixes are those with which stores on a server have been used, in order; one without
// a prefix is not among them. It looks through all keys of the database.
func Prefixes(ctx context.Context, s store.Store) (all []string, err error) {
	r, ok := store.Unwrap(s).(*Store)
	if !ok {
		return nil, nil
	}
	const pattern, perRound = "advosync@*:schema", 5000
	err = r.read(ctx, "look for other memories", func(ctx context.Context) error {
		all = nil
		keys := r.c.Scan(ctx, 0, pattern, perRound).Iterator()
		for keys.Next(ctx) {
			prefix := strings.TrimSuffix(strings.TrimPrefix(keys.Val(), "advosync@"), ":schema")
			if !strings.Contains(prefix, ":") {
				all = append(all, prefix)
			}
		}
		return keys.Err()
	})
	slices.Sort(all)
	return slices.Compact(all), err
}

func clientOptions(url string, timeout time.Duration) (*redis.Options, error) {
	logging.Disable() // the client's own lines on stderr: what fails is told by us
	c, err := redis.ParseURL(url)
	if err != nil {
		return nil, errURL // the error's text may hold the password
	}
	c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = timeout, timeout, timeout, timeout
	c.ContextTimeoutEnabled = true
	c.Protocol = 2 // what bounded follows
	dial := redis.NewDialer(c)
	c.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return bound(conn), nil
	}
	c.DialerRetries = 1
	c.PoolSize = poolSize
	c.DisableIdentity = true
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return c, nil
}

var errURL = errors.New("not a Redis URL")

// checkSchema refuses a store of a newer version, and brings one of a former version
// up to date, unless it is opened for reading only: it is read as it is then.
func (s *Store) checkSchema(ctx context.Context, readOnly bool) error {
	key := s.space.schema()
	if !readOnly {
		if err := s.c.SetNX(ctx, key, schema, 0).Err(); err != nil {
			return err
		}
	}
	value, err := s.c.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(value)
	switch {
	case err != nil || version < 1:
		return fmt.Errorf("the key %s holds no version", key)
	case version > schema:
		return fmt.Errorf("%w: its schema is %d, this version knows up to %d", store.ErrNewerSchema, version, schema)
	case version == schema:
		s.indexed = true
		return nil
	case readOnly:
		return nil
	}
	if err := s.reindex(ctx); err != nil {
		return err
	}
	s.indexed = true
	return s.c.Set(ctx, key, schema, 0).Err()
}

// Describe names server, database and prefix.
func (s *Store) Describe() string { return s.name }

// Close closes the connections.
func (s *Store) Close() error { return s.failure(context.Background(), "close the store", s.c.Close()) }
