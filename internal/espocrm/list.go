package espocrm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/record"
	"advosync/internal/transport"
)

// search is the JSON of searchParams, the form in which a filter cannot be
// misread: as php-style parameters all values are texts, and long ones are cut.
type search struct {
	Select  []string `json:"select,omitempty"`
	Where   []item   `json:"where"`
	OrderBy string   `json:"orderBy"`
	Order   string   `json:"order"`
	MaxSize int      `json:"maxSize"`
}

// Find returns one page of records in ascending order; a page that is empty is
// behind the last one (record.Query.Each). A filter that can hold for no record costs no call.
func (c *Client) Find(ctx context.Context, entityType string, q record.Query) ([]record.Object, error) {
	r, err := c.typed("list", http.MethodGet, entityType)
	if err != nil {
		return nil, err
	}
	r.action = "read"
	s, v, err := c.searchFor(r, q)
	if err != nil || v == never {
		return nil, err
	}
	if r.query, err = encode(s); err != nil {
		return nil, c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, "the filter is not JSON")
	}
	r.header = http.Header{"X-No-Total": {"true"}}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	page, what := decodePage(a, s.MaxSize)
	if what == "" && q.After != nil && repeats(page, q) {
		what = "the page before, once more"
	}
	if what != "" {
		return nil, c.badAnswer(r, a, what)
	}
	return page, nil
}

func (c *Client) searchFor(r request, q record.Query) (search, verdict, error) {
	if q.Size == 0 {
		q.Size = MaxPage
	}
	if q.Size < 0 || q.Size > MaxPage {
		return search{}, ask, c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, fmt.Sprintf("a page of %d records was asked for, %d is the most", q.Size, MaxPage))
	}
	if q.OrderBy == "" {
		q.OrderBy = "id"
	}
	if q.FromEnd && q.After != nil {
		return search{}, ask, c.http.Fault(r.op, fault.Rejected, fault.OwnerSystem, "a page from the end was asked for, and behind a record")
	}
	conditions := q.Where
	if q.After != nil {
		conditions = append(slices.Clone(conditions), after(q.OrderBy, *q.After))
	}
	items, v := where(conditions)
	order := "asc"
	if q.FromEnd {
		order = "desc"
	}
	return search{Select: q.Select, Where: items, OrderBy: q.OrderBy, Order: order, MaxSize: q.Size}, v, nil
}

func encode(s search) (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	return "searchParams=" + strings.ReplaceAll(url.QueryEscape(string(b)), "+", "%20"), nil
}

// ByIDs reads the records with these ids, in the order of ids, with one call
// per hundred, and one more where some of them are not in its answer: a server may
// give fewer than it was asked for. Records that do not exist, or that our role may
// not read, are missing from the result. Where the module serves the type, it reads.
func (c *Client) ByIDs(ctx context.Context, entityType string, ids []string, fields []string) ([]record.Object, error) {
	found := make(map[string]record.Object, len(ids))
	for chunk := range slices.Chunk(ids, MaxIDs) {
		for _, id := range chunk {
			if err := c.http.CheckID("list "+fault.Clean(entityType, 60), id); err != nil {
				return nil, err
			}
		}
		if c.readsTogether(entityType) {
			read, err := c.readTogether(ctx, entityType, chunk, fields)
			if err != nil {
				return nil, err
			}
			maps.Copy(found, read)
			continue
		}
		for missing := slices.Clone(chunk); len(missing) > 0; {
			page, err := c.Find(ctx, entityType, record.Query{
				Where: []record.Condition{{Field: "id", Op: record.In, Values: missing}}, Select: fields, Size: MaxPage,
			})
			if err != nil {
				return nil, err
			}
			if len(page) == 0 {
				break
			}
			for _, obj := range page {
				id, _ := obj.Text("id")
				if !slices.Contains(missing, id) {
					return nil, c.badAnswer(request{op: "list " + entityType, method: http.MethodGet},
						&transport.Answer{Status: http.StatusOK}, "a record that was not asked for")
				}
				found[id] = obj
			}
			missing = slices.DeleteFunc(missing, func(id string) bool { _, ok := found[id]; return ok })
		}
	}
	out := make([]record.Object, 0, len(found))
	for _, id := range ids {
		if obj, ok := found[id]; ok {
			out = append(out, obj)
			delete(found, id)
		}
	}
	return out, nil
}

// decodePage reads {"total", "list"}. A page that is empty, and says that there are
// more records, is an error: a listing that is not complete must not look like
// deletions.
func decodePage(a *transport.Answer, size int) ([]record.Object, string) {
	body, what := a.JSON()
	if what != "" {
		return nil, what
	}
	var page struct {
		Total *int64            `json:"total"`
		List  []json.RawMessage `json:"list"`
	}
	if err := json.Unmarshal(body, &page); err != nil || page.List == nil {
		return nil, "something else than a list of records"
	}
	if len(page.List) > size {
		return nil, "more records than asked for"
	}
	if len(page.List) == 0 && page.Total != nil && (*page.Total == -1 || *page.Total > 0) {
		return nil, "an incomplete page"
	}
	out := make([]record.Object, 0, len(page.List))
	for _, raw := range page.List {
		obj, err := record.ParseObject(raw)
		if err != nil {
			return nil, "a list of something else than records"
		}
		if id, _ := obj.Text("id"); id == "" {
			return nil, "a record without id"
		}
		out = append(out, obj)
	}
	return out, ""
}

// repeats: the page holds the record behind which it was asked for, where that stood then.
// One that was saved since may have moved behind it.
func repeats(page []record.Object, q record.Query) bool {
	return slices.ContainsFunc(page, func(o record.Object) bool {
		got, _ := o.Text("id")
		return got == q.After.ID && (q.OrderBy == "" || q.OrderBy == "id" || o.Plain(q.OrderBy) == q.After.Value)
	})
}
