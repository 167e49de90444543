package engine

import (
	"context"
	"encoding/json"
	"strconv"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// maxListPages stops a server that never answers with a short page.
const maxListPages = 100_000

// ListPage reads one page of Advoware's list, counted from the mapping's first
// page; last: no more pages follow.
func (e *Engine) ListPage(ctx context.Context, m *mapping.Mapping, page int) (objs []record.Object, last bool, err error) {
	l := m.List()
	params := map[string]string{}
	for k, v := range l.Params {
		params[k] = v
	}
	if l.Page != "" {
		params[l.Page] = strconv.Itoa(page)
	}
	if l.Size != "" && l.Max > 0 {
		params[l.Size] = strconv.Itoa(l.Max)
	}
	objs, err = e.Advoware.List(ctx, l.Path, params, l.Items)
	return objs, l.Page == "" || l.Max <= 0 || len(objs) < l.Max, err
}

// listAll calls fn for every record that Advoware lists. An incomplete listing
// is an error, never a short one.
func (e *Engine) listAll(ctx context.Context, m *mapping.Mapping, fn func(record.Object) error) error {
	for page := m.List().First; page < m.List().First+maxListPages; page++ {
		objs, last, err := e.ListPage(ctx, m, page)
		if err != nil {
			return err
		}
		for _, o := range objs {
			if err := fn(o); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
	return errEndlessList(m)
}

// highest is the highest Advoware id there is before a POST; 0 where the entity
// cannot list. The page it was last found on is remembered, so that this costs
// one call.
func (w *work) highest(ctx context.Context) (int64, error) {
	l := w.m.List()
	if l == nil {
		return 0, nil
	}
	key := "lastpage:" + w.key.Entity
	page := l.First
	if raw, ok, err := w.e.Store.Get(ctx, key); err == nil && ok {
		_ = json.Unmarshal(raw, &page)
	}
	var top int64
	for start := page; ; {
		objs, last, err := w.e.ListPage(ctx, w.m, page)
		if err != nil {
			return 0, err
		}
		for _, o := range objs {
			if id, ok := o.Int(w.m.AdvoID()); ok && id > top {
				top = id
			}
		}
		switch {
		case last && len(objs) == 0 && page > l.First && page <= start:
			page, start = page-1, page-1 // records were deleted: the last page moved
		case last:
			raw, _ := json.Marshal(page)
			return top, w.e.Store.Put(ctx, key, raw, 0)
		default:
			page++
		}
	}
}
