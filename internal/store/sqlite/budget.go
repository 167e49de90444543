package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync"
	"time"

	lib "modernc.org/sqlite/lib"

	"advosync/internal/store"
)

const opDraw = "draw from the budget of calls"

// budgets is a file of its own beside the store's: it is written at every call, needs
// no care for a power cut, and a command that only reads counts its calls as well.
// Nothing is made before a budget is asked for.
type budgets struct {
	mu sync.Mutex
	db *sql.DB
}

// open makes the file where it is missing, beside a store that is there.
func (b *budgets) open(ctx context.Context, path string) (*sql.DB, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db != nil {
		return b.db, nil
	}
	if !exists(path) {
		return nil, errNoStore
	}
	path += "-calls"
	seen, _ := os.Stat(path) // nil: it is made now
	db, err := openCalls(ctx, path)
	if c := code(err) & 0xff; seen != nil && (c == lib.SQLITE_CORRUPT || c == lib.SQLITE_NOTADB) { // a power cut: what it held is over in seconds
		if err := takeAway(path, seen); err != nil {
			return nil, err
		}
		db, err = openCalls(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	b.db = db
	return db, nil
}

// takeAway removes a damaged file, and no other that a second process has put in its place
// meanwhile: whoever had that open would count by himself from then on.
func takeAway(path string, damaged os.FileInfo) error {
	away := fmt.Sprintf("%s-damaged-%d", path, os.Getpid())
	switch err := os.Rename(path, away); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	taken, err := os.Stat(away)
	if err != nil {
		return err
	}
	if os.SameFile(taken, damaged) {
		return errors.Join(os.Remove(away), os.RemoveAll(path+"-journal"))
	}
	if err := os.Link(away, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Remove(away)
}

func openCalls(ctx context.Context, path string) (*sql.DB, error) {
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_txlock": {"immediate"}, "_pragma": {busyPragma(defaultBusy), "synchronous(OFF)"}}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	// The table is read, and its index: of a damaged file the first page may be whole.
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS budget (system TEXT PRIMARY KEY, bucket TEXT NOT NULL) STRICT;
		SELECT max(system) FROM budget; SELECT max(bucket) FROM budget`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// errNoStore: a budget is kept beside a store only.
var errNoStore = errors.New("there is no store yet")

func (b *budgets) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.db == nil {
		return nil
	}
	return b.db.Close()
}

// DrawCalls draws on the host's clock.
func (s *Store) DrawCalls(ctx context.Context, system string, d store.Drawing) (out store.Drawn, err error) {
	err = s.budget(ctx, system, func(b *store.Bucket) { out = b.Draw(d, s.now()) })
	return out, err
}

// PauseCalls has nobody draw for a while.
func (s *Store) PauseCalls(ctx context.Context, system string, pause time.Duration) error {
	return s.budget(ctx, system, func(b *store.Bucket) { b.Pause(pause, s.now()) })
}

// budget changes one bucket in a transaction.
func (s *Store) budget(ctx context.Context, system string, change func(*store.Bucket)) error {
	db, err := s.calls.open(ctx, s.path)
	if err == nil {
		err = inTransaction(ctx, db, system, change)
	}
	return failure(ctx, opDraw, s.path+"-calls", err)
}

func inTransaction(ctx context.Context, db *sql.DB, system string, change func(*store.Bucket)) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }()
	var b store.Bucket
	var raw []byte
	switch err := t.QueryRowContext(ctx, "SELECT bucket FROM budget WHERE system = ?", system).Scan(&raw); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case json.Unmarshal(raw, &b) != nil:
		b = store.Bucket{}
	}
	change(&b)
	if raw, err = json.Marshal(b); err != nil {
		return err
	}
	if _, err := t.ExecContext(ctx, "INSERT INTO budget (system, bucket) VALUES (?, ?) ON CONFLICT (system) DO UPDATE SET bucket = excluded.bucket", system, string(raw)); err != nil {
		return err
	}
	return t.Commit()
}
