package desk

import (
	"context"
	"slices"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/result"
	"advosync/internal/store"
)

// overwrites is what one run overwrote in one record.
type overwrites struct {
	found   bool // the history knows the run
	created bool // it created the record in Advoware
	unknown bool // whether a write happened is not known
	values  []overwrite
	// after are the first writes since then of fields that it did not overwrite.
	after   map[string]overwrite
	advoIDs []int64 // the Advoware records that it wrote to
}

// overwrite is one field on one side, from before the run's first write of it
// to after its last one.
type overwrite struct {
	field         string
	espo, advo    string // names
	side          record.Side
	before, after record.Value
	// later: a sync since then has written the field, so the base knows more of it
	// than the run left.
	later bool
	// mate: it was not overwritten by the run, but is one value with what was.
	mate bool
}

// overwritten reads the history of one run and record, oldest first, and what was
// written there since.
func (d *Desk) overwritten(ctx context.Context, m *mapping.Mapping, id, run string) (*overwrites, error) {
	out := &overwrites{after: map[string]overwrite{}}
	var entries []store.Entry
	err := d.engine.Store.Entries(ctx, store.HistoryFilter{Entity: m.Entity(), ID: id}, func(e store.Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, store.Fault("read the history", err)
	}
	slices.Reverse(entries)
	for _, e := range entries {
		out.since(e)
		if e.Run != run {
			continue
		}
		out.found = true
		created := e.Created || e.Outcome == string(result.CreatedAdvoware)
		out.created = out.created || created
		for _, wr := range e.Writes {
			if wr.State == store.WriteNotDone || created && wr.Side == record.Advoware {
				continue
			}
			out.unknown = out.unknown || wr.State != store.WriteDone
			if wr.Side == record.Advoware && e.AdvowareID != 0 && !slices.Contains(out.advoIDs, e.AdvowareID) {
				out.advoIDs = append(out.advoIDs, e.AdvowareID)
			}
			out.add(wr)
		}
	}
	return out, nil
}

// since takes note of an entry's writes since the run wrote.
func (o *overwrites) since(e store.Entry) {
	for _, wr := range e.Writes {
		if _, known := o.after[wr.Field]; len(o.values) > 0 && !known && wr.State != store.WriteNotDone {
			o.after[wr.Field] = overwriteOf(wr)
		}
	}
	for i := range o.values {
		v := &o.values[i]
		v.later = v.later || slices.ContainsFunc(e.Writes, func(wr store.Write) bool { return wr.Field == v.field && wr.State != store.WriteNotDone })
	}
}

// add joins a write to what is known of its field and side. Where a run wrote a
// field on both sides, the first overwritten value counts: the second one was
// the run's own, or came while it worked. Both count when they are the same.
func (o *overwrites) add(wr store.Write) {
	for i := range o.values {
		if v := &o.values[i]; v.field == wr.Field && v.side == wr.Side {
			v.after, v.later = wr.After, false
			return
		}
	}
	for _, v := range o.values {
		if v.field == wr.Field && v.before != wr.Before {
			return
		}
	}
	o.values = append(o.values, overwriteOf(wr))
}

func overwriteOf(wr store.Write) overwrite {
	return overwrite{field: wr.Field, espo: wr.Espocrm, advo: wr.Advoware, side: wr.Side, before: wr.Before, after: wr.After}
}

// backState says what can be done about one overwritten value.
type backState string

const (
	backReady    backState = "ready"
	backRestored backState = "restored"     // the old value stands there already
	backMovedOn  backState = "moved_on"     // something else stands there by now
	backOneWay   backState = "other_owner"  // the mapping's direction would restore it at once
	backComputed backState = "computed"     // follows what it is computed from
	backUnknown  backState = "not_writable" // the field is not in the mapping any more, or its value is not known
)

// back is one value to be put back.
type back struct {
	overwrite
	field mapping.Field
	now   record.Value
	other record.Value // what the other side holds of the field
	// otherKind is the kind that the record is of there.
	otherKind string
	state     backState
}

func (b back) ready() bool { return b.state == backReady }

// shown is the field as the result tells it.
func (b back) shown() result.Field {
	return result.Field{Espocrm: b.espo, Advoware: b.advo, Target: b.side, Undo: &result.UndoValues{Side: b.side,
		Before: result.Shown(b.before), Wrote: result.Shown(b.after), Now: result.Shown(b.now), State: string(b.state)}}
}

// compareBacks holds what was overwritten against what stands there now.
func (u *undo) compareBacks() []back {
	out := make([]back, 0, len(u.past.values))
	followed := u.kindSide()
	for _, v := range append(slices.Clone(u.past.values), u.mates()...) {
		b := back{overwrite: v, state: backUnknown}
		if f, ok := writableField(u.m, v); ok {
			b.field = f
			b.now, b.other = u.sideView(v.side).Values[f.Key], u.sideView(v.side.Other()).Values[f.Key]
			b.otherKind = u.sideView(v.side.Other()).Kind
			b.state = u.backState(b)
			if u.isClear(v) && followed != "" && followed != v.side {
				b.state = backComputed // the other side gets its kind back, and this one follows
			}
		}
		out = append(out, b)
	}
	return out
}

// mates are the fields that are one value with what the run overwrote, and that have
// moved since: a group is put back as it stood, or not at all.
func (u *undo) mates() (out []overwrite) {
	known := map[string]bool{}
	for _, v := range u.past.values {
		known[v.field] = true
	}
	for _, v := range u.past.values {
		of, ok := u.m.Field(v.field)
		if !ok || of.Group == "" {
			continue
		}
		for _, f := range u.m.AllFields() {
			if f.Group != of.Group || f.Clear || f.Computed || known[f.Key] {
				continue
			}
			known[f.Key] = true
			mate, moved := u.past.after[f.Key]
			if !moved {
				mate, moved = u.edited(f)
			}
			if mate.mate = true; moved {
				out = append(out, mate)
			}
		}
	}
	return out
}

// edited is a field that somebody has edited on a side since both were in step.
func (u *undo) edited(f mapping.Field) (overwrite, bool) {
	base := u.r.Base
	if base == nil {
		return overwrite{}, false
	}
	fb, based := base.Fields[f.Key]
	for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
		if now := u.sideView(side).Values[f.Key]; based && !now.IsAbsent() && fb.On(side) != record.Unknown() && reconcile.Moved(&f, fb.Pair, side, now) {
			return overwrite{field: f.Key, espo: f.Espo, advo: f.Advo, side: side, before: fb.On(side), after: fb.On(side)}, true
		}
	}
	return overwrite{}, false
}

