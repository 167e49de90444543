// Package forms knows what a system makes of a value that it stores: by the field's type, or
// because it was seen (docs/design/protocol.md, "Own form"). It is pure.
package forms

import (
	"maps"
	"slices"
	"strings"

	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/store"
)

const (
	// most is how many forms are remembered of one field.
	most = 4
	// surely is how often one value has to come back as one other before that is the
	// system's form of it: seen once it may as well be somebody's save.
	surely = 2
)

// Known is what is known of the forms in one record's fields.
type Known struct {
	m    *mapping.Mapping
	seen map[string][]store.Form
}

// Of makes it of the forms that are remembered of the record, by field key.
func Of(m *mapping.Mapping, seen map[string][]store.Form) Known { return Known{m: m, seen: seen} }

// Own reports whether read is what a system is known to make of sent.
func (k Known) Own(key string, sent, read record.Value) bool {
	return k.Form(key, sent, read).Own() || k.times(key, sent, read) >= surely
}

// Form is how read stands to sent by the field's type.
func (k Known) Form(key string, sent, read record.Value) record.Form {
	if f, ok := k.m.Field(key); ok {
		return f.FormOf(sent, read)
	}
	return record.FormOf(sent, read)
}

// times is how often sent has come back as read.
func (k Known) times(key string, sent, read record.Value) int {
	for _, f := range k.seen[key] {
		if f.Sent == sent && f.Stored == read {
			return f.Count
		}
	}
	return 0
}

// Made reports whether a side has made read of sent, right after it was sent. What stood
// there before may look like a form of it, and not have been replaced at all: it is one
// where the base knows the side to have made the same of another value.
func (k Known) Made(b *store.Base, side record.Side, key string, before, sent, read record.Value) bool {
	form := k.Form(key, sent, read)
	return form == record.Same || k.times(key, sent, read) > 0 || form.Own() && (read != before || k.based(b, side, key, read))
}

// based reports whether the base knows a side to show this form of another value.
func (k Known) based(b *store.Base, side record.Side, key string, read record.Value) bool {
	if b == nil {
		return false
	}
	fb, ok := b.Fields[key]
	from := fb.On(side.Other())
	return ok && fb.On(side) == read && from != read && k.Form(key, from, read).Own()
}

// Learn takes note of the forms that a settled write teaches: what a read-back shows counts
// once, what EspoCRM alone can have made of a value is surely its form.
func (k *Known) Learn(in reconcile.Settling, got reconcile.Settlement) {
	for key, outcome := range got.Fields {
		sent, read := in.Open.Fields[key].Target, in.Now[key]
		_, surelyIts := got.Learnt[key]
		switch {
		case outcome == reconcile.OutcomeNotAccepted, outcome == reconcile.OutcomeNotDone, read.IsAbsent(), k.Form(key, sent, read).Own():
		case surelyIts:
			k.note(key, sent, read, surely)
		case in.Answer:
			k.note(key, sent, read, 1)
		}
	}
}

// note counts what has come back for a value.
func (k *Known) note(key string, sent, read record.Value, times int) {
	form := store.Form{Sent: sent, Stored: read, Count: k.times(key, sent, read) + times}
	kept := slices.DeleteFunc(slices.Clone(k.seen[key]), func(f store.Form) bool { return f.Sent == sent && f.Stored == read })
	kept = append(kept, form)
	if k.seen = maps.Clone(k.seen); k.seen == nil {
		k.seen = map[string][]store.Form{}
	}
	k.seen[key] = kept[max(0, len(kept)-most):]
}

// Remembered are the forms by field key, as the store keeps them.
func (k Known) Remembered() map[string][]store.Form { return k.seen }

// StoredAs reports whether EspoCRM may store what it has answered as what it shows
// now. The case of letters in a plain text is somebody's edit, and so is a text that
// was cut.
func StoredAs(f mapping.Field, answered, read record.Value) bool {
	switch f.FormOf(answered, read) {
	case record.Unheld:
		return true
	case record.Same:
		plain := f.Type == "" || f.Type == mapping.String || f.Type == mapping.Text
		return !plain || strings.Contains(read.Text(), "@") || strings.ToUpper(read.Text()) == strings.ToLower(read.Text())
	default:
		return false
	}
}
