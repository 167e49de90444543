package advoware

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// Get reads one record whole; 404, an empty list and null are fault.NotFound.
func (c *Client) Get(ctx context.Context, path, id string) (record.Object, error) {
	r, err := c.one("read", http.MethodGet, path, id)
	if err != nil {
		return record.Object{}, err
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return record.Object{}, err
	}
	if !a.OK() {
		return record.Object{}, c.refusal(r, a)
	}
	obj, what := decodeOne(a)
	switch {
	case what != "":
		return record.Object{}, c.badAnswer(r, a, what)
	case obj.IsZero():
		f := c.http.Fault(r.op, fault.NotFound, fault.OwnerRecord, "the record does not exist")
		f.Status = a.Status
		return record.Object{}, f
	}
	return obj, nil
}

// Create posts obj and returns the new id. When the answer does not name it,
// the record exists all the same: the fault has Doubt.
func (c *Client) Create(ctx context.Context, path, idField string, obj record.Object) (int64, error) {
	path, query, _ := strings.Cut(path, "?")
	r := request{op: "create " + resource(path), method: http.MethodPost, path: path, query: query, body: obj.Bytes(), single: true}
	if obj.IsZero() {
		return 0, c.http.Fault(r.op, fault.Rejected, fault.OwnerRecord, "there is nothing to send")
	}
	id, err := c.post(ctx, r, idField)
	if f := fault.As(err); f != nil {
		c.pulse.note(r.method, false, f.Doubt, c.cfg.Now())
	}
	return id, err
}

func (c *Client) post(ctx context.Context, r request, idField string) (int64, error) {
	a, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	if !a.OK() {
		r.single = a.Status != http.StatusNotFound // a POST knows no record that could be missing
		return 0, c.refusal(r, a)
	}
	id, what := decodeCreated(a, idField)
	if what != "" {
		return 0, c.badAnswer(r, a, what)
	}
	return id, nil
}

// Update puts the whole object. Its answer proves nothing: the
// caller reads back.
func (c *Client) Update(ctx context.Context, path, id string, obj record.Object) error {
	r, err := c.one("update", http.MethodPut, path, id)
	if err != nil {
		return err
	}
	if obj.IsZero() {
		return c.http.Fault(r.op, fault.Rejected, fault.OwnerRecord, "there is nothing to send")
	}
	r.body = obj.Bytes()
	return c.write(ctx, r)
}

// Delete removes one record.
func (c *Client) Delete(ctx context.Context, path, id string) error {
	r, err := c.one("delete", http.MethodDelete, path, id)
	if err != nil {
		return err
	}
	return c.write(ctx, r)
}

// write sends a change whose answer does not matter, unless it is a page for
// people or a refusal in words.
func (c *Client) write(ctx context.Context, r request) error {
	a, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	if !a.OK() {
		return c.refusal(r, a)
	}
	if a.HTML() {
		return c.badAnswer(r, a, "an HTML page")
	}
	if f := c.knownRefusal(r.op, a); f != nil {
		return f
	}
	return nil
}

// List reads one page. items is the key that holds the array, "" when the
// answer is the array. null is an empty page.
func (c *Client) List(ctx context.Context, path string, params map[string]string, items string) ([]record.Object, error) {
	q := url.Values{}
	for k, v := range params {
		q.Set(k, v)
	}
	r := request{op: "list " + resource(path), method: http.MethodGet, path: path, query: q.Encode()}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	if !a.OK() {
		return nil, c.refusal(r, a)
	}
	page, what := decodePage(a, items)
	if what != "" {
		f := c.badAnswer(r, a, what)
		f.Hint = "check advoware.list in the mapping against the office's Swagger page"
		return nil, f
	}
	return page, nil
}

// idMark stands in a path for the id; without it the id follows the path.
const idMark = "{id}"

// one is a request about one record.
func (c *Client) one(verb, method, path, id string) (request, error) {
	r := request{op: verb + " " + resource(path), method: method, path: path, single: true}
	if err := c.http.CheckID(r.op, id); err != nil {
		return r, err
	}
	r.op += "/" + id
	if !strings.Contains(path, idMark) {
		r.ids = []string{id}
		return r, nil
	}
	path, query, _ := strings.Cut(path, "?")
	r.path, r.query = strings.ReplaceAll(path, idMark, id), strings.ReplaceAll(query, idMark, url.QueryEscape(id))
	return r, nil
}

// resource is the last part of a path that names what it is about, for messages.
func resource(path string) string {
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimSuffix(path, "/"+idMark)
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' && i < len(path)-1 {
			return fault.Clean(path[i+1:], 60)
		}
	}
	return fault.Clean(path, 60)
}

// decodeOne reads one object or a list of one. The zero object: not there.
func decodeOne(a *transport.Answer) (record.Object, string) {
	body, what := a.JSON()
	if what != "" {
		return record.Object{}, what
	}
	if list, ok := array(body); ok {
		switch len(list) {
		case 0:
			return record.Object{}, ""
		case 1:
			body = bytes.TrimSpace(list[0])
		default:
			return record.Object{}, "a list of several records"
		}
	}
	if string(body) == "null" {
		return record.Object{}, ""
	}
	obj, err := record.ParseObject(body)
	if err != nil {
		return record.Object{}, "something else than a record"
	}
	return obj, ""
}

// decodeCreated finds the new id in the object, the list of one, or the bare
// number or text that a POST answers with.
func decodeCreated(a *transport.Answer, idField string) (int64, string) {
	body, what := a.JSON()
	if what != "" {
		return 0, what
	}
	if list, ok := array(body); ok {
		if len(list) != 1 {
			return 0, "a list that is not of one record"
		}
		body = bytes.TrimSpace(list[0])
	}
	if obj, err := record.ParseObject(body); err == nil {
		raw, ok := obj.Get(idField)
		if !ok {
			return 0, "a record without " + fault.Clean(idField, 60)
		}
		body = raw
	}
	if id, ok := positive(body); ok {
		return id, ""
	}
	return 0, "no id of a new record"
}

// positive reads a whole number above zero, bare or as text.
func positive(raw []byte) (int64, bool) {
	s := string(raw)
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		s = text
	}
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id > 0
}

func decodePage(a *transport.Answer, items string) ([]record.Object, string) {
	body, what := a.JSON()
	if what != "" {
		return nil, what
	}
	if items != "" && string(body) != "null" {
		obj, err := record.ParseObject(body)
		if err != nil {
			return nil, "something else than an object with a list"
		}
		raw, ok := obj.Get(items)
		if !ok {
			return nil, "an object without " + fault.Clean(items, 60)
		}
		body = raw
	}
	if string(body) == "null" {
		return nil, ""
	}
	list, ok := array(body)
	if !ok {
		return nil, "something else than a list"
	}
	page := make([]record.Object, 0, len(list))
	for _, raw := range list {
		obj, err := record.ParseObject(raw)
		if err != nil {
			return nil, "a list of something else than records"
		}
		page = append(page, obj)
	}
	return page, ""
}

func array(body []byte) ([]json.RawMessage, bool) {
	if len(body) == 0 || body[0] != '[' {
		return nil, false
	}
	var list []json.RawMessage
	return list, json.Unmarshal(body, &list) == nil
}
