package sqlite

import (
	"context"
	"database/sql"
)

// tx is the open transaction, as a job sees it.
type tx struct {
	ctx context.Context
	w   *writer
}

// runAll runs the jobs as if nobody were refused, which is the rule. apart: each
// behind a savepoint, so that a refusal stays with its job; any other error concerns
// the whole transaction.
func (t *tx) runAll(jobs []*job, apart bool) error {
	for _, j := range jobs {
		if apart {
			if _, err := t.exec("SAVEPOINT job"); err != nil {
				return err
			}
		}
		j.err = j.run(t)
		if j.err != nil && (!apart || !refused(j.err)) {
			return j.err
		}
		if !apart {
			continue
		}
		if j.err != nil {
			if _, err := t.exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if _, err := t.exec("RELEASE job"); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement and says how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	stmt, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row runs a query for at most one row.
func (t *tx) row(query string, args []any, dest ...any) error {
	stmt, err := t.stmt(query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(t.ctx, args...).Scan(dest...)
}

func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmts[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = s
	return s, nil
}
