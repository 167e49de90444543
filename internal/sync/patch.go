package sync

import (
	"context"
	"slices"
	"time"

	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// maxErrorMessage is the length of syncErrorMessage in characters.
const maxErrorMessage = 2000

// statusPatch is a PUT that changes nothing but the status.
func statusPatch(status string) record.Patch {
	p := record.Patch{}
	p.Put(record.FieldStatus, status)
	return p
}

// cleanPatch is what a success writes into the sync fields. lastSync is the
// server's time of the read that was decided on, never our clock: what is
// saved after that read has no older stamp.
func (w *work) cleanPatch() record.Patch {
	p := statusPatch(record.StatusClean)
	p.Put(record.FieldLastSync, max(w.espo.ModifiedAt, w.espo.AsOf))
	p.Put(record.FieldErrorMessage, nil)
	p.Put(record.FieldRetryCount, 0)
	return p
}

// putEspo is a partial update of EspoCRM, bounded by the lease.
func (w *work) putEspo(ctx context.Context, p record.Patch, version *int64) (record.Object, error) {
	return w.putEspoUntil(ctx, p, version, w.lease.Until())
}

// putEspoUntil gives up at the end, which an announced write's deadline rests on.
func (w *work) putEspoUntil(ctx context.Context, p record.Patch, version *int64, end time.Time) (record.Object, error) {
	if err := w.lease.Check(); err != nil {
		return record.Object{}, err
	}
	ctx, cancel := w.until(ctx, end)
	defer cancel()
	return w.e.EspoCRM.Update(ctx, w.m.EspoType(), w.key.ID, p, version)
}

// overlay puts values on an Advoware object, everything unmapped untouched.
func (w *work) overlay(o record.Object, values map[string]record.Value) (record.Object, error) {
	plain := map[string]record.Value{}
	var clears []string
	for key, v := range values {
		if f, ok := w.m.Field(key); ok && f.Clear {
			clears = append(clears, f.Advo)
			continue
		}
		plain[key] = v
	}
	slices.Sort(clears)
	return w.m.Overlay(o, plain, clears)
}

// patch is the wire form of values for EspoCRM.
func (w *work) patch(values map[string]record.Value) (record.Patch, error) {
	plain := map[string]record.Value{}
	cleared := record.Patch{}
	for key, v := range values {
		if f, ok := w.m.Field(key); ok && f.Clear {
			cleared.Put(f.Espo, nil)
			continue
		}
		plain[key] = v
	}
	p, err := w.m.EspoPatch(w.espo.Object, plain)
	for name, raw := range cleared {
		p[name] = raw
	}
	return p, err
}

// planEspo builds a PUT to EspoCRM, and the base that will hold once it happened; ends:
// both sides mean the same then.
func (w *work) planEspo(d reconcile.Decision, ends bool) (record.Patch, *store.Base, error) {
	p, err := w.patch(d.ToEspo)
	if err != nil {
		return nil, nil, err
	}
	planned := sides.Clone(w.base)
	planned.Mapping, planned.AdvowareID = w.m.Fingerprint(), w.advo.ID
	if !ends {
		if d.Typed { // a pass finds the record, whatever comes
			p.Put(record.FieldStatus, record.StatusDirty)
		}
		return p, planned, nil
	}
	for key, v := range d.ToEspo {
		w.setBase(planned, key, record.Pair{Espo: v, Advo: w.advo.View.Values[key]})
		sides.Answered(planned, key)
	}
	planned.LastSync, planned.StoredAt = w.espo.ModifiedAt, w.e.Now()
	planned.Kind = w.kindAfter(d)
	for name, raw := range w.cleanPatch() {
		p[name] = raw
	}
	planned.RowID = ""
	if w.advo.RowID != "" && !sides.AdvoMoved(w.m, planned, &w.advo.View) {
		planned.RowID = w.advo.RowID
		p.Put(record.FieldRowID, planned.RowID)
	}
	return p, planned, nil
}

// kindAfter is both sides' kinds once ToEspo has been written.
func (w *work) kindAfter(d reconcile.Decision) record.Pair {
	if w.advo.View.Kind == "" {
		return record.Pair{}
	}
	espo := w.espo.View.Kind
	if len(d.ToEspo) > 0 {
		espo = d.Kind
	}
	return record.Pair{Espo: record.Of(espo), Advo: record.Of(w.advo.View.Kind)}
}

// cut shortens a text to n characters, never in the middle of one.
func cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
