package engine

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// pageSize is the largest page that EspoCRM gives.
const pageSize = 200

// Candidates calls fn with the id of every record that is linked or not clean,
// in ascending order of ids: what `check` and `diff` look at without --id.
func (e *Engine) Candidates(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	return e.ids(ctx, m, record.Condition{Op: record.Or, Any: []record.Condition{
		{Field: fieldAdvowareID, Op: record.IsNotNull},
		uncleanCondition(),
	}}, fn)
}

// Unlinked calls fn with the id of every record that is not linked, in ascending
// order of ids.
func (e *Engine) Unlinked(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	return e.ids(ctx, m, record.Condition{Field: fieldAdvowareID, Op: record.IsNull}, fn)
}

func (e *Engine) ids(ctx context.Context, m *mapping.Mapping, where record.Condition, fn func(id string) error) error {
	q := record.Query{Select: []string{"id"}, OrderBy: "id", Size: pageSize, Where: []record.Condition{where}}
	return e.eachPage(ctx, m, q, func(page []record.Object) error {
		for _, o := range page {
			id, _ := o.Text("id")
			if err := fn(id); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachPage calls fn with every page of a list of EspoCRM's.
func (e *Engine) eachPage(ctx context.Context, m *mapping.Mapping, q record.Query, fn func(page []record.Object) error) error {
	return q.Each(func(q record.Query) ([]record.Object, error) { return e.EspoCRM.Find(ctx, m.EspoType(), q) }, fn)
}

// maxListText is the length from which EspoCRM cuts texts in lists, in
// characters.
const maxListText = 10_000

// MayBeCut reports whether a record out of a list of EspoCRM's may hold a text that
// was cut, or lacks what lists leave out: several addresses and numbers.
func MayBeCut(m *mapping.Mapping, o record.Object) bool {
	return len(o.Bytes()) >= maxListText && holdsLong(o) || !m.Listed(o)
}

// holdsLong looks for a text of maxListText characters or more.
func holdsLong(o record.Object) bool {
	var members map[string]any
	if json.Unmarshal(o.Bytes(), &members) != nil {
		return true
	}
	for _, v := range members {
		if s, ok := v.(string); ok && utf8.RuneCountInString(s) >= maxListText {
			return true
		}
	}
	return false
}
