package espocrm

import (
	"context"
	"encoding/json"
	"sync"

	"advosync/internal/fault"
	"advosync/internal/transport"
)

// rightsBook remembers whether our role grants an action on a type at all.
type rightsBook struct {
	mu     sync.Mutex
	denied map[string]bool
}

// forbidden tells three refusals apart. Bare, without the reason header: the
// lock-out after too many failed logins (fixture 07-errors-rate-limit); with an
// empty reason it is an ordinary refusal. Of those, a right that the role lacks
// for the whole type would hit every record alike and is the system's (docs/operations.md, "Outages"); one record out of reach is
// that record's.
func (c *Client) forbidden(ctx context.Context, r request, a *transport.Answer) *fault.Error {
	_, given := a.Header["X-Status-Reason"]
	if !given && a.Text() == "" {
		f := c.http.Fault(r.op, fault.Blocked, fault.OwnerSystem,
			"this address is locked out after too many failed logins (403 without a reason)")
		f.Transient = true
		f.Hint = "wait a minute; then look for another program behind this address that signs in with a wrong key"
		return f
	}
	f := c.fault(r, fault.Forbidden, r.owner(), a, "access is forbidden")
	f.Hint = "check the API user's role: " + r.action + " on " + r.entity
	if !given {
		f.Owner = fault.OwnerSystem
		f.Hint = "this is not EspoCRM's own answer: look for a firewall or web server rule in front of it"
		return f
	}
	if reason(a) == "No create access." || r.aboutOne() && c.lacks(ctx, r.entity, r.action) {
		f.Owner = fault.OwnerSystem
		f.Hint = "the API user's role does not grant " + r.action + " on " + r.entity
	}
	return f
}

// lacks asks once per type and action, with a fresh App/user, whether the role
// grants it on nothing. Unknown is no.
func (c *Client) lacks(ctx context.Context, entity, action string) bool {
	c.rights.mu.Lock()
	denied, known := c.rights.denied[entity+"/"+action]
	c.rights.mu.Unlock()
	if known {
		return denied
	}
	user, err := c.fetchAppUser(ctx)
	if err != nil {
		return false
	}
	raw, ok := user.Get("acl.table." + entity)
	if !ok {
		return false
	}
	denied = deniesAll(raw, action)
	c.rights.mu.Lock()
	defer c.rights.mu.Unlock()
	if c.rights.denied == nil {
		c.rights.denied = map[string]bool{}
	}
	c.rights.denied[entity+"/"+action] = denied
	return denied
}

// deniesAll reads one entry of acl.table: false for the whole type, or an
// object with a level per action.
func deniesAll(raw json.RawMessage, action string) bool {
	var levels map[string]any
	if json.Unmarshal(raw, &levels) != nil {
		return string(raw) == "false"
	}
	return levels[action] == "no"
}
