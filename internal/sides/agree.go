package sides

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
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
	if d.Verdict != result.NoChange || d.PutNeeded || d.Action != reconcile.None && d.Action != reconcile.Adopt || !allEqual(m.Fields(es.View.Kind), d.Agreed) {
		return nil
	}
	b := Clone(nil)
	b.Mapping, b.AdvowareID, b.RowID, b.Kind, b.LastSync, b.StoredAt = m.Fingerprint(), es.AdvowareID, es.RowID, d.AgreedKind, es.LastSync, now
	for key, p := range d.Agreed {
		Set(m, b, key, p)
	}
	return b
}

// allEqual reports whether both sides hold the very same in every field.
func allEqual(fields []mapping.Field, agreed map[string]record.Pair) bool {
	return !slices.ContainsFunc(fields, func(f mapping.Field) bool {
		p, ok := agreed[f.Key]
		return !f.Clear && (!ok || p.Espo != p.Advo)
	})
}
