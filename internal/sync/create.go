package sync

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// create makes the record in Advoware: announce, POST, remember the id, read
// back, link, and go on as with any linked record.
func (w *work) create(ctx context.Context) (done bool, err error) {
	if w.req.Action == ActionUpdate {
		return false, &fault.Error{System: fault.EspoCRM, Code: fault.NotLinked, Owner: fault.OwnerRecord, Op: "update " + w.What(),
			Message: "the record is not linked to Advoware", Hint: w.Hint("sync") + " --action create"}
	}
	if why, err := w.holds(ctx); err != nil {
		return false, err
	} else if why != nil {
		return true, w.hold(ctx, *why)
	}
	if err := w.KeepOrigin(ctx); err != nil {
		return false, err
	}
	if w.e.cfg.MarkSyncing {
		if err := w.Mark(ctx); err != nil {
			return false, err
		}
		if w.Espo.AdvowareID != 0 && w.Espo.AdvowareID != w.Did.PrevID {
			return false, nil // linked meanwhile
		}
	}
	d, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if w.Did.PrevID != 0 {
		w.Result.Verdict = result.MissingInAdvoware
	}
	if found, err := w.lookFirst(ctx, d); found || err != nil {
		return false, err
	}
	return w.post(ctx, d)
}

// post sends the new record. Whatever becomes of it, the announcement says what to
// look for.
func (w *work) post(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	obj, err := w.Overlay(record.Object{}, d.ToAdvo)
	if err != nil {
		return false, err
	}
	in := w.Announcement(record.Advoware, d)
	in.Makes, in.Match = true, w.Mapping.MatchValues(w.Espo.View, record.EspoCRM)
	if in.Highest, err = w.e.Highest(ctx, w.Mapping); err != nil {
		return false, err
	}
	if prev := w.Did.PrevID; prev != 0 { // the read that found it gone is some requests old
		if err := w.CameBack(ctx, prev); err != nil {
			return false, err
		}
		if w.Did.PrevID == 0 {
			w.Result.Verdict, w.Result.Reason = "", result.Reason{}
			return false, nil
		}
	}
	if err := w.e.Advoware.Ready(ctx, w.Mapping.ReadPath()); err != nil {
		return false, err
	}
	if err := w.announce(ctx, in, d); err != nil {
		return false, err
	}
	var id int64
	if err := w.Send(ctx, func(ctx context.Context) (err error) {
		id, err = w.e.Advoware.Create(ctx, w.Mapping.CreatePath(), w.Mapping.AdvoID(), obj)
		return err
	}); err != nil {
		return false, err
	}
	w.Did.Created, w.Did.LinkID = true, id
	w.Result.AdvowareID = &id
	known := *in
	known.AdvowareID, known.Deadline = id, time.Time{}
	tell.Created(w.History(), d, w.Did.Attempt)
	next := w.Memory
	next.Open = &known
	if err := w.Commit(ctx, next); err != nil {
		return false, err
	}
	if err := w.ReadBack(ctx); err != nil {
		return false, err
	}
	if w.WasThere(in, w.Advo) {
		return false, w.notOurs(ctx, in, id)
	}
	if err := w.advance(d.ToAdvo, &sides.Advo{ID: id}, w.Advo); err != nil {
		return false, err
	}
	return w.putLink(ctx)
}

// notOurs forgets the number that the answer named: it is another client's, and a link to
// it would carry the one's values over the other's. What the POST has made, if anything,
// is looked for by the next run.
func (w *work) notOurs(ctx context.Context, in *store.Announcement, id int64) error {
	if err := w.CarriedElsewhere(ctx, id, nil); err != nil {
		return err
	}
	w.Did.Created, w.Did.LinkID, w.Advo, w.Result.AdvowareID = false, 0, nil, nil
	unknown := *in
	unknown.AdvowareID, unknown.Deadline = 0, time.Time{}
	next := w.Memory
	next.Open = &unknown
	if w.Lease != nil {
		if err := w.Commit(ctx, next); err != nil {
			return err
		}
	}
	why := "it was there before"
	if in.Highest == 0 {
		why = "it shows another " + strings.Join(w.Mapping.Match(), ", ")
	}
	return w.CreateDoubt(fmt.Sprintf("Advoware has answered the create with the number %d of another record: %s", id, why), nil)
}

