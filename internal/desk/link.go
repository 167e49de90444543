package desk

import (
	"context"
	"fmt"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sync"
)

// LinkRequest asks to link one pair by hand.
type LinkRequest struct {
	Mapping    *mapping.Mapping
	ID         string
	AdvowareID int64
	// Force replaces a link that the record has already. An Advoware record that
	// another EspoCRM record carries is refused in any case.
	Force  bool
	DryRun bool

	made map[int64][]string // madeByInterrupted, where it is known already
}

// Link links one pair. Where the contents agree, both sides are in step from
// then on; else only the link is written, and the next sync decides as at any
// first contact. It ends a create that may have happened.
func (d *Desk) Link(ctx context.Context, q LinkRequest) result.Record {
	return d.linkOne(ctx, sync.Request{Mapping: q.Mapping, ID: q.ID}, q)
}

func (d *Desk) linkOne(ctx context.Context, req sync.Request, q LinkRequest) result.Record {
	return d.engine.Operate(ctx, req, q.DryRun, func(ctx context.Context, r *sync.Record) error { return d.link(ctx, r, q) })
}

// PlanLinks calls fn with what Link would do to each of these pairs, in any order;
// i is the pair's place. The records are read together, with lists. An error of fn
// ends it and is returned.
func (d *Desk) PlanLinks(ctx context.Context, m *mapping.Mapping, pairs []reconcile.Pair, fn func(i int, r result.Record) error) error {
	links := make([]linkPair, len(pairs))
	for i, p := range pairs {
		links[i] = linkPair{p.ID, p.Candidates[0]}
	}
	return d.lookAtMany(ctx, m, links, func(i int, req sync.Request, made map[int64][]string) error {
		return fn(i, d.linkOne(ctx, req, LinkRequest{Mapping: m, ID: req.ID, AdvowareID: links[i].number, DryRun: true, made: made}))
	})
}

func (d *Desk) link(ctx context.Context, r *sync.Record, q LinkRequest) error {
	if err := r.Read(ctx); err != nil {
		return err
	}
	if done, err := d.linkable(ctx, r, q); done || err != nil {
		return err
	}
	if r.Memory.Open != nil && !q.DryRun {
		again, err := r.AwaitOpen(ctx)
		if err != nil {
			return err
		}
		if again { // somebody may have edited, deleted or linked it meanwhile
			if done, err := d.linkable(ctx, r, q); done || err != nil {
				return err
			}
		}
	}
	found := compareForLink(r, q.Mapping)
	r.Result.Fields = found.Fields(q.DryRun)
	r.Result.Verdict = result.Initial
	if inStep(r, found) {
		r.Result.Verdict = result.NoChange
	}
	linkWords(r, found, q)
	if q.DryRun {
		r.Result.Planned, r.Result.Outcome = r.Result.Outcome, result.Planned
		return nil
	}
	return r.LinkTo(ctx, q.AdvowareID, found, inStep(r, found))
}

// linkable reads the Advoware record, and refuses a pair that may not be linked;
// done says that it is linked already.
func (d *Desk) linkable(ctx context.Context, r *sync.Record, q LinkRequest) (done bool, err error) {
	espo := r.Espo
	switch {
	case espo == nil:
		return false, r.UnknownRecord()
	case espo.AdvowareID == q.AdvowareID: // a create that is in doubt is settled by the next sync, which finds the link
		r.Result.Outcome = result.Unchanged
		r.Say("linked", fmt.Sprintf("It is linked to Advoware %d already.", q.AdvowareID))
		return true, nil
	case espo.AdvowareID != 0 && !q.Force:
		return false, &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + r.What(),
			Message: fmt.Sprintf("it is linked to Advoware %d already", espo.AdvowareID), Hint: "look at both in Advoware; --force replaces the link"}
	}
	return false, d.linkTarget(ctx, r, sync.Request{Mapping: q.Mapping, ID: q.ID}, q.made, q.AdvowareID)
}

