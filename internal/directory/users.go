package directory

import (
	"context"
	"slices"
	"sync"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// usersKey is the value under which the store keeps every user of EspoCRM that it
// has signed in as.
const usersKey = "users"

// ours are these users, read once.
type ours struct {
	mu  sync.Mutex
	ids []string
}

// Ours reports whether a change that EspoCRM shows of a user was this tool's: of
// any user that this store has ever signed in as, for the API user may be
// replaced by another one. That is said once.
func (d *Directory) Ours(ctx context.Context, user string) (bool, error) {
	us, err := d.espo.UserID(ctx)
	if err != nil {
		return false, err
	}
	d.ours.mu.Lock()
	defer d.ours.mu.Unlock()
	if d.ours.ids == nil && us != "" {
		if err := d.signedInAs(ctx, us); err != nil {
			return false, err
		}
	}
	return user != "" && slices.Contains(d.ours.ids, user), nil
}

// signedInAs keeps us among our users.
func (d *Directory) signedInAs(ctx context.Context, us string) error {
	var ids []string
	if _, err := store.Recall(ctx, d.store, usersKey, &ids); err != nil {
		return store.Fault("read as whom this store has signed in", err)
	}
	if !slices.Contains(ids, us) {
		if len(ids) > 0 {
			d.log.Warn("EspoCRM's API user is another one than before; changes by either count as this tool's own", "user", fault.Clean(us, 60))
		}
		ids = append(ids, us)
		_ = store.Keep(ctx, d.store, usersKey, ids) // a store that may not be written: known to this process
	}
	d.ours.ids = ids
	return nil
}
