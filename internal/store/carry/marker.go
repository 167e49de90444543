package carry

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"advosync/internal/fault"
	"advosync/internal/store"
)

// marker is the value that a store carries as long as it may hold only a part of what
// another one remembers: it is put first and taken away last.
const marker = "half-copied"

// underway is what the marker says.
type underway struct {
	From string    `json:"from"` // what the other store is called
	Line string    `json:"line"` // what to type, to go on
	At   time.Time `json:"at"`
}

// Whole refuses a store that holds only a part of what another one remembers, because
// copying it was interrupted, or is under way; nil where it is whole.
func Whole(ctx context.Context, s store.Store) error {
	u, ok, err := markerOf(ctx, s)
	if err != nil || !ok {
		return err
	}
	return &fault.Error{System: fault.Local, Code: fault.HalfCopied, Owner: fault.OwnerSystem,
		Message: fmt.Sprintf("%s may hold only a part of what %s remembers: copying it, since %s, has not come to its end", s.Describe(), u.From, u.At.UTC().Format(time.RFC3339)),
		Hint:    "if nobody is at it any more: " + u.Line + "; the old store is as it was, and can be used instead"}
}

func markerOf(ctx context.Context, s store.Store) (u underway, ok bool, err error) {
	raw, ok, err := s.Get(ctx, marker)
	if err != nil || !ok {
		return u, false, err
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return u, false, store.Broken("read whether the store is whole", "what it says of that is no JSON", "advosync doctor", err)
	}
	return u, true, nil
}

func mark(ctx context.Context, s store.Store, u underway) error {
	return store.Keep(ctx, s, marker, u)
}
