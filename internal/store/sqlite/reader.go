package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// source gives the pool to read from.
type source interface {
	// reader is the pool now. valid, asked after a query, says whether what it
	// has read counts; if not, another reader is to be asked for.
	reader(ctx context.Context) (r *reader, valid func() bool, err error)
	close() error
}

// own is the source of a store that writes as well: SQLite's own locks keep
// what is read consistent.
type own struct{ r *reader }

func (o own) reader(context.Context) (*reader, func() bool, error) {
	return o.r, func() bool { return true }, nil
}

func (o own) close() error { return o.r.close() }

// reader is a pool of connections that read. Without a database it finds
// nothing.
type reader struct {
	db    *sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

// query collects what scan makes of every row.
func query[T any](ctx context.Context, s *Store, op, text string, args []any, scan func(*sql.Rows) (T, error)) ([]T, error) {
	for {
		r, valid, err := s.r.reader(ctx)
		if err != nil {
			return nil, failure(ctx, op, s.path, err)
		}
		out, err := collect(ctx, r, text, args, scan)
		if !valid() {
			continue
		}
		if err != nil {
			return nil, failure(ctx, op, s.path, err)
		}
		return out, nil
	}
}

func collect[T any](ctx context.Context, r *reader, text string, args []any, scan func(*sql.Rows) (T, error)) (out []T, err error) {
	if r.db == nil {
		return nil, ctx.Err()
	}
	stmt, err := r.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func (r *reader) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.stmts[query]; ok {
		return s, nil
	}
	s, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.stmts[query] = s
	return s, nil
}

func (r *reader) close() error {
	if r.db == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}
