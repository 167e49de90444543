package sync

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"advosync/internal/fault"
	"advosync/internal/mapping"
	"advosync/internal/reconcile"
	"advosync/internal/record"
	"advosync/internal/sides"
)

// A field that cannot be brought over is stuck: unreadable, not in its table, refused by
// name. It is left as it is; the others travel, and then the record fails, naming it
// (docs/mapping.md, "One field must not hold up the others").

// stick keeps why fields of a name, a system's or a key, are stuck. It reports false where
// the failure is not about fields that can be left out.
func (w *work) stick(err error, sent map[string]record.Value) bool {
	f := fault.As(err)
	if f == nil || f.Owner != fault.OwnerRecord || f.Doubt || f.Field == "" {
		return false
	}
	stuck := map[string]bool{}
	for _, name := range f.Fields() {
		keys := w.keysNamed(f.System, name, sent)
		if len(keys) == 0 {
			return false
		}
		for _, key := range keys {
			stuck[key] = true
		}
	}
	return w.leaveOut(f, slices.Collect(maps.Keys(stuck)))
}

// leaveOut makes fields stuck. A kind goes over whole or not at all, and nobody is made
// without what he is known by.
func (w *work) leaveOut(f *fault.Error, keys []string) bool {
	for _, key := range keys {
		fd, ok := w.m.Field(key)
		if !ok || w.by.stuck[key] != nil || fd.Kind != "" && w.kindsDiffer() || w.advowareID() == 0 && w.known(fd) {
			return false
		}
	}
	if w.by.stuck == nil {
		w.by.stuck = map[string]*fault.Error{}
	}
	for _, key := range keys {
		w.by.stuck[key] = f
	}
	return true
}

// known reports whether a record is known by the field, or by one of its group.
func (w *work) known(fd mapping.Field) bool {
	return slices.ContainsFunc(w.m.Fields(w.espo.View.Kind), func(f mapping.Field) bool {
		return (f.Key == fd.Key || f.Group != "" && f.Group == fd.Group) && slices.Contains(w.m.Match(), f.Espo)
	})
}

// seenStuck remembers what Advoware shows of fields that a first contact leaves out:
// EspoCRM's value has still to go over, but not over what is saved there meanwhile. What
// EspoCRM lacks is still filled from there.
func (w *work) seenStuck() {
	if w.espo.LastSync != "" || w.advo == nil {
		return
	}
	w.base = sides.Clone(w.base)
	for _, f := range w.m.Fields(w.espo.View.Kind) {
		_, known := w.base.Fields[f.Key]
		filled := f.Group == "" && !w.espo.View.Values[f.Key].HasText() && w.espo.View.Broken[f.Key] == nil
		if known || filled || f.Direction != mapping.Both || !w.leftOut(f) {
			continue
		}
		a := w.advo.View.Values[f.Key]
		switch {
		case w.advo.View.Broken[f.Key] != nil:
			a = record.Unknown()
		case a.IsAbsent():
			a = record.Empty()
		}
		w.setBase(w.base, f.Key, record.Pair{Espo: record.Unknown(), Advo: a})
	}
}

// leftOut reports whether a field, or one of its group, is stuck.
func (w *work) leftOut(fd mapping.Field) bool {
	for key := range w.by.stuck {
		if f, ok := w.m.Field(key); ok && (f.Key == fd.Key || f.Group != "" && f.Group == fd.Group) {
			return true
		}
	}
	return false
}

func (w *work) kindsDiffer() bool {
	return w.espo != nil && w.advo != nil && w.espo.View.Kind != w.advo.View.Kind
}

