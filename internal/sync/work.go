package sync

import (
	"advosync/internal/reconcile"
	"advosync/internal/session"
	"advosync/internal/stuck"
)

// work is one record's sync: its session, and who decides.
type work struct {
	*session.Session
	e   *Engine
	req Request
	by  authority
}

// authority is what decides besides the contents.
type authority struct {
	policy reconcile.Policy
	// wishes are an operator's words (docs/design/protocol.md, "A wish").
	wishes map[string]reconcile.Wish
	// stuck are the fields that cannot be brought over, and why.
	stuck stuck.Fields
}
