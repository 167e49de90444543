package desk

import (
	"context"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/store"
)

// Standing is how one record stands: EspoCRM's sync fields, and the last counted
// failure as far as the store knows it.
type Standing struct {
	ID         string
	AdvowareID int64
	Status     string
	Retries    int
	ModifiedAt string // EspoCRM's stamp
	Failure    *store.Failure
}

// FailedSince is when the record failed last: what the store knows, else when
// it was last touched in EspoCRM; zero when neither is known.
func (s Standing) FailedSince() time.Time {
	if s.Failure != nil && !s.Failure.At.IsZero() {
		return s.Failure.At
	}
	t, _ := time.Parse(record.StampLayout, s.ModifiedAt)
	return t
}

// ByStatus calls fn for every record in one of the statuses, in ascending order
// of ids.
func (d *Desk) ByStatus(ctx context.Context, m *mapping.Mapping, statuses []string, fn func(Standing) error) error {
	shown := []string{record.FieldID, record.FieldAdvowareID, record.FieldStatus, record.FieldRetryCount, record.FieldModifiedAt}
	where := []record.Condition{{Field: record.FieldStatus, Op: record.In, Values: statuses}}
	return d.engine.EachEspoCRM(ctx, m, shown, where, func(page []record.Object) error {
		found, err := d.standings(ctx, m, page)
		if err != nil {
			return err
		}
		for _, s := range found {
			if err := fn(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *Desk) standings(ctx context.Context, m *mapping.Mapping, page []record.Object) ([]Standing, error) {
	out := make([]Standing, len(page))
	ids := make([]string, len(page))
	for i, o := range page {
		s := &out[i]
		s.ID, _ = o.Text("id")
		s.AdvowareID, _ = o.Int(record.FieldAdvowareID)
		s.Status, _ = o.Text(record.FieldStatus)
		n, _ := o.Int(record.FieldRetryCount)
		s.Retries = int(n)
		s.ModifiedAt, _ = o.Text(record.FieldModifiedAt)
		ids[i] = s.ID
	}
	mems, err := d.engine.Store.LoadMany(ctx, m.Entity(), ids)
	if err != nil {
		return nil, store.Fault("load what is remembered", err)
	}
	for i := range out {
		out[i].Failure = mems[i].Failure
	}
	return out, nil
}
