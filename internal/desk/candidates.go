package desk

import (
	"context"

	"advosync/internal/mapping"
	"advosync/internal/record"
)

// Candidates calls fn with the id of every record that is linked or not clean,
// in ascending order of ids: what `check` and `diff` look at without --id.
func (d *Desk) Candidates(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	return d.ids(ctx, m, record.Condition{Op: record.Or, Any: []record.Condition{
		{Field: record.FieldAdvowareID, Op: record.IsNotNull},
		record.Unclean(),
	}}, fn)
}

// Unlinked calls fn with the id of every record that is not linked, in ascending
// order of ids.
func (d *Desk) Unlinked(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	return d.ids(ctx, m, record.Condition{Field: record.FieldAdvowareID, Op: record.IsNull}, fn)
}

func (d *Desk) ids(ctx context.Context, m *mapping.Mapping, where record.Condition, fn func(id string) error) error {
	return d.engine.EachEspoCRM(ctx, m, []string{record.FieldID}, []record.Condition{where}, func(page []record.Object) error {
		for _, o := range page {
			if err := fn(o.Plain(record.FieldID)); err != nil {
				return err
			}
		}
		return nil
	})
}
