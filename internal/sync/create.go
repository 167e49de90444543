package sync

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"advosync/internal/directory"
	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// create makes the record in Advoware: announce, POST, remember the id, read
// back, link, and go on as with any linked record.
func (w *work) create(ctx context.Context) (done bool, err error) {
	if w.req.Action == ActionUpdate {
		return false, &fault.Error{System: fault.EspoCRM, Code: fault.NotLinked, Owner: fault.OwnerRecord, Op: "update " + w.what(),
			Message: "the record is not linked to Advoware", Hint: w.hint("sync") + " --action create"}
	}
	if why, err := w.holds(ctx); err != nil {
		return false, err
	} else if why != nil {
		return true, w.hold(ctx, *why)
	}
	if err := w.keepOrigin(ctx); err != nil {
		return false, err
	}
	if w.e.cfg.MarkSyncing {
		if err := w.mark(ctx); err != nil {
			return false, err
		}
		if w.espo.AdvowareID != 0 && w.espo.AdvowareID != w.did.prevID {
			return false, nil // linked meanwhile
		}
	}
	d, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if w.did.prevID != 0 {
		w.res.Verdict = result.MissingInAdvoware
	}
	if found, err := w.lookFirst(ctx, d); found || err != nil {
		return false, err
	}
	return w.post(ctx, d)
}

// post sends the new record. Whatever becomes of it, the announcement says what to
// look for.
func (w *work) post(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	obj, err := w.overlay(record.Object{}, d.ToAdvo)
	if err != nil {
		return false, err
	}
	in := w.announcement(record.Advoware, d)
	in.Makes, in.Match = true, w.m.MatchValues(w.espo.View, record.EspoCRM)
	if in.Highest, err = w.e.Highest(ctx, w.m); err != nil {
		return false, err
	}
	if prev := w.did.prevID; prev != 0 { // the read that found it gone is some requests old
		if err := w.cameBack(ctx, prev); err != nil {
			return false, err
		}
		if w.did.prevID == 0 {
			w.res.Verdict, w.res.Reason = "", result.Reason{}
			return false, nil
		}
	}
	if err := w.e.Advoware.Ready(ctx, w.m.ReadPath()); err != nil {
		return false, err
	}
	if err := w.announce(ctx, in, d); err != nil {
		return false, err
	}
	if err := w.lease.Check(); err != nil {
		return false, err
	}
	wctx, cancel := w.until(ctx, w.givesUp(in))
	defer cancel()
	id, err := w.e.Advoware.Create(wctx, w.m.CreatePath(), w.m.AdvoID(), obj)
	if err = w.told(err); err != nil {
		return false, err
	}
	w.did.created, w.did.linkID = true, id
	w.res.AdvowareID = &id
	known := *in
	known.AdvowareID, known.Deadline = id, time.Time{}
	tell.Created(w.history(), d, w.did.attempt)
	next := w.mem
	next.Open = &known
	if err := w.commit(ctx, next); err != nil {
		return false, err
	}
	if err := w.readBack(ctx); err != nil {
		return false, err
	}
	if w.wasThere(in, w.advo) {
		return false, w.notOurs(ctx, in, id)
	}
	if err := w.advance(d.ToAdvo, &sides.Advo{ID: id}, w.advo); err != nil {
		return false, err
	}
	return w.putLink(ctx)
}

// wasThere reports whether a record of Advoware cannot be the one that a POST made,
// though the answer names it: it shows something else than was posted, and its number
// was there before the POST, or, where that is not known, nothing of the natural key is
// what was posted.
func (w *work) wasThere(in *store.Announcement, s *sides.Advo) bool {
	if w.equalsPosted(postedValues(in), s) {
		return false
	}
	if in.Highest > 0 {
		return s.ID <= in.Highest
	}
	shows, told := w.m.MatchValues(s.View, record.Advoware), false
	for name, v := range in.Match {
		if v.HasText() && v == shows[name] {
			return false
		}
		told = told || v.HasText() && shows[name].HasText()
	}
	return told
}

