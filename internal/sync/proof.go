package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// doubtful asks reconcile what the link is worth that EspoCRM carries, once both
// sides were read; "": it is proven, or there is none to judge.
func (w *work) doubtful(ctx context.Context) (reconcile.Belief, error) {
	id := w.espo.AdvowareID
	if w.advo == nil || w.did.linkID != 0 || id == 0 || id != w.advo.ID {
		return "", nil
	}
	l := reconcile.Link{Based: w.based(id), Told: w.linkMade(id), RowStored: w.espo.RowID, RowCurrent: w.advo.RowID,
		Espo: w.m.MatchValues(w.espo.View, record.EspoCRM), Advo: w.m.MatchValues(w.advo.View, record.Advoware)}
	if link := w.mem.Link; link != nil && link.AdvowareID == id {
		l.Confirmed = link.Key != "" && link.Key == keyPrint(l.Advo)
	}
	if l.Based && w.base != nil {
		l.Before = w.baseKey()
	}
	known, err := w.sharers(ctx)
	if err != nil {
		return "", err
	}
	l.Elsewhere = known.before
	if b := suspect(l); b != "" {
		return b, nil
	}
	return "", known.double
}

// sharing is what is known of other records with the same number.
type sharing struct {
	number int64
	before bool  // the store knows it, or knew it, under another record
	double error // another record in EspoCRM carries it now
}

// sharers looks for other records with the number that EspoCRM carries: in the
// store, and where it knows one, in EspoCRM. Of a link that is proven EspoCRM is asked
// only while the number is noted as carried twice. It is called before Advoware is read
// for a decision, because a PUT may rest on that read.
func (w *work) sharers(ctx context.Context) (sharing, error) {
	id := w.espo.AdvowareID
	if id == 0 || w.did.linkID != 0 {
		return sharing{}, nil
	}
	if w.knows.shared.number == id {
		return w.knows.shared, nil
	}
	s := sharing{number: id}
	ask, err := w.e.CarriedTwice(ctx, w.m, id)
	if !w.proven() && err == nil {
		var others []string
		others, err = w.e.KnownElsewhere(ctx, w.m, id, w.key.ID)
		s.before = len(others) > 0
	}
	if (ask || s.before) && err == nil {
		s.double = w.carriedElsewhere(ctx, id, nil)
		if s.double != nil && !fault.Is(s.double, fault.Duplicate) {
			return s, s.double
		}
		if twice := s.double != nil; twice != ask && w.lease != nil { // a plan writes nothing
			err = w.e.NoteCarriedTwice(ctx, w.m, id, twice)
		}
	}
	if err == nil {
		w.knows.shared = s
	}
	return s, err
}

func suspect(l reconcile.Link) reconcile.Belief {
	if b := l.Judge(); b != reconcile.Proven {
		return b
	}
	return ""
}

// based: the base is of this very pair.
func (w *work) based(id int64) bool { return w.mem.Base != nil && w.mem.Base.AdvowareID == id }

// proven: the link that EspoCRM carries needs no other proof.
func (w *work) proven() bool { return w.based(w.espo.AdvowareID) || w.linkMade(w.espo.AdvowareID) }

// linkMade: this tool has made the link or was about to, or an operator has said so.
func (w *work) linkMade(id int64) bool {
	return w.mem.Link != nil && w.mem.Link.AdvowareID == id || w.mem.Open != nil && w.mem.Open.AdvowareID == id
}

// baseKey is Advoware's natural key in the base.
func (w *work) baseKey() map[string]record.Value {
	v := mapping.View{Kind: w.base.Kind.Advo.Text(), Values: make(map[string]record.Value, len(w.base.Fields))}
	for key, fb := range w.base.Fields {
		v.Values[key] = fb.Advo
	}
	return w.m.MatchValues(v, record.Advoware)
}

