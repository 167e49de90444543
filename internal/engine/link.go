package engine

import (
	"context"
	"fmt"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
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
}

// Link links one pair. Where the contents agree, both sides are in step from
// then on; else only the link is written, and the next sync decides as at any
// first contact. It ends a create that may have happened (R7).
func (e *Engine) Link(ctx context.Context, r LinkRequest) result.Record {
	return e.linkOne(ctx, Request{Mapping: r.Mapping, ID: r.ID}, r)
}

func (e *Engine) linkOne(ctx context.Context, q Request, r LinkRequest) result.Record {
	return e.repair(ctx, q, r.DryRun, func(ctx context.Context, w *work) error { return w.link(ctx, r) })
}

// PlanLinks calls fn with what Link would do to each of these pairs, in any order;
// i is the pair's place. The records are read together, with lists. An error of fn
// ends it and is returned.
func (e *Engine) PlanLinks(ctx context.Context, m *mapping.Mapping, pairs []reconcile.Pair, fn func(i int, r result.Record) error) error {
	links := make([]linkPair, len(pairs))
	for i, p := range pairs {
		links[i] = linkPair{p.ID, p.Candidates[0]}
	}
	return e.lookAtMany(ctx, m, links, func(i int, q Request) error {
		return fn(i, e.linkOne(ctx, q, LinkRequest{Mapping: m, ID: q.ID, AdvowareID: links[i].number, DryRun: true}))
	})
}

func (w *work) link(ctx context.Context, r LinkRequest) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if err := w.readEspo(ctx); err != nil {
		return err
	}
	if done, err := w.linkable(ctx, r); done || err != nil {
		return err
	}
	if in := w.mem.Open; in != nil && !r.DryRun {
		seen := w.espo
		if err := w.waitForDeadline(ctx, in); err != nil {
			return err
		}
		if w.espo != seen { // somebody may have edited, deleted or linked it meanwhile
			if done, err := w.linkable(ctx, r); done || err != nil {
				return err
			}
		}
	}
	d := w.compareForLink()
	w.res.Fields = resultFields(d, r.DryRun)
	w.res.Verdict = result.Initial
	if w.inStep(d) {
		w.res.Verdict = result.NoChange
	}
	w.linkWords(d, r)
	if r.DryRun {
		w.res.Planned, w.res.Outcome = w.res.Outcome, result.Planned
		return nil
	}
	return w.setLink(ctx, r, d)
}

// linkable reads the Advoware record, and refuses a pair that may not be linked;
// done says that it is linked already.
func (w *work) linkable(ctx context.Context, r LinkRequest) (done bool, err error) {
	switch {
	case w.espo == nil:
		return false, &fault.Error{System: fault.EspoCRM, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "read " + w.what(),
			Message: "there is no such record in EspoCRM", Hint: "check the id; it is the last part of the record's address in EspoCRM"}
	case w.espo.advowareID == r.AdvowareID:
		w.linkedAlready(r)
		return true, nil
	case w.espo.advowareID != 0 && !r.Force:
		return false, &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(),
			Message: fmt.Sprintf("it is linked to Advoware %d already", w.espo.advowareID), Hint: "look at both in Advoware; --force replaces the link"}
	}
	return false, w.linkTarget(ctx, r.AdvowareID)
}

// linkedAlready: there is nothing to do. A create that is in doubt is settled by
// the next sync, which finds the link.
func (w *work) linkedAlready(r LinkRequest) {
	w.res.Outcome = result.Unchanged
	w.say("linked", fmt.Sprintf("It is linked to Advoware %d already.", r.AdvowareID))
}

// linkTarget reads the Advoware record, and refuses one that another EspoCRM
// record carries.
func (w *work) linkTarget(ctx context.Context, id int64) error {
	s, err := w.getAdvo(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return &fault.Error{System: fault.Advoware, Code: fault.NotFound, Owner: fault.OwnerRecord, Op: "link " + w.what(),
			Message: fmt.Sprintf("there is no record %d in Advoware", id), Hint: "check --advoware-id: it is " + w.m.AdvoID() + " there", Err: err}
	}
	if err != nil {
		return err
	}
	w.advo = s
	w.res.AdvowareID = &id
	w.res.RowID.Current = s.row
	ids, err := w.carriers(ctx, id)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return &fault.Error{System: fault.EspoCRM, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(), Field: fieldAdvowareID,
			Message: fmt.Sprintf("Advoware %d belongs to %s %s already", id, w.key.Entity, strings.Join(ids, ", ")),
			Hint:    "one of the two is a double; merge them in EspoCRM, or remove the link from the wrong one first"}
	}
	return w.madeForAnother(ctx, id)
}

