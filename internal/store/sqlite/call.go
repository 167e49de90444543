package sqlite

import (
	"context"

	"advosync/internal/store"
)

// write runs fn in a transaction; fn may be run again after a rollback.
func (s *Store) write(ctx context.Context, op string, fn func(*tx) error) error {
	return s.writeAll(ctx, op, fn)[0]
}

// writeAll runs several, one error each.
func (s *Store) writeAll(ctx context.Context, op string, fns ...func(*tx) error) []error {
	errs := make([]error, len(fns))
	before := ctx.Err()
	switch {
	case s.w == nil:
		for i := range errs {
			errs[i] = store.ErrReadOnly
		}
		return errs
	case before != nil:
		for i := range errs {
			errs[i] = before
		}
	default:
		errs = s.w.do(ctx, fns...)
	}
	for i := range errs {
		errs[i] = failure(ctx, op, s.path, errs[i])
	}
	return errs
}
