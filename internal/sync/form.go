package sync

import (
	"slices"

	"advosync/internal/forms"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// forms are what is known of the systems' own forms of this record's values.
func (w *work) forms() forms.Known { return forms.Of(w.m, w.mem.Forms) }

// ownForm reports whether read is what a system is known to make of sent.
func (w *work) ownForm(key string, sent, read record.Value) bool {
	return w.forms().Own(key, sent, read)
}

// written is a write that was answered with success, and what its side shows right
// after it.
type written struct {
	side record.Side
	espo *sides.Espo // both sides as they were when the write was announced
	advo *sides.Advo
	sent map[string]record.Value
	now  map[string]record.Value
	// typed: an operator's words, which Advoware gets whole. Whatever form EspoCRM has made
	// of them is as good as taken, also the one that stood there before; it teaches and
	// tells nothing, and a field of another kind than EspoCRM's now has no base.
	typed bool
}

// settle reads off the recovery table what such a write leaves of a base, and takes
// over the forms that it teaches. refused are the fields that were not accepted.
func (w *work) settle(base *store.Base, wr written) (next *store.Base, refused []string) {
	next = sides.Clone(base)
	in := reconcile.Settling{Base: sides.Pairs(next), Fate: reconcile.FateDone, Now: wr.now, Answer: true,
		Open: reconcile.Announcement{Side: wr.side, Fields: map[string]reconcile.Announced{}},
		Form: func(key string, sent, read record.Value) bool {
			before := record.Pair{Espo: wr.espo.View.Values[key], Advo: wr.advo.View.Values[key]}.On(wr.side)
			return wr.typed && w.ownForm(key, sent, read) || w.forms().Made(w.base, wr.side, key, before, sent, read)
		}}
	for key, v := range wr.sent {
		if f, ok := w.m.Field(key); ok && f.Clear {
			if wr.now[key].HasText() {
				refused = append(refused, key)
			}
			continue
		}
		in.Open.Fields[key] = reconcile.Announced{Target: v, Shown: record.Pair{Espo: wr.espo.View.Values[key], Advo: wr.advo.View.Values[key]}}
	}
	got := reconcile.Settle(in)
	if !wr.typed {
		w.learn(in, got)
	}
	for key, outcome := range got.Fields {
		switch {
		case outcome == reconcile.OutcomeNotAccepted:
			refused = append(refused, key)
			continue
		case wr.typed:
			if slices.ContainsFunc(w.m.Fields(w.espo.View.Kind), func(f mapping.Field) bool { return f.Key == key }) {
				w.setBase(next, key, got.Base[key])
			}
			continue
		}
		w.tellUnheld(wr.side, key, in.Open.Fields[key].Target, wr.now[key])
		w.setBase(next, key, got.Base[key])
		if wr.side == record.EspoCRM {
			sides.Answered(next, key)
		}
	}
	return next, refused
}

// learn remembers the forms that a settled write teaches; the next commit stores them.
func (w *work) learn(in reconcile.Settling, got reconcile.Settlement) {
	known := w.forms()
	known.Learn(in, got)
	w.mem.Forms = known.Remembered()
}

// tellUnheld says of a value that it came back poorer than it was sent: the other
// side keeps the right one. It is said once for a field of a record, as long as it is
// so; the history holds it of each write.
func (w *work) tellUnheld(side record.Side, key string, sent, read record.Value) {
	if w.forms().Form(key, sent, read) != record.Unheld {
		return
	}
	tell.CannotHold(w.tells.entry, side, key)
	f, ok := w.m.Field(key)
	if !ok {
		return
	}
	for i := range w.res.Fields {
		if r := &w.res.Fields[i]; r.Espocrm == f.Espo && r.Advoware == f.Advo {
			r.CannotHold = side
		}
	}
	if w.base != nil {
		if b, ok := w.base.Fields[key]; ok && w.forms().Form(key, b.On(side.Other()), b.On(side)) == record.Unheld {
			return // said before
		}
	}
	name, there := f.Advo, f.Espo
	if side == record.EspoCRM {
		name, there = f.Espo, f.Advo
	}
	w.warn("%s cannot hold the value of %s and shows it in a form of its own; %s keeps the right one%s",
		side.Title(), name, side.Other().Title(), inField(there, name))
}

func inField(there, name string) string {
	if there == "" || there == name {
		return ""
	}
	return " (" + there + ")"
}

// asMeant lets computed fields follow the values that were meant: what Advoware cannot
// hold, and shows in a form of its own, does not come back through an expression.
func (w *work) asMeant() {
	if w.base == nil || w.advo == nil {
		return
	}
	meant := w.meant()
	if len(meant) == 0 {
		return
	}
	obj, err := w.overlay(w.advo.Object, meant)
	if err != nil {
		return
	}
	view, err := w.m.ReadAdvo(obj)
	if err != nil || view.Kind != w.advo.View.Kind {
		return
	}
	for _, f := range w.m.Fields(view.Kind) {
		if v := view.Values[f.Key]; f.Computed && f.Direction == mapping.ToEspocrm && !v.IsAbsent() {
			w.advo.View.Values[f.Key] = v
		}
	}
}

// meant are EspoCRM's values of the fields that Advoware shows in a form of its own.
func (w *work) meant() map[string]record.Value {
	out := map[string]record.Value{}
	for key, fb := range w.base.Fields {
		if f, ok := w.m.Field(key); ok && f.Direction == mapping.Both && !f.Computed && fb.Espo != fb.Advo && fb.Espo.HasText() &&
			w.advo.View.Values[key] == fb.Advo && w.ownForm(key, fb.Espo, fb.Advo) {
			out[key] = fb.Espo
		}
	}
	return out
}

// readAnswers holds a read of EspoCRM against what it has answered to our PUTs, which
// is what was set and not always what is stored: the spelling of an e-mail address
// that it knows, fewer decimals. A difference of form takes the place of the answer,
// whoever has modified the record last; any other is an edit.
func (w *work) readAnswers() {
	if w.base == nil || w.espo == nil {
		return
	}
	var next *store.Base
	for key, fb := range w.base.Fields {
		v := w.espo.View.Values[key]
		if !fb.Answered || v.IsAbsent() {
			continue
		}
		if next == nil {
			next = sides.Clone(w.base)
		}
		fb.Answered = false
		if f, ok := w.m.Field(key); ok && v != fb.Espo && forms.StoredAs(f, fb.Espo, v) {
			w.tellUnheld(record.EspoCRM, key, fb.Espo, v)
			fb.Espo = v
		}
		next.Fields[key] = fb
	}
	if next != nil {
		w.base, w.knows.answersRead = next, true
	}
}

// syncedSince drops a base that is older than EspoCRM's own stamps: the record
// carries another rowId and was synced later, by somebody whose memory is not this
// store, or by this tool before its store was restored. What that base holds is no
// proof of who has moved. What an announced write was to bring is no such rowId.
func (w *work) syncedSince() {
	brought := w.mem.Open != nil && w.mem.Open.RowID == w.espo.RowID
	if !brought && sides.Outdated(w.base, w.espo.RowID, w.espo.LastSync) {
		w.base, w.knows.baseless = nil, false
	}
}
