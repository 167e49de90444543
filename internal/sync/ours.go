package sync

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"advosync/internal/store"

	"advosync/internal/fault"
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
func (e *Engine) Ours(ctx context.Context, user string) (bool, error) {
	us, err := e.EspoCRM.UserID(ctx)
	if err != nil {
		return false, err
	}
	e.ours.mu.Lock()
	defer e.ours.mu.Unlock()
	if e.ours.ids == nil && us != "" {
		if err := e.signedInAs(ctx, us); err != nil {
			return false, err
		}
	}
	return user != "" && slices.Contains(e.ours.ids, user), nil
}

// signedInAs keeps us among our users.
func (e *Engine) signedInAs(ctx context.Context, us string) error {
	var ids []string
	raw, known, err := e.Store.Get(ctx, usersKey)
	if err == nil && known {
		err = json.Unmarshal(raw, &ids)
	}
	if err != nil {
		return store.Fault("read as whom this store has signed in", err)
	}
	if !slices.Contains(ids, us) {
		if len(ids) > 0 {
			e.Log.Warn("EspoCRM's API user is another one than before; changes by either count as this tool's own", "user", fault.Clean(us, 60))
		}
		ids = append(ids, us)
		if raw, err = json.Marshal(ids); err == nil {
			_ = e.Store.Put(ctx, usersKey, raw, 0) // a store that may not be written: known to this process
		}
	}
	e.ours.ids = ids
	return nil
}