// keysNamed are those of the sent fields that have this name in the system, or as a key.
func (w *work) keysNamed(sys fault.System, name string, sent map[string]record.Value) (keys []string) {
	for key := range sent {
		if f, ok := w.m.Field(key); ok && !f.Clear && (key == name || isNamed(f, sys, name)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// isNamed reports whether a system calls the field so; both may use a name for another one.
func isNamed(f mapping.Field, sys fault.System, name string) bool {
	return name == cmp.Or(f.Espo, f.Advo) && sys != fault.Advoware || name == cmp.Or(f.Advo, f.Espo) && sys != fault.EspoCRM
}

func (w *work) stuckKeys() map[string]bool {
	if len(w.by.stuck) == 0 {
		return nil
	}
	keys := make(map[string]bool, len(w.by.stuck))
	for key := range w.by.stuck {
		keys[key] = true
	}
	return keys
}

// stuckFault is the record's failure once all else has travelled; nil: nothing is stuck.
func (w *work) stuckFault() error {
	keys := slices.Sorted(maps.Keys(w.by.stuck))
	if len(keys) == 0 {
		return nil
	}
	f := *w.by.stuck[keys[0]]
	fields, words := f.Fields(), []string{f.Message}
	for _, key := range keys[1:] {
		if other := w.by.stuck[key]; !slices.Contains(words, other.Message) {
			words = append(words, other.Message)
			fields = append(fields, other.Fields()...)
		}
	}
	f.Field, f.Message = strings.Join(fields, ", "), strings.Join(words, "; ")
	return &f
}

// sayStuck adds to the reason of a record that waits what besides cannot be brought over.
func (w *work) sayStuck() {
	if f := fault.As(w.stuckFault()); f != nil {
		w.res.Reason.Text += " Besides, a field cannot be brought over: " + f.Message + "."
	}
}

// readable makes the fields stuck that one side holds in a form that cannot be read.
func (w *work) readable(kind string) error {
	for _, f := range w.m.Fields(kind) {
		err := w.broken(f)
		if err == nil || w.by.stuck[f.Key] != nil {
			continue
		}
		if fe := fault.As(err); fe == nil || fe.Owner != fault.OwnerRecord || !w.leaveOut(fe, []string{f.Key}) {
			return err
		}
	}
	return nil
}

// sendable makes one field stuck that a decision would send and no system can be sent;
// again: decide without it.
func (w *work) sendable(d reconcile.Decision) (again bool, err error) {
	if d.Typed {
		return false, nil
	}
	if len(d.ToAdvo) > 0 {
		obj := record.Object{}
		if w.advo != nil {
			obj = w.advo.Object
		}
		if _, err := w.overlay(obj, d.ToAdvo); err != nil {
			return w.stick(err, d.ToAdvo), err
		}
	}
	if len(d.ToEspo) > 0 {
		if _, err := w.patch(d.ToEspo); err != nil {
			return w.stick(err, d.ToEspo), err
		}
	}
	return false, nil
}

// decided is the decision on what can be brought over.
func (w *work) decided(in reconcile.Input) (reconcile.Decision, error) {
	for {
		in.Stuck = w.stuckKeys()
		d := reconcile.Decide(in)
		if err := w.readable(d.Kind); err != nil {
			return d, err
		}
		again, err := w.sendable(d)
		if !again {
			return d, err
		}
	}
}

// refusedByName reports whether EspoCRM has refused a write for fields that it names:
// the next round goes on without them, and is none of those that an edit costs.
func (w *work) refusedByName(err error, sent map[string]record.Value) bool {
	if !fault.Is(err, fault.Validation) || !w.stick(err, sent) {
		return false
	}
	w.tells.owed = nil // nothing has given way to it
	w.tells.toldOf = slices.DeleteFunc(w.tells.toldOf, func(key string) bool { _, ok := sent[key]; return ok })
	w.did.attempt = max(w.did.attempt-1, 1)
	return true
}

// broken is why one side's value of a field could not be read; nil: it could.
func (w *work) broken(f mapping.Field) error {
	for _, side := range []struct {
		sys  fault.System
		view *mapping.View
	}{{fault.EspoCRM, w.espoView()}, {fault.Advoware, w.advoView()}} {
		if side.view == nil || side.view.Broken[f.Key] == nil {
			continue
		}
		err := side.view.Broken[f.Key]
		hint := "correct the value there, or the field's type in the mapping"
		if f := fault.As(err); f != nil && f.Owner == fault.OwnerSystem { // what the field leads to could not be looked up
			return f
		} else if f != nil && f.Hint != "" {
			hint = f.Hint
		}
		return &fault.Error{System: side.sys, Code: fault.MappingFail, Owner: fault.OwnerRecord, Op: "read " + w.what(), Field: f.Key,
			Message: err.Error(), Hint: hint, Err: err}
	}
	return nil
}
