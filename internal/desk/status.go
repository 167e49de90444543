package desk

import (
	"context"
	"slices"
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
func (d *Desk) Status(ctx context.Context, m *mapping.Mapping, c Counter) (result.EntityStatus, error) {
	out := result.EntityStatus{Entity: m.Entity(), Counts: map[string]int{}}
	for _, s := range record.Statuses() {
		n, err := c.Count(ctx, m.EspoType(), []record.Condition{{Field: record.FieldStatus, Op: record.Equals, Value: s}})
		if err != nil {
			return out, err
		}
		out.Counts[s] = n
	}
	n, err := c.Count(ctx, m.EspoType(), []record.Condition{{Op: record.Or, Any: []record.Condition{
		{Field: record.FieldStatus, Op: record.IsNull}, {Field: record.FieldStatus, Op: record.In, Values: []string{""}}}}})
	if err != nil {
		return out, err
	}
	if n > 0 {
		out.Counts[NoStatus] = n
	}
	out.ConflictsWaiting = out.Counts[record.StatusConflict]
	out.OldestUnsynced, err = d.oldestUnsynced(ctx, m)
	return out, err
}

// oldestUnsynced is when the oldest edit was made that is not synced, by
// EspoCRM's clock. Our own notes move modifiedAt on, so what the store remembers
// of such records counts too.
func (d *Desk) oldestUnsynced(ctx context.Context, m *mapping.Mapping) (*time.Time, error) {
	page, err := d.engine.EspoCRM.Find(ctx, m.EspoType(), record.Query{Select: []string{"id", record.FieldModifiedAt}, OrderBy: record.FieldModifiedAt, Size: 1,
		Where: []record.Condition{record.Unclean(), {Field: record.FieldModifiedAt, Op: record.IsNotNull}}})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	stamp, _ := page[0].Text(record.FieldModifiedAt)
	shown, err := time.Parse(record.StampLayout, stamp)
	if err != nil {
		return nil, nil
	}
	waiting, err := d.waitingBefore(ctx, m, shown)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(waiting, 100) {
		since, err := d.firstUnclean(ctx, m, chunk)
		if since != nil || err != nil {
			return since, err
		}
	}
	return &shown, nil
}

// firstUnclean is since when the first of the records waits that EspoCRM still
// shows as not in step; nil: none of them.
func (d *Desk) firstUnclean(ctx context.Context, m *mapping.Mapping, of []waitingRecord) (*time.Time, error) {
	var ids []string
	for _, x := range of {
		ids = append(ids, x.id)
	}
	var since *time.Time
	where := []record.Condition{record.Unclean(), {Field: record.FieldID, Op: record.In, Values: ids}}
	err := d.engine.EachEspoCRM(ctx, m, []string{record.FieldID}, where, func(page []record.Object) error {
		for _, o := range page {
			i := slices.IndexFunc(of, func(x waitingRecord) bool { return x.id == o.Plain("id") })
			if i >= 0 && (since == nil || of[i].since.Before(*since)) {
				since = &of[i].since
			}
		}
		return nil
	})
	return since, err
}

type waitingRecord struct {
	id    string
	since time.Time
}

// waitingBefore lists what the store knows to wait since before t, oldest first.
func (d *Desk) waitingBefore(ctx context.Context, m *mapping.Mapping, t time.Time) ([]waitingRecord, error) {
	var out []waitingRecord
	err := d.engine.Store.Scan(ctx, m.Entity(), store.ScanFilter{WithWaiting: true}, func(id string, mem store.Memory) error {
		if mem.WaitsSince.Before(t) {
			out = append(out, waitingRecord{id, mem.WaitsSince})
		}
		return nil
	})
	if err != nil {
		return nil, store.Fault("read what is remembered", err)
	}
	slices.SortFunc(out, func(a, b waitingRecord) int { return a.since.Compare(b.since) })
	return out, nil
}

// StatusFromStore is what the store alone knows, for when EspoCRM cannot be
// asked: failures, conflicts and interrupted runs. Everything else it
// remembers is counted as linked, for it may have been edited since.
func (d *Desk) StatusFromStore(ctx context.Context, m *mapping.Mapping) (result.EntityStatus, error) {
	out := result.EntityStatus{Entity: m.Entity(), Counts: map[string]int{}, FromStore: true}
	err := d.engine.Store.Scan(ctx, m.Entity(), store.ScanFilter{}, func(_ string, mem store.Memory) error {
		if t := mem.WaitsSince; !t.IsZero() && (out.OldestUnsynced == nil || t.Before(*out.OldestUnsynced)) {
			out.OldestUnsynced = &t
		}
		switch {
		case mem.Parked != nil:
			out.Counts[record.StatusConflict]++
		case mem.Failure != nil && mem.Failure.Count >= d.engine.Config().MaxRetries:
			out.Counts[record.StatusPermanentlyFailed]++
		case mem.Failure != nil:
			out.Counts[record.StatusFailed]++
		case mem.Open != nil:
			out.Counts[record.StatusSyncing]++
		default:
			out.Counts["remembered"]++
		}
		return nil
	})
	if err != nil {
		return out, store.Fault("read what is remembered", err)
	}
	out.ConflictsWaiting = out.Counts[record.StatusConflict]
	return out, nil
}
