package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// adopt brings the memory up to date where both sides agree already: the base
// first, it is true now; then at most one PUT to EspoCRM.
func (w *work) adopt(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	put := d.PutNeeded || w.did.marked
	if d.Action == reconcile.None && !put && w.atRest() {
		w.res.Outcome = result.Unchanged
		return true, w.checked(ctx)
	}
	if again, err := w.staleRead(ctx, d); again || err != nil {
		return false, err
	}
	_, next, err := w.planEspo(d, true)
	if err != nil {
		return false, err
	}
	if next.RowID == "" && w.foundClean() {
		put = false // only the rowId lags, and the base has not all that it stands for
	}
	w.base, w.knows.baseless = next, false
	mem := w.inStep(next)
	w.res.Outcome = result.Unchanged
	if put || d.Action == reconcile.Adopt && !d.PutNeeded {
		w.res.Outcome = result.Adopted
		w.closeEntry(result.Adopted)
	}
	if again, err := w.remembered(ctx, mem, put); again || err != nil {
		return false, err
	}
	w.res.RetryCount = 0
	w.sendNotes(ctx)
	return true, nil
}

// atRest reports whether the memory says of the record that nothing is left to do.
func (w *work) atRest() bool {
	m := &w.mem
	return m.Open == nil && m.Parked == nil && m.Pending == "" && m.WaitsSince.IsZero() && len(m.Notes) == 0 && !w.knows.answersRead
}

// foundClean reports whether EspoCRM called the record synced before this sync, and still
// does.
func (w *work) foundClean() bool {
	return !w.did.marked && w.did.prior == record.StatusClean && w.espo.LastSync != ""
}

// remembered stores what an adoption has found, and tells EspoCRM where put says so.
func (w *work) remembered(ctx context.Context, mem store.Memory, put bool) (again bool, err error) {
	if err := w.commit(ctx, mem); err != nil || !put {
		return false, err
	}
	return w.putClean(ctx, mem.Base)
}

// checked remembers when an unchanged record was last compared, only where a
// pass asks for it: a named sync of a record in step writes nothing.
func (w *work) checked(ctx context.Context) error {
	if !w.req.Pass {
		return nil
	}
	next := w.mem
	next.CheckedAt = w.e.Now()
	return w.commit(ctx, next)
}

// putClean tells EspoCRM that an adopted record is clean. Under a version
// number, so that it cannot bury an edit made meanwhile: then decide anew.
func (w *work) putClean(ctx context.Context, base *store.Base) (again bool, err error) {
	onlyStatus := w.espo.RowID == base.RowID && w.espo.LastSync != ""
	if onlyStatus && w.req.DeferClean != nil {
		w.req.DeferClean(w.key.ID, w.espo.Version)
		w.did.marked = false
		return false, nil
	}
	p := w.cleanPatch()
	if base.RowID != "" {
		p.Put(record.FieldRowID, base.RowID)
	}
	o, err := w.putEspo(ctx, p, w.espo.Version)
	if fault.Is(err, fault.Modified) {
		w.tells.entry = nil // told once it is true
		return true, w.stillOurs(ctx)
	}
	if err != nil {
		return false, err
	}
	after, err := sides.ReadEspo(w.m, o, w.e.Now())
	if err != nil {
		return false, err
	}
	if refused := w.unset(p, after); len(refused) > 0 {
		return false, w.notAccepted(fault.EspoCRM, refused)
	}
	w.did.marked = false
	w.res.RowID.After = after.RowID
	return false, nil
}

// park leaves a conflict to a person: once, until the contents change.
func (w *work) park(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	w.res.Outcome = result.ConflictWaits
	w.sayStuck()
	contents := w.contents()
	same := w.mem.Parked != nil && w.mem.Parked.Fingerprint == contents
	if same && w.espo.Status == record.StatusConflict && w.mem.Open == nil {
		w.res.Reason.Text = strings.TrimSuffix(w.res.Reason.Text, ".") + ": " + w.hint("resolve")
		w.sendNotes(ctx) // a run that died in between still owes it
		return true, nil
	}
	next := w.mem
	if slices.ContainsFunc(d.Changes, func(c reconcile.Change) bool { _, lapsed := w.by.wishes[c.Field.Key]; return lapsed }) {
		w.warn("somebody edited the record while it was resolved: it has to be decided again")
	}
	if w.base != nil {
		b := sides.Clone(w.base)
		b.Mapping, b.AdvowareID, b.Kind = w.m.Fingerprint(), w.advo.ID, d.AgreedKind
		next.Base = b
	}
	next.Pending, next.CheckedAt, next.Open, next.WaitsSince = "", w.e.Now(), nil, w.waitsSince()
	if w.did.wroteAdvo { // what went over beside it
		next.Notes, w.tells.owed = append(slices.Clone(next.Notes), w.tells.owed...), nil
	}
	next.Parked = &store.Parked{Fingerprint: contents, At: w.e.Now(), RowID: w.advo.RowID, AdvowareID: w.advo.ID}
	for _, c := range d.Changes {
		next.Parked.Fields = append(next.Parked.Fields, c.Field.Key)
	}
	next.Parked.Asked = fingerprint(d.Changes)
	if before := w.mem.Parked; !same && !w.asked(d) && (before == nil || before.Asked != next.Parked.Asked) {
		next.Notes = append(slices.Clone(next.Notes), w.note(w.notes().Conflict("", d)))
	}
	w.closeEntry(result.ConflictWaits)
	if err := w.commit(ctx, next); err != nil {
		return false, err
	}
	p := statusPatch(record.StatusConflict)
	p.Put(record.FieldErrorMessage, cut(w.res.Reason.Text, maxErrorMessage))
	if _, err := w.putEspo(ctx, p, nil); err != nil {
		return false, err
	}
	w.did.marked = false
	w.sendNotes(ctx)
	return true, nil
}

// fingerprint is that of the clashes that wait: the fields, and what both sides hold.
func fingerprint(changes []reconcile.Change) string {
	h := sha256.New()
	for _, c := range changes {
		fmt.Fprintf(h, "%q %q %q %q %q\n", c.Field.Key, c.Espo, c.Espo.Text(), c.Advo, c.Advo.Text())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// asked reports whether a person was asked about every clash that waits: some of them
// he has decided just now, and the others are as they were.
func (w *work) asked(d reconcile.Decision) bool {
	if len(w.by.wishes) == 0 || w.mem.Parked == nil {
		return false
	}
	for _, c := range d.Changes {
		if _, lapsed := w.by.wishes[c.Field.Key]; lapsed || !slices.Contains(w.mem.Parked.Fields, c.Field.Key) {
			return false
		}
	}
	return true
}

// contents is the fingerprint of what both sides hold now, EspoCRM's half first.
func (w *work) contents() string {
	return sides.Contents(w.m, w.espoView()) + ":" + sides.Contents(w.m, w.advoView())
}