// notOurs forgets the number that the answer named: it is another client's, and a link to
// it would carry the one's values over the other's. What the POST has made, if anything,
// is looked for by the next run.
func (w *work) notOurs(ctx context.Context, in *store.Announcement, id int64) error {
	if err := w.carriedElsewhere(ctx, id, nil); err != nil {
		return err
	}
	w.did.created, w.did.linkID, w.advo, w.res.AdvowareID = false, 0, nil, nil
	unknown := *in
	unknown.Deadline = time.Time{}
	next := w.mem
	next.Open = &unknown
	if err := w.commit(ctx, next); err != nil {
		return err
	}
	why := "it was there before"
	if in.Highest == 0 {
		why = "it shows another " + strings.Join(w.m.Match(), ", ")
	}
	return w.createDoubt(fmt.Sprintf("Advoware has answered the create with the number %d of another record: %s", id, why), nil)
}

// putLink tells EspoCRM which record of Advoware is this one, before anything else of
// it is written; from then on it is a record like any other. Where both sides are in
// step the same PUT says so.
func (w *work) putLink(ctx context.Context) (done bool, err error) {
	if err := w.linkedElsewhere(); err != nil {
		return false, err
	}
	d, err := w.decide(ctx)
	if err != nil {
		return false, err
	}
	if len(d.ToAdvo) > 0 { // it shows something else: Advoware may have answered with the number of another client
		if err := w.carriedElsewhere(ctx, w.did.linkID, nil); err != nil {
			return false, err
		}
	}
	inStep := (d.Action == reconcile.None || d.Action == reconcile.Adopt) && !w.by.stuck.Any()
	p, base := record.Patch{}, w.inForce()
	if base == nil {
		base = sides.Clone(nil)
		base.Mapping, base.AdvowareID, base.StoredAt = w.m.Fingerprint(), w.did.linkID, w.e.Now()
	}
	if inStep {
		if p, base, err = w.planEspo(d, true); err != nil {
			return false, err
		}
	}
	if base.RowID == "" {
		p.Put(record.FieldRowID, nil)
	}
	p.Put(record.FieldAdvowareID, w.did.linkID)
	began := w.e.Now()
	o, err := w.putEspo(ctx, p, w.espo.Version)
	switch {
	case fault.Is(err, fault.Modified):
		return false, w.stillOurs(ctx)
	case err != nil:
		return false, w.clash500(ctx, err)
	}
	if refused := notTaken(p, o); len(refused) > 0 {
		return false, w.notAccepted(fault.EspoCRM, refused)
	}
	w.did.prevID, w.did.linkID = 0, 0
	if err := w.setEspo(ctx, o, began); err != nil {
		return false, err
	}
	w.req.Fresh, w.req.FreshAt = &o, began
	w.base, w.knows.baseless = base, false
	return inStep, w.linked(ctx, inStep)
}

// linked concludes the create once EspoCRM carries the link.
func (w *work) linked(ctx context.Context, inStep bool) error {
	w.closeEntry(w.outcome())
	if !inStep {
		next := w.mem
		next.Base, next.Open = w.base, nil
		return w.commit(ctx, next)
	}
	w.res.RowID.After, w.res.RetryCount, w.did.marked = w.espo.RowID, 0, false
	w.res.Outcome = w.outcome()
	if err := w.commit(ctx, w.inStep(w.base)); err != nil {
		return err
	}
	w.sendNotes(ctx)
	return nil
}

// lookFirst asks whether the record may have been created before by a run that
// this store knows nothing of. found: it is there and will be linked.
func (w *work) lookFirst(ctx context.Context, d reconcile.Decision) (found bool, err error) {
	switch {
	case w.req.CreateAnyway || w.knows.looked:
		return false, nil
	case w.did.prevID != 0: // what this store knows of that very pair it knows since a sync of it
		if b := w.mem.Base; b != nil && b.AdvowareID == w.did.prevID && !w.e.ReplacedSince(ctx, b.LastSync) {
			return false, nil
		}
	case w.isNew(ctx):
		return false, nil
	}
	sent := maps.Clone(d.ToAdvo)
	if d.Kind != "" {
		sent[reconcile.KindKey] = record.Of(d.Kind)
	}
	return w.candidates(ctx, sent, w.m.MatchValues(w.espo.View, record.EspoCRM), -1,
		"the record is older than this tool's memory, so an earlier run may have created it in Advoware")
}

