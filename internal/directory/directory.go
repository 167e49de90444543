// Package directory answers what a record's sync asks about everything else: what the
// two systems list, who carries which number, which record or user a reference means, as
// whom this store has signed in, and since when it knows what was posted. It writes to
// neither system, and to the store nothing but what it has learned.
package directory

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"advosync/internal/record"
	"advosync/internal/store"
)

// EspoCRM is what a Directory asks EspoCRM. Errors are *fault.Error.
type EspoCRM interface {
	// Find returns one page of records (key-set paging); an empty one is behind the
	// last. A server may give fewer than q.Size: go through a list with
	// record.Query.Each.
	Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error)
	// UserID is the id of the API user that this tool signs in as. Fetched once.
	UserID(ctx context.Context) (string, error)
	// ServerTime is the newest Date that the server has answered with, zero before
	// the first answer.
	ServerTime() time.Time
}

// Advoware is what a Directory asks Advoware. Paths are those of the mapping,
// relative to the API base. Errors are *fault.Error.
type Advoware interface {
	// Get reads one record whole; 404, an empty list and null are fault.NotFound.
	Get(ctx context.Context, path, id string) (record.Object, error)
	// List reads one page. params are all query parameters; items is the key that
	// holds the array, "" when the answer is the array.
	List(ctx context.Context, path string, params map[string]string, items string) ([]record.Object, error)
}

// Directory is what is known beyond one record. Safe for concurrent use.
type Directory struct {
	espo  EspoCRM
	advo  Advoware
	store store.Store
	log   *slog.Logger
	now   func() time.Time

	birth    birth
	ours     ours
	catalogs sync.Map // *Catalog by entity
	people   people
}

// New makes a Directory. Whoever asks nothing of Advoware may leave it nil.
func New(espo EspoCRM, advo Advoware, s store.Store, log *slog.Logger, now func() time.Time) *Directory {
	return &Directory{espo: espo, advo: advo, store: s, log: log, now: now}
}