// putLink tells EspoCRM which record of Advoware is this one, before anything else of
// it is written; from then on it is a record like any other. Where both sides are in
// step the same PUT says so.
func (w *work) putLink(ctx context.Context) (done bool, err error) {
	if err := w.LinkedElsewhere(); err != nil {
		return false, err
	}
	d, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if len(d.ToAdvo) > 0 { // it shows something else: Advoware may have answered with the number of another client
		if err := w.CarriedElsewhere(ctx, w.Did.LinkID, nil); err != nil {
			return false, err
		}
	}
	inStep := (d.Action == reconcile.None || d.Action == reconcile.Adopt) && !w.by.stuck.Any()
	p, base := record.Patch{}, w.InForce()
	if base == nil {
		base = sides.Clone(nil)
		base.Mapping, base.AdvowareID, base.StoredAt = w.Mapping.Fingerprint(), w.Did.LinkID, w.e.Now()
	}
	if inStep {
		if p, base, err = w.PlanEspo(d, true); err != nil {
			return false, err
		}
	}
	if base.RowID == "" {
		p.Put(record.FieldRowID, nil)
	}
	p.Put(record.FieldAdvowareID, w.Did.LinkID)
	began := w.e.Now()
	o, err := w.PutEspo(ctx, p, w.Espo.Version)
	switch {
	case fault.Is(err, fault.Modified):
		return false, w.StillOurs(ctx)
	case err != nil:
		return false, w.Clash500(ctx, err)
	}
	if refused := session.NotTaken(p, o); len(refused) > 0 {
		return false, w.NotAccepted(fault.EspoCRM, refused)
	}
	w.Did.PrevID, w.Did.LinkID = 0, 0
	if err := w.SetEspo(ctx, o, began); err != nil {
		return false, err
	}
	w.Given.Fresh, w.Given.FreshAt = &o, began
	w.Base, w.Knows.Baseless = base, false
	return inStep, w.linked(ctx, inStep)
}

// linked concludes the create once EspoCRM carries the link.
func (w *work) linked(ctx context.Context, inStep bool) error {
	w.CloseEntry(w.Outcome())
	if !inStep {
		next := w.Memory
		next.Base, next.Open = w.Base, nil
		return w.Commit(ctx, next)
	}
	w.Result.RowID.After, w.Result.RetryCount, w.Did.Marked = w.Espo.RowID, 0, false
	w.Result.Outcome = w.Outcome()
	if err := w.Commit(ctx, w.InStep(w.Base)); err != nil {
		return err
	}
	w.SendNotes(ctx)
	return nil
}

// linkedBefore asks a person about a record that this store knows as linked to one that is
// in Advoware still, and to no other record: EspoCRM has lost the number, with a backup for
// instance, or somebody has cleared it.
func (w *work) linkedBefore(ctx context.Context) error {
	id := int64(0)
	switch m := w.Memory; {
	case m.Base != nil:
		id = m.Base.AdvowareID
	case m.Link != nil: // linked by hand, and not in step yet
		id = m.Link.AdvowareID
	}
	if id == 0 {
		return nil
	}
	if there, err := w.InAdvoware(ctx, id); err != nil || !there {
		return err
	}
	if ids, err := w.Carriers(ctx, id); err != nil || len(ids) > 0 {
		return err
	}
	return w.NumberLost(id)
}

// lookFirst asks whether the record may have been created before by a run that
// this store knows nothing of. found: it is there and will be linked.
func (w *work) lookFirst(ctx context.Context, d reconcile.Decision) (found bool, err error) {
	switch {
	case w.req.CreateAnyway || w.Knows.Looked:
		return false, nil
	case w.Did.PrevID != 0: // what this store knows of that very pair it knows since a sync of it
		if b := w.Memory.Base; b != nil && b.AdvowareID == w.Did.PrevID && !w.e.ReplacedSince(ctx, b.LastSync) {
			return false, nil
		}
	default:
		if err := w.linkedBefore(ctx); err != nil || w.IsNew(ctx) {
			return false, err
		}
	}
	sent := maps.Clone(d.ToAdvo)
	if d.Kind != "" {
		sent[reconcile.KindKey] = record.Of(d.Kind)
	}
	return w.Candidates(ctx, sent, w.Mapping.MatchValues(w.Espo.View, record.EspoCRM), -1,
		"the record is older than this tool's memory, so an earlier run may have created it in Advoware")
}
