package espocrm

import (
	"context"
	"encoding/json"
	"net/http"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// Companion is what the module in EspoCRM says of itself (docs/extension.md).
type Companion struct {
	Version  string `json:"version"`
	Form     int    `json:"form"`
	MaxItems int    `json:"maxItems"`
	APIUser  struct {
		ID       string `json:"id"`
		UserName string `json:"userName"`
	} `json:"apiUser"`
	// Types are the mapped fields of each type that it serves.
	Types map[string][]string `json:"types"`
}

// companionForm is the form of the module's calls that this client speaks. A module
// of a later one is left alone: what its answers mean is not known here.
const companionForm = 2

// Speaks reports whether the module's calls are of a form that this client knows.
func (c *Companion) Speaks() bool { return c != nil && c.Form == companionForm && c.MaxItems > 0 }

// CompanionInfo asks EspoCRM for its module: what it says of itself. It is not there:
// fault.NotFound; the API user's role lacks the right for it: fault.Forbidden.
func (c *Client) CompanionInfo(ctx context.Context) (record.Object, error) {
	r := request{op: "read Advosync/info", method: http.MethodGet, path: []string{"Advosync", "info"}, kind: callcount.Auth, entity: "Advosync", action: "read"}
	a, err := c.send(ctx, r)
	if f := fault.As(err); notInstalled(f) {
		f = c.http.Fault(r.op, fault.NotFound, fault.OwnerSystem, "the module is not installed")
		f.Hint = "advosync init espocrm-extension writes it"
		return record.Object{}, f
	}
	if err != nil {
		return record.Object{}, err
	}
	obj, what := decodeRecord(a)
	if what != "" {
		return record.Object{}, c.badAnswer(r, a, what)
	}
	return obj, nil
}

// notInstalled: EspoCRM knows no such call.
func notInstalled(f *fault.Error) bool {
	return f != nil && (f.Status == http.StatusNotFound && f.Code == fault.Rejected || f.Status == http.StatusMethodNotAllowed)
}

// sendToModule carries a call of the module. What is known of it is forgotten when it is
// gone, or the right for it: a process that lives for weeks looks anew then.
func (c *Client) sendToModule(ctx context.Context, r request) (*transport.Answer, error) {
	a, err := c.send(ctx, r)
	if f := fault.As(err); notInstalled(f) || fault.Is(err, fault.Forbidden) && f.Owner == fault.OwnerSystem {
		c.companion.Forget()
		c.self.Forget()
	}
	return a, err
}

// ask makes a call of the module that only reads: whatever it is answered leaves no
// doubt, and a refusal may be met with another try.
func (c *Client) ask(ctx context.Context, r *request, body any) (*transport.Answer, error) {
	var err error
	if r.body, err = json.Marshal(body); err != nil {
		return nil, c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, "a name is not JSON")
	}
	r.again = true
	a, err := c.sendToModule(ctx, *r)
	if f := fault.As(err); f != nil {
		f.Doubt = false
		return nil, f
	}
	r.method = http.MethodGet // for what is said of the answer
	return a, err
}

// serving is the module where it is used for a type; nil: it is not. That the role
// has the right for it is known from App/user, so where there is none nothing is asked.
func (c *Client) serving(ctx context.Context, entityType string) (*Companion, error) {
	if c.companion == nil {
		return nil, nil
	}
	m, err := c.companion.Get(ctx, c.findCompanion)
	if err != nil {
		if fault.As(err) == nil {
			err = c.http.CutShort(ctx, "look for the module")
		}
		return nil, err
	}
	if m == nil {
		return nil, nil
	}
	if _, served := m.Types[entityType]; !served {
		return nil, nil
	}
	return m, nil
}

func (c *Client) findCompanion(ctx context.Context) (*Companion, error) {
	user, err := c.AppUser(ctx)
	if err != nil || !grantsCompanion(user) {
		return nil, err
	}
	info, err := c.CompanionInfo(ctx)
	if fault.Is(err, fault.NotFound, fault.Forbidden) {
		return nil, nil
	}
	var m Companion
	if err != nil || json.Unmarshal(info.Bytes(), &m) != nil || !m.Speaks() {
		return nil, err
	}
	return &m, nil
}

func grantsCompanion(user record.Object) bool {
	raw, _ := user.Get("acl.table.Advosync")
	return string(raw) == "true"
}

// readsTogether reports whether it is known already that the module serves a type: a
// read waits for nothing.
func (c *Client) readsTogether(entityType string) bool {
	if c.companion == nil {
		return false
	}
	m, known := c.companion.Known()
	if !known || m == nil {
		return false
	}
	_, served := m.Types[entityType]
	return served
}

// Together reports whether many records of a type are updated with one call.
func (c *Client) Together(ctx context.Context, entityType string) (bool, error) {
	m, err := c.serving(ctx, entityType)
	return m != nil, err
}
