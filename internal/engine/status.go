package engine

import (
	"context"
	"time"

	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Counter counts EspoCRM records; only `status` asks for it.
type Counter interface {
	Count(ctx context.Context, entityType string, where []record.Condition) (int, error)
}

// NoStatus is the key under which records without a syncStatus are counted.
const NoStatus = "none"

// Status counts one entity's records by status, as EspoCRM knows them.
func (e *Engine) Status(ctx context.Context, m *mapping.Mapping, c Counter) (result.EntityStatus, error) {
	out := result.EntityStatus{Entity: m.Entity(), Counts: map[string]int{}}
	for _, s := range Statuses() {
		n, err := c.Count(ctx, m.EspoType(), []record.Condition{{Field: fieldStatus, Op: record.Equals, Value: s}})
		if err != nil {
			return out, err
		}
		out.Counts[s] = n
	}
	n, err := c.Count(ctx, m.EspoType(), []record.Condition{{Field: fieldStatus, Op: record.IsNull}})
	if err != nil {
		return out, err
	}
	if n > 0 {
		out.Counts[NoStatus] = n
	}
	out.ConflictsWaiting = out.Counts[StatusConflict]
	out.OldestUnsynced, err = e.oldestUnsynced(ctx, m)
	return out, err
}

// oldestUnsynced is when the longest waiting record that is not clean was last
// changed, by EspoCRM's clock. Where a failed attempt was noted in EspoCRM the
// edit itself is older, never newer.
func (e *Engine) oldestUnsynced(ctx context.Context, m *mapping.Mapping) (*time.Time, error) {
	page, err := e.EspoCRM.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", fieldModifiedAt}, OrderBy: fieldModifiedAt, Size: 1,
		Where: []record.Condition{
			{Field: fieldStatus, Op: record.In, Values: []string{StatusDirty, StatusPending, StatusSyncing, StatusFailed, StatusConflict, StatusPermanentlyFailed}},
			{Field: fieldModifiedAt, Op: record.IsNotNull},
		}})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	stamp, _ := page[0].Text(fieldModifiedAt)
	t, err := time.Parse(stampFormat, stamp)
	if err != nil {
		return nil, nil
	}
	return &t, nil
}

// StatusFromStore is what the store alone knows, for when EspoCRM cannot be
// asked: failures, conflicts and interrupted runs. Everything else it
// remembers is counted as linked, for it may have been edited since.
func (e *Engine) StatusFromStore(ctx context.Context, m *mapping.Mapping) (result.EntityStatus, error) {
	out := result.EntityStatus{Entity: m.Entity(), Counts: map[string]int{}, FromStore: true}
	err := e.Store.Scan(ctx, m.Entity(), store.ScanFilter{}, func(_ string, mem store.Memory) error {
		switch {
		case mem.Parked != nil:
			out.Counts[StatusConflict]++
		case mem.Failure != nil && mem.Failure.Count >= e.cfg.MaxRetries:
			out.Counts[StatusPermanentlyFailed]++
		case mem.Failure != nil:
			out.Counts[StatusFailed]++
		case mem.Intent != nil:
			out.Counts[StatusSyncing]++
		default:
			out.Counts["remembered"]++
		}
		return nil
	})
	if err != nil {
		return out, storeFault("read what is remembered", err)
	}
	out.ConflictsWaiting = out.Counts[StatusConflict]
	return out, nil
}
