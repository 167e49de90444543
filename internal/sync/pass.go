package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"advosync/internal/callcount"
	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// Contents is the fingerprint of what one side holds. Failure.Seen and
// Parked.Fingerprint are EspoCRM's and Advoware's, with a colon between, so that
// a pass can tell from one side alone whether that side has moved.
func Contents(m *mapping.Mapping, v *mapping.View) string {
	if v == nil {
		return "gone"
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00", v.Kind)
	for _, f := range m.Fields(v.Kind) {
		fmt.Fprintf(h, "%s\x00%s\x00%q\x00", f.Key, v.Values[f.Key], v.Values[f.Key].Text())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// Agreed is the base of a linked record that has none, where one look at both
// sides shows that nothing is left to do in either system; nil: the record has
// to be synced. Values that agree only after folding are left to Sync.
func Agreed(m *mapping.Mapping, espo, advo record.Object, now time.Time) *store.Base {
	es, err := readState(m, espo, now)
	if err != nil || es.status != record.StatusClean || es.lastSync == "" || es.row == "" {
		return nil
	}
	as, err := readAdvoState(m, es.advowareID, advo)
	if err != nil || as.row != es.row || len(es.view.Broken)+len(as.view.Broken) > 0 {
		return nil
	}
	d := reconcile.Decide(reconcile.Input{Schema: m, Policy: reconcile.Manual, Espo: &es.view, Advo: &as.view, Linked: true, LinkKnown: true,
		Status: es.status, RowStored: es.row, RowCurrent: as.row, LastSync: es.lastSync, ModifiedAt: es.modifiedAt})
	if d.Verdict != result.NoChange || d.PutNeeded || d.Action != reconcile.None && d.Action != reconcile.Adopt {
		return nil
	}
	fields := equalPairs(m, es.view, as.view)
	if fields == nil {
		return nil
	}
	return &store.Base{Mapping: m.Fingerprint(), AdvowareID: es.advowareID, RowID: es.row, Kind: d.AgreedKind, LastSync: es.lastSync, StoredAt: now, Fields: fields}
}

// equalPairs are the bases of all fields; nil: one is not there, or not the same.
func equalPairs(m *mapping.Mapping, espo, advo mapping.View) map[string]store.FieldBase {
	fields := map[string]store.FieldBase{}
	for _, f := range m.Fields(espo.Kind) {
		if f.Clear {
			continue
		}
		p := record.Pair{Espo: espo.Values[f.Key], Advo: advo.Values[f.Key]}
		if p.Espo.IsAbsent() || p.Advo.IsAbsent() || p.Espo != p.Advo {
			return nil
		}
		fields[f.Key] = store.FieldBase{Pair: p, Def: f.Def}
	}
	return fields
}

// EspoUnmoved reports whether EspoCRM holds exactly what the base holds, under
// the mapping in force, so that only Advoware could have something new.
func EspoUnmoved(m *mapping.Mapping, v mapping.View, b *store.Base) bool {
	if b == nil || b.Mapping != m.Fingerprint() || len(v.Broken) > 0 {
		return false
	}
	if !b.Kind.Espo.IsAbsent() && b.Kind.Espo.Text() != v.Kind {
		return false
	}
	for _, f := range m.Fields(v.Kind) {
		if f.Clear || f.Computed && f.Direction == mapping.ToAdvoware {
			continue
		}
		fb, ok := b.Fields[f.Key]
		if !ok || fb.Def != f.Def || v.Values[f.Key] != fb.Espo {
			return false
		}
	}
	return true
}

// CountAgainst counts a system's failure against one record: in a pass, a 5xx
// that hits one record while others pass (docs/operations.md, "Outages"). What an announcement announced stays in doubt.
func (e *Engine) CountAgainst(ctx context.Context, req Request, f *fault.Error) result.Record {
	start := e.Now()
	ctx, calls := callcount.With(ctx)
	w := e.newWork(ctx, req)
	own := *f
	own.Owner, own.Doubt, own.RetryAfter = fault.OwnerRecord, true, 0
	held, err := e.Leases.Acquire(ctx, w.key.LockKey())
	if err != nil {
		w.locked(err)
		return w.finish(start, calls)
	}
	defer func() {
		if err := held.Release(); err != nil {
			w.warn("the lock could not be released and lives until it runs out: %v", err)
		}
	}()
	w.lease = held
	if err = w.load(ctx); err == nil {
		err = w.readEspo(ctx)
	}
	var mapped *fault.Error
	if err != nil && !(errors.As(err, &mapped) && mapped.Code == fault.MappingFail) || w.espo == nil {
		own.Owner = fault.OwnerSystem
		w.res.Outcome, w.res.Error = result.Skipped, result.FromFault(&own)
		w.reasonFrom(&own)
		return w.finish(start, calls)
	}
	if w.advowareID() != 0 {
		_ = w.readAdvo(ctx) // what it holds dates the failure; it may be the very call that fails
	}
	w.conclude(ctx, &own)
	return w.finish(start, calls)
}

// knownFailure: a pass met a record that was given up, and nothing has changed
// on either side since: nothing is written and nobody is told again.
func (w *work) knownFailure() bool {
	return w.req.Pass && !w.did.marked && w.did.prior == record.StatusPermanentlyFailed &&
		w.mem.Failure != nil && w.mem.Failure.Seen == w.contents()
}