func (u *undo) isClear(v overwrite) bool {
	f, ok := u.m.Field(v.field)
	return ok && f.Clear
}

// ofKind reports whether a value to be put back decides what kind the record is of.
func (u *undo) ofKind(b back) bool { return b.field.Kind != "" || u.isClear(b.overwrite) }

// kindsApart reports whether both sides show a kind, and not the same one.
func (u *undo) kindsApart() bool {
	e, a := u.espo.Kind, u.advo.Kind
	return e != "" && a != "" && e != a
}

// kindSide is the side on which the run wrote the fields of a kind; "" where it
// wrote none.
func (u *undo) kindSide() record.Side {
	for _, v := range u.past.values {
		if f, ok := u.m.Field(v.field); ok && f.Kind != "" && !f.Clear && !f.Computed {
			return v.side
		}
	}
	return ""
}

func (u *undo) sideView(s record.Side) *mapping.View {
	if s == record.EspoCRM {
		return &u.espo
	}
	return &u.advo
}

// writableField finds the field by which a value is written on its side: a
// clear has none of its own, its name is that of another kind's field.
func writableField(m *mapping.Mapping, v overwrite) (mapping.Field, bool) {
	if f, ok := m.Field(v.field); ok && !f.Clear {
		return f, true
	}
	for _, f := range m.AllFields() {
		if f.Clear || f.Computed || f.Direction != mapping.Both {
			continue
		}
		if v.side == record.EspoCRM && f.Espo == v.espo || v.side == record.Advoware && f.Advo == v.advo {
			return f, true
		}
	}
	return mapping.Field{}, false
}

func (u *undo) backState(b back) backState {
	switch {
	case b.field.Computed:
		return backComputed
	case b.before.IsAbsent() || b.now.IsAbsent():
		return backUnknown
	case b.side == record.EspoCRM && b.field.Direction == mapping.ToEspocrm, b.side == record.Advoware && b.field.Direction == mapping.ToAdvoware:
		return backOneWay
	case b.now == b.before:
		return backRestored
	case !u.q.Force && !u.asWritten(b):
		return backMovedOn
	default:
		return backReady
	}
}

// ownFieldsUnedited reports whether neither side holds an edit, which has not travelled,
// of a field that only the record's kind has.
func (u *undo) ownFieldsUnedited() bool {
	base := u.r.Base
	if base == nil {
		return true
	}
	for _, side := range []record.Side{record.EspoCRM, record.Advoware} {
		v := u.sideView(side)
		for _, f := range u.m.Fields(v.Kind) {
			b, ok := base.Fields[f.Key]
			if now := v.Values[f.Key]; ok && f.Own() && !now.IsAbsent() && reconcile.Moved(&f, b.Pair, side, now) {
				return false
			}
		}
	}
	return true
}

// asWritten reports whether both sides still hold what the run left: the side
// that was overwritten its value or that value's own form, the other one no
// later edit. Where the field has been written since, somebody may have typed the
// run's value again: then it is not what the base holds.
func (u *undo) asWritten(b back) bool {
	if b.mate || b.now != b.after && !u.r.OwnForm(b.field.Key, b.after, b.now) {
		return false
	}
	fb, ok := store.FieldBase{}, false
	if base := u.r.Base; base != nil {
		fb, ok = base.Fields[b.field.Key]
	}
	if b.later && ok && fb.On(b.side) != b.now {
		return false
	}
	if u.ofKind(b) && u.kindsApart() {
		return false // somebody made it a record of another kind since
	}
	if u.isClear(b.overwrite) {
		return u.ownFieldsUnedited() // of another kind than the record's: what it has of its own goes with its kind
	}
	other := u.sideView(b.side.Other()).Values[b.field.Key]
	if other.IsAbsent() || record.FoldEqual(other, b.now) || u.r.OwnForm(b.field.Key, b.after, other) {
		return true
	}
	return ok && fb.On(b.side.Other()) == other
}
