package engine

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
)

// Doubtful calls fn with the id of every record whose link waits to be confirmed,
// in ascending order. It asks the store alone: what EspoCRM shows of it may have
// been typed.
func (e *Engine) Doubtful(ctx context.Context, m *mapping.Mapping, fn func(id string) error) error {
	err := e.Store.Scan(ctx, m.Entity(), store.ScanFilter{}, func(id string, mem store.Memory) error {
		if mem.Parked == nil || !mem.Parked.Doubtful {
			return nil
		}
		return fn(id)
	})
	if err == nil {
		return nil
	}
	return storeFault("look for links in doubt", err)
}

// LookDoubtful names both sides of each link in doubt, in the order of their ids, for
// the operator alone. One that is none any more, because the record is gone or is
// linked to nothing, is left out. With an error come those that were read before it.
func (e *Engine) LookDoubtful(ctx context.Context, m *mapping.Mapping) ([]result.Doubt, error) {
	var ids []string
	err := e.Doubtful(ctx, m, func(id string) error {
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	links, err := e.linksOf(ctx, m, ids)
	if err != nil {
		return nil, err
	}
	found := make([]*result.Doubt, len(ids))
	err = e.lookAtMany(ctx, m, links, func(i int, q Request) (err error) {
		found[i], err = e.newWork(ctx, q).doubt(ctx)
		return err
	})
	var out []result.Doubt
	for _, d := range found {
		if d != nil {
			out = append(out, *d)
		}
	}
	return out, err
}

// doubt names both sides of a record's link in doubt; nil: it is none.
func (w *work) doubt(ctx context.Context) (*result.Doubt, error) {
	if err := w.load(ctx); err != nil {
		return nil, err
	}
	if err := w.readEspo(ctx); err != nil || w.espo == nil || w.espo.advowareID == 0 || w.mem.Parked == nil {
		return nil, err
	}
	d := &result.Doubt{ID: w.key.ID, AdvowareID: w.espo.advowareID, Espocrm: w.naturalName(w.espo.view)}
	if err := w.readAdvo(ctx); err != nil {
		return nil, err
	}
	if w.advo != nil {
		d.Advoware = w.naturalName(w.advo.view)
	}
	return d, nil
}

// naturalName is by what a person knows a record: EspoCRM's title and the natural
// key, as far as they have a value.
func (w *work) naturalName(v mapping.View) string {
	var parts []string
	for _, name := range slices.Concat([]string{w.m.Title()}, w.m.Match()) {
		for _, f := range w.m.Fields(v.Kind) {
			if text := v.Values[f.Key].Text(); f.Espo == name && !f.Clear && text != "" && !slices.Contains(parts, text) {
				parts = append(parts, text)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// Confirm takes an operator's word that a record and the one in Advoware that it
// is linked to are the same. The next sync compares them as any other two.
func (e *Engine) Confirm(ctx context.Context, m *mapping.Mapping, id string, dry bool) result.Record {
	return e.confirmOne(ctx, Request{Mapping: m, ID: id}, dry)
}

func (e *Engine) confirmOne(ctx context.Context, q Request, dry bool) result.Record {
	return e.repair(ctx, q, dry, func(ctx context.Context, w *work) error { return w.confirm(ctx, dry) })
}

// PlanConfirms is PlanLinks for Confirm.
func (e *Engine) PlanConfirms(ctx context.Context, m *mapping.Mapping, ids []string, fn func(i int, r result.Record) error) error {
	links, err := e.linksOf(ctx, m, ids)
	if err != nil {
		return err
	}
	return e.lookAtMany(ctx, m, links, func(i int, q Request) error { return fn(i, e.confirmOne(ctx, q, true)) })
}

func (w *work) confirm(ctx context.Context, dry bool) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readEspo(ctx); err != nil {
		return err
	}
	switch {
	case w.espo == nil:
		return w.unknownRecord()
	case w.espo.advowareID == 0:
		w.skip("not_linked", "It is not linked to Advoware; there is no link to confirm.")
		return nil
	}
	id := w.espo.advowareID
	if err := w.linkTarget(ctx, id); err != nil {
		return err
	}
	waits := w.mem.Parked != nil && w.mem.Parked.Doubtful
	if doubt, err := w.doubtful(ctx); err != nil {
		return err
	} else if doubt == "" && !waits {
		w.res.Outcome = result.Unchanged
		w.say("link_proven", fmt.Sprintf("The link to Advoware %d needs no word.", id))
		return nil
	}
	w.say("link_confirmed", fmt.Sprintf("The link to Advoware %d is confirmed; the next sync compares both sides.", id))
	w.res.Verdict, w.res.Outcome = result.Conflict, result.UpdatedEspocrm
	if dry {
		w.res.Outcome, w.res.Planned = result.Planned, result.UpdatedEspocrm
		return nil
	}
	return w.putConfirmed(ctx, id, waits)
}

// putConfirmed remembers the word, and gives the record the status from before the
// doubt, but none that would bury an edit.
func (w *work) putConfirmed(ctx context.Context, id int64, waits bool) (err error) {
	next, status := w.mem, StatusDirty
	if waits && w.mem.Parked.Was == StatusClean && w.espo.status == StatusConflict {
		if status, err = w.unedited(ctx, StatusClean); err != nil { // since it waits
			return err
		}
	}
	next.Link = &store.Link{AdvowareID: id, Key: keyPrint(w.m.MatchValues(w.advo.view, record.Advoware))}
	if waits {
		next.Parked = nil
	}
	w.closeEntry(result.UpdatedEspocrm)
	if err := w.commit(ctx, next); err != nil {
		return err
	}
	if w.espo.status == status {
		return nil
	}
	_, err = w.putEspo(ctx, statusPatch(status), w.espo.version)
	if fault.Is(err, fault.Modified) { // somebody has saved it meanwhile, so it is not clean
		_, err = w.putEspo(ctx, statusPatch(StatusDirty), nil)
	}
	return err
}
