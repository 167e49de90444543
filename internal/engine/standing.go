package engine

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
	t, _ := time.Parse(stampFormat, s.ModifiedAt)
	return t
}

// Statuses are the values of syncStatus.
func Statuses() []string {
	return []string{StatusClean, StatusDirty, StatusPending, StatusSyncing, StatusFailed, StatusConflict, StatusPermanentlyFailed}
}

// ByStatus calls fn for every record in one of the statuses, in ascending order
// of ids.
func (e *Engine) ByStatus(ctx context.Context, m *mapping.Mapping, statuses []string, fn func(Standing) error) error {
	q := record.Query{Select: []string{"id", fieldAdvowareID, fieldStatus, fieldRetryCount, fieldModifiedAt}, OrderBy: "id", Size: pageSize,
		Where: []record.Condition{{Field: fieldStatus, Op: record.In, Values: statuses}}}
	return e.eachPage(ctx, m, q, func(page []record.Object) error {
		found, err := e.standings(ctx, m, page)
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

func (e *Engine) standings(ctx context.Context, m *mapping.Mapping, page []record.Object) ([]Standing, error) {
	out := make([]Standing, len(page))
	ids := make([]string, len(page))
	for i, o := range page {
		s := &out[i]
		s.ID, _ = o.Text("id")
		s.AdvowareID, _ = o.Int(fieldAdvowareID)
		s.Status, _ = o.Text(fieldStatus)
		n, _ := o.Int(fieldRetryCount)
		s.Retries = int(n)
		s.ModifiedAt, _ = o.Text(fieldModifiedAt)
		ids[i] = s.ID
	}
	mems, err := e.Store.LoadMany(ctx, m.Entity(), ids)
	if err != nil {
		return nil, storeFault("load what is remembered", err)
	}
	for i := range out {
		out[i].Failure = mems[i].Failure
	}
	return out, nil
}
