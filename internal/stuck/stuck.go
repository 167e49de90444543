// Package stuck keeps the fields of a record that cannot be brought over: unreadable, not in
// their table, refused by name. Such a field is left as it is; the others travel, and then
// the record fails, naming it (docs/mapping.md, "One field must not hold up the others").
package stuck

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/record"
	"advosync/internal/sides"
	"advosync/internal/store"
)

// Fields are those that are stuck, and why, by field key. The zero value has none.
type Fields struct{ why map[string]*fault.Error }

// Record is what they are judged by.
type Record struct {
	Mapping    *mapping.Mapping
	Espo, Advo *mapping.View // what both sides show; nil: not read, or not there
	Linked     bool
	What       string // names the record in messages
}

// Any reports whether a field is stuck.
func (s *Fields) Any() bool { return len(s.why) > 0 }

// Stick keeps why fields of a name, a system's or a key, are stuck. It reports false where
// the failure is not about fields that can be left out.
func (s *Fields) Stick(r Record, err error, sent map[string]record.Value) bool {
	f := fault.As(err)
	if f == nil || f.Owner != fault.OwnerRecord || f.Doubt || f.Field == "" {
		return false
	}
	var stuck []string
	for _, name := range f.Fields() {
		keys := r.keysNamed(f.System, name, sent)
		if len(keys) == 0 {
			return false
		}
		stuck = append(stuck, keys...)
	}
	return s.leaveOut(r, correctable(f), stuck)
}

// correctable says of a value that one system refuses that it is corrected in the other one.
func correctable(f *fault.Error) *fault.Error {
	if f.Code != fault.Validation {
		return f
	}
	from := fault.EspoCRM
	if f.System == fault.EspoCRM {
		from = fault.Advoware
	}
	out := *f
	out.Hint = "correct it in " + from.Title() + ", or the mapping of this field"
	return &out
}

// leaveOut makes fields stuck. A kind goes over whole or not at all, and nobody is made
// without what he is known by.
func (s *Fields) leaveOut(r Record, f *fault.Error, keys []string) bool {
	for _, key := range keys {
		fd, ok := r.Mapping.Field(key)
		if !ok || s.why[key] != nil || fd.Kind != "" && r.kindsDiffer() || !r.Linked && r.known(fd) {
			return false
		}
	}
	if s.why == nil {
		s.why = map[string]*fault.Error{}
	}
	for _, key := range keys {
		s.why[key] = f
	}
	return true
}

// Readable makes the fields of a kind stuck that one side holds in a form that cannot be
// read. An error: one of them cannot be left out.
func (s *Fields) Readable(r Record, kind string) error {
	for _, f := range r.Mapping.Fields(kind) {
		err := r.broken(f)
		if err == nil || s.why[f.Key] != nil {
			continue
		}
		if fe := fault.As(err); fe == nil || fe.Owner != fault.OwnerRecord || !s.leaveOut(r, fe, []string{f.Key}) {
			return err
		}
	}
	return nil
}

// Keys are the stuck fields as a decision takes them.
func (s *Fields) Keys() map[string]bool {
	if len(s.why) == 0 {
		return nil
	}
	keys := make(map[string]bool, len(s.why))
	for key := range s.why {
		keys[key] = true
	}
	return keys
}

// Fault is the record's failure once all else has travelled; nil: nothing is stuck.
func (s *Fields) Fault() error {
	keys := slices.Sorted(maps.Keys(s.why))
	if len(keys) == 0 {
		return nil
	}
	var all []*fault.Error
	for _, key := range keys {
		if f := s.why[key]; !slices.ContainsFunc(all, func(known *fault.Error) bool { return known.Message == f.Message }) {
			all = append(all, f)
		}
	}
	return together(all)
}

