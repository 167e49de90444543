package espocrm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// Get reads one record whole.
func (c *Client) Get(ctx context.Context, entityType, id string) (record.Object, error) {
	r, err := c.one("read", http.MethodGet, entityType, id)
	if err != nil {
		return record.Object{}, err
	}
	r.action = "read"
	a, err := c.send(ctx, r)
	if err != nil {
		return record.Object{}, err
	}
	obj, err := c.recordIn(r, a, id)
	if err == nil {
		c.seen.note(entityType, obj)
	}
	return obj, err
}

// Update is a partial update; the answer is the whole record as set. A version
// that is stale, where a sent value really differs: fault.Modified.
//
// Where the module serves the type, it is one update of many that are sent together.
func (c *Client) Update(ctx context.Context, entityType, id string, patch record.Patch, version *int64) (record.Object, error) {
	if together, err := c.Together(ctx, entityType); err != nil {
		return record.Object{}, err
	} else if together {
		u := c.UpdateMany(ctx, entityType, []record.Update{{ID: id, Patch: patch, Version: version}})[0]
		return u.Object, u.Err
	}
	r, err := c.one("update", http.MethodPut, entityType, id)
	if err != nil {
		return record.Object{}, err
	}
	r.action = "edit"
	if err := c.fill(&r, patch); err != nil {
		return record.Object{}, err
	}
	if version != nil {
		r.header = http.Header{"X-Version-Number": {strconv.FormatInt(*version, 10)}}
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return record.Object{}, err
	}
	return c.recordIn(r, a, id)
}

// Create posts a record and returns it as answered: attributes that were not
// set are missing. skipDuplicateCheck takes a second record of the same name.
func (c *Client) Create(ctx context.Context, entityType string, patch record.Patch, skipDuplicateCheck bool) (record.Object, error) {
	r, err := c.typed("create", http.MethodPost, entityType)
	if err != nil {
		return record.Object{}, err
	}
	r.action = "create"
	if err := c.fill(&r, patch); err != nil {
		return record.Object{}, err
	}
	if skipDuplicateCheck {
		r.header = http.Header{"X-Skip-Duplicate-Check": {"true"}}
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return record.Object{}, err
	}
	return c.recordIn(r, a, "")
}

// Delete removes one record (softly: a GET answers 404 afterwards).
func (c *Client) Delete(ctx context.Context, entityType, id string) error {
	r, err := c.one("delete", http.MethodDelete, entityType, id)
	if err != nil {
		return err
	}
	r.action = "delete"
	a, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	body, what := a.JSON()
	if what == "" && string(body) != "true" {
		what = "something else than true"
	}
	if what != "" {
		return c.badAnswer(r, a, what)
	}
	return nil
}

// one is a request about one record.
func (c *Client) one(verb, method, entityType, id string) (request, error) {
	r, err := c.typed(verb, method, entityType)
	if err != nil {
		return r, err
	}
	if err := c.http.CheckID(r.op, id); err != nil {
		return r, err
	}
	r.op += "/" + id
	r.path = append(r.path, id)
	r.single = true
	return r, nil
}

// typed is a request about one entity type.
func (c *Client) typed(verb, method, entityType string) (request, error) {
	r := request{op: verb + " " + fault.Clean(entityType, 60), method: method, entity: entityType, path: []string{entityType}}
	if !transport.ValidID(entityType) {
		f := c.http.Fault(verb, fault.Rejected, fault.OwnerSystem, fmt.Sprintf("%q is not an entity type", fault.Clean(entityType, 60)))
		f.Hint = "check espocrm.type in the mapping"
		return r, f
	}
	return r, nil
}

// fill sets the body.
func (c *Client) fill(r *request, patch record.Patch) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return c.http.Fault(r.op, fault.Rejected, fault.OwnerRecord, "a value is not JSON")
	}
	r.body = body
	key, ok := patch[record.FieldAdvowareID]
	r.keyed = ok && string(key) != "null"
	return nil
}

// recordIn reads a record from a 2xx answer; want is the id asked for, "" when
// any will do.
func (c *Client) recordIn(r request, a *transport.Answer, want string) (record.Object, error) {
	obj, what := decodeRecord(a)
	if what == "" {
		id, ok := obj.Text("id")
		switch {
		case !ok || id == "":
			what = "an object without id"
		case want != "" && id != want && strings.EqualFold(id, want):
			return record.Object{}, c.otherCase(r, a, id)
		case want != "" && id != want:
			what = "another record than the one asked for"
		}
	}
	if what != "" {
		return record.Object{}, c.badAnswer(r, a, what)
	}
	return obj, nil
}

// otherCase: the database finds ids without regard to case (fixture
// 07-errors-not-found). Two spellings would be two locks and two memories of
// one record.
func (c *Client) otherCase(r request, a *transport.Answer, id string) *fault.Error {
	f := c.http.Fault(r.op, fault.Rejected, fault.OwnerRecord, "EspoCRM writes this id "+c.http.Clean(id, 64))
	f.Status, f.Doubt = a.Status, r.method != http.MethodGet
	f.Hint = "use the id as EspoCRM writes it: upper and lower case count"
	return f
}

func decodeRecord(a *transport.Answer) (record.Object, string) {
	body, what := a.JSON()
	if what != "" {
		return record.Object{}, what
	}
	obj, err := record.ParseObject(body)
	if err != nil {
		return record.Object{}, "something else than an object"
	}
	return obj, ""
}

// badAnswer is a 2xx that cannot be what EspoCRM says. A write that is answered
// so may have been carried out.
func (c *Client) badAnswer(r request, a *transport.Answer, what string) *fault.Error {
	f := c.http.Fault(r.op, fault.BadAnswer, fault.OwnerSystem, fmt.Sprintf("answered %d with %s", a.Status, what))
	f.Status = a.Status
	f.Doubt = r.method != http.MethodGet
	f.Hint = "advosync doctor checks that espocrm.url leads to EspoCRM and that nothing in between changes answers"
	return f
}
