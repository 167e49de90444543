package session

import (
	"advosync/internal/forms"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
	"advosync/internal/tell"
)

// forms are what is known of the systems' own forms of this record's values.
func (s *Session) forms() forms.Known { return forms.Of(s.Mapping, s.Memory.Forms) }

// OwnForm reports whether read is what a system is known to make of sent.
func (s *Session) OwnForm(key string, sent, read record.Value) bool {
	return s.forms().Own(key, sent, read)
}

// tellUnheld says of a value that it came back poorer than it was sent: the other
// side keeps the right one. It is said once for a field of a record, as long as it is
// so; the history holds it of each write.
func (s *Session) tellUnheld(side record.Side, key string, sent, read record.Value) {
	if s.forms().Form(key, sent, read) != record.Unheld {
		return
	}
	tell.CannotHold(s.Tells.Entry, side, key)
	f, ok := s.Mapping.Field(key)
	if !ok {
		return
	}
	for i := range s.Result.Fields {
		if r := &s.Result.Fields[i]; r.Espocrm == f.Espo && r.Advoware == f.Advo {
			r.CannotHold = side
		}
	}
	if s.Base != nil {
		if b, ok := s.Base.Fields[key]; ok && s.forms().Form(key, b.On(side.Other()), b.On(side)) == record.Unheld {
			return // said before
		}
	}
	name, there := f.Advo, f.Espo
	if side == record.EspoCRM {
		name, there = f.Espo, f.Advo
	}
	s.Warn("%s cannot hold the value of %s and shows it in a form of its own; %s keeps the right one%s",
		side.Title(), name, side.Other().Title(), inField(there, name))
}

func inField(there, name string) string {
	if there == "" || there == name {
		return ""
	}
	return " (" + there + ")"
}

// AsMeant lets computed fields follow the values that were meant: what Advoware cannot
// hold, and shows in a form of its own, does not come back through an expression.
func (s *Session) AsMeant() {
	if s.Base == nil || s.Advo == nil {
		return
	}
	meant := s.meant()
	if len(meant) == 0 {
		return
	}
	obj, err := s.Overlay(s.Advo.Object, meant)
	if err != nil {
		return
	}
	view, err := s.Mapping.ReadAdvo(obj)
	if err != nil || view.Kind != s.Advo.View.Kind {
		return
	}
	for _, f := range s.Mapping.Fields(view.Kind) {
		if v := view.Values[f.Key]; f.Computed && f.Direction == mapping.ToEspocrm && !v.IsAbsent() {
			s.Advo.View.Values[f.Key] = v
		}
	}
}

// meant are EspoCRM's values of the fields that Advoware shows in a form of its own.
func (s *Session) meant() map[string]record.Value {
	out := map[string]record.Value{}
	for key, fb := range s.Base.Fields {
		if f, ok := s.Mapping.Field(key); ok && f.Direction == mapping.Both && !f.Computed && fb.Espo != fb.Advo && fb.Espo.HasText() &&
			s.Advo.View.Values[key] == fb.Advo && s.OwnForm(key, fb.Espo, fb.Advo) {
			out[key] = fb.Espo
		}
	}
	return out
}

// readAnswers holds a read of EspoCRM against what it has answered to our PUTs, which
// is what was set and not always what is stored: the spelling of an e-mail address
// that it knows, fewer decimals. A difference of form takes the place of the answer,
// whoever has modified the record last; any other is an edit.
func (s *Session) readAnswers() {
	if s.Base == nil || s.Espo == nil {
		return
	}
	var next *store.Base
	for key, fb := range s.Base.Fields {
		v := s.Espo.View.Values[key]
		if !fb.Answered || v.IsAbsent() {
			continue
		}
		if next == nil {
			next = sides.Clone(s.Base)
		}
		fb.Answered = false
		if f, ok := s.Mapping.Field(key); ok && v != fb.Espo && forms.StoredAs(f, fb.Espo, v) {
			s.tellUnheld(record.EspoCRM, key, fb.Espo, v)
			fb.Espo = v
		}
		next.Fields[key] = fb
	}
	if next != nil {
		s.Base, s.Knows.AnswersRead = next, true
	}
}

// syncedSince drops a base that is older than EspoCRM's own stamps: the record
// carries another rowId and was synced later, by somebody whose memory is not this
// store, or by this tool before its store was restored. What that base holds is no
// proof of who has moved. What an announced write was to bring is no such rowId.
func (s *Session) syncedSince() {
	brought := s.Memory.Open != nil && s.Memory.Open.RowID == s.Espo.RowID
	if !brought && sides.Outdated(s.Base, s.Espo.RowID, s.Espo.LastSync) {
		s.Base, s.Knows.Baseless = nil, false
	}
}