// linkTarget reads the Advoware record, and refuses one that another EspoCRM
// record carries. made is madeByInterrupted; nil: not asked yet.
func (d *Desk) linkTarget(ctx context.Context, r *sync.Record, q sync.Request, made map[int64][]string, id int64) error {
	err := r.ReadAdvoware(ctx, id)
	if fault.Is(err, fault.NotFound) {
		hint := "check --advoware-id: it is " + q.Mapping.AdvoID() + " there"
		if r.Espo.AdvowareID == id { // nobody has typed it: it is the link that stands
			hint = "bring it back there, link the right one: " + r.Hint("link") + " --advoware-id N --force, or let sync.on_missing_in_advoware decide: " + r.Hint("sync")
		}
		return &fault.Error{System: fault.Advoware, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "link " + r.What(),
			Message: fmt.Sprintf("there is no record %d in Advoware", id), Hint: hint, Err: err}
	}
	if err != nil {
		return err
	}
	ids, err := r.Carriers(ctx, id)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + r.What(), Field: record.FieldAdvowareID,
			Message: fmt.Sprintf("Advoware %d belongs to %s %s already", id, q.Mapping.Entity(), strings.Join(ids, ", ")),
			Hint:    "one of the two is a double; merge them in EspoCRM, or remove the link from the wrong one first"}
	}
	return d.madeForAnother(ctx, r, q, made, id)
}

// madeForAnother refuses a record that another one's interrupted create is known
// to have made: the next sync of that one links it.
func (d *Desk) madeForAnother(ctx context.Context, r *sync.Record, q sync.Request, made map[int64][]string, id int64) (err error) {
	if made == nil {
		if made, err = d.madeByInterrupted(ctx, q.Mapping); err != nil {
			return err
		}
	}
	owner := ""
	for _, other := range made[id] {
		if other != q.ID {
			owner = other
		}
	}
	if owner == "" {
		return nil
	}
	if _, err := d.engine.EspoCRM.Get(ctx, q.Mapping.EspoType(), owner); fault.Is(err, fault.NotFound) {
		return nil // nobody waits for it
	} else if err != nil {
		return err
	}
	entity := q.Mapping.Entity()
	return &fault.Error{System: fault.Advoware, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + r.What(), Field: record.FieldAdvowareID,
		Message: fmt.Sprintf("an interrupted run made Advoware %d for %s %s, which is not linked yet", id, entity, owner),
		Hint:    fmt.Sprintf("advosync sync --entity %s --id %s", entity, owner)}
}

// compareForLink holds both sides against each other without any base.
func compareForLink(r *sync.Record, m *mapping.Mapping) reconcile.Decision {
	espo, advo := r.Espo, r.Advo
	return reconcile.Decide(reconcile.Input{Schema: m, Policy: reconcile.Merge, Espo: &espo.View, Advo: &advo.View, Linked: true, RowCurrent: advo.RowID})
}

func inStep(r *sync.Record, d reconcile.Decision) bool {
	return d.Verdict == result.NoChange && len(d.ToAdvo)+len(d.ToEspo) == 0 && len(r.Espo.View.Broken)+len(r.Advo.View.Broken) == 0
}

func linkWords(r *sync.Record, d reconcile.Decision, q LinkRequest) {
	r.Result.Outcome = result.UpdatedEspocrm
	text := fmt.Sprintf("Linked to Advoware %d. Contents differ (%s): the next sync takes EspoCRM's.", q.AdvowareID, changedNames(d))
	if inStep(r, d) {
		r.Result.Outcome = result.Adopted
		text = fmt.Sprintf("Linked to Advoware %d. Both sides agree.", q.AdvowareID)
	}
	r.Say("linked", text)
	if in := r.Memory.Open; in != nil && in.Makes {
		if in.AdvowareID != 0 && in.AdvowareID != q.AdvowareID {
			r.WarnLeftOver(r.Memory.Open)
		} else {
			r.Warn("the create that may have happened is taken as settled by this link")
		}
	}
}

func changedNames(d reconcile.Decision) string {
	var names []string
	for _, c := range d.Changes {
		names = append(names, reconcile.FieldName(c))
	}
	return strings.Join(names, ", ")
}
