package desk

import (
	"context"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// ResolveRequest is an operator's decision on a conflict that waits.
type ResolveRequest struct {
	Mapping *mapping.Mapping
	ID      string
	// Take decides by field key, "*" for all that differ on both sides.
	Take map[string]record.Side
	// Shown are the contents that the operator has decided on, as PlanResolve has told
	// them; "": nothing was shown to him.
	Shown string
}

// PlanResolve says what Resolve would do, and which contents that rests on.
func (d *Desk) PlanResolve(ctx context.Context, q ResolveRequest) result.Record {
	return d.engine.Plan(ctx, sync.Request{Mapping: q.Mapping, ID: q.ID, Policy: reconcile.Asked, Taken: q.Take})
}

// Resolve decides a conflict that waits, and syncs the record. It is decided on
// the contents that were parked, and shown: where they have changed since, by a pass
// that has parked them anew, too, the question is asked anew instead. A clash for which no side is taken waits on.
func (d *Desk) Resolve(ctx context.Context, q ResolveRequest) result.Record {
	req := sync.Request{Mapping: q.Mapping, ID: q.ID, Policy: reconcile.Asked}
	return d.engine.Operate(ctx, req, false, func(ctx context.Context, r *sync.Record) error { return r.Resolve(ctx, q.Take, q.Shown) })
}

// FieldKeys finds the mapping's fields by the name that an operator gives: the
// one in EspoCRM, in Advoware, or the key.
func FieldKeys(m *mapping.Mapping, name string) []string {
	if name == reconcile.KindKey || name == "kind" && len(m.Kinds()) > 0 {
		return []string{reconcile.KindKey}
	}
	var keys []string
	for _, f := range m.AllFields() {
		if !f.Clear && !f.Computed && (f.Key == name || f.Espo == name || f.Advo == name) {
			keys = append(keys, f.Key)
		}
	}
	return keys
}

// FieldNames are the names under which a conflict can be decided, sorted.
func FieldNames(m *mapping.Mapping) []string {
	var names []string
	for _, f := range m.AllFields() {
		if !f.Clear && !f.Computed && f.Espo != "" && !slices.Contains(names, f.Espo) {
			names = append(names, f.Espo)
		}
	}
	if len(m.Kinds()) > 0 {
		names = append(names, "kind")
	}
	slices.Sort(names)
	return names
}

// Waiting calls fn with the id of every record whose conflict waits, in
// ascending order.
func (d *Desk) Waiting(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	return d.ByStatus(ctx, m, []string{record.StatusConflict}, func(s Standing) error { return fn(s.ID) })
}
