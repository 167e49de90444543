package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	lib "modernc.org/sqlite/lib"

	"advosync/internal/store"
)

// writer owns the one connection that writes.
//
// A durable commit costs a sync of the disk, and syncs do not overlap. So
// writes that arrive while another is being committed wait together and share
// the next transaction: they succeed and fail one by one, and none is answered
// before the sync that covers it.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // used only by the holder of turn
	turn  chan struct{}        // capacity 1: the right to use conn

	mu    sync.Mutex
	queue []*job
}

// job is one write. run may be called again after a rollback, so it must set
// its results anew each time.
type job struct {
	run  func(t *tx) error
	err  error
	done chan struct{} // closed when err is final
}

// openWriter opens the connection and the schema. The pragmas:
//
//   - synchronous=FULL: in WAL mode the default of many set-ups, NORMAL, may lose
//     the last commits at a power failure. An announcement that is lost that way is a
//     write to Advoware that nobody knows of: a second record, or a lost edit.
//   - auto_vacuum: pages that are free can be given back (tidy.go). It is set in a
//     file's first moment; an older file gets there when it is packed.
//   - secure_delete: what Forget and Prune erase is client data; it is overwritten
//     in the pages that stay in use, not only unlinked.
//   - busy_timeout: other processes commit in milliseconds; wait for them.
func openWriter(ctx context.Context, path string, busy time.Duration) (*writer, error) {
	pragmas := []string{busyPragma(busy), "journal_mode(wal)", "synchronous(full)", "foreign_keys(1)",
		"secure_delete(fast)", "journal_size_limit(67108864)"}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 { // later it would be a write at every start
		pragmas = slices.Insert(pragmas, 1, "auto_vacuum(incremental)")
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": pragmas}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := connect(ctx, db, path, busy)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}, turn: make(chan struct{}, 1)}, nil
}

// connect tries again while another process is making the same file: switching
// a new database to WAL does not wait for a lock by itself.
func connect(ctx context.Context, db *sql.DB, path string, busy time.Duration) (*sql.Conn, error) {
	const pause = 20 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		conn, err := db.Conn(ctx)
		if err == nil {
			copiesBeside(ctx, conn, path)
			if err = migrate(ctx, conn); err == nil {
				return conn, nil
			}
			err = errors.Join(err, conn.Close())
		}
		if code(err)&0xff != lib.SQLITE_BUSY || waited >= busy {
			return nil, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// copiesBeside has SQLite make its temporary files, which may hold all there is
// (VACUUM, a migration), beside the file: there client data is expected, and there
// Tidy has looked for room. The setting is the whole process's, as is the store.
func copiesBeside(ctx context.Context, c *sql.Conn, path string) {
	dir := strings.ReplaceAll(filepath.Dir(path), "'", "''")
	// Refused where the directory cannot be written, which what follows tells better.
	_, _ = c.ExecContext(ctx, "PRAGMA temp_store_directory = '"+dir+"'")
}

// do runs every fn in a transaction, as few as possible, and gives one error
// for each. A call whose context ends before its turn writes nothing; one that
// has begun is finished, so that its caller is never left in doubt.
func (w *writer) do(ctx context.Context, fns ...func(*tx) error) []error {
	jobs := make([]*job, len(fns))
	for i, fn := range fns {
		jobs[i] = &job{run: fn, done: make(chan struct{})}
	}
	w.mu.Lock()
	w.queue = append(w.queue, jobs...)
	w.mu.Unlock()
	errs := make([]error, len(jobs))
	for i, j := range jobs {
		errs[i] = w.await(ctx, j)
	}
	return errs
}

func (w *writer) await(ctx context.Context, j *job) error {
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if w.withdraw(j) {
			return context.Cause(ctx)
		}
		<-j.done // begun by another caller
		return j.err
	case w.turn <- struct{}{}:
	}
	defer func() { <-w.turn }()
	select {
	case <-j.done: // by the one who had the turn before
		return j.err
	default:
	}
	if err := w.begin(ctx); err != nil {
		if ctx.Err() != nil {
			w.withdraw(j)
			return err
		}
		finish(w.take(), err)
		return j.err
	}
	w.commitGroup(context.WithoutCancel(ctx), w.take(), false)
	return j.err
}

// withdraw takes a job out of the queue; false: it has been begun.
func (w *writer) withdraw(j *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == j {
			w.queue = append(w.queue[:i:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

func (w *writer) take() []*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	jobs := w.queue
	w.queue = nil
	return jobs
}

func finish(jobs []*job, err error) {
	for _, j := range jobs {
		j.err = err
		close(j.done)
	}
}

// begin takes the write lock at once: a transaction that starts as a reader
// could be refused later, when another process has committed in between.
func (w *writer) begin(ctx context.Context) error {
	_, err := (&tx{ctx: ctx, w: w}).exec("BEGIN IMMEDIATE")
	if err != nil {
		// A context that ends at the very moment may hide that it has begun.
		rollback(ctx, w.conn)
	}
	return err
}

// commitGroup runs jobs in the open transaction and settles all of them. Where one of
// several is refused, they are run again, apart. When the group fails for a reason of
// the database, each is tried alone once, so that one write cannot take others down.
func (w *writer) commitGroup(ctx context.Context, jobs []*job, apart bool) {
	t := &tx{ctx: ctx, w: w}
	err := t.runAll(jobs, apart)
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err == nil {
		for _, j := range jobs {
			close(j.done)
		}
		return
	}
	rollback(ctx, w.conn)
	switch {
	case len(jobs) == 1:
		finish(jobs, err)
	case refused(err) && !apart:
		if err := w.begin(ctx); err != nil {
			finish(jobs, err)
			return
		}
		w.commitGroup(ctx, jobs, true)
	default:
		for _, j := range jobs {
			if err := w.begin(ctx); err != nil {
				finish([]*job{j}, err)
				continue
			}
			w.commitGroup(ctx, []*job{j}, false)
		}
	}
}

func rollback(ctx context.Context, c *sql.Conn) {
	// Fails only when SQLite has rolled back by itself, as it does on a full disk.
	_, _ = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
}

func (w *writer) close() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// refused reports whether err is a decision of ours and not a failure of the
// database: only that one write is undone.
func refused(err error) bool {
	return errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrChanged)
}