// together is one failure for all: where they are corrected in different places, each says
// in which.
func together(all []*fault.Error) *fault.Error {
	f := *all[0]
	apart := slices.ContainsFunc(all, func(other *fault.Error) bool { return other.Hint != f.Hint })
	var fields, words []string
	f.Awaits = nil
	for _, one := range all {
		f.Awaits = append(f.Awaits, one.Awaits...)
		word := one.Message
		if apart && one.Hint != "" {
			word += " (" + one.Hint + ")"
		}
		fields, words = append(fields, one.Fields()...), append(words, word)
	}
	if apart {
		f.Hint = ""
	}
	f.Field, f.Message = strings.Join(fields, ", "), strings.Join(words, "; ")
	return &f
}

// Seen adds to a base what Advoware shows of fields that a first contact leaves out:
// EspoCRM's value has still to go over, but not over what is saved there meanwhile. What
// EspoCRM lacks is still filled from there.
func (s *Fields) Seen(r Record, b *store.Base) *store.Base {
	b = sides.Clone(b)
	for _, f := range r.Mapping.Fields(r.Espo.Kind) {
		_, known := b.Fields[f.Key]
		filled := f.Group == "" && !r.Espo.Values[f.Key].HasText() && r.Espo.Broken[f.Key] == nil
		if known || filled || f.Direction != mapping.Both || !s.leftOut(r, f) {
			continue
		}
		a := r.Advo.Values[f.Key]
		switch {
		case r.Advo.Broken[f.Key] != nil:
			a = record.Unknown()
		case a.IsAbsent():
			a = record.Empty()
		}
		sides.Set(r.Mapping, b, f.Key, record.Pair{Espo: record.Unknown(), Advo: a})
	}
	return b
}

// leftOut reports whether a field, or one of its group, is stuck.
func (s *Fields) leftOut(r Record, fd mapping.Field) bool {
	for key := range s.why {
		if f, ok := r.Mapping.Field(key); ok && f.Unit() == fd.Unit() {
			return true
		}
	}
	return false
}

// known reports whether a record is known by the field, or by one of its group.
func (r Record) known(fd mapping.Field) bool {
	return slices.ContainsFunc(r.Mapping.Fields(r.Espo.Kind), func(f mapping.Field) bool {
		return f.Unit() == fd.Unit() && slices.Contains(r.Mapping.Match(), f.Espo)
	})
}

func (r Record) kindsDiffer() bool {
	return r.Espo != nil && r.Advo != nil && r.Espo.Kind != r.Advo.Kind
}

// keysNamed are those of the sent fields that have this name in the system, or as a key.
func (r Record) keysNamed(sys fault.System, name string, sent map[string]record.Value) (keys []string) {
	for key := range sent {
		if f, ok := r.Mapping.Field(key); ok && !f.Clear && (key == name || Named(f, sys, name)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Named reports whether a system calls the field so; both may use a name for another one.
func Named(f mapping.Field, sys fault.System, name string) bool {
	return (name == cmp.Or(f.Espo, f.Advo) || f.CalledInEspo(name)) && sys != fault.Advoware || name == cmp.Or(f.Advo, f.Espo) && sys != fault.EspoCRM
}

// broken is why one side's value of a field could not be read; nil: it could.
func (r Record) broken(f mapping.Field) error {
	for _, side := range []struct {
		sys  fault.System
		view *mapping.View
	}{{fault.EspoCRM, r.Espo}, {fault.Advoware, r.Advo}} {
		if side.view == nil || side.view.Broken[f.Key] == nil {
			continue
		}
		err := side.view.Broken[f.Key]
		hint, awaits := "correct it in "+side.sys.Title()+", or the field's type in the mapping", []fault.Awaited(nil)
		if f := fault.As(err); f != nil && f.Owner == fault.OwnerSystem { // what the field leads to could not be looked up
			return f
		} else if f != nil {
			hint, awaits = cmp.Or(f.Hint, hint), f.Awaits
		}
		return &fault.Error{System: side.sys, Code: fault.MappingFail, Owner: fault.OwnerRecord, Op: "read " + r.What, Field: f.Key,
			Message: err.Error(), Hint: hint, Awaits: awaits, Err: err}
	}
	return nil
}
