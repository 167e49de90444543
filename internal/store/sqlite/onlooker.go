package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"advosync/internal/store"
)

// onlooker is the source of a store that is opened for reading only.
//
// In WAL mode every reader needs the -wal and -shm files, makes them where they
// are missing, and without the right to write cannot take them away again. So a
// file at rest, which has none, is read as it stands, without any lock
// (immutable). That is sound only while nobody writes: what a query has read
// counts only if the file is still at rest and unchanged after it; otherwise it
// is read again. A file in use has both files already and is read the usual way.
type onlooker struct {
	path string
	busy time.Duration

	mu    sync.Mutex
	r     *reader
	rest  os.FileInfo // the file at rest as r sees it; nil: r is safe by itself
	moved int         // how often it was not at rest any more
	old   []*reader   // may still be in use
}

const (
	// settle is the age from which a modification time tells a later change
	// apart: kernels count file times in ticks of up to 10ms.
	settle = 20 * time.Millisecond
	// maxMoved bounds how often a file is taken for one at rest.
	maxMoved = 3
)

func (o *onlooker) reader(ctx context.Context) (*reader, func() bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.r == nil {
		if err := o.openLocked(ctx); err != nil {
			return nil, nil, err
		}
	}
	r, rest := o.r, o.rest
	if rest == nil {
		return r, func() bool { return true }, nil
	}
	return r, func() bool { return o.unchanged(r, rest) }, nil
}

func (o *onlooker) unchanged(r *reader, rest os.FileInfo) bool {
	now, err := atRest(o.path)
	if err == nil && now != nil && os.SameFile(now, rest) && now.Size() == rest.Size() && now.ModTime().Equal(rest.ModTime()) {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.r == r {
		o.old = append(o.old, r)
		o.r, o.moved = nil, o.moved+1
	}
	return false
}

// open looks once, so that a file that cannot be read fails at the start.
func (o *onlooker) open(ctx context.Context) error {
	if err := ours(o.path); err != nil {
		return err
	}
	for {
		r, valid, err := o.reader(ctx)
		if err != nil || r.db == nil {
			return err
		}
		version, err := checkSchema(ctx, r.db)
		if !valid() {
			continue
		}
		switch {
		case err != nil:
		case version == 0:
			o.becomeEmpty() // being made by another process
		case version < len(migrations()):
			err = fmt.Errorf("%w: its schema is %d, this version reads %d", store.ErrOlderSchema, version, len(migrations()))
		}
		return err
	}
}

func (o *onlooker) becomeEmpty() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.old = append(o.old, o.r)
	o.r, o.rest = &reader{}, nil
}

func (o *onlooker) openLocked(ctx context.Context) error {
	info, err := os.Stat(o.path)
	missing := errors.Is(err, os.ErrNotExist) && o.moved == 0 // vanishing while in use is a failure
	if missing || err == nil && info.Size() == 0 && !exists(o.path+"-wal") {
		o.r, o.rest = &reader{}, nil // nothing was ever stored
		return nil
	}
	if err != nil {
		return err
	}
	params := url.Values{"mode": {"ro"}, "_pragma": {busyPragma(o.busy), "query_only(1)"}}
	o.rest = nil
	if o.moved < maxMoved {
		if o.rest, err = o.awaitRest(ctx); err != nil {
			return err
		}
	}
	if o.rest != nil {
		params.Set("immutable", "1")
	}
	o.r, err = openReader(dsn(o.path, params))
	return err
}

// awaitRest gives the file at rest, nil when it is in use.
func (o *onlooker) awaitRest(ctx context.Context) (os.FileInfo, error) {
	for {
		info, err := atRest(o.path)
		if info == nil || err != nil {
			return nil, err
		}
		age := time.Since(info.ModTime())
		if age < 0 || age >= settle {
			return info, nil
		}
		select {
		case <-time.After(settle - age):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// atRest is the file's state when no process has it open, or nil. The last one
// to close it takes the -wal file away; a -journal is there for a moment when a
// file is new.
func atRest(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if exists(path+"-wal") || exists(path+"-journal") {
		return nil, nil
	}
	return info, nil
}

func (o *onlooker) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for _, r := range append(o.old, o.r) {
		if r != nil {
			errs = append(errs, r.close())
		}
	}
	return errors.Join(errs...)
}
