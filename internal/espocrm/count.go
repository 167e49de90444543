package espocrm

import (
	"context"
	"encoding/json"
	"net/http"

	"advosync/internal/fault"
	"advosync/internal/record"
)

// Count is how many records there are that meet all conditions: one small list
// call with a total. Where the administrator has switched totals off for the
// type, the ids are paged through instead.
func (c *Client) Count(ctx context.Context, entityType string, conditions []record.Condition) (int, error) {
	r, err := c.typed("count", http.MethodGet, entityType)
	if err != nil {
		return 0, err
	}
	r.action = "read"
	s, v, err := c.searchFor(r, record.Query{Where: conditions, Select: []string{"id"}, Size: 1})
	if err != nil || v == never {
		return 0, err
	}
	if r.query, err = encode(s); err != nil {
		return 0, c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, "the filter is not JSON")
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	body, what := a.JSON()
	var page struct {
		Total *int            `json:"total"`
		List  json.RawMessage `json:"list"`
	}
	if what == "" && (json.Unmarshal(body, &page) != nil || page.Total == nil || page.List == nil) {
		what = "something else than a list with a total"
	}
	if what != "" {
		return 0, c.badAnswer(r, a, what)
	}
	if *page.Total < 0 { // -1: more, -2: no more, but nobody counted
		return c.countPages(ctx, entityType, conditions)
	}
	return *page.Total, nil
}

func (c *Client) countPages(ctx context.Context, entityType string, conditions []record.Condition) (int, error) {
	n := 0
	q := record.Query{Where: conditions, Select: []string{"id"}, Size: MaxPage}
	err := q.Each(func(q record.Query) ([]record.Object, error) { return c.Find(ctx, entityType, q) },
		func(page []record.Object) error { n += len(page); return nil })
	return n, err
}
