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
	"advosync/internal/session"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// adopt brings the memory up to date where both sides agree already: the base
// first, it is true now; then at most one PUT to EspoCRM.
func (w *work) adopt(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	put := d.PutNeeded || w.Did.Marked
	if d.Action == reconcile.None && !put && w.atRest() {
		w.Result.Outcome = result.Unchanged
		return true, w.checked(ctx)
	}
	if again, err := w.StaleRead(ctx, d); again || err != nil {
		return false, err
	}
	_, next, err := w.PlanEspo(d, true)
	if err != nil {
		return false, err
	}
	if next.RowID == "" && w.foundClean() {
		put = false // only the rowId lags, and the base has not all that it stands for
	}
	w.Base, w.Knows.Baseless = next, false
	mem := w.InStep(next)
	w.Result.Outcome = result.Unchanged
	if put || d.Action == reconcile.Adopt && !d.PutNeeded {
		w.Result.Outcome = result.Adopted
		w.CloseEntry(result.Adopted)
	}
	if again, err := w.remembered(ctx, mem, put); again || err != nil {
		return false, err
	}
	w.Result.RetryCount = 0
	w.SendNotes(ctx)
	return true, nil
}

// atRest reports whether the memory says of the record that nothing is left to do.
func (w *work) atRest() bool {
	m := &w.Memory
	return m.Open == nil && m.Parked == nil && m.Pending == "" && m.WaitsSince.IsZero() && len(m.Notes) == 0 && !w.Knows.AnswersRead
}

// foundClean reports whether EspoCRM called the record synced before this sync, and still
// does.
func (w *work) foundClean() bool {
	return !w.Did.Marked && w.Did.Prior == record.StatusClean && w.Espo.LastSync != ""
}

// remembered stores what an adoption has found, and tells EspoCRM where put says so.
func (w *work) remembered(ctx context.Context, mem store.Memory, put bool) (again bool, err error) {
	if err := w.Commit(ctx, mem); err != nil || !put {
		return false, err
	}
	return w.putClean(ctx, mem.Base)
}

// checked remembers when an unchanged record was last compared, only where a
// pass asks for it: a named sync of a record in step writes nothing.
func (w *work) checked(ctx context.Context) error {
	if !w.Given.Pass {
		return nil
	}
	next := w.Memory
	next.CheckedAt = w.e.Now()
	return w.Commit(ctx, next)
}

// putClean tells EspoCRM that an adopted record is clean. Under a version
// number, so that it cannot bury an edit made meanwhile: then decide anew.
func (w *work) putClean(ctx context.Context, base *store.Base) (again bool, err error) {
	onlyStatus := w.Espo.RowID == base.RowID && w.Espo.LastSync != ""
	if onlyStatus && w.req.DeferClean != nil {
		w.req.DeferClean(w.Key.ID, w.Espo.Version)
		w.Did.Marked = false
		return false, nil
	}
	p := w.CleanPatch()
	if base.RowID != "" {
		p.Put(record.FieldRowID, base.RowID)
	}
	o, err := w.PutEspo(ctx, p, w.Espo.Version)
	if fault.Is(err, fault.Modified) {
		w.Tells.Entry = nil // told once it is true
		return true, w.StillOurs(ctx)
	}
	if err != nil {
		return false, err
	}
	if refused := session.NotTaken(p, o); len(refused) > 0 {
		return false, w.NotAccepted(fault.EspoCRM, refused)
	}
	w.Did.Marked = false
	w.Result.RowID.After, _ = o.Text(record.FieldRowID)
	return false, nil
}

// park leaves a conflict to a person: once, until the contents change.
func (w *work) park(ctx context.Context, d reconcile.Decision) (done bool, err error) {
	w.Result.Outcome = result.ConflictWaits
	w.sayStuck()
	contents := w.Contents()
	same := w.Memory.Parked != nil && w.Memory.Parked.Fingerprint == contents
	if same && w.Espo.Status == record.StatusConflict && w.Memory.Open == nil {
		w.Result.Reason.Text = strings.TrimSuffix(w.Result.Reason.Text, ".") + ": " + w.Hint("resolve")
		w.SendNotes(ctx) // a run that died in between still owes it
		return true, nil
	}
	next := w.Memory
	if slices.ContainsFunc(d.Changes, func(c reconcile.Change) bool { _, lapsed := w.by.wishes[c.Field.Key]; return lapsed }) {
		w.Warn("somebody edited the record while it was resolved: it has to be decided again")
	}
	if w.Base != nil {
		b := sides.Clone(w.Base)
		b.Mapping, b.AdvowareID, b.Kind = w.Mapping.Fingerprint(), w.Advo.ID, d.AgreedKind
		next.Base = b
	}
	next.Pending, next.CheckedAt, next.Open, next.WaitsSince = "", w.e.Now(), nil, w.WaitsSince()
	if w.Did.Settled { // what went over beside it
		next.Notes, w.Tells.Owed = append(slices.Clone(next.Notes), w.Tells.Owed...), nil
	}
	next.Parked = &store.Parked{Fingerprint: contents, At: w.e.Now(), RowID: w.Advo.RowID, AdvowareID: w.Advo.ID}
	for _, c := range d.Changes {
		next.Parked.Fields = append(next.Parked.Fields, c.Field.Key)
	}
	next.Parked.Asked = fingerprint(d.Changes)
	if before := w.Memory.Parked; !same && !w.asked(d) && (before == nil || before.Asked != next.Parked.Asked) {
		next.Notes = append(slices.Clone(next.Notes), w.Note(w.Notes().Conflict("", d)))
	}
	w.CloseEntry(result.ConflictWaits)
	if err := w.Commit(ctx, next); err != nil {
		return false, err
	}
	p := session.StatusPatch(record.StatusConflict)
	p.Put(record.FieldErrorMessage, session.Cut(w.Result.Reason.Text, session.MaxErrorMessage))
	if _, err := w.PutEspo(ctx, p, nil); err != nil {
		return false, err
	}
	w.Did.Marked = false
	w.SendNotes(ctx)
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
	if len(w.by.wishes) == 0 || w.Memory.Parked == nil {
		return false
	}
	for _, c := range d.Changes {
		if _, lapsed := w.by.wishes[c.Field.Key]; lapsed || !slices.Contains(w.Memory.Parked.Fields, c.Field.Key) {
			return false
		}
	}
	return true
}
