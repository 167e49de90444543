package carry

import (
	"context"
	"errors"

	"advosync/internal/store"
)

// OfSource marks a failure as one of the store that is copied, which is not the
// configured one.
type OfSource struct{ err error }

// Error is what the store has said.
func (e *OfSource) Error() string { return e.err.Error() }

func (e *OfSource) Unwrap() error { return e.err }

// FromSource marks a failure; nil for nil.
func FromSource(err error) error { return ofSource(err) }

func ofSource(err error) error {
	if err == nil {
		return nil
	}
	return &OfSource{err: err}
}

// source is the store that is copied; its failures are told from those of the target.
type source struct {
	store.Portable
	all store.Store
}

func (s source) Holdings(ctx context.Context) (store.Holdings, error) {
	h, err := s.Portable.Holdings(ctx)
	return h, ofSource(err)
}

func (s source) Lasting(ctx context.Context) ([]string, error) {
	keys, err := s.Portable.Lasting(ctx)
	return keys, ofSource(err)
}

func (s source) Get(ctx context.Context, key string) ([]byte, bool, error) {
	value, ok, err := s.all.Get(ctx, key)
	return value, ok, ofSource(err)
}

// told calls what hands on records, and marks its failure unless it was fn's.
func told[T any](each func(fn func(T) error) error, fn func(T) error) error {
	var own error
	err := each(func(v T) error {
		own = fn(v)
		return own
	})
	if own != nil && errors.Is(err, own) {
		return err
	}
	return ofSource(err)
}

func (s source) Whole(ctx context.Context, entity string, fn func(id string, m store.Memory) error) error {
	type record struct {
		id string
		m  store.Memory
	}
	return told(func(each func(record) error) error {
		return s.Portable.Whole(ctx, entity, func(id string, m store.Memory) error { return each(record{id, m}) })
	}, func(r record) error { return fn(r.id, r.m) })
}

func (s source) Linked(ctx context.Context, entity string, fn func(numbers []int64) error) error {
	return told(func(each func([]int64) error) error { return s.Portable.Linked(ctx, entity, each) }, fn)
}

func (s source) Entries(ctx context.Context, f store.HistoryFilter, fn func(store.Entry) error) error {
	return told(func(each func(store.Entry) error) error { return s.all.Entries(ctx, f, each) }, fn)
}