// madeForAnother refuses a record that another one's interrupted create is known
// to have made: the next sync of that one links it.
func (w *work) madeForAnother(ctx context.Context, id int64) error {
	var made map[int64][]string
	if s := w.req.sight; s != nil {
		made = s.made
	} else {
		var err error
		if made, err = w.e.madeByInterrupted(ctx, w.m); err != nil {
			return err
		}
	}
	owner := ""
	for _, other := range made[id] {
		if other != w.key.ID {
			owner = other
		}
	}
	if owner == "" {
		return nil
	}
	if _, err := w.e.EspoCRM.Get(ctx, w.m.EspoType(), owner); fault.Is(err, fault.NotFound) {
		return nil // nobody waits for it
	} else if err != nil {
		return err
	}
	return &fault.Error{System: fault.Advoware, Code: fault.Duplicate, Owner: fault.OwnerRecord, Op: "link " + w.what(), Field: fieldAdvowareID,
		Message: fmt.Sprintf("an interrupted run made Advoware %d for %s %s, which is not linked yet", id, w.key.Entity, owner),
		Hint:    fmt.Sprintf("advosync sync --entity %s --id %s", w.key.Entity, owner)}
}

// compareForLink holds both sides against each other without any base.
func (w *work) compareForLink() reconcile.Decision {
	return reconcile.Decide(reconcile.Input{Schema: w.m, Policy: reconcile.Merge, Espo: &w.espo.view, Advo: &w.advo.view, Linked: true, RowCurrent: w.advo.row})
}

func (w *work) inStep(d reconcile.Decision) bool {
	return d.Verdict == result.NoChange && len(d.ToAdvo)+len(d.ToEspo) == 0 && len(w.espo.view.Broken)+len(w.advo.view.Broken) == 0
}

func (w *work) linkWords(d reconcile.Decision, r LinkRequest) {
	w.res.Outcome = result.UpdatedEspocrm
	text := fmt.Sprintf("Linked to Advoware %d. Contents differ (%s): the next sync takes EspoCRM's.", r.AdvowareID, changedNames(d))
	if w.inStep(d) {
		w.res.Outcome = result.Adopted
		text = fmt.Sprintf("Linked to Advoware %d. Both sides agree.", r.AdvowareID)
	}
	w.say("linked", text)
	if in := w.mem.Open; in != nil && in.Makes {
		if in.AdvowareID != 0 && in.AdvowareID != r.AdvowareID {
			w.warnLeftOver(in)
		} else {
			w.warn("the create that may have happened is taken as settled by this link")
		}
	}
}

// warnLeftOver names what a create has made for a record that is linked to another
// one.
func (w *work) warnLeftOver(in *store.Announcement) {
	w.warn("Advoware %d was created for this record and is linked to nothing now", in.AdvowareID)
}

func changedNames(d reconcile.Decision) string {
	var names []string
	for _, c := range d.Changes {
		names = append(names, reconcile.FieldName(c))
	}
	return strings.Join(names, ", ")
}

// setLink writes the link first: a crash before the memory follows leaves a
// linked record without base, which the next sync treats as a first contact.
func (w *work) setLink(ctx context.Context, r LinkRequest, d reconcile.Decision) error {
	if in := w.mem.Open; in != nil {
		w.owe(in)
		w.closeRun(ctx, in, bySide(createState(in, r.AdvowareID), store.WriteNotDone))
		if w.closeErr != nil {
			return w.closeErr
		}
		w.recovered = true
	}
	p := record.Patch{}
	next := store.Memory{Rev: w.mem.Rev, Notes: w.mem.Notes}
	w.linkID = r.AdvowareID
	if w.inStep(d) {
		w.base = nil
		w.agree(d)
		full, base, err := w.planFinal(reconcile.Decision{Kind: d.Kind})
		if err != nil {
			return err
		}
		p, next.Base, next.CheckedAt = full, base, w.e.Now()
	} else {
		next.WaitsSince = w.mem.WaitsSince
		p.Put(fieldRowID, nil)
		p.Put(fieldLastSync, nil)
		if w.espo.status == StatusConflict { // of the link before
			p.Put(fieldStatus, StatusDirty)
		}
	}
	p.Put(fieldAdvowareID, r.AdvowareID)
	o, err := w.putEspo(ctx, p, w.espo.version)
	if err != nil {
		return w.clash500(ctx, err)
	}
	if refused := notTaken(p, o); len(refused) > 0 {
		return w.notAccepted(fault.EspoCRM, refused)
	}
	w.res.RowID.After, _ = o.Text(fieldRowID)
	w.closeEntry(w.res.Outcome)
	return w.commit(ctx, next)
}

// createState is what a link says about an uncertain create.
func createState(in *store.Announcement, id int64) store.WriteState {
	if in.Makes && in.AdvowareID == id {
		return store.WriteDone
	}
	return store.WriteUnknown
}
