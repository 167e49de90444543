package engine

import (
	"context"
	"errors"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/store"
)

// storeFault says that the store failed, keeping what it said, and turns the two
// refusals that mean "not ours any more" into a lost lease.
func storeFault(op string, err error) error {
	switch {
	case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrChanged):
		return &fault.Error{System: fault.Local, Code: fault.LeaseLost, Owner: fault.OwnerSystem, Transient: true, Op: op,
			Message: err.Error() + "; nothing more was written", Err: err}
	case fault.As(err) != nil:
		return err
	}
	return &fault.Error{System: fault.Store, Code: fault.StoreBroken, Owner: fault.OwnerSystem, Op: op,
		Message: fault.Clean(err.Error(), 300), Hint: "advosync doctor", Err: err}
}

// interrupted is the failure of a context that ended.
func interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if f := fault.As(cause); f != nil {
		return f
	}
	return &fault.Error{System: fault.Local, Code: fault.Interrupted, Owner: fault.OwnerSystem, Transient: true, Message: "interrupted", Err: cause}
}

func errEndlessList(m *mapping.Mapping) error {
	return &fault.Error{System: fault.Advoware, Code: fault.BadAnswer, Owner: fault.OwnerSystem, Op: "list " + m.Entity(),
		Message: "the list does not end: every page is full", Hint: "check advoware.list in the mapping (page, first, max)"}
}

func splitNames(s string) []string { return strings.Split(s, ", ") }
