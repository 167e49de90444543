package store

import (
	"context"
	"time"
)

// ReadOnly gives a store whose writes all fail with ErrReadOnly. Commands that
// promise to write nothing get it, so that the promise does not rest on their
// own care.
func ReadOnly(s Store) Store { return readOnly{s} }

// readOnly overrides every write of Store; reads go through.
type readOnly struct{ Store }

func (readOnly) Acquire(context.Context, []string, Owner, time.Duration) ([]Lease, []Lock, error) {
	return nil, nil, ErrReadOnly
}

func (readOnly) Extend(context.Context, []Lease, time.Duration) ([]string, error) {
	return nil, ErrReadOnly
}

func (readOnly) Release(context.Context, []Lease) error { return ErrReadOnly }

func (readOnly) Break(context.Context, Lock) (bool, error) { return false, ErrReadOnly }

func (readOnly) Commit(context.Context, Commit) (int64, error) { return 0, ErrReadOnly }

func (readOnly) CommitMany(_ context.Context, cs []Commit) []error {
	errs := make([]error, len(cs))
	for i := range errs {
		errs[i] = ErrReadOnly
	}
	return errs
}

func (readOnly) Append(context.Context, ...Entry) error { return ErrReadOnly }

func (readOnly) Prune(context.Context, time.Time) (int, error) { return 0, ErrReadOnly }

func (readOnly) Forget(context.Context, Key) (int, error) { return 0, ErrReadOnly }

func (readOnly) Put(context.Context, string, []byte, time.Duration) error { return ErrReadOnly }

func (readOnly) PutNew(context.Context, string, []byte) ([]byte, error) { return nil, ErrReadOnly }

func (readOnly) Delete(context.Context, string) error { return ErrReadOnly }

// Unwrap gives the store behind ReadOnly, for reading what only one kind has.
func Unwrap(s Store) Store {
	if ro, ok := s.(readOnly); ok {
		return ro.Store
	}
	return s
}