// keyPrint is the fingerprint of a natural key.
func keyPrint(key map[string]record.Value) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(key)) {
		fmt.Fprintf(h, "%q=%q\n", name, key[name].Text())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// vet looks at a link that nothing in the memory proves before an interrupted
// write is recovered, which compares with what the link leads to.
func (w *work) vet(ctx context.Context) (reconcile.Belief, error) {
	if id := w.espo.AdvowareID; w.mem.Open == nil || id == 0 || w.based(id) || w.linkMade(id) {
		return "", nil
	}
	if err := w.readAdvo(ctx); err != nil {
		return "", err
	}
	return w.doubtful(ctx)
}

// sayDoubtful is the verdict on a link in doubt. Nothing that was read through it
// is told: not a value, not a rowId.
func (w *work) sayDoubtful(b reconcile.Belief) {
	w.res.Verdict, w.res.Outcome, w.res.Fields = result.Conflict, result.ConflictWaits, []result.Field{}
	w.res.RowID.Current = ""
	w.res.Reason = reconcile.ReasonDoubtful(b, w.advo.ID)
}

func (w *work) planDoubtful(b reconcile.Belief) {
	waits := w.doubtKnown()
	w.sayDoubtful(b)
	if !waits {
		w.res.Outcome, w.res.Planned = result.Planned, result.ConflictWaits
	}
}

// skipDoubtful: an undo puts nothing back over a link in doubt.
func (w *work) skipDoubtful(b reconcile.Belief) {
	w.sayDoubtful(b)
	w.res.Outcome = result.Skipped
}

// doubtKnown: this doubt was told, and EspoCRM shows it.
func (w *work) doubtKnown() bool {
	p := w.mem.Parked
	return p != nil && p.Doubtful && p.AdvowareID == w.advo.ID && w.espo.Status == record.StatusConflict
}

// parkDoubtful leaves a link in doubt to a person. What is remembered of the link
// before stays; no attempt is counted.
func (w *work) parkDoubtful(ctx context.Context, b reconcile.Belief) error {
	if w.req.Judge != nil && w.did.attempt <= 1 {
		if err := w.req.Judge(result.Conflict); err != nil {
			return err
		}
	}
	known := w.doubtKnown()
	w.sayDoubtful(b)
	if known {
		w.sendNotes(ctx)
		return nil
	}
	was, err := w.unedited(ctx, w.did.prior)
	if err != nil {
		return err
	}
	next := w.mem
	told := next.Parked != nil && next.Parked.Doubtful && next.Parked.AdvowareID == w.advo.ID
	next.Parked = &store.Parked{Fingerprint: w.contents(), At: w.e.Now(), RowID: w.advo.RowID, AdvowareID: w.advo.ID, Doubtful: true, Was: was}
	next.Pending, next.CheckedAt, next.WaitsSince = "", w.e.Now(), w.waitsSince()
	if !told && !w.e.doubtTold.Swap(true) {
		next.Notes = append(slices.Clone(next.Notes), w.note(w.notes().Doubt(b, w.advo.ID, w.res.Reason)))
	}
	w.closeEntry(result.ConflictWaits)
	w.tells.entry.RowBefore, w.tells.entry.RowAfter = "", ""
	if err := w.commit(ctx, next); err != nil {
		return err
	}
	p := statusPatch(record.StatusConflict)
	p.Put(record.FieldErrorMessage, w.res.Reason.Text+" ("+tell.Doubts(w.key.Entity, w.e.cfg.Office)+")")
	if _, err := w.putEspo(ctx, p, w.espo.Version); fault.Is(err, fault.Modified) {
		return w.stillOurs(ctx) // the next sync says it, of what it reads then
	} else if err != nil {
		return err
	}
	w.did.marked = false
	w.sendNotes(ctx)
	return nil
}

// unedited is a status, or dirty in the place of clean where EspoCRM's stamps show
// that somebody has saved the record since it was last in step. A status that we
// set ourselves buries those stamps, and without a base nothing else tells.
func (w *work) unedited(ctx context.Context, status string) (string, error) {
	if status != record.StatusClean {
		return status, nil
	}
	byUs, err := w.e.Ours(ctx, w.did.priorStamp[1])
	if err == nil && !byUs && w.did.priorStamp[0] >= w.espo.LastSync {
		status = record.StatusDirty
	}
	return status, err
}
