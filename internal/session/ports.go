// Package session is one record in a command's hands, from lock to unlock: what both
// systems and the store show of it, the writes to either, what is remembered of them and
// told. It decides nothing: what is written, and in which order, is the protocol's
// (internal/sync). It declares the ports it needs; adapters implement them without
// importing it.
package session

import (
	"context"

	"advosync/internal/directory"
	"advosync/internal/record"
)

// EspoCRM is what the engine needs of EspoCRM. Errors are *fault.Error.
type EspoCRM interface {
	directory.EspoCRM
	// Get reads one record whole. A record that is not there: fault.NotFound.
	Get(ctx context.Context, entityType, id string) (record.Object, error)
	// Update is a partial update; the answer is the whole record as set. version
	// non-nil sends X-Version-Number; stale: fault.Modified.
	Update(ctx context.Context, entityType, id string, patch record.Patch, version *int64) (record.Object, error)
	// Note writes a stream note on the record that mentions the configured users.
	Note(ctx context.Context, entityType, id, text string) error
}

// Advoware is what the engine needs of Advoware. Paths are those of the mapping,
// relative to the API base. Errors are *fault.Error.
type Advoware interface {
	directory.Advoware
	// Ready makes sure that a record can be posted to path now: addresses and token
	// are there, the system has answered with a success within the last minute, and
	// a read has succeeded since the answer to a POST was lost. An error: nothing
	// was sent, and nothing is to be announced.
	Ready(ctx context.Context, path string) error
	// Create posts obj and returns the new id, from whichever of the three answer
	// forms came. Never repeated by the transport; fault.Error.Doubt says when it
	// may have happened all the same.
	Create(ctx context.Context, path, idField string, obj record.Object) (int64, error)
	// Update puts the whole object. Not repeated once bytes were sent; Doubt as
	// for Create.
	Update(ctx context.Context, path, id string, obj record.Object) error
	// Delete removes one record.
	Delete(ctx context.Context, path, id string) error
}