// candidates looks for the one unlinked Advoware record that an earlier POST
// made: with the match values, or with an id above highest (-1: not
// asked). Exactly one that equals what was posted is linked; none: not found;
// anything else is for a person.
func (w *work) candidates(ctx context.Context, sent, match map[string]record.Value, highest int64, why string) (found bool, err error) {
	if w.m.List() == nil {
		return false, w.createDoubt(why+"; Advoware cannot be searched from here", nil)
	}
	after := w.e.Now().Add(-directory.CatalogAge)
	if in := w.mem.Open; in != nil {
		after = in.Deadline // a late write may have landed until then
		if after.Before(in.At) {
			after = in.At // its end was known; what it made is in no older list
		}
	}
	c := w.e.CatalogOf(w.m)
	ids, err := c.Near(ctx, after, match, highest)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	others, err := w.e.OpenCreates(ctx, w.m, w.key.ID) // before the links: one that is cleared meanwhile has left its link
	if err != nil {
		return false, err
	}
	if ids, err = w.e.Unlinked(ctx, w.m, ids); err != nil || len(ids) == 0 {
		return false, err
	}
	if len(ids) > 1 && len(others) == 0 {
		return false, w.createDoubt(why, ids)
	}
	near, err := w.readNear(ctx, c, ids)
	if err != nil {
		return false, err
	}
	switch near = w.notAnothers(sent, near, others); {
	case len(near) == 0:
		return false, nil
	case len(near) == 1 && w.equalsPosted(sent, near[0]):
		w.did.linkID = near[0].ID
		w.baseOfPosted(sent, near[0])
		return true, nil
	default:
		return false, w.createDoubt(why, idsOf(near))
	}
}

// readNear reads candidates singly. Those of no kind are not ours.
func (w *work) readNear(ctx context.Context, c *directory.Catalog, ids []int64) (near []*sides.Advo, err error) {
	err = c.Read(ctx, ids, func(id int64, o record.Object) {
		if s, err := sides.ReadAdvo(w.m, id, o); err == nil {
			near = append(near, s)
		}
	})
	return near, err
}

func idsOf(near []*sides.Advo) []int64 {
	ids := make([]int64, len(near))
	for i, s := range near {
		ids[i] = s.ID
	}
	return ids
}

// notAnothers drops the candidates that another record's interrupted create
// explains: they are what that one posted, and not what this one did. A pass that
// dies leaves several.
func (w *work) notAnothers(sent map[string]record.Value, near []*sides.Advo, others []*store.Announcement) []*sides.Advo {
	for _, in := range others {
		theirs := postedValues(in)
		near = slices.DeleteFunc(near, func(s *sides.Advo) bool {
			return !w.equalsPosted(sent, s) && (s.ID == in.AdvowareID || countReal(w.m, theirs) > 0 && w.equalsPosted(theirs, s))
		})
	}
	return near
}

// equalsPosted compares a candidate with what was posted, after folding.
func (w *work) equalsPosted(sent map[string]record.Value, s *sides.Advo) bool {
	for key, v := range sent {
		f, ok := w.m.Field(key)
		if !ok || f.Clear {
			continue
		}
		if r := s.View.Values[key]; r != v && !(r.IsAbsent() && v.IsEmpty()) && !w.ownForm(key, v, r) {
			return false
		}
	}
	return true
}

// createDoubt asks a person: it is never posted a second time on our own.
func (w *work) createDoubt(why string, near []int64) error {
	msg := why + "."
	if len(near) > 0 {
		ids := directory.Texts(near)
		sort.Strings(ids)
		if len(ids) > 10 {
			ids = append(ids[:10], "…")
		}
		msg += " Candidates in Advoware: " + strings.Join(ids, ", ") + "."
	}
	names, all := strings.Join(w.m.Match(), ", "), ""
	if w.m.List() == nil && w.mem.Open == nil {
		all = fmt.Sprintf("; none of %[1]s without a link is there: advosync link --entity %[1]s --all-new --apply", w.key.Entity)
	}
	return &fault.Error{System: fault.Advoware, Code: fault.CreateDoubt, Owner: fault.OwnerRecord, Op: "create " + w.what(),
		Message: msg + " Look in Advoware for a record with the same " + names + ".",
		Hint: fmt.Sprintf("it is there: advosync link --entity %[1]s --id %[2]s --advoware-id N; it is not: advosync sync --entity %[1]s --id %[2]s --create-anyway%[3]s",
			w.key.Entity, w.key.ID, all)}
}
