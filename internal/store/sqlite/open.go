// Package sqlite is the embedded store: one SQLite file on one host, used by
// several processes at once.
//
// Writes go through one connection and are committed in groups (writer.go);
// reads have a small pool of their own and see every commit that was answered.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"advosync/internal/store"
)

// Options tune a store; the zero value is the right one outside tests.
type Options struct {
	// Now is the clock for the expiry of leases and values. Default time.Now;
	// processes that share a file must share the clock.
	Now func() time.Time
	// Busy is how long a write waits for another process before it fails.
	// Default 10s.
	Busy time.Duration
}

const (
	defaultBusy = 10 * time.Second
	maxReaders  = 4
)

// Store is the embedded store.
type Store struct {
	path string
	now  func() time.Time
	w    *writer // nil: opened for reading only
	r    source
	// calls are the budgets of calls.
	calls budgets
}

var _ store.Store = (*Store)(nil)

// Open opens the store for reading and writing and makes what is missing: the
// directory (0700), the file (0600), the tables. Errors: a fault with code
// StoreBroken (for a newer schema it wraps store.ErrNewerSchema), or
// Interrupted.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	const op = "open the store"
	o = o.withDefaults()
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, failure(ctx, op, path, err)
	}
	if err := prepareFile(abs); err != nil {
		return nil, failure(ctx, op, abs, err)
	}
	w, err := openWriter(ctx, abs, o.Busy)
	if err != nil {
		return nil, failure(ctx, op, abs, err)
	}
	r, err := openReader(dsn(abs, url.Values{"_pragma": {busyPragma(o.Busy), "query_only(1)"}}))
	if err != nil {
		return nil, errors.Join(failure(ctx, op, abs, err), w.close())
	}
	return &Store{path: abs, now: o.Now, w: w, r: own{r}}, nil
}

// OpenReadOnly opens the store for a command that writes nothing: every write
// fails with store.ErrReadOnly, a missing file reads as an empty store and is
// not made. Errors: as Open's; for an older schema, which Open brings up to date,
// it wraps store.ErrOlderSchema.
func OpenReadOnly(ctx context.Context, path string, o Options) (*Store, error) {
	const op = "open the store"
	o = o.withDefaults()
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, failure(ctx, op, path, err)
	}
	look := &onlooker{path: abs, busy: o.Busy}
	if err := look.open(ctx); err != nil {
		return nil, errors.Join(failure(ctx, op, abs, err), look.close())
	}
	return &Store{path: abs, now: o.Now, r: look}, nil
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Busy <= 0 {
		o.Busy = defaultBusy
	}
	return o
}

// Describe names the file.
func (s *Store) Describe() string { return "SQLite file " + s.path }

// Close releases the file. Calls that are running fail or finish.
func (s *Store) Close() error {
	err := errors.Join(s.r.close(), s.calls.close())
	if s.w != nil {
		// Last: it takes the -wal file along.
		err = errors.Join(err, s.w.close())
	}
	if err != nil {
		return failure(context.Background(), "close the store", s.path, err)
	}
	return nil
}

// dsn is a URI, so that a path with ? or # or blanks stays a path.
func dsn(path string, params url.Values) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	return "file:" + u.EscapedPath() + "?" + params.Encode()
}

func busyPragma(d time.Duration) string {
	return "busy_timeout(" + strconv.FormatInt(d.Milliseconds(), 10) + ")"
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func openReader(dsn string) (*reader, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(maxReaders)
	return &reader{db: db, stmts: map[string]*sql.Stmt{}}, nil
}
