package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/sync"
)

// Doubtful calls fn with the id of every record whose link waits to be confirmed,
// in ascending order. It asks the store alone: what EspoCRM shows of it may have
// been typed.
func (d *Desk) Doubtful(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	err := d.engine.Store.Scan(ctx, m.Entity(), store.ScanFilter{}, func(id string, mem store.Memory) error {
		if mem.Parked == nil || !mem.Parked.Doubtful {
			return nil
		}
		return fn(id)
	})
	if err == nil {
		return nil
	}
	return store.Fault("look for links in doubt", err)
}

// LookDoubtful names both sides of each link in doubt, in the order of their ids, for
// the operator alone. One that is none any more, because the record is gone or is
// linked to nothing, is left out. With an error come those that were read before it.
func (d *Desk) LookDoubtful(ctx context.Context, m *mapping.Mapping) ([]result.Doubt, error) {
	var ids []string
	err := d.Doubtful(ctx, m, func(id string) error {
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	links, err := d.linksOf(ctx, m, ids)
	if err != nil {
		return nil, err
	}
	found := make([]*result.Doubt, len(ids))
	err = d.lookAtMany(ctx, m, links, func(i int, q sync.Request, _ map[int64][]string) (err error) {
		q.EvenOnHold = true
		d.engine.Operate(ctx, q, true, func(ctx context.Context, r *sync.Record) error {
			found[i], err = doubt(ctx, r, m)
			return err
		})
		return err
	})
	var out []result.Doubt
	for _, one := range found {
		if one != nil {
			out = append(out, *one)
		}
	}
	return out, err
}

// doubt names both sides of a record's link in doubt; nil: it is none.
func doubt(ctx context.Context, r *sync.Record, m *mapping.Mapping) (*result.Doubt, error) {
	if err := r.Read(ctx); err != nil || r.Espo == nil || r.Espo.AdvowareID == 0 || r.Memory.Parked == nil {
		return nil, err
	}
	out := &result.Doubt{ID: r.Result.ID, AdvowareID: r.Espo.AdvowareID, Espocrm: naturalName(m, r.Espo.View)}
	err := r.ReadAdvoware(ctx, out.AdvowareID)
	if fault.Is(err, fault.NotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out.Advoware = naturalName(m, r.Advo.View)
	return out, nil
}

// naturalName is by what a person knows a record: EspoCRM's title and the natural
// key, as far as they have a value.
func naturalName(m *mapping.Mapping, v mapping.View) string {
	var parts []string
	for _, name := range slices.Concat([]string{m.Title()}, m.Match()) {
		for _, f := range m.Fields(v.Kind) {
			if text := v.Values[f.Key].Text(); f.Espo == name && !f.Clear && text != "" && !slices.Contains(parts, text) {
				parts = append(parts, text)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// Confirm takes an operator's word that a record and the one in Advoware that it
// is linked to are the same. The next sync compares them as any other two.
func (d *Desk) Confirm(ctx context.Context, m *mapping.Mapping, id string, dry bool) result.Record {
	return d.confirmOne(ctx, sync.Request{Mapping: m, ID: id}, nil, dry)
}

func (d *Desk) confirmOne(ctx context.Context, q sync.Request, made map[int64][]string, dry bool) result.Record {
	return d.engine.Operate(ctx, q, dry, func(ctx context.Context, r *sync.Record) error { return d.confirm(ctx, r, q, made, dry) })
}

// PlanConfirms is PlanLinks for Confirm.
func (d *Desk) PlanConfirms(ctx context.Context, m *mapping.Mapping, ids []string, fn func(i int, r result.Record) error) error {
	links, err := d.linksOf(ctx, m, ids)
	if err != nil {
		return err
	}
	return d.lookAtMany(ctx, m, links, func(i int, q sync.Request, made map[int64][]string) error {
		return fn(i, d.confirmOne(ctx, q, made, true))
	})
}

func (d *Desk) confirm(ctx context.Context, r *sync.Record, q sync.Request, made map[int64][]string, dry bool) error {
	if err := r.Read(ctx); err != nil {
		return err
	}
	switch {
	case r.Espo == nil:
		return r.UnknownRecord()
	case r.Espo.AdvowareID == 0:
		r.Skip("not_linked", "It is not linked to Advoware; there is no link to confirm.")
		return nil
	}
	id := r.Espo.AdvowareID
	if p := r.Memory.Parked; p != nil && p.Doubtful && p.AdvowareID != 0 && p.AdvowareID != id { // whoever has looked has seen another client
		return &fault.Error{System: fault.EspoCRM, Code: fault.Conflict, Owner: fault.OwnerRecord, Op: "confirm the link of " + r.What(), Field: record.FieldAdvowareID,
			Message: fmt.Sprintf("it was Advoware %d that nobody had proved, and is %d now", p.AdvowareID, id), Hint: "have it compared, then look at both names again: " + r.Hint("sync")}
	}
	if err := d.linkTarget(ctx, r, q, made, id); err != nil {
		return err
	}
	waits := r.Memory.Parked != nil && r.Memory.Parked.Doubtful
	if belief, err := r.Doubtful(ctx); err != nil {
		return err
	} else if belief == "" && !waits {
		r.Result.Outcome = result.Unchanged
		r.Say("link_proven", fmt.Sprintf("The link to Advoware %d needs no word.", id))
		return nil
	}
	r.Say("link_confirmed", fmt.Sprintf("The link to Advoware %d is confirmed; the next sync compares both sides.", id))
	r.Result.Verdict, r.Result.Outcome = result.Conflict, result.UpdatedEspocrm
	if dry {
		r.Result.Outcome, r.Result.Planned = result.Planned, result.UpdatedEspocrm
		return nil
	}
	return putConfirmed(ctx, r, waits)
}

// putConfirmed remembers the word, and gives the record the status from before the
// doubt, but none that would bury an edit.
func putConfirmed(ctx context.Context, r *sync.Record, waits bool) error {
	next, status := r.Memory, record.StatusDirty
	if waits && next.Parked.Was == record.StatusClean && r.Espo.Status == record.StatusConflict {
		if edited, err := r.Edited(ctx); err != nil { // since it waits
			return err
		} else if !edited {
			status = record.StatusClean
		}
	}
	next.Link = r.ConfirmedLink()
	if waits {
		next.Parked = nil
	}
	if err := r.Remember(ctx, next); err != nil {
		return err
	}
	if r.Espo.Status == status {
		return nil
	}
	_, err := r.Put(ctx, statusPatch(status), r.Espo.Version)
	if fault.Is(err, fault.Modified) { // somebody has saved it meanwhile, so it is not clean
		_, err = r.Put(ctx, statusPatch(record.StatusDirty), nil)
	}
	return err
}

// statusPatch is a PUT that changes nothing but the status.
func statusPatch(status string) record.Patch {
	p := record.Patch{}
	p.Put(record.FieldStatus, status)
	return p
}
