package session

import (
	"context"
	"maps"
	"slices"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// MaxErrorMessage is the length of syncErrorMessage in characters.
const MaxErrorMessage = 2000

// StatusPatch is a PUT that changes nothing but the status.
func StatusPatch(status string) record.Patch {
	p := record.Patch{}
	p.Put(record.FieldStatus, status)
	return p
}

// CleanPatch is what a success writes into the sync fields. lastSync is the
// server's time of the read that was decided on, never our clock: what is
// saved after that read has no older stamp.
func (s *Session) CleanPatch() record.Patch {
	p := StatusPatch(record.StatusClean)
	p.Put(record.FieldLastSync, max(s.Espo.ModifiedAt, s.Espo.AsOf))
	p.Put(record.FieldErrorMessage, nil)
	p.Put(record.FieldRetryCount, 0)
	return p
}

// PutEspo is a partial update of EspoCRM, bounded by the lease.
func (s *Session) PutEspo(ctx context.Context, p record.Patch, version *int64) (record.Object, error) {
	if err := s.Lease.Check(); err != nil {
		return record.Object{}, err
	}
	ctx, cancel := s.until(ctx, s.Lease.Until())
	defer cancel()
	return s.Env.EspoCRM.Update(ctx, s.Mapping.EspoType(), s.Key.ID, p, version)
}

// Overlay puts values on an Advoware object, everything unmapped untouched.
func (s *Session) Overlay(o record.Object, values map[string]record.Value) (record.Object, error) {
	plain := map[string]record.Value{}
	var clears []string
	for key, v := range values {
		if f, ok := s.Mapping.Field(key); ok && f.Clear {
			clears = append(clears, f.Advo)
			continue
		}
		plain[key] = v
	}
	slices.Sort(clears)
	return s.Mapping.Overlay(o, plain, clears)
}

// Patch is the wire form of values for EspoCRM.
func (s *Session) Patch(values map[string]record.Value) (record.Patch, error) {
	plain := map[string]record.Value{}
	cleared := record.Patch{}
	for key, v := range values {
		if f, ok := s.Mapping.Field(key); ok && f.Clear {
			cleared.Put(f.Espo, nil)
			continue
		}
		plain[key] = v
	}
	p, err := s.Mapping.EspoPatch(s.Espo.Object, plain)
	for name, raw := range cleared {
		p[name] = raw
	}
	return p, err
}

// PlanEspo builds a PUT to EspoCRM, and the base that will hold once it happened; ends:
// both sides mean the same then.
func (s *Session) PlanEspo(d reconcile.Decision, ends bool) (record.Patch, *store.Base, error) {
	p, err := s.Patch(d.ToEspo)
	if err != nil {
		return nil, nil, err
	}
	planned := sides.Clone(s.Base)
	planned.Mapping, planned.AdvowareID = s.Mapping.Fingerprint(), s.Advo.ID
	if !ends {
		if d.Typed { // a pass finds the record, whatever comes
			p.Put(record.FieldStatus, record.StatusDirty)
		}
		return p, planned, nil
	}
	for key, v := range d.ToEspo {
		s.SetBase(planned, key, record.Pair{Espo: v, Advo: s.Advo.View.Values[key]})
		sides.Answered(planned, key)
	}
	planned.LastSync, planned.StoredAt = s.Espo.ModifiedAt, s.Env.Now()
	planned.Kind = s.kindAfter(d)
	for name, raw := range s.CleanPatch() {
		p[name] = raw
	}
	planned.RowID = ""
	if s.Advo.RowID != "" && !sides.AdvoMoved(s.Mapping, planned, &s.Advo.View) {
		planned.RowID = s.Advo.RowID
		p.Put(record.FieldRowID, planned.RowID)
	}
	return p, planned, nil
}

// kindAfter is both sides' kinds once ToEspo has been written.
func (s *Session) kindAfter(d reconcile.Decision) record.Pair {
	if s.Advo.View.Kind == "" {
		return record.Pair{}
	}
	espo := s.Espo.View.Kind
	if len(d.ToEspo) > 0 {
		espo = d.Kind
	}
	return record.Pair{Espo: record.Of(espo), Advo: record.Of(s.Advo.View.Kind)}
}

// Shown is a failure as syncErrorMessage shows it, with what to do.
func Shown(f *fault.Error) string {
	text := fault.Clean(f.Error(), 0)
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return Cut(text, MaxErrorMessage)
}

// Cut shortens a text to n characters, never in the middle of one.
func Cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// CountReal counts the values that somebody typed; computed fields and clears
// only follow.
func CountReal(m *mapping.Mapping, values map[string]record.Value) int {
	n := 0
	for key := range values {
		if f, ok := m.Field(key); ok && !f.Computed && !f.Clear {
			n++
		}
	}
	return n
}

// With is how both sides would read with these values in the place of theirs.
func (s *Session) With(espo, advo map[string]record.Value) (e, a mapping.View, err error) {
	p, err := s.Patch(espo)
	if err != nil {
		return e, a, err
	}
	obj := s.Espo.Object
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if obj, err = obj.Set(name, p[name]); err != nil {
			return e, a, err
		}
	}
	if e, err = s.Mapping.ReadEspo(obj); err != nil {
		return e, a, err
	}
	if obj, err = s.Overlay(s.Advo.Object, advo); err != nil {
		return e, a, err
	}
	a, err = s.Mapping.ReadAdvo(obj)
	return e, a, err
}
