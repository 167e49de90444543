package sync

import (
	"context"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
)

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
