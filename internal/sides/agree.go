package sides

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

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
	es, err := ReadEspo(m, espo, now)
	if err != nil || es.Status != record.StatusClean || es.LastSync == "" || es.RowID == "" {
		return nil
	}
	as, err := ReadAdvo(m, es.AdvowareID, advo)
	if err != nil || as.RowID != es.RowID || len(es.View.Broken)+len(as.View.Broken) > 0 {
		return nil
	}
	d := reconcile.Decide(reconcile.Input{Schema: m, Policy: reconcile.Manual, Espo: &es.View, Advo: &as.View, Linked: true, LinkKnown: true,
		Status: es.Status, RowStored: es.RowID, RowCurrent: as.RowID, LastSync: es.LastSync, ModifiedAt: es.ModifiedAt})
	if d.Verdict != result.NoChange || d.PutNeeded || d.Action != reconcile.None && d.Action != reconcile.Adopt {
		return nil
	}
	fields := equalPairs(m, es.View, as.View)
	if fields == nil {
		return nil
	}
	return &store.Base{Mapping: m.Fingerprint(), AdvowareID: es.AdvowareID, RowID: es.RowID, Kind: d.AgreedKind, LastSync: es.LastSync, StoredAt: now, Fields: fields}
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
