package engine

import (
	"context"

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
	for {
		page, err := e.EspoCRM.Find(ctx, m.EspoType(), q)
		if err != nil {
			return err
		}
		for _, o := range page {
			id, _ := o.Text("id")
			if err := fn(id); err != nil {
				return err
			}
			q.After = &record.Cursor{Value: id, ID: id}
		}
		if len(page) < q.Size {
			return nil
		}
	}
}
